"""Wall and CPU time that a running Mistral takes for workloads.

A workload is a definition and how many executions of its workflow are started, over how many
connections. Wall time is from the first request until the last execution has ended; CPU time is of
all processes that are Mistral, RabbitMQ and PostgreSQL.
"""

import os
import pathlib
import time
import uuid
from concurrent import futures

import cases

TICKS = os.sysconf("SC_CLK_TCK")
# How often it is asked whether an execution has ended: rarely enough to cost nearly nothing.
PAUSE = 0.1
PATIENCE = 600


def family(pids):
    """The processes `pids` and all that they have started."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = stat(entry.name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, open_ = set(), list(pids)
    while open_:
        pid = open_.pop()
        if pid not in found:
            found.add(pid)
            open_ += children.get(pid, [])
    return found


def stat(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def cpu(pids):
    """Seconds that they and their ended children have computed."""
    total = 0
    for pid in family(pids):
        fields = stat(pid)
        if fields:
            total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def measure(running, workload):
    api = cases.Api(running["url"])
    namespace = f"measure-{uuid.uuid4()}"
    api.call("POST", "workflows", workload["definition"], text=True, namespace=namespace)
    request = {"workflow_name": workload["workflow"], "workflow_namespace": namespace}
    pids = running["pids"].values()
    began, before = time.monotonic(), cpu(pids)
    with futures.ThreadPoolExecutor(workload["connections"]) as pool:
        started = pool.map(
            lambda _: api.call("POST", "executions", request)["id"],
            range(workload["executions"]),
        )
        for execution in started:
            while True:
                state = api.call("GET", f"executions/{execution}", fields="state")["state"]
                if state in cases.ENDED:
                    break
                if time.monotonic() - began > PATIENCE:
                    raise cases.rig.RigError(f"{workload['name']} has not ended: {state}")
                time.sleep(PAUSE)
            if state != "SUCCESS":
                raise cases.rig.RigError(f"{workload['name']} ended as {state}")
    wall = time.monotonic() - began
    return {"wall": wall, "cpu": cpu(pids) - before}
