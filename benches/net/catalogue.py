"""Rows about the catalogue: what a follower of everything receives, at first, on a day, for asking in vain, and how late it is."""

import http.client
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests/clients"))

from karez_node import PORT, NetNode, wait_for
from line import Line, Shape
from node import Node

SEED = 20261124
SHAPE = Shape(10_000_000, 300, 1)
POLL_SECS = 4
VAIN_POLLS, NEWS_TURNS, NEWS_REPOS = 10, 10, 2
OPENINGS = 5
#: What is under way after a question has been answered must not count for the next.
SETTLE_SECS = 0.5

#: Publications a day that all nodes together are assumed to make, and nodes that one follows.
DAY_ENTRIES, NODES, CATALOGUE_ENTRIES = 20_000, 193, 2_035_000
FILL_THREADS = 4
OWNERS = 60


class Asker:
    """One connection to a node, as somebody."""

    def __init__(self, port: int, token: str):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.token = token

    def post(self, path: str, body: bytes, kind: str = "application/json") -> None:
        self.connection.request("POST", path, body, {"Authorization": f"Bearer {self.token}", "Content-Type": kind})
        answer = self.connection.getresponse()
        said = answer.read()
        assert answer.status == 200, (path, answer.status, said)

    def publish(self, owner: str, name: str, card: str) -> None:
        """A public model with a card: the log gets one entry for the repository and one for the commit."""
        self.post("/api/repos/create", json.dumps({"type": "model", "organization": owner, "name": name}).encode())
        lines = [{"key": "header", "value": {"summary": "Card"}}, {"key": "file", "value": {"path": "README.md", "content": card, "encoding": "utf-8"}}]
        self.post(f"/api/models/{owner}/{name}/commit/main", "\n".join(map(json.dumps, lines)).encode(), "application/x-ndjson")


def invented(mark: str, number: int) -> tuple[str, str, str]:
    """Owner, name and card of a model, as different from each other as real ones are."""
    source = random.Random(f"{mark}/{number}")
    words, sizes = ["river", "atlas", "luma", "kite", "sage", "onyx", "terra", "nova", "delta", "ember", "quill", "mosaic"], ["0.5B", "1.5B", "3B", "8B", "14B", "70B"]
    name = f"{source.choice(words)}-{source.choice(words)}-{source.choice(sizes)}-{source.choice(['base', 'chat', 'instruct', 'lora', 'gguf', 'awq'])}-{source.getrandbits(28):x}"
    tags = source.sample(["finetuned", "merge", "lora", "quantized", "4-bit", "8-bit", "medical", "legal", "code", "speech", "vision", "rlhf"], source.randint(0, 4))
    languages = source.sample(["en", "fr", "sw", "tg", "ky", "am", "yo", "ha", "zu", "qu", "gn", "bn", "ne", "km"], source.randint(1, 3))
    card = {
        "license": source.choice(["apache-2.0", "mit", "cc-by-4.0", "llama3", "gemma", "other"]), "tags": tags, "language": languages,
        "library_name": source.choice(["transformers", "gguf", "peft", "diffusers", "sentence-transformers"]),
        "pipeline_tag": source.choice(["text-generation", "automatic-speech-recognition", "translation", "image-classification", "feature-extraction"]),
        "base_model": f"{source.choice(words)}/{source.choice(words)}-{source.choice(sizes)}",
    }
    # A value of JSON on one line is one of YAML.
    lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in card.items())
    return f"owner-{min(source.randrange(OWNERS), source.randrange(OWNERS))}", name, f"---\n{lines}---\n# {name}\n"


