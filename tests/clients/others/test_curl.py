"""curl: headers, ranges and conditions, and the sequence of llama.cpp."""

import hashlib
import json
import subprocess

import pytest

from data import MIB, git_blob_id, random_bytes
from huggingface_hub import CommitOperationAdd


def curl(*arguments: str) -> tuple[int, dict[str, str], bytes]:
    """Runs curl and returns the last answer: status, headers with small letters, body."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--include", *arguments], capture_output=True, check=True)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
    return int(lines[0].split()[1]), headers, body


@pytest.fixture(scope="module")
def filled(node, alice):
    repo = alice.api.create_repo("alice/curl").repo_id
    files = {"small.txt": b"0123456789" * 20, "large.gguf": random_bytes("curl", 9 * MIB + 7)}
    commit = alice.api.create_commit(repo, [CommitOperationAdd(path, content) for path, content in files.items()], commit_message="Fill")
    return f"{node.endpoint}/{repo}/resolve/main/", files, commit.oid


@pytest.mark.parametrize("name", ["small.txt", "large.gguf"])
def test_head(filled, name):
    url, files, commit = filled
    status, headers, body = curl("--head", url + name)
    assert (status, body) == (200, b"")
    assert headers["x-repo-commit"] == commit
    assert int(headers["content-length"]) == len(files[name])
    assert headers["accept-ranges"] == "bytes"
    if name == "small.txt":
        assert headers["etag"].strip('"') == git_blob_id(files[name])
    else:
        assert headers["x-linked-etag"].strip('"') == hashlib.sha256(files[name]).hexdigest()
        assert int(headers["x-linked-size"]) == len(files[name])
        assert len(headers["x-xet-hash"]) == 64


@pytest.mark.parametrize("name", ["small.txt", "large.gguf"])
@pytest.mark.parametrize("given, begin, end", [("0-0", 0, 1), ("5-14", 5, 15), ("100-", 100, None), ("-7", -7, None), ("3-999999999999", 3, None)])
def test_ranges(filled, name, given, begin, end):
    url, files, _ = filled
    content = files[name]
    status, headers, body = curl("--range", given, url + name)
    first = begin % len(content)
    last = min(end or len(content), len(content)) - 1
    assert status == 206
    assert headers["content-range"] == f"bytes {first}-{last}/{len(content)}"
    assert body == content[first : last + 1]


def test_ranges_across_chunks(filled):
    url, files, _ = filled
    content = files["large.gguf"]
    for begin in range(0, len(content) - 300_000, 1_234_567):
        _, _, body = curl("--range", f"{begin}-{begin + 299_999}", url + "large.gguf")
        assert body == content[begin : begin + 300_000]


def test_range_beyond_the_end(filled):
    url, files, _ = filled
    status, headers, _ = curl("--range", "999999999-", url + "large.gguf")
    assert status == 416
    assert headers["content-range"] == f"bytes */{len(files['large.gguf'])}"


@pytest.mark.parametrize("name", ["small.txt", "large.gguf"])
def test_conditions(filled, name):
    url, files, _ = filled
    _, headers, body = curl(url + name)
    assert body == files[name]
    etag = headers["etag"]
    assert curl("--header", f"If-None-Match: {etag}", url + name)[0] == 304
    assert curl("--header", 'If-None-Match: "other"', url + name)[0] == 200
    assert curl("--header", f"If-Range: {etag}", "--range", "0-9", url + name)[0] == 206
    assert curl("--header", 'If-Range: "other"', "--range", "0-9", url + name)[0] == 200


def test_sequence_of_llama_cpp(node, filled):
    url, files, commit = filled
    base = node.endpoint
    _, _, body = curl("--user-agent", "llama-cpp", f"{base}/api/models/alice/curl/refs")
    (main,) = [branch for branch in json.loads(body)["branches"] if branch["name"] == "main"]
    assert main["targetCommit"] == commit
    _, headers, body = curl("--user-agent", "llama-cpp", f"{base}/api/models/alice/curl/tree/{commit}?recursive=true")
    assert "link" not in headers
    (entry,) = [entry for entry in json.loads(body) if entry["path"].endswith(".gguf")]
    assert entry["lfs"]["oid"] == hashlib.sha256(files["large.gguf"]).hexdigest()
    url = f"{base}/alice/curl/resolve/{commit}/large.gguf"
    status, headers, _ = curl("--head", "--location", url)
    assert status == 200 and headers["etag"] and headers["accept-ranges"] == "bytes"
    assert int(headers["content-length"]) == entry["size"]
    status, _, body = curl("--location", "--range", "4000000-", url)
    assert (status, body) == (206, files["large.gguf"][4_000_000:])


def test_errors_have_headers_and_a_sentence(node, filled):
    base = node.endpoint
    for path, status, code in (
        ("/alice/curl/resolve/main/nothing", 404, "EntryNotFound"),
        ("/alice/curl/resolve/nothing/small.txt", 404, "RevisionNotFound"),
        ("/alice/no-such-thing/resolve/main/a", 401, "RepoNotFound"),
        ("/api/models/alice/no-such-thing", 401, "RepoNotFound"),
    ):
        answer, headers, body = curl(base + path)
        assert (answer, headers["x-error-code"]) == (status, code), path
        assert headers["x-request-id"] and headers["x-error-message"]
        assert json.loads(body)["error"]
    assert curl(base + "/alice/curl/resolve/main/nothing")[1]["x-repo-commit"] == filled[2]


def test_connection_stays_usable_after_a_bad_request(node, alice):
    url = f"{node.endpoint}/api/models/alice/curl/commit/main"
    bad = ["--header", f"Authorization: Bearer {alice.token}", "--data-binary", "{not ndjson", url]
    done = subprocess.run(
        ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code} %{num_connects}\n", *bad, "--next", "--silent",
         "--output", "/dev/null", "--write-out", "%{http_code} %{num_connects}\n", f"{node.endpoint}/healthz"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, second = done.stdout.split("\n")[:2]
    assert first.startswith("4")
    assert second == "200 0", "the second request had to connect again"
