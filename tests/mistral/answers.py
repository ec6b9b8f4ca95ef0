#!/usr/bin/env python3
"""answers - what the API of the real Mistral 23.0.0 answers, request by request.

  answers.py record [TOPIC...]  send the steps of all topics, or of those whose name holds TOPIC,
                                and write the answers beside them: answers/NN_topic.json
  answers.py check [TOPIC...]   send them and name what differs from the recorded answers
  answers.py down               stop the Mistral that a `--keep` left running
            --keep              leave Mistral running for the next call

What a step is and how an answer is written down: README.md. The Mistral is one of its own, beside
that of record.py: it has the event engine and the notifier as well.
"""

import argparse
import difflib
import http.client
import json
import os
import pathlib
import re
import sys
import time
import urllib.parse

# Read by `rig`: this Mistral has more parts than the one that measurements are taken of.
os.environ.setdefault("OSTRO_MISTRAL_DIR", f"/tmp/ostro-mistral-answers-{os.getuid()}")

import record  # noqa: E402
import rig  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent / "answers"
SERVERS = "api,engine,event-engine,notifier"
HEADERS = ["allow", "content-type", "location", "server-error-message", "www-authenticate"]
STEP = {"call", "headers", "text", "json", "save", "wait", "loose", "unordered", "note"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"(\d{4}-\d\d-\d\d)([ T])(\d\d:\d\d):\d\d(\.\d+)?(Z|\+00:00)?")
VARIABLE = re.compile(r"\$\{(?:repeat (\S) (\d+)|([a-z][a-z0-9_]*))\}")
# What jsonschema and Python add to a message, what the database says, and a Python set of texts.
TRAILER = re.compile(r"\n\nFailed validating .*|\n*Traceback \(most recent call last\).*", re.DOTALL)
SQL = re.compile(r"\(psycopg2\..*", re.DOTALL)
ADDRESS = re.compile(r" at 0x[0-9a-f]+>")
SET = re.compile(r"(?<=\{)'[^'{}]*'(?:, '[^'{}]*')*(?=\})|(?<=should be one of: )\w+(?:, \w+)*$")
PATIENCE = 60.0
# What a topic finds in the database is only what Mistral itself put there.
EMPTY = [
    "action_executions_v2",
    "workflow_executions_v2",
    "task_executions_v2",
    "delayed_calls_v2",
    "scheduled_jobs_v2",
    "named_locks",
    "cron_triggers_v2",
    "event_triggers_v2",
    "environments_v2",
    "resource_members_v2",
    "dynamic_action_definitions",
    "code_sources",
    "workbooks_v2",
]
DEFINITIONS = ["workflow_definitions_v2", "action_definitions_v2"]


class Topic:
    """One file of steps, its saved values, and the masks for what Mistral answers."""

    def __init__(self, path, port):
        import yaml

        import plain

        self.path = path
        self.port = port
        self.text = path.read_text()
        self.steps = yaml.load(self.text, plain.Plain)["steps"]
        self.saved = {}
        for number, step in enumerate(self.steps, 1):
            unknown = set(step) - STEP
            if unknown or "call" not in step:
                raise rig.RigError(f"{path.name}: step {number}: {unknown or 'no call'}")

    def record(self):
        answers = []
        for number, step in enumerate(self.steps, 1):
            try:
                answers.append({"step": number, "call": step["call"], **self.answer(step)})
            except (rig.RigError, KeyError, IndexError, TypeError, OSError) as error:
                where = f"{self.path.name}: step {number}: {step['call']}"
                raise rig.RigError(f"{where}: {type(error).__name__}: {error}") from error
        return answers

    def answer(self, step):
        until = time.monotonic() + PATIENCE
        while True:
            status, headers, body = self.send(step)
            found = parsed(body, headers.get("content-type", ""))
            wait = step.get("wait")
            if wait is None or all(at(found, key) == value for key, value in wait.items()):
                break
            if time.monotonic() > until:
                raise rig.RigError(f"not {wait} after {PATIENCE} s: {body[:2000]!r}")
            time.sleep(0.2)
        for name, path in step.get("save", {}).items():
            value = at(found, path)
            if not isinstance(value, str):
                raise rig.RigError(f"nothing to save at {path}: {status} {body[:2000]!r}")
            if name in self.saved:
                raise rig.RigError(f"`{name}` is saved twice")
            self.saved[name] = value
        answer = {"status": status}
        kept = {name: self.masked(headers[name]) for name in HEADERS if name in headers}
        if kept:
            answer["headers"] = kept
        if isinstance(found, str):
            found = self.masked(found)
            answer["text"] = "<string>" if "" in step.get("loose", []) else found
        elif body:
            value = self.masked(found)
            for path in step.get("loose", []):
                loosen(value, path.split("."))
            for path in step.get("unordered", []):
                at(value, path).sort(key=as_text)
            answer["json"] = value
        return answer

    def send(self, step):
        method, _, path = step["call"].partition(" ")
        path = urllib.parse.quote(self.filled(path), safe="".join(map(chr, range(33, 127))))
        headers = {"Accept": "*/*"}
        body = None
        if "json" in step:
            body = json.dumps(self.filled(step["json"]), ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json"
        elif "text" in step:
            body = self.filled(step["text"]).encode()
            headers["Content-Type"] = "text/plain"
        for name, value in step.get("headers", {}).items():
            headers[name] = value and self.filled(value)
        connection = http.client.HTTPConnection(rig.HOST, self.port, timeout=120)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None or method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    def filled(self, value):
        """The value with what was saved in the place of `${name}`."""
        if isinstance(value, str):
            return VARIABLE.sub(self.variable, value)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, dict):
            return {self.filled(key): self.filled(item) for key, item in value.items()}
        return value

    def variable(self, found):
        letter, count, name = found.groups()
        return letter * int(count) if letter else self.saved[name]

    def masked(self, value, key=None):
        if isinstance(value, list):
            return [self.masked(item) for item in value]
        if isinstance(value, dict):
            return {self.masked(name): self.masked(item, name) for name, item in value.items()}
        if not isinstance(value, str):
            return value
        if key != "definition" and value[:1] + value[-1:] in ("{}", "[]"):
            try:
                return {"<json>": self.masked(strict(value))}
            except ValueError:
                pass
        value = value.replace(f"http://{rig.HOST}:{self.port}", "<url>")
        value = SQL.sub("<sql>", TRAILER.sub("", value))
        value = ADDRESS.sub(" at <address>>", value)
        value = SET.sub(sorted_set, value)
        return TIME.sub(self.masked_time, UUID.sub(self.masked_id, value))

    def masked_id(self, found):
        for name, value in self.saved.items():
            if value == found[0]:
                return f"<id:{name}>"
        return found[0] if found[0] in self.text else "<uuid>"

    def masked_time(self, found):
        day, between, minute, fraction, zone = found.groups()
        if f"{day} {minute}" in self.text or f"{day}T{minute}" in self.text:
            return found[0]
        return f"<time{between.strip()}{'.f' if fraction else ''}{zone or ''}>"


