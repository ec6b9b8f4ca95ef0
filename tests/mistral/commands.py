#!/usr/bin/env python3
"""commands - what the commands of the real clients print, against the real Mistral 23.0.0 and
against `ostro serve`: `mistral` of python-mistralclient 6.3.0, and `openstack`.

  commands.py record [TOPIC...]  run the steps of all topics, or of those whose name holds TOPIC,
                                 and write what is printed beside them: commands/NN_topic.json
  commands.py check [TOPIC...]   run them and name what differs from what is recorded
            --keep               leave Mistral running for the next call
  commands.py down               stop the Mistral that a `--keep` left running
  commands.py compare OSTRO [TOPIC...]
                                 run them against `OSTRO serve`; prints a JSON object, and fails
                                 where a difference is not one of commands/deviations.yaml

What a step is and how a print is written down: README.md. The Mistral is one of its own.
"""

import argparse
import collections
import copy
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

# Read by `rig`, before `answers` names another.
os.environ.setdefault("OSTRO_MISTRAL_DIR", f"/tmp/ostro-mistral-commands-{os.getuid()}")

import answers  # noqa: E402
import compare  # noqa: E402
import record  # noqa: E402
import rig  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent / "commands"
VENV = rig.CACHE / "ostro-tests" / "mistralclient-6.3.0"
PACKAGES = ["python-mistralclient==6.3.0", "python-openstackclient", "PyYAML"]
PROGRAMS = ["mistral", "openstack"]
STEP = {"run", "openstack", "files", "save", "wait", "loose", "unordered", "note"}
RULE = re.compile(r"\+(-+\+)+")
# What is left of an id where the client cuts a text, and a duration in YAML.
PART = re.compile(r"=[0-9a-f]{1,8}(-[0-9a-f]{0,12}){0,4}\.\.\.")
HTML = re.compile(r"b'<html>.*?</html>'", re.DOTALL)
INFO = re.compile(r"\(error info: .*\)$", re.MULTILINE)
DURATION = re.compile(r"^(Duration: ).+", re.MULTILINE)
PATIENCE = {"mistral": 60.0, "ostro": 10.0}


