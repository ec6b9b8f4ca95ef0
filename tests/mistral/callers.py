#!/usr/bin/env python3
"""callers - what the real Mistral 23.0.0 answers to callers who say who they are.

  callers.py record [TOPIC...]   send the steps of all topics, or of those whose name holds TOPIC,
                                 and write the answers beside them: callers/NN_topic.json
  callers.py check [TOPIC...]    send them and name what differs from the recorded answers
  callers.py down                stop the Mistral that a `--keep` left running
            --keep               leave Mistral running for the next call
  callers.py compare URL TOPIC   send those of a topic to the server at URL, which has nothing yet
                                 and asks the same Keystone; prints how many answers are alike, and
                                 what differs without being listed in callers/deviations.yaml, or
                                 is listed and does not differ
            --all                prints all that differs, as a JSON object by step

The Keystone is that of the cloud `admin` in the file that OS_CLIENT_CONFIG_FILE names, or else of
the cloud that runs (`tests/cloud/cloud up keystone`). What a step is and how an answer is written
down: README.md. `compare` needs PyYAML and nothing else.
"""

import argparse
import json
import os
import pathlib
import secrets
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

os.environ.setdefault("OSTRO_MISTRAL_DIR", f"/tmp/ostro-mistral-callers-{os.getuid()}")

import answers  # noqa: E402
import compare  # noqa: E402
import record  # noqa: E402
import rig  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent / "callers"
CLOUD = pathlib.Path(__file__).resolve().parents[1] / "cloud" / "cloud"
# The projects, and who is in them with which role.
PROJECTS = ["one", "two", "three"]
CALLERS = {
    "owner": ("one", "member"),
    "colleague": ("one", "member"),
    "reader": ("one", "reader"),
    "other": ("two", "member"),
    "third": ("three", "member"),
    "admin": ("three", "admin"),
}
answers.STEP.add("as")


class Keystone:
    """A Keystone, asked as its administrator."""

    def __init__(self):
        import yaml

        file = os.environ.get("OS_CLIENT_CONFIG_FILE") or running_cloud()
        cloud = yaml.safe_load(pathlib.Path(file).read_text())["clouds"]["admin"]
        self.auth = cloud["auth"]
        self.url = self.auth["auth_url"].rstrip("/")
        if not self.url.endswith("/v3"):
            self.url += "/v3"
        user = {"name": self.auth["username"], "password": self.auth["password"]}
        user["domain"] = self.domain("user_domain")
        project = {"name": self.auth["project_name"], "domain": self.domain("project_domain")}
        self.token = self.log_in(user, {"project": project})

    def domain(self, whose):
        if f"{whose}_name" in self.auth:
            return {"name": self.auth[f"{whose}_name"]}
        return {"id": self.auth.get(f"{whose}_id", "default")}

    def log_in(self, user, scope):
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": scope}}
        return self.send("POST", "/auth/tokens", body, token=None)[0]["X-Subject-Token"]

    def send(self, method, path, body=None, token=""):
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if token is not None:
            request.add_header("X-Auth-Token", token or self.token)
        try:
            with rig.OPENER.open(request, timeout=60) as answer:
                text = answer.read()
                return answer.headers, json.loads(text) if text else None
        except urllib.error.HTTPError as refusal:
            said = refusal.read().decode(errors="replace")
            raise rig.RigError(f"Keystone: {method} {path}: {refusal.code} {said}") from None

    def people(self):
        """The projects and callers, new ones: their ids by name, and the callers' tokens."""
        mark = secrets.token_hex(6)
        roles = {role["name"]: role["id"] for role in self.send("GET", "/roles")[1]["roles"]}
        ids, tokens = {}, {"odd": "odd"}
        for name in PROJECTS:
            body = {"project": {"name": f"ostro-{mark}-{name}"}}
            ids[f"project_{name}"] = self.send("POST", "/projects", body)[1]["project"]["id"]
        for name, (project, role) in CALLERS.items():
            project, password = ids[f"project_{project}"], secrets.token_hex(16)
            body = {"user": {"name": f"ostro-{mark}-{name}", "password": password}}
            user = self.send("POST", "/users", body)[1]["user"]["id"]
            path = f"/projects/{project}/users/{user}/roles/{roles[role]}"
            self.send("PUT", path)
            ids[f"user_{name}"] = user
            who = {"id": user, "password": password}
            tokens[name] = self.log_in(who, {"project": {"id": project}})
            if name == "owner":
                tokens["unscoped"] = self.log_in(who, "unscoped")
                tokens["revoked"] = self.log_in(who, {"project": {"id": project}})
                self.revoke(tokens["revoked"])
        return ids, tokens

    def revoke(self, token):
        request = urllib.request.Request(f"{self.url}/auth/tokens", method="DELETE")
        request.add_header("X-Auth-Token", self.token)
        request.add_header("X-Subject-Token", token)
        rig.OPENER.open(request, timeout=60).close()


