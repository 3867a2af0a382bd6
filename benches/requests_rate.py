"""HEAD of a file, the first request of every download, as fast as `wrk` can ask, with the node on one core and `wrk` on another."""

import os
import re
import subprocess

from bench import Bench, Row

SCRIPT = """
wrk.method = "HEAD"
done = function(summary, latency)
  io.write(string.format("P50 %d P99 %d MAX %d REQUESTS %d MICROS %d ERRORS %d\\n", latency:percentile(50), latency:percentile(99),
    latency.max, summary.requests, summary.duration, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def measure(bench: Bench) -> list[Row]:
    node = bench.node()
    bench.client(
        node,
        "import random\napi.create_repo('bench/head', exist_ok=True)\n"
        "api.create_commit('bench/head', [CommitOperationAdd('config.json', b'{}'), CommitOperationAdd('model.bin', random.Random(1).randbytes(3_000_000))], commit_message='m')",
    )
    script = bench.folder / "head.lua"
    script.write_text(SCRIPT)
    several = (os.cpu_count() or 1) > 1
    if several:
        subprocess.run(["taskset", "--all-tasks", "--pid", "1", str(node.process.pid)], check=True, capture_output=True)
    rows = []
    for what, path, headers in (
        ("small file, anonymous", "config.json", []),
        ("chunked file, anonymous", "model.bin", []),
        ("chunked file, with a token", "model.bin", ["-H", f"Authorization: Bearer {bench.token}"]),
    ):
        url = f"{node.endpoint}/bench/head/resolve/main/{path}"
        command = ["wrk", "--threads", "1", "--connections", "32", "--duration", "8s", "--script", str(script), *headers, url]
        before = node.cpu_secs()
        done = subprocess.run((["taskset", "2"] if several else []) + command, capture_output=True, text=True, check=True)
        spent = node.cpu_secs() - before
        found = dict(re.findall(r"(P50|P99|MAX|REQUESTS|MICROS|ERRORS) (\d+)", done.stdout))
        rate = int(found["REQUESTS"]) * 1e6 / int(found["MICROS"])
        rows.append(
            Row(
                f"HEAD resolve, {what}",
                ">= 10,000/s on one core, p99 <= 10 ms",
                f"{rate:,.0f}/s, p99 {int(found['P99']) / 1000:.1f} ms",
                f"p50 {int(found['P50']) / 1000:.1f} ms, {spent / int(found['REQUESTS']) * 1e6:.0f} us CPU a request, {found['ERRORS']} errors; 32 connections, node and wrk on a core each",
            )
        )
    if several:
        subprocess.run(["taskset", "--all-tasks", "--pid", "ffffffff", str(node.process.pid)], capture_output=True)
        bench._node.stop()
        bench._node.start()
    return rows
