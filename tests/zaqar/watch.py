#!/usr/bin/env python3
"""watch - shows each message of a queue once, with python-zaqarclient's websocket transport.

  watch.py ENDPOINT QUEUE      ws://127.0.0.1:8989 tripleo

It prints an object of JSON a line: {"subscribed": QUEUE} each time that it has subscribed,
{"message": BODY} for each message, and {"lost": REASON} when the connection is lost.  It connects
again once there is a line on standard input, subscribes, and takes what it has not seen from the
queue.

Credentials: the cloud $OS_CLOUD of $OS_CLIENT_CONFIG_FILE.
"""

import json
import os
import sys
from pathlib import Path

import websocket
from keystoneauth1 import session
from keystoneauth1.identity import v3
from zaqarclient.transport import request, ws


def tell(**what):
    print(json.dumps(what), flush=True)


def login():
    """What the transport wants to know of whoever asks."""
    # The file is written as JSON, which is YAML too.
    clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]
    auth = v3.Password(**clouds[os.environ["OS_CLOUD"]]["auth"])
    keystone = session.Session(auth=auth)
    return {"os_auth_token": keystone.get_token(), "os_project_id": keystone.get_project_id()}


def main():
    endpoint, queue = sys.argv[1:]
    seen = 0
    while True:
        conf = {"auth_opts": {"backend": "keystone", "options": login()}}
        with ws.WebsocketTransport(conf) as transport:

            def ask(operation, **body):
                body = json.dumps({"queue_name": queue, **body})
                asked = request.Request(endpoint, operation, content=body)
                return transport.send(asked).deserialized_content

            ask("queue_create")
            ask("subscription_create", ttl=3600)
            missed = ask("message_list", echo=True, include_claimed=True)["messages"][seen:]
            for message in missed:
                tell(message=message["body"])
            seen += len(missed)
            tell(subscribed=queue)
            try:
                while True:
                    body = transport.recv()["body"]
                    seen += 1
                    tell(message=body)
            except (OSError, ValueError, websocket.WebSocketException) as error:
                tell(lost=str(error))
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main()
