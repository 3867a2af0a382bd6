"""Makes the golden files of this folder. Run with datasets 5.2.0, pyarrow and pandas as tests/clients/requirements-hub2.txt has them."""

import bz2
import datetime
import json
import struct
import zlib

import datasets
import pyarrow
import pyarrow.parquet as parquet


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x30\x60\x90" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


rows = 1_000
features = datasets.Features({
    "id": datasets.Value("int64"),
    "text": datasets.Value("string"),
    "label": datasets.ClassLabel(names=["no", "yes"]),
    "score": datasets.Value("float32"),
    "tags": datasets.List(datasets.Value("string")),
    "place": {"city": datasets.Value("string"), "lat": datasets.Value("float64")},
    "when": datasets.Value("timestamp[s]"),
    "image": datasets.Image(),
})
data = {
    "id": list(range(rows)),
    "text": [None if n % 10 == 3 else f"Zeile {n}: ቡና и чай, 茶 — Straße" for n in range(rows)],
    "label": [n % 2 for n in range(rows)],
    "score": [n / 8 for n in range(rows)],
    "tags": [[f"t{k}" for k in range(n % 4)] for n in range(rows)],
    "place": [{"city": f"c{n % 7}", "lat": n / 10} for n in range(rows)],
    "when": [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=n) for n in range(rows)],
    "image": [{"bytes": png(3 + n % 5, 2), "path": None} for n in range(rows)],
}
table = datasets.Dataset.from_dict(data, features=features)
table.to_parquet("datasets.parquet", batch_size=300)
with open("datasets.json", "w") as out:
    plain = table.cast_column("image", datasets.Image(decode=False))
    wanted = [0, 3, 299, 300, 301, 999]
    json.dump(
        {"features": features.to_dict(), "rows": {n: {k: v.isoformat() if k == "when" else v for k, v in plain[n].items() if k != "image"} for n in wanted}},
        out, indent=1,
    )
    out.write("\n")

# Every codec, every page version, dictionaries, nothing, nested lists; two row groups and small pages.
for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    for version in ["1.0", "2.0"]:
        wide = pyarrow.table({
            "n": pyarrow.array([None if n % 7 == 0 else n for n in range(500)], pyarrow.int32()),
            "s": pyarrow.array([f"s{n % 5}" for n in range(500)]).dictionary_encode(),
            "d": pyarrow.array([datetime.date(2000, 1, 1) + datetime.timedelta(days=n) for n in range(500)]),
            "m": pyarrow.array([[[n], [n, n + 1]] for n in range(500)]),
            "b": pyarrow.array([bytes([n % 256] * 3) for n in range(500)]),
        })
        parquet.write_table(wide, f"{codec}-{version[0]}.parquet", compression=codec, data_page_version=version, row_group_size=260, data_page_size=512)

# Files that ask for more than a preview may use: one cell of 600 MB; 4 GB of text without the end of a line.
parquet.write_table(pyarrow.table({"t": ["x" * 600_000_000]}), "huge-cell.parquet", compression="zstd", write_statistics=False, use_dictionary=False)
with open("endless.txt.bz2", "wb") as out:
    out.write(bz2.compress(b"x" * (10 << 20)) * 400)

# Rows of a megabyte each, every one in a page of its own: more together than a preview may hold.
wide = pyarrow.table({"t": [f"{n:06}" + "x" * 1_000_000 for n in range(500)]})
parquet.write_table(wide, "wide-rows.parquet", compression="zstd", write_statistics=False, use_dictionary=False, write_batch_size=1, data_page_size=512)
