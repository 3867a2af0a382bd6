"""The datasets library: push, load, stream."""

import pytest

import datasets


@pytest.fixture
def rows():
    return datasets.Dataset.from_dict({"id": list(range(2_000)), "text": [f"row {number} of the test" for number in range(2_000)]})


def test_push_and_load(alice, name, rows, tmp_path):
    repo = f"alice/{name}"
    rows.push_to_hub(repo, token=alice.token)
    loaded = datasets.load_dataset(repo, token=alice.token, cache_dir=str(tmp_path))
    assert loaded["train"][:] == rows[:]
    assert alice.api.dataset_info(repo).card_data["dataset_info"]["splits"][0]["num_examples"] == 2_000


def test_push_splits_and_shards_of_a_private_dataset(alice, carol, name, rows, fresh, tmp_path):
    repo = f"alice/{name}"
    both = rows.train_test_split(test_size=0.25, seed=1)
    both.push_to_hub(repo, private=True, num_shards={"train": 3, "test": 1}, token=alice.token)
    files = alice.api.list_repo_files(repo, repo_type="dataset")
    assert len([path for path in files if path.endswith(".parquet")]) == 4
    loaded = datasets.load_dataset(repo, split="test", token=alice.token, cache_dir=str(tmp_path))
    assert loaded[:] == both["test"][:]
    # In a process of her own: what alice's client found is in the cache of this one.
    fresh(carol.token).run(
        f"""
        import datasets
        try:
            datasets.load_dataset({repo!r})
        except datasets.exceptions.DatasetNotFoundError:
            pass
        else:
            raise SystemExit("a stranger loaded a private dataset")
        """
    )


def test_stream(alice, name, rows):
    repo = f"alice/{name}"
    rows.push_to_hub(repo, token=alice.token, num_shards=2)
    stream = datasets.load_dataset(repo, split="train", streaming=True, token=alice.token)
    assert [row["id"] for row in stream.skip(990).take(20)] == list(range(990, 1_010))


def test_push_again_and_another_configuration(alice, name, rows, tmp_path):
    repo = f"alice/{name}"
    rows.push_to_hub(repo, token=alice.token)
    rows.select(range(10)).push_to_hub(repo, "small", token=alice.token)
    rows.select(range(100)).push_to_hub(repo, token=alice.token)
    assert len(datasets.load_dataset(repo, split="train", token=alice.token, cache_dir=str(tmp_path / "a"))) == 100
    assert len(datasets.load_dataset(repo, "small", split="train", token=alice.token, cache_dir=str(tmp_path / "b"))) == 10


def test_load_files_that_were_uploaded(alice, name, tmp_path):
    repo = alice.api.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    for split, count in (("train", 30), ("test", 10)):
        lines = "a,b\n" + "".join(f"{number},{number * number}\n" for number in range(count))
        alice.api.upload_file(path_or_fileobj=lines.encode(), path_in_repo=f"{split}.csv", repo_id=repo, repo_type="dataset")
    loaded = datasets.load_dataset(repo, token=alice.token, cache_dir=str(tmp_path))
    assert {split: len(part) for split, part in loaded.items()} == {"train": 30, "test": 10}
    assert loaded["train"][5] == {"a": 5, "b": 25}


def test_load_a_past_revision(alice, name, rows, tmp_path):
    repo = f"alice/{name}"
    past = rows.push_to_hub(repo, token=alice.token).oid
    rows.select(range(7)).push_to_hub(repo, token=alice.token)
    assert len(datasets.load_dataset(repo, split="train", revision=past, token=alice.token, cache_dir=str(tmp_path))) == 2_000
