"""Two hundred files of 4 KiB: pushed in one commit by the real client, pulled one by one."""

from bench import Bench, Row, best
from data import random_bytes

FILES = 200


def measure(bench: Bench) -> list[Row]:
    node = bench.node()
    rows = []
    for what, suffix in (("chunked (.bin)", "bin"), ("plain git blobs (.txt)", "txt")):
        pushes, pulls, clients = [], [], []
        for take in range(3):
            folder = bench.folder / f"small-{suffix}-{take}"
            folder.mkdir()
            for number in range(FILES):
                (folder / f"{number:03}.{suffix}").write_bytes(random_bytes(f"small/{suffix}/{take}/{number}", 4096))
            repo = f"bench/small-{suffix}-{take}"
            pushes.append(
                bench.client(
                    node,
                    f"from pathlib import Path\napi.create_repo('{repo}')\nbegun = time.monotonic()\n"
                    f"api.create_commit('{repo}', [CommitOperationAdd(path.name, path) for path in sorted(Path('{folder}').iterdir())], commit_message='m')",
                )
            )
            urls = [(f"{node.endpoint}/{repo}/resolve/main/{number:03}.{suffix}", "") for number in range(FILES)]
            pulls.append(bench.curl(node, urls))
            clients.append(bench.client(node, f"for number in range({FILES}):\n    hf_hub_download('{repo}', f'{{number:03}}.{suffix}')"))
        push, pull, client = best(pushes), best(pulls), best(clients)
        rows.append(
            Row(
                f"200 files of 4 KiB in one commit, {what}",
                "<= 0.3 CPU-s",
                f"{push.server_secs:.2f} CPU-s",
                f"wall {push.wall_secs:.2f} s, client {push.client_secs:.1f} CPU-s",
            )
        )
        rows.append(
            Row(
                f"the same pulled one by one, {what}",
                "<= 0.5 ms server CPU a file",
                f"{pull.server_secs / FILES * 1e3:.2f} ms a file (curl), {client.server_secs / FILES * 1e3:.2f} ms (hf_hub_download)",
                f"wall {pull.wall_secs / FILES * 1e3:.1f} ms a file (curl), {client.wall_secs / FILES * 1e3:.1f} ms (hf_hub_download)",
            )
        )
    return rows
