#!/usr/bin/env python3
"""Asks Mistral's own YAQL evaluator, so that the tests need not trust anybody's reading of it.

Needs `mistral==23.0.0` and `yaql==3.2.0`; tests/oracle/python.rs makes the environment.

    oracle.py serve [VARIANT…]    answers requests on standard input, one JSON text a line
    oracle.py examples            prints the examples of yaql's documentation as JSON
    oracle.py signatures          prints the functions of the library as JSON
    oracle.py measure             times a list of expressions from standard input
    oracle.py record              writes tests/cases/*.json from tests/cases/*.txt

A request is {"contexts": [...]}, which sets what later ones refer to and has no answer, or
{"expression": "...", "context": 0}. An answer is {"value": ...} or {"error": "ClassName"}. A value
that JSON can't say is an object with one key that begins with a dollar: {"$set": [...]},
{"$integer": "digits"}, {"$float": "nan"}, {"$object": "ClassName"}.

The evaluator, its configuration and its conversions are Mistral's. What needs its database is
replaced: `execution`, `task`, `tasks` and `executions` give parts of the context, and the functions
with a life outside (`json_pp`, `uuid`, …) echo their arguments. `format` on a string is what yaql
had until 3.0; workbooks still call it.

A variant is the same evaluator with one accident of its implementation undone; VARIANTS says which
there are. A difference is known to come from such an accident if it goes away in that variant.
"""

import collections.abc
import contextlib
import datetime
import io
import itertools
import json
import logging
import math
import os
import pathlib
import re
import resource
import signal
import sys
import time
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
with contextlib.redirect_stderr(io.StringIO()):
    from mistral.config import cfg
    from mistral.expressions import yaql_expression
    from mistral.utils import to_json_str
from yaql.language import contexts, runner, specs, utils, yaqltypes
from yaql.standard_library import collections as std_collections
from yaql.standard_library import queries as std_queries
from yaql.standard_library import regex as std_regex
from yaql.standard_library import strings as std_strings

# One expression may not keep the others waiting, nor take the machine's memory.
SECONDS = 5
MEMORY = 4 << 30
ECHO = ["json_pp", "json_dump", "json_parse", "yaml_parse", "yaml_dump", "uuid", "tag", "global"]
PARTS = {"execution": "__execution", "task": "__task", "tasks": "__tasks",
         "executions": "__executions"}


class TooSlow(BaseException):
    """The expression took longer than SECONDS."""


def key_text(key):
    """A key as JSON has it."""
    return key if isinstance(key, str) else json.dumps(key)


