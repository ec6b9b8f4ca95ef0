#!/usr/bin/env python3
"""Records what Python, PyYAML and Mistral make of the cases below.

The tests of this crate compare with the JSON files beside this script. Run it where PyYAML 6 is
installed, from any folder:

    python3 tests/data/record.py

The loader is PyYAML's safe one with the three changes of `mistral/utils/safe_yaml.py`: `*`, `&`
and `@` start plain text. The functions are those of `mistral/expressions/std_functions.py`,
whose JSON is the standard library's.
"""

import datetime
import json
import math
import pathlib

import yaml

HERE = pathlib.Path(__file__).parent


class Loader(yaml.SafeLoader):
    def fetch_alias(self):
        return self.fetch_plain()

    def fetch_anchor(self):
        return self.fetch_plain()

    def check_plain(self):
        return self.peek() == "@" or super().check_plain()


yaml.SafeDumper.ignore_aliases = lambda *args: True


def to_json(value):
    """Dates as oslo.serialization writes them, keys as JSON does, and what JSON can't say."""
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
    if isinstance(value, datetime.date):
        return value.strftime("%Y-%m-%d")
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {
            json_key(key): to_json(item)
            for key, item in value.items()
        }
    return value


def json_key(key):
    key = to_json(key)
    return key if isinstance(key, str) else json.dumps(key)


def load(text):
    return to_json(yaml.load(text, Loader))


def attempt(function, *args):
    try:
        return function(*args)
    except Exception:
        return None


SCALARS = """
~ null Null NULL nULL none None
yes Yes YES yEs no No NO y Y n N true True TRUE tRUE false False FALSE on On ON off Off OFF
0 1 -1 +1 007 010 -010 08 09 0o10 0_ 0_7 00 1_000 1__0 _1 1_ -0 +0 - + --1
0x1F 0X1F 0x1f_2 -0x10 0xg 0x 0b101 -0b11 0b2 0b 0b_ 0x_
1:30 01:30 190:20:30 1:60 1:5 -1:30 1:30: 1:30.5 20:30.15 0:30 1_0:30 :30 1:3:5.2_5
1.0 1. .5 -.5 +.5 -1.5 1.5e3 1.5e+3 1.5E-3 1e3 1e+3 1.e+3 .5e+1 1_0.5 1._5 1.2.3 6.8523015e+5
685.230_15e+03 685_230.15 .inf -.inf +.inf .Inf .INF .iNF .nan .NaN .NAN . .. ...x
2026-01-02 2026-1-2 2026-13-02 2026-02-29 2024-02-29 0000-01-01 2026-01-02x 20260102
2001-12-14t21:59:43.10-05:00 2001-12-15T02:59:43.1Z 2001-12-15T02:59:43.123456789Z
2001-1-5T2:59:43Z 2001-12-15T02:59:43 2001-12-15T24:00:00 2001-12-15T02:59:43+5 2001-12-15T
9223372036854775807 -9223372036854775808 0x7fffffffffffffff
* *x *all & &x &x:y @ @x x@y a*b a&b !x =x == = << <<x - -x -- a:b a#b <%x%> {} []
a'b a"b 'x' "x" 'it''s' "a\\tb" "\\x41\\u00e9\\U0001F600" '' "" 'yes' "010" '1:30' |x
!!str ~x v1.0 1.2.3.4 10.0.0.0/24 00:11:22:33:44:55 1d 5% %x ,x ]x ?x ?  >x `x \\x $x ^x (x) café
""".split()
SCALARS += [
    "2001-12-14 21:59:43.10 -5", "2001-12-14  21:59:43", "2001-12-14 21:59", "a b", "a  b",
    "&x y", "*x y", "@x y", "& y", "* y", "a # c", "a #c", "<% $.a %>", "<% $.a + 1 %> b",
    "!!str 010", "!!int '3'", "!!float 3", "!!bool yes", "!!null x", "!!str yes", "!!int x",
    "!!bool x", "\"a\\\n  b\"",
]
# PyYAML has whole numbers of any size; past 64 bits ours are floats or errors.

