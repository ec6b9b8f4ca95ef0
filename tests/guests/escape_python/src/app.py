"""Tries to get out with what Python brings. What it tries is in attempts.yaml of `escape`."""

# What is not imported before the component is made is not in it.
import encodings.idna
import os
import socket
import subprocess
import sys
import threading

try:
    import ctypes
except ImportError as missing:
    ctypes, reason = None, str(missing)

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import openstack


def write(path):
    with open(path, "w") as file:
        file.write("escaped")
    return "written"


def run(command):
    return subprocess.run([command], capture_output=True).stdout.decode()


def connect(port):
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", int(port)))
    return "connected"


def thread():
    told = []
    one = threading.Thread(target=lambda: told.append("ran"))
    one.start()
    one.join()
    return told[0]


def load(library):
    if ctypes is None:
        raise OSError(f"no library: {reason}")
    return str(ctypes.CDLL(library))


def send(path):
    request = openstack.Request(
        service="baremetal",
        method=openstack.Method.GET,
        path=path,
        query=[],
        headers=[],
        body=b"",
        microversion=None,
    )
    return str(openstack.send(request).status)


def symlink(target, path):
    os.symlink(target, path)
    return open(path).read()


WAYS = {
    "read": lambda path: open(path).read(),
    "list": lambda path: " ".join(sorted(os.listdir(path))),
    "write": write,
    "symlink": symlink,
    "link": lambda path, new: os.link(path, new),
    "rename": lambda path, new: os.rename(path, new),
    "permit": lambda path: os.chmod(path, 0o777),
    "environment": lambda: str(dict(os.environ)),
    "arguments": lambda: str(sys.argv[1:]),
    "run": run,
    "fork": lambda: str(os.fork()),
    "connect": connect,
    "thread": thread,
    "load": load,
    "send": send,
    "bomb": lambda levels: "[" * int(levels),
}


class Ways(exports.Ways):
    def attempt(self, words):
        way, *rest = words
        try:
            return str(WAYS[way](*rest))
        except Err as error:
            raise Err(f"{type(error.value).__name__}: {error.value}")
        except BaseException as error:
            raise Err(f"{type(error).__name__}: {error}")
