"""The proxy of the tests does what it says, before a real node and real clients."""

import hashlib

import pytest
from huggingface_hub import CommitOperationAdd

from conftest import Person
from data import MIB, random_bytes
from http_proxy import HttpProxy
from node import Node, free_port
from programs import get, git


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A node behind a proxy, and somebody on it with a repository."""
    port = free_port()
    proxy = HttpProxy(port)
    node = Node(tmp_path_factory.mktemp("behind"), port, public_url=proxy.url).start()
    ulla = Person(node, "ulla", node.user("ulla"))
    ulla.api.create_repo("ulla/model")
    weights = random_bytes("behind", 6 * MIB)
    ulla.api.create_commit("ulla/model", [CommitOperationAdd("weights.bin", weights)], commit_message="Fill")
    yield proxy, weights
    node.stop()
    proxy.close()


def test_clients_notice_nothing(behind, fresh, tmp_path):
    proxy, weights = behind
    proxy.forget()
    digest = hashlib.sha256(weights).hexdigest()
    code = "import hashlib\nprint(hashlib.sha256(open(hf_hub_download('ulla/model', 'weights.bin'), 'rb').read()).hexdigest())"
    assert fresh(None, proxy.url).run(code).strip() == digest
    assert proxy.requests("/reconstructions/", "GET") and len(weights) <= proxy.body_bytes() < len(weights) + MIB
    git("clone", f"{proxy.url}/ulla/model", "clone", cwd=tmp_path)
    assert (tmp_path / "clone/weights.bin").read_bytes() == weights


def test_headers_are_stripped(behind, fresh):
    proxy, _ = behind
    proxy.stripped = ("x-xet-", "link")
    proxy.forget()
    fresh(None, proxy.url).run("hf_hub_download('ulla/model', 'weights.bin')")
    proxy.stripped = ()
    assert not proxy.requests("/reconstructions/")


def test_bits_are_flipped_where_it_was_told(behind):
    proxy, weights = behind
    proxy.flip = ("/resolve/", MIB)
    false = get(f"{proxy.url}/ulla/model/resolve/main/weights.bin")[2]
    proxy.flip = None
    places = [at for at, (one, other) in enumerate(zip(false, weights, strict=True)) if one != other]
    assert places == [number * MIB for number in range(6)]


def test_it_goes_away_and_comes_back(behind):
    proxy, weights = behind
    proxy.forget()
    proxy.gone_after = 2 * MIB
    with pytest.raises(Exception):  # noqa: B017 - whichever way the connection broke
        get(f"{proxy.url}/ulla/model/resolve/main/weights.bin")
    assert proxy.is_gone and 2 * MIB <= proxy.body_bytes() < 3 * MIB
    with pytest.raises(OSError):
        get(f"{proxy.url}/readyz")
    proxy.come_back()
    assert get(f"{proxy.url}/ulla/model/resolve/main/weights.bin")[2] == weights