DOCUMENTS = [
    "a: 1\nb: 2\na: 3\n",
    "a: |\n  x\n   y\n\n  z\n",
    "a: |-\n  x\n  y\n\n",
    "a: |+\n  x\n\n\nb: 1\n",
    "a: >\n  x\n  y\n\n  z\n    more\n  less\n",
    "a: >-\n  <% $.a\n  + 1 %>\n",
    "a: |2\n    x\n   y\n",
    "a: plain\n  goes\n  on\n\n  here\nb: 1\n",
    "a: 'single\n  quoted\n\n  text'\n",
    "a: \"double\n  quoted \\\n  text\\n\n  x\"\n",
    "- a\n-   - b\n    - c\n- d: 1\n  e: 2\n-\n  f: 3\n",
    "a:\n- x\n- y\nb:\n  - z\n",
    "a: [1, two, 'three', [4], {b: 5}]\nb: {x: 1, y: [2], z}\n",
    "[*x, &y z, @w]\n",
    "*a: 1\n&b c: 2\n@d: 3\n",
    "{a: 1,\n b: [x,\n y]}\n",
    "1: a\n~: c\n2.5: d\n2026-01-02: e\n",
    "yes: 1\non: 2\n",
    "<<: {a: 1, b: 2}\nb: 3\n",
    "b: 3\n<<: [{a: 1}, {a: 2, c: 4}]\n",
    "<<: *x\n",
    "a: !!str\nb: !!map {c: 1}\nd: !!seq [1]\n",
    "# only a comment\n",
    "",
    "---\na: 1\n",
    "---\na: 1\n...\n",
    "a: 1\n---\nb: 2\n",
    "%YAML 1.1\n---\na: 010\n",
    "a: {{ x }}\n",
    "a: b: c\n",
    "a: [1\n",
    "a: 'x\n",
    " a: 1\nb: 2\n",
    "a:\n  - b\n c: 1\n",
    "a: - b\n",
    "{a: 1}}\n",
    "? a\n: 1\n? b\n",
    "a: \"x\"\n\n# comment\n\nb: 'y' # z\n",
    "\ufeffa: 1\n",
    "a: x\r\nb: |\r\n  y\r\n  z\r\n",
    "a: 'caf\u00e9 \U0001f600'\nb: \u4f60\u597d\n",
    "a: <% $.nodes.where($.name = 'x').select({n => $.name}) %>\n",
    "- fail msg=\"x y\"\n- fail(msg='x'): <% a %>\n- a: <% $ %>\n",
    "a: &b\nc: *b\n",
    "a: &b\n  c: 1\n",
    "a:   \n  b\n",
    "a: ''\nb: \"\"\nc:\nd: ~\n",
    "key with spaces: value with: colon\n",
    "url: http://host:80/path#frag\n",
    "a: x#y\nb: x #y\n",
]

TEXTS = [
    "", "a", "it's", 'say "x"', "it's \"x\"", "a\\b", "a\nb", "a\tb\rc", "\x00\x1b\x7f", "\xa0",
    "caf\u00e9", "\u0301x", "x\u0301", "\u200b", "\u2028", "\ufeff", "\ue000", "\U0001f600",
    "\U000e0001", "\u3000", "\u4f60", "\xad", "{}", "'", '"', "'\"",
]
FLOATS = [
    0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1.5e16, 123456789012345680.0, 1e22, 1e100, 1.5e300,
    0.0001, 0.00001, 1.5e-5, 5e-324, 1.7976931348623157e308, 3.141592653589793, 100.0, 1e-4, 2.5e-7,
]
VALUES = TEXTS + FLOATS + [
    None, True, False, 0, -7, 2**63 - 1, [], {}, [1, "a", None, True, 1.0], {"a": 1, "b": [2, {"c": "d'"}]},
    [[]], [{}], {"": ""}, ["it's", 'say "x"'], {"k'": None},
]

