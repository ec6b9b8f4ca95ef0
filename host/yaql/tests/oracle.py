#!/usr/bin/env python3
"""Records what Python's yaql answers, for the cases in tests/cases/*.txt.

Needs the package of this version, in an environment of its own:

    python3 -m venv venv && venv/bin/pip install yaql==3.2.0 'setuptools<80'
    venv/bin/python tests/oracle.py            # writes tests/cases/*.json

A line of a .txt file is an expression; `#` begins a comment, `%data {...}` sets the data of the
lines that follow, `%unordered` says that the next line's lists come from sets. The engine has the options that Mistral gives it.

Three functions are Mistral's, here over the data: `env()`, `execution()` and `task()` give its
`__env`, `__execution` and `__task`. `format` is what yaql had until 3.0, when it was dropped because
it reached the attributes of Python objects; workbooks still call it.
"""

import collections.abc  # yaql uses it without importing it
import datetime
import json
import pathlib
import sys

import yaql
from yaql.language import factory, specs, utils, yaqltypes

OPTIONS = {
    "yaql.limitIterators": 10000,
    "yaql.convertTuplesToLists": True,
    # Mistral leaves sets as they are and writes them as JSON lists later.
    "yaql.convertSetsToLists": True,
    "yaql.iterableDicts": False,
    "yaql.convertOutputData": True,
}


def plain(value):
    """The value as it is in Mistral's JSON."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else json.dumps(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError("no JSON for " + type(value).__name__)


@specs.parameter("template", yaqltypes.String())
@specs.extension_method
@specs.name("format")
def format_string(template, *args, **kwargs):
    return template.format(*args, **kwargs)


def add_host(context, data):
    """Mistral's functions over the data."""
    part = lambda name: utils.convert_input_data(data.get(name)) if isinstance(data, dict) else None
    context.register_function(lambda: part("__env"), name="env")
    context.register_function(lambda: part("__execution"), name="execution")
    context.register_function(lambda name=None: part("__task"), name="task")


def main():
    folder = pathlib.Path(__file__).parent / "cases"
    engine = factory.YaqlFactory(keyword_operator="=>", allow_delegates=False).create(options=OPTIONS)
    root = yaql.create_context()
    root.register_function(format_string)
    for source in sorted(folder.glob("*.txt")):
        data, cases, unordered = None, [], False
        groups = []
        for line in source.read_text().splitlines():
            line = line.strip()
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
            try:
                context = root.create_child_context()
                context["$"] = utils.convert_input_data(data)
                add_host(context, data)
                value = plain(engine(line).evaluate(context=context))
                json.dumps(value, allow_nan=False)
                case["value"] = value
            except (Exception, RecursionError) as error:
                case["error"] = type(error).__name__
            if not cases:
                groups.append((data, cases))
            cases.append(case)
        # One case a line, so that a difference reads well.
        lines = [
            '{"data": ' + json.dumps(data, ensure_ascii=False) + ', "cases": [\n'
            + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]}"
            for data, cases in groups
        ]
        source.with_suffix(".json").write_text("[" + ",\n".join(lines) + "]\n")
        every = [case for _, cases in groups for case in cases]
        failed = sum("error" in case for case in every)
        print(f"{source.name}: {len(every)} cases, {failed} of them errors", file=sys.stderr)


if __name__ == "__main__":
    main()
