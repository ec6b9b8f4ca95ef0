"""A Mistral 23.0.0 on loopback: RabbitMQ, PostgreSQL, and Mistral's api and engine.

Authentication is off, actions run in the engine's own process (executor type `local`), and nothing
that a measurement does not need runs beside it. All that it writes, except for the software, is in
one folder, by default one below /tmp that has the user's number in its name.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
VENV = CACHE / "ostro-tests" / "mistral-service-23.0.0"
RUN = pathlib.Path(os.environ.get("OSTRO_MISTRAL_DIR") or f"/tmp/ostro-mistral-{os.getuid()}")
STATE = RUN / "state.json"
PACKAGES = [
    "mistral==23.0.0",
    "python-mistralclient==6.3.0",
    "psycopg2-binary",
    "setuptools<80",
]
HOST = "127.0.0.1"
# Of Mistral: what executions need, and nothing beside it.
SERVERS = "api,engine"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# A measurement is of Mistral's own work: PostgreSQL need not wait for the disk.
POSTGRES = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"]


class RigError(Exception):
    """A failure to report without a traceback."""


def say(text):
    print(f"mistral: {text}", file=sys.stderr, flush=True)


def tail(log, lines=25):
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def check_call(command, what, **options):
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
    except OSError as error:
        raise RigError(f"{what}: {command[0]} cannot be run: {error}") from error
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-25:])
        raise RigError(f"{what}: `{' '.join(map(str, command))}` failed:\n{end}")
    return done.stdout


# Installing


def install_venv(venv=VENV, packages=PACKAGES, program="mistral-server"):
    """Makes the environment beside its place and moves it there when it is whole."""
    if (venv / "bin" / program).exists():
        return
    say(f"installing {', '.join(packages)} into {venv}")
    part = venv.with_name(f"{venv.name}.part-{os.getpid()}")
    check_call(["python3", "-m", "venv", part], "a Python environment is needed")
    pip = [part / "bin" / "python", "-m", "pip", "install", "--quiet", *packages]
    check_call(pip, f"{packages[0]} is needed from PyPI")
    # What pip wrote names the folder that it was called from.
    for script in (part / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            script.write_bytes(text.replace(os.fsencode(part), os.fsencode(venv)))
    try:
        part.rename(venv)
    except OSError:
        # Somebody else was faster.
        shutil.rmtree(part)
        if not (venv / "bin" / program).exists():
            raise


def postgres_bin():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


def rabbitmq():
    path = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return path if path.exists() else None


def install_debian():
    missing = []
    if rabbitmq() is None:
        missing.append("rabbitmq-server")
    if postgres_bin() is None:
        missing.append("postgresql")
    if not missing:
        return
    names = " ".join(missing)
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise RigError(f"{names} missing: install with `apt-get install {names}` as root")
    say(f"installing {names} from Debian")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    what = f"{names} needed from Debian"
    check_call(["apt-get", "update", "-qq"], what, env=environment)
    packages = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    check_call(packages, what, env=environment)


def install():
    install_debian()
    install_venv()


# Running


def free_ports(count):
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.bind((HOST, 0))
            ports.append(sock.getsockname()[1])
        return ports


def database_user():
    """Whom PostgreSQL runs as: it refuses root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise RigError("PostgreSQL needs the user postgres, which Debian's package makes") from None


def as_user(user):
    if user.pw_uid == os.getuid():
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def start(name, command, env=None, **options):
    log = (RUN / f"{name}.log").open("ab")
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        cwd=RUN,
        start_new_session=True,
        **options,
    )
    log.close()
    return process


def connects(port):
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(name, process, ready, seconds=90):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RigError(f"{name} ended while starting:\n{tail(RUN / f'{name}.log')}")
        if ready():
            return
        time.sleep(0.1)
    raise RigError(f"{name} is not ready after {seconds} s:\n{tail(RUN / f'{name}.log')}")


def mistral_conf(ports, keystone=None):
    # The scheduler stays the usual one, `legacy`, asking five times as often as usual: once a
    # database session of the other, `default`, goes wrong, no join starts any more until Mistral
    # is started again (seen within an hour).
    database = f"postgresql+psycopg2://mistral@{HOST}:{ports['postgres']}/mistral"
    return f"""[DEFAULT]
transport_url = rabbit://guest:guest@{HOST}:{ports['rabbitmq']}/
[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
[api]
host = {HOST}
port = {ports['api']}
[pecan]
auth_enable = {"true" if keystone else "false"}
[executor]
type = local
[scheduler]
fixed_delay = 0.2
[action_heartbeat]
check_interval = 0
max_missed_heartbeats = 0
[cron_trigger]
enabled = false
[database]
connection = {database}
max_pool_size = 60
max_overflow = 60
""" + asking(keystone or {})


def asking(keystone):
    """How Mistral asks a Keystone who calls, as an account of its own."""
    if not keystone:
        return ""
    account = "\n".join(f"{name} = {value}" for name, value in keystone.items())
    return f"""[keystone_authtoken]
auth_type = password
www_authenticate_uri = {keystone["auth_url"]}
{account}
"""


def state():
    """What runs; none if nothing does."""
    try:
        return json.loads(STATE.read_text())
    except FileNotFoundError:
        return None