def fill(port: int, token: str, count: int, mark: str) -> float:
    """Publishes so many repositories and returns the seconds it took."""
    begun = time.monotonic()

    def part(first: int) -> None:
        asker = Asker(port, token)
        for number in range(first, count, FILL_THREADS):
            asker.publish(*invented(mark, number))

    threads = [threading.Thread(target=part, args=(first,)) for first in range(FILL_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begun


@dataclass
class Measured:
    """What following one log cost."""

    entries: int
    full_bytes: int
    full_up_bytes: int
    full_secs: float
    #: Bytes both ways for opening and closing a connection, at IP level: whoever asks every hour does so each time.
    opening_bytes: float
    #: Bytes both ways for a question whose answer is that nothing is new, over a connection that is open.
    poll_bytes: float
    #: Bytes both ways for a question whose answer is a few new entries, over a connection that is open.
    news_bytes: float
    news_entries: int
    lags_secs: list[float]
    poll_secs: int


def size(node: NetNode) -> int:
    """Entries of the peer's log that the node has read."""
    with sqlite3.connect(f"file:{node.data}/catalog.sqlite?mode=ro", uri=True) as catalog:
        return next(iter(catalog.execute("SELECT size FROM feed")), (0,))[0]


def polled(node: NetNode) -> int:
    with sqlite3.connect(f"file:{node.data}/catalog.sqlite?mode=ro", uri=True) as catalog:
        return next(iter(catalog.execute("SELECT polled FROM feed")), (0,))[0]


def published(node: Node) -> int:
    """Entries of the node's own log."""
    with sqlite3.connect(f"file:{node.data}/catalog.sqlite?mode=ro", uri=True) as catalog:
        return catalog.execute("SELECT count(*) FROM log_entry").fetchone()[0]


def opening(line: Line, prefix: list[str], address: str) -> float:
    """Bytes both ways, at IP level, for a connection on which nothing is asked."""
    line.reset()
    code = f"import socket, time\nfor _ in range({OPENINGS}):\n    socket.create_connection(({address!r}, {PORT})).close()\n    time.sleep(1)\n"
    subprocess.run([*prefix, sys.executable, "-c", code], check=True)
    carried = line.counters()
    return (carried.down_bytes + carried.up_bytes) / OPENINGS


def measure(folder: Path, number: int, entries: int) -> Measured:
    """Fills a log, lets a node on the poor side read it, then asks in vain, then publishes little by little."""
    folder.mkdir(parents=True)
    filled = Node(folder / "origin").start()
    token = filled.user("bench")
    for number in range(OWNERS):
        filled.organization(f"owner-{number}", bench="admin")
    took = fill(filled.port, token, entries // 2, "full")
    print(f"   {entries} entries published in {took:.0f} s", flush=True)
    filled.stop()
    with Line(number, SHAPE, SEED) as line:
        origin = NetNode(folder / "origin", line, "a", public_url=f"http://{line.address('a')}:{PORT}").start()
        opening_bytes = opening(line, line.prefix("b"), line.address("a"))
        here = NetNode(folder / "here", line, "b", **{"federation.poll_secs": str(POLL_SECS)}).start()
        try:
            wanted = published(origin)
            line.reset()
            here.run("peer", "add", origin.endpoint, "--yes", "--allow-private", "--name", "origin")
            secs = wait_for("the whole catalogue", lambda: size(here) >= wanted, 600)
            full = line.counters()
            # The first conversation goes on after the catalogue: with what the other node has seen and holds.
            polls, last = 0, polled(here)
            wait_for("a question", lambda: polled(here) != last, 20 * POLL_SECS)
            time.sleep(SETTLE_SECS)
            line.reset()
            last = polled(here)
            while polls < VAIN_POLLS:
                wait_for("a question", lambda: polled(here) != last, 20 * POLL_SECS)
                last, polls = polled(here), polls + 1
            both = line.counters()
            lags, news = [], []
            for turn in range(NEWS_TURNS):
                # Right after a question: the next one finds all of it, and comes as late as it may.
                last = polled(here)
                wait_for("a question", lambda: polled(here) != last, 20 * POLL_SECS)
                time.sleep(SETTLE_SECS)
                line.reset()
                words = [sys.executable, __file__, str(PORT), token, str(NEWS_REPOS), f"news{turn:02}"]
                subprocess.run([*origin.prefix, *words], check=True)
                since, now = time.monotonic(), published(origin)
                wait_for("news", lambda: size(here) >= now, 30 * POLL_SECS)
                lags.append(time.monotonic() - since)
                news.append(line.counters())
            return Measured(
                wanted, full.down_bytes, full.up_bytes, secs, opening_bytes, (both.down_bytes + both.up_bytes) / polls,
                sum(one.down_bytes + one.up_bytes for one in news) / NEWS_TURNS, 2 * NEWS_REPOS, lags, POLL_SECS,
            )
        finally:
            here.remove()
            origin.remove()


def entries_of(found: Measured) -> list[tuple[str, str, str]]:
    """The rows: what, target, measured."""
    each = found.full_bytes / found.entries
    rounds = NODES * 24
    vain, news = found.opening_bytes + found.poll_bytes, found.opening_bytes + found.news_bytes
    day = rounds * news
    lag = max(found.lags_secs) / found.poll_secs
    return [
        (f"catalogue, all of it: {CATALOGUE_ENTRIES / 1e6:.3f} M entries, from {found.entries:,} over 10 Mbit/s, 300 ms, 1 % loss", "<= 260 MB",
         f"**{each * CATALOGUE_ENTRIES / 1e6:.0f} MB** = {each:.0f} bytes an entry at IP level, {found.full_up_bytes / found.full_bytes:.1%} of it up as well; "
         f"{found.entries / found.full_secs:,.0f} entries a second, checked and stored"),
        (f"catalogue, a day: {NODES} nodes asked every hour, {found.news_entries} new entries each time", "<= 10 MB",
         f"**{day / 1e6:.1f} MB** both ways for {rounds * found.news_entries:,} entries; {news:,.0f} bytes a question "
         f"with its answer, {found.opening_bytes:,.0f} of them for opening and closing the connection"),
        ("catalogue, a question in vain", "about 1 KB",
         f"**{vain:,.0f} bytes** both ways; {found.poll_bytes:,.0f} where the connection is open"),
        (f"catalogue, from publication to being known, {len(found.lags_secs)} times", "<= 2 periods of asking",
         f"**{lag:.1f} periods** at worst, median {statistics.median(found.lags_secs) / found.poll_secs:.1f}; the period was {found.poll_secs} s"),
    ]


if __name__ == "__main__":
    fill(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
