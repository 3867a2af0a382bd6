"""Two processes on one PostgreSQL and one bucket are one node with two doors."""

import os
import subprocess
import time
import urllib.request
import uuid
from pathlib import Path

import pytest

from data import MIB, file_of, sha256_of
from node import Node, free_port


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """An S3 server with one bucket, as a value of the setting `store`."""
    port = free_port()
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    server = subprocess.Popen([os.environ["KAREZ_TEST_MOTO"], "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log)
    endpoint = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/karez", method="PUT")).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.1)
    yield f"s3://karez/node?endpoint={endpoint}&region=us-east-1&access_key_id=test&secret_access_key=test&allow_http=true"
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def database():
    """A database of our own on the PostgreSQL of this run."""
    server = os.environ["KAREZ_TEST_POSTGRES"]
    name = f"two_nodes_{uuid.uuid4().hex[:8]}"
    subprocess.run(["psql", "--quiet", server, "--command", f"CREATE DATABASE {name}"], check=True)
    return server.rsplit("/", 1)[0] + "/" + name


@pytest.fixture(scope="module")
def pair(bucket, database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    one = Node(folder / "one", database=database, store=bucket).start()
    two = Node(folder / "two", database=database, store=bucket).start()
    yield one, two
    for node in (one, two):
        node.stop()


def test_push_through_one_and_pull_through_the_other(pair, fresh, tmp_path):
    one, two = pair
    token = one.user("dana")
    for kind in ("random", "text"):
        path = tmp_path / f"{kind}.bin"
        digest = file_of(path, kind, "two-nodes", 80 * MIB)
        writer, reader = fresh(token, one.endpoint), fresh(token, two.endpoint)
        writer.run(f"api.create_repo('dana/{kind}', private=True)")
        writer.run(f"api.upload_file(path_or_fileobj={str(path)!r}, path_in_repo='f.bin', repo_id='dana/{kind}')")
        output = reader.run(f"print('PATH', hf_hub_download('dana/{kind}', 'f.bin'))")
        assert sha256_of(output.split("PATH ")[1].strip()) == digest
        output = reader.run(f"print('PATH', hf_hub_download('dana/{kind}', 'f.bin', cache_dir={str(tmp_path / 'plain')!r}))", HF_HUB_DISABLE_XET="1")
        assert sha256_of(output.split("PATH ")[1].strip()) == digest


def test_a_change_is_seen_at_once_by_both(pair, fresh):
    one, two = pair
    token = two.user("erin")
    first, second = fresh(token, one.endpoint), fresh(token, two.endpoint)
    first.run("api.create_repo('erin/r')")
    for number, client in enumerate((first, second, first, second)):
        client.run(f"api.upload_file(path_or_fileobj=b'x', path_in_repo='{number}.txt', repo_id='erin/r')")
    for client in (first, second):
        assert "4" == client.run("print(len(api.list_repo_files('erin/r')) - 1)").strip()
    first.run("api.delete_repo('erin/r')")
    assert "False" == second.run("print(api.repo_exists('erin/r'))").strip()


def test_nothing_dangles(pair):
    one, _ = pair
    one.run("fsck")


def test_nothing_of_the_node_is_in_its_folder(pair):
    one, _ = pair
    assert one.stored_bytes() < MIB, [str(path) for path in Path(one.data).rglob("*")]