def up(servers=SERVERS, keystone=None):
    """Installs what is missing and starts what does not run; answers as `state`.

    Nobody is asked who they are, unless there is a `keystone`: what clouds.yaml has as `auth`."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    if RUN.stat().st_uid != os.getuid():
        raise RigError(f"{RUN} belongs to somebody else")
    with (RUN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = state()
        if running:
            if healthy(running["ports"]["api"]):
                return running
            stop(running)
        install()
        names = ["postgres", "rabbitmq", "epmd", "rabbitmq-dist", "api"]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        running = {"ports": ports, "pids": {}, "url": f"http://{HOST}:{ports['api']}/v2"}
        try:
            start_all(running, servers, keystone)
        except BaseException:
            stop(running)
            raise
        return running


def remember(running, name, process):
    running["pids"][name] = process.pid
    STATE.write_text(json.dumps(running, indent=1) + "\n")


def start_all(running, servers, keystone):
    ports = running["ports"]
    for name in ["postgres", "rabbitmq", "scripts"]:
        shutil.rmtree(RUN / name, ignore_errors=True)
    for log in RUN.glob("*.log"):
        log.unlink()
    for name in ["rabbitmq", "scripts"]:
        (RUN / name).mkdir()
    processes = {"postgres": start_postgres(ports), **start_rabbitmq(ports)}
    for name, process in processes.items():
        remember(running, name, process)
    for name, process in processes.items():
        wait_for(name, process, lambda name=name: connects(ports[name]))
    create_database(ports["postgres"])
    conf = RUN / "mistral.conf"
    conf.write_text(mistral_conf(ports, keystone))
    conf.chmod(0o600)
    env = {
        "PYTHONPATH": str(HERE / "provider"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OSTRO_SCRIPTS": str(RUN / "scripts"),
        "MALLOC_ARENA_MAX": "2",
    }
    manage = [VENV / "bin" / "mistral-db-manage", "--config-file", conf]
    for step in (["upgrade", "head"], ["populate"]):
        check_call([*manage, *step], "Mistral's database", env={**os.environ, **env})
    server = VENV / "bin" / "mistral-server"
    command = [server, "--server", servers, "--config-file", conf]
    process = start("mistral", command, env)
    remember(running, "mistral", process)
    wait_for("mistral", process, lambda: healthy(ports["api"]))


def start_postgres(ports):
    user, options = database_user(), as_user(database_user())
    data = RUN / "postgres"
    data.mkdir(mode=0o700)
    os.chown(data, user.pw_uid, user.pw_gid)
    tools = postgres_bin()
    initdb = [tools / "initdb", "-D", data, "-U", "mistral", "-A", "trust", "-E", "UTF8"]
    initdb += ["--no-locale", "--no-sync"]
    check_call(initdb, "PostgreSQL", cwd=data, **options)
    command = [tools / "postgres", "-D", data, "-p", ports["postgres"]]
    for setting in [*POSTGRES, f"listen_addresses={HOST}", f"unix_socket_directories={data}"]:
        command += ["-c", setting]
    return start("postgres", command, **options)


def create_database(port):
    createdb = [postgres_bin() / "createdb", "-h", HOST, "-p", port, "-U", "mistral", "mistral"]
    until = time.monotonic() + 30
    while True:
        try:
            return check_call(createdb, "PostgreSQL")
        except RigError:
            # It accepts connections before it answers.
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def start_rabbitmq(ports):
    folder = RUN / "rabbitmq"
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.local = {HOST}:{ports['rabbitmq']}\n"
        "log.console = true\nlog.console.level = warning\nlog.file = false\n"
    )
    (folder / "enabled_plugins").write_text("[].\n")
    env = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": "ostro-mistral@localhost",
        "RABBITMQ_DIST_PORT": str(ports["rabbitmq-dist"]),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }
    epmd = start("epmd", ["epmd", "-address", HOST, "-port", ports["epmd"]])
    wait_for("epmd", epmd, lambda: connects(ports["epmd"]))
    return {"epmd": epmd, "rabbitmq": start("rabbitmq", [rabbitmq()], env)}


def healthy(port):
    try:
        with OPENER.open(f"http://{HOST}:{port}/v2/workflows?limit=1", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as refusal:
        # It asks who calls.
        return refusal.code == 401
    except (OSError, urllib.error.URLError):
        return False


# Stopping


def alive(pid):
    """Whether it runs: a child of ours that has ended is taken leave of."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ours(pid):
    """Whether `pid` is still what was started: it leads its own group, in our folder."""
    with contextlib.suppress(OSError):
        return os.getpgid(pid) == pid and os.readlink(f"/proc/{pid}/cwd").startswith(str(RUN))
    return False


def stop(running):
    """Stops what `running` names, Mistral before what it needs."""
    for name, pid in reversed(list(running["pids"].items())):
        if not ours(pid):
            continue
        # PostgreSQL takes SIGINT for "now, without waiting for clients".
        number = signal.SIGINT if name == "postgres" else signal.SIGTERM
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + 15
        while alive(pid) and time.monotonic() < until:
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    STATE.unlink(missing_ok=True)


def down():
    running = state()
    if running:
        stop(running)


def env(running):
    """What a client or a measurement needs to know, as shell variables."""
    return {
        "MISTRAL_URL": running["url"],
        "OS_MISTRAL_URL": running["url"],
        "MISTRAL_CLIENT": str(VENV / "bin" / "mistral"),
        "MISTRAL_PYTHON": str(VENV / "bin" / "python"),
        "MISTRAL_PIDS": " ".join(str(pid) for pid in running["pids"].values()),
        "MISTRAL_DIR": str(RUN),
    }
