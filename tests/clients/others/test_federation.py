"""Three processes that exchange what they publish: over proxies that count, lie and go away; killed, restored, one of them lost."""

import hashlib
import json
import shutil
import time
import urllib.request
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from conftest import Person
from data import MIB, file_of, random_bytes
from http_proxy import HttpProxy
from node import Node, free_port
from programs import get

#: Peers are asked so often that a test need not wait.
SETTINGS = {"federation.poll_secs": "1"}
WAIT_SECS = 90
MAPS, XORBS = "/federation/v1/map/", "/federation/v1/xorb/"


class Peered:
    """A node that others reach through a proxy."""

    def __init__(self, folder, name: str):
        port = free_port()
        self.name = name
        self.proxy = HttpProxy(port)
        self.node = Node(folder / name, port, public_url=self.proxy.url, **SETTINGS).start()

    def follow(self, other: "Peered", keep: str = "whole", url: str | None = None) -> None:
        """Makes the other a peer and follows what it publishes."""
        self.node.run("peer", "add", url or other.proxy.url, "--yes", "--allow-private", "--name", other.name)
        self.node.run("follow", "add", other.name, "--keep", keep)

    def sha(self, repo: str) -> str | None:
        """The commit of a repository's main branch here."""
        status, _, body = get(f"{self.node.direct}/api/models/{repo}")
        return json.loads(body)["sha"] if status == 200 else None

    def wait_for_commit(self, repo: str, commit: str) -> None:
        wait_for(f"{repo} at {commit} on {self.name}", lambda: self.sha(repo) == commit, self)

    def wait_for_file(self, path: str) -> None:
        """Waits until a transfer of a file with this path is done. Asking for the file itself would fetch it."""
        wait_for(f"{path} on {self.name}", lambda: path in self.files_done(), self)

    def files_done(self) -> set[str]:
        return {one["path"] for one in self.node.json("transfers") if one["state"] == "done"}

    def read(self, repo: str, revision: str, path: str) -> bytes:
        status, _, body = get(f"{self.node.direct}/{repo}/resolve/{revision}/{path}")
        assert status == 200, f"{self.name}: {repo}@{revision}/{path} answers {status}: {body[:300]}"
        return body

    def close(self) -> None:
        if self.node.process:
            self.node.stop()
        log = (self.node.folder / "log").read_text(errors="replace")
        assert "panicked" not in log, log
        self.node.run("fsck", "--deep")
        self.proxy.close()


def wait_for(what: str, test, peered: Peered) -> None:
    end = time.monotonic() + WAIT_SECS
    while not test():
        assert time.monotonic() < end, f"{what}: not after {WAIT_SECS} s\n{peered.node.log()}"
        time.sleep(0.1)


@pytest.fixture
def three(tmp_path):
    """Three nodes: amal publishes, baraka and cho follow."""
    nodes = [Peered(tmp_path, name) for name in ("amal", "baraka", "cho")]
    yield nodes
    for node in nodes:
        node.close()


class Publisher(Person):
    """Somebody on a node who publishes."""

    def __init__(self, peered: Peered, name: str):
        super().__init__(peered.node, name, peered.node.user(name))
        # Not through the proxy: what is published must not count as what travels.
        self.api = HfApi(endpoint=peered.node.direct, token=self.token)

    def publish(self, repo: str, path: str, content) -> str:
        """Adds a file, to a new repository if needed, and returns the commit."""
        self.api.create_repo(repo, exist_ok=True)
        return self.api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo).oid


def test_what_one_publishes_the_others_hold(three):
    amal, baraka, cho = three
    zeyneb = Publisher(amal, "zeyneb")
    weights = random_bytes("first", 5 * MIB)
    first = zeyneb.publish("zeyneb/model", "weights.bin", weights)
    for other in (baraka, cho):
        other.follow(amal)
        other.wait_for_commit("zeyneb/model", first)
        other.wait_for_file("weights.bin")
    second = zeyneb.publish("zeyneb/model", "README.md", b"# Words\n")
    for other in (baraka, cho):
        other.wait_for_commit("zeyneb/model", second)
        assert hashlib.sha256(other.read("zeyneb/model", first, "weights.bin")).digest() == hashlib.sha256(weights).digest()
        assert other.read("zeyneb/model", "main", "README.md") == b"# Words\n"


