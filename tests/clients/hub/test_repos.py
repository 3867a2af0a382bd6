"""Repositories: made, found, moved, hidden, shared, deleted."""

import pytest

from data import MIB, random_bytes
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError


def status_of(refused) -> int:
    return refused.value.response.status_code


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_create_and_delete(api, name, kind):
    options = {"space_sdk": "static"} if kind == "space" else {}
    url = api.create_repo(f"alice/{name}", repo_type=kind, **options)
    assert (url.namespace, url.repo_name, url.repo_type) == ("alice", name, kind)
    assert api.list_repo_files(f"alice/{name}", repo_type=kind) == [".gitattributes"]
    assert api.repo_exists(f"alice/{name}", repo_type=kind)
    with pytest.raises(HfHubHTTPError) as refused:
        api.create_repo(f"alice/{name}", repo_type=kind, **options)
    assert status_of(refused) == 409
    assert api.create_repo(f"alice/{name}", repo_type=kind, exist_ok=True, **options).repo_id == f"alice/{name}"
    api.delete_repo(f"alice/{name}", repo_type=kind)
    assert not api.repo_exists(f"alice/{name}", repo_type=kind)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(f"alice/{name}", repo_type=kind)
    api.delete_repo(f"alice/{name}", repo_type=kind, missing_ok=True)


def test_name_without_an_owner(api, name):
    assert api.create_repo(name).repo_id == f"alice/{name}"


@pytest.mark.parametrize("wrong", ["alice/api..x", "bob/not-mine", "nobody/x"])
def test_create_where_one_may_not(api, wrong):
    with pytest.raises((HfHubHTTPError, ValueError)):
        api.create_repo(wrong)


def test_move_redirects(api, name, tmp_path):
    old, new = f"alice/{name}", f"alice/{name}-moved"
    api.create_repo(old, private=True)
    content = random_bytes(name, 3 * MIB)
    api.create_commit(old, [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("b.bin", content)], commit_message="Two")
    api.move_repo(old, new)
    assert api.repo_info(new).id == new
    assert api.repo_info(old).id == new
    assert open(api.hf_hub_download(old, "a.txt", cache_dir=tmp_path), "rb").read() == b"a"
    assert open(api.hf_hub_download(old, "b.bin", cache_dir=tmp_path), "rb").read() == content
    api.upload_file(path_or_fileobj=b"c", path_in_repo="c.txt", repo_id=old)
    assert "c.txt" in api.list_repo_files(new)


def test_move_onto_another(api, name):
    for suffix in ("a", "b"):
        api.create_repo(f"alice/{name}-{suffix}")
    with pytest.raises(HfHubHTTPError) as refused:
        api.move_repo(f"alice/{name}-a", f"alice/{name}-b")
    assert "already exists" in str(refused.value)


def test_private_repository(alice, carol, nobody, name, tmp_path):
    repo = alice.api.create_repo(f"alice/{name}", private=True).repo_id
    operations = [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("b.bin", random_bytes(name, 3 * MIB))]
    alice.api.create_commit(repo, operations, commit_message="Two")
    alice.api.auth_check(repo)
    alice.api.auth_check(repo, write=True)
    for stranger in (carol.api, nobody):
        for attempt in (
            lambda: stranger.repo_info(repo),
            lambda: stranger.auth_check(repo),
            lambda: stranger.list_repo_files(repo),
            lambda: stranger.list_repo_refs(repo),
            lambda: stranger.hf_hub_download(repo, "a.txt", cache_dir=tmp_path),
            lambda: stranger.hf_hub_download(repo, "b.bin", cache_dir=tmp_path),
            lambda: stranger.get_paths_info(repo, "a.txt"),
        ):
            with pytest.raises(RepositoryNotFoundError):
                attempt()
        assert repo not in {model.id for model in stranger.list_models(author="alice")}
    for attempt in (
        lambda: carol.api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo),
        lambda: carol.api.delete_repo(repo),
        lambda: carol.api.create_branch(repo, branch="b"),
        lambda: carol.api.update_repo_settings(repo, private=False),
    ):
        with pytest.raises(HfHubHTTPError):
            attempt()
    assert repo in {model.id for model in alice.api.list_models(author="alice")}


def test_public_repository_is_read_by_all_and_written_by_its_owner(alice, carol, nobody, repo, tmp_path):
    alice.api.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=repo)
    for reader in (carol.api, nobody):
        assert open(reader.hf_hub_download(repo, "a.txt", cache_dir=tmp_path), "rb").read() == b"a"
        with pytest.raises(HfHubHTTPError) as refused:
            reader.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo)
        assert status_of(refused) in (401, 403)


def test_visibility_can_change(alice, nobody, repo):
    assert nobody.repo_exists(repo)
    alice.api.update_repo_settings(repo, private=True)
    assert not nobody.repo_exists(repo)
    assert alice.api.repo_info(repo).private
    alice.api.update_repo_settings(repo, private=False)
    assert nobody.repo_exists(repo)


