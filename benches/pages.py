"""Pages as a browser asks for them, one after another, of a node with many repositories: what the server needs for each."""

import http.client
import time

from bench import Bench, Row

REPOS = 2_000
FILES = 200
REQUESTS = 400

#: What a page costs at most, from the first byte of the question to the last of the answer.
TARGET_MS = 30


def fill(bench: Bench) -> None:
    """Many models with cards in several scripts, the first with many files and commits."""
    bench.client(
        bench.node(),
        f"""
words = ['health', 'paludisme', 'Пшеница', '健康', 'صحة', 'swahili']
for number in range({REPOS}):
    name = f'bench/page-{{number:04}}'
    api.create_repo(name, exist_ok=True)
    card = f'---\\nlicense: mit\\ntags: [{{words[number % 6]}}]\\nlanguage: [sw]\\n---\\n# {{words[number % 6]}} {{number}}\\n\\n' + 'Some *words* of a card. ' * 60
    files = [CommitOperationAdd('README.md', card.encode())]
    if number == 0:
        files += [CommitOperationAdd(f'folder/{{n:03}}.txt', b'line\\n' * 400) for n in range({FILES})]
    api.create_commit(name, files, commit_message='m')
""",
    )


def asked(port: int, path: str) -> tuple[list[float], int]:
    """Milliseconds of each answer, and bytes of one."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Accept": "text/html", "Accept-Encoding": "gzip"}
    took, size = [], 0
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        took.append((time.perf_counter() - begun) * 1000)
        assert answer.status == 200, (path, answer.status)
    connection.close()
    return sorted(took), size


def measure(bench: Bench) -> list[Row]:
    fill(bench)
    node = bench.node()
    rows = []
    for what, path in (
        ("home", "/"),
        ("list", "/models"),
        ("search", "/models?search=paludisme"),
        ("repository", "/bench/page-0000"),
        ("folder", "/bench/page-0000/tree/main/folder"),
        ("file", "/bench/page-0000/blob/main/folder/001.txt"),
        ("commits", "/bench/page-0000/commits/main"),
    ):
        asked(node.port, path)
        before = node.cpu_secs()
        took, size = asked(node.port, path)
        spent = node.cpu_secs() - before
        rows.append(
            Row(
                f"page: {what}",
                f"p99 <= {TARGET_MS} ms",
                f"p99 {took[int(len(took) * 0.99)]:.1f} ms, {spent / REQUESTS * 1e3:.1f} ms CPU",
                f"p50 {took[len(took) // 2]:.1f} ms; {size:,} bytes packed; of {REPOS:,} repositories",
            )
        )
    return rows
