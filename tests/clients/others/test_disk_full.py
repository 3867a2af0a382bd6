"""A full disk: pushes are answered with 507 and leave nothing behind; reading goes on; with room again so do pushes."""

import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.request

import pytest
from huggingface_hub import HfApi

from data import MIB
from node import Node

DISK_BYTES = 24 * MIB


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own with little room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def lfs_put(node: Node, repo: str, content: bytes) -> int:
    """Pushes one object as git-lfs does and returns the status of the upload."""
    authorization = {"Authorization": f"Bearer {node.admin_token}"}
    wanted = {"operation": "upload", "objects": [{"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}]}
    batch = urllib.request.Request(f"{node.endpoint}/{repo}.git/info/lfs/objects/batch", json.dumps(wanted).encode(), authorization)
    answer = json.load(urllib.request.urlopen(batch))
    href = answer["objects"][0]["actions"]["upload"]["href"]
    try:
        with urllib.request.urlopen(urllib.request.Request(href, content, method="PUT")) as done:
            return done.status
    except urllib.error.HTTPError as error:
        assert "room" in error.read().decode()
        return error.code


def objects_bytes(node: Node) -> int:
    """Bytes of all stored objects, finished or not."""
    return sum(path.stat().st_size for path in (node.data / "objects").rglob("*") if path.is_file())


def test_pushes_are_refused_and_reading_goes_on(small_disk):
    node = Node(small_disk).start()
    try:
        api = HfApi(endpoint=node.endpoint, token=node.admin_token)
        repo = api.create_repo("admin/held").repo_id
        first = os.urandom(2 * MIB)
        api.upload_file(path_or_fileobj=first, path_in_repo="first.bin", repo_id=repo)

        (small_disk / "filler").write_bytes(bytes(DISK_BYTES - 6 * MIB - objects_bytes(node)))
        before = objects_bytes(node)
        large = os.urandom(10 * MIB)
        assert lfs_put(node, repo, large) == 507
        assert objects_bytes(node) == before, "nothing of a refused push may stay"

        with urllib.request.urlopen(f"{node.endpoint}/{repo}/resolve/main/first.bin") as answer:
            assert answer.read() == first
        assert urllib.request.urlopen(node.endpoint + "/readyz").status == 200

        (small_disk / "filler").unlink()
        assert lfs_put(node, repo, large) == 200
    finally:
        node.stop()
    node.run("fsck")
