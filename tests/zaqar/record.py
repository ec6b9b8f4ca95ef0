#!/usr/bin/env python3
"""record - what a real Zaqar answers, frame by frame: over its websocket, and over HTTP.

  record.py record [TOPIC...]  send the steps of all topics, or of those whose name holds TOPIC,
                               and write the answers beside them: frames/TOPIC.json
  record.py check [TOPIC...]   send them and name what differs from what is written

It needs a running `tests/cloud/cloud up zaqar` (CLOUD_DIR says which), and runs in its
environment: $CLOUD_BIN/python record.py record. What a step is and how an answer is written down:
README.md.
"""

import json
import os
import pathlib
import re
import socket
import sys
import urllib.error
import urllib.request

import msgpack
import websocket
import yaml

FOLDER = pathlib.Path(__file__).resolve().parent / "frames"
CLIENT = "3381af92-2b9e-11e3-b191-71861300734c"
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
AGE = re.compile(rb'("age": )\d+|(\xa3age)[\x00-\x7f]')
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
SUBSCRIBER = re.compile(rb"http://127\.0\.0\.1:\d+/")
VARIABLE = re.compile(r"\$\{(?:repeat (\S+) (\d+)|([a-z][a-z0-9_]*))\}")
PATIENCE = 10.0


class Cloud:
    """The running cloud: where its parts are, and a token of its administrator."""

    def __init__(self):
        folder = os.environ.get("CLOUD_DIR") or sys.exit("CLOUD_DIR: which cloud is it?")
        clouds = yaml.safe_load((pathlib.Path(folder) / "clouds.yaml").read_text())
        auth = clouds["clouds"]["admin"]["auth"]
        self.port = {key: int(os.environ.get(f"CLOUD_PORT_{key}", default)) for key, default in (
            ("REDIS", 6379), ("ZAQAR", 8888), ("ZAQAR_WEBSOCKET", 9000))}
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        request = urllib.request.Request(
            auth["auth_url"].rstrip("/") + "/auth/tokens", json.dumps(body).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            self.token = reply.headers["X-Subject-Token"]
            self.project = json.load(reply)["token"]["project"]["id"]

    def empty(self):
        """Takes away what Zaqar has kept."""
        with socket.create_connection(("127.0.0.1", self.port["REDIS"])) as redis:
            redis.sendall(b"FLUSHALL\r\n")
            if not redis.recv(100).startswith(b"+OK"):
                sys.exit("redis: it cannot be emptied")


class Topic:
    """One file of steps, its connections, and the masks for what Zaqar answers."""

    def __init__(self, path, cloud):
        self.cloud = cloud
        self.steps = yaml.safe_load(path.read_text())["steps"]
        self.saved = {"token": cloud.token, "project": cloud.project, "client": CLIENT}
        self.seen = {}
        self.connections = {}
        self.pushed = {}

    def run(self):
        self.cloud.empty()
        answers = [self.step(number, step) for number, step in enumerate(self.steps, 1)]
        for name, connection in self.connections.items():
            connection.settimeout(0.3)
            try:
                raise SystemExit(f"{name} gets a frame for which no step waits: {connection.recv()}")
            except websocket.WebSocketTimeoutException:
                connection.close()
        return answers

    def step(self, number, step):
        found = {"step": number}
        if "call" in step:
            return found | self.call(step)
        name = step.get("by", "one")
        if step.get("close"):
            self.connections.pop(name).close()
            return found
        if name not in self.connections:
            url = f"ws://127.0.0.1:{self.cloud.port['ZAQAR_WEBSOCKET']}/"
            self.connections[name] = websocket.create_connection(url, timeout=PATIENCE)
        connection = self.connections[name]
        if "hex" in step:
            connection.send_binary(bytes.fromhex(step["hex"]))
        elif "text" in step:
            connection.send(step["text"])
        else:
            sent = self.filled(step["send"])
            if step.get("binary"):
                connection.send_binary(msgpack.packb(sent))
            else:
                connection.send(json.dumps(sent))
        found["answer"] = self.written(self.next(name, is_push=False))
        for target, count in step.get("pushed", {}).items():
            pushes = [self.next(target, is_push=True) for _ in range(count)]
            # Several messages of one post come in their order.
            found.setdefault("pushed", {})[target] = [self.written(push) for push in pushes]
        try:
            for key, path in step.get("save", {}).items():
                self.saved[key] = leaf(self.last, path)
        except (KeyError, IndexError, TypeError):
            sys.exit(f"step {number}: there is nothing to save in {found}")
        return found

    def filled(self, value):
        """`value` with what stands for the variables in it."""
        if isinstance(value, dict):
            return {self.filled(key): self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if not isinstance(value, str):
            return value
        return VARIABLE.sub(
            lambda it: it[1] * int(it[2]) if it[1] else self.saved[it[3]], value)

    def next(self, name, is_push):
        """The next answer on a connection, or the next push; the others are kept."""
        kept = self.pushed.setdefault(name, [])
        if is_push and kept:
            return kept.pop(0)
        while True:
            opcode, data = self.connections[name].recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return ("close", data)
            text = opcode == websocket.ABNF.OPCODE_TEXT
            value = json.loads(data) if text else msgpack.unpackb(data)
            if ("Message_Type" in value) == is_push:
                if not is_push:
                    self.last = value
                return ("text" if text else "hex", data)
            kept.append(("text" if text else "hex", data))

    def written(self, frame):
        kind, data = frame
        if kind == "close":
            return {"close": int.from_bytes(data[:2], "big"), "reason": data[2:].decode()}
        data = self.masked(data)
        return {kind: data.decode() if kind == "text" else data.hex()}

    def masked(self, data):
        data = data.replace(self.cloud.token.encode(), b"<token>")
        data = data.replace(self.cloud.project.encode(), b"<project>")
        data = SUBSCRIBER.sub(b"<subscriber>", data)
        data = TIME.sub(b"<time>", data)
        data = AGE.sub(lambda it: it[1] + b"0" if it[1] else it[2] + b"\0", data)
        return UUID.sub(lambda it: self.number(it[0]), data)

    def number(self, uuid):
        # Binary frames count bytes: what stands for an id is as long as one.
        number = self.seen.setdefault(uuid, len(self.seen) + 1)
        return b"00000000-0000-0000-0000-%012d" % number

    def call(self, step):
        method, path = self.filled(step["call"]).split(" ", 1)
        body = step.get("json")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.cloud.port['ZAQAR']}{path}",
            None if body is None else json.dumps(self.filled(body)).encode(),
            {"Content-Type": "application/json", "Client-ID": step.get("client", CLIENT),
             "X-Auth-Token": self.cloud.token}, method=method)
        try:
            with urllib.request.urlopen(request) as reply:
                status, data, at = reply.status, reply.read(), reply.headers["Location"]
        except urllib.error.HTTPError as refused:
            status, data, at = refused.code, refused.read(), None
        found = {"status": status}
        if at:
            found["location"] = self.masked(at.encode()).decode()
        if data:
            self.last = json.loads(data)
            # Over HTTP there is no space in the JSON; its form is not compared.
            found["json"] = json.loads(self.masked(json.dumps(self.last).encode()))
        for key, path in step.get("save", {}).items():
            self.saved[key] = leaf(self.last, path)
        return found


def leaf(value, path):
    for part in path.split("."):
        value = value[int(part) if isinstance(value, list) else part]
    return value.rsplit("/", 1)[-1]


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("record", "check"):
        sys.exit(__doc__)
    cloud = Cloud()
    differs = 0
    for path in sorted(FOLDER.glob("*.yaml")):
        if sys.argv[2:] and not any(name in path.stem for name in sys.argv[2:]):
            continue
        found = Topic(path, cloud).run()
        text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        target = path.with_suffix(".json")
        if sys.argv[1] == "record":
            target.write_text(text)
        elif target.read_text() != text:
            differs += 1
            print(f"{path.stem}: what Zaqar answers now is not what is written", file=sys.stderr)
        print(f"{path.stem}: {len(found)} steps")
    sys.exit(min(differs, 1))


if __name__ == "__main__":
    main()
