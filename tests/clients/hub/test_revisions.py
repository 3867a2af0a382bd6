"""Branches, tags, commits and pull requests."""

import pytest

from data import MIB, random_bytes
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError


def put(api, repo, path, content=b"x", **options):
    return api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo, **options)


def test_branch(api, repo):
    put(api, repo, "a.txt")
    api.create_branch(repo, branch="next")
    put(api, repo, "b.txt", revision="next")
    assert "b.txt" not in api.list_repo_files(repo)
    assert "b.txt" in api.list_repo_files(repo, revision="next")
    branches = {branch.name: branch.target_commit for branch in api.list_repo_refs(repo).branches}
    assert set(branches) == {"main", "next"}
    assert branches["next"] == api.repo_info(repo, revision="next").sha
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_branch(repo, branch="next")
    assert refused.value.response.status_code == 409
    api.create_branch(repo, branch="next", exist_ok=True)
    api.delete_branch(repo, branch="next")
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_files(repo, revision="next")
    with pytest.raises(HfHubHTTPError):
        api.delete_branch(repo, branch="main")
    with pytest.raises(HfHubHTTPError):
        api.create_branch(repo, branch="refs/pr/5")


def test_branch_from_the_past_and_with_a_slash(api, repo):
    past = put(api, repo, "a.txt").oid
    put(api, repo, "b.txt")
    api.create_branch(repo, branch="fix/old", revision=past)
    assert set(api.list_repo_files(repo, revision="fix/old")) == {".gitattributes", "a.txt"}
    put(api, repo, "c.txt", revision="fix/old")
    assert "c.txt" in api.list_repo_files(repo, revision="fix/old")


def test_tag(api, repo):
    first = put(api, repo, "a.txt").oid
    api.create_tag(repo, tag="v1", tag_message="The first")
    put(api, repo, "b.txt")
    assert "b.txt" not in api.list_repo_files(repo, revision="v1")
    assert api.repo_info(repo, revision="v1").sha == first
    (tag,) = api.list_repo_refs(repo).tags
    assert (tag.name, tag.ref) == ("v1", "refs/tags/v1")
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_tag(repo, tag="v1")
    assert refused.value.response.status_code == 409
    api.delete_tag(repo, tag="v1")
    assert api.list_repo_refs(repo).tags == []


def test_commits(api, repo):
    for number in range(60):
        put(api, repo, f"{number}.txt", commit_message=f"Commit {number}")
    commits = api.list_repo_commits(repo)
    assert len(commits) == 61
    assert commits[0].title == "Commit 59"
    assert commits[0].authors == ["alice"]
    assert commits[0].created_at >= commits[-1].created_at


def test_revisions_by_sha(api, repo):
    commit = put(api, repo, "a.txt").oid
    put(api, repo, "b.txt")
    for revision in (commit, commit[:10]):
        assert api.repo_info(repo, revision=revision).sha == commit
    with pytest.raises(RevisionNotFoundError):
        api.repo_info(repo, revision="0" * 40)


def test_super_squash(api, repo, tmp_path):
    content = random_bytes("squash", 3 * MIB)
    for number in range(4):
        put(api, repo, f"{number}.txt")
    put(api, repo, "m.bin", content)
    before = set(api.list_repo_files(repo))
    api.super_squash_history(repo, commit_message="All in one")
    assert [commit.title for commit in api.list_repo_commits(repo)] == ["All in one"]
    assert set(api.list_repo_files(repo)) == before
    assert open(api.hf_hub_download(repo, "m.bin", cache_dir=tmp_path), "rb").read() == content


def test_pull_request(alice, carol, repo, tmp_path):
    put(alice.api, repo, "a.txt", b"one")
    commit = put(alice.api, repo, "b.txt", b"two", create_pr=True, commit_message="Please take this")
    assert commit.pr_revision == "refs/pr/1"
    assert commit.pr_num == 1
    assert "b.txt" not in alice.api.list_repo_files(repo)
    assert {"a.txt", "b.txt"} <= set(alice.api.list_repo_files(repo, revision="refs/pr/1"))
    assert open(alice.api.hf_hub_download(repo, "b.txt", revision="refs/pr/1", cache_dir=tmp_path), "rb").read() == b"two"
    put(alice.api, repo, "c.txt", b"three", revision="refs/pr/1")
    assert "c.txt" in alice.api.list_repo_files(repo, revision="refs/pr/1")
    (request,) = alice.api.list_repo_refs(repo, include_pull_requests=True).pull_requests
    assert request.ref == "refs/pr/1"
    assert {commit.title for commit in alice.api.list_repo_commits(repo)}.isdisjoint({"Please take this"})


def test_a_stranger_proposes_a_change(alice, carol, bob, repo, tmp_path):
    put(alice.api, repo, "a.txt", b"one")
    large = random_bytes("proposal", 5 * MIB)
    operations = [CommitOperationAdd("b.txt", b"two"), CommitOperationAdd("m.bin", large)]
    request = carol.api.create_commit(repo, operations, commit_message="Please take this", create_pr=True)
    assert request.pr_revision == "refs/pr/1"
    file = tmp_path / "n.bin"
    file.write_bytes(random_bytes("more", 3 * MIB))
    carol.api.upload_file(path_or_fileobj=file, path_in_repo="n.bin", repo_id=repo, revision="refs/pr/1")
    assert open(alice.api.hf_hub_download(repo, "m.bin", revision="refs/pr/1", cache_dir=tmp_path), "rb").read() == large
    assert {"b.txt", "m.bin", "n.bin"} <= set(alice.api.list_repo_files(repo, revision="refs/pr/1"))
    assert "b.txt" not in alice.api.list_repo_files(repo)
    for person, revision in [(carol, "main"), (bob, "refs/pr/1")]:
        with pytest.raises(HfHubHTTPError) as refused:
            put(person.api, repo, "c.txt", b"three", revision=revision)
        assert refused.value.response.status_code == 403
    alice.api.update_repo_settings(repo, private=True)
    with pytest.raises(RepositoryNotFoundError):
        carol.api.create_commit(repo, [CommitOperationAdd("d.txt", b"four")], commit_message="Unseen", create_pr=True)


def test_pull_request_with_a_large_file(api, repo, tmp_path):
    content = random_bytes("pr", 5 * MIB)
    operations = [CommitOperationAdd("m.bin", content)]
    commit = api.create_commit(repo, operations, commit_message="Weights", create_pr=True)
    path = api.hf_hub_download(repo, "m.bin", revision=commit.pr_revision, cache_dir=tmp_path)
    assert open(path, "rb").read() == content


def test_parent_must_be_the_last_commit(api, repo):
    past = put(api, repo, "a.txt").oid
    now = put(api, repo, "b.txt").oid
    with pytest.raises(HfHubHTTPError) as refused:
        put(api, repo, "c.txt", parent_commit=past)
    assert refused.value.response.status_code == 412
    put(api, repo, "c.txt", parent_commit=now)
