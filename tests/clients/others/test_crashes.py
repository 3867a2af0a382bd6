"""The node is killed while clients push, a hundred times. What it acknowledged is still there, and nothing dangles.

Three clients are a few lines of HTTP, so that a round takes half a second: one commits small files, one sends large files through LFS and
commits them, one makes repositories. The fourth is the real client, which pushes through Xet without end and lives through all of it.
The random moments come from a seed that a failure prints.
"""

import base64
import hashlib
import http.client
import json
import random
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from data import random_bytes
from node import Node

ROUNDS = 100
SEED = 20261123


class Broken(Exception):
    """The node went away in the middle of a request: nothing was promised."""


class Light:
    """A client of one connection."""

    def __init__(self, node: Node, token: str):
        self.node, self.token = node, token
        self.connection = None

    def call(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, auth: bool = True) -> tuple[int, bytes]:
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=30)
            sent = {"Authorization": f"Bearer {self.token}"} if auth else {}
            self.connection.request(method, path, body, sent | (headers or {}))
            answer = self.connection.getresponse()
            content = answer.read()
            if len(content) < int(answer.headers.get("Content-Length") or 0):
                raise Broken
            return answer.status, content
        except (OSError, http.client.HTTPException) as gone:
            self.connection = None
            raise Broken from gone

    def json(self, method: str, path: str, value: object) -> tuple[int, dict]:
        status, content = self.call(method, path, json.dumps(value).encode(), {"Content-Type": "application/json"})
        return status, json.loads(content or b"{}")

    def commit(self, repo: str, lines: list[dict]) -> str:
        """Commits and returns the commit's id."""
        head = {"key": "header", "value": {"summary": "Round", "description": ""}}
        body = "\n".join(json.dumps(line) for line in [head, *lines]).encode()
        status, content = self.call("POST", f"/api/models/{repo}/commit/main", body, {"Content-Type": "application/x-ndjson"})
        assert status in (200, 409, 412, 503), content
        return json.loads(content)["commitOid"] if status == 200 else ""

    def lfs_put(self, repo: str, content: bytes) -> str:
        """Sends a file through LFS and returns its sha256."""
        oid = hashlib.sha256(content).hexdigest()
        request = {"operation": "upload", "transfers": ["basic"], "hash_algo": "sha256", "objects": [{"oid": oid, "size": len(content)}]}
        status, answer = self.json("POST", f"/{repo}.git/info/lfs/objects/batch", request)
        assert status == 200, answer
        actions = answer["objects"][0].get("actions")
        if actions:
            href = urllib.parse.urlsplit(actions["upload"]["href"])
            status, said = self.call("PUT", f"{href.path}?{href.query}".rstrip("?"), content, actions["upload"].get("header"), auth=False)
            assert status in (200, 201), said
            if verify := actions.get("verify"):
                href = urllib.parse.urlsplit(verify["href"])
                status, said = self.json("POST", f"{href.path}?{href.query}".rstrip("?"), {"oid": oid, "size": len(content)})
                assert status == 200, said
        return oid


class Ledger:
    """What the node acknowledged: (repository, commit, path) and the digest of the content."""

    def __init__(self):
        self.lock = threading.Lock()
        self.entries: list[tuple[str, str, str, str]] = []
        self.repos: set[str] = set()
        self.last: dict[str, str] = {}
        self.trouble: list[str] = []

    def add(self, repo: str, commit: str, path: str, content: bytes) -> None:
        with self.lock:
            self.entries.append((repo, commit, path, hashlib.sha256(content).hexdigest()))
            self.last[repo] = commit

    def unread(self) -> list[tuple[str, str, str, str]]:
        with self.lock:
            return list(self.entries)


def small_files(client: Light, ledger: Ledger, mark: str) -> None:
    for number in range(10_000):
        content = random_bytes(f"{mark}/{number}", 300)
        line = {"key": "file", "value": {"path": f"{mark}/{number}.txt", "encoding": "base64", "content": base64.b64encode(content).decode()}}
        if commit := client.commit("alice/small", [line]):
            ledger.add("alice/small", commit, f"{mark}/{number}.txt", content)


def large_files(client: Light, ledger: Ledger, mark: str) -> None:
    for number in range(10_000):
        content = random_bytes(f"{mark}/{number}", 400_000)
        oid = client.lfs_put("alice/large", content)
        line = {"key": "lfsFile", "value": {"path": f"{mark}-{number}.bin", "algo": "sha256", "oid": oid, "size": len(content)}}
        if commit := client.commit("alice/large", [line]):
            ledger.add("alice/large", commit, f"{mark}-{number}.bin", content)


