"""Data from a seed: the same bytes in every run, in three kinds that compress differently."""

import hashlib
import json
import random
import struct
from pathlib import Path

MIB = 1 << 20


def random_bytes(seed: int | str, length: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(str(seed)).randbytes(length)


def text_bytes(seed: int | str, length: int) -> bytes:
    """Lines of JSON, as in a corpus."""
    words = ["water", "channel", "north", "harvest", "clinic", "model", "school", "river", "copper", "letter", "seven", "light"]
    source = random.Random(str(seed))
    # Sentences come from a pool that is wider than the window of the compressor, and every line has a key of its own.
    pool = [" ".join(source.choices(words, k=24)) for _ in range(2_048)]
    lines, total, number = [], 0, 0
    while total < length:
        drawn = source.getrandbits(64)
        line = f'{{"id": {number}, "key": {drawn}, "text": "{pool[drawn & 2_047]}"}}\n'
        lines.append(line)
        total += len(line)
        number += 1
    return "".join(lines).encode()[:length]


def bf16_bytes(seed: int | str, length: int) -> bytes:
    """Weights as a trained network has them: sixteen-bit floats around zero, whose high bytes repeat."""
    source = random.Random(str(seed))
    # The high bytes (sign and exponent) of 256 draws from a normal distribution; the low bytes are as good as even.
    high = bytes(struct.unpack("<4B", struct.pack("<f", source.gauss(0.0, 0.02)))[3] for _ in range(256))
    out = bytearray(length + length % 2)
    out[0::2] = source.randbytes(len(out) // 2)
    out[1::2] = source.randbytes(len(out) // 2).translate(high)
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
