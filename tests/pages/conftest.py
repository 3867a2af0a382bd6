"""A node with everything that pages show, and a browser that looks at it."""

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "clients")]

from content import CARD, NOTEBOOK, PAYLOADS, SAFETENSORS, hostile_rows  # noqa: E402
from node import Node, free_port  # noqa: E402

for name in list(os.environ):
    if name.startswith("HF_"):
        del os.environ[name]

#: Pictures of pages as they were seen, for people to look at.
SCREENSHOTS = Path(__file__).parents[2] / "target/screenshots"


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x30\x60\x90" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("pages")).start()
    yield node
    node.stop()
    log = (node.folder / "log").read_text(errors="replace")
    assert "panicked" not in log, log


@pytest.fixture(scope="session")
def alice(node):
    """Her token; what she has is on the node when somebody looks."""
    from huggingface_hub import CommitOperationAdd, HfApi

    token = node.user("alice")
    node.organization("acme", alice="admin")
    api = HfApi(endpoint=node.endpoint, token=token)

    def commit(repo: str, kind: str, files: dict[str, bytes], message: str) -> None:
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        api.create_commit(repo, operations, commit_message=message, repo_type=kind)

    for repo, kind, private in [
        ("alice/base", "model", False), ("alice/m", "model", False), ("alice/data", "dataset", False), ("alice/secret", "model", True),
        ("alice/evil", "model", False), ("alice/evil-data", "dataset", False),
    ]:
        api.create_repo(repo, repo_type=kind, private=private)
    files = {
        "README.md": CARD.encode(), "img/chart.png": png(2000, 40), "src/a b#.py": b"import os\n" * 30, "book.ipynb": NOTEBOOK.encode(), "small.safetensors": SAFETENSORS, "model.safetensors": os.urandom(300_000),
        "a-very-long-name-" + "x" * 120 + ".txt": b"text " * 400, "notes.txt": b"one\ntwo\n",
    }
    commit("alice/m", "model", files, "first")
    commit("alice/m", "model", {"notes.txt": b"one\nzwei\n"}, "a message that says what was done and why, at some length, so that it must be broken on a phone")
    commit("alice/data", "dataset", {"README.md": b"---\nlicense: mit\nlanguage: ar\n---\n# \xd8\xa8\xd9\x8a\xd8\xa7\xd9\x86\xd8\xa7\xd8\xaa\n", "a.csv": b"a,b,long\n" + b"".join(b"%d,label %d,%s\n" % (n, n % 3, b"text " * 30) for n in range(60))}, "data")
    commit("alice/secret", "model", {"README.md": b"# For alice only\n"}, "secret")
    hostile = "---\nlicense: other\nlicense_name: '<script>alert(1)</script>'\nlanguage: '\"><script>alert(1)</script>'\ntags: ['<img src=x onerror=alert(1)>']\n---\n"
    cards = {f"card-{number}.md": f"{payload}\n\n- {payload}\n".encode() for number, payload in enumerate(PAYLOADS)}
    commit("alice/evil-data", "dataset", {"train.csv": hostile_rows().encode(), "bad/test.parquet": b"PAR1PAR1"}, "data")
    names = {"\"><img src=x onerror=alert(1)>.txt": b"x", "<svg onload=alert(1)>.md": b"x", "page.html": b"<script>alert(1)</script>", "x.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"}
    book = json.dumps({"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "\n\n".join(PAYLOADS)}] + [{"cell_type": "code", "source": payload, "outputs": [{"output_type": "display_data", "data": {"text/html": payload}}, {"output_type": "stream", "text": payload}]} for payload in PAYLOADS]})
    names["book.ipynb"] = book.encode()
    commit("alice/evil", "model", {"README.md": (hostile + "\n\n".join(PAYLOADS)).encode()} | cards | names, "<img src=x onerror=alert(1)>")
    api.create_commit("alice/m", [CommitOperationAdd("notes.txt", b"one\ntwo\nthree\n")], commit_message="a change that somebody proposes", create_pr=True)
    evil = " ".join(PAYLOADS)
    for repo, title in [("alice/m", "Which dialect is this, and how was it written down?"), ("alice/evil", PAYLOADS[0])]:
        talk = api.create_discussion(repo, title, description=evil[:30_000])
        api.comment_discussion(repo, talk.num, "It is **Kiunguja**, from the coast.")
        api.change_discussion_status(repo, talk.num, "closed")
    collection = api.create_collection("What clinics use", namespace="acme", description="Looked at by people who work there.")
    api.add_collection_item(collection.slug, "alice/m", "model", note="small")
    return token


def script(name: str) -> str:
    """A script among the modules that it needs: Node finds them beside the script, not beside the working folder."""
    return shutil.copy(Path(__file__).parent / name, Path(os.environ["KAREZ_TEST_BROWSER"]) / f"{os.getpid()}-{name}")


@pytest.fixture(scope="session")
def browser():
    """Looks at addresses with Chromium and says what it saw."""
    path = script("look.mjs")

    def look(keep: bool = False, **wishes) -> list[dict]:
        if keep:
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            wishes["screenshots"] = str(SCREENSHOTS)
        done = subprocess.run(
            ["node", path, json.dumps(wishes | {"chromium": shutil.which("chromium")})], capture_output=True, text=True, timeout=1200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    yield look
    os.unlink(path)


@pytest.fixture(scope="session")
def act():
    """Does what people do, with Chromium, and says what it saw."""
    path = script("act.mjs")

    def run(**wishes) -> dict:
        done = subprocess.run(
            ["node", path, json.dumps(wishes | {"chromium": shutil.which("chromium")})], capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seen = json.loads(done.stdout)
        assert "failed" not in seen, seen
        assert seen["elsewhere"] == [] and seen["refused"] == [] and seen["ran"] == [], seen
        return seen

    yield run
    os.unlink(path)


@pytest.fixture(scope="session")
def provider():
    """Starts an OpenID provider that lets the node of this address in; returns its issuer."""
    path = script("provider.mjs")
    running = []

    def start(client: str, secret: str, endpoint: str) -> str:
        port = free_port()
        process = subprocess.Popen(["node", path, str(port), client, secret, f"{endpoint}/-/provider/back"], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert any(line == "ready\n" for line in process.stdout)
        return f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.kill()
        process.wait()
    os.unlink(path)
