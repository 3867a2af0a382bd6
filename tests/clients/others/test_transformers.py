"""transformers without torch: tokenizer and configuration, saved, pushed, loaded."""

import json

import pytest
from transformers import AutoConfig, AutoTokenizer, BertConfig, PreTrainedTokenizerFast

from tokenizers import Tokenizer, models, pre_tokenizers, trainers


@pytest.fixture(scope="module")
def tokenizer():
    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    lines = ["water flows under the dry land", "a channel dug together", "owned by no one"] * 20
    made.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=200, special_tokens=["[UNK]", "[PAD]"]))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]")


def test_push_and_load(alice, name, tokenizer, tmp_path):
    repo = f"alice/{name}"
    config = BertConfig(hidden_size=32, num_attention_heads=2, num_hidden_layers=1, vocab_size=200)
    config.push_to_hub(repo, token=alice.token)
    tokenizer.push_to_hub(repo, token=alice.token)
    loaded = AutoTokenizer.from_pretrained(repo, token=alice.token, cache_dir=tmp_path)
    assert loaded("water under a channel")["input_ids"] == tokenizer("water under a channel")["input_ids"]
    assert AutoConfig.from_pretrained(repo, token=alice.token, cache_dir=tmp_path).hidden_size == 32


def test_private_and_offline(alice, carol, name, tokenizer, tmp_path):
    repo = f"alice/{name}"
    tokenizer.push_to_hub(repo, private=True, token=alice.token)
    AutoTokenizer.from_pretrained(repo, token=alice.token, cache_dir=tmp_path)
    AutoTokenizer.from_pretrained(repo, token=alice.token, cache_dir=tmp_path, local_files_only=True)
    with pytest.raises(OSError):
        AutoTokenizer.from_pretrained(repo, token=carol.token, cache_dir=tmp_path / "carol")


def test_saved_folder_uploaded(alice, repo, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "saved")
    BertConfig(hidden_size=16, num_attention_heads=2).save_pretrained(tmp_path / "saved")
    alice.api.upload_folder(repo_id=repo, folder_path=tmp_path / "saved")
    commit = alice.api.repo_info(repo).sha
    loaded = AutoConfig.from_pretrained(repo, revision=commit, token=alice.token, cache_dir=tmp_path)
    assert loaded.hidden_size == 16
    assert json.loads((tmp_path / "saved/config.json").read_text())["hidden_size"] == 16
