"""Real clients ask a node for what only its upstream has, while the upstream is there, slow, poor of features, or gone."""

import hashlib
import json
import threading
import time

import pytest

from data import MIB, file_of, random_bytes
from pair import Pair
from programs import get, git

CLIENTS = 100


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.close()


def test_hub_client_while_the_upstream_goes_away(pair, fresh, name):
    weights = random_bytes(name, 8 * MIB)
    commit = pair.publish(name, {"config.json": b"{}", "weights.bin": weights})
    code = f"""
        import hashlib, os
        path = hf_hub_download('ulla/{name}', 'weights.bin')
        print('FILE', hashlib.sha256(open(path, 'rb').read()).hexdigest())
        folder = snapshot_download('ulla/{name}')
        print('COMMIT', os.path.basename(folder), *sorted(os.listdir(folder)))
    """
    wanted = [f"FILE {hashlib.sha256(weights).hexdigest()}", f"COMMIT {commit} .gitattributes config.json weights.bin"]
    assert fresh(None, pair.here.endpoint).run(code).strip().splitlines() == wanted
    with pair.gone():
        # Another client, whose caches know nothing: all of it comes from the node.
        assert fresh(None, pair.here.endpoint).run(code).strip().splitlines() == wanted
        assert fresh(None, pair.here.endpoint).run(code, HF_HUB_DISABLE_XET="1").strip().splitlines() == wanted


def test_what_is_not_held_is_said_when_the_upstream_is_gone(pair, name):
    pair.publish(name, {"a.bin": random_bytes(name, 2 * MIB)})
    with pair.gone():
        begun = time.monotonic()
        status, _, body = get(f"{pair.here.endpoint}/api/models/ulla/{name}")
        took = time.monotonic() - begun
        assert status in (502, 503, 504) and b"hub" in body, (status, body)
        assert took < 10, f"clients wait 10 s for an answer, this took {took:.1f}"
    assert get(f"{pair.here.endpoint}/api/models/ulla/{name}")[0] == 200


def test_the_upstream_goes_away_in_the_middle_of_a_file(pair, fresh, name, tmp_path):
    path = tmp_path / "large.bin"
    digest = file_of(path, "random", name, 48 * MIB)
    pair.ulla.api.create_repo(f"ulla/{name}")
    pair.ulla.api.upload_file(path_or_fileobj=path, path_in_repo="large.bin", repo_id=f"ulla/{name}")
    pair.proxy.forget()
    pair.proxy.rate = 12 * MIB
    pair.proxy.gone_after = 16 * MIB
    code = f"""
        import hashlib, time
        for attempt in range(60):
            try:
                path = hf_hub_download('ulla/{name}', 'large.bin')
                break
            except Exception as error:
                print('again', repr(error)[:200], flush=True)
                time.sleep(0.5)
        with open(path, 'rb') as file:
            print('FILE', hashlib.file_digest(file, 'sha256').hexdigest())
    """
    client = fresh(None, pair.here.endpoint).start(code)
    end = time.monotonic() + 60
    while not pair.proxy.is_gone:
        assert time.monotonic() < end and client.poll() is None, "the upstream was never asked for so much"
        time.sleep(0.02)
    pair.proxy.come_back()
    output, _ = client.communicate(timeout=300)
    pair.proxy.rate = None
    assert f"FILE {digest}" in output, output
    travelled = pair.proxy.body_bytes()
    # What the proxy had sent into the broken connections and nobody read is not the node's doing: sockets hold up to some MiB.
    assert travelled <= 1.005 * 48 * MIB + 4 * MIB, f"{travelled / MIB:.1f} MiB travelled for 48"


def test_datasets_while_the_upstream_goes_away(pair, fresh, name):
    code = f"""
        import datasets
        rows = datasets.load_dataset('ulla/{name}', split='train')
        print('ROWS', len(rows), rows[2999]['text'])
    """
    push = f"""
        import datasets
        rows = datasets.Dataset.from_dict({{"id": list(range(3_000)), "text": [f"row {{n}}" for n in range(3_000)]}})
        rows.push_to_hub('ulla/{name}')
    """
    fresh(pair.ulla.token, pair.upstream.endpoint).run(push)
    assert "ROWS 3000 row 2999" in fresh(None, pair.here.endpoint).run(code)
    with pair.gone():
        assert "ROWS 3000 row 2999" in fresh(None, pair.here.endpoint).run(code)


