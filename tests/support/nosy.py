"""A guest that looks around: what it finds is its result, what it is refused is its error."""

import os
import socket
import subprocess
import sys

from componentize_py_types import Err
from wit_world import exports


def tcp():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", 22))


def udp():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53))


def listen():
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("127.0.0.1", 0))
    server.listen(1)


def show():
    print("to output")
    print("to error", file=sys.stderr)
    return "shown"


LOOKS = {
    "environment": lambda: str(dict(os.environ)),
    "arguments": lambda: str(sys.argv[1:]),
    "input": lambda: sys.stdin.read(),
    "read": lambda: open("/etc/hostname").read(),
    "write": lambda: open("/tmp/nosy", "w").write("x"),
    "list": lambda: os.listdir("/"),
    "tcp": tcp,
    "udp": udp,
    "listen": listen,
    "resolve": lambda: socket.getaddrinfo(b"localhost", 80),
    "process": lambda: subprocess.run(["true"]),
    "print": show,
}


class Greetings(exports.Greetings):
    def greet(self, name, excited):
        if name == "fail":
            return str(1 // 0)
        try:
            return str(LOOKS[name]())
        except (OSError, AttributeError) as error:
            raise Err(f"refused: {error!r}") from error


class Checks(exports.Checks):
    def names_are_unique(self, names):
        raise Err("there is nothing to check")
