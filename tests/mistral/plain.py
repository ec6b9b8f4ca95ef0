"""YAML as the files of tests are written in it."""

import re

import yaml


class Plain(yaml.SafeLoader):
    """YAML 1.2's core schema, as the engine's tests read their cases: `no` is a text."""

    yaml_implicit_resolvers = {}


for tag, pattern, first in [
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.)([eE][-+]?[0-9]+)?", "-+.0123456789"),
]:
    pattern = re.compile(f"^({pattern})$")
    Plain.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list(first))