def test_read_token_does_not_write(node, alice, repo):
    from huggingface_hub import HfApi

    reader = HfApi(endpoint=node.endpoint, token=node.token("alice", "read"))
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"
    reader.auth_check(repo)
    with pytest.raises(HfHubHTTPError) as refused:
        reader.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo)
    assert status_of(refused) == 403


def test_wrong_token(node, repo):
    from huggingface_hub import HfApi

    wrong = HfApi(endpoint=node.endpoint, token="hf_" + "x" * 37)
    with pytest.raises(HfHubHTTPError) as refused:
        wrong.whoami()
    assert status_of(refused) == 401


def test_organisation(node, alice, bob, carol, nobody, name, tmp_path):
    lab = f"lab-{name}"
    node.organization(lab, alice="admin", bob="write")
    assert lab in {organization["name"] for organization in bob.api.whoami()["orgs"]}
    repo = alice.api.create_repo(f"{lab}/shared", private=True).repo_id
    bob.api.upload_file(path_or_fileobj=b"from bob", path_in_repo="b.txt", repo_id=repo)
    assert open(alice.api.hf_hub_download(repo, "b.txt", cache_dir=tmp_path), "rb").read() == b"from bob"
    for stranger in (carol.api, nobody):
        with pytest.raises(RepositoryNotFoundError):
            stranger.repo_info(repo)
    assert alice.api.get_organization_overview(lab).name == lab
    assert {member.username for member in alice.api.list_organization_members(lab)} == {"alice", "bob"}
    node.run("org", "add", lab, "carol", "--role", "read")
    assert carol.api.repo_info(repo).id == repo
    with pytest.raises(HfHubHTTPError):
        carol.api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=repo)


def test_who_am_i(alice, nobody):
    me = alice.api.whoami()
    assert (me["type"], me["name"]) == ("user", "alice")
    assert alice.api.get_user_overview("alice").username == "alice"


def test_errors_say_what_is_missing(api, repo, name, tmp_path):
    from huggingface_hub.errors import RevisionNotFoundError

    with pytest.raises(EntryNotFoundError):
        api.hf_hub_download(repo, "missing.txt", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(repo, ".gitattributes", revision="missing", cache_dir=tmp_path)
    with pytest.raises(RepositoryNotFoundError) as refused:
        api.hf_hub_download(f"alice/{name}-missing", "a.txt", cache_dir=tmp_path)
    assert refused.value.response.headers["X-Request-Id"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(repo, "no/such/folder"))


def test_listing(alice, nobody, name):
    names = [f"alice/{name}-{number}" for number in range(7)]
    for number, repo in enumerate(names):
        alice.api.create_repo(repo)
        card = f"---\nlicense: mit\npipeline_tag: text-classification\ntags: [tag-{name}, n-{number}]\nlibrary_name: transformers\n---\n"
        alice.api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id=repo)

    def ids(**options):
        return [model.id for model in nobody.list_models(**options)]

    assert set(ids(search=name)) == set(names)
    assert set(ids(author="alice", filter=f"tag-{name}")) == set(names)
    assert ids(filter=[f"tag-{name}", "n-3"]) == [names[3]]
    assert set(ids(search=name, pipeline_tag="text-classification")) == set(names)
    assert ids(search=name, pipeline_tag="translation") == []
    assert ids(search=name, sort="created_at", limit=3) == names[:-4:-1]
    assert len(ids(search=name, limit=2)) == 2
    assert ids(search=name, author="carol") == []
    (full,) = nobody.list_models(search=names[0].split("/")[1], full=True, cardData=True)
    assert {file.rfilename for file in full.siblings} == {".gitattributes", "README.md"}
    assert full.card_data.license == "mit"
    (expanded,) = nobody.list_models(search=names[0].split("/")[1], expand=["downloads", "tags"])
    assert expanded.downloads is not None


def test_listing_goes_on_to_the_next_page(alice, nobody, node, name):
    import urllib.request

    for number in range(5):
        alice.api.create_repo(f"alice/{name}-{number}", repo_type="dataset")
    url, pages = f"{node.endpoint}/api/datasets?search={name}&limit=2", []
    while url:
        with urllib.request.urlopen(url) as answer:
            import json

            pages.append([dataset["id"] for dataset in json.load(answer)])
            link = answer.headers.get("Link") or ""
            url = link.split("<")[1].split(">")[0] if 'rel="next"' in link else ""
            assert not url or url.startswith(node.endpoint)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({repo for page in pages for repo in page}) == 5


def test_unknown_expand_names_the_known_ones(nobody, repo):
    with pytest.raises(HfHubHTTPError) as refused:
        nobody.model_info(repo, expand=["no-such-property"])
    assert status_of(refused) == 400
