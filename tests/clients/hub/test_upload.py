"""Files go in through every door of the client and come out the same."""

import hashlib
import io
import time
from pathlib import Path

from data import MIB, bf16_bytes, file_of, git_blob_id, random_bytes, sha256_of, text_bytes
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete


def download(api, repo, path, folder, **options) -> Path:
    return Path(api.hf_hub_download(repo, path, local_dir=folder, force_download=True, **options))


def test_small_file(api, repo, tmp_path):
    content = b'{"layers": 2}\n'
    commit = api.upload_file(path_or_fileobj=content, path_in_repo="config.json", repo_id=repo, commit_message="Add the configuration")
    assert len(commit.oid) == 40
    assert commit.commit_url.endswith(commit.oid)
    (info,) = api.get_paths_info(repo, "config.json")
    assert (info.blob_id, info.size, info.lfs) == (git_blob_id(content), len(content), None)
    assert download(api, repo, "config.json", tmp_path).read_bytes() == content
    assert api.list_repo_commits(repo)[0].title == "Add the configuration"


def test_readme_with_metadata(api, repo):
    card = "---\nlicense: apache-2.0\nlanguage: [fr]\npipeline_tag: text-generation\ntags: [test-card]\n---\n# A card\n"
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo)
    info = api.model_info(repo)
    assert info.pipeline_tag == "text-generation"
    assert {"license:apache-2.0", "test-card"} <= set(info.tags)
    assert info.card_data.license == "apache-2.0"


def test_unknown_licence_is_refused_before_anything_is_sent(api, repo):
    card = "---\nlicense: no-such-licence\n---\n"
    try:
        api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo)
    except ValueError as refused:
        assert "license" in str(refused)
    else:
        raise AssertionError("the card was accepted")


def test_large_file(api, repo, tmp_path):
    path = tmp_path / "model.bin"
    digest = file_of(path, "random", "large", 20 * MIB)
    api.upload_file(path_or_fileobj=path, path_in_repo="weights/model.bin", repo_id=repo)
    (info,) = api.get_paths_info(repo, "weights/model.bin")
    assert (info.size, info.lfs.sha256, info.lfs.size) == (20 * MIB, digest, 20 * MIB)
    assert len(info.xet_hash) == 64
    assert sha256_of(download(api, repo, "weights/model.bin", tmp_path / "out")) == digest


def test_kinds_of_data(api, repo, tmp_path):
    operations, expected = [], {}
    for kind in ("random", "bf16", "text"):
        path = tmp_path / f"{kind}.bin"
        expected[path.name] = file_of(path, kind, f"kinds-{kind}", 6 * MIB + 17)
        operations.append(CommitOperationAdd(path.name, path))
    api.create_commit(repo, operations, commit_message="Three kinds")
    for name, digest in expected.items():
        assert sha256_of(download(api, repo, name, tmp_path / "out")) == digest


def test_empty_file(api, repo, tmp_path):
    api.create_commit(
        repo, [CommitOperationAdd("empty.txt", b""), CommitOperationAdd("empty.bin", b"")], commit_message="Nothing, twice"
    )
    for name in ("empty.txt", "empty.bin"):
        assert download(api, repo, name, tmp_path).read_bytes() == b""


def test_names_that_need_escaping(api, repo, tmp_path):
    names = ["a b/c d.txt", "prüfung/naïve ñ.txt", "日本語.txt", "100% sure+more&less=#1?.txt", "a'b\"c.txt"]
    api.create_commit(repo, [CommitOperationAdd(name, name.encode()) for name in names], commit_message="Hard names")
    assert set(names) <= set(api.list_repo_files(repo))
    for name in names:
        assert download(api, repo, name, tmp_path).read_text() == name


def test_open_file_goes_through_lfs(api, repo, tmp_path):
    content = random_bytes("lfs-basic", 8 * MIB)
    api.upload_file(path_or_fileobj=io.BytesIO(content), path_in_repo="basic.bin", repo_id=repo)
    assert download(api, repo, "basic.bin", tmp_path).read_bytes() == content


def test_large_open_file_goes_through_lfs_in_parts(api, repo, tmp_path):
    content = random_bytes("lfs-multipart", 140 * MIB + 5)
    api.upload_file(path_or_fileobj=io.BytesIO(content), path_in_repo="parts.bin", repo_id=repo)
    assert sha256_of(download(api, repo, "parts.bin", tmp_path)) == hashlib.sha256(content).hexdigest()


