#!/usr/bin/env python3
"""record - what the real Mistral 23.0.0 answers to the engine's cases.

  record.py up                  install what is missing, start Mistral on loopback
  record.py env [--json]        shell exports for clients and measurements
  record.py down                stop what `up` started
  record.py record [FILE...]    run the cases that are new or changed, of all files or these
            --all               run all cases, also those that have an answer
            --case TEXT         only cases whose name holds TEXT
            --workers N         how many at a time (default 8)
            --dry               print the answers, write nothing
  record.py measure             wall and CPU time of the workloads on standard input, as JSON

Answers stand beside the cases: host/engine/tests/cases/NAME.mistral.json. `record` and `measure`
start Mistral where it does not run and stop it then. Needs Python 3.11 and, where RabbitMQ or PostgreSQL are
missing, Debian and root.
"""

import argparse
import json
import os
import pathlib
import shlex
import sys
import traceback
from concurrent import futures

import rig


def enter_venv():
    """Starts again inside Mistral's environment, which has PyYAML and psycopg2."""
    if pathlib.Path(sys.prefix) != rig.VENV:
        rig.install()
        python = rig.VENV / "bin" / "python"
        os.execv(python, [str(python), *sys.argv])


def record(options):
    enter_venv()
    import cases

    files = [cases.FOLDER / pathlib.Path(name).name for name in options.files]
    work = []
    answers = {}
    for path in files or sorted(cases.FOLDER.glob("*.yaml")):
        if not path.exists():
            raise rig.RigError(f"there is no {path}")
        known = read(answers_of(path))
        here = cases.load(path)
        # In the order of the cases, without those that are gone.
        answers[path] = {case["name"]: known.get(case["name"]) for case in here}
        for case in here:
            before = known.get(case["name"])
            fresh = before is None or before["asked"] != case["asked"]
            if (options.all or fresh) and (options.case or "") in case["name"]:
                work.append((path, case))
    if not work:
        rig.say("every case has its answer")
    if not options.dry:
        for path, found in answers.items():
            write(answers_of(path), found)
    if work:
        run(options, work, answers, cases)


def run(options, work, answers, cases):
    was_up = rig.state() is not None
    running = rig.up()
    failed = 0
    try:
        database = cases.Database(running["ports"]["postgres"])
        api = cases.Api(running["url"])
        with futures.ThreadPoolExecutor(options.workers) as pool:
            jobs = {
                pool.submit(one_answer, case, api, database, cases): (path, case)
                for path, case in work
            }
            for job in futures.as_completed(jobs):
                path, case = jobs[job]
                try:
                    answer = {"asked": case["asked"], **job.result()}
                except Exception:
                    failed += 1
                    rig.say(f"{path.name}: {case['name']}\n{traceback.format_exc()}")
                    continue
                answers[path][case["name"]] = answer
                if not options.dry:
                    write(answers_of(path), answers[path])
                rig.say(f"{path.stem}: {case['name']}: {answer.get('state', 'refused')}")
                if options.dry:
                    print(json.dumps(answer, indent=1))
    finally:
        if not was_up:
            rig.down()
    if failed:
        raise rig.RigError(f"{failed} cases could not be run")


def one_answer(case, api, database, cases):
    if case.get("unrecorded"):
        return {"unrecorded": case["unrecorded"]}
    run = cases.Run(case, api, database)
    try:
        return run.answer()
    finally:
        run.forget()


def answers_of(path):
    return path.with_suffix(".mistral.json")


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def write(path, found):
    # One line a case: a changed answer is one changed line.
    lines = [
        f"{json.dumps(name, ensure_ascii=False)}: "
        f"{json.dumps(answer, ensure_ascii=False, sort_keys=True)}"
        for name, answer in found.items()
        if answer is not None
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def measure():
    enter_venv()
    import measure as measuring

    workloads = json.load(sys.stdin)
    was_up = rig.state() is not None
    running = rig.up()
    try:
        costs = []
        for workload in workloads:
            rig.say(f"measuring {workload['name']}")
            costs.append(measuring.measure(running, workload))
        print(json.dumps(costs))
    finally:
        if not was_up:
            rig.down()


def environment(options):
    running = rig.state()
    if running is None:
        raise rig.RigError("no Mistral runs; `record.py up` starts one")
    values = rig.env(running)
    if options.json:
        print(json.dumps(values, indent=1))
    else:
        for name, value in values.items():
            print(f"export {name}={shlex.quote(value)}")


def main():
    usage = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=usage)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up")
    commands.add_parser("down")
    commands.add_parser("env").add_argument("--json", action="store_true")
    commands.add_parser("measure")
    recorder = commands.add_parser("record")
    recorder.add_argument("files", nargs="*", metavar="FILE")
    recorder.add_argument("--all", action="store_true")
    recorder.add_argument("--case")
    recorder.add_argument("--workers", type=int, default=8)
    recorder.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    try:
        if options.command == "up":
            rig.say(f"Mistral answers at {rig.up()['url']}")
        elif options.command == "down":
            rig.down()
        elif options.command == "env":
            environment(options)
        elif options.command == "measure":
            measure()
        else:
            record(options)
    except rig.RigError as error:
        sys.exit(f"mistral: {error}")


if __name__ == "__main__":
    main()
