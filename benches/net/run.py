"""`cargo xtask bench net`: Karez over poor lines beside other programs, on the emulator; writes its table into `docs/benchmarks.md`.

Every client of every row has an emulator, an origin and a folder of its own, so several run at once; how many is bounded by the
processors, because an emulator that waits for one is not the line that it claims to be. Needs root.
"""

import argparse
import concurrent.futures
import datetime
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/clients"), str(ROOT / "benches"), str(Path(__file__).parent)]

import transfers  # noqa: E402
from clients import OTHERS, free_space_or_say, versions  # noqa: E402
from data import MIB, random_bytes  # noqa: E402
from karez_node import Karez, Template  # noqa: E402
from run_page import machine, write_between  # noqa: E402

PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- poor links: begin -->\n", "<!-- poor links: end -->\n"
SMALL = {"config.json": b'{"hidden_size": 4096}\n' * 40, "tokenizer.json": random_bytes("tokenizer", 20_000).hex().encode()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cargo xtask bench net")
    parser.add_argument("rows", nargs="*", help="only rows whose names begin with one of these words; the table is printed, not written")
    parser.add_argument("--quick", action="store_true", help="smaller files; the table is printed, not written")
    parser.add_argument("--clients", default="", help="only clients whose names begin with one of these, with commas")
    parser.add_argument("--at-once", type=int, default=3 * (os.cpu_count() or 2), help="emulators that run side by side")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    assert os.geteuid() == 0, "namespaces need root"
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if "bbr" not in available:
        print(f"this kernel has no BBR, only {' '.join(available)}: rows that say nothing else run with its default", flush=True)
    begun = datetime.datetime.now(datetime.timezone.utc)
    wanted = lambda name, words: not words or any(name.startswith(word) for word in words)  # noqa: E731
    kinds = [kind for kind in (Karez, *OTHERS) if wanted(kind.name, [word for word in given.clients.split(",") if word])]
    rows = [row for row in transfers.scenarios(given.quick) if wanted(row.name, given.rows)]
    with tempfile.TemporaryDirectory(prefix="karez-bench-net-") as name:
        folder = Path(name)
        free_space_or_say(folder, 4 << 30)
        template = Template(folder / "template")
        needs_second = Karez in kinds and any("c" in row.origins.split() for row in rows)
        template.fill({row.file: row.file_bytes for row in rows}, SMALL, needs_second)
        outcomes: dict[str, dict[str, str]] = {row.name: {} for row in rows}
        lock = threading.Lock()

        def one(number: int, row: transfers.Scenario, kind: type) -> None:
            try:
                cell = transfers.run(row, kind, template, folder / f"run-{number}", number % 250 + 1).cell()
            except Exception as error:  # noqa: BLE001 - one broken run must not take the others with it
                traceback.print_exc()
                cell = f"did not run: {str(error).splitlines()[0][:80] if str(error) else type(error).__name__}"
            with lock:
                outcomes[row.name][kind.name] = cell
                print(f"{row.name}, {kind.name}: {cell}", flush=True)

        with concurrent.futures.ThreadPoolExecutor(given.at_once) as pool:
            jobs = [(row, kind) for row in rows for kind in kinds if wanted(kind.name, row.clients)]
            for future in [pool.submit(one, number, row, kind) for number, (row, kind) in enumerate(jobs)]:
                future.result()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    ended = datetime.datetime.now(datetime.timezone.utc)
    text = (f"{machine()}. Commit {commit}, {begun:%Y-%m-%d %H:%M UTC}, {(ended - begun).seconds // 60} min; seed of every line {transfers.SEED}; "
            f"load average at the end {os.getloadavg()[0]:.1f}. Beside Karez: {versions()}.\n\n")
    text += "| line, and what happens | target | " + " | ".join(kind.name for kind in kinds) + " |\n" + "|---" * (len(kinds) + 2) + "|\n"
    for row in rows:
        text += f"| {row.what} | {row.target} | " + " | ".join(outcomes[row.name].get(kind.name, "") for kind in kinds) + " |\n"
    print("\n" + text)
    if not (given.rows or given.quick or given.clients):
        write_between(PAGE, BEGIN, END, text)


if __name__ == "__main__":
    main()