@pytest.mark.parametrize("is_known", [False, True], ids=["new here", "one commit deep here"])
def test_git_clone_while_the_upstream_goes_away(pair, name, tmp_path, is_known):
    model = random_bytes(name, 3 * MIB)
    pair.publish(name, {"README.md": b"# One\n", "model.bin": model})
    for number in range(3):
        commit = pair.ulla.api.upload_file(path_or_fileobj=b"%d" % number, path_in_repo=f"{number}.txt", repo_id=f"ulla/{name}").oid
    if is_known:
        assert json.loads(get(f"{pair.here.endpoint}/api/models/ulla/{name}")[2])["sha"] == commit

    def cloned(folder: str) -> None:
        git("clone", f"{pair.here.endpoint}/ulla/{name}", folder, cwd=tmp_path)
        clone = tmp_path / folder
        assert git("rev-parse", "HEAD", cwd=clone).strip() == commit
        assert len(git("log", "--format=%H", cwd=clone).split()) == 5
        assert (clone / "model.bin").read_bytes() == model
        git("fsck", "--full", cwd=clone)

    begun = time.monotonic()
    cloned("first")
    assert time.monotonic() - begun < 30
    with pair.gone():
        cloned("second")


def test_a_new_commit_upstream_is_seen(pair, name):
    first = pair.publish(name, {"a.txt": b"one"})
    assert json.loads(get(f"{pair.here.endpoint}/api/models/ulla/{name}")[2])["sha"] == first
    second = pair.ulla.api.upload_file(path_or_fileobj=b"two", path_in_repo="a.txt", repo_id=f"ulla/{name}").oid
    # A revision that is asked by its id is never an old one.
    assert get(f"{pair.here.endpoint}/ulla/{name}/resolve/{second}/a.txt")[2] == b"two"
    assert get(f"{pair.here.endpoint}/ulla/{name}/resolve/{first}/a.txt")[2] == b"one"


def test_private_repositories_are_never_leaked(pair, fresh, name):
    """Who may read upstream may read here, with the same right, and nobody else learns that there is anything."""
    secret = random_bytes(name, 2 * MIB)
    pair.publish(name, {"secret.bin": secret, "config.json": b'{"canary": "c4n4ry"}'}, private=True)
    known = {person: pair.here.user(f"{person}-{name[2:8]}") for person in ("karim", "olga")}
    user = f"karim-{name[2:8]}"
    url = f"{pair.here.endpoint}/ulla/{name}/resolve/main"
    missing = get(f"{pair.here.endpoint}/api/models/ulla/no-such-{name}", known["olga"])[0]

    def hidden(token: str | None) -> None:
        refused = (401, 403, 404, 502, 503, 504) if pair.proxy.is_gone else (401, 403, 404)
        for path in (f"/api/models/ulla/{name}", f"/api/models/ulla/{name}/tree/main", f"/ulla/{name}/resolve/main/config.json",
                     f"/ulla/{name}/resolve/main/secret.bin", f"/ulla/{name}/info/refs?service=git-upload-pack"):
            status, headers, body = get(pair.here.endpoint + path, token)
            assert status in refused and b"c4n4ry" not in body, (path, status, body)
        assert get(f"{pair.here.endpoint}/api/models/ulla/{name}", token)[0] == get(f"{pair.here.endpoint}/api/models/ulla/no-such-{name}", token)[0]
        listed = get(f"{pair.here.endpoint}/api/models?author=ulla&limit=1000", token)[2]
        assert name.encode() not in listed

    assert missing in (401, 404)
    for token in (None, *known.values()):
        hidden(token)
    # Karim says who he is upstream; from then on he sees it, and only he.
    pair.here.run("upstream", "login", "hub", user, said=pair.ulla.token + "\n")
    assert get(f"{url}/secret.bin", known["karim"])[2] == secret
    assert b"c4n4ry" in get(f"{url}/config.json", known["karim"])[2]
    for token in (None, known["olga"]):
        hidden(token)
    with pair.gone():
        # Nor does it show while nobody can be asked: what is here is hidden as what is nowhere.
        for token in (None, known["olga"]):
            hidden(token)
        assert get(f"{url}/secret.bin", known["karim"])[2] == secret


