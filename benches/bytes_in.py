"""Bytes in, by the real client: what the server spends on each GB, on the same file again, and on a file of which 1 % changed."""

from bench import GB, Bench, Row
from data import file_of, random_bytes
from proxy import CountingProxy

FILE_BYTES = 500_000_000
TARGETS = {"random": "<= 0.6 CPU-s/GB", "bf16": "<= 1.0 CPU-s/GB", "text": "<= 0.6 CPU-s/GB"}
NAMES = {"random": "random", "bf16": "bf16-like weights", "text": "JSON text"}


def upload(bench: Bench, node, path, repo: str):
    code = f"api.create_repo('{repo}', exist_ok=True)\nbegun = time.monotonic()\napi.upload_file(path_or_fileobj='{path}', path_in_repo='file.bin', repo_id='{repo}')"
    return bench.client(node, code)


def measure(bench: Bench) -> list[Row]:
    node = bench.node()
    rows = []
    for kind, target in TARGETS.items():
        path = bench.folder / f"in-{kind}.bin"
        # Three files of the same kind, because a file that is sent twice does not travel twice.
        costs = []
        for take in range(3):
            file_of(path, kind, f"in-{kind}-{take}", FILE_BYTES)
            costs.append(upload(bench, node, path, f"bench/in-{kind}-{take}"))
        cost = min(costs, key=lambda one: one.server_secs)
        rows.append(
            Row(
                f"in, Xet, {NAMES[kind]}",
                target,
                f"{cost.server_secs * GB / FILE_BYTES:.2f} CPU-s/GB",
                f"client {cost.client_secs * GB / FILE_BYTES:.1f} CPU-s/GB; {FILE_BYTES / 1e6 / cost.wall_secs:.0f} MB/s",
            )
        )
    rows += again(bench)
    return rows


def again(bench: Bench) -> list[Row]:
    """The same bytes from clients that remember nothing, through a proxy that counts them."""
    node = bench.node()
    proxy = CountingProxy(node.port)
    node = bench.node(public_url=f"http://127.0.0.1:{proxy.port}")
    rows = []
    path = bench.folder / "again.bin"
    for kind in ("random", "bf16"):
        file_of(path, kind, f"in-{kind}-2", FILE_BYTES)
        before = proxy.counts()[0]
        cost = upload(bench, node, path, f"bench/again-{kind}")
        sent = proxy.counts()[0] - before
        rows.append(
            Row(
                f"same file again, fresh client, {NAMES[kind]}",
                "~0 xorb bytes, <= 0.1 CPU-s/GB",
                f"{sent / 1e3:,.0f} KB of {FILE_BYTES / 1e3:,.0f}, {cost.server_secs * GB / FILE_BYTES:.3f} CPU-s/GB",
                "all bytes from the client, requests and shard included",
            )
        )
        content = bytearray(path.read_bytes())
        run = FILE_BYTES // 100
        content[FILE_BYTES // 2 : FILE_BYTES // 2 + run] = random_bytes(f"changed-{kind}", run)
        path.write_bytes(content)
        del content
        before = proxy.counts()[0]
        cost = upload(bench, node, path, f"bench/changed-{kind}")
        sent = proxy.counts()[0] - before
        rows.append(
            Row(
                f"1 % changed in one run, fresh client, {NAMES[kind]}",
                "<= 1.1 % travels",
                f"{sent / FILE_BYTES * 100:.2f} % of the bytes, {cost.server_secs * GB / FILE_BYTES:.3f} CPU-s/GB",
                "all bytes from the client, requests and shard included",
            )
        )
    bench.node()
    proxy.close()
    return rows
