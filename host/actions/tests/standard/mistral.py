"""Runs action classes of Mistral 23: a list of [class, arguments] on standard input, a list of
what came of them on the last line of standard output."""
import json
import logging
import sys
from unittest import mock

from mistral.db.v2 import api  # noqa: F401, its import has to come first
from mistral import config
from mistral.actions import std_actions
from mistral_lib import actions
from oslo_config import cfg
from oslo_serialization import jsonutils
import paramiko

logging.disable(logging.CRITICAL)
cfg.CONF.set_override("denied_cidrs", [], group=config.ACTION_STD_HTTP_GROUP)

# std.ssh has no parameter for the port.
connect = paramiko.SSHClient.connect
paramiko.SSHClient.connect = lambda self, host, **more: connect(
    self, host, port=int(sys.argv[1]), **more
)

context = mock.Mock()
context.execution.workflow_name = "book.work"
context.execution.workflow_execution_id = "execution-1"
context.execution.task_execution_id = "task-1"
context.execution.action_execution_id = "action-1"
context.execution.callback_url = "/v2/action_executions/action-1"


def outcome(name, arguments):
    try:
        action = getattr(std_actions, name)(**arguments)
        result = action.run(context)
        if not isinstance(result, actions.Result):
            result = actions.Result(data=result)
        if result.is_error():
            # What travels is what can be written as JSON.
            return {"error": json.loads(jsonutils.dumps(result.error))}
        if not action.is_sync():
            return {"deferred": True}
        return {"data": json.loads(jsonutils.dumps(result.data))}
    except Exception as error:
        return {"raised": str(error)}


print(json.dumps([outcome(*action) for action in json.load(sys.stdin)]))
