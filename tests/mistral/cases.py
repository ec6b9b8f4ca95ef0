"""Runs cases of `host/engine/tests/cases` against Mistral and puts down what it answers."""

import json
import pathlib
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import psycopg2
import yaml

import rig
from plain import Plain

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "host" / "engine" / "tests" / "cases"
ENDED = {"SUCCESS", "ERROR", "CANCELLED", "SKIPPED"}
# The id that executions have in the engine's own tests.
ROOT = "7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?")
# What makes a case, apart from what is expected of it.
ASKED = [
    "workflows",
    "namespaces",
    "workflow",
    "namespace",
    "input",
    "env",
    "params",
    "actions",
    "events",
    "unrecorded",
]
# How long nothing may happen until nothing will: when all has ended, and when something is open.
CALM, CALM_OPEN = 0.8, 5.0
# The same for a running execution in which nothing runs: Mistral looks for such after 20 seconds.
CALM_STUCK = 30.0
# How long nothing may happen before an event from outside, and how long that may be waited for.
STILL, LAG = 0.6, 8.0
# How much longer the seconds of events and scripts are, where only they count.
STRETCH = 2
# Seconds after the last event from outside in which an execution must come to rest.
PATIENCE = 90


class Refused(Exception):
    """Mistral does not take a definition or a request."""


def load(path):
    cases = yaml.load(path.read_text(), Plain)
    for case in cases:
        case["asked"] = digest({key: case[key] for key in ASKED if key in case})
    return cases


