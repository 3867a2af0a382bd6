"""Rows at random places of a Parquet file of a gigabyte, and statistics of all of it, beside DuckDB and PyArrow on the same bytes."""

import os
import random
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from bench import Bench, Row

#: Bytes of the file, at least; fewer for a quick look.
FILE_BYTES = int(os.environ.get("KAREZ_BENCH_PREVIEW_BYTES", 1_000_000_000))
OFFSETS = 20
WORDS = "water school ምግብ مياه 健康 радость maji mvua siku clinic harvest rain path data 学校 दिन पानी écoles niños".split()

MAKE = """
import random, sys
import pyarrow, pyarrow.parquet
path, wanted, words = sys.argv[1], int(sys.argv[2]), sys.argv[3].split()
numbers, first = random.Random(1), 0
schema = pyarrow.schema([("id", pyarrow.int64()), ("year", pyarrow.int32()), ("lang", pyarrow.string()), ("source", pyarrow.string()),
                         ("score", pyarrow.float64()), ("flag", pyarrow.bool_()), ("title", pyarrow.string()), ("text", pyarrow.string())])
with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
    while writer.file_handle.tell() < wanted:
        rows = 100_000
        noise = [numbers.randbytes(60).hex() for _ in range(2_000)]
        texts = [" ".join(numbers.choices(words, k=20)) for _ in range(4_000)]
        writer.write_table(pyarrow.table([
            list(range(first, first + rows)), [1990 + n % 35 for n in range(rows)], [numbers.choice(["en", "sw", "am", "ar"]) for _ in range(rows)],
            [f"source-{numbers.randrange(5_000)}" for _ in range(rows)], [numbers.random() for _ in range(rows)], [n % 3 == 0 for n in range(rows)],
            [numbers.choice(texts)[:40] for _ in range(rows)],
            [f"{numbers.choice(texts)} {numbers.choice(texts)} {numbers.choice(noise)} {numbers.random()}" for _ in range(rows)],
        ], schema=schema), row_group_size=rows)
        first += rows
print(first)
"""

DUCKDB = """
import resource, sys
import duckdb
duckdb.sql("SET threads=2")
begun = resource.getrusage(resource.RUSAGE_SELF)
for offset in map(int, sys.argv[2].split(",")):
    assert len(duckdb.sql(f"SELECT * FROM read_parquet('{sys.argv[1]}') LIMIT 100 OFFSET {offset}").fetchall()) == 100
ended = resource.getrusage(resource.RUSAGE_SELF)
print(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime, ended.ru_maxrss)
"""

PYARROW = """
import resource, sys
import pyarrow.parquet
begun = resource.getrusage(resource.RUSAGE_SELF)
for offset in map(int, sys.argv[2].split(",")):
    file = pyarrow.parquet.ParquetFile(sys.argv[1])
    first = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if first + rows > offset:
            assert file.read_row_group(group).slice(offset - first, 100).to_pylist()
            break
        first += rows
ended = resource.getrusage(resource.RUSAGE_SELF)
print(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime, ended.ru_maxrss)
"""

SUMMARIZE = """
import resource, sys
import duckdb
duckdb.sql("SET threads=2")
begun = resource.getrusage(resource.RUSAGE_SELF)
duckdb.sql(f"SUMMARIZE SELECT * FROM read_parquet('{sys.argv[1]}')").fetchall()
ended = resource.getrusage(resource.RUSAGE_SELF)
print(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime, ended.ru_maxrss)
"""


class Children:
    """Watches the largest memory of the children of a process."""

    def __init__(self, pid: int):
        self.pid, self.most, self.stops = pid, 0, False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.stops:
            try:
                for child in children_of(self.pid):
                    # Until it runs its own program, a child shares the memory of its parent, and would be counted with that.
                    if b"preview-worker" not in Path(f"/proc/{child}/cmdline").read_bytes():
                        continue
                    for line in Path(f"/proc/{child}/status").read_text().splitlines():
                        if line.startswith("VmHWM"):
                            self.most = max(self.most, int(line.split()[1]) * 1_024)
            except OSError:
                pass
            time.sleep(0.002)

    def stop(self) -> int:
        self.stops = True
        self.thread.join()
        return self.most


