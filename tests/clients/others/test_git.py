"""git and git-lfs: clone, fetch, check."""

import pytest

from data import MIB, random_bytes
from programs import git
from huggingface_hub import CommitOperationAdd


@pytest.fixture
def filled(alice, repo):
    files = {"README.md": b"# One\n", "data/a.txt": b"a" * 5_000, "model.bin": random_bytes("git", 5 * MIB)}
    alice.api.create_commit(repo, [CommitOperationAdd(path, content) for path, content in files.items()], commit_message="Fill")
    return repo, files


def test_clone_and_fetch(node, alice, filled, tmp_path):
    repo, files = filled
    git("clone", f"{node.endpoint}/{repo}", "clone", cwd=tmp_path)
    clone = tmp_path / "clone"
    for path, content in files.items():
        assert (clone / path).read_bytes() == content
    assert git("rev-parse", "HEAD", cwd=clone).strip() == alice.api.repo_info(repo).sha
    git("fsck", "--full", "--strict", cwd=clone)
    assert git("status", "--porcelain", cwd=clone) == ""
    assert "model.bin" in git("lfs", "ls-files", cwd=clone)
    new = random_bytes("git-2", 3 * MIB)
    commit = alice.api.upload_file(path_or_fileobj=new, path_in_repo="second.bin", repo_id=repo)
    alice.api.create_tag(repo, tag="v1", tag_message="The first")
    git("pull", "--tags", cwd=clone)
    assert git("rev-parse", "HEAD", cwd=clone).strip() == commit.oid
    assert (clone / "second.bin").read_bytes() == new
    assert git("tag", cwd=clone).strip() == "v1"
    git("fsck", "--full", "--strict", cwd=clone)


@pytest.mark.parametrize("options", [("--depth", "1"), ("--single-branch",), ("--filter=blob:none",), ("-c", "protocol.version=0"), ("--bare",)])
def test_kinds_of_clone(node, filled, tmp_path, options):
    repo, _ = filled
    git("clone", *options, f"{node.endpoint}/{repo}.git", "clone", cwd=tmp_path)
    git("fsck", cwd=tmp_path / "clone")


def test_object_ids_are_those_of_git(node, alice, filled, tmp_path):
    repo, files = filled
    git("clone", "--bare", f"{node.endpoint}/{repo}", "bare", cwd=tmp_path)
    listed = {entry.path: getattr(entry, "blob_id", None) or entry.tree_id for entry in alice.api.list_repo_tree(repo, recursive=True)}
    lines = git("ls-tree", "-r", "-t", "HEAD", cwd=tmp_path / "bare").splitlines()
    assert {line.split("\t")[1]: line.split()[2] for line in lines} == listed
    commits = [commit.commit_id for commit in alice.api.list_repo_commits(repo)]
    assert git("rev-list", "HEAD", cwd=tmp_path / "bare").split() == commits


def test_dataset_and_private(node, alice, carol, name, tmp_path):
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset", private=True).repo_id
    content = random_bytes("git-private", 3 * MIB)
    alice.api.upload_file(path_or_fileobj=content, path_in_repo="d.bin", repo_id=repo, repo_type="dataset")
    address = node.endpoint.split("://")[1]
    git("clone", f"http://alice:{alice.token}@{address}/datasets/{repo}", "clone", cwd=tmp_path)
    assert (tmp_path / "clone/d.bin").read_bytes() == content
    git("clone", f"http://{address}/datasets/{repo}", "anonymous", cwd=tmp_path, fails=True)
    git("clone", f"http://carol:{carol.token}@{address}/datasets/{repo}", "stranger", cwd=tmp_path, fails=True)


def test_branches(node, alice, filled, tmp_path):
    repo, _ = filled
    alice.api.create_branch(repo, branch="next")
    alice.api.upload_file(path_or_fileobj=b"n", path_in_repo="n.txt", repo_id=repo, revision="next")
    git("clone", "--branch", "next", f"{node.endpoint}/{repo}", "clone", cwd=tmp_path)
    assert (tmp_path / "clone/n.txt").read_bytes() == b"n"