def digest(value):
    """FNV-1a over the value's text with sorted keys, which `host/engine/tests` computes as well."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    number = 0xCBF29CE484222325
    for byte in text.encode():
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return f"{number:016x}"


def as_list(value):
    return value if isinstance(value, list) else [value]


class Api:
    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None, text=False, **query):
        query = {key: value for key, value in query.items() if value is not None}
        address = f"{self.url}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = body if body is None or text else json.dumps(body)
        request = urllib.request.Request(
            address,
            method=method,
            data=None if data is None else data.encode(),
            headers={"Content-Type": "text/plain" if text else "application/json"},
        )
        try:
            with rig.OPENER.open(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            body = error.read().decode(errors="replace")
            try:
                body = json.loads(body)["faultstring"]
            except (ValueError, KeyError, TypeError):
                pass
            if error.code >= 500:
                raise rig.RigError(f"{method} {path}: {error.code}: {body[:300]}") from None
            raise Refused(f"{error.code}: {body}") from None


def parsed(text):
    """What a text holds, as far as it is needed: what is wrong with it is for Mistral to say."""
    try:
        spec = yaml.load(text, Plain)
    except yaml.YAMLError:
        return {}
    return spec if isinstance(spec, dict) else {}


def kind_of(text):
    """What a text is, as `host/lang/src/parse/document.rs` decides."""
    spec = parsed(text)
    sections = [spec[key] for key in ("workflows", "actions") if key in spec]
    if any(not isinstance(s, dict) or not {"tasks", "base"} & s.keys() for s in sections) or (
        "name" in spec and not isinstance(spec["name"], dict)
    ):
        return "workbooks"
    entries = [value for key, value in spec.items() if key != "version"]
    if entries and all(isinstance(e, dict) and "base" in e and "tasks" not in e for e in entries):
        return "actions"
    return "workflows"


def first_workflow(text):
    spec = parsed(text)
    if kind_of(text) == "workbooks":
        workflows = spec.get("workflows") or {}
        return next((f"{spec.get('name')}.{name}" for name in workflows), None)
    return next((key for key in spec if key != "version"), None)


class Run:
    """One case, in a namespace of its own; one about namespaces in those that it names.

    The names of the latter are its own, and it runs nothing by script."""

    def __init__(self, case, api, database):
        self.case = case
        self.api = api
        self.database = database
        self.namespace = f"case-{uuid.uuid4().hex[:12]}"
        self.texts = {self.namespace: as_list(case["workflows"])}
        if "namespaces" in case:
            self.namespace = case.get("namespace", "")
            named = {name: as_list(texts) for name, texts in case["namespaces"].items()}
            self.texts = {"": as_list(case["workflows"]), **named}
        self.root = None
        # Mistral needs time for what takes none in a case. Where nothing but the case says how
        # long things take, everything takes longer.
        texts = "".join(as_list(case["workflows"]))
        timed = re.search(r"wait-|timeout|retry|delay|seconds", texts)
        self.stretch = STRETCH if case.get("events") and not timed else 1

    def answer(self):
        try:
            self.define()
            self.start()
        except Refused as refused:
            return {"refused": plain(str(refused).strip().splitlines()[0][:200])}
        for event in self.case.get("events", []):
            self.await_second(event["at"] * self.stretch)
            try:
                self.tell(event)
            except Refused as refused:
                # What Mistral does not take changes nothing, as it is in the engine.
                first = str(refused).splitlines()[0][:160]
                rig.say(f"{self.case['name']}: at {event['at']} s: {first}")
        rested = self.rest()
        found = self.look()
        if not rested:
            found["unrest"] = True
        self.leave(found["state"])
        return found

    def forget(self):
        """Deletes what the case defines in namespaces that it names."""
        for namespace, texts in self.texts.items() if "namespaces" in self.case else ():
            for text in texts:
                spec, kind = parsed(text), kind_of(text)
                names = [(kind, name) for name in spec if name != "version"]
                if kind == "workbooks":
                    book = spec["name"]
                    names = [(kind, book)]
                    for kind in ("workflows", "actions"):
                        names += [(kind, f"{book}.{name}") for name in spec.get(kind, {})]
                for kind, name in names:
                    try:
                        self.api.call("DELETE", f"{kind}/{name}", namespace=namespace)
                    except Refused:
                        pass  # It is not there.

    def await_second(self, second):
        """Waits for a second of the case. Mistral takes its time even for what takes none in a
        case: what is to have happened by then gets some seconds more, and so does what follows."""
        time.sleep(max(0, self.started + second - time.monotonic()))
        due = time.monotonic()
        before, since = None, due
        while time.monotonic() < due + LAG:
            tree = self.tree()
            if tree != before or self.jobs(tree, due=True) or self.starting(tree):
                before, since = tree, time.monotonic()
            elif time.monotonic() - since > STILL:
                break
            time.sleep(0.1)
        self.started += time.monotonic() - due

    def define(self):
        texts = [text for texts in self.texts.values() for text in texts]
        words = set(re.findall(r"[\w.-]+", " ".join(texts) + json.dumps(self.case.get("input"))))
        script = {key: as_list(value) for key, value in self.case.get("actions", {}).items()}
        names = {w for w in words | set(script) if not w.startswith("std.")}
        if "namespaces" not in self.case:
            scripts = rig.RUN / "scripts" / f"{self.namespace}.json"
            case = {"names": sorted(names), "script": script, "stretch": self.stretch}
            scripts.write_text(json.dumps(case))
        self.first = None
        self.forget()
        for namespace, texts in self.texts.items():
            for text in texts:
                kind = kind_of(text)
                self.api.call("POST", kind, text, text=True, namespace=namespace)
                if kind != "actions" and self.first is None:
                    self.first = first_workflow(text)

    def start(self):
        params = dict(self.case.get("params", {}))
        if "env" in self.case:
            params["env"] = self.case["env"]
        body = {
            "workflow_name": self.case.get("workflow") or self.first,
            "workflow_namespace": self.namespace,
            "input": self.case.get("input", {}),
            "params": params,
        }
        self.root = self.api.call("POST", "executions", body)["id"]
        self.started = time.monotonic()

    def tell(self, event):
        if "finish" in event:
            return self.finish(event)
        if "rerun" in event or "skip" in event:
            return self.again(event)
        if "action" in event:
            body = {"state": event["state"]}
            return self.api.call("PUT", f"action_executions/{self.at_work(event['action'])}", body)
        body = {}
        if event.get("pause"):
            body = {"state": "PAUSED"}
        elif event.get("resume"):
            body = {"state": "RUNNING"}
            if event.get("env") is not None:
                body["params"] = json.dumps({"env": event["env"]})
        elif "stop" in event:
            body = {"state": event["stop"], "state_info": event.get("message")}
        target = self.execution_of(event.get("in"))
        self.api.call("PUT", f"executions/{target}", body)

    def execution_of(self, workflow):
        if workflow is None:
            return self.root
        found = self.rows(
            "select id from workflow_executions_v2 where root_execution_id = %s"
            " and workflow_name = %s order by created_at desc limit 1",
            self.root,
            workflow,
        )
        if not found:
            raise Refused(f"no execution of {workflow}")
        return found[0][0]

    def task_of(self, execution, name):
        found = self.rows(
            "select id from task_executions_v2 where workflow_execution_id = %s and name = %s"
            " order by recorder_seq desc limit 1",
            execution,
            name,
        )
        if not found:
            raise Refused(f"no task {name}")
        return found[0][0]

    def at_work(self, task):
        """The action that waits for somebody outside for this task."""
        found = self.rows(
            "select a.id from action_executions_v2 a"
            " join task_executions_v2 t on a.task_execution_id = t.id"
            " join workflow_executions_v2 w on t.workflow_execution_id = w.id"
            " where (w.id = %s or w.root_execution_id = %s) and t.name = %s"
            " and a.state in ('RUNNING', 'PAUSED') order by a.created_at desc limit 1",
            self.root,
            self.root,
            task,
        )
        if not found:
            raise Refused(f"no action of {task} is at work")
        return found[0][0]

    def finish(self, event):
        if "error" in event:
            body = {"state": "ERROR", "output": json.dumps(event["error"])}
        else:
            body = {"state": "SUCCESS", "output": json.dumps(event.get("ok"))}
        self.api.call("PUT", f"action_executions/{self.at_work(event['finish'])}", body)

    def again(self, event):
        execution = self.execution_of(event.get("in"))
        task = self.task_of(execution, event.get("rerun") or event.get("skip"))
        if "skip" in event:
            body = {"id": task, "state": "SKIPPED"}
        else:
            body = {"id": task, "state": "RUNNING", "reset": event.get("reset", True)}
        if event.get("env") is not None:
            body["env"] = json.dumps(event["env"])
        self.api.call("PUT", f"tasks/{task}", body)

    def rows(self, query, *values):
        return self.database.rows(query, values)

    def tree(self):
        """All executions of the case and their tasks, as far as rest can be told from them."""
        executions = self.rows(
            "select id, state, updated_at from workflow_executions_v2"
            " where id = %s or root_execution_id = %s order by id",
            self.root,
            self.root,
        )
        tasks = self.rows(
            "select t.id, t.state, t.updated_at from task_executions_v2 t"
            " join workflow_executions_v2 w on t.workflow_execution_id = w.id"
            " where w.id = %s or w.root_execution_id = %s order by t.id",
            self.root,
            self.root,
        )
        actions = self.rows(
            "select a.id, a.state, a.updated_at, a.name from action_executions_v2 a"
            " join task_executions_v2 t on a.task_execution_id = t.id"
            " join workflow_executions_v2 w on t.workflow_execution_id = w.id"
            " where w.id = %s or w.root_execution_id = %s order by a.id",
            self.root,
            self.root,
        )
        return executions, tasks, actions

    def busy(self, tree):
        """Whether something is to come by itself: an action at work, or a job of the scheduler."""
        if any((rig.RUN / "scripts" / f"{self.namespace}.at-work").glob("*")):
            return True
        return self.jobs(tree)

    def starting(self, tree):
        """Whether an action runs that neither takes its time nor waits for somebody."""
        begun = {path.name for path in (rig.RUN / "scripts").glob(f"{self.namespace}.*/*")}
        return any(
            state == "RUNNING" and action not in begun and not name.startswith("std.")
            for action, state, _, name in tree[2]
        )

    def jobs(self, tree, due=False):
        """Whether Mistral's scheduler has something to do for the case, or has it to do by now."""
        jobs = self.rows(
            "select method_arguments::text from delayed_calls_v2"
            " where target_method_name not like %s"
            " and (not %s or execution_time <= now() at time zone 'utc')",
            "%integrity%",
            due,
        )
        ids = {row[0] for rows in tree for row in rows}
        return any(not ids.isdisjoint(UUID.findall(job)) for (job,) in jobs)

    def rest(self):
        """Waits until nothing happens any more; whether it came to that."""
        until = time.monotonic() + PATIENCE
        before, since = None, time.monotonic()
        while time.monotonic() < until:
            tree = self.tree()
            now = time.monotonic()
            state = next((row[1] for row in tree[0] if row[0] == self.root), None)
            # What is at work when the execution has ended may go on for long; nobody waits for it.
            if tree != before or (state not in ENDED and self.busy(tree)):
                before, since = tree, now
            open_ends = any(row[1] not in ENDED for rows in tree for row in rows)
            calm = CALM_OPEN if open_ends else CALM
            if state == "RUNNING" and all(row[1] in ENDED for row in tree[2]):
                calm = CALM_STUCK
            if now - since > calm:
                return True
            time.sleep(0.25)
        return False

    def leave(self, state):
        if state not in ENDED:
            body = {"state": "CANCELLED", "state_info": "recorded"}
            try:
                self.api.call("PUT", f"executions/{self.root}", body)
            except Refused:
                pass

    # The answer

    def look(self):
        root = self.api.call("GET", f"executions/{self.root}")
        found = {"state": root["state"], "info": bool(root["state_info"])}
        output = json.loads(root["output"] or "{}")
        tasks = {}
        rows = self.rows(
            "select id from task_executions_v2 where workflow_execution_id = %s"
            " order by recorder_seq",
            self.root,
        )
        infos = [root["state_info"]]
        for (task_id,) in rows:
            task = self.api.call("GET", f"tasks/{task_id}")
            infos.append(task["state_info"])
            tasks.setdefault(task["name"], []).append(
                {
                    "state": task["state"],
                    "info": bool(task["state_info"]),
                    "result": json.loads(task.get("result") or "null"),
                    "published": json.loads(task.get("published") or "{}"),
                }
            )
        executions = {}
        for name, state, info in self.rows(
            "select workflow_name, state, state_info from workflow_executions_v2"
            " where root_execution_id = %s",
            self.root,
        ):
            executions.setdefault(name, []).append(state)
            infos.append(info)
        scripted = json.dumps([self.case.get("actions"), self.case.get("events")])
        infos = {info for info in infos if info and json.dumps(info) not in scripted}
        found["output"] = self.neutral(output, infos)
        found["tasks"] = {name: self.neutral(runs, infos) for name, runs in sorted(tasks.items())}
        if executions:
            found["executions"] = {name: sorted(s) for name, s in sorted(executions.items())}
        return found

    def neutral(self, value, infos):
        """The value without what differs from run to run or is worded otherwise."""
        if isinstance(value, dict):
            return {plain(k, self.root): self.neutral(v, infos) for k, v in value.items()}
        if isinstance(value, list):
            return [self.neutral(item, infos) for item in value]
        if isinstance(value, str):
            return "<info>" if value in infos else plain(value, self.root)
        return value


def plain(text, root=None):
    return TIME.sub("<time>", UUID.sub(lambda m: ROOT if m[0] == root else "<id>", text))


class Database:
    """Reads Mistral's database, from any thread."""

    def __init__(self, port):
        self.dsn = f"host={rig.HOST} port={port} user=mistral dbname=mistral"
        self.local = threading.local()
        # Mistral's times are whole seconds, which is too coarse for the order of tasks.
        with psycopg2.connect(self.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(
                "alter table task_executions_v2 add column if not exists recorder_seq bigserial"
            )

    def rows(self, query, values):
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = psycopg2.connect(self.dsn)
            connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()
