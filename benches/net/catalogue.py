"""Rows about the catalogue: what a follower of everything receives, at first, on a day, for asking in vain, and how late it is."""

import http.client
import json
import threading
import time

#: Publications a day that network.md assumes for all nodes together, and nodes that one follows.
DAY_ENTRIES, NODES, CATALOGUE_ENTRIES = 20_000, 193, 2_035_000
FILL_THREADS = 4


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

    def publish(self, owner: str, name: str) -> None:
        """A public model with a card: the log gets one entry for the repository and one for the commit."""
        self.post("/api/repos/create", json.dumps({"type": "model", "name": name}).encode())
        card = (f"---\nlicense: apache-2.0\nlibrary_name: transformers\npipeline_tag: text-generation\nlanguage:\n- {name[-2:]}\ntags:\n- {name[:7]}\n- base\n---\n# {name}\n")
        lines = [{"key": "header", "value": {"summary": "Card"}}, {"key": "file", "value": {"path": "README.md", "content": card, "encoding": "utf-8"}}]
        self.post(f"/api/models/{owner}/{name}/commit/main", "\n".join(map(json.dumps, lines)).encode(), "application/x-ndjson")


def fill(port: int, token: str, owner: str, count: int, mark: str) -> float:
    """Publishes so many repositories and returns the seconds it took."""
    begun = time.monotonic()

    def part(first: int) -> None:
        asker = Asker(port, token)
        for number in range(first, count, FILL_THREADS):
            asker.publish(owner, f"{mark}-model-{number:06}")

    threads = [threading.Thread(target=part, args=(first,)) for first in range(FILL_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begun