@pytest.mark.parametrize("size", [24 * MIB])
def test_a_hundred_clients_cause_one_fetch(pair, name, tmp_path, size):
    path = tmp_path / "wanted.bin"
    digest = file_of(path, "random", name, size)
    pair.ulla.api.create_repo(f"ulla/{name}")
    pair.ulla.api.upload_file(path_or_fileobj=path, path_in_repo="wanted.bin", repo_id=f"ulla/{name}")
    pair.proxy.forget()
    # Slow enough that all of them are there before the first is done.
    pair.proxy.rate = 12 * MIB
    gate, found = threading.Barrier(CLIENTS), []

    def one() -> None:
        gate.wait()
        status, _, body = get(f"{pair.here.endpoint}/ulla/{name}/resolve/main/wanted.bin")
        found.append((status, hashlib.sha256(body).hexdigest()))

    threads = [threading.Thread(target=one) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pair.proxy.rate = None
    assert found == [(200, digest)] * CLIENTS
    travelled = pair.proxy.body_bytes()
    assert travelled <= 1.01 * size + MIB, f"{travelled / MIB:.1f} MiB for {size // MIB}: {pair.proxy.seen}"
    asked = pair.proxy.requests(f"/api/models/ulla/{name}")
    assert len(asked) <= 6, f"metadata was asked {len(asked)} times: {asked}"


#: What an upstream lacks, and by which of its addresses the bytes of a large file come then.
UPSTREAMS = {
    "a node like this one": ((), (), "/federation/v1/xorb/"),
    "a hub with Xet": (("/federation/",), (), "/reconstructions/"),
    "a hub without Xet": (("/federation/",), ("x-xet-", "link"), "/resolve/"),
}


@pytest.mark.parametrize("kind", UPSTREAMS)
def test_upstreams_of_all_kinds(pair, fresh, name, kind):
    weights = random_bytes(name, 6 * MIB)
    commit = pair.publish(name, {"weights.bin": weights, "notes.txt": b"plain"})
    unknown, stripped, way = UPSTREAMS[kind]
    pair.proxy.unknown, pair.proxy.stripped = unknown, stripped
    pair.proxy.forget()
    try:
        output = fresh(None, pair.here.endpoint).run(
            f"""
            import hashlib
            path = hf_hub_download('ulla/{name}', 'weights.bin')
            print(hashlib.sha256(open(path, 'rb').read()).hexdigest(), path.split('/snapshots/')[1].split('/')[0])
            """
        )
    finally:
        pair.proxy.unknown, pair.proxy.stripped = (), ()
    assert output.split() == [hashlib.sha256(weights).hexdigest(), commit]
    ways = [one for _, _, one in UPSTREAMS.values() if any(seen.status < 300 for seen in pair.proxy.requests(one, "GET"))]
    assert ways == [way], [(seen.method, seen.path, seen.status) for seen in pair.proxy.seen]
    assert len(weights) <= pair.proxy.body_bytes() <= 1.01 * len(weights) + MIB // 8


def test_what_is_passed_on_is_one_fetch_for_real_clients_and_is_not_kept(fresh, name, tmp_path):
    pair = Pair(tmp_path / "pair", "--pass-through", "ulla/big-*")
    try:
        assert "passed on and not kept: ulla/big-*" in pair.here.run("upstream", "show", "hub")
        weights = {repo: random_bytes(f"{name}{repo}", 12 * MIB) for repo in ("big-one", "small")}
        for repo, content in weights.items():
            pair.publish(repo, {"config.json": b"{}", "weights.bin": content})
        pair.proxy.forget()
        # Slow enough that all of them are there before the first is done.
        pair.proxy.rate = 6 * MIB
        code = """
            import hashlib, os
            folder = snapshot_download('ulla/{}')
            print(hashlib.sha256(open(os.path.join(folder, 'weights.bin'), 'rb').read()).hexdigest())
        """
        clients = [fresh(None, pair.here.endpoint).start(code.format("big-one")) for _ in range(6)]
        for client in clients:
            output, _ = client.communicate(timeout=120)
            assert output.strip() == hashlib.sha256(weights["big-one"]).hexdigest(), output
        pair.proxy.rate = None
        travelled = pair.proxy.body_bytes()
        assert travelled <= 12 * MIB + MIB, f"{travelled / MIB:.1f} MiB for six clients"
        fresh(None, pair.here.endpoint).run(code.format("small"))
        # Of the one nothing is stored, the other is here for good.
        held = {repo: get(f"{pair.here.endpoint}/ulla/{repo}/resolve/main/weights.bin", method="HEAD")[1] for repo in weights}
        assert "x-xet-hash" not in held["big-one"] and "x-xet-hash" in held["small"], held
        with pair.gone():
            assert fresh(None, pair.here.endpoint).run(code.format("small")).strip() == hashlib.sha256(weights["small"]).hexdigest()
    finally:
        pair.close()
