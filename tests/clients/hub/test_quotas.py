"""Owners who may own only so much, with the real client."""

import pytest
from data import MIB, file_of
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError


@pytest.fixture
def bounded(node, alice, name):
    """An organisation of alice's that may own 10 MB, and an empty model of it."""
    org = f"o-{name}"
    node.run("org", "create", org)
    node.run("org", "add", org, alice.name, "--role", "admin")
    node.run("org", "quota", org, "10 MB")
    return org, alice.api.create_repo(f"{org}/{name}").repo_id


def room(node, org):
    (found,) = (one for one in node.json("org", "list") if one["name"] == org)
    return found["owned_bytes"], found["owned_bytes_max"]


def test_a_push_over_the_quota_is_refused_and_leaves_nothing(node, api, bounded, tmp_path):
    org, repo = bounded
    fits, other = tmp_path / "fits.bin", tmp_path / "other.bin"
    file_of(fits, "random", f"fits-{org}", 6 * MIB)
    file_of(other, "random", f"other-{org}", 5 * MIB)
    api.upload_file(path_or_fileobj=fits, path_in_repo="fits.bin", repo_id=repo)
    assert room(node, org) == (6 * MIB, 10_000_000)
    before = api.model_info(repo).sha
    operations = [CommitOperationAdd("other.bin", str(other)), CommitOperationAdd("small.txt", b"small\n")]
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_commit(repo, operations, commit_message="Too much")
    assert refused.value.response.status_code == 413
    for words in (f"{org} may own 10 MB", "owns 6.3 MB", "would add 5.2 MB", "ask an administrator of this node"):
        assert words in str(refused.value), str(refused.value)
    info = api.model_info(repo)
    assert info.sha == before
    assert {file.rfilename for file in info.siblings} == {".gitattributes", "fits.bin"}
    assert room(node, org) == (6 * MIB, 10_000_000)
    # The same file again, in another repository of the same owner, is nothing new.
    again = api.create_repo(f"{repo}-again").repo_id
    api.upload_file(path_or_fileobj=fits, path_in_repo="again.bin", repo_id=again)
    assert room(node, org)[0] == 6 * MIB
    node.run("org", "quota", org, "none")
    api.create_commit(repo, operations, commit_message="Enough now")
    assert room(node, org) == (11 * MIB, None)
