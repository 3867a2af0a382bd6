"""Discussions and pull requests with the real client."""

import warnings

import pytest
from data import MIB, random_bytes
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError


def test_a_discussion(alice, carol, repo):
    opened = carol.api.create_discussion(repo, "Licence?", description="Is it free?")
    assert (opened.num, opened.status, opened.author, opened.is_pull_request) == (1, "open", carol.name, False)
    said = alice.api.comment_discussion(repo, 1, "It is.")
    assert (said.content, said.author, said.edited) == ("It is.", alice.name, False)
    edited = alice.api.edit_discussion_comment(repo, 1, said.id, "It is MIT.")
    assert (edited.content, edited.number_of_edits, edited.last_edited_by) == ("It is MIT.", 1, alice.name)
    renamed = carol.api.rename_discussion(repo, 1, "Licence")
    assert (renamed.old_title, renamed.new_title) == ("Licence?", "Licence")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert alice.api.hide_discussion_comment(repo, 1, said.id).hidden
    assert alice.api.change_discussion_status(repo, 1, "closed", comment="Thanks").new_status == "closed"
    found = carol.api.get_discussion_details(repo, 1)
    assert (found.title, found.status) == ("Licence", "closed")
    assert [event.type for event in found.events] == ["comment", "comment", "title-change", "comment", "status-change"]
    assert found.events[1].hidden and found.events[1].content == ""
    assert [one.num for one in alice.api.get_repo_discussions(repo, discussion_status="closed")] == [1]
    assert list(alice.api.get_repo_discussions(repo, discussion_type="pull_request")) == []


def test_many_discussions_come_in_pages(alice, repo):
    for number in range(55):
        alice.api.create_discussion(repo, f"Number {number}")
    assert [one.num for one in alice.api.get_repo_discussions(repo)] == list(range(55, 0, -1))


def test_a_pull_request_is_opened_filled_and_merged(alice, carol, repo, tmp_path):
    large = random_bytes("merged", 5 * MIB)
    draft = carol.api.create_pull_request(repo, "Weights", description="Better ones")
    assert (draft.status, draft.git_reference, draft.target_branch) == ("draft", "refs/pr/1", "refs/heads/main")
    operations = [CommitOperationAdd("m.bin", large), CommitOperationAdd("notes.txt", b"new\n")]
    carol.api.create_commit(repo, operations, commit_message="Weights", revision=draft.git_reference)
    carol.api.change_discussion_status(repo, 1, "open")
    found = alice.api.get_discussion_details(repo, 1)
    assert found.conflicting_files == [] and "+new" in found.diff and found.events[1].summary == "Weights"
    with pytest.raises(HfHubHTTPError):
        carol.api.merge_pull_request(repo, 1)
    alice.api.merge_pull_request(repo, 1, comment="Thank you")
    merged = alice.api.get_discussion_details(repo, 1)
    assert merged.status == "merged" and merged.merge_commit_oid == alice.api.model_info(repo).sha
    path = carol.api.hf_hub_download(repo, "m.bin", cache_dir=tmp_path)
    assert open(path, "rb").read() == large


def test_a_conflict_is_said(alice, carol, repo):
    alice.api.create_commit(repo, [CommitOperationAdd("a.txt", b"a")], commit_message="a")
    request = carol.api.create_commit(repo, [CommitOperationAdd("a.txt", b"carol")], commit_message="mine", create_pr=True)
    alice.api.create_commit(repo, [CommitOperationAdd("a.txt", b"alice")], commit_message="mine")
    assert alice.api.get_discussion_details(repo, request.pr_num).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError) as refused:
        alice.api.merge_pull_request(repo, request.pr_num)
    assert "a.txt" in str(refused.value)
