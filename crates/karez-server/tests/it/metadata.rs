//! What catalogues, harvesters and feed readers are told, and that nothing private is among it.

use karez_testkit::reqwest::Method;
use karez_testkit::{Answer, TestClient, TestNode};
use serde_json::{Value, json};

const CARD: &str = "---\npretty_name: Mvua ya <Kilimanjaro> & co\nlicense: cc-by-4.0\nlanguage: [sw, fr]\ntags: [climate]\n---\n# Rain\n\nRain by station.\n";

async fn publish(client: &TestClient, kind: &str, id: &str, visibility: &str, files: &[(&str, &[u8])]) {
    client.repo_create(kind, id, visibility).await;
    client.commit(&format!("{kind}s/{id}"), "main", files).await.expect(200);
}

async fn filled() -> TestNode {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let large = [b'x'; 1000];
    let files: [(&str, &[u8]); 4] = [
        ("README.md", CARD.as_bytes()),
        ("data/a b.csv", b"station,mm\nMoshi,12\n"),
        ("rows.jsonl", b"{\"t\": \"x\", \"deep\": {\"a\": 1}}\n"),
        ("large.bin", &large),
    ];
    publish(&alice, "dataset", "alice/rain", "public", &files).await;
    publish(
        &alice,
        "model",
        "alice/m",
        "public",
        &[("README.md", b"---\nlicense: mit\nbase_model: alice/base\n---\n# M\n")],
    )
    .await;
    publish(&alice, "dataset", "alice/secret", "private", &files).await;
    node
}

async fn get(node: &TestNode, path: &str) -> Answer {
    node.anonymous().get(path).await.expect(200)
}

