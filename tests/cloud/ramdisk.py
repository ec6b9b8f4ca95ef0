#!/usr/bin/env python3
"""ramdisk.py - play the introspection ramdisks of machines that do not exist.

  ramdisk.py [--delay SECONDS] [--timeout SECONDS] [--error TEXT] [NODE...]

A node on introspection would boot a ramdisk, which reports the machine's inventory to
ironic-inspector.  This does the reporting: it watches for introspections that wait, and posts
to /v1/continue what a machine with the node's ports and properties would find.

With NODEs (name or UUID): ends when the introspection of each has finished, with status 0 if
all went well, and 1 if one failed or the time was over.  Without: plays for whatever node
waits, until SIGTERM or SIGINT (status 0).

  --delay SECONDS    let a ramdisk boot for so long before it reports (default: 0)
  --timeout SECONDS  how long to wait for the NODEs (default: 300)
  --error TEXT       report this failure instead of a good inventory

Credentials: the cloud $OS_CLOUD of $OS_CLIENT_CONFIG_FILE, as `cloud env` exports them.
Inspector finds the node of an inventory by MAC or BMC address, so a node needs a port or an
address in its driver_info.
"""
import argparse
import hashlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never a proxy
MIB, GIB = 2**20, 2**30
INTERVAL = 0.5


def say(text, file=None):
    print(f"ramdisk: {text}", file=file, flush=True)


def http(method, url, body=None, headers=()):
    """One JSON request; returns (headers, decoded body). Raises HTTPError or URLError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json",
                                                 **dict(headers)}, method=method)
    with OPENER.open(request, timeout=30) as reply:
        text = reply.read()
        return reply.headers, json.loads(text) if text else None


class Session:
    """A Keystone token, and the two services that a ramdisk's player talks to."""

    def __init__(self):
        file = os.environ.get("OS_CLIENT_CONFIG_FILE")
        if not file:
            sys.exit('ramdisk: OS_CLIENT_CONFIG_FILE is not set: eval "$(cloud env)"')
        # The file is written as JSON, which is YAML too.
        clouds = json.loads(Path(file).read_text())["clouds"]
        self.auth = clouds[os.environ.get("OS_CLOUD", "admin")]["auth"]
        self.log_in()

    def log_in(self):
        auth = self.auth
        head, body = http("POST", auth["auth_url"] + "/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": auth["username"], "password": auth["password"],
                "domain": {"id": auth["user_domain_id"]}}}},
            "scope": {"project": {"name": auth["project_name"],
                                  "domain": {"id": auth["project_domain_id"]}}}}})
        self.token = head["X-Subject-Token"]
        urls = {s["type"]: e["url"].rstrip("/") for s in body["token"]["catalog"]
                for e in s["endpoints"] if e["interface"] == "public"}
        try:
            self.ironic, self.inspector = urls["baremetal"], urls["baremetal-introspection"]
        except KeyError as missing:
            sys.exit(f"ramdisk: no {missing} service in this cloud: "
                     "cloud up ironic ironic-inspector")

    def get(self, url):
        head = {"X-Auth-Token": self.token, "X-OpenStack-Ironic-API-Version": "1.50",
                "X-OpenStack-Ironic-Inspector-API-Version": "1.16"}
        try:
            return http("GET", url, headers=head)[1]
        except urllib.error.HTTPError as err:
            if err.code != 401:
                raise
            self.log_in()
            return http("GET", url, headers={**head, "X-Auth-Token": self.token})[1]

    def node(self, ident):
        return self.get(f"{self.ironic}/v1/nodes/{urllib.parse.quote(ident)}")

    def macs(self, uuid):
        ports = self.get(f"{self.ironic}/v1/ports?node={uuid}&fields=address")["ports"]
        return sorted(port["address"] for port in ports)

    def introspections(self):
        """The latest introspection of each node, by node UUID."""
        found, url = {}, f"{self.inspector}/v1/introspection"
        marker = ""
        while page := self.get(url + marker)["introspection"]:
            found |= {one["uuid"]: one for one in page}
            marker = f"?marker={page[-1]['uuid']}"
        return found