LONG = "the quick brown fox jumps over the lazy dog and then "
DUMPED = VALUES + [
    "true", "yes", "y", "null", "~", "1", "1.5", "010", "1:30", "1e3", "2026-01-02", "-", "- a",
    "a: b", "a:b", "a #b", "a#b", "#a", "@a", "`a", "%a", "!a", "&a", "*a", "a, b", "[a]", "{a}",
    "a]", "? a", "?a", ":a", ": a", "-a", "---", "--- a", "...", "= ", "=", "<<", " a", "a ",
    " ", "\n", "a\n", "\na", "a\n\nb", "a \nb", "a\n b", "a\n\n", "|", ">", "a:", "<% $.a %>",
    LONG * 3, (LONG * 3).strip(), "'" + LONG * 3, "x: " + LONG * 3, "\t" + LONG * 3,
    "\u00e9" + LONG * 3, "\u00e9" * 60, ("\u00e9 " * 60).strip(), ("line\n" * 30), "x" * 200,
    ("two  spaces " * 20).strip(), ("it's here " * 20).strip(), ": " + "it's  here " * 20 + "x",
    "a\n" + LONG * 3 + "\nb", "\t" + "  x" * 60,
    [1, 2, [3, [4, []], {}]], {"b": 1, "a": {"d": [1, 2], "c": {"e": None}}},
    [{"a": 1, "b": [1, {"x": "y"}]}, {"c": []}], [[["deep"]]], {"a": [[1, 2], [3]]},
    {"true": 1, "1": 2, "": 3, "a b": 4, "a: b": 5, "\u00e9": 6, "x\ny": 7, "z" * 130: 8},
    {"k" * 122: 1}, {"k" * 123: 1}, {"k" * 124: [1]}, {"k" * 140: {"a": 1}},
    {"key": LONG * 3}, {"a": {"b": {"c": (LONG * 3).strip()}}}, {"k": "a\nb"}, ["a\nb", "x: y"],
    {"B": 1, "a": 2, "A": 3, "_": 4, "\u00e9": 5, "z": 6},
]

JSON_TEXTS = [
    "1", "1.0", "\"a\"", "null", "[1, 2]", '{"a": {"b": [true, false, null]}}', " {} ", "", "{",
    "'a'", "[1,]", "nul", "1 2", '"\\u00e9"', '"\\ud83d\\ude00"', "1e3", "-0.0", "01",
    '{"b": 1, "a": 2}', '{"a": 1, "a": 2}',
]


def json_pp(data):
    return json.dumps(data, indent=4).replace("\\n", "\n").replace(" \n", "\n")


def main():
    scalars = []
    for text in SCALARS:
        loaded = attempt(lambda: {"value": load(f"- {text}\n")[0]})
        scalars.append([text, loaded])
    documents = [[text, attempt(lambda: {"value": load(text)})] for text in DOCUMENTS]
    functions = []
    for value in DUMPED:
        functions.append(["json_dump", value, json.dumps(value, indent=4)])
        functions.append(["json_pp", value, json_pp(value)])
        functions.append(["yaml_dump", value, yaml.safe_dump(value, default_flow_style=False)])
    for text in JSON_TEXTS:
        functions.append(["json_parse", text, attempt(json.loads, text)])
    for text in ["a: [1, *x]\nb: yes\n", "- 010\n- 1:30\n", "a: b: c"]:
        functions.append(["yaml_parse", text, attempt(load, text)])
    # JSON's null is also how an error is recorded.
    functions = [case for case in functions if case[:2] != ["json_parse", "null"]]
    for name, cases in [
        ("yaml_scalars", scalars),
        ("yaml_documents", documents),
        ("functions", functions),
        ("python_str", [[value, str(value)] for value in VALUES]),
    ]:
        lines = ",\n".join(json.dumps(case) for case in cases)
        (HERE / f"{name}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
