"""Rows in which one large file travels while something happens to the line."""

import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from clients import Looped
from data import MIB, sha256_of
from karez_node import Template
from line import Counters, Line, Script, Shape

#: Of lines, one run each: which packets are lost.
SEEDS = (20261124, 20261125, 20261126)


@dataclass(frozen=True)
class Scenario:
    """A line, a file, and what happens. `quick` are the same for a short run: file, events, limit."""

    name: str
    what: str
    target: str
    shape: Shape
    file_bytes: int
    events: tuple[tuple[float, str], ...]
    limit_secs: float
    #: What the origins are told: `auto` is BBR where the kernel has it, `system` what their place is set up for, which is cubic.
    congestion: str = "auto"
    origins: str = "a"
    #: Bits a second of the poor node itself, where the lines of the origins are the poor ones.
    client_rate_bits: int = 0
    clients: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"{self.file_bytes // MIB}.bin"

    def outage_secs(self, took_secs: float) -> float:
        """How long the line was cut within the time that a client took."""
        cut_at, total = None, 0.0
        for second, act in self.events:
            if act.startswith("cut"):
                cut_at = second
            elif act.startswith("heal") and cut_at is not None:
                total += max(0.0, min(second, took_secs) - min(cut_at, took_secs))
                cut_at = None
        return total

    def bound_secs(self, took_secs: float) -> float:
        """The physical bound: of several origins at most one is cut, and the others go on."""
        sources = len(self.origins.split())
        alone = self.shape.bound_secs(self.file_bytes, self.outage_secs(took_secs))
        return alone / sources


@dataclass
class Outcome:
    """What one client did in one scenario."""

    client: str
    is_done: bool
    secs: float
    bound_secs: float
    counters: Counters
    payload_bytes: int
    #: Payload that is there, for those that were not done.
    got_bytes: int
    again_secs: list[float]
    starts: int
    memory_bytes: int | None = None
    trouble: str = ""

    @property
    def stretch(self) -> float:
        """How many times the physical bound it took."""
        return self.secs / self.bound_secs

    @property
    def body(self) -> float:
        """Bytes of answers for each byte of the file."""
        return self.counters.body_bytes / self.payload_bytes


