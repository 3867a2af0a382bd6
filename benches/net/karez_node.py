"""Karez at both ends of a line: origins in good places, and a node in the poor place that pulls from them."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

from clients import Looped
from data import file_of
from line import Line
from node import Node

#: Nodes have networks of their own, so all of them can use one port.
PORT = 8080


class NetNode(Node):
    """A node in one of the emulator's namespaces."""

    def __init__(self, folder: Path, line: Line, place: str, **settings: str):
        super().__init__(folder, PORT, **settings)
        self.line, self.place = line, place
        self.prefix = line.prefix(place)

    def environment(self) -> dict[str, str]:
        return super().environment() | {"KAREZ_LISTEN": f"0.0.0.0:{self.port}"}

    def _ready(self) -> bool:
        asked = ["curl", "-sf", "-m", "2", "-o", "/dev/null", f"http://127.0.0.1:{self.port}/readyz"]
        return subprocess.run([*self.prefix, *asked]).returncode == 0

    def memory_bytes_max(self) -> int:
        """The most memory that was ever resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))

    def memory_mark(self) -> int:
        """Begins to measure the most memory anew, and returns what is resident now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.memory_bytes_max()


class Template:
    """An origin's folder, filled once and copied for every run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.digests: dict[str, str] = {}
        #: Folders of origins by place: a second source is a node of its own that holds a copy of what the first one published.
        self.folders = {"a": folder, "c": folder.with_name("second")}
        self.admin_tokens: dict[str, str] = {}

    def fill(self, files: dict[str, int], small: dict[str, bytes], is_second_wanted: bool = False) -> None:
        """Publishes files of random bytes, by name and size, and small ones, in `bench/files`."""
        node = Node(self.folder).start()
        token = node.user("bench")
        staging = self.folder.with_name("staging")
        for name, file_bytes in files.items():
            self.digests[name] = file_of(staging / name, "random", f"net/{name}", file_bytes)
        for name, content in small.items():
            (staging / name).write_bytes(content)
        code = (f"from huggingface_hub import *\napi = HfApi(endpoint={node.endpoint!r}, token={token!r})\n"
                f"api.create_repo('bench/files')\napi.upload_folder(folder_path={str(staging)!r}, repo_id='bench/files')\n")
        home = self.folder.with_name("home")
        environment = {"HF_ENDPOINT": node.endpoint, "HF_HOME": str(home), "HF_XET_CACHE": str(home / "xet"), "PATH": "/usr/bin:/bin"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(staging)
        self.admin_tokens["a"] = node.admin_token
        try:
            if is_second_wanted:
                self._second(node)
        finally:
            node.stop()

    def _second(self, first: Node) -> None:
        second = Node(self.folders["c"], **{"federation.poll_secs": "1"}).start()
        try:
            follow(second, first.endpoint, "first", "whole")
            wait_for("copying to the second source", lambda: is_held(second), 300)
            self.admin_tokens["c"] = second.admin_token
        finally:
            second.stop()

    def origin(self, folder: Path, line: Line, place: str, **settings: str) -> NetNode:
        """A running copy in a namespace."""
        # For programs that do not know nodes from each other, a copy of the first is as good as a second.
        source = place if place in self.admin_tokens else "a"
        subprocess.run(["cp", "-r", "--reflink=auto", self.folders[source], folder], check=True)
        node = NetNode(folder, line, place, public_url=f"http://{line.address(place)}:{PORT}", **settings)
        node.admin_token = self.admin_tokens[source]
        return node.start()


class Karez(Looped):
    """A node in the poor place. The file is asked from it over its own loopback, by a client that asks again until it has all."""

    name = "karez"

    def prepare(self, origins: list[str]) -> None:
        self.node = NetNode(self.folder / "node", self.line, "b").start()
        self.origins = origins
        for number, origin in enumerate(origins):
            follow(self.node, origin, f"origin-{number}", "demand")
        wait_for("the catalogue of the origin", lambda: self._knows("bench/files"), 120)
        self.lock = threading.Lock()
        self.idle_bytes = self.node.memory_mark()

    def _knows(self, repo: str) -> bool:
        asked = ["curl", "-sf", "-m", "5", "-o", "/dev/null", f"http://127.0.0.1:{PORT}/api/models/{repo}"]
        return subprocess.run([*self.node.prefix, *asked]).returncode == 0

    def command(self, repo: str, file: str) -> list[str]:
        return ["curl", "-sSfL", "-C", "-", "--connect-timeout", "2", "-o", file, f"http://127.0.0.1:{PORT}/{repo}/resolve/main/{file}"]

    def kill(self) -> None:
        """The node dies and starts again; who asks it asks again."""
        with self.lock:
            self.node.kill()
            self.node.start()

    def memory_bytes_max(self) -> int | None:
        return self.node.memory_bytes_max() - self.idle_bytes

    def close(self) -> None:
        super().kill()
        with self.lock:
            self.node.remove()


def follow(node: Node, origin: str, name: str, keep: str) -> None:
    """Makes the origin a peer of the node, and says what to keep of what it publishes."""
    node.run("peer", "add", origin, "--yes", "--allow-private", "--name", name)
    node.run("follow", "add", name, "--keep", keep)


def is_held(node: Node) -> bool:
    """Whether the node has all that it follows, and says so to others."""
    with sqlite3.connect(f"file:{node.data}/catalog.sqlite?mode=ro", uri=True) as catalog:
        return [done >= idx for done, idx in catalog.execute("SELECT done_idx, idx FROM feed_repo")] == [True]


def wait_for(what: str, test, secs: float) -> float:
    """Waits until the test holds, and returns how long it took."""
    begun = time.monotonic()
    while not test():
        assert time.monotonic() - begun < secs, f"{what} took more than {secs} s"
        time.sleep(0.05)
    return time.monotonic() - begun
