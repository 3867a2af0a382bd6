"""HEAD of a file, the first request of every download, as fast as 32 connections can ask, with the node and the asker on a core each."""

import json
import os
import subprocess

from bench import Bench, Row


def measure(bench: Bench) -> list[Row]:
    node = bench.node()
    bench.client(
        node,
        "import random\napi.create_repo('bench/head', exist_ok=True)\n"
        "api.create_commit('bench/head', [CommitOperationAdd('config.json', b'{}'), CommitOperationAdd('model.bin', random.Random(1).randbytes(3_000_000))], commit_message='m')",
    )
    several = (os.cpu_count() or 1) > 1
    if several:
        subprocess.run(["taskset", "--all-tasks", "--pid", "1", str(node.process.pid)], check=True, capture_output=True)
    rows = []
    for what, path, headers in (
        ("small file, anonymous", "config.json", []),
        ("chunked file, anonymous", "model.bin", []),
        ("chunked file, with a token", "model.bin", ["--header", f"Authorization: Bearer {bench.token}"]),
    ):
        command = [os.environ["KAREZ_BENCH_LOAD"], "load", f"127.0.0.1:{node.port}", f"/bench/head/resolve/main/{path}", *headers]
        before = node.cpu_secs()
        done = subprocess.run((["taskset", "2"] if several else []) + command, capture_output=True, text=True, check=True)
        spent = node.cpu_secs() - before
        said = json.loads(done.stdout)
        rows.append(
            Row(
                f"HEAD resolve, {what}",
                ">= 10,000/s on one core, p99 <= 10 ms",
                f"{said['requests'] / said['secs']:,.0f}/s, p99 {said['p99_micros'] / 1000:.1f} ms",
                f"p50 {said['p50_micros'] / 1000:.1f} ms, {spent / said['requests'] * 1e6:.0f} us CPU a request; 32 connections, node and asker on a core each",
            )
        )
    if several:
        subprocess.run(["taskset", "--all-tasks", "--pid", "ffffffff", str(node.process.pid)], capture_output=True)
        bench._node.stop()
        bench._node.start()
    return rows
