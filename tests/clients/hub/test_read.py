"""Reading: caches, listings, the file system, metadata."""

from pathlib import Path

import pytest

from data import MIB, git_blob_id, random_bytes, safetensors_bytes, text_bytes
from huggingface_hub import CommitOperationAdd, HfFileSystem, get_hf_file_metadata, hf_hub_url


@pytest.fixture
def filled(api, repo):
    """A repository with small and large files in folders."""
    files = {
        "config.json": b'{"a": 1}',
        "data/a.txt": text_bytes("a", 5_000),
        "data/deep/b.txt": b"b",
        "data/deep/c.bin": random_bytes("c", 3 * MIB),
        "model.safetensors": safetensors_bytes({"one": [512, 1024], "two": [7]}),
    }
    api.create_commit(repo, [CommitOperationAdd(path, content) for path, content in files.items()], commit_message="Fill")
    return repo, files


def test_snapshot(api, filled, tmp_path):
    repo, files = filled
    folder = Path(api.snapshot_download(repo, cache_dir=tmp_path))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {*files, ".gitattributes"}
    for path, content in files.items():
        assert (folder / path).read_bytes() == content
    assert folder.name == api.repo_info(repo).sha
    assert api.snapshot_download(repo, cache_dir=tmp_path, local_files_only=True) == str(folder)


def test_snapshot_of_some_files(api, filled, tmp_path):
    repo, _ = filled
    folder = Path(api.snapshot_download(repo, cache_dir=tmp_path, allow_patterns=["data/*"], ignore_patterns="*.bin"))
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"a.txt", "b.txt"}


def test_file_metadata(node, api, filled):
    repo, files = filled
    for path, content in files.items():
        metadata = get_hf_file_metadata(hf_hub_url(repo, path, endpoint=node.endpoint))
        assert metadata.size == len(content)
        assert metadata.commit_hash == api.repo_info(repo).sha
        large = path.endswith((".bin", ".safetensors"))
        assert (metadata.xet_file_data is not None) == large
        if not large:
            assert metadata.etag == git_blob_id(content)
        assert metadata.location.startswith(node.endpoint)


def test_tree(api, filled):
    repo, files = filled
    paths = {entry.path for entry in api.list_repo_tree(repo, recursive=True)}
    assert paths == {*files, ".gitattributes", "data", "data/deep"}
    assert {entry.path for entry in api.list_repo_tree(repo, "data")} == {"data/a.txt", "data/deep"}
    (entry,) = [entry for entry in api.list_repo_tree(repo, expand=True) if entry.path == "config.json"]
    assert entry.last_commit.title == "Fill"


def test_paths_info(api, filled):
    repo, files = filled
    found = {entry.path: entry for entry in api.get_paths_info(repo, ["config.json", "data", "nothing.txt", "data/deep/c.bin"], expand=True)}
    assert set(found) == {"config.json", "data", "data/deep/c.bin"}
    assert found["data/deep/c.bin"].lfs.size == 3 * MIB
    assert found["config.json"].last_commit.title == "Fill"


def test_existence(api, filled, name):
    repo, _ = filled
    assert api.file_exists(repo, "config.json")
    assert not api.file_exists(repo, "nothing.json")
    assert api.revision_exists(repo, "main")
    assert not api.revision_exists(repo, "nothing")
    assert not api.repo_exists(f"alice/{name}-nothing")


def test_repo_info_with_files(api, filled):
    repo, files = filled
    info = api.repo_info(repo, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings}
    assert sizes == {**{path: len(content) for path, content in files.items()}, ".gitattributes": sizes[".gitattributes"]}
    (large,) = [file for file in info.siblings if file.rfilename == "data/deep/c.bin"]
    assert large.lfs.size == 3 * MIB
    assert info.created_at <= info.last_modified


def test_safetensors_metadata(api, filled):
    repo, _ = filled
    metadata = api.get_safetensors_metadata(repo)
    assert metadata.parameter_count == {"F32": 512 * 1024 + 7}


def test_file_system(node, alice, filled):
    repo, files = filled
    system = HfFileSystem(endpoint=node.endpoint, token=alice.token, skip_instance_cache=True)
    assert {Path(path).name for path in system.ls(repo, detail=False)} == {"config.json", "data", "model.safetensors", ".gitattributes"}
    assert {path.removeprefix(f"{repo}/") for path in system.glob(f"{repo}/**/*.txt")} == {"data/a.txt", "data/deep/b.txt"}
    assert system.cat(f"{repo}/config.json") == files["config.json"]
    with system.open(f"{repo}/data/deep/c.bin", block_size=1 << 18) as file:
        file.seek(2 * MIB + 11)
        assert file.read(1000) == files["data/deep/c.bin"][2 * MIB + 11 :][:1000]
    with system.open(f"{repo}/new.txt", "w") as file:
        file.write("through the file system")
    assert system.read_text(f"{repo}/new.txt") == "through the file system"
    system.rm(f"{repo}/new.txt")
    assert not system.exists(f"{repo}/new.txt")


def test_download_into_a_folder_knows_what_is_there(api, filled, tmp_path):
    repo, files = filled
    path = Path(api.hf_hub_download(repo, "data/deep/c.bin", local_dir=tmp_path))
    stamp = path.stat().st_mtime_ns
    assert Path(api.hf_hub_download(repo, "data/deep/c.bin", local_dir=tmp_path)).stat().st_mtime_ns == stamp
    assert path.read_bytes() == files["data/deep/c.bin"]


def test_plain_download_of_chunked_files(alice, filled, fresh):
    repo, files = filled
    output = fresh(alice.token).run(f"print('PATH', hf_hub_download({repo!r}, 'data/deep/c.bin'))", HF_HUB_DISABLE_XET="1")
    assert Path(output.split("PATH ")[1].strip()).read_bytes() == files["data/deep/c.bin"]
