"""Plain requests, and git as a test needs it: without the settings of whoever runs it."""

import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path


def get(url: str, token: str | None = None, method: str | None = None, data: bytes | None = None, **headers: str) -> tuple[int, dict, bytes]:
    """Status, headers and body of an answer, whatever it is. With data it is a POST."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=120) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def git(*arguments: str, cwd: Path, fails: bool = False) -> str:
    """Runs git with LFS and returns what it printed."""
    environment = dict(os.environ) | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "HOME": str(cwd),
    }
    lfs = ("-c", "filter.lfs.smudge=git-lfs smudge -- %f", "-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true")
    done = subprocess.run(["git", *lfs, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert (done.returncode != 0) == fails, f"git {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
