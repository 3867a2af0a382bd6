"""Bytes out: raw ranges beside nginx on the same files, decoded files, and the real client beside the same client on nginx."""

import json
import urllib.request

from bench import GB, Bench, Nginx, Row, best
from data import file_of
from node import Node

FILE_BYTES = 500_000_000
ROUNDS = 3
KINDS = ("random", "bf16", "text")
NAMES = {"random": "random", "bf16": "bf16-like weights", "text": "JSON text"}


def fetch(url: str, token: str = "") -> tuple[dict, dict]:
    """The JSON body and the headers of an answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
        return json.loads(body) if body[:1] in (b"{", b"[") else {}, {name.lower(): value for name, value in answer.headers.items()}


def ensure(bench: Bench, kind: str) -> str:
    """A repository with one file of the kind."""
    node, repo = bench.node(), f"bench/out-{kind}"
    path = bench.folder / "out.bin"
    file_of(path, kind, f"out-{kind}", FILE_BYTES)
    bench.client(node, f"api.create_repo('{repo}', exist_ok=True)\napi.upload_file(path_or_fileobj='{path}', path_in_repo='file.bin', repo_id='{repo}')")
    path.unlink()
    return repo


def ranges(bench: Bench, node: Node, repo: str) -> list[tuple[str, str, str]]:
    """What a client would fetch for the file: (xorb, signed URL, range)."""
    request = urllib.request.Request(f"{node.endpoint}/{repo}/resolve/main/file.bin", method="HEAD")
    with urllib.request.urlopen(request) as answer:
        file = answer.headers["X-Xet-Hash"]
    token, _ = fetch(f"{node.endpoint}/api/models/{repo}/xet-read-token/main", bench.token)
    plan, _ = fetch(f"{token['casUrl']}/v1/reconstructions/{file}", token["accessToken"])
    found = []
    for xorb, parts in plan["fetch_info"].items():
        for part in parts:
            found.append((xorb, part["url"], f"{part['url_range']['start']}-{part['url_range']['end']}"))
    return found


def xorb_folder(node: Node):
    """The folder that holds xorbs by the first characters of their hashes."""
    (folder,) = [path for path in node.data.rglob("xorbs") if path.is_dir()]
    return folder


def raw(bench: Bench, repos: dict[str, str]) -> list[Row]:
    node = bench.node()
    plan = [part for repo in repos.values() for part in ranges(bench, node, repo)]
    total = ROUNDS * sum(int(span.split("-")[1]) - int(span.split("-")[0]) + 1 for _, _, span in plan)
    nginx = Nginx(bench.folder / "nginx-raw", f"root {xorb_folder(node).parent};")
    ours, theirs = [], []
    # In turns, and often: nginx spends so little that noise of a few hundredths of a second changes the ratio.
    for _ in range(8):
        ours.append(bench.curl(node, [(url, span) for _, url, span in plan] * ROUNDS))
        theirs.append(bench.curl(nginx, [(f"{nginx.endpoint}/xorbs/{xorb[:2]}/{xorb[2:4]}/{xorb}", span) for xorb, _, span in plan] * ROUNDS))
    nginx.stop()
    our, their = best(ours), best(theirs)
    return [
        Row(
            "out, raw xorb ranges, one connection of curl",
            "<= 2 x nginx (stretch 1.3 x)",
            f"{our.server_secs / total * GB:.3f} CPU-s/GB = {our.server_secs / their.server_secs:.2f} x nginx",
            f"nginx sendfile {their.server_secs / total * GB:.3f}, curl itself {our.client_secs / total * GB:.3f} CPU-s/GB; "
            f"wall {total / 1e6 / our.wall_secs:.0f} MB/s against {total / 1e6 / their.wall_secs:.0f}",
        )
    ]


def plain(bench: Bench, repos: dict[str, str]) -> list[Row]:
    node, rows = bench.node(), []
    for kind, repo in repos.items():
        url = f"{node.endpoint}/{repo}/resolve/main/file.bin"
        cost = best([bench.curl(node, [(url, "")] * 2) for _ in range(3)])
        total = 2 * FILE_BYTES
        rows.append(
            Row(
                f"out, plain GET (decoded), {NAMES[kind]}",
                "<= 0.9 CPU-s/GB",
                f"{cost.server_secs / total * GB:.2f} CPU-s/GB",
                f"curl {cost.client_secs / total * GB:.2f} CPU-s/GB; {total / 1e6 / cost.wall_secs:.0f} MB/s",
            )
        )
    return rows


def real_client(bench: Bench, repo: str) -> list[Row]:
    """The same node twice: alone, and behind an nginx that sends the signed ranges from the node's own folder by itself.

    The second is what the fastest static server would make of our answers: the same reconstructions, the same client, and no code of
    ours on the way of the bytes. nginx takes the xorb's hash out of the signed path, and passes everything else on to the node.
    """
    node = bench.node()
    sample = ranges(bench, node, repo)[0]
    prefix = sample[1].removeprefix(node.endpoint).split(sample[0])[0]
    folder = xorb_folder(node)
    nginx = Nginx(
        bench.folder / "nginx-client",
        f'location ~ "^{prefix}(?<a>..)(?<b>..)(?<rest>[0-9a-f]{{60}})" {{ root {folder}; try_files /$a/$b/$a$b$rest =404; }} '
        f'location / {{ proxy_pass http://127.0.0.1:{node.port}; proxy_set_header Connection ""; }}',
    )
    code = f"hf_hub_download('{repo}', 'file.bin')"
    ours, theirs = [], []
    for _ in range(5):
        ours.append(bench.client(bench.node(), code))
        behind = bench.node(public_url=nginx.endpoint)
        theirs.append(bench.client(behind, code))
    bench.node()
    nginx.stop()
    our, their = (best(costs, lambda cost: cost.wall_secs) for costs in (ours, theirs))
    return [
        Row(
            "real client, one file of 500 MB, wall",
            ">= 0.95 x the same client on nginx-served xorbs",
            f"{their.wall_secs / our.wall_secs:.2f} x ({FILE_BYTES / 1e6 / our.wall_secs:.0f} MB/s)",
            f"nginx-served {FILE_BYTES / 1e6 / their.wall_secs:.0f} MB/s; client {our.client_secs / FILE_BYTES * GB:.1f} CPU-s/GB, server {our.server_secs / FILE_BYTES * GB:.2f}",
        )
    ]


def measure(bench: Bench) -> list[Row]:
    repos = {kind: ensure(bench, kind) for kind in KINDS}
    return raw(bench, repos) + plain(bench, repos) + real_client(bench, repos["bf16"])