def plain(value):
    """The value as JSON, with what JSON can't say marked."""
    if isinstance(value, collections.abc.Mapping):
        return {key_text(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, collections.abc.Set):
        return {"$set": [plain(item) for item in value]}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -2**63 <= value < 2**63 else {"$integer": str(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, str):
        try:
            value.encode()
            return value
        except UnicodeEncodeError:
            return {"$object": "surrogate"}
    if isinstance(value, datetime.datetime):
        return json.loads(to_json_str(value))
    return {"$object": type(value).__name__}


# Functions beside yaql's.

@specs.parameter("template", yaqltypes.String())
@specs.extension_method
@specs.name("format")
def format_string(template, *args, **kwargs):
    return template.format(*args, **kwargs)


def part(key):
    def function(context, *args, **kwargs):
        data = context["$__data"]
        return utils.convert_input_data(data.get(key)) if isinstance(data, dict) else None
    return function


def echo(name):
    def function(*args, **kwargs):
        return utils.convert_input_data({"function": name, "args": list(args), "kwargs": kwargs})
    return function


def add_functions(context):
    context.register_function(format_string)
    for name, key in PARTS.items():
        context.register_function(part(key), name=name)
    for name in ECHO:
        context.register_function(echo(name), name=name)


# Variants.

class OrderedSet(frozenset):
    """A frozenset that keeps the order in which its items came."""

    def __new__(cls, items=()):
        items = list(dict.fromkeys(items))
        self = super().__new__(cls, items)
        self.ordered = items
        return self

    def __iter__(self):
        return iter(self.ordered)

    def __repr__(self):
        return "frozenset({%s})" % ", ".join(map(repr, self)) if self else "frozenset()"

    def union(self, other):
        return OrderedSet(itertools.chain(self, other))

    def intersection(self, other):
        return OrderedSet(item for item in self if item in other)

    def difference(self, other):
        return OrderedSet(item for item in self if item not in other)

    def symmetric_difference(self, other):
        return OrderedSet(itertools.chain((i for i in self if i not in other),
                                          (i for i in other if i not in self)))

    __or__, __and__, __sub__, __xor__ = union, intersection, difference, symmetric_difference
    __hash__ = frozenset.__hash__

    def __eq__(self, other):
        return frozenset.__eq__(self, frozenset(other)) if isinstance(other, collections.abc.Set) \
            else NotImplemented


def ordered_sets():
    """Sets keep their order and leave an expression as lists; keys and items are sets."""
    cfg.CONF.set_override("convert_sets_to_lists", True, group="yaql")
    std_collections.frozenset = std_strings.set = OrderedSet
    utils.frozenset = OrderedSet
    for view in (collections.abc.KeysView, collections.abc.ItemsView):
        view._from_iterable = classmethod(lambda cls, items: OrderedSet(items))
        view.__repr__ = lambda self: repr(OrderedSet(self))
        view.__hash__ = lambda self: hash(OrderedSet(self))
        view.union = lambda self, other: OrderedSet(self).union(other)
        view.intersection = lambda self, other: OrderedSet(self).intersection(other)
        view.difference = lambda self, other: OrderedSet(self).difference(other)
        view.symmetric_difference = lambda self, other: OrderedSet(self).symmetric_difference(other)


def tuples_only():
    """What a function of the library makes as a list is the tuple that `[…]` is."""
    def frozen(value):
        if type(value) in (list, dict, tuple):
            return utils.convert_input_data(value)
        # Iterators of Python's own; those of yaql may be gone through again.
        if isinstance(value, collections.abc.Iterator) and \
                type(value).__module__ in ("builtins", "itertools"):
            return map(frozen, value)
        return value

    original = runner.choose_overload

    def choose(*args, **kwargs):
        delegate = original(*args, **kwargs)
        return lambda: frozen(delegate())

    runner.choose_overload = choose


def named_groups():
    """The names of a regex's groups can be used in what is made of a match."""
    def publish(context, match):
        record = lambda i: {"value": match.group(i), "start": match.start(i), "end": match.end(i)}
        for i in range(0, (match.re.groups or 0) + 1):
            context["$" + str(i + 1)] = record(i)
        for name in match.groupdict():
            context["$" + name] = record(name)

    std_regex._publish_match = publish


VARIANTS = {"ordered_sets": ordered_sets, "tuples_only": tuples_only, "named_groups": named_groups}


# Evaluation.

def too_slow(*_):
    raise TooSlow


def prepare(variants):
    for variant in variants:
        VARIANTS[variant]()
    signal.signal(signal.SIGALRM, too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    yaql_expression.get_yaql_context({})
    # What is registered in a child comes first.
    yaql_expression.ROOT_YAQL_CONTEXT = yaql_expression.ROOT_YAQL_CONTEXT.create_child_context()
    add_functions(yaql_expression.ROOT_YAQL_CONTEXT)


def evaluate(expression, data):
    """What Mistral's evaluator answers."""
    yaql_expression.ROOT_YAQL_CONTEXT["$__data"] = data
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return {"value": plain(yaql_expression.YAQLEvaluator.evaluate(expression, data))}
    except TooSlow:
        return {"error": "TooSlow"}
    except Exception as error:  # RecursionError and MemoryError are among them.
        return {"error": type(error.__context__ or error).__name__}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def serve(variants):
    prepare(variants)
    data = []
    for line in sys.stdin:
        request = json.loads(line)
        if "contexts" in request:
            data = request["contexts"]
            continue
        answer = evaluate(request["expression"], data[request["context"]])
        print(json.dumps(answer))


def examples():
    """Each example of the documentation: what follows `yaql>`, with the lines that go on with it."""
    found = []
    folder = pathlib.Path(std_strings.__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path.name in ("legacy.py", "yaqlized.py"):
            continue  # Not part of what Mistral has.
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if not line.strip().startswith("yaql>"):
                continue
            expression = line.strip().removeprefix("yaql>").strip()
            for more in lines[number + 1:]:
                if balance(expression) <= 0:
                    break
                expression += " " + more.strip()
            found.append({"file": path.name, "line": number + 1, "expression": expression})
    json.dump(found, sys.stdout)


def signatures():
    """Each function of the library: its name, how it is called, and the names of its parameters."""
    prepare([])
    found, everything = [], []
    context = yaql_expression.ROOT_YAQL_CONTEXT
    while context:
        everything += context._functions.items()
        context = context.parent
    for name, overloads in everything:
        for overload in overloads:
            if name[0] in "#*" or not overload.payload.__module__.startswith("yaql."):
                continue
            visible = [p for key, p in overload.parameters.items() if key not in ("*", "**")
                       and not isinstance(p.value_type, yaqltypes.HiddenParameterType)]
            visible.sort(key=lambda p: 99 if p.position is None else p.position)
            found.append({
                "name": name,
                "function": overload.is_function,
                "method": overload.is_method,
                "parameters": [p.alias or p.name for p in visible],
                "required": sum(p.default is specs.NO_DEFAULT for p in visible),
            })
    json.dump(found, sys.stdout)


def balance(text):
    """How many brackets are open, outside of strings."""
    text = re.sub(r"'([^'\\]|\\.)*'|\"([^\"\\]|\\.)*\"|`([^`\\]|\\.)*`", "", text)
    return sum(text.count(c) for c in "([{") - sum(text.count(c) for c in ")]}")


def measure():
    """Seconds to parse all expressions, and to evaluate all that can be, each the best of rounds."""
    request = json.load(sys.stdin)
    prepare([])
    yaql_expression.get_yaql_engine_class()
    engine = yaql_expression.YAQL_ENGINE
    expressions, data = request["expressions"], request["data"]
    best = lambda run: min(run() for _ in range(request["rounds"]))

    def parse():
        start = time.perf_counter()
        for expression in expressions:
            engine(expression)
        return time.perf_counter() - start

    statements = [(engine(e), data[i]) for e, i in zip(expressions, request["context_of"])]

    def run_all():
        total = 0.0
        for statement, value in statements:
            context = yaql_expression.get_yaql_context(value)
            start = time.perf_counter()
            try:
                statement.evaluate(context=context)
            except Exception:
                pass
            total += time.perf_counter() - start
        return total

    json.dump({"parse": best(parse), "evaluate": best(run_all)}, sys.stdout)


def record():
    """The cases in tests/cases/*.txt, which tests without Python are held against.

    A line is an expression; `#` begins a comment, `%data {...}` sets the data of the lines that
    follow, `%unordered` says that the next line's lists come from sets.
    """
    prepare(["ordered_sets"])
    for source in sorted((pathlib.Path(__file__).parent / "cases").glob("*.txt")):
        data, cases, unordered, groups = None, [], False, []
        for line in map(str.strip, source.read_text().splitlines()):
            if not line or line.startswith("#"):
                continue
            if line.startswith("%data"):
                data, cases = json.loads(line.removeprefix("%data")), []
                continue
            if line == "%unordered":
                unordered = True
                continue
            case = {"expression": line}
            if unordered:
                case["unordered"], unordered = True, False
            case |= evaluate(line, data)
            if not cases:
                groups.append((data, cases))
            cases.append(case)
        # One case a line, so that a difference reads well.
        texts = [
            '{"data": ' + json.dumps(data, ensure_ascii=False) + ', "cases": [\n'
            + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]}"
            for data, cases in groups
        ]
        source.with_suffix(".json").write_text("[" + ",\n".join(texts) + "]\n")


if __name__ == "__main__":
    # The order of Python's sets must be the same in each run.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"PYTHONHASHSEED": "0"})
    commands = {"examples": examples, "measure": measure, "signatures": signatures, "record": record,
                "serve": lambda: serve(sys.argv[2:])}
    commands[sys.argv[1]]()