def test_killed_in_the_middle_nothing_is_fetched_twice(three, tmp_path):
    amal, baraka, _ = three
    zeyneb = Publisher(amal, "zeyneb")
    path = tmp_path / "large.bin"
    digest = file_of(path, "random", "killed", 96 * MIB)
    commit = zeyneb.publish("zeyneb/large", "large.bin", path)
    baraka.follow(amal, "whole")
    # Slow, so that little is under way in sockets when the node dies.
    amal.proxy.rate = 12 * MIB
    for part in (24, 60):
        amal.proxy.wait_for_bytes(part * MIB, XORBS, "/resolve/")
        baraka.node.kill()
        baraka.node.start()
    baraka.wait_for_commit("zeyneb/large", commit)
    baraka.wait_for_file("large.bin")
    travelled = amal.proxy.body_bytes(XORBS, "/resolve/", "/xorbs/")
    assert hashlib.sha256(baraka.read("zeyneb/large", "main", "large.bin")).hexdigest() == digest
    # Each kill may lose what the sockets held: the proxy had sent it, and the node never saw it.
    assert travelled <= 1.005 * 96 * MIB + 2 * 2 * MIB, f"{travelled / MIB:.1f} MiB travelled for 96"


def test_any_one_of_three_may_be_lost(three):
    amal, baraka, cho = three
    zeyneb = Publisher(amal, "zeyneb")
    contents = {}
    for number in range(3):
        content = random_bytes(f"revision {number}", 2 * MIB)
        contents[zeyneb.publish("zeyneb/model", "weights.bin", content)] = content
        for other in (baraka, cho):
            if number == 0:
                other.follow(amal)
            other.wait_for_commit("zeyneb/model", list(contents)[-1])
            wait_for(f"revision {number} on {other.name}", lambda: held(other, number + 1), other)
    for lost in three:
        lost.node.kill()
        lost.proxy.leave()
        for other in three:
            if other is not lost:
                for commit, content in contents.items():
                    assert other.read("zeyneb/model", commit, "weights.bin") == content, f"without {lost.name}"
        lost.proxy.come_back()
        lost.node.start()


def held(peered: Peered, count: int) -> bool:
    """Whether so many transfers are done."""
    return sum(one["state"] == "done" for one in peered.node.json("transfers")) >= count


def test_a_restored_old_catalog_refuses_to_sign(three, tmp_path):
    """Witnesses remember what the node signed, so a restored copy may not sign another history."""
    amal, baraka, _ = three
    zeyneb = Publisher(amal, "zeyneb")
    first = zeyneb.publish("zeyneb/model", "a.txt", b"one")
    baraka.follow(amal, "metadata")
    # It follows what is signed, so all that the backup holds is.
    baraka.wait_for_commit("zeyneb/model", first)
    # The node asks its own peers to witness, so amal must know baraka.
    amal.node.run("peer", "add", baraka.proxy.url, "--yes", "--allow-private", "--name", "baraka")
    amal.node.stop()
    shutil.copytree(amal.node.data, tmp_path / "backup")
    amal.node.start()
    old = checkpoint(amal)
    last = zeyneb.publish("zeyneb/model", "a.txt", b"two")
    last = zeyneb.publish("zeyneb/model", "a.txt", b"three")
    baraka.wait_for_commit("zeyneb/model", last)
    signed = checkpoint(amal)
    assert signed["size"] > old["size"]
    wait_for("a cosignature", lambda: cosigned(amal, signed), amal)
    amal.node.stop()
    shutil.rmtree(amal.node.data)
    shutil.copytree(tmp_path / "backup", amal.node.data)
    # The restored node cannot hear of its mistake at first, and must not act on it meanwhile.
    baraka.proxy.leave()
    amal.node.start()
    zeyneb.publish("zeyneb/model", "a.txt", b"another history")
    told = lambda: "from an older backup" in amal.node.log()  # noqa: E731
    for what in (lambda: time.monotonic() > end, told):
        end = time.monotonic() + 4
        while not what():
            assert_signs_nothing_new(amal, old)
            assert time.monotonic() < end + WAIT_SECS, amal.node.log()
            time.sleep(0.1)
        baraka.proxy.come_back()
    assert_signs_nothing_new(amal, old)
    assert any(one["kind"] == "old-database" for one in amal.node.json("incidents")), amal.node.json("incidents")


