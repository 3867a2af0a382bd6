"""The machine in words, and the page that tables are written into."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """The machine in a few words."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = next(int(line.split()[1]) >> 20 for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return f"{cpu}, {os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.release()}"


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replaces what stands between two marks of a page; a page without them gets them at its end."""
    before, found, rest = page.read_text().partition(begin) if page.exists() else ("# Benchmarks\n", "", "")
    if not found:
        before += "\n"
    page.write_text(before + begin + text + end + rest.partition(end)[2])
