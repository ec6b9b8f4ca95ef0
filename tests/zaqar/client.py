#!/usr/bin/env python3
"""client - python-zaqarclient's websocket transport with the queues of a running `ostro serve`.

  client.py subscribe URL   makes a queue, subscribes, starts a workflow that posts to it, and
                            prints what is pushed, up to its SUCCESS
  client.py list URL        prints the messages that are in the queue

URL is that of the API: http://127.0.0.1:8989/v2.
"""

import json
import sys
import urllib.parse
import urllib.request

from zaqarclient.transport import request, ws

QUEUE = "tripleo"
WORKFLOW = """
version: '2.0'
tell:
  tasks:
    running:
      action: zaqar.queue_post
      input: {queue_name: tripleo, messages: {body: {payload: {status: RUNNING}}}}
      on-success: done
    done:
      action: zaqar.queue_post
      input: {queue_name: tripleo, messages: {body: {payload: {status: SUCCESS}}}}
"""


def main():
    action, url = sys.argv[1:]
    # As the address of `messaging-websocket` in Keystone's catalogue is written.
    endpoint = f"ws://{urllib.parse.urlsplit(url).netloc}"
    options = {"os_auth_token": "any", "os_project_id": "any"}
    conf = {"auth_opts": {"backend": "keystone", "options": options}}
    with ws.WebsocketTransport(conf) as transport:

        def ask(operation, **body):
            asked = request.Request(endpoint, operation, content=json.dumps(body))
            return transport.send(asked).deserialized_content

        if action == "list":
            print(json.dumps(ask("message_list", queue_name=QUEUE)["messages"]))
            return
        ask("queue_create", queue_name=QUEUE)
        ask("subscription_create", queue_name=QUEUE, ttl=10000)
        post(f"{url}/workflows", "text/plain", WORKFLOW)
        post(f"{url}/executions", "application/json", json.dumps({"workflow_name": "tell"}))
        pushed = []
        while not pushed or pushed[-1]["body"]["payload"]["status"] != "SUCCESS":
            pushed.append(transport.recv())
        print(json.dumps(pushed))


def post(url, kind, body):
    urllib.request.urlopen(urllib.request.Request(url, body.encode(), {"Content-Type": kind})).close()


if __name__ == "__main__":
    main()
