"""Previews: what the node says of a dataset is what the datasets library, pandas and pyarrow say of it."""

import io
import json
import random
import re
import struct
import wave
import zlib

import datasets
import huggingface_hub
import pandas
import pyarrow
import pyarrow.parquet
import pytest

LAYOUTS = {
    "one file": {"data.csv": 3},
    "names": {"train.csv": 3, "my-validation.csv": 2, "test_0.csv": 1, "test_1.csv": 2},
    "folders": {"a/train/x.csv": 2, "a/train/y.csv": 2, "a/dev/z.csv": 1},
    "sharded": {"data/train-00000-of-00002.csv": 2, "data/train-00001-of-00002.csv": 3, "data/extra-00000-of-00001.csv": 1},
    "mixed": {"a.csv": 1, "b.csv": 2, "notes.txt": 1},
    "hidden": {".hidden/a.csv": 1, "shown/b.csv": 2, "__x__/c.csv": 3},
    "card": {
        "README.md": "---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/*.csv\n  - split: test\n    path: [more/t1.csv, more/t2.csv]\n"
        "- config_name: all\n  default: true\n  data_files: '**/*.csv'\n- config_name: dir\n  data_dir: more\n---\n",
        "en/a.csv": 2, "en/b.csv": 3, "more/t1.csv": 1, "more/t2.csv": 4,
    },
}


