"""What every group of rows needs: a node, a fresh client, nginx, curl, and clocks that count processor time."""

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from node import Node, free_port

GB = 1_000_000_000


@dataclass
class Row:
    """One line of the table."""

    what: str
    target: str
    measured: str
    beside: str = ""


@dataclass
class Cost:
    """What a piece of work took."""

    wall_secs: float
    server_secs: float
    client_secs: float
    output: str


class Bench:
    """One run: a folder that goes away, and the node that most rows share."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._node: Node | None = None
        self.token = ""
        self._homes = 0

    def node(self, **settings: str) -> Node:
        """The shared node; other settings restart it on the same folder."""
        if self._node and self._node.settings != settings:
            self._node.stop()
            self._node.settings = settings
            self._node.start()
        if not self._node:
            self._node = Node(self.folder / "node", **settings).start()
            self.token = self._node.user("bench")
        return self._node

    def client(self, node: Node, code: str, home: Path | None = None, **environment: str) -> Cost:
        """Runs Python code with the real client, with fresh caches unless a home is given, and says what it cost both sides."""
        if home is None:
            self._homes += 1
            home = self.folder / f"home-{self._homes}"
        given = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | {
            "HF_ENDPOINT": node.endpoint,
            "HF_HOME": str(home),
            "HF_XET_CACHE": str(home / "xet"),
            "HF_TOKEN": self.token,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        # The clock starts when the imports are done: they are not the work.
        begin = "import time\nfrom huggingface_hub import *\nimport hf_xet\napi = HfApi()\nbegun = time.monotonic()\n"
        end = "\nprint('WALL', time.monotonic() - begun)\n"
        return self._cost(node, [sys.executable, "-c", begin + code + end], given | environment)

    def curl(self, node: "Node | Nginx", requests: list[tuple[str, str]], headers: tuple[str, ...] = ()) -> Cost:
        """Fetches (URL, range) pairs one after another over one connection and throws the bytes away."""
        config = self.folder / "curl-config"
        # Every section of the file stands for itself, so each names all of its options and prints its status.
        common = "".join(f'header = "{one}"\n' for one in headers) + 'output = /dev/null\nwrite-out = "%{http_code}\\n"\n'
        sections = [f'url = "{url}"\n' + (f'range = "{span}"\n' if span else "") + common for url, span in requests]
        config.write_text("next\n".join(sections))
        cost = self._cost(node, ["curl", "--silent", "--show-error", "--config", str(config)], dict(os.environ))
        wrong = {line for line in cost.output.split() if line not in ("200", "206")}
        assert not wrong, f"curl got {wrong}"
        return cost

    def _cost(self, node, command: list[str], environment: dict[str, str]) -> Cost:
        before, children = node.cpu_secs(), resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=self.folder)
        wall = time.monotonic() - begun
        after, now = node.cpu_secs(), resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stdout + done.stderr
        for line in done.stdout.splitlines():
            if line.startswith("WALL "):
                wall = float(line.split()[1])
        client = now.ru_utime + now.ru_stime - children.ru_utime - children.ru_stime
        return Cost(wall, after - before, client, done.stdout)


class Nginx:
    """The distribution's nginx as one process, so that its processor time is that of one number in `/proc`."""

    def __init__(self, folder: Path, locations: str):
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        paths = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ {paths} access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            "  client_max_body_size 0; proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;\n"
            f"  server {{ listen 127.0.0.1:{self.port}; {locations} }} }}\n"
        )
        environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen(["nginx", "-c", str(config)], env=environment, stderr=(folder / "said").open("wb"))
        deadline = time.monotonic() + 10
        while not (folder / "pid").exists():
            assert self.process.poll() is None and time.monotonic() < deadline, (folder / "said").read_text()
            time.sleep(0.02)
        time.sleep(0.2)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    cpu_secs = Node.cpu_secs

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def best(costs: list[Cost], key=lambda cost: cost.server_secs) -> Cost:
    """The cheapest of several runs: noise only ever adds."""
    return min(costs, key=key)
