"""The real clients `mistral` and `openstack`, run many times in one process.

What they import takes most of a second, so it is imported once; a command then runs in a fork of
this process, which has its own streams, folder and logging, and ends with the command's status.

A line on standard input asks: `{"program", "argv", "folder"}` runs a command there, and
`{"program"}` alone asks for the names of all commands. A line on standard output answers:
`{"exit", "stdout", "stderr"}` or `{"commands"}`. It runs in the clients' environment.
"""

import contextlib
import importlib.metadata
import json
import os
import signal
import sys
import tempfile
import traceback

import mistralclient.api.v2.client  # noqa: F401
import openstack.config  # noqa: F401
from mistralclient.commands.v2 import workflows
from mistralclient.shell import MistralShell
from openstackclient.shell import OpenStackShell

SECONDS = 100
GROUPS = ("openstack.", "cliff.formatter.", "keystoneauth1.plugin")
SHELLS = {"mistral": MistralShell, "openstack": OpenStackShell}


def commands(program):
    """The names of Mistral's commands, as their client knows them."""
    if program == "mistral":
        return sorted(name for name, _ in MistralShell().command_manager)
    points = importlib.metadata.entry_points(group="openstack.workflow_engine.v2")
    return sorted(point.name.replace("_", " ") for point in points)


def run(program, argv, folder):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            become(program, argv, folder, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        found = []
        for stream in (out, err):
            stream.seek(0)
            found.append(stream.read().decode("utf-8", "replace"))
    return {"exit": os.waitstatus_to_exitcode(status), "stdout": found[0], "stderr": found[1]}


def become(program, argv, folder, out, err):
    """In the fork: what the script of that name in `bin` does. It never returns."""
    status = 70
    try:
        signal.alarm(SECONDS)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.chdir(folder)
        sys.argv = [program, *argv]
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", closefd=False, buffering=1)
        shell = SHELLS[program]
        # Of which cliff took note before it was imported here.
        shell.NAME = program
        status = shell().run(argv)
    except SystemExit as end:
        # As Python itself ends.
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(int(status or 0))


def prepare():
    """Loads and looks up, once for every fork, what a command does."""
    for group in importlib.metadata.entry_points().groups:
        if group.startswith(GROUPS):
            for point in importlib.metadata.entry_points(group=group):
                # A plugin that cannot be loaded is not there for the clients either.
                with contextlib.suppress(Exception):
                    point.load()
    for shell in SHELLS.values():
        workflows.List(shell(), None).get_parser("workflow-list")


def main():
    # A command's answer must not mix with ours.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 1)
        requests = os.fdopen(os.dup(0))
        os.dup2(nothing.fileno(), 0)
    prepare()
    for line in requests:
        asked = json.loads(line)
        if "argv" in asked:
            answer = run(asked["program"], asked["argv"], asked["folder"])
        else:
            answer = {"commands": commands(asked["program"])}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
