"""Previews: what the node says of a dataset is what the datasets library, pandas and pyarrow say of it."""

import io
import json
import random

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
