"""The sequence of `ollama pull`, by curl: manifest, HEAD of each blob, ranges of the model."""

import hashlib
import json
import struct
import subprocess

from data import MIB, random_bytes


def gguf_bytes(length: int) -> bytes:
    """A GGUF file with an architecture, a file type, no tensors, and bytes behind."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.file_type") + struct.pack("<II", 4, 15),
        text("tokenizer.chat_template") + struct.pack("<I", 8) + text("{{ messages }}"),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
    return head + random_bytes("gguf", length - len(head))


def curl(*arguments: str) -> bytes:
    return subprocess.run(["curl", "--silent", "--show-error", "--fail", "--location", *arguments], capture_output=True, check=True).stdout


def test_pull(node, alice, repo):
    content = gguf_bytes(6 * MIB)
    alice.api.upload_file(path_or_fileobj=content, path_in_repo="model-Q4_K_M.gguf", repo_id=repo)
    for tag in ("latest", "Q4_K_M"):
        manifest = json.loads(curl("--header", "Accept: application/vnd.docker.distribution.manifest.v2+json", f"{node.endpoint}/v2/{repo}/manifests/{tag}"))
        assert manifest["schemaVersion"] == 2
        layers = {layer["mediaType"]: layer for layer in [manifest["config"], *manifest["layers"]]}
        model = layers["application/vnd.ollama.image.model"]
        assert model == model | {"digest": "sha256:" + hashlib.sha256(content).hexdigest(), "size": len(content)}
        for layer in layers.values():
            url = f"{node.endpoint}/v2/{repo}/blobs/{layer['digest']}"
            assert b" 200 " in curl("--head", url)
            if layer is not model:
                body = curl(url)
                assert "sha256:" + hashlib.sha256(body).hexdigest() == layer["digest"]
                assert len(body) == layer["size"]
    url = f"{node.endpoint}/v2/{repo}/blobs/{model['digest']}"
    parts = [curl("--range", f"{begin}-{begin + 2 * MIB - 1}", url) for begin in range(0, len(content), 2 * MIB)]
    assert b"".join(parts) == content


def test_older_llama_cpp_asks_which_file(node, alice, repo):
    alice.api.upload_file(path_or_fileobj=gguf_bytes(MIB), path_in_repo="tiny-Q8_0.gguf", repo_id=repo)
    manifest = json.loads(curl("--user-agent", "llama-cpp", f"{node.endpoint}/v2/{repo}/manifests/Q8_0"))
    assert manifest["ggufFile"]["rfilename"] == "tiny-Q8_0.gguf"
