#!/usr/bin/env python3
"""Records what Mistral 23.0.0's validator says of each definition in the folders of cases.

Run it where mistral 23.0.0 is installed, from any folder, after cases were added or changed:

    python tests/data/record_validator.py

`validator.json` beside this script then maps each case to null, if Mistral accepts it, or to the
first line of what it says. What a text is (a workbook, workflows, ad-hoc actions) is decided as
`src/parse/document.rs` does; over HTTP the caller says it by the path.
"""

import json
import pathlib

from mistral.lang import parser

HERE = pathlib.Path(__file__).parent
FOLDERS = ["accept", "check", "lint", "reject"]


def validate(text):
    spec = parser.parse_yaml(text)
    if not isinstance(spec, dict):
        # The API fails on such a text before the validator sees it.
        raise ValueError("the definition is no mapping")
    sections = [spec[key] for key in ("workflows", "actions") if key in spec]
    if any(not isinstance(s, dict) or not {"tasks", "base"} & s.keys() for s in sections) or (
        "name" in spec and not isinstance(spec["name"], dict)
    ):
        parser.get_workbook_spec(spec, True)
        return
    entries = {key: value for key, value in spec.items() if key != "version"}
    actions = {
        key: value
        for key, value in entries.items()
        if isinstance(value, dict) and "tasks" not in value and {"base", "base-input"} & value.keys()
    }
    version = {"version": spec["version"]} if "version" in spec else {}
    workflows = {key: value for key, value in entries.items() if key not in actions}
    if actions:
        parser.get_action_list_spec({**version, **actions}, True)
    if workflows or not actions:
        parser.get_workflow_list_spec({**version, **workflows}, True)


def verdict(text):
    try:
        validate(text)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return lines[0][:200]
    return None


def main():
    verdicts = {}
    for folder in FOLDERS:
        for path in sorted((HERE.parent / folder).glob("*.yaml")):
            verdicts[f"{folder}/{path.name}"] = verdict(path.read_text())
    text = json.dumps(verdicts, indent=1, ensure_ascii=False)
    (HERE / "validator.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