def cell(outcomes: list[Outcome]) -> str:
    """What a client did with each seed, in few words: the run in the middle, and the range of all where they differ."""
    troubles = [outcome.trouble for outcome in outcomes if outcome.trouble]
    if troubles:
        return troubles[0]
    ordered = sorted(outcomes, key=lambda outcome: (not outcome.is_done, outcome.secs if outcome.is_done else -outcome.got_bytes))
    middle, done = ordered[(len(ordered) - 1) // 2], [outcome for outcome in ordered if outcome.is_done]
    if middle.is_done:
        parts = [f"**{middle.stretch:.2f} x**{spread([outcome.stretch for outcome in done], 2)}, {middle.secs:.0f} s"]
        if len(done) < len(outcomes):
            parts[0] += f", {len(outcomes) - len(done)} of {len(outcomes)} not done"
    else:
        parts = [f"not done in {middle.secs:.0f} s ({middle.got_bytes / middle.payload_bytes:.0%})"]
        if done:
            parts[0] += f", {len(done)} of {len(outcomes)} in {done[0].secs:.0f} s"
    wire, up = middle.counters.down_bytes / middle.payload_bytes, middle.counters.up_bytes / max(1, middle.counters.down_bytes)
    bodies = [outcome.body for outcome in outcomes]
    parts.append(f"wire {wire:.3f}, body {statistics.median(bodies):.3f}{spread(bodies, 3)}, up {up:.1%}")
    again = [max(outcome.again_secs) for outcome in outcomes if outcome.again_secs]
    if again:
        parts.append(f"again {max(again):.1f} s")
    memory = [outcome.memory_bytes for outcome in outcomes if outcome.memory_bytes is not None]
    if memory:
        parts.append(f"memory +{max(memory) / MIB:.0f} MiB")
    return "; ".join(parts)


def spread(values: list[float], places: int) -> str:
    """From the least to the most, where that is to be seen."""
    least, most = f"{min(values):.{places}f}", f"{max(values):.{places}f}"
    return "" if least == most else f" ({least}-{most})"


def flap(up_secs: float, down_secs: float, total_secs: float) -> tuple[tuple[float, str], ...]:
    events, second = [], 0.0
    while second < total_secs:
        events += [(second + up_secs, "cut"), (second + up_secs + down_secs, "heal")]
        second += up_secs + down_secs
    return tuple(events)


TEN, TWO = Shape(10_000_000, 300, 1), Shape(2_000_000, 300, 2)
ONE_SOURCE = Shape(2_000_000, 300, 1, "a b", "a")
TWO_SOURCES = Shape(2_000_000, 300, 1, "a b c", "a c")


def scenarios(is_quick: bool) -> list[Scenario]:
    """All of them; a quick run has a quarter of the bytes and no second line of the same kind."""
    full = [
        Scenario("cut10", "64 MiB, 10 Mbit/s, 1 % loss, silent cut 25-45 s", "<= 1.10 x bound (stretch 1.05), wire <= 1.07, body <= 1.005, up <= 5 %, again <= 3 s",
                 TEN, 64 * MIB, ((25, "cut"), (45, "heal")), 300),
        Scenario("cut2", "64 MiB, 2 Mbit/s, 2 % loss, silent cut 100-120 s", "<= 1.05 x bound, wire <= 1.08, body <= 1.005, up <= 5 %, again <= 3 s",
                 TWO, 64 * MIB, ((100, "cut"), (120, "heal")), 480),
        Scenario("flap", "16 MiB, 2 Mbit/s, 2 % loss, 30 s up and 15 s down, again and again", "progress in every window, body <= 1.01",
                 TWO, 16 * MIB, flap(30, 15, 300), 300),
        Scenario("kill", "64 MiB, 10 Mbit/s, 1 % loss, kill -9 at 30 s and started again", "body <= 1.005", TEN, 64 * MIB, ((30, "kill"),), 300),
        Scenario("renumber", "64 MiB, 10 Mbit/s, 1 % loss, new address at 30 s", "body <= 1.005, again <= 3 s", TEN, 64 * MIB, ((30, "renumber"),), 300),
        Scenario("cubic", "64 MiB, 10 Mbit/s, 1 % loss, sender that may use cubic only", ">= 85 % of the line: <= 1.18 x bound", TEN, 64 * MIB, (), 300, "system"),
        Scenario("source1", "16 MiB from one source of 2 Mbit/s, 1 % loss; 10 Mbit/s on the poor side", "for comparison", ONE_SOURCE, 16 * MIB, (), 150,
                 client_rate_bits=10_000_000),
        Scenario("source2", "16 MiB from two such sources", ">= 1.9 x as fast as one, <= 1.08 x bound", TWO_SOURCES, 16 * MIB, (), 150,
                 origins="a c", client_rate_bits=10_000_000, clients=("karez", "aria2c")),
        Scenario("source2cut", "16 MiB from two such sources, one of them cut 10-30 s", "<= 1.08 x bound, body <= 1.005", TWO_SOURCES, 16 * MIB,
                 ((10, "cut c"), (30, "heal c")), 150, origins="a c", client_rate_bits=10_000_000, clients=("karez", "aria2c")),
    ]
    if not is_quick:
        return full
    return [
        Scenario("cut10", "16 MiB, 10 Mbit/s, 1 % loss, silent cut 6-16 s", full[0].target, TEN, 16 * MIB, ((6, "cut"), (16, "heal")), 90),
        Scenario("cut2", "8 MiB, 2 Mbit/s, 2 % loss, silent cut 12-22 s", full[1].target, TWO, 8 * MIB, ((12, "cut"), (22, "heal")), 120),
        Scenario("flap", "8 MiB, 2 Mbit/s, 2 % loss, 15 s up and 8 s down, again and again", full[2].target, TWO, 8 * MIB, flap(15, 8, 120), 120),
        Scenario("kill", "16 MiB, 10 Mbit/s, 1 % loss, kill -9 at 8 s and started again", full[3].target, TEN, 16 * MIB, ((8, "kill"),), 90),
        Scenario("renumber", "16 MiB, 10 Mbit/s, 1 % loss, new address at 8 s", full[4].target, TEN, 16 * MIB, ((8, "renumber"),), 90),
        Scenario("cubic", "16 MiB, 10 Mbit/s, 1 % loss, sender that may use cubic only", full[5].target, TEN, 16 * MIB, (), 90, "system"),
        Scenario("source2cut", "4 MiB from two sources of 2 Mbit/s, 1 % loss, one of them cut 3-8 s", full[8].target, TWO_SOURCES, 4 * MIB,
                 ((3, "cut c"), (8, "heal c")), 60, origins="a c", client_rate_bits=10_000_000, clients=("karez", "aria2c")),
    ]


def run(scenario: Scenario, kind: type[Looped], template: Template, folder: Path, number: int, seed: int) -> Outcome:
    """One client in one scenario, on a line and with origins of its own."""
    folder.mkdir(parents=True)
    with Line(number, scenario.shape, seed) as line:
        if scenario.client_rate_bits:
            line.set("b", rate=scenario.client_rate_bits, queue=scenario.client_rate_bits // 8 * scenario.shape.rtt_ms // 1000)
        origins = [template.origin(folder / f"origin-{place}", line, place, **{"network.congestion": scenario.congestion}) for place in scenario.origins.split()]
        client = kind(line, folder / "client")
        try:
            client.prepare([origin.endpoint for origin in origins])
            return measure(scenario, client, line, template)
        finally:
            client.close()
            for origin in origins:
                origin.remove()


def measure(scenario: Scenario, client: Looped, line: Line, template: Template) -> Outcome:
    over = threading.Event()
    timer = threading.Timer(scenario.limit_secs, over.set)
    script = Script(list(scenario.events))
    line.reset()
    timer.start()
    begun = time.monotonic()
    events = script.run(line, client.kill, over)
    is_done = client.pull("bench/files", scenario.file, over)
    secs = time.monotonic() - begun
    counters = line.counters()
    timer.cancel()
    over.set()
    events.join()
    result = client.result(scenario.file)
    trouble = ""
    if is_done and sha256_of(result) != template.digests[scenario.file]:
        trouble = "WRONG BYTES"
    got = scenario.file_bytes if is_done else max((path.stat().st_blocks * 512 for path in client.folder.rglob("*") if path.is_file()), default=0)
    bound = scenario.bound_secs(secs)
    return Outcome(client.name, is_done, secs, bound, counters, scenario.file_bytes, min(got, scenario.file_bytes),
                   script.again_secs, client.starts, client.memory_bytes_max(), trouble)
