"""Data from a seed: the same bytes in every run, in three kinds that compress differently."""

import hashlib
import json
import random
import struct
from pathlib import Path

MIB = 1 << 20
BLOCK_BYTES = 4 * MIB


def random_bytes(seed: int | str, length: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(str(seed)).randbytes(length)


def text_bytes(seed: int | str, length: int) -> bytes:
    """Lines of JSON, as in a corpus."""
    words = ["water", "channel", "north", "harvest", "clinic", "model", "school", "river", "copper", "letter", "seven", "light"]
    source = random.Random(str(seed))
    lines, total, number = [], 0, 0
    while total < length:
        line = json.dumps({"id": number, "key": source.randrange(1 << 60), "text": " ".join(source.choices(words, k=24))}) + "\n"
        lines.append(line)
        total += len(line)
        number += 1
    return "".join(lines).encode()[:length]


def bf16_bytes(seed: int | str, length: int) -> bytes:
    """Weights as a trained network has them: sixteen-bit floats around zero, whose high bytes repeat."""
    source = random.Random(str(seed))
    # A table of 65,536 normal values, drawn with even chances: as compressible as real draws, and a hundred times as fast.
    table = []
    for _ in range(65_536):
        bits = struct.unpack("<I", struct.pack("<f", source.gauss(0.0, 0.02)))[0]
        table.append(struct.pack("<H", bits >> 16))
    out = bytearray()
    while len(out) < length:
        picks = memoryview(source.randbytes(min(BLOCK_BYTES, (length - len(out) + 1) // 2 * 2))).cast("H")
        out += b"".join([table[pick] for pick in picks])
    return bytes(out[:length])


KINDS = {"random": random_bytes, "bf16": bf16_bytes, "text": text_bytes}


def file_of(path: Path, kind: str, seed: int | str, length: int) -> str:
    """Writes a file of any length in blocks and returns its sha256."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        for number, begin in enumerate(range(0, length, 16 * MIB)):
            block = KINDS[kind](f"{seed}/{number}", min(16 * MIB, length - begin))
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def sha256_of(path: Path | str) -> str:
    """The sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob_id(content: bytes) -> str:
    """The id that git gives to a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def safetensors_bytes(tensors: dict[str, list[int]]) -> bytes:
    """A small safetensors file of 32-bit zeros with the given shapes."""
    header, offset = {}, 0
    for name, shape in tensors.items():
        length = 4
        for side in shape:
            length *= side
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + length]}
        offset += length
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(offset)