#[tokio::test]
async fn a_dataset_is_described_as_croissant_and_dcat() {
    let node = filled().await;
    let body = get(&node, "/api/datasets/alice/rain/croissant").await;
    assert_eq!(body.header("content-type"), "application/ld+json");
    let body = body.json();
    assert_eq!(body["name"], "Mvua ya <Kilimanjaro> & co");
    let licence = "https://creativecommons.org/licenses/by/4.0/";
    assert_eq!((&body["license"], &body["inLanguage"]), (&json!(licence), &json!(["swa", "fra"])));
    assert_eq!(body["version"], "2026.11.1");
    assert!(
        body["citeAs"].as_str().unwrap().starts_with("@misc{alice_rain, title={Mvua ya <Kilimanjaro>  co}"),
        "{body}"
    );
    let files = body["distribution"].as_array().unwrap();
    let csv = files.iter().find(|file| file["name"] == "data/a b.csv").unwrap();
    assert_eq!(csv["sha256"], "bc74a7fa1397473d45421da4e90c057cc4523fbcc1b0c9c1703638dbc15eb5d8");
    let address = csv["contentUrl"].as_str().unwrap();
    assert_eq!(node.anonymous().get(address).await.expect(200).body.as_ref(), b"station,mm\nMoshi,12\n");
    let tables = body["recordSet"].as_array().unwrap();
    let names = |table: &Value| -> Vec<String> {
        table["field"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(tables.iter().map(names).collect::<Vec<_>>(), [vec!["station", "mm"], vec!["t"]]);
    let types: Vec<&Value> = tables[0]["field"].as_array().unwrap().iter().map(|field| &field["dataType"]).collect();
    assert_eq!(types, ["sc:Text", "sc:Integer"]);
    let dcat = get(&node, "/api/datasets/alice/rain/dcat").await.json();
    assert_eq!(dcat["dct:license"], Value::Null, "DCAT-AP 3 has it at the distributions");
    assert_eq!(dcat["dcat:distribution"][0]["dct:license"]["@id"], licence);
    let catalog = get(&node, "/-/catalog.jsonld").await.json();
    let listed = catalog["dcat:dataset"][0]["dcat:distribution"].as_array().unwrap();
    let file = listed.iter().find(|one| one["dct:title"] == "data/a b.csv").unwrap();
    assert_eq!(file["dcat:byteSize"]["@value"], "20");
    assert_eq!(file["spdx:checksum"]["spdx:checksumValue"]["@value"], csv["sha256"]);
    assert_eq!(file["dcat:mediaType"]["@id"], "https://www.iana.org/assignments/media-types/text/csv");
    assert!(listed.iter().all(|one| one["dct:license"]["@id"] == licence), "{listed:?}");
    let sums: Vec<&Value> = dcat["dcat:distribution"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["spdx:checksum"]["spdx:checksumValue"]["@value"])
        .collect();
    assert!(sums.contains(&&csv["sha256"]), "{sums:?}");
    for what in ["croissant", "dcat"] {
        node.anonymous().get(&format!("/api/models/alice/m/{what}")).await.expect(404);
        node.anonymous().get(&format!("/api/datasets/alice/secret/{what}")).await.expect(401);
        node.client("bob").get(&format!("/api/datasets/alice/secret/{what}")).await.expect(404);
        node.client("alice").get(&format!("/api/datasets/alice/secret/{what}")).await.expect(200);
    }
}

#[tokio::test]
async fn pages_carry_data_that_never_runs() {
    let node = filled().await;
    let page = |client: TestClient, path: &'static str| async move {
        client.send(client.request(Method::GET, path).header("accept", "text/html")).await.expect(200).text()
    };
    let text = page(node.anonymous(), "/datasets/alice/rain").await;
    let block = text.split("<script type=\"application/ld+json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(block).unwrap();
    assert_eq!((&data["@type"], &data["name"]), (&json!("Dataset"), &json!("Mvua ya <Kilimanjaro> & co")));
    assert!(!block.contains('<') && text.matches("<script").count() == 1, "{text}");
    assert!(text.contains("href=\"/api/datasets/alice/rain/croissant\""), "{text}");
    // What is private carries none, also to its owner.
    let own = page(node.client("alice"), "/datasets/alice/secret").await;
    assert!(!own.contains("<script"), "{own}");
    let list = page(node.anonymous(), "/datasets?search=rain").await;
    assert!(list.contains("href=\"/datasets?search=rain&amp;format=atom\""), "{list}");
}

#[tokio::test]
async fn harvesters_read_the_log() {
    let node = filled().await;
    let alice = node.client("alice");
    let text = |path: &'static str| {
        let client = node.anonymous();
        async move { client.get(path).await.expect(200).text() }
    };
    let records = text("/-/oai?verb=ListRecords&metadataPrefix=oai_dc").await;
    assert!(records.contains("<dc:title>Mvua ya &lt;Kilimanjaro&gt; &amp; co</dc:title>"), "{records}");
    assert!(
        records.contains("<dc:language>swa</dc:language>") && records.contains("/alice/base</dc:source>"),
        "{records}"
    );
    assert_eq!(records.matches("<record>").count(), 2, "{records}");
    assert!(!records.contains("secret"), "{records}");
    // Gone: private again, deleted.
    alice
        .send(
            alice
                .request(Method::DELETE, "/api/repos/delete")
                .json(&json!({ "name": "m", "organization": "alice", "type": "model" })),
        )
        .await
        .expect(200);
    alice
        .send(alice.request(Method::PUT, "/api/datasets/alice/rain/settings").json(&json!({ "private": true })))
        .await
        .expect(200);
    let headers = text("/-/oai?verb=ListIdentifiers&metadataPrefix=oai_dc").await;
    assert_eq!(headers.matches("status=\"deleted\"").count(), 2, "{headers}");
    let gone = text("/-/oai?verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:127.0.0.1:datasets/alice/rain").await;
    assert!(gone.contains("status=\"deleted\"") && !gone.contains("<metadata>"), "{gone}");
    for (query, code) in [
        ("", "badVerb"),
        ("verb=Shout", "badVerb"),
        ("verb=ListRecords", "badArgument"),
        ("verb=ListRecords&metadataPrefix=marc", "cannotDisseminateFormat"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=shoes", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&set=spaces", "noRecordsMatch"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2020-01-01&until=2020-01-01T00:00:00Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2020-01-02&until=2020-01-01", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&until=2020-01-01", "noRecordsMatch"),
        ("verb=ListRecords&resumptionToken=forged", "badResumptionToken"),
        ("verb=ListSets&resumptionToken=x", "badResumptionToken"),
        ("verb=Identify&verb=Identify", "badArgument"),
        ("verb=Identify&x=%3C%26", "badArgument"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:127.0.0.1:datasets/alice/secret", "idDoesNotExist"),
        ("verb=ListMetadataFormats&identifier=nothing", "idDoesNotExist"),
    ] {
        let answer = node.anonymous().get(&format!("/-/oai?{query}")).await.expect(200).text();
        assert!(answer.contains(&format!("<error code=\"{code}\">")), "{query}: {answer}");
    }
    let posted = node.anonymous();
    let posted = posted.send(posted.request(Method::POST, "/-/oai").body("verb=Identify")).await.expect(200).text();
    assert!(posted.contains("<deletedRecord>persistent</deletedRecord>"), "{posted}");
}

#[tokio::test]
async fn nothing_private_is_told_to_anybody() {
    let node = filled().await;
    // Also not when the owner asks: what lists is answered with the eyes of nobody.
    let alice = node.client("alice");
    for path in [
        "/-/catalog.jsonld",
        "/-/oai?verb=ListRecords&metadataPrefix=oai_dc",
        "/-/oai?verb=ListIdentifiers&metadataPrefix=oai_dc",
        "/datasets?format=atom",
        "/-/search?search=rain&format=atom",
        "/sitemap.xml",
        "/sitemap.xml?part=0",
    ] {
        let answer = alice.get(path).await.expect(200).text();
        assert!(answer.contains("alice/rain"), "{path}: {answer}");
        assert!(!answer.contains("secret"), "{path}: {answer}");
    }
    // Whoever takes no HTML gets the feed all the same, and the page only by name.
    let feed =
        alice.send(alice.request(Method::GET, "/datasets?format=atom").header("accept", "application/atom+xml")).await;
    assert_eq!(feed.expect(200).header("content-type"), "application/atom+xml; charset=utf-8");
    let robots = get(&node, "/robots.txt").await.text();
    assert!(robots.contains(&format!("Sitemap: {}/sitemap.xml", node.url())), "{robots}");
    node.anonymous().get("/-/catalog.jsonld?after=forged").await.expect(400);
    node.anonymous().get("/sitemap.xml?part=x").await.expect(400);
}

#[tokio::test]
async fn long_lists_go_on() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for n in 0..103 {
        alice.repo_create("dataset", &format!("alice/d{n}"), "public").await;
    }
    let (mut seen, mut query) = (0, "metadataPrefix=oai_dc".to_owned());
    loop {
        let answer = get(&node, &format!("/-/oai?verb=ListIdentifiers&{query}")).await.text();
        seen += answer.matches("<identifier>").count();
        let token = answer.split("<resumptionToken>").nth(1).map(|rest| rest.split('<').next().unwrap().to_owned());
        let Some(token) = token else {
            assert!(answer.contains("<resumptionToken/>"), "{answer}");
            break;
        };
        query = format!("resumptionToken={token}");
    }
    assert_eq!(seen, 103);
    let first = get(&node, "/-/catalog.jsonld").await.json();
    assert_eq!(first["dcat:dataset"].as_array().unwrap().len(), 100);
    let next = first["hydra:view"]["hydra:next"]["@id"].as_str().unwrap().to_owned();
    let second = node.anonymous().get(&next).await.expect(200).json();
    assert_eq!(second["dcat:dataset"].as_array().unwrap().len(), 3);
    assert!(second.get("hydra:view").is_none());
}

#[tokio::test]
async fn tables_are_described_as_they_are() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    // The card says other columns than one of its configurations has.
    let card = b"---\ndataset_info:\n- config_name: default\n  features: [{name: a, dtype: int64}, {name: b, dtype: string}]\n- config_name: small\n  features: [{name: a, dtype: int64}]\nversion: v1.2.0\ncitation: Cite me.\nlicense: gemma\n---\n# T\n";
    let files: [(&str, &[u8]); 8] = [
        ("README.md", card),
        ("small/t.csv", b"a,x,flag\n1,1.5,true\n2,,false\n"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n"),
        ("latin1.csv", b"a,b\ncaf\xe9,2\n"),
        ("header.csv", b"a,b\n"),
        ("broken.jsonl", b"{\"a\": 1}\n{\"a\": 2\n"),
        ("good.jsonl", b"\n{\"a\": 1, \"s\": \"x\", \"date\": \"2024-01-02\"}\n\n{\"a\": 2.5}\n"),
        ("bad.parquet", b"PAR1\x00\x00\x00\x00PAR1"),
    ];
    publish(&alice, "dataset", "alice/t", "public", &files).await;
    let body = get(&node, "/api/datasets/alice/t/croissant").await.json();
    let told = |table: &Value| -> Vec<String> {
        let field =
            |field: &Value| format!("{} {}", field["name"].as_str().unwrap(), field["dataType"].as_str().unwrap());
        std::iter::once(table["name"].as_str().unwrap().to_owned())
            .chain(table["field"].as_array().unwrap().iter().map(field))
            .collect()
    };
    assert_eq!(
        body["recordSet"].as_array().unwrap().iter().map(told).collect::<Vec<_>>(),
        [
            vec!["good.jsonl", "a sc:Float", "date sc:DateTime", "s sc:Text"],
            vec!["small/t.csv", "a sc:Integer", "x sc:Float", "flag sc:Boolean"],
        ]
    );
    assert_eq!(
        (&body["version"], &body["citeAs"], &body["license"]),
        (&json!("1.2.0"), &json!("Cite me."), &json!("gemma"))
    );
    let dcat = get(&node, "/api/datasets/alice/t/dcat").await.json();
    assert_eq!(
        dcat["dcat:distribution"][0]["dct:license"],
        json!({"@type": "dct:LicenseDocument", "dct:title": "gemma"})
    );
}

#[tokio::test]
async fn addresses_and_feeds_have_the_names_that_people_gave() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    publish(
        &alice,
        "model",
        "alice/Qwen3-0.6B-sw",
        "public",
        &[("README.md", b"---\npretty_name: Qwen in Swahili\nlicense: mit\n---\n")],
    )
    .await;
    let sitemap = get(&node, "/sitemap.xml").await.text();
    assert!(sitemap.contains("/alice/Qwen3-0.6B-sw</loc>"), "{sitemap}");
    let feed = get(&node, "/models?search=qwen&licence=mit&format=atom").await.text();
    assert!(feed.contains("<title>Qwen in Swahili · alice/Qwen3-0.6B-sw</title>"), "{feed}");
    assert!(feed.contains("<title>models · qwen · licence: mit · "), "{feed}");
}