def ask(node, path, token=None, **query):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = huggingface_hub.get_session().get(f"{node.endpoint}/datasets-server/{path}", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits_are_those_of_the_library(node, alice, name, layout, tmp_path):
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    operations = []
    for path, rows in LAYOUTS[layout].items():
        text = rows if isinstance(rows, str) else "n,path\n" + "".join(f"{n},{path}\n" for n in range(rows))
        operations.append(huggingface_hub.CommitOperationAdd(path, text.encode()))
    alice.api.create_commit(repo, operations, commit_message="data", repo_type="dataset")
    configs = datasets.get_dataset_config_names(repo, token=alice.token)
    names = {(config, split) for config in configs for split in datasets.get_dataset_split_names(repo, config, token=alice.token)}
    found = ask(node, "splits", dataset=repo)["splits"]
    assert {(one["config"], one["split"]) for one in found} == names
    # The rows are in the same order too.
    for config, split in names:
        loaded = datasets.load_dataset(repo, config, split=split, token=alice.token, cache_dir=str(tmp_path))
        page = ask(node, "rows", dataset=repo, config=config, split=split)
        assert [row["row"] for row in page["rows"]] == list(loaded)
        assert page["num_rows_total"] == len(loaded)
        shown = {one["name"]: one["type"] for one in page["features"]}
        # pandas 3 makes long strings of what pandas 2 made strings of.
        wanted = json.loads(json.dumps(loaded.features.to_dict()).replace("large_string", "string"))
        assert shown == wanted


def card(options):
    return f"---\nconfigs:\n- config_name: default\n  data_files: data.*\n  {options}\n---\n".encode()


LATE = {
    "late text": {"data.csv": "id,v\n" + "".join(f"{n},{'unknown' if n == 2_500 else n}\n" for n in range(4_000))},
    "late fraction": {"data.csv": "id,v\n" + "".join(f"{n},{'1.5' if n == 2_500 else n}\n" for n in range(4_000))},
    "late anything": {"data.csv": "id,v\n" + "".join(f"{n},{'abc' if n > 2_500 else ''}\n" for n in range(4_000))},
    "truth with gaps": {"data.csv": "id,v\n1,True\n2,\n3,False\n"},
    "large numbers": {"data.csv": "id,v,w\n1,9223372036854775808,1\n2,3,9223372036854775808\n3,4,-1\n"},
    "late fraction of JSON": {"data.jsonl": "".join('{"id": %d, "v": %s}\n' % (n, 1.5 if n == 2_500 else 1) for n in range(4_000))},
    "late key of JSON": {"data.jsonl": "".join('{"id": %d%s}\n' % (n, ', "w": "late"' if n == 3_990 else "") for n in range(4_000))},
    "sep and decimal": {"data.csv": "id;v\n1;0,5\n2;1,5\n", "README.md": card("sep: ';'\n  decimal: ','")},
    "names": {"data.csv": "1,a\n2,b\n", "README.md": card("column_names: [id, letter]")},
    "no header": {"data.csv": "note\n1,a\n2,b\n", "README.md": card("header: null\n  skiprows: 1")},
    "quotes": {"data.csv": "id,t\n1,'a,b'\n2,-\n", "README.md": card("quotechar: \"'\"\n  na_values: ['-']")},
    "latin": {"data.csv": "id,t\n1,caf\u00e9\n".encode("latin-1"), "README.md": card("encoding: latin-1")},
    "UTF-16": {"data.csv": "id,t\n1,\u12c8\u1263\n".encode("utf-16"), "README.md": card("encoding: utf-16")},
    "field": {"data.json": '{"version": 1, "data": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "more": [3]}', "README.md": card("field: data")},
}


@pytest.mark.parametrize("case", LATE)
def test_types_and_options_are_those_of_the_library(node, alice, name, case, tmp_path):
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    files = {path: text if isinstance(text, bytes) else text.encode() for path, text in LATE[case].items()}
    operations = [huggingface_hub.CommitOperationAdd(path, content) for path, content in files.items()]
    alice.api.create_commit(repo, operations, commit_message="data", repo_type="dataset")
    loaded = datasets.load_dataset(repo, split="train", token=alice.token, cache_dir=str(tmp_path))
    wanted = json.loads(json.dumps(loaded.features.to_dict()).replace("large_string", "string"))
    for offset in {0, max(0, len(loaded) - 60)}:
        page = ask(node, "rows", dataset=repo, config="default", split="train", offset=offset, length=60)
        rows = loaded.select(range(offset, min(offset + 60, len(loaded))))
        assert [row["row"] for row in page["rows"]] == list(rows)
        assert {one["name"]: one["type"] for one in page["features"]} == wanted
    info = ask(node, "info", dataset=repo)
    assert info["dataset_info"]["default"]["features"] == wanted
    # pandas finds truth with gaps, and refuses it where it is told to.
    assert info["partial"] is (case == "truth with gaps")
    if info["partial"]:
        return
    # What the node says is what the library loads by, and then it loads the same.
    told = datasets.Features.from_dict(info["dataset_info"]["default"]["features"])
    again = datasets.load_dataset(repo, split="train", features=told, token=alice.token, cache_dir=str(tmp_path / "told"))
    assert list(again) == list(loaded)


def png(width, height=2):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = b"".join(b"\0" + b"\x30\x60\x90" * width for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def wav(samples):
    sink = io.BytesIO()
    with wave.open(sink, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        out.writeframes(b"\1\0" * samples)
    return sink.getvalue()


def parquet(table):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(table), sink)
    return sink.getvalue()


PICTURES = {f"{folder}{n}.png": png(n + 1) for folder in ["train/", "test/", ""] for n in range(4)}
FOLDERS = {
    "labels": {"train/cat/1.png": png(1), "train/dog/2.png": png(2), "train/dog/3.PNG": png(3), "test/dog/1.png": png(4)},
    "labels that come late": {"train/cat/1.png": png(1), "test/dog/1.png": png(4)},
    "one folder": {"cat/1.png": png(1), "cat/2.jpg": png(2)},
    "uneven folders": {"cat/1.png": png(1), "dog/x/2.png": png(2)},
    "csv": PICTURES | {
        "train/metadata.csv": b"file_name,caption,n,score,ok\n2.png,second,1,0.5,True\n0.png,\"first, of all\",2,,False\n3.png,,3,1e3,True\n",
        "test/metadata.csv": b"file_name,caption,n,score,ok\n1.png,x,7,0.25,False\n",
    },
    "json lines, nested": {
        "a/1.png": png(5), "2.png": png(6),
        "metadata.jsonl": b'{"file_name": "a/1.png", "objects": {"bbox": [[1.5, 2.0]], "kinds": [3]}, "more_file_names": ["2.png", "a/1.png"]}\n'
        b'{"file_name": "./a/../2.png", "objects": {"bbox": [], "kinds": []}, "more_file_names": []}\n',
    },
    "several columns of files, one without": {
        "a.png": png(5), "b.png": png(6),
        "metadata.jsonl": b'{"image_file_name": "a.png", "mask_file_name": "b.png", "id": "one"}\n{"image_file_name": "b.png", "mask_file_name": null, "id": "two"}\n',
    },
    "parquet": {
        "a.png": png(5), "b.png": png(6),
        "metadata.parquet": parquet({"id": [2, 1], "file_name": ["b.png", "a.png"], "tags": [["x"], []], "when": [1.5, None]}),
    },
    "metadata in a later split": {"train/1.png": png(1), "test/2.png": png(2), "test/metadata.csv": b"file_name,t\n2.png,x\n"},
    "metadata in an earlier split": {"train/1.png": png(1), "test/2.png": png(2), "train/metadata.csv": b"file_name,t\n1.png,x\n"},
    "sounds": {"a.wav": wav(8_000), "b.wav": wav(4_000), "metadata.csv": b"file_name,transcription\nb.wav,half\na.wav,whole\n"},
    "sounds with labels": {"yes/a.wav": wav(8_000), "no/b.wav": wav(4_000)},
}


def names_of_files(value, feature):
    """A value of the builder with files as paths below the folder of the commit, which is what the builder hands to decoders."""
    if isinstance(feature, (datasets.Image, datasets.Audio)):
        return value and re.sub("^.*/[0-9a-f]{40}/", "", value)
    if isinstance(feature, datasets.List):
        return [names_of_files(item, feature.feature) for item in value]
    if isinstance(feature, datasets.ClassLabel):
        return feature.str2int(value) if isinstance(value, str) else value
    if isinstance(feature, dict):
        # What a record lacks is nothing, as when the library encodes it.
        return {key: names_of_files((value or {}).get(key), inner) for key, inner in feature.items()}
    return value


def names_shown(value, feature):
    """The same of what the node shows."""
    if isinstance(feature, (datasets.Image, datasets.Audio)):
        value = value[0] if isinstance(value, list) else value
        return value and re.sub("^.*/[0-9a-f]{40}/", "", value.get("src") or value["path"])
    if isinstance(feature, datasets.List):
        return [names_shown(item, feature.feature) for item in value]
    if isinstance(feature, dict):
        return {key: names_shown(value.get(key), inner) for key, inner in feature.items()}
    return value


@pytest.mark.parametrize("layout", FOLDERS)
def test_folders_of_media_are_those_of_the_library(node, alice, name, layout, tmp_path):
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    operations = [huggingface_hub.CommitOperationAdd(path, content) for path, content in FOLDERS[layout].items()]
    alice.api.create_commit(repo, operations, commit_message="data", repo_type="dataset")
    # The builder itself, before its rows are decoded: decoders are large, and not what is asked here.
    builder = datasets.load_dataset_builder(repo, token=alice.token, cache_dir=str(tmp_path))
    download = datasets.DownloadConfig(cache_dir=str(tmp_path / "files"), token=alice.token)
    made = builder._split_generators(datasets.DownloadManager(builder.dataset_name, download_config=download))
    features = builder.info.features
    found = {one["split"] for one in ask(node, "splits", dataset=repo)["splits"]}
    assert found == {str(split.name) for split in made}
    for split in made:
        wanted = [names_of_files(sample, features) for _, sample in builder._generate_examples(**split.gen_kwargs)]
        page = ask(node, "rows", dataset=repo, config="default", split=split.name)
        shown = {one["name"]: one["type"] for one in page["features"]}
        assert shown == json.loads(json.dumps(features.to_dict()).replace("large_string", "string"))
        assert list(shown) == list(features)
        rows = [names_shown(row["row"], features) for row in page["rows"]]
        assert rows == [{key: None if value != value else value for key, value in row.items()} for row in wanted], split.name
        assert page["num_rows_total"] == len(wanted)
    if layout == "csv":
        row = ask(node, "rows", dataset=repo, config="default", split="train", length=1)["rows"][0]["row"]
        assert (row["image"]["width"], row["image"]["height"]) == (3, 2)
        assert huggingface_hub.get_session().get(row["image"]["src"]).content == png(3)


def test_rows_at_any_offset_are_those_of_pyarrow(node, alice, name):
    numbers = random.Random(4)
    count = 30_000
    table = pyarrow.table({
        "id": list(range(count)),
        "text": ["".join(numbers.choices("abcdefgh ምናባዊ", k=numbers.randrange(200))) for _ in range(count)],
        "list": [[n] * (n % 5) for n in range(count)],
        "maybe": [None if n % 3 else n / 7 for n in range(count)],
    })
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, row_group_size=7_000, compression="zstd")
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset", private=True).repo_id
    alice.api.upload_file(path_or_fileobj=sink.getvalue(), path_in_repo="a.parquet", repo_id=repo, repo_type="dataset")
    of_train = {"dataset": repo, "config": "default", "split": "train", "token": alice.token}
    for offset in [0, 6_999, 7_000, count - 1, *numbers.sample(range(count), 10)]:
        page = ask(node, "rows", offset=offset, length=4, **of_train)
        assert [row["row"] for row in page["rows"]] == table.slice(offset, 4).to_pylist(), offset
    found = ask(node, "filter", where='"id">=100 AND "maybe" IS NOT NULL', length=3, **of_train)
    assert [row["row_idx"] for row in found["rows"]] == [102, 105, 108]
    assert found["num_rows_total"] == len([n for n in range(100, count) if n % 3 == 0])
    word = table["text"][12_345].as_py()[:40].split(" ")[0]
    found = ask(node, "search", query=word, **of_train)
    assert found["num_rows_total"] == sum(word.lower() in text.lower() for text in table["text"].to_pylist())


def test_statistics_are_those_of_pandas(node, alice, name):
    numbers = random.Random(5)
    frame = pandas.DataFrame({
        "whole": [numbers.randrange(-50, 1_000) for _ in range(5_000)],
        "part": [numbers.gauss(3, 2) if numbers.random() > 0.1 else None for _ in range(5_000)],
        "label": [numbers.choice(["a", "b", "c"]) for _ in range(5_000)],
        "yes": [numbers.random() > 0.3 for _ in range(5_000)],
    })
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    alice.api.upload_file(path_or_fileobj=frame.to_csv(index=False).encode(), path_in_repo="a.csv", repo_id=repo, repo_type="dataset")
    found = ask(node, "statistics", dataset=repo, config="default", split="train")
    assert found["num_examples"] == 5_000 and not found["partial"]
    figures = {one["column_name"]: one["column_statistics"] for one in found["statistics"]}
    for column in ["whole", "part"]:
        for name, value in {"min": frame[column].min(), "max": frame[column].max(), "mean": frame[column].mean(), "median": frame[column].median(), "std": frame[column].std()}.items():
            assert figures[column][name] == pytest.approx(value, abs=1e-5), (column, name)
        histogram = figures[column]["histogram"]
        wanted = pandas.cut(frame[column].dropna(), bins=histogram["bin_edges"][:-1] + [float("inf")], right=False).value_counts(sort=False)
        assert sum(abs(one - other) for one, other in zip(histogram["hist"], wanted, strict=True)) <= 2, "edges are rounded"
    assert figures["part"]["nan_count"] == frame["part"].isna().sum()
    assert figures["label"]["frequencies"] == frame["label"].value_counts().to_dict()
    assert figures["yes"]["frequencies"] == {str(key): count for key, count in frame["yes"].value_counts().items()}


def test_the_library_finds_the_viewer_by_its_host(node, alice, name, fresh):
    repo = f"alice/{name}"
    rows = datasets.Dataset.from_dict({"id": list(range(500)), "text": [f"row {n}" for n in range(500)]})
    commit = rows.push_to_hub(repo, token=alice.token, private=True).oid
    fresh(alice.token, f"http://localhost:{node.port}").run(
        f"""
        import socket
        plain = socket.getaddrinfo
        # Names below localhost are not known to every resolver; a real node has a real name.
        socket.getaddrinfo = lambda host, *rest, **more: plain("localhost" if str(host).endswith(".localhost") else host, *rest, **more)
        import datasets
        from datasets.utils import _dataset_viewer as viewer
        commit = api.dataset_info({repo!r}).sha
        infos = viewer.get_exported_dataset_infos({repo!r}, commit, True)
        info = datasets.DatasetInfo.from_dict(infos["default"])
        assert list(info.features) == ["id", "text"] and info.splits["train"].num_examples == 500, info
        files = viewer.get_exported_parquet_files({repo!r}, commit, True)
        table = datasets.load_dataset("parquet", data_files=[file["url"] for file in files], split="train", token=True)
        assert table["id"] == list(range(500)) or list(table["id"]) == list(range(500))
        try:
            viewer.get_exported_parquet_files({repo!r}, "0" * 40, True)
        except viewer.DatasetViewerError:
            pass
        else:
            raise SystemExit("an old commit was taken for the new one")
        """
    )
    assert commit
