"""Likes, what is used now, and collections, through the client of the Hub."""

import urllib.request

import pytest
from huggingface_hub.errors import HfHubHTTPError


def like(node, person, repo, kind="model"):
    """Likes as a page of the Hub does: the client can only take it back."""
    request = urllib.request.Request(
        f"{node.endpoint}/api/{kind}s/{repo}/like", data=b"", method="POST", headers={"Authorization": f"Bearer {person.token}"}
    )
    urllib.request.urlopen(request).close()


def test_like_and_unlike(node, alice, bob, repo):
    like(node, bob, repo)
    assert repo in alice.api.list_liked_repos("bob").models
    assert [liker.username for liker in alice.api.list_repo_likers(repo)] == ["bob"]
    assert alice.api.model_info(repo).likes == 1
    bob.api.unlike(repo)
    assert repo not in bob.api.list_liked_repos().models
    assert alice.api.model_info(repo).likes == 0


def test_trending_and_likes_order_lists(node, alice, bob, carol, name, nobody):
    first, second = (alice.api.create_repo(f"alice/{name}-{letter}", repo_type="dataset").repo_id for letter in "ab")
    like(node, bob, first, "dataset")
    like(node, carol, first, "dataset")
    like(node, bob, second, "dataset")
    for sort in ("trending_score", "likes"):
        found = [found.id for found in nobody.list_datasets(author="alice", search=name, sort=sort)]
        assert found == [first, second], sort
    like(node, carol, second, "dataset")
    carol.api.unlike(first, repo_type="dataset")
    assert next(iter(nobody.list_datasets(search=name, sort="likes"))).id == second


def test_polling_raises_no_counter(node, alice, repo, fresh):
    alice.api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id=repo)
    for _ in range(30):
        urllib.request.urlopen(f"{node.endpoint}/{repo}/resolve/main/a.txt").close()
    # The node writes its counts when it stops.
    node.stop()
    node.start()
    assert alice.api.model_info(repo).downloads == 1


def test_collections(node, alice, bob, nobody, name):
    model = alice.api.create_repo(f"alice/{name}").repo_id
    dataset = alice.api.create_repo(f"alice/{name}", repo_type="dataset").repo_id
    made = alice.api.create_collection(f"Clinics {name}", description="What clinics use")
    assert made.slug.startswith(f"alice/clinics-{name}-") and made.owner["name"] == "alice" and made.items == []
    assert alice.api.create_collection(f"Clinics {name}", exists_ok=True).slug == made.slug
    with pytest.raises(HfHubHTTPError) as refused:
        alice.api.create_collection(f"Clinics {name}")
    assert refused.value.response.status_code == 409

    alice.api.add_collection_item(made.slug, model, "model", note="Start here")
    found = alice.api.add_collection_item(made.slug, dataset, "dataset")
    alice.api.add_collection_item(made.slug, dataset, "dataset", exists_ok=True)
    assert [(item.item_id, item.item_type, item.note) for item in found.items] == [(model, "model", "Start here"), (dataset, "dataset", None)]
    alice.api.update_collection_item(made.slug, found.items[1].item_object_id, note="Then this", position=0)
    found = nobody.get_collection(made.slug)
    assert [(item.item_id, item.note) for item in found.items] == [(dataset, "Then this"), (model, "Start here")]

    changed = alice.api.update_collection_metadata(made.slug, title=f"Hospitals {name}", theme="green", position=1)
    assert (changed.title, changed.theme, changed.position) == (f"Hospitals {name}", "green", 1)
    # The old address still finds it.
    assert nobody.get_collection(made.slug).slug == changed.slug != made.slug
    assert changed.slug in [one.slug for one in nobody.list_collections(owner="alice", item=f"models/{model}")]
    with pytest.raises(HfHubHTTPError):
        bob.api.update_collection_metadata(made.slug, title="Mine")
    alice.api.update_collection_metadata(made.slug, private=True)
    with pytest.raises(HfHubHTTPError):
        nobody.get_collection(made.slug)

    alice.api.delete_collection_item(made.slug, found.items[0].item_object_id)
    alice.api.delete_collection_item(made.slug, found.items[0].item_object_id, missing_ok=True)
    assert len(alice.api.get_collection(made.slug).items) == 1
    alice.api.delete_collection(made.slug)
    alice.api.delete_collection(made.slug, missing_ok=True)
