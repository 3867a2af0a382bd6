"""The program before anybody asks it for anything."""

import time

from bench import Bench, Row
from node import Node, program


def measure(bench: Bench) -> list[Row]:
    size = program().stat().st_size / 1e6
    node = Node(bench.folder / "idle").start()
    first = node.start_secs
    node.stop()
    starts = []
    for _ in range(7):
        node.start()
        starts.append(node.start_secs)
        time.sleep(0.5)
        memory = node.memory_bytes() / (1 << 20)
        node.stop()
    node.remove()
    return [
        Row("program, stripped", "<= 40 MB", f"{size:.1f} MB"),
        Row("cold start, from exec to an answer of `/readyz`", "<= 0.1 s", f"{sorted(starts)[3]:.3f} s (median of 7)", f"first start, with keys and database made: {first:.3f} s"),
        Row("idle memory (RSS)", "<= 30 MiB", f"{memory:.1f} MiB"),
    ]
