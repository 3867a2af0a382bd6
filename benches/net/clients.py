"""What others use to fetch a file over a poor line, each the way a careful person would run it: in a loop until it is there."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from line import Line


class Looped:
    """A program in the poor node that is started again until it succeeds. `kill` is what a power cut does."""

    name = ""

    def __init__(self, line: Line, folder: Path):
        self.line, self.folder = line, folder
        self.process: subprocess.Popen | None = None
        self.starts = 0
        folder.mkdir(parents=True)

    def prepare(self, origins: list[str]) -> None:
        """Does what is done before a file is wanted."""
        self.origins = origins

    def command(self, repo: str, file: str) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def result(self, file: str) -> Path:
        return self.folder / file

    def pull(self, repo: str, file: str, over: threading.Event) -> bool:
        """Fetches the file; false when time ran out."""
        given = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "KAREZ_"))} | self.environment()
        with (self.folder / "log").open("ab") as log:
            while not over.is_set():
                self.starts += 1
                self.process = subprocess.Popen(
                    [*self.line.prefix("b"), *self.command(repo, file)], cwd=self.folder, env=given,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )
                while self.process.poll() is None and not over.wait(0.02):
                    pass
                if over.is_set():
                    self.kill()
                elif self.process.returncode == 0:
                    return True
                else:
                    time.sleep(0.2)
        return False

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def memory_bytes_max(self) -> int | None:
        """Memory that this client added to what stood there before; only nodes know."""
        return None

    def close(self) -> None:
        self.kill()


class Curl(Looped):
    """curl with resume; alone it would wait for TCP after a cut, so it gives up after ten silent seconds."""

    name = "curl -C -"

    def command(self, repo: str, file: str) -> list[str]:
        return ["curl", "-sSfL", "-C", "-", "--speed-limit", "1", "--speed-time", "10", "--connect-timeout", "5",
                "-o", file, f"{self.origins[0]}/{repo}/resolve/main/{file}"]


class Aria(Looped):
    """aria2 with eight connections, from all origins at once."""

    name = "aria2c -x8"

    def command(self, repo: str, file: str) -> list[str]:
        return ["aria2c", "-q", "-c", "-x8", "-s8", "-k1M", "--file-allocation=none", "--timeout=10", "--connect-timeout=5",
                "--max-tries=0", "--retry-wait=1", "--auto-save-interval=1", "-o", file,
                *(f"{origin}/{repo}/resolve/main/{file}" for origin in self.origins)]


class Hub(Looped):
    """The Python client with its own way, Xet."""

    name = "huggingface_hub"
    plain = "0"

    def command(self, repo: str, file: str) -> list[str]:
        return [sys.executable, "-c", f"from huggingface_hub import *; hf_hub_download('{repo}', '{file}', local_dir='.')"]

    def environment(self) -> dict[str, str]:
        return {"HF_ENDPOINT": self.origins[0], "HF_HOME": str(self.folder / "home"), "HF_XET_CACHE": str(self.folder / "xet"),
                "HF_HUB_DISABLE_XET": self.plain, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_UPDATE_CHECK": "1"}


class HubPlain(Hub):
    """The same client with plain ranges."""

    name = "huggingface_hub, no Xet"
    plain = "1"


OTHERS = (Curl, Aria, Hub, HubPlain)


def versions() -> str:
    """Which programs these were."""
    def first(*words: str) -> str:
        return subprocess.run(words, capture_output=True, text=True).stdout.splitlines()[0]

    curl = " ".join(first("curl", "--version").split()[:2])
    aria = first("aria2c", "--version").replace(" version", "")
    hub = first(sys.executable, "-c", "import huggingface_hub as h; from importlib.metadata import version as v; print(f'huggingface_hub {h.__version__} with hf_xet {v(\"hf_xet\")}')")
    return f"{curl}, {aria}, {hub}"


def free_space_or_say(folder: Path, wanted_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    assert free > wanted_bytes, f"{folder} has {free >> 20} MiB free, the run wants {wanted_bytes >> 20}"
