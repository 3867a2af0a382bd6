"""What is already there does not travel again: bytes are counted on the wire, by a proxy."""

import pytest

from data import KINDS, MIB, file_of, random_bytes, sha256_of


@pytest.fixture(scope="module")
def people(counted):
    node, _ = counted
    return node.user("dana"), node.user("erin")


@pytest.fixture
def store(counted, people, fresh, name):
    """Makes a repository on the counted node and returns (client, repository, bytes sent so far)."""
    node, proxy = counted

    def make(suffix: str = "", person: int = 0):
        client = fresh(people[person], node.endpoint)
        owner = ("dana", "erin")[person]
        client.run(f"api.create_repo('{owner}/{name}{suffix}')")
        return client, f"{owner}/{name}{suffix}"

    return make, lambda: proxy.counts()[0]


def upload(client, repo, path, name="file.bin", **environment):
    client.run(f"api.upload_file(path_or_fileobj={str(path)!r}, path_in_repo={name!r}, repo_id={repo!r})", **environment)


def check(client, repo, digest, name="file.bin"):
    output = client.run(f"print('PATH', hf_hub_download({repo!r}, {name!r}))")
    assert sha256_of(output.split("PATH ")[1].strip()) == digest


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_same_file_from_a_fresh_client(store, tmp_path, kind):
    make, sent = store
    digest = file_of(tmp_path / "file.bin", kind, f"again-{kind}", 100 * MIB)
    first, repo = make()
    upload(first, repo, tmp_path / "file.bin")
    second, other = make("-again")
    before = sent()
    upload(second, other, tmp_path / "file.bin")
    travelled = sent() - before
    assert travelled <= MIB, f"{travelled} bytes travelled again"
    check(second, other, digest)


def test_same_file_of_another_owner(store, tmp_path):
    make, sent = store
    digest = file_of(tmp_path / "file.bin", "random", "again-other", 60 * MIB)
    first, repo = make()
    upload(first, repo, tmp_path / "file.bin")
    second, other = make("", person=1)
    before = sent()
    upload(second, other, tmp_path / "file.bin")
    # The first repository is public, so everybody may know that its bytes are here.
    assert sent() - before <= MIB
    check(second, other, digest)


def test_file_that_came_through_another_door(store, tmp_path):
    make, sent = store
    digest = file_of(tmp_path / "file.bin", "random", "again-lfs", 60 * MIB)
    first, repo = make()
    upload(first, repo, tmp_path / "file.bin", HF_HUB_DISABLE_XET="1")
    second, other = make("-xet")
    before = sent()
    upload(second, other, tmp_path / "file.bin")
    assert sent() - before <= MIB
    check(second, other, digest)


def test_edited_copy_from_a_fresh_client(store, tmp_path):
    make, sent = store
    file_of(tmp_path / "file.bin", "random", "edit", 200 * MIB)
    first, repo = make()
    upload(first, repo, tmp_path / "file.bin")
    content = bytearray((tmp_path / "file.bin").read_bytes())
    # One run of 1 % is replaced by other bytes, and a few bytes are inserted before it, so that everything behind moves.
    content[100 * MIB : 102 * MIB] = random_bytes("edit-run", 2 * MIB + 17)
    (tmp_path / "file.bin").write_bytes(content)
    second, other = make("-edited")
    before = sent()
    upload(second, other, tmp_path / "file.bin")
    travelled = sent() - before
    assert travelled <= 6 * MIB, f"{travelled} bytes travelled for 2 MiB that changed"
    check(second, other, sha256_of(tmp_path / "file.bin"))


def test_private_bytes_are_not_known_to_others(counted, store, people, fresh, name, tmp_path):
    make, sent = store
    node, _ = counted
    digest = file_of(tmp_path / "file.bin", "random", "secret", 40 * MIB)
    owner = fresh(people[0], node.endpoint)
    owner.run(f"api.create_repo('dana/{name}', private=True)")
    upload(owner, f"dana/{name}", tmp_path / "file.bin")
    stranger, repo = make("-stranger", person=1)
    before = sent()
    upload(stranger, repo, tmp_path / "file.bin")
    assert sent() - before >= 40 * MIB, "the node told a stranger that it has private bytes"
    check(stranger, repo, digest)