def children_of(pid: int) -> list[str]:
    """The children of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return " ".join((task / "children").read_text() for task in tasks).split()


def cpu_secs(pid: int) -> float:
    """Processor time of a process and of its children, in seconds. What a child used counts once it has ended and was waited for."""
    while children_of(pid):
        time.sleep(0.002)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def other(code: str, *arguments: str) -> tuple[float, float]:
    """Runs code in the environment that has DuckDB; returns processor seconds and megabytes."""
    python = os.environ.get("KAREZ_BENCH_PYTHON", sys.executable)
    output = subprocess.run([python, "-c", code, *arguments], capture_output=True, text=True, check=True).stdout.split()[-2:]  # A bar of progress may stand before.
    return float(output[0]), int(output[1]) * 1_024 / 1e6


def measure(bench: Bench) -> list[Row]:
    node = bench.node()
    path = bench.folder / "large.parquet"
    count = int(subprocess.run([sys.executable, "-c", MAKE, path, str(FILE_BYTES), " ".join(WORDS)], capture_output=True, text=True, check=True).stdout)
    bench.client(
        node,
        'api.create_repo("bench/preview", repo_type="dataset", exist_ok=True)\n'
        f'api.upload_file(path_or_fileobj={str(path)!r}, path_in_repo="data.parquet", repo_id="bench/preview", repo_type="dataset")\n',
    )
    of_split = {"dataset": "bench/preview", "config": "default", "split": "train"}

    def ask(what: str, **more) -> bytes:
        request = urllib.request.Request(f"{node.direct}/datasets-server/{what}?" + urllib.parse.urlencode(of_split | more), headers={"Authorization": f"Bearer {bench.token}"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.read()

    ask("rows", offset=0, length=1)
    offsets = random.Random(2).sample(range(count - 100), OFFSETS)
    children, begun, memory = Children(node.process.pid), cpu_secs(node.process.pid), node.memory_bytes()
    for offset in offsets:
        ask("rows", offset=offset, length=100)
    rows_secs = (cpu_secs(node.process.pid) - begun) / OFFSETS
    rows_grew, rows_child = node.memory_bytes() - memory, children.stop()
    children, begun = Children(node.process.pid), cpu_secs(node.process.pid)
    figures = ask("statistics")
    statistics_secs, statistics_child = cpu_secs(node.process.pid) - begun, children.stop()
    is_partial = b'"partial":true' in figures
    text = ",".join(map(str, offsets))
    duck_secs, duck_mb = other(DUCKDB, str(path), text)
    arrow_secs, arrow_mb = other(PYARROW, str(path), text)
    summary_secs, summary_mb = other(SUMMARIZE, str(path))
    size = path.stat().st_size
    name = f"Parquet file of {size / 1e9:.2f} GB, {count:,} rows"
    return [
        Row(f"`/rows`, 100 rows at random places of a {name}: CPU for each", "50 ms", f"{rows_secs * 1e3:.0f} ms",
            f"DuckDB {duck_secs / OFFSETS * 1e3:.0f} ms, PyArrow (whole row groups) {arrow_secs / OFFSETS * 1e3:.0f} ms, in one process each that stays"),
        Row("the same: memory", "64 MB", f"child {rows_child / 1e6:.0f} MB at most, node +{rows_grew / 1e6:.0f} MB", f"DuckDB {duck_mb:.0f} MB, PyArrow {arrow_mb:.0f} MB"),
        Row("statistics of all columns of it" + (", stopped by its time" if is_partial else ""), "-",
            f"{statistics_secs:.1f} CPU-s, {size / 1e9 / statistics_secs:.3f} GB of file per CPU-s, child {statistics_child / 1e6:.0f} MB",
            f"DuckDB SUMMARIZE {summary_secs:.1f} CPU-s, {summary_mb:.0f} MB"),
    ]