class Clients:
    """The process in which the commands run, against the server at `port`."""

    def __init__(self, port):
        self.url = f"http://{rig.HOST}:{port}/v2"
        self.folder = tempfile.TemporaryDirectory(prefix="ostro-commands-")
        self.environment = {
            "HOME": self.folder.name,
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "COLUMNS": "80",
            "NO_PROXY": "*",
            # The order of a set that is printed.
            "PYTHONHASHSEED": "0",
        }
        self.process = subprocess.Popen(
            [VENV / "bin" / "python", "-B", pathlib.Path(__file__).with_name("client.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def ask(self, question):
        print(json.dumps(question), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise rig.RigError(f"the clients ended with {self.process.wait()}")
        return json.loads(answer)

    def words(self, program, argv):
        """A command line that finds the server without Keystone."""
        if program == "mistral":
            return ["--os-mistral-url", self.url, *argv]
        return ["--os-auth-type", "none", "--os-endpoint", self.url, *argv]

    def run(self, program, argv, folder):
        question = {"program": program, "argv": self.words(program, argv), "folder": str(folder)}
        return self.ask(question)

    def all(self):
        return {name: self.ask({"program": name})["commands"] for name in PROGRAMS}

    def prove(self):
        """Whether a command in a process of its own says the same."""
        for program, argv in [
            ("mistral", ["workflow-list"]),
            ("openstack", ["workflow", "show", "nothing"]),
        ]:
            found = self.run(program, argv, self.folder.name)
            done = subprocess.run(
                [VENV / "bin" / program, *self.words(program, argv)],
                capture_output=True,
                text=True,
                env=self.environment,
                cwd=self.folder.name,
                stdin=subprocess.DEVNULL,
            )
            alone = {"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
            if alone != found:
                raise rig.RigError(f"{program} {argv}: alone {alone}, in a fork {found}")


class Topic(answers.Topic):
    """One file of steps, with the masks of the API's answers for what commands print."""

    def __init__(self, path, port, clients, patience):
        import yaml

        import plain

        self.path = path
        self.port = port
        self.clients = clients
        self.patience = patience
        self.text = path.read_text()
        document = yaml.load(self.text, plain.Plain)
        self.steps = document["steps"]
        self.saved = {}
        for number, step in enumerate(self.steps, 1):
            unknown = set(step) - STEP
            if unknown or ("run" in step) == ("openstack" in step):
                raise rig.RigError(f"{path.name}: step {number}: {unknown or 'what to run?'}")
        self.folder = tempfile.TemporaryDirectory(prefix="ostro-commands-")
        self.write(document.get("files", {}))

    def write(self, files):
        for name, text in files.items():
            (pathlib.Path(self.folder.name) / name).write_text(text)

    def answer(self, step):
        """What a step prints; where it cannot be run as meant, that is an `error`."""
        try:
            program, argv = words(step)
            argv = [self.filled(word) for word in argv]
            self.write({name: self.filled(text) for name, text in step.get("files", {}).items()})
        except KeyError as missing:
            return {"error": f"{missing} was not saved"}
        until = time.monotonic() + self.patience
        wait = step.get("wait")
        while True:
            found = self.clients.run(program, argv, self.folder.name)
            printed = read(found["stdout"])
            fields = by_name(printed)
            if wait is None or all(answers.at(fields, key) == wait[key] for key in wait):
                break
            if found["exit"] or time.monotonic() > until:
                return {"error": f"not {wait}: {shown(found)}"}
            time.sleep(0.2)
        for name, path in step.get("save", {}).items():
            value = answers.at(fields, path)
            if not isinstance(value, str) or not value:
                return {"error": f"nothing to save at `{path}`: {shown(found)}"}
            if name in self.saved:
                raise rig.RigError(f"{self.path.name}: `{name}` is saved twice")
            self.saved[name] = value
        printed = self.masked(timeless(printed))
        for path in step.get("loose", []):
            if path == "":
                printed = "<any>"
            elif isinstance(printed, dict):
                loosen(printed, path)
        if step.get("unordered"):
            if isinstance(printed, dict):
                (printed.get("rows") or printed.get("json")).sort(key=json.dumps)
            else:
                printed = "\n".join(sorted(printed.splitlines()))
        answer = {"exit": found["exit"], "stdout": printed}
        if found["stderr"]:
            answer["stderr"] = self.masked(found["stderr"])
        return answer

    def masked(self, value, key=None):
        value = super().masked(value, key)
        if isinstance(value, str):
            value = DURATION.sub(r"\1<duration>", PART.sub("=<part>...", value))
        return value


def words(step):
    program = "mistral" if "run" in step else "openstack"
    argv = step.get("run", step.get("openstack"))
    return program, shlex.split(argv) if isinstance(argv, str) else [str(word) for word in argv]


def shown(found):
    return " ".join([str(found["exit"]), found["stdout"][-500:], found["stderr"][-500:]])


# What is printed


def read(text):
    """A table as its columns and lines, JSON as what it says, anything else as a text."""
    lines = text.splitlines()
    if len(lines) > 3 and RULE.fullmatch(lines[0]) and lines[0] == lines[2] == lines[-1]:
        edges = [place for place, letter in enumerate(lines[0]) if letter == "+"]
        cells = [
            [line[left + 1 : right].strip() for left, right in zip(edges, edges[1:])]
            for line in lines
        ]
        if all(line[place] == "|" for line in lines[3:-1] for place in edges):
            return {"columns": cells[1], "rows": cells[3:-1]}
    if text[:1] in ("{", "["):
        try:
            return {"json": json.loads(text)}
        except ValueError:
            pass
    return text


def by_name(printed):
    """The fields of what a command shows, or those of each row of what it lists."""
    if not isinstance(printed, dict):
        return {}
    if "json" in printed:
        return printed["json"]
    columns, rows = printed["columns"], printed["rows"]
    if columns == ["Field", "Value"]:
        return dict(rows)
    return [dict(zip(columns, row)) for row in rows]


def change(printed, name, value):
    """Puts `value` for each value that is in the column or the field of that name."""
    if "json" in printed:
        body = printed["json"]
        for item in body if isinstance(body, list) else [body]:
            if isinstance(item, dict) and item.get(name):
                item[name] = value
    elif printed["columns"] == ["Field", "Value"]:
        for row in printed["rows"]:
            if row[0] == name and row[1]:
                row[1] = value
    elif name in printed["columns"]:
        column = printed["columns"].index(name)
        for row in printed["rows"]:
            if row[column]:
                row[column] = value


def timeless(printed):
    """Without what an execution took."""
    if isinstance(printed, dict):
        change(printed, "Duration", "<duration>")
    return printed


def loosen(printed, name):
    change(printed, name, "<any>")


def comparable(command, value):
    """What of an answer is to be alike: not the page of an error, nor why something failed."""
    value = {key: item for key, item in value.items() if key not in ("step", "run")}
    printed = value.get("stdout")
    if isinstance(printed, dict):
        printed = unexplained(copy.deepcopy(printed))
        if command.endswith(("execution-create", "execution create")):
            # It may have ended by the time at which it is told of.
            change(printed, "State", "<any>")
        if command.endswith(("execution-update", "execution update")):
            # Whether it has been written by then is a matter of time.
            change(printed, "Updated at", "<any>")
        value["stdout"] = printed
    return alike(value)


def unexplained(printed):
    """Leaves of the explanation of a state only that there is one."""
    if printed.get("columns") == ["Field", "Value"]:
        rows, explains = [], False
        for name, text in printed["rows"]:
            explains = name == "State info" or (explains and not name)
            if name or not explains:
                said = explains and text not in ("", "None")
                rows.append([name, "<info>" if said else text])
        printed["rows"] = rows
    else:
        change(printed, "State info", "<info>")
    return printed


def alike(value):
    if isinstance(value, dict):
        return {key: alike(item) for key, item in value.items()}
    if isinstance(value, list):
        return [alike(item) for item in value]
    if not isinstance(value, str):
        return value
    if compare.FAILED.search(value) and "error info: " not in value:
        return "<info>"
    value = INFO.sub("(error info: <info>)", HTML.sub("<html>", value))
    before, found, _ = value.partition(compare.NOT_PARSED)
    return before + found


# The real Mistral


def topics(names):
    paths = [path for path in sorted(FOLDER.glob("*.yaml")) if path.name != "deviations.yaml"]
    chosen = [path for path in paths if not names or any(name in path.stem for name in names)]
    if not chosen:
        raise rig.RigError(f"no topic is called {' or '.join(names)}")
    return chosen


def line(step):
    program, argv = words(step)
    return f"{program} {shlex.join(argv)}"


def run_all(topic):
    """The answers of a topic, each of which must be what the step means."""
    found = []
    for number, step in enumerate(topic.steps, 1):
        answer = topic.answer(step)
        if "error" in answer:
            where = f"{topic.path.name}: step {number}: {line(step)}"
            raise rig.RigError(f"{where}: {answer['error']}")
        found.append({"step": number, "run": line(step), **answer})
    return found


def run(options):
    record.enter_venv()
    chosen = topics(options.topics)
    running = rig.up(answers.SERVERS)
    ports = running["ports"]
    differ = []
    try:
        with Clients(ports["api"]) as clients:
            clients.prove()
            for path in chosen:
                answers.forget(ports["postgres"])
                begun = time.monotonic()
                found = run_all(Topic(path, ports["api"], clients, PATIENCE["mistral"]))
                text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
                took = time.monotonic() - begun
                rig.say(f"{path.stem}: {len(found)} commands, {took:.0f} s")
                target = path.with_suffix(".json")
                if options.command == "record":
                    target.write_text(text)
                elif not answers.same(target, text):
                    differ.append(path.stem)
    finally:
        answers.forget(ports["postgres"])
        if not options.keep:
            rig.down()
    if differ:
        raise rig.RigError(f"prints other than recorded: {', '.join(differ)}")


# Ostro


def differences(ostro, path, names):
    """By step, what was recorded and what is printed with `ostro`, where that is something else."""
    recorded = json.loads(path.with_suffix(".json").read_text())
    found = {}
    with compare.Server(ostro) as server, Clients(server.port) as clients:
        topic = Topic(path, server.port, clients, PATIENCE["ostro"])
        for known, step in zip(recorded, topic.steps, strict=True):
            if known["run"] != line(step):
                raise rig.RigError(f"{path.name}: step {known['step']} is to be recorded again")
            command = command_of(step, names) or ""
            wanted, answer = (comparable(command, one) for one in (known, topic.answer(step)))
            if answer != wanted:
                found[known["step"]] = {"run": known["run"], "mistral": wanted, "ostro": answer}
    return found


def deviations():
    """The entries about steps that print something else, by topic and number."""
    import yaml

    path = FOLDER / "deviations.yaml"
    return {
        (topic, number): entry
        for entry in yaml.safe_load(path.read_text()) or []
        for topic, numbers in entry["steps"].items()
        for number in numbers
    }


def command_of(step, names):
    """The name of the command that a step runs; none where it is no command."""
    program, argv = words(step)
    for length in range(len(argv), 0, -1):
        name = " ".join(argv[:length])
        if name in names[program]:
            return f"{program} {name}"
    return None


def tell(options):
    if pathlib.Path(sys.prefix) != VENV:
        python = VENV / "bin" / "python"
        os.execv(python, [str(python), *sys.argv])
    import yaml

    import plain

    chosen = topics(options.topics)
    with Clients(0) as clients:
        names = clients.all()
    found = {path.stem: differences(options.ostro, path, names) for path in chosen}
    reasons = deviations()
    table = {
        f"{program} {name}": collections.Counter(steps=0, alike=0, deviates=0, differs=0)
        for program in PROGRAMS
        for name in names[program]
    }
    counts = collections.Counter(steps=0, alike=0, deviates=0, unserved=0, differs=0)
    wrong = []
    for path in chosen:
        for number, step in enumerate(yaml.load(path.read_text(), plain.Plain)["steps"], 1):
            differs, reason = number in found[path.stem], reasons.get((path.stem, number))
            how = "alike"
            if differs:
                how = "differs"
            if differs and reason:
                how = "deviates" if reason.get("served", True) else "unserved"
                found[path.stem][number]["why"] = reason["why"]
            for row in (counts, table.get(command_of(step, names), {})):
                row["steps"] = row.get("steps", 0) + 1
                row[how] = row.get(how, 0) + 1
            if differs != bool(reason):
                what = "differs, and no deviation says why" if differs else "does not deviate"
                wrong.append(f"{path.stem} {number}: {line(step)}: {what}")
    for row in table.values():
        row["pass"] = 0 < row["steps"] == row["alike"] + row["deviates"]
    if not options.topics:
        wrong += [f"{name}: no step runs it" for name, row in table.items() if not row["steps"]]
    result = {"counts": counts, "wrong": wrong, "commands": table, "differences": found}
    json.dump(result, sys.stdout, indent=1, ensure_ascii=False)
    print()
    if wrong:
        raise rig.RigError(f"{len(wrong)} things are not as recorded: see `wrong` above")


def main():
    usage = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=usage)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("record", "check"):
        command = commands.add_parser(name)
        command.add_argument("topics", nargs="*", metavar="TOPIC")
        command.add_argument("--keep", action="store_true")
    command = commands.add_parser("compare")
    command.add_argument("ostro", metavar="OSTRO")
    command.add_argument("topics", nargs="*", metavar="TOPIC")
    commands.add_parser("down")
    options = parser.parse_args()
    try:
        if options.command == "down":
            rig.down()
            return
        rig.install_venv(VENV, PACKAGES, "openstack")
        if options.command == "compare":
            tell(options)
        else:
            run(options)
    except rig.RigError as error:
        sys.exit(f"commands: {error}")


if __name__ == "__main__":
    main()
