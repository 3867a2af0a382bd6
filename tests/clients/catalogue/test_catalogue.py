"""What catalogues elsewhere read of a node, with the programs that they read it with."""

import hashlib
import io
import json
import logging
import urllib.request

import feedparser
import mlcroissant
import pyarrow
import pyarrow.parquet
import pytest
import rdflib
import sickle
from sickle.oaiexceptions import NoRecordsMatch
from huggingface_hub import CommitOperationAdd

from data import MIB

DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
DCT = rdflib.Namespace("http://purl.org/dc/terms/")
SPDX = rdflib.Namespace("http://spdx.org/rdf/terms#")

CARD = """---
pretty_name: Mvua ya Kilimanjaro <1>
license: cc-by-4.0
language: [sw, fr]
tags: [climate, 'sdg:13']
dataset_info:
  features:
  - name: station
    dtype: string
  - name: mm
    dtype: float64
---
# Rain

Rain by station and day.
"""


def parquet(rows: dict) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(rows), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def rain(alice):
    """A public dataset with a table in every form, one of them in large-file storage; and a private one like it."""
    # A table that is large enough to be stored in chunks.
    big = b"station,mm\n" + b"".join(b"Moshi %d,%d.5\n" % (row, row % 40) for row in range(MIB))
    files = {
        "README.md": CARD.encode(),
        "data/small table.csv": b"station,mm\nMoshi,12.5\nArusha,0\n",
        "data/big.csv": big,
        "data/rows.jsonl": b'{"station": "Moshi", "mm": 12.5, "by": {"a": 1}}\n{"station": "Same", "mm": 1.25, "by": {"a": 2}}\n',
        "data/rows.parquet": parquet({"station": ["Moshi", "Voi"], "mm": [12.5, 2.0]}),
        "notes.txt": b"as it fell\n",
    }
    for repo, private in [("alice/rain", False), ("alice/rain-secret", True)]:
        alice.api.create_repo(repo, repo_type="dataset", private=private)
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        alice.api.create_commit(repo, operations, commit_message="Fill", repo_type="dataset")
    return files


def test_mlcroissant_reads_records(node, rain, caplog):
    caplog.set_level(logging.WARNING)
    dataset = mlcroissant.Dataset(f"{node.endpoint}/api/datasets/alice/rain/croissant")
    assert dataset.metadata.name == "Mvua ya Kilimanjaro <1>"
    assert "context" not in caplog.text, "the context is the official one"
    assert not dataset.metadata.ctx.issues.warnings
    files = {file.name: file for file in dataset.metadata.distribution}
    assert set(files) == set(rain)
    tables = {table.name: table.uuid for table in dataset.metadata.record_sets}
    assert set(tables) == {"data/small table.csv", "data/big.csv", "data/rows.jsonl", "data/rows.parquet"}
    for name, first in [("data/small table.csv", "Moshi"), ("data/big.csv", "Moshi 0"), ("data/rows.jsonl", "Moshi"), ("data/rows.parquet", "Moshi")]:
        # The reader fetches the file from the node and compares its SHA-256.
        record = next(iter(dataset.records(tables[name])))
        values = {key.rsplit("/", 1)[1]: value for key, value in record.items()}
        assert values["station"].decode() == first and isinstance(values["mm"], float), (name, record)


def test_mlcroissant_finds_a_wrong_sha256(node, rain, nobody, tmp_path):
    with urllib.request.urlopen(f"{node.endpoint}/api/datasets/alice/rain/croissant") as answer:
        body = json.load(answer)
    for file in body["distribution"]:
        file["sha256"] = "0" * 64
    (tmp_path / "croissant.json").write_text(json.dumps(body))
    dataset = mlcroissant.Dataset(tmp_path / "croissant.json")
    with pytest.raises(Exception, match="(?i)hash|operation"):
        next(iter(dataset.records(dataset.metadata.record_sets[0].uuid)))


