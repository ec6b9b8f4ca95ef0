#!/usr/bin/env python3
"""compare - sends the steps of `answers/` to `ostro serve`, and says where it answers otherwise
than the real Mistral did.

  compare.py OSTRO [TOPIC...]   OSTRO is the binary; how many answers are alike, and what differs
                                without being listed in deviations.yaml, or is listed
                                and does not differ
            --all               prints all that differs, as a JSON object by topic and step

Each topic gets a server of its own that has nothing yet. What need not be alike is said in
README.md, "Masks". It needs PyYAML and nothing else.
"""

import argparse
import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

import yaml

import answers
import rig

NOT_PARSED = "Definition could not be parsed: "
# What is said of a failure: by the engine, and by the action that fails for tests.
FAILED = re.compile(r"^Failure caused by error in tasks|Fail action expected exception")


class Server:
    """An `ostro serve` with a state folder that goes with it."""

    def __init__(self, ostro):
        self.folder = tempfile.TemporaryDirectory(prefix="ostro-answers-")
        state = pathlib.Path(self.folder.name) / "state"
        self.process = subprocess.Popen(
            [ostro, "serve", "--listen", f"{rig.HOST}:0", "--state-dir", state, "--no-packs"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            found = re.search(r"listening at http://[^:]+:(\d+)/v2", line)
            if found:
                self.port = int(found[1])
                return
            print(line, end="", file=sys.stderr)
        raise rig.RigError(f"{ostro} serve ended with {self.process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        self.folder.cleanup()


def comparable(call, answer):
    """What of an answer is to be alike."""
    answer = {key: value for key, value in answer.items() if key not in ("step", "call")}
    headers = {name: text.lower() for name, text in answer.get("headers", {}).items()}
    if "text" in answer and headers.get("content-type", "").startswith("text/"):
        answer["text"] = "<page>"
    if "allow" in headers:
        # Mistral says what the resource takes, Ostro what the address takes.
        headers["allow"] = "<verbs>"
    if headers:
        answer["headers"] = headers
    body = answer.get("json")
    if not isinstance(body, dict):
        return answer
    for key in ("faultstring", "error"):
        text = body.get(key)
        if isinstance(text, str) and answer["status"] == 500:
            body[key] = "<string>"
        elif isinstance(text, str) and text.startswith(NOT_PARSED):
            body[key] = NOT_PARSED
    if call.startswith("PUT /v2/action_executions"):
        # Whether it has been written by then is a matter of time.
        body.pop("updated_at", None)
    unexplained(body)
    return answer


def unexplained(value):
    """Takes out why something failed, which `host/engine/COMPATIBILITY.md` says more about."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if key == "state_info" and item is not None:
            value[key] = "<info>"
        elif isinstance(item, str) and FAILED.search(item):
            value[key] = "<info>"
        elif isinstance(item, (dict, list)):
            unexplained(item)


def differences(ostro, path):
    """By step, what was recorded and what `ostro` answers, where that is something else."""
    recorded = json.loads(path.with_suffix(".json").read_text())
    with Server(ostro) as server:
        return differences_of(answers.Topic(path, server.port), recorded)


def differences_of(topic, recorded):
    """The same of a topic whose server is there."""
    found = {}
    answers.PATIENCE = 10.0
    for known, step in zip(recorded, topic.steps, strict=True):
        try:
            answer = topic.answer(step)
        except (rig.RigError, KeyError, IndexError, TypeError, OSError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        wanted, answer = (comparable(known["call"], one) for one in (known, answer))
        if answer != wanted:
            found[known["step"]] = {"call": known["call"], "mistral": wanted, "ostro": answer}
    return found


def kind(difference):
    """Whether Mistral failed by itself, or only the words of a refusal are others."""
    wanted, found = difference["mistral"], difference["ostro"]
    if wanted["status"] >= 500 and found.get("status", 500) < 500:
        return "failed in mistral"
    if without_words(wanted) == without_words(found):
        return "in other words"
    return "otherwise"


def without_words(answer):
    """A refusal without the words that say why."""
    body = answer.get("json")
    if not isinstance(body, dict) or not {"faultstring", "error"} & set(body):
        return answer
    words = {key: "" for key in ("faultstring", "error") if isinstance(body.get(key), str)}
    return {**answer, "json": {**body, **words}}


def listed(file):
    """By topic and step, why `ostro` answers otherwise."""
    reasons = {}
    for deviation in yaml.safe_load(file.read_text()):
        for topic, steps in deviation["steps"].items():
            for step in steps:
                if step in reasons.setdefault(topic, {}):
                    raise rig.RigError(f"{topic}: step {step} is listed twice")
                reasons[topic][step] = deviation["why"]
    return reasons


def judge(found, sizes, reasons):
    """Prints how many answers are alike; what is wrong with what differs."""
    wrong, totals = [], collections.Counter()
    for topic, differences in found.items():
        known = reasons.get(topic, {})
        total = sizes[topic]
        kinds = {step: kind(difference) for step, difference in differences.items()}
        count = collections.Counter(kinds.values())
        count["alike"] = total - len(differences)
        totals.update(count)
        print(f"{topic:24} {total:5}  {told(count)}")
        for step, difference in differences.items():
            if kinds[step] == "otherwise" and step not in known:
                wrong.append(f"{topic}: step {step} differs: {json.dumps(difference)[:2000]}")
        for step in known:
            if kinds.get(step) != "otherwise":
                wrong.append(f"{topic}: step {step} is listed, and does not differ")
    print(f"{'all':24} {sum(totals.values()):5}  {told(totals)}")
    return wrong


def told(count):
    kinds = ("alike", "in other words", "failed in mistral", "otherwise")
    return ", ".join(f"{count[kind]} {kind}" for kind in kinds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ostro")
    parser.add_argument("topics", nargs="*", metavar="TOPIC")
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    found = {path.stem: differences(options.ostro, path) for path in answers.topics(options.topics)}
    if options.all:
        json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
        return
    sizes = {
        topic: len(json.loads((answers.FOLDER / f"{topic}.json").read_text())) for topic in found
    }
    wrong = judge(found, sizes, listed(answers.FOLDER.parent / "deviations.yaml"))
    if wrong:
        raise rig.RigError("\n".join(wrong))


if __name__ == "__main__":
    try:
        main()
    except rig.RigError as error:
        sys.exit(f"error: {error}")