def sorted_set(found):
    """What Python has in an order of its own, in that of the alphabet."""
    return ", ".join(sorted(found[0].split(", ")))


def parsed(body, content_type):
    """JSON as what it says, anything else as a text."""
    text = body.decode("utf-8", "replace")
    if "json" in content_type or text[:1] in ("{", "["):
        try:
            return strict(text)
        except ValueError:
            pass
    return text


def strict(text):
    """JSON without what only Python takes for it, `NaN` and its like."""

    def refuse(word):
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def at(value, path):
    """What stands at `a.0.b`; nothing where that leads nowhere."""
    for key in path.split(".") if path else []:
        if isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict):
            value = value.get(key)
        else:
            return None
    return value


def loosen(value, path):
    """Leaves of what stands at `path` only its kind; `*` is every item."""
    key, rest = path[0], path[1:]
    if isinstance(value, list):
        keys = range(len(value)) if key == "*" else [int(key)] if int(key) < len(value) else []
    elif isinstance(value, dict):
        keys = list(value) if key == "*" else [key] if key in value else []
    else:
        keys = []
    for key in keys:
        if rest:
            loosen(value[key], rest)
        else:
            value[key] = kind(value[key])


def as_text(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def kind(value):
    names = {bool: "<boolean>", int: "<number>", float: "<number>", str: "<string>"}
    names |= {list: "<array>", dict: "<object>"}
    return names.get(type(value))


def forget(port):
    """Empties the database but for what came with Mistral, which may still be at work in it."""
    import psycopg2

    connection = psycopg2.connect(host=rig.HOST, port=port, user="mistral", dbname="mistral")
    try:
        for last in [False] * 9 + [True]:
            try:
                with connection, connection.cursor() as cursor:
                    empty(cursor)
                return
            except psycopg2.OperationalError:
                if last:
                    raise
                time.sleep(0.5)
    finally:
        connection.close()


def empty(cursor):
    for table in EMPTY:
        cursor.execute(f"DELETE FROM {table}")
    for table in DEFINITIONS:
        # As they were before the first topic, which may change these as well.
        cursor.execute(f"CREATE TABLE IF NOT EXISTS kept_{table} AS TABLE {table}")
        cursor.execute(f"DELETE FROM {table}")
        cursor.execute(f"INSERT INTO {table} TABLE kept_{table}")
    cursor.execute("UPDATE mistral_metrics SET value = 'RUNNING' WHERE id = 1")


def topics(words, folder=FOLDER):
    paths = sorted(folder.glob("[0-9]*.yaml"))
    chosen = [path for path in paths if not words or any(word in path.stem for word in words)]
    if not chosen:
        raise rig.RigError(f"no topic is called {' or '.join(words)}")
    return chosen


def run(options):
    record.enter_venv()
    chosen = topics(options.topics)
    running = rig.up(SERVERS)
    differ = []
    try:
        for path in chosen:
            forget(running["ports"]["postgres"])
            begun = time.monotonic()
            answers = Topic(path, running["ports"]["api"]).record()
            text = json.dumps(answers, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            took = time.monotonic() - begun
            rig.say(f"{path.stem}: {len(answers)} answers, {len(text)} bytes, {took:.0f} s")
            target = path.with_suffix(".json")
            if options.command == "record":
                target.write_text(text)
            elif not same(target, text):
                differ.append(path.stem)
    finally:
        forget(running["ports"]["postgres"])
        if not options.keep:
            rig.down()
    if differ:
        raise rig.RigError(f"other answers than recorded: {', '.join(differ)}")


def same(target, text):
    known = target.read_text() if target.exists() else ""
    for line in difflib.unified_diff(
        known.splitlines(), text.splitlines(), target.name, "now", lineterm="", n=8
    ):
        print(line)
    return known == text


def main():
    usage = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=usage)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("record", "check"):
        command = commands.add_parser(name)
        command.add_argument("topics", nargs="*", metavar="TOPIC")
        command.add_argument("--keep", action="store_true")
    commands.add_parser("down")
    options = parser.parse_args()
    try:
        if options.command == "down":
            rig.down()
        else:
            run(options)
    except rig.RigError as error:
        sys.exit(f"mistral: {error}")


if __name__ == "__main__":
    main()