def repositories(client: Light, ledger: Ledger, mark: str) -> None:
    for number in range(10_000):
        status, said = client.json("POST", "/api/repos/create", {"name": f"{mark}-{number}", "type": "model"})
        assert status == 200, said
        with ledger.lock:
            ledger.repos.add(f"alice/{mark}-{number}")


REAL_CLIENT = """
import hashlib, json, pathlib, random, sys
number = 0
while True:
    number += 1
    content = random.Random(number).randbytes(1_500_000)
    path = pathlib.Path(sys.argv[1]) / f"{number}.bin"
    path.write_bytes(content)
    try:
        commit = api.upload_file(path_or_fileobj=path, path_in_repo=path.name, repo_id="alice/real").oid
        print(json.dumps(["alice/real", commit, path.name, hashlib.sha256(content).hexdigest()]), flush=True)
    except Exception as error:
        print(json.dumps({"failed": repr(error)}), flush=True)
    path.unlink()
"""

WRITERS = (small_files, large_files, repositories)


def drive(writer, node: Node, token: str, ledger: Ledger, mark: str) -> None:
    try:
        writer(Light(node, token), ledger, mark)
    except Broken:
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, the test must hear of it
        ledger.trouble.append(f"{mark}: {error!r}")


def read_back(client: Light, entry: tuple[str, str, str, str]) -> None:
    repo, commit, path, digest = entry
    status, content = client.call("GET", f"/{repo}/resolve/{commit}/{path}")
    assert status == 200, f"{entry} was acknowledged and answers {status}"
    assert hashlib.sha256(content).hexdigest() == digest, f"{entry} reads back different"


@pytest.fixture
def crashing(tmp_path):
    node = Node(tmp_path / "node").start()
    yield node, node.user("alice")
    node.remove()


@pytest.fixture
def real_client(crashing, fresh, tmp_path):
    """The real client in a process that pushes without end; the value reads what was acknowledged to it so far."""
    node, token = crashing
    said = tmp_path / "acknowledged"
    with said.open("wb") as out:
        client = fresh(token, node.endpoint)
        code = "from huggingface_hub import *\napi = HfApi()\n" + REAL_CLIENT
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path], env=client.environment, stdout=out, stderr=subprocess.DEVNULL)
    yield lambda: [tuple(line) for line in map(json.loads, said.read_text().split("\n")[:-1]) if isinstance(line, list)]
    process.kill()
    process.wait()


def test_killed_a_hundred_times(crashing, real_client):
    node, token = crashing
    chance = random.Random(SEED)
    ledger = Ledger()
    client = Light(node, token)
    for repo in ("small", "large", "real"):
        assert client.json("POST", "/api/repos/create", {"name": repo, "type": "model"})[0] == 200
    checked = 0
    for number in range(ROUNDS):
        threads = [
            threading.Thread(target=drive, args=(writer, node, token, ledger, f"r{number}{writer.__name__[0]}")) for writer in WRITERS
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.01, 0.6))
        node.kill()
        for thread in threads:
            thread.join()
        assert not ledger.trouble, f"seed {SEED}, round {number}: {ledger.trouble}"
        node.start()
        # Each round reads back what it promised; the end reads everything again.
        client = Light(node, token)
        entries = ledger.unread()
        for entry in entries[checked:]:
            read_back(client, entry)
        checked = len(entries)
        for repo, commit in ledger.last.items():
            status, content = client.call("GET", f"/api/models/{repo}/revision/{commit}")
            assert status == 200 and json.loads(content)["sha"] == commit
    assert len(ledger.entries) >= ROUNDS, f"only {len(ledger.entries)} commits in {ROUNDS} rounds prove little"
    real = real_client()
    assert len(real) >= 3, "the real client got nothing through"
    for entry in ledger.unread() + real:
        read_back(client, entry)
    for repo in ledger.repos:
        status, content = client.call("GET", f"/api/models/{repo}")
        assert status == 200, f"{repo} was acknowledged and answers {status}"
    node.run("fsck")
    node.stop()
    node.run("fsck")
    print(f"{ROUNDS} kills, {len(ledger.entries)} commits and {len(ledger.repos)} repositories acknowledged, {len(real)} commits to the real client, all there")
