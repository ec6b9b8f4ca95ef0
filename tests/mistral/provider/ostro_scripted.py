"""Scripted actions for Mistral: what `host/engine/tests/engine/world.rs` is for the engine.

Mistral loads it by its entry point where this folder is on PYTHONPATH. A case runs in a namespace
of its own; `$OSTRO_SCRIPTS/NAMESPACE.json` holds the names that its texts mention and its script.
The next call of an action goes as the script of its task's name says, or that of its own name;
without one it gives its input. What takes time is ended by a timer as a remote executor would
end it, and keeps a file in `$OSTRO_SCRIPTS/NAMESPACE.at-work` until then; what waits for somebody
or for nothing has one in `NAMESPACE.open`.
"""

import json
import os
import pathlib
import threading

from mistral import context as auth_context
from mistral.db.v2 import api as db_api
from mistral.rpc import clients as rpc
from mistral_lib import actions
from mistral_lib.actions.providers import base

SCRIPTS = pathlib.Path(os.environ.get("OSTRO_SCRIPTS", "/nonexistent"))

_lock = threading.Lock()
_cases = {}
_calls = {}


def case_of(namespace):
    """What is known of the case that runs in `namespace`; none if there is no such case."""
    if not namespace:
        return None
    with _lock:
        if namespace not in _cases:
            path = SCRIPTS / f"{namespace}.json"
            if not path.exists():
                return None
            case = json.loads(path.read_text())
            case["names"] = set(case["names"])
            _cases[namespace] = case
        return _cases[namespace]


def next_outcome(namespace, task, action):
    script = _cases[namespace]["script"]
    key = task if task in script else action
    if key not in script:
        return None
    with _lock:
        call = _calls.get((namespace, key), 0)
        _calls[namespace, key] = call + 1
    outcomes = script[key]
    return outcomes[min(call, len(outcomes) - 1)]


class ScriptedAction(actions.Action):
    def __init__(self, name, namespace, params):
        super().__init__()
        self.name = name
        self.namespace = namespace
        self.params = params
        self.here = True

    def is_sync(self):
        return self.here

    def run(self, context):
        with db_api.transaction(read_only=True):
            task = db_api.get_task_execution(context.execution.task_execution_id).name
        outcome = next_outcome(self.namespace, task, self.name)
        if outcome is None:
            return actions.Result(data=self.params)
        if outcome.get("error") is not None:
            result = actions.Result(error=outcome["error"])
        else:
            result = actions.Result(data=outcome.get("ok"))
        after = outcome.get("after", 0) * _cases[self.namespace]["stretch"]
        if outcome.get("silent") or outcome.get("deferred"):
            self.here = False
            self.mark("open", context.execution.action_execution_id)
            return None
        if not after:
            return result
        self.here = False
        self.end_later(after, result, context.execution.action_execution_id)
        return None

    def mark(self, kind, action_execution):
        folder = SCRIPTS / f"{self.namespace}.{kind}"
        folder.mkdir(exist_ok=True)
        mark = folder / action_execution
        mark.touch()
        return mark

    def end_later(self, after, result, action_execution):
        mark = self.mark("at-work", action_execution)
        auth = auth_context.ctx()

        def end():
            auth_context.set_ctx(auth)
            try:
                rpc.get_engine_client().on_action_complete(action_execution, result)
            finally:
                mark.unlink(missing_ok=True)

        timer = threading.Timer(after, end)
        timer.daemon = True
        timer.start()


class Descriptor(base.ActionDescriptorBase):
    """An action that takes any input."""

    def __init__(self, name, namespace):
        super().__init__(name, "Scripted by a case.", "**", namespace)

    def __repr__(self):
        return f"Scripted action [name={self.name}]"

    def instantiate(self, params, wf_ctx):
        return ScriptedAction(self.name, self.namespace, params)


class ScriptedProvider(actions.ActionProvider):
    def find(self, action_name, namespace=None):
        case = case_of(namespace)
        if case is None or action_name not in case["names"]:
            return None
        if db_api.load_action_definition(action_name, namespace=namespace) is not None:
            return None
        return Descriptor(action_name, namespace)

    def find_all(self, namespace=None, **_):
        return []
