"""Gated repositories of an upstream that keeps its gate as the public hub does: who was granted access there reads here, and nobody else does,
by whatever door, also while the file lies here and the upstream is away."""

import hashlib
import json
import time

import pytest

from conftest import Person
from data import MIB, random_bytes
from gated_hub import GatedHub
from pair import Pair
from programs import get, git

CANARY = b"c4n4ry"
#: Seconds in which what changed upstream must be noticed here when it is asked about every second.
NOTICED_SECS = 10


class Gated(Pair):
    """An upstream with a gate; of it karim was granted access, olga was not, and noor has no account there."""

    def __init__(self, folder, *wishes: str):
        super().__init__(folder, *wishes)
        self.proxy.gate = self.gate = GatedHub()
        # As most hubs: no doors for nodes.
        self.proxy.unknown = ("/federation/",)
        self.there = {person: self.upstream.user(f"{person}-there") for person in ("karim", "olga")}
        self.gate.known |= {self.ulla.token, *self.there.values()}
        self.people = {person: Person(self.here, person, self.here.user(person)) for person in ("karim", "olga", "noor")}
        for person, token in self.there.items():
            self.here.run("upstream", "login", "hub", person, said=token + "\n")
        #: All who must not read what is gated.
        self.shut_out = [None, self.people["olga"].token, self.people["noor"].token]

    def publish_gated(self, name: str, weights: bytes) -> str:
        commit = self.publish(name, {"config.json": b'{"note": "%b"}' % CANARY, "weights.bin": weights})
        self.shut(name)
        return commit

    def shut(self, name: str) -> None:
        """Access on request from now on; karim has it."""
        self.ulla.api.update_repo_settings(f"ulla/{name}", gated="manual")
        self.ulla.api.grant_access(f"ulla/{name}", "karim-there")
        self.gate.gate(f"ulla/{name}", self.ulla.token, self.there["karim"])


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    gated = Gated(tmp_path_factory.mktemp("gated"))
    yield gated
    gated.close()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The same, where the node asks again after a second, and takes tokens that only the upstream knows."""
    quick = Gated(tmp_path_factory.mktemp("quick"), "--revalidate", "1 s", "--pass-tokens")
    yield quick
    quick.close()


def attempts(name: str) -> str:
    """What a person tries with huggingface_hub; prints the error of each."""
    return f"""
        for attempt in (
            lambda: hf_hub_download('ulla/{name}', 'weights.bin'),
            lambda: hf_hub_download('ulla/{name}', 'config.json'),
            lambda: snapshot_download('ulla/{name}'),
            lambda: api.auth_check('ulla/{name}'),
        ):
            try:
                print('GOT', attempt())
            except Exception as error:
                print(type(error).__name__, ' '.join(str(error).split()))
    """


def reads(name: str) -> str:
    return f"""
        import hashlib, os
        path = hf_hub_download('ulla/{name}', 'weights.bin')
        print('FILE', hashlib.sha256(open(path, 'rb').read()).hexdigest())
        print('COMMIT', os.path.basename(snapshot_download('ulla/{name}')))
    """


def test_the_gate_of_the_upstream_is_as_the_public_hubs(gated, fresh, name):
    """What the other tests stand on: the upstream itself, asked by a real client."""
    weights = random_bytes(name, 3 * MIB)
    commit = gated.publish_gated(name, weights)
    url = gated.proxy.url
    for token, status in ((None, 401), (gated.there["olga"], 403)):
        lines = fresh(token, url).run(attempts(name)).strip().splitlines()
        assert [line.split()[0] for line in lines] == ["GatedRepoError"] * 4, lines
        assert get(f"{url}/ulla/{name}/info/refs?service=git-upload-pack", token)[0] == status
        assert get(f"{url}/api/models/ulla/{name}/xet-read-token/{commit}", token)[0] == status
        # That it is there, and what is in it, everybody may know.
        facts = json.loads(get(f"{url}/api/models/ulla/{name}", token)[2])
        assert (facts["gated"], facts["sha"]) == ("manual", commit)
        assert {one["rfilename"] for one in facts["siblings"]} >= {"config.json", "weights.bin"}
        assert get(f"{url}/api/models/ulla/{name}/tree/main", token)[0] == 200
    assert hashlib.sha256(weights).hexdigest() in fresh(gated.there["karim"], url).run(reads(name))


def test_who_was_granted_access_reads_and_nobody_else(gated, fresh, name):
    weights = random_bytes(name, 6 * MIB)
    commit = gated.publish_gated(name, weights)
    here = gated.here.endpoint

    def shut_out() -> None:
        for token in gated.shut_out:
            lines = fresh(token, here).run(attempts(name)).strip().splitlines()
            assert [line.split()[0] for line in lines] == ["GatedRepoError"] * 4, lines
            # It says where to ask, and what to do then.
            assert all(word in line for line in lines for word in ("Ask for access", "at hub", "karez upstream login")), lines

    shut_out()
    wanted = [f"FILE {hashlib.sha256(weights).hexdigest()}", f"COMMIT {commit}"]
    karim = gated.people["karim"].token
    assert fresh(karim, here).run(reads(name)).strip().splitlines() == wanted
    assert fresh(karim, here).run(reads(name), HF_HUB_DISABLE_XET="1").strip().splitlines() == wanted
    shut_out()
    with gated.gone():
        shut_out()
        # What the upstream said about karim a moment ago holds for five minutes.
        assert fresh(karim, here).run(reads(name)).strip().splitlines() == wanted


def test_no_other_door_opens(gated, fresh, name, tmp_path):
    weights = random_bytes(name, 5 * MIB)
    sha256 = hashlib.sha256(weights).hexdigest()
    commit = gated.publish_gated(name, weights)
    here, karim = gated.here.endpoint, gated.people["karim"]
    assert sha256 in fresh(karim.token, here).run(reads(name))
    xet_hash = get(f"{here}/ulla/{name}/resolve/main/weights.bin", karim.token, Range="bytes=0-0")[1]["x-xet-hash"]
    chunk = _first_chunk(gated, name, sha256)
    for person in ("olga", "noor"):
        gated.people[person].api.create_repo(f"{person}/mine-{name}")

    def shut() -> None:
        for token in gated.shut_out:
            _files_are_shut(here, name, commit, sha256, token)
            for listed in ("author=ulla", f"search={name}", "gated=true", "limit=1000"):
                assert f"ulla/{name}".encode() not in get(f"{here}/api/models?{listed}", token)[2], listed
        for person in ("olga", "noor"):
            _hashes_open_nothing(here, gated.people[person], f"{person}/mine-{name}", sha256, len(weights), xet_hash, chunk)

    shut()
    with gated.gone():
        shut()
    # To karim it is listed, and git brings it with its large file.
    assert name.encode() in get(f"{here}/api/models?author=ulla&limit=1000", karim.token)[2]
    host = here.removeprefix("http://")
    git("clone", f"http://karim:{karim.token}@{host}/ulla/{name}", "karims", cwd=tmp_path)
    assert (tmp_path / "karims/weights.bin").read_bytes() == weights
    for token in filter(None, gated.shut_out):
        said = git("clone", f"http://x:{token}@{host}/ulla/{name}", "others", cwd=tmp_path, fails=True)
        assert "restricted" in said or "403" in said, said
    git("clone", f"{here}/ulla/{name}", "nobodys", cwd=tmp_path, fails=True)


def _files_are_shut(here: str, name: str, commit: str, sha256: str, token: str | None) -> None:
    status = 401 if token is None else 403
    paths = [f"/ulla/{name}/resolve/{rev}/{file}" for rev in ("main", commit) for file in ("weights.bin", "config.json")]
    paths += [f"/api/models/ulla/{name}{rest}" for rest in ("", "/revision/main", "/tree/main", "/refs", "/commits/main", "/auth-check")]
    paths += [f"/api/models/ulla/{name}/xet-read-token/{rev}" for rev in ("main", commit)]
    paths += [f"/ulla/{name}/info/refs?service=git-upload-pack", f"/ulla/{name}.git/info/refs?service=git-upload-pack"]
    for path in paths:
        for method in ("GET", "HEAD"):
            if method == "HEAD" and "/resolve/" not in path:
                continue
            answered, headers, body = get(here + path, token, method=method)
            said = (method, path, answered, headers, body[:300])
            assert (answered, headers.get("x-error-code")) == (status, "GatedRepo"), said
            assert CANARY not in body and sha256.encode() not in body, said
            assert not {"x-xet-hash", "x-linked-etag", "etag", "x-linked-size", "x-repo-commit"} & set(headers), said
    # Doors for nodes and other programs: closed, in their own words.
    for path in (f"/federation/v1/map/models/ulla/{name}/{sha256}", f"/v2/ulla/{name}/manifests/main"):
        answered, _, body = get(here + path, token)
        assert answered in (401, 403, 404) and sha256.encode() not in body, (path, answered, body)
    batch = json.dumps({"operation": "download", "transfers": ["basic"], "objects": [{"oid": sha256, "size": 5 * MIB}]}).encode()
    for data, path in ((b"0000", "git-upload-pack"), (batch, "info/lfs/objects/batch")):
        answered, _, body = get(f"{here}/ulla/{name}.git/{path}", token, data=data)
        assert answered == status and b"href" not in body, (path, answered, body)


def _hashes_open_nothing(here: str, person: Person, own: str, sha256: str, size: int, xet_hash: str, chunk: str) -> None:
    """Whoever knows the names of the bytes learns nothing by them in a repository of their own."""
    cas = {}
    for kind in ("read", "write"):
        cas = json.loads(get(f"{here}/api/models/{own}/xet-{kind}-token/main", person.token)[2])
        for path in (f"v1/reconstructions/{xet_hash}", f"v2/reconstructions/{xet_hash}", f"v1/chunks/default-merkledb/{chunk}", f"v1/chunks/default/{chunk}"):
            answered, _, body = get(f"{cas['casUrl']}/{path}", cas["accessToken"])
            assert answered == 404, (path, answered, body)
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": sha256, "size": size}]}
    status, _, body = get(f"{here}/{own}.git/info/lfs/objects/batch", person.token, data=json.dumps(batch).encode())
    assert status == 200 and "upload" in json.loads(body)["objects"][0]["actions"], body
    lines = [{"key": "header", "value": {"summary": "Take"}}, {"key": "lfsFile", "value": {"path": "w", "algo": "sha256", "oid": sha256, "size": size}}]
    commit = "\n".join(map(json.dumps, lines)).encode()
    status, _, body = get(f"{here}/api/models/{own}/commit/main", person.token, data=commit, **{"Content-Type": "application/x-ndjson"})
    assert status >= 400, (status, body)
    assert get(f"{here}/{own}/resolve/main/w", person.token)[0] == 404


def _first_chunk(gated: Gated, name: str, sha256: str) -> str:
    """The hash of a file's first chunk, which dedup questions may ask for; the upstream's map of the file has it (docs/federation.md)."""
    status, _, map_bytes = get(f"{gated.upstream.direct}/federation/v1/map/models/ulla/{name}/{sha256}", gated.ulla.token)
    assert status == 200 and map_bytes.startswith(b"KRZFMAP\x01")
    terms = int.from_bytes(map_bytes[80:84], "little")
    at = 92 + 44 * terms
    # Hashes are written as Xet does: words of eight bytes, each turned round.
    return b"".join(map_bytes[at + part : at + part + 8][::-1] for part in range(0, 32, 8)).hex()


def _until(what, wanted) -> None:
    end = time.monotonic() + NOTICED_SECS
    while (found := what()) != wanted:
        assert time.monotonic() < end, f"{found} and not {wanted} after {NOTICED_SECS} s"
        time.sleep(0.1)


def test_a_grant_that_was_taken_back_ends_here(quick, fresh, name):
    weights = random_bytes(name, 2 * MIB)
    quick.publish_gated(name, weights)
    here, karim = quick.here.endpoint, quick.people["karim"].token
    wanted = hashlib.sha256(weights).hexdigest()
    assert wanted in fresh(karim, here).run(reads(name))
    quick.gate.grants[f"ulla/{name}"].remove(quick.there["karim"])
    file = f"{here}/ulla/{name}/resolve/main/weights.bin"
    _until(lambda: get(file, karim)[0], 403)
    lines = fresh(karim, here).run(attempts(name)).strip().splitlines()
    assert [line.split()[0] for line in lines] == ["GatedRepoError"] * 4, lines
    assert name.encode() not in get(f"{here}/api/models?author=ulla&limit=1000", karim)[2]
    quick.gate.grants[f"ulla/{name}"].add(quick.there["karim"])
    _until(lambda: get(file, karim)[0], 200)
    assert wanted in fresh(karim, here).run(reads(name))


def test_what_was_open_and_is_gated_closes_here_and_opens_again(quick, fresh, name):
    weights = random_bytes(name, 2 * MIB)
    quick.publish(name, {"config.json": CANARY, "weights.bin": weights})
    here, karim = quick.here.endpoint, quick.people["karim"].token
    wanted = hashlib.sha256(weights).hexdigest()
    assert wanted in fresh(None, here).run(reads(name))
    quick.shut(name)
    file = f"{here}/ulla/{name}/resolve/main/weights.bin"
    answers = []
    _until(lambda: answers.append(get(file)) or answers[-1][0], 401)
    assert answers[-1][1].get("x-error-code") == "GatedRepo", answers[-1]
    for token in quick.shut_out:
        lines = fresh(token, here).run(attempts(name)).strip().splitlines()
        assert [line.split()[0] for line in lines] == ["GatedRepoError"] * 4, lines
    assert wanted in fresh(karim, here).run(reads(name))
    quick.ulla.api.update_repo_settings(f"ulla/{name}", gated=False)
    quick.gate.open(f"ulla/{name}")
    _until(lambda: get(file)[0], 200)
    assert wanted in fresh(None, here).run(reads(name))


def test_a_token_of_the_upstream_is_enough_where_the_operator_passes_tokens(quick, fresh, name):
    weights = random_bytes(name, 2 * MIB)
    quick.publish_gated(name, weights)
    here = quick.here.endpoint
    assert hashlib.sha256(weights).hexdigest() in fresh(quick.there["karim"], here).run(reads(name))
    lines = fresh(quick.there["olga"], here).run(attempts(name)).strip().splitlines()
    assert [line.split()[0] for line in lines] == ["GatedRepoError"] * 4, lines


def test_a_gate_that_the_facts_do_not_name_is_kept(quick, fresh, name):
    """The upstream says that it is open to all, and gives its files to some: what it does decides."""
    weights = random_bytes(name, 2 * MIB)
    quick.publish(name, {"config.json": b'{"note": "%b"}' % CANARY, "weights.bin": weights})
    quick.gate.gate(f"ulla/{name}", quick.ulla.token, quick.there["karim"])
    here, karim = quick.here.endpoint, quick.people["karim"].token
    assert hashlib.sha256(weights).hexdigest() in fresh(karim, here).run(reads(name))
    for token in quick.shut_out:
        for path in (f"ulla/{name}/resolve/main/weights.bin", f"ulla/{name}/resolve/main/config.json"):
            status, _, body = get(f"{here}/{path}", token)
            assert status in (401, 403, 404) and CANARY not in body, (path, status)
        assert get(f"{here}/ulla/{name}/info/refs?service=git-upload-pack", token)[0] in (401, 403, 404)
        assert "GOT" not in fresh(token, here).run(attempts(name))