def running_cloud():
    """The clouds.yaml of the cloud that runs."""
    ran = subprocess.run([sys.executable, CLOUD, "env", "--json"], capture_output=True, text=True)
    if ran.returncode:
        raise rig.RigError(f"no Keystone: {ran.stderr.strip()}; tests/cloud/cloud up keystone")
    return json.loads(ran.stdout)["OS_CLIENT_CONFIG_FILE"]


class Topic(answers.Topic):
    """One file of steps, each of a caller."""

    def __init__(self, path, port, keystone):
        super().__init__(path, port)
        self.keystone = keystone
        ids, self.tokens = keystone.people()
        # Their ids stand in answers, and the steps name them.
        self.names = {value: f"<{name.replace('_', ':')}>" for name, value in ids.items()}
        self.saved.update(ids)
        unknown = {step.get("as", "owner") for step in self.steps} - set(self.tokens) - {"nobody"}
        if unknown:
            raise rig.RigError(f"{path.name}: nobody is called {', '.join(map(str, unknown))}")

    def send(self, step):
        who = step.get("as", "owner")
        headers = dict(step.get("headers", {}))
        if who != "nobody":
            headers.setdefault("X-Auth-Token", self.tokens[who])
        return super().send({**step, "headers": headers})

    def masked(self, value, key=None):
        if isinstance(value, str):
            for known, name in self.names.items():
                value = value.replace(known, name)
            value = value.replace(self.keystone.url.removesuffix("/v3"), "<keystone>")
        return super().masked(value, key)


def run(options):
    record.enter_venv()
    chosen = answers.topics(options.topics, FOLDER)
    keystone = Keystone()
    running = rig.up(answers.SERVERS, keystone.auth)
    differ = []
    try:
        for path in chosen:
            answers.forget(running["ports"]["postgres"])
            found = Topic(path, running["ports"]["api"], keystone).record()
            text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
            rig.say(f"{path.stem}: {len(found)} answers, {len(text)} bytes")
            target = path.with_suffix(".json")
            if options.command == "record":
                target.write_text(text)
            elif not answers.same(target, text):
                differ.append(path.stem)
    finally:
        answers.forget(running["ports"]["postgres"])
        if not options.keep:
            rig.down()
    if differ:
        raise rig.RigError(f"other answers than recorded: {', '.join(differ)}")


def compared(options):
    (path,) = answers.topics([options.topic], FOLDER)
    port = urllib.parse.urlsplit(options.url).port
    recorded = json.loads(path.with_suffix(".json").read_text())
    topic = Topic(path, port, Keystone())
    found = compare.differences_of(topic, recorded)
    if options.all:
        json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
        return
    listed = compare.listed(FOLDER / "deviations.yaml")
    wrong = compare.judge({path.stem: found}, {path.stem: len(recorded)}, listed)
    if wrong:
        raise rig.RigError("\n".join(wrong))


def main():
    usage = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=usage)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("record", "check"):
        command = commands.add_parser(name)
        command.add_argument("topics", nargs="*", metavar="TOPIC")
        command.add_argument("--keep", action="store_true")
    commands.add_parser("down")
    command = commands.add_parser("compare")
    command.add_argument("url")
    command.add_argument("topic")
    command.add_argument("--all", action="store_true")
    options = parser.parse_args()
    try:
        if options.command == "down":
            rig.down()
        elif options.command == "compare":
            compared(options)
        else:
            run(options)
    except rig.RigError as error:
        sys.exit(f"mistral: {error}")


if __name__ == "__main__":
    main()
