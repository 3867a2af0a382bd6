"""`cargo xtask bench net`: Karez over poor lines beside other programs, on the emulator; writes its table into `docs/benchmarks.md`.

Every client of every row has an emulator, an origin and a folder of its own, so several run at once; how many is bounded by the
processors, because an emulator that waits for one is not the line that it claims to be. Needs root.
"""

import argparse
import concurrent.futures
import datetime
import functools
import itertools
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/clients"), str(ROOT / "benches"), str(Path(__file__).parent)]

import catalogue  # noqa: E402
import priority  # noqa: E402
import transfers  # noqa: E402
from clients import OTHERS, free_space_or_say, versions  # noqa: E402
from data import MIB, random_bytes  # noqa: E402
from karez_node import Karez, Template  # noqa: E402
from run_page import machine, write_between  # noqa: E402

PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- poor links: begin -->\n", "<!-- poor links: end -->\n"
#: Entries of the log that the catalogue is extrapolated from.
ENTRIES, QUICK_ENTRIES = 100_000, 4_000
SMALL = {"config.json": b'{"hidden_size": 4096}\n' * 40, "tokenizer.json": random_bytes("tokenizer", 20_000).hex().encode()}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cargo xtask bench net")
    parser.add_argument("rows", nargs="*", help="only rows whose names begin with one of these words; the table is printed, not written")
    parser.add_argument("--quick", action="store_true", help="smaller files; the table is printed, not written")
    parser.add_argument("--clients", default="", help="only clients whose names begin with one of these, with commas")
    parser.add_argument("--seeds", type=int, default=0, help="runs with other lost packets, 1-3; 3 when nothing is said, 1 of a quick run")
    parser.add_argument("--at-once", type=int, default=3 * (os.cpu_count() or 2), help="emulators that run side by side")
    return parser.parse_args()


@dataclass
class Entry:
    """One row of the table: what every program did."""

    what: str
    target: str
    cells: dict[str, str] = field(default_factory=dict)


@dataclass
class Measurement:
    """One client in one row, with each seed."""

    row: str
    client: str
    work: Callable[[int], object]
    cell: Callable[[list], str]
    outcomes: list = field(default_factory=list)

    def attempt(self, seed: int) -> None:
        """Measures with one seed. One that breaks must not take the others with it: it says so in its cell."""
        try:
            outcome, said = self.work(seed), ""
            said = self.cell([outcome])
        except Exception as error:  # noqa: BLE001 - see above
            traceback.print_exc()
            outcome = said = f"did not run: {(str(error) or type(error).__name__).splitlines()[0][:80]}"
        self.outcomes.append(outcome)
        print(f"{self.row}, {self.client}, seed {seed}: {said}", flush=True)

    def result(self) -> str:
        broken = [outcome for outcome in self.outcomes if isinstance(outcome, str)]
        return broken[0] if broken else self.cell(self.outcomes)


def catalogue_rows(folder: Path, entries: int) -> list[tuple[str, str, str]]:
    try:
        return catalogue.entries_of(catalogue.measure(folder, 250, entries))
    except Exception as error:  # noqa: BLE001 - the other rows are still worth having
        traceback.print_exc()
        return [("catalogue", "", f"did not run: {(str(error) or type(error).__name__).splitlines()[0][:80]}")]


def main() -> None:
    given = arguments()
    assert os.geteuid() == 0, "namespaces need root"
    available = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if "bbr" not in available:
        print(f"this kernel has no BBR, only {' '.join(available)}: every sender uses cubic", flush=True)
    begun = datetime.datetime.now(datetime.timezone.utc)
    seeds = transfers.SEEDS[: given.seeds or (1 if given.quick else len(transfers.SEEDS))]
    wanted = lambda name, words: not words or any(name.startswith(word) for word in words)  # noqa: E731
    kinds = [kind for kind in (Karez, *OTHERS) if wanted(kind.name, [word for word in given.clients.split(",") if word])]
    rows = [row for row in transfers.scenarios(given.quick) if wanted(row.name, given.rows)]
    has_priority = wanted("priority", given.rows)
    table: dict[str, Entry] = {row.name: Entry(row.what, row.target) for row in rows}
    if has_priority:
        table["priority"] = Entry(priority.WHAT, priority.TARGET)
    with tempfile.TemporaryDirectory(prefix="karez-bench-net-") as name:
        folder = Path(name)
        free_space_or_say(folder, 4 << 30)
        template = Template(folder / "template")
        files = {row.file: row.file_bytes for row in rows} | (priority.FILES if has_priority else {})
        if files:
            template.fill(files, SMALL, Karez in kinds and any("c" in row.origins.split() for row in rows))

        numbers = itertools.count(1)

        def place() -> tuple[Path, int]:
            number = next(numbers)
            return folder / f"run-{number}", number

        def transfer(row: transfers.Scenario, kind: type) -> Measurement:
            return Measurement(row.name, kind.name, lambda seed: transfers.run(row, kind, template, *place(), seed), transfers.cell)

        def first(kind: type) -> Measurement:
            return Measurement("priority", kind.name, lambda seed: priority.run(kind, template, *place(), seed), functools.partial(priority.cell, kind))

        measurements = [transfer(row, kind) for row in rows for kind in kinds if wanted(kind.name, list(row.clients))]
        measurements += [first(kind) for kind in priority.CLIENTS if has_priority and kind in kinds]
        if Karez in kinds and wanted("catalogue", given.rows):
            # Alone: filling a log keeps a processor busy, and an emulator that waits is not the line that it claims to be.
            for what, target, cell in catalogue_rows(folder / "catalogue", QUICK_ENTRIES if given.quick else ENTRIES):
                table[what] = Entry(what, target, {Karez.name: cell})
        with concurrent.futures.ThreadPoolExecutor(given.at_once) as pool:
            list(pool.map(lambda job: job[1].attempt(job[0]), itertools.product(seeds, measurements)))
        for measurement in measurements:
            table[measurement.row].cells[measurement.client] = measurement.result()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    ended = datetime.datetime.now(datetime.timezone.utc)
    text = (f"{machine()}. Commit {commit}, {begun:%Y-%m-%d %H:%M UTC}, {(ended - begun).seconds // 60} min; seeds of the lines {', '.join(map(str, seeds))}: the run in the middle, and the range; "
            f"load average at the end {os.getloadavg()[0]:.1f}. Beside Karez: {versions()}.\n\n")
    text += "| line, and what happens | target | " + " | ".join(kind.name for kind in kinds) + " |\n" + "|---" * (len(kinds) + 2) + "|\n"
    for entry in table.values():
        text += f"| {entry.what} | {entry.target} | " + " | ".join(entry.cells.get(kind.name, "") for kind in kinds) + " |\n"
    print("\n" + text)
    if not (given.rows or given.quick or given.clients):
        write_between(PAGE, BEGIN, END, text)


if __name__ == "__main__":
    main()
