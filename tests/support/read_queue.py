"""Takes all messages from a Zaqar queue with the real client and prints them as JSON.

  read_queue.py QUEUE

Credentials: the cloud $OS_CLOUD of $OS_CLIENT_CONFIG_FILE.
"""
import json
import os
import sys
from pathlib import Path

from zaqarclient.queues.v2 import client

# The file is written as JSON, which is YAML too.
clouds = json.loads(Path(os.environ["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]
cloud = clouds[os.environ.get("OS_CLOUD", "admin")]
auth = {"os_" + name: value for name, value in cloud["auth"].items()}
zaqar = client.Client(version=2, conf={"auth_opts": {
    "backend": "keystone", "options": {**auth, "insecure": False,
                                       "os_region_name": cloud["region_name"]}}})
queue, messages = zaqar.queue(sys.argv[1]), []
while batch := list(queue.pop(count=10)):
    messages += [message.body for message in batch]
print(json.dumps(messages))