def inventory(node, macs):
    """What the ramdisk of a machine with this node's properties and MAC addresses reports."""
    have, info = node.get("properties", {}), node.get("driver_info", {})
    seed = hashlib.sha256(node["uuid"].encode()).digest()
    arch, cpus = have.get("cpu_arch") or "x86_64", int(have.get("cpus") or 4)
    memory, disk = int(have.get("memory_mb") or 8192), int(have.get("local_gb") or 40)
    macs = macs or ["52:54:00:" + ":".join(f"{byte:02x}" for byte in seed[:3])]
    # A GiB above local_gb, as Inspector subtracts one for partitioning; a second, larger disk
    # leaves a choice to root device hints.
    disks = [{"name": f"/dev/sd{letter}", "model": "LOOPBACK DISK", "vendor": "Ostro",
              "size": (disk + 1) * times * GIB, "rotational": letter == "b", "hctl": f"{n}:0:0:0",
              "serial": f"{seed[3:9].hex()}{n}", "wwn": f"0x5000{seed[9:14].hex()}0{n}",
              "by_path": f"/dev/disk/by-path/pci-0000:00:0{n + 5}.0"}
             for n, (letter, times) in enumerate((("a", 1), ("b", 2)))]
    bmc = next((info[key] for key in ("ipmi_address", "redfish_address", "drac_address",
                                      "ilo_address", "irmc_address") if info.get(key)), None)
    return {
        "inventory": {
            # 192.0.2.0/24 is for documentation; Inspector would skip a loopback address.
            "interfaces": [{"name": f"eth{n}", "mac_address": mac, "has_carrier": True,
                            "ipv4_address": f"192.0.2.{(seed[14] + n) % 250 + 2}",
                            "vendor": "0x1af4", "product": "0x0001", "lldp": None,
                            "client_id": None, "biosdevname": None}
                           for n, mac in enumerate(macs)],
            "cpu": {"count": cpus, "architecture": arch, "model_name": "Loopback CPU",
                    "frequency": "2400.0", "flags": ["aes", "vmx"]},
            "memory": {"total": memory * MIB, "physical_mb": memory},
            "disks": disks,
            "bmc_address": bmc,
            "boot": {"pxe_interface": macs[0], "current_boot_mode": "bios"},
            "system_vendor": {"manufacturer": "Ostro", "product_name": "Loopback machine",
                              "serial_number": seed[:6].hex()},
            "hostname": node.get("name") or node["uuid"]},
        "root_disk": disks[0],
        "boot_interface": "01-" + macs[0].replace(":", "-"),
        "configuration": {"collectors": ["default"], "managers": []}}


class Player:
    """Answers every introspection once."""

    def __init__(self, session, delay, error):
        self.session, self.delay, self.error = session, delay, error
        self.due, self.answered = {}, set()

    def play(self, wanted):
        """One look at what waits; returns all introspections. `wanted`: UUIDs, or None for any."""
        all_ = self.session.introspections()
        for uuid, one in all_.items():
            key = uuid, one["started_at"]
            if one["state"] != "waiting" or key in self.answered or (
                    wanted is not None and uuid not in wanted):
                continue
            if time.monotonic() >= self.due.setdefault(key, time.monotonic() + self.delay):
                self.answered.add(key)
                self.report(uuid)
        return all_

    def report(self, uuid):
        try:
            node = self.session.node(uuid)
            data = inventory(node, self.session.macs(uuid))
            if self.error:
                data["error"] = self.error
            http("POST", f"{self.session.inspector}/v1/continue", data)
        except urllib.error.HTTPError as err:
            text = err.read().decode(errors="replace").strip()
            say(f"{uuid}: refused: {err.code} {text}", sys.stderr)
        else:
            macs = ", ".join(i["mac_address"] for i in data["inventory"]["interfaces"])
            say(f"{node.get('name') or uuid} reported as {macs}")


def serve(player):
    """Play for whoever waits, through restarts of the services."""
    while True:
        try:
            player.play(None)
        except (urllib.error.URLError, OSError) as err:
            say(f"waiting for the services: {err}")
            time.sleep(2)
        time.sleep(INTERVAL)


def finish(player, names, timeout):
    """Play for the named nodes until all have finished; the exit status."""
    nodes = {node["uuid"]: node.get("name") or node["uuid"]
             for node in map(player.session.node, names)}
    before = {uuid: one["started_at"] for uuid, one in player.session.introspections().items()
              if one["finished"] and uuid in nodes}
    left, failed, deadline = set(nodes), False, time.monotonic() + timeout
    while left:
        for uuid, one in player.play(left).items():
            if uuid not in left or not one["finished"] or before.get(uuid) == one["started_at"]:
                continue
            left.remove(uuid)
            failed |= bool(one["error"])
            say(f"{nodes[uuid]}: {one['error'] or 'introspected'}")
        if left and time.monotonic() > deadline:
            say(f"not finished after {timeout:.0f} s: {', '.join(nodes[u] for u in sorted(left))}")
            return 1
        time.sleep(INTERVAL)
    return int(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--error")
    parser.add_argument("nodes", nargs="*")
    options = parser.parse_args()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: sys.exit(0))
    try:
        player = Player(Session(), options.delay, options.error)
        if options.nodes:
            return finish(player, options.nodes, options.timeout)
        say("playing the ramdisks of every node that waits for introspection")
        serve(player)
    except urllib.error.HTTPError as err:
        text = err.read().decode(errors="replace").strip()
        say(f"error: {err.url}: {err.code} {text}", sys.stderr)
    except (urllib.error.URLError, OSError, KeyError, json.JSONDecodeError) as err:
        say(f"error: {err!r}", sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
