"""One node for the whole session, three people, and a repository of its own for every test."""

import os
import subprocess
import sys
import tempfile
import textwrap
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from node import Node, free_port  # noqa: E402
from proxy import CountingProxy  # noqa: E402

# The client reads its settings when it is imported, so the address of the node must be known before.
SESSION = Path(tempfile.mkdtemp(prefix="karez-clients-"))
PORT = free_port()
CLIENT_ENVIRONMENT = {
    "HF_ENDPOINT": f"http://127.0.0.1:{PORT}",
    "HF_HOME": str(SESSION / "hf-home"),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "NO_COLOR": "1",
}
for name in list(os.environ):
    if name.startswith("HF_"):
        del os.environ[name]
os.environ.update(CLIENT_ENVIRONMENT)

from huggingface_hub import HfApi  # noqa: E402


class Person:
    """Somebody with an account and a token."""

    def __init__(self, node: Node, name: str, token: str):
        self.name = name
        self.token = token
        self.api = HfApi(endpoint=node.endpoint, token=token)


@pytest.fixture(scope="session")
def node():
    """The node that most tests share."""
    node = Node(SESSION / "node", PORT).start()
    yield node
    # Whatever the tests did to it, nothing dangles, nothing panicked, and it still stops when asked.
    node.run("fsck")
    node.stop()
    log = (node.folder / "log").read_text(errors="replace")
    assert "panicked" not in log, log


@pytest.fixture(scope="session")
def alice(node):
    """Owns things."""
    return Person(node, "alice", node.user("alice"))


@pytest.fixture(scope="session")
def bob(node):
    """Is a member where alice is."""
    return Person(node, "bob", node.user("bob"))


@pytest.fixture(scope="session")
def carol(node):
    """Knows nobody."""
    return Person(node, "carol", node.user("carol"))


@pytest.fixture(scope="session")
def nobody(node):
    """Has no token."""
    return HfApi(endpoint=node.endpoint, token=False)


@pytest.fixture
def api(alice):
    """Alice's client."""
    return alice.api


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"r-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def repo(alice, name):
    """An empty public model of alice's."""
    return alice.api.create_repo(f"alice/{name}").repo_id


@pytest.fixture(scope="session")
def counted():
    """A node that is reached through a proxy that counts bytes, and its proxy."""
    port = free_port()
    proxy = CountingProxy(port)
    node = Node(SESSION / "counted", port, public_url=f"http://127.0.0.1:{proxy.port}").start()
    yield node, proxy
    node.stop()
    proxy.close()


class Fresh:
    """A client in a process of its own, with caches that know nothing."""

    def __init__(self, home: Path, endpoint: str, token: str | None):
        self.environment = dict(os.environ) | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_XET_CACHE": str(home / "xet")}
        if token:
            self.environment["HF_TOKEN"] = token

    def start(self, code: str, **environment: str) -> subprocess.Popen:
        """Starts Python code in which `api` is a client."""
        begin = "from huggingface_hub import *\napi = HfApi()\n"
        return subprocess.Popen(
            [sys.executable, "-c", begin + textwrap.dedent(code)], env=self.environment | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def run(self, code: str, **environment: str) -> str:
        """Runs Python code to its end and returns what it printed."""
        process = self.start(code, **environment)
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output
        return output

    def command(self, *arguments: str, accept: tuple[int, ...] = (0,), **environment: str) -> str:
        """Runs a program of the client's environment, such as `hf`."""
        path = Path(sys.executable).parent / arguments[0]
        done = subprocess.run(
            [path, *arguments[1:]], env=self.environment | environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL
        )
        assert done.returncode in accept, f"{' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture
def fresh(tmp_path, node):
    """Makes clients in processes of their own."""
    made = 0

    def make(token: str | None, endpoint: str = node.endpoint) -> Fresh:
        nonlocal made
        made += 1
        return Fresh(tmp_path / f"home-{made}", endpoint, token)

    return make


def pytest_sessionfinish():
    import shutil

    shutil.rmtree(SESSION, ignore_errors=True)
