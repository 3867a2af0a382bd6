"""`cargo xtask bench`: measures a release build and writes the table of `docs/benchmarks.md`.

Every row is a ratio or a cost per byte, file or request, so that runs on different machines can be compared; rows that name another
server measure it in the same run, on the same bytes, right after Karez. No row is a test: nothing fails when a figure is bad.
"""

import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests/clients"), str(Path(__file__).parent)]

import bytes_in  # noqa: E402
import bytes_out  # noqa: E402
import idle  # noqa: E402
import pages  # noqa: E402
import preview  # noqa: E402
import requests_rate  # noqa: E402
import small_files  # noqa: E402
from bench import Bench, Row  # noqa: E402
from run_page import machine, write_between  # noqa: E402

PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"

GROUPS = {
    "idle": idle.measure,
    "in": bytes_in.measure,
    "out": bytes_out.measure,
    "head": requests_rate.measure,
    "small": small_files.measure,
    "pages": pages.measure,
    "preview": preview.measure,
}


def table(rows: list[Row]) -> str:
    """The table as Markdown."""
    lines = ["| what | target | measured | beside it |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.target} | {row.measured} | {row.beside} |" for row in rows]
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="karez-bench-") as folder:
        bench = Bench(Path(folder))
        for name, measure in GROUPS.items():
            if not words or any(name.startswith(word) for word in words):
                print(f"== {name}", flush=True)
                rows += measure(bench)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[0]
    text = f"{machine()}. Commit {commit}, {day}; load average at the end {load:.1f}.\n\n" + table(rows)
    print("\n" + text)
    if not words:
        write_between(PAGE, BEGIN, END, text)


if __name__ == "__main__":
    main(sys.argv[1:])
