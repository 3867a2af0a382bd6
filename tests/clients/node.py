"""A real node for the tests: one `karez serve` process with its own folder and port, and the commands that administer it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

START_SECS_MAX = 30
STOP_SECS_MAX = 20


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program() -> Path:
    """The program under test."""
    given = os.environ.get("KAREZ_TEST_PROGRAM")
    path = Path(given) if given else Path(__file__).parents[2] / "target/debug/karez"
    assert path.is_file(), f"{path} is not there: run the tests through `cargo xtask test`"
    return path


class Node:
    """One node. `settings` are names and values as in `karez.toml`, for example `public_url` or `limits.lfs_part_bytes`."""

    def __init__(self, folder: Path, port: int | None = None, **settings: str):
        self.folder = folder
        self.port = port or free_port()
        self.data = folder / "karez-data"
        self.settings = settings
        self.admin_token = ""
        self.admin_name = ""
        self.process: subprocess.Popen | None = None
        #: Words before the program, for a node in a network of its own.
        self.prefix: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def endpoint(self) -> str:
        """The URL that clients use."""
        return self.settings.get("public_url", f"http://127.0.0.1:{self.port}")

    @property
    def direct(self) -> str:
        """The URL of the process itself, whatever stands before it."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The settings as the program reads them."""
        given = {name: value for name, value in os.environ.items() if not name.startswith(("KAREZ_", "HF_"))}
        given["KAREZ_DATA_DIR"] = str(self.data)
        given["KAREZ_LISTEN"] = f"127.0.0.1:{self.port}"
        for name, value in self.settings.items():
            given["KAREZ_" + name.upper().replace(".", "_")] = str(value)
        return given

    def start(self) -> "Node":
        """Starts the process and waits until it is ready. The first start reads the administrator's token."""
        log = (self.folder / "log").open("ab")
        output = self.folder / "output"
        begun = time.monotonic()
        with output.open("ab") as out:
            self.process = subprocess.Popen(
                [*self.prefix, program(), "serve"], cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )
        log.close()
        while not self._ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the node ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() - begun > START_SECS_MAX:
                self.kill()
                raise AssertionError(f"the node was not ready after {START_SECS_MAX} s:\n{self.log()}")
            time.sleep(0.005)
        self.start_secs = time.monotonic() - begun
        if not self.admin_token:
            if found := re.search(r"\bhf_[A-Za-z0-9]{34,}", output.read_text()):
                self.admin_token = found[0]
        return self

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.direct + "/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self) -> None:
        """Ends the process as a power cut would."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Ends the process as an operator does; one that does not end in time is an error."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            self.process = None

    def remove(self) -> None:
        """Ends the process and deletes its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The last lines of the node's log."""
        path = self.folder / "log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-60:]) if path.exists() else ""

    def run(self, *arguments: str, accept: tuple[int, ...] = (0,), said: str = "") -> str:
        """Runs an administrative command against the node's folder, says something to it, and returns what it printed."""
        done = subprocess.run(
            [*self.prefix, program(), *arguments], cwd=self.folder, env=self.environment(), capture_output=True, text=True, input=said
        )
        assert done.returncode in accept, f"karez {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> object:
        """Runs a command with `--json` and returns what it printed; warnings on standard error are not part of it."""
        done = subprocess.run(
            [*self.prefix, program(), *arguments, "--json"], cwd=self.folder, env=self.environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"karez {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def user(self, name: str, role: str = "write") -> str:
        """Makes a user and returns a token for it."""
        self.run("user", "create", name)
        return self.token(name, role)

    def token(self, name: str, role: str = "write") -> str:
        """Makes another token for a user."""
        found = re.search(r"\bhf_[A-Za-z0-9]{34,}", self.run("token", "create", name, "--role", role))
        assert found, "the command prints the new token"
        return found[0]

    def organization(self, name: str, **members: str) -> None:
        """Makes an organisation whose members have the given roles."""
        self.run("org", "create", name)
        for member, role in members.items():
            self.run("org", "add", name, member, "--role", role)

    def cpu_secs(self) -> float:
        """Processor seconds of the node so far, in user and kernel mode."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Memory that is resident now."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stored_bytes(self) -> int:
        """Bytes of all files in the node's folder."""
        return sum(path.stat().st_size for path in self.data.rglob("*") if path.is_file())
