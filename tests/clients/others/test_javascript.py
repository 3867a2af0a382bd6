"""huggingface.js: upload and download."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from data import MIB, file_of

SCRIPT = Path(__file__).parents[1] / "js/both_ways.mjs"


def test_both_ways(node, alice, name, tmp_path):
    modules = Path(os.environ["KAREZ_TEST_JAVASCRIPT"])
    # Node finds modules beside the script, not beside the working folder.
    script = shutil.copy(SCRIPT, modules / f"{name}.mjs")
    digest = file_of(tmp_path / "large.bin", "bf16", "javascript", 12 * MIB)
    try:
        done = subprocess.run(
            ["node", script, node.endpoint, alice.token, f"alice/{name}", tmp_path / "large.bin"], capture_output=True, text=True, timeout=300
        )
    finally:
        os.unlink(script)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["sha256"] == digest
    assert said["small"] == "hello from JavaScript"
    assert set(said["files"]) == {".gitattributes", "large.bin", "small.txt"}
    # What JavaScript wrote, Python reads.
    path = alice.api.hf_hub_download(f"alice/{name}", "large.bin", cache_dir=tmp_path / "cache")
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
