#!/usr/bin/env python3
"""cleaning.py - play the cleaning ramdisks of machines that do not exist.

  cleaning.py [--timeout SECONDS] NODE...

A node whose deploy interface is `direct` is cleaned by the ramdisk that it boots: Ironic leaves it
in `clean wait` until that ramdisk looks its node up and says that it is there.  This is the
ramdisk's side for NODEs (name or UUID).  It has nothing to clean by itself, so Ironic then makes
them available.  Ends when all of them are, with status 0, and with 1 if one failed or the time
was over.

  --timeout SECONDS  how long to wait for the NODEs (default: 300)

Credentials: the cloud $OS_CLOUD of $OS_CLIENT_CONFIG_FILE, as `cloud env` exports them.
"""
import argparse
import json
import sys
import threading
import time
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ramdisk

INTERVAL = 0.5
# The first version with tokens for agents.
VERSION = {"X-OpenStack-Ironic-API-Version": "1.62"}
STEPS = {"clean_steps": {"GenericHardwareManager": []},
         "hardware_manager_version": {"generic_hardware_manager": "1.2"}}


class Agent(BaseHTTPRequestHandler):
    """The API of a ramdisk's agent, as far as cleaning without steps of its own asks for it."""

    def do_GET(self):
        self.answer({"commands": []})

    def do_POST(self):
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["name"]
        known = name == "clean.get_clean_steps"
        self.answer({"id": "1", "command_name": name, "command_params": {},
                     "command_status": "SUCCEEDED" if known else "FAILED",
                     "command_error": None if known else f"{name} is not played",
                     "command_result": STEPS if known else None})

    def answer(self, body):
        body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Player:
    """Boots the ramdisk of each node that waits for one."""

    def __init__(self, session, url):
        self.session, self.url, self.tokens = session, url, {}

    def beat(self, uuid):
        ironic = self.session.ironic
        if uuid not in self.tokens:
            # The token is given away once.
            _, found = ramdisk.http("GET", f"{ironic}/v1/lookup?node_uuid={uuid}",
                                    headers=VERSION)
            self.tokens[uuid] = found["config"]["agent_token"]
        ramdisk.http("POST", f"{ironic}/v1/heartbeat/{uuid}", {
            "callback_url": self.url, "agent_version": "11.0.0",
            "agent_token": self.tokens[uuid]}, VERSION)

    def finish(self, names, timeout):
        """Play for the nodes until all are available; the exit status."""
        left, failed, deadline = set(names), False, time.monotonic() + timeout
        while left and time.monotonic() < deadline:
            for name in sorted(left):
                node = self.session.node(name)
                state = node["provision_state"]
                if state == "clean wait":
                    self.beat(node["uuid"])
                elif state in ("available", "clean failed"):
                    left.remove(name)
                    failed |= state != "available"
                    ramdisk.say(f"{name}: {node['last_error'] or state}")
            time.sleep(INTERVAL if left else 0)
        if left:
            ramdisk.say(f"not finished after {timeout:.0f} s: {', '.join(sorted(left))}")
        return int(failed or bool(left))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("nodes", nargs="+")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        return Player(ramdisk.Session(), url).finish(options.nodes, options.timeout)
    except urllib.error.HTTPError as err:
        text = err.read().decode(errors="replace").strip()
        ramdisk.say(f"error: {err.url}: {err.code} {text}", sys.stderr)
    except (urllib.error.URLError, OSError, KeyError, json.JSONDecodeError) as err:
        ramdisk.say(f"error: {err!r}", sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
