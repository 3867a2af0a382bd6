"""One poor line: an instance of the emulator with its own namespaces, and what happens to it while something runs."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent

#: Bytes of IP and TCP heads in a full packet of 1,500, with timestamps.
HEAD_BYTES = 52


@dataclass(frozen=True)
class Shape:
    """What a packet meets between the good and the poor node. Loss is each way."""

    rate_bits: int
    rtt_ms: int = 300
    loss_percent: float = 1
    nodes: str = "a b"
    poor: str = "b"

    def bound_secs(self, payload_bytes: int, outage_secs: float = 0) -> float:
        """The physical bound: payload with heads and repeats at the rate of the line, and the outage."""
        ip_bytes = payload_bytes * 1500 / (1500 - HEAD_BYTES) / (1 - self.loss_percent / 100)
        return ip_bytes * 8 / self.rate_bits + outage_secs


@dataclass
class Counters:
    """What the poor node's line carried, at IP level."""

    down_bytes: int
    up_bytes: int
    #: TCP payload that reached the poor node, heads of HTTP and repeats included.
    body_bytes: int
    #: What queues dropped, which a sender must repeat.
    queue_drop_bytes: int


class Line:
    """The emulator. Use as a context."""

    def __init__(self, number: int, shape: Shape, seed: int):
        self.number, self.shape, self.seed = number, shape, seed
        self.environment = dict(os.environ, NETEM_ID=str(number))

    def __enter__(self) -> "Line":
        shape = self.shape
        self._do("up", "--rate", str(shape.rate_bits), "--rtt", str(shape.rtt_ms), "--loss", str(shape.loss_percent),
                 "--nodes", shape.nodes, "--poor", shape.poor, "--seed", str(self.seed))
        # What most machines are set up for; a server that wants better must choose it itself.
        self._do("cc", "cubic")
        return self

    def __exit__(self, *_) -> None:
        self._do("down")

    def _do(self, *words: str) -> str:
        done = subprocess.run([HERE / "netem.sh", *words], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"netem.sh {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def prefix(self, node: str) -> list[str]:
        """Words that run a program in a node."""
        return ["ip", "netns", "exec", f"kz{self.number}-{node}"]

    def address(self, node: str) -> str:
        return self._do("ip", node)

    def act(self, what: str, node: str = "b") -> None:
        """`cut`, `heal` or `renumber`."""
        if what == "renumber":
            # What was under way to the old address is lost, as when a modem dials anew.
            self._do("renumber", node)
            self._control(f"cut {node}")
            self._control(f"heal {node}")
        else:
            self._control(f"{what} {node}")

    def set(self, node: str, **values: int) -> None:
        """Gives a node's line other properties, named as the emulator names them."""
        self._control(f"set {node} " + ",".join(f"{name}={value}" for name, value in values.items()))

    def reset(self) -> None:
        self._control("reset")

    def counters(self, node: str = "b") -> Counters:
        (one,) = [one for one in json.loads(self._control("stats")) if one["node"] == node]
        down, up = one["down"], one["up"]
        return Counters(down["sent"], up["sent"], down["dlv"] - HEAD_BYTES * down["dlv_pkts"], down["qdrop"])

    def _control(self, command: str) -> str:
        """One datagram, one answer."""
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.bind(f"{folder}/s")
            ours.settimeout(5)
            ours.sendto(command.encode(), f"/run/karez-netem/{self.number}/ctl")
            answer = ours.recv(65536).decode()
        assert not answer.startswith("error"), answer
        return answer


@dataclass
class Script:
    """What happens to a line while a client works: (second, act and node), and how long it took until bytes came again."""

    events: list[tuple[float, str]]
    #: Seconds from each heal of the poor node's own line or renumbering to the first body bytes after it.
    again_secs: list[float] = field(default_factory=list)

    def run(self, line: Line, kill, over: threading.Event) -> threading.Thread:
        """Starts the script; it ends when the client is done."""
        thread = threading.Thread(target=self._run, args=(line, kill, over), daemon=True)
        thread.start()
        return thread

    def _run(self, line: Line, kill, over: threading.Event) -> None:
        begun = time.monotonic()
        for second, act in self.events:
            if over.wait(max(0.0, begun + second - time.monotonic())):
                return
            if act == "kill":
                kill()
            else:
                line.act(*act.split())
            if act in ("heal", "renumber"):
                self._measure(line, over)

    def _measure(self, line: Line, over: threading.Event) -> None:
        since, before = time.monotonic(), line.counters().body_bytes
        # A full packet of payload is more than hands shaken and heads answered.
        while line.counters().body_bytes < before + 1448:
            if over.wait(0.02):
                return
            if time.monotonic() - since > 60:
                break
        self.again_secs.append(time.monotonic() - since)