def assert_signs_nothing_new(peered: Peered, old: dict) -> None:
    now = checkpoint(peered)
    assert now is None or (now["size"], now["root"]) == (old["size"], old["root"]), f"signed another history: {now} after {old}"


def checkpoint(peered: Peered) -> dict | None:
    """Size and root of the node's newest signed checkpoint."""
    status, _, body = get(f"{peered.node.direct}/log/checkpoint")
    if status != 200:
        return None
    origin, size, root = body.decode().split("\n")[:3]
    return {"origin": origin, "size": int(size), "root": root, "signatures": body.decode().count("\n\N{EM DASH} ")}


def cosigned(peered: Peered, signed: dict) -> bool:
    """Whether a checkpoint that is no older is signed by a witness too."""
    now = checkpoint(peered)
    return bool(now) and now["size"] >= signed["size"] and now["signatures"] >= 2


def test_a_lying_source_is_named_and_the_file_is_right(three, tmp_path):
    amal, baraka, cho = three
    zeyneb = Publisher(amal, "zeyneb")
    path = tmp_path / "weights.bin"
    digest = file_of(path, "random", "lied about", 24 * MIB)
    commit = zeyneb.publish("zeyneb/model", "weights.bin", path)
    # Cho has an honest copy, by another way than the proxy.
    cho.follow(amal, "whole", url=amal.node.direct)
    cho.wait_for_commit("zeyneb/model", commit)
    cho.wait_for_file("weights.bin")
    # One bit in about every hundredth chunk of 64 KiB.
    amal.proxy.flip = (XORBS, 100 * 64 * 1024)
    baraka.follow(cho, "metadata")
    baraka.follow(amal, "whole")
    baraka.wait_for_commit("zeyneb/model", commit)
    baraka.wait_for_file("weights.bin")
    assert hashlib.sha256(baraka.read("zeyneb/model", "main", "weights.bin")).hexdigest() == digest
    incidents = baraka.node.json("incidents")
    assert amal.proxy.body_bytes(XORBS) > 0, "the liar was never asked"
    assert any("amal" in json.dumps(one) for one in incidents), incidents
    assert not any("cho" in json.dumps(one) for one in incidents), incidents


def test_what_is_private_never_leaves(three):
    amal, baraka, _ = three
    zeyneb = Publisher(amal, "zeyneb")
    zeyneb.api.create_repo("zeyneb/hidden", private=True)
    zeyneb.publish("zeyneb/hidden", "secret.txt", b"c4n4ry")
    public = zeyneb.publish("zeyneb/open", "a.txt", b"open")
    baraka.follow(amal)
    baraka.wait_for_commit("zeyneb/open", public)
    assert baraka.sha("zeyneb/hidden") is None
    for tile in ("/log/tile/entries/000.p/1", "/log/tile/entries/000.p/2", "/log/tile/entries/000.p/3"):
        assert b"hidden" not in get(amal.node.direct + tile)[2]


def test_a_transfer_needs_little_memory(tmp_path):
    """A file of one GiB: at its most, the node that pulls it holds 64 MiB more than it does idle."""
    amal, baraka = Peered(tmp_path, "amal"), Peered(tmp_path, "baraka")
    zeyneb = Publisher(amal, "zeyneb")
    path = tmp_path / "huge.bin"
    digest = file_of(path, "random", "huge", 1024 * MIB)
    zeyneb.publish("zeyneb/huge", "huge.bin", path)
    path.unlink()
    idle = baraka.node.memory_bytes()
    Path(f"/proc/{baraka.node.process.pid}/clear_refs").write_text("5")
    baraka.follow(amal, "whole")
    wait_for("the file", lambda: "huge.bin" in baraka.files_done(), baraka)
    status = Path(f"/proc/{baraka.node.process.pid}/status").read_text()
    most = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    assert sha256_of_answer(baraka, "zeyneb/huge", "huge.bin") == digest
    assert most - idle <= 64 * MIB, f"{(most - idle) / MIB:.0f} MiB more than idle"
    for node in (amal, baraka):
        node.close()


def sha256_of_answer(peered: Peered, repo: str, path: str) -> str:
    digest = hashlib.sha256()
    with urllib.request.urlopen(f"{peered.node.direct}/{repo}/resolve/main/{path}") as answer:
        while block := answer.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