def test_every_public_dataset_loads(node, alice, rain):
    alice.api.create_repo("alice/bare", repo_type="dataset")
    alice.api.create_repo("alice/odd", repo_type="dataset")
    odd = [
        CommitOperationAdd("README.md", b"---\nlicense: [mit, other]\nlanguage: xx\ntags: ['a <b>']\n---\n# \x1b[31m\"</script>\n"),
        CommitOperationAdd('a "quoted" name#?.csv', 'größe,"a ""b"""\n1,2\n'.encode()),
        CommitOperationAdd("not-a-table.csv", b"\xff\xfe\x00"),
        CommitOperationAdd("empty.jsonl", b""),
    ]
    alice.api.create_commit("alice/odd", odd, commit_message="Odd", repo_type="dataset")
    for found in alice.api.list_datasets(author="alice"):
        if not found.private:
            dataset = mlcroissant.Dataset(f"{node.endpoint}/api/datasets/{found.id}/croissant")
            assert not dataset.metadata.ctx.issues.errors, found.id
            for table in dataset.metadata.record_sets:
                assert next(iter(dataset.records(table.uuid))), (found.id, table.name)


def test_sickle_harvests(node, alice, rain):
    harvester = sickle.Sickle(f"{node.endpoint}/-/oai")
    identify = harvester.Identify()
    assert (identify.protocolVersion, identify.deletedRecord) == ("2.0", "persistent")
    assert [form.metadataPrefix for form in harvester.ListMetadataFormats()] == ["oai_dc"]
    assert {one.setSpec for one in harvester.ListSets()} == {"models", "datasets", "spaces", "kernels"}
    # More than one answer holds, so the harvester follows tokens.
    for number in range(105):
        alice.api.create_repo(f"alice/oai-{number}")
    records = {record.header.identifier: record for record in harvester.ListRecords(metadataPrefix="oai_dc")}
    assert len([identifier for identifier in records if "/oai-" in identifier]) == 105
    assert not [identifier for identifier in records if "secret" in identifier]
    rain_id = "oai:127.0.0.1:datasets/alice/rain"
    metadata = records[rain_id].metadata
    assert metadata["title"] == ["Mvua ya Kilimanjaro <1>"] and metadata["language"] == ["swa", "fra"]
    assert metadata["identifier"] == [f"{node.endpoint}/datasets/alice/rain"]
    assert harvester.GetRecord(identifier=rain_id, metadataPrefix="oai_dc").metadata["rights"] == ["cc-by-4.0"]
    # What is deleted is told of.
    alice.api.delete_repo("alice/oai-7")
    headers = {header.identifier: header for header in harvester.ListIdentifiers(metadataPrefix="oai_dc", set="models")}
    assert headers["oai:127.0.0.1:models/alice/oai-7"].deleted and rain_id not in headers
    with pytest.raises(NoRecordsMatch):
        harvester.ListRecords(metadataPrefix="oai_dc", until="2001-01-01")


def test_feedparser_reads_searches(node, rain):
    feed = feedparser.parse(f"{node.endpoint}/datasets?search=rain&format=atom")
    assert not feed.bozo and feed.version == "atom10", feed.get("bozo_exception")
    entries = {entry.title: entry for entry in feed.entries}
    assert not [title for title in entries if "rain-secret" in title]
    entry = entries["Mvua ya Kilimanjaro <1> · alice/rain"]
    assert entry.link == f"{node.endpoint}/datasets/alice/rain" and entry.summary == "Rain by station and day."
    assert "climate" in [tag.term for tag in entry.tags] and entry.updated_parsed
    assert feedparser.parse(f"{node.endpoint}/-/search?search=nothing-has-this&format=atom").entries == []


def test_rdflib_reads_the_catalogue(node, rain):
    graph = rdflib.Graph().parse(f"{node.endpoint}/-/catalog.jsonld", format="json-ld")
    dataset = rdflib.URIRef(f"{node.endpoint}/datasets/alice/rain")
    [catalog] = graph.subjects(rdflib.RDF.type, DCAT.Catalog)
    assert (catalog, DCAT.dataset, dataset) in graph
    assert (dataset, DCT.title, rdflib.Literal("Mvua ya Kilimanjaro <1>")) in graph
    # The catalogue lists the files too, each with its licence as an address.
    assert len(list(graph.objects(dataset, DCAT.distribution))) == len(rain), "all but the README, and the Croissant"
    assert {str(value) for value in graph.objects(None, DCT.license)} == {"https://creativecommons.org/licenses/by/4.0/", "https://spdx.org/licenses/MIT"}
    assert "secret" not in graph.serialize(format="turtle")
    one = rdflib.Graph().parse(f"{node.endpoint}/api/datasets/alice/rain/dcat", format="json-ld")
    files = list(one.objects(dataset, DCAT.distribution))
    assert len(files) == len(rain)
    sums = {str(value) for value in one.objects(None, SPDX.checksumValue)}
    assert sums == {hashlib.sha256(content).hexdigest() for content in rain.values()}
