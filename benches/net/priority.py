"""The first bytes that somebody can use, while the line is full of large files."""

import statistics
import subprocess
import threading
import time
from pathlib import Path

from clients import Aria, Looped
from data import MIB
from karez_node import PORT, Karez, Template
from line import Line, Shape
from transfers import spread

SHAPE = Shape(2_000_000, 300, 1)
#: Files that fill the line, and the one whose head is wanted.
QUEUED, WANTED = ("17.bin", "18.bin", "19.bin"), "20.bin"
FILES = {name: int(name.partition(".")[0]) * MIB for name in (*QUEUED, WANTED)}
HEAD_BYTES = 64 << 10
BOUND_SECS = 3 * SHAPE.rtt_ms / 1000 + SHAPE.bound_secs(HEAD_BYTES)

WHAT = "first 64 KiB of one file while three others fill the line; 2 Mbit/s, 1 % loss"
TARGET = f"<= 3 RTT + size / R = {BOUND_SECS:.2f} s"
CLIENTS: tuple[type[Looped], ...] = (Karez, Aria)


def run(kind: type[Looped], template: Template, folder: Path, number: int, seed: int) -> float | str:
    """Fills the line with one client and measures how many seconds the head of another file takes: through the node, or by curl beside aria2."""
    folder.mkdir(parents=True)
    with Line(number, SHAPE, seed) as line:
        origin = template.origin(folder / "origin", line, "a")
        over, clients, threads = threading.Event(), [], []
        try:
            first = kind(line, folder / "client")
            first.prepare([origin.endpoint])
            clients.append(first)
            line.reset()
            for name in QUEUED:
                client = first if kind is Karez else kind(line, folder / name)
                if client is not first:
                    client.prepare([origin.endpoint])
                    clients.append(client)
                threads.append(threading.Thread(target=ask, args=(client, name, over), daemon=True))
                threads[-1].start()
            while line.counters().body_bytes < MIB:
                time.sleep(0.05)
            base = f"http://127.0.0.1:{PORT}" if kind is Karez else origin.endpoint
            return head(line, f"{base}/bench/files/resolve/main/{WANTED}")
        finally:
            over.set()
            for thread in threads:
                thread.join()
            for client in clients:
                client.close()
            origin.remove()


def ask(client: Looped, name: str, over: threading.Event) -> None:
    """Asks for a file until the measurement is over, beside whatever else the client does."""
    words = [*client.line.prefix("b"), *client.command("bench/files", name)]
    process = subprocess.Popen(words, cwd=client.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    over.wait()
    process.kill()
    process.wait()


def head(line: Line, url: str) -> float | str:
    words = ["curl", "-sSfL", "-m", "120", "-r", f"0-{HEAD_BYTES - 1}", "-o", "/dev/null", "-w", "%{size_download} %{time_total}", url]
    done = subprocess.run([*line.prefix("b"), *words], capture_output=True, text=True)
    if done.returncode:
        return f"not in 120 s: {done.stderr.strip()[:80]}"
    size, secs = done.stdout.split()
    assert int(size) == HEAD_BYTES, f"{size} bytes came"
    return float(secs)


def cell(kind: type[Looped], outcomes: list[float | str]) -> str:
    """What came with each seed: the seconds in the middle and the range, or what was in the way."""
    troubles = [outcome for outcome in outcomes if isinstance(outcome, str)]
    if troubles:
        return troubles[0]
    return f"**{statistics.median(outcomes):.2f} s**{spread(outcomes, 2)}" + ("" if kind is Karez else " (curl beside it)")