def test_without_xet_both_ways(alice, repo, fresh, tmp_path):
    digest = file_of(tmp_path / "plain.bin", "bf16", "plain", 12 * MIB)
    client = fresh(alice.token)
    output = client.run(
        f"""
        api.upload_file(path_or_fileobj={str(tmp_path / "plain.bin")!r}, path_in_repo="plain.bin", repo_id={repo!r})
        print("PATH", hf_hub_download({repo!r}, "plain.bin"))
        """,
        HF_HUB_DISABLE_XET="1",
    )
    assert sha256_of(output.split("PATH ")[1].strip()) == digest


def test_folder_of_two_thousand_small_files(api, repo, tmp_path):
    source = tmp_path / "source"
    for number in range(2_000):
        path = source / f"part-{number % 20:02}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text_bytes(number, 200 + number % 300))
    api.upload_folder(repo_id=repo, folder_path=source)
    files = set(api.list_repo_files(repo))
    assert len(files) == 2_000 + 1
    out = Path(api.snapshot_download(repo, local_dir=tmp_path / "out", max_workers=4))
    for path in source.rglob("*.txt"):
        assert (out / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_folder_of_small_chunked_files(api, repo, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(200):
        (source / f"{number:03}.bin").write_bytes(random_bytes(f"small/{number}", 4096 + number))
    api.upload_folder(repo_id=repo, folder_path=source)
    out = Path(api.snapshot_download(repo, local_dir=tmp_path / "out", max_workers=4))
    for path in source.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_folder_again_sends_nothing(api, repo, tmp_path):
    source = tmp_path / "source"
    file_of(source / "weights.bin", "random", "again", 3 * MIB)
    (source / "notes.txt").write_text("same")
    api.upload_folder(repo_id=repo, folder_path=source)
    before = api.repo_info(repo).sha
    api.upload_folder(repo_id=repo, folder_path=source)
    assert api.repo_info(repo).sha == before


def test_folder_with_patterns_and_gitignore(api, repo, tmp_path):
    for name in ("keep.txt", "drop.log", "sub/keep.txt", "sub/cache.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    api.upload_folder(repo_id=repo, folder_path=tmp_path, ignore_patterns="*.log")
    assert set(api.list_repo_files(repo)) == {".gitattributes", ".gitignore", "keep.txt", "sub/keep.txt"}


def test_file_of_one_gib(alice, repo, fresh, tmp_path):
    path = tmp_path / "one-gib.safetensors"
    digest = file_of(path, "random", "gib", 1024 * MIB)
    client = fresh(alice.token)
    client.run(f"api.upload_file(path_or_fileobj={str(path)!r}, path_in_repo='one-gib.safetensors', repo_id={repo!r})")
    path.unlink()
    output = client.run(f"print('PATH', hf_hub_download({repo!r}, 'one-gib.safetensors', local_dir={str(tmp_path / 'out')!r}))")
    assert sha256_of(output.split("PATH ")[1].strip()) == digest


def test_memory_stays_small(node):
    # A file of one GiB went through this node in both directions by now; the design allows 256 MiB for any file.
    assert node.memory_bytes() <= 256 * MIB


def test_upload_again_after_the_client_was_killed(node, alice, repo, fresh, tmp_path):
    path = tmp_path / "killed.bin"
    digest = file_of(path, "random", "killed", 300 * MIB)
    client = fresh(alice.token)
    upload = f"api.upload_file(path_or_fileobj={str(path)!r}, path_in_repo='killed.bin', repo_id={repo!r})"
    before = node.stored_bytes()
    process = client.start(upload)
    while node.stored_bytes() - before < 70 * MIB:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert "killed.bin" not in alice.api.list_repo_files(repo)
    client.run(upload)
    output = client.run(f"print('PATH', hf_hub_download({repo!r}, 'killed.bin'))")
    assert sha256_of(output.split("PATH ")[1].strip()) == digest


def test_delete(api, repo):
    api.create_commit(
        repo,
        [CommitOperationAdd(name, b"x") for name in ("a.txt", "b.txt", "f/c.txt", "f/g/d.txt", "f2.txt")],
        commit_message="Five files",
    )
    api.delete_file("a.txt", repo)
    api.delete_folder("f", repo)
    api.delete_files(repo, ["b*"])
    assert set(api.list_repo_files(repo)) == {".gitattributes", "f2.txt"}


def test_add_and_delete_in_one_commit(api, repo, tmp_path):
    api.upload_file(path_or_fileobj=b"old", path_in_repo="old.txt", repo_id=repo)
    operations = [CommitOperationDelete("old.txt"), CommitOperationAdd("new.txt", b"new")]
    commit = api.create_commit(repo, operations, commit_message="Rename", commit_description="Because.")
    assert set(api.list_repo_files(repo, revision=commit.oid)) == {".gitattributes", "new.txt"}
    assert "Because." in api.list_repo_commits(repo)[0].message


def test_copy_inside_a_repository(api, repo, tmp_path):
    digest = file_of(tmp_path / "a.bin", "random", "copy-inside", 3 * MIB)
    api.upload_file(path_or_fileobj=tmp_path / "a.bin", path_in_repo="a.bin", repo_id=repo)
    api.create_commit(repo, [CommitOperationCopy("a.bin", "copies/b.bin")], commit_message="Copy")
    assert sha256_of(download(api, repo, "copies/b.bin", tmp_path / "out")) == digest


def test_copy_between_repositories(alice, bob, repo, tmp_path):
    digest = file_of(tmp_path / "a.bin", "random", "copy-between", 3 * MIB)
    alice.api.upload_file(path_or_fileobj=tmp_path / "a.bin", path_in_repo="a.bin", repo_id=repo)
    target = bob.api.create_repo(f"bob/{repo.split('/')[1]}-copy", private=True).repo_id
    operation = CommitOperationCopy("a.bin", "b.bin", src_repo_id=repo, src_repo_type="model")
    bob.api.create_commit(target, [operation], commit_message="Copy from another repository")
    assert sha256_of(download(bob.api, target, "b.bin", tmp_path / "out")) == digest


def test_concurrent_commits_have_one_winner(api, repo):
    from concurrent.futures import ThreadPoolExecutor

    from huggingface_hub.errors import HfHubHTTPError

    parent = api.repo_info(repo).sha

    def push(number: int) -> str:
        try:
            operation = CommitOperationAdd(f"{number}.txt", b"x")
            return api.create_commit(repo, [operation], commit_message="Race", parent_commit=parent).oid
        except HfHubHTTPError as refused:
            assert refused.response.status_code in (409, 412), refused
            return ""

    with ThreadPoolExecutor(8) as pool:
        winners = [oid for oid in pool.map(push, range(8)) if oid]
    assert len(winners) == 1
    assert api.repo_info(repo).sha == winners[0]


def test_two_clients_upload_the_same_bytes_at_once(alice, bob, name, fresh, tmp_path):
    path = tmp_path / "same.bin"
    digest = file_of(path, "bf16", "at-once", 40 * MIB)
    running = []
    for person in (alice, bob):
        repo = person.api.create_repo(f"{person.name}/{name}").repo_id
        upload = f"api.upload_file(path_or_fileobj={str(path)!r}, path_in_repo='same.bin', repo_id={repo!r})"
        running.append((repo, fresh(person.token).start(upload)))
    for repo, process in running:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert sha256_of(download(alice.api, repo, "same.bin", tmp_path / repo)) == digest


def test_overwrite_keeps_the_past(api, repo, tmp_path):
    first = api.upload_file(path_or_fileobj=bf16_bytes("one", 3 * MIB), path_in_repo="m.bin", repo_id=repo)
    second = api.upload_file(path_or_fileobj=bf16_bytes("two", 3 * MIB), path_in_repo="m.bin", repo_id=repo)
    for commit, seed in ((first, "one"), (second, "two")):
        out = download(api, repo, "m.bin", tmp_path / seed, revision=commit.oid)
        assert out.read_bytes() == bf16_bytes(seed, 3 * MIB)


def test_path_escapes_are_refused(node, alice, repo):
    import base64
    import json
    import urllib.error
    import urllib.request

    for path in ("../x", "a/../../x", "/etc/x", "a\\..\\x", "a\0b", "x" * 5_000, ".git/config", "a//b"):
        lines = [
            {"key": "header", "value": {"summary": "s", "description": ""}},
            {"key": "file", "value": {"path": path, "encoding": "base64", "content": base64.b64encode(b"x").decode()}},
        ]
        request = urllib.request.Request(
            f"{node.endpoint}/api/models/{repo}/commit/main",
            "\n".join(json.dumps(line) for line in lines).encode(),
            {"Authorization": f"Bearer {alice.token}", "Content-Type": "application/x-ndjson"},
        )
        try:
            urllib.request.urlopen(request)
        except urllib.error.HTTPError as refused:
            assert 400 <= refused.code < 500 and json.loads(refused.read())["error"], path
        else:
            raise AssertionError(f"{path!r} was accepted")
    assert alice.api.list_repo_files(repo) == [".gitattributes"]
