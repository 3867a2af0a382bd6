//! The dataset viewer's API: shapes that its clients read, and who sees what.

use karez_testkit::{TestClient, TestNode};
use serde_json::{Value, json};

const PARQUET: &[u8] = include_bytes!("../../../karez-preview/tests/it/golden/datasets.parquet");

/// Every address, with a query that a whole dataset answers.
const ADDRESSES: [&str; 11] = [
    "is-valid?x=",
    "splits?x=",
    "first-rows?config=default&split=train",
    "rows?config=default&split=train&offset=2&length=3",
    "search?config=default&split=train&query=zeile",
    "filter?config=default&split=train&where=id%3C3",
    "statistics?config=default&split=train",
    "size?x=",
    "parquet?x=",
    "info?x=",
    "assets?config=default&split=train&row=4&column=image",
];

/// Makes a dataset of a Parquet file, stored in chunks, and one of small texts.
async fn fill(alice: &TestClient, name: &str, visibility: &str) -> String {
    alice.repo_create("dataset", name, visibility).await;
    let repo = format!("datasets/{name}");
    let made = alice.commit(&repo, "main", &[("data/train-00000-of-00001.parquet", PARQUET)]).await.expect(200);
    made.json()["commitOid"].as_str().unwrap().to_owned()
}

async fn ask(client: &TestClient, path: &str, dataset: &str) -> Value {
    client.get(&format!("/datasets-server/{path}&dataset={dataset}")).await.expect(200).json()
}

#[tokio::test]
async fn answers_have_the_shapes_of_the_viewer() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let commit = fill(&alice, "alice/data", "public").await;
    let anyone = node.anonymous();
    let valid = ask(&anyone, ADDRESSES[0], "alice/data").await;
    assert_eq!(valid, json!({ "preview": true, "viewer": true, "search": true, "filter": true, "statistics": true }));
    let splits = ask(&anyone, "splits?x=", "alice/data").await;
    let train = json!({ "dataset": "alice/data", "config": "default", "split": "train" });
    assert_eq!(splits, json!({ "splits": [train], "pending": [], "failed": [] }));

    let rows = ask(&anyone, ADDRESSES[3], "alice/data").await;
    assert_eq!(
        rows["features"][2],
        json!({ "feature_idx": 2, "name": "label", "type": { "names": ["no", "yes"], "_type": "ClassLabel" } })
    );
    assert_eq!(
        (&rows["num_rows_total"], &rows["num_rows_per_page"], &rows["partial"]),
        (&json!(1000), &json!(100), &json!(false))
    );
    assert_eq!((rows["rows"][0]["row_idx"].clone(), rows["rows"].as_array().unwrap().len()), (json!(2), 3));
    assert_eq!(rows["rows"][0]["row"]["place"], json!({ "city": "c2", "lat": 0.2 }));
    let image = &rows["rows"][0]["row"]["image"];
    assert_eq!((&image["width"], &image["height"]), (&json!(5), &json!(2)));
    let asset = anyone.get(image["src"].as_str().unwrap()).await.expect(200);
    assert_eq!((asset.header("content-type"), asset.header("x-content-type-options")), ("image/png", "nosniff"));
    assert!(asset.body.starts_with(b"\x89PNG"));

    let first = ask(&anyone, ADDRESSES[2], "alice/data").await;
    assert_eq!((first["rows"].as_array().unwrap().len(), &first["truncated"]), (100, &json!(true)));
    let found = ask(&anyone, "search?config=default&split=train&query=ZEILE%20998", "alice/data").await;
    assert_eq!((&found["num_rows_total"], &found["rows"][0]["row_idx"]), (&json!(1), &json!(998)));
    let found = ask(
        &anyone,
        "filter?config=default&split=train&where=%22id%22%3E10&orderby=%22id%22%20DESC&length=1",
        "alice/data",
    )
    .await;
    assert_eq!((&found["num_rows_total"], &found["rows"][0]["row"]["id"]), (&json!(989), &json!(999)));
    let figures = ask(&anyone, ADDRESSES[6], "alice/data").await;
    assert_eq!((&figures["num_examples"], &figures["statistics"][0]["column_type"]), (&json!(1000), &json!("int")));

    let size = ask(&anyone, "size?x=", "alice/data").await;
    assert_eq!(size["size"]["dataset"]["num_rows"], 1000);
    assert_eq!(size["size"]["splits"][0]["num_bytes_parquet_files"], PARQUET.len());
    let parquet = anyone.get("/datasets-server/parquet?dataset=alice/data").await.expect(200);
    assert_eq!(parquet.header("x-revision"), commit);
    let file = &parquet.json()["parquet_files"][0];
    assert_eq!((&file["filename"], &file["size"]), (&json!("train-00000-of-00001.parquet"), &json!(PARQUET.len())));
    assert!(
        file["url"]
            .as_str()
            .unwrap()
            .ends_with(&format!("/datasets/alice/data/resolve/{commit}/data/train-00000-of-00001.parquet"))
    );
    let info = anyone.get("/datasets-server/info?dataset=alice/data").await.expect(200);
    let split = &info.json()["dataset_info"]["default"]["splits"]["train"];
    assert_eq!((&split["num_examples"], &split["name"]), (&json!(1000), &json!("train")));
    let (id, image) =
        (info.text().find("\"id\":{\"_type\"").unwrap(), info.text().find("\"image\":{\"_type\"").unwrap());
    assert!(id < image, "columns keep their order");
}

#[tokio::test]
async fn a_private_dataset_is_missing_for_strangers() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    fill(&alice, "alice/shut", "private").await;
    for path in ADDRESSES {
        ask_status(&alice, path, "alice/shut", 200).await;
        for (client, status) in [(node.anonymous(), 401), (node.client("bob"), 404)] {
            let shut = ask_status(&client, path, "alice/shut", status).await;
            let none = ask_status(&client, path, "alice/none", status).await;
            assert_eq!(shut.replace("shut", "?"), none.replace("none", "?"), "{path}");
        }
    }
    // What was answered to her is not remembered for others, nor when it is taken back.
    alice.put("/api/datasets/alice/shut/settings", &json!({ "private": false })).await.expect(200);
    ask_status(&node.anonymous(), ADDRESSES[3], "alice/shut", 200).await;
    alice.put("/api/datasets/alice/shut/settings", &json!({ "private": true })).await.expect(200);
    ask_status(&node.anonymous(), ADDRESSES[3], "alice/shut", 401).await;
}

async fn ask_status(client: &TestClient, path: &str, dataset: &str, status: u16) -> String {
    client.get(&format!("/datasets-server/{path}&dataset={dataset}")).await.expect(status).text()
}

#[tokio::test]
async fn questions_that_do_not_fit_are_told_so() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    fill(&alice, "alice/data", "public").await;
    let anyone = node.anonymous();
    for (path, status, word) in [
        ("rows", 422, "`dataset` is required"),
        ("rows?dataset=alice/data", 422, "`config` is required"),
        ("rows?dataset=alice/data&config=default", 422, "`split` is required"),
        ("rows?dataset=alice/data&config=default&split=train&length=101", 422, "at most 100"),
        ("rows?dataset=alice/data&config=default&split=train&offset=-1", 422, "must be a number"),
        ("rows?dataset=alice/data&config=other&split=train", 404, "no configuration"),
        ("rows?dataset=alice/data&config=default&split=other", 404, "no split"),
        ("rows?dataset=alice/data&config=default&split=train&revision=none", 404, "Invalid rev id"),
        ("rows?dataset=data&config=default&split=train", 401, "Repository not found"),
        ("filter?dataset=alice/data&config=default&split=train&where=nothing%3D1", 422, "no column"),
        ("filter?dataset=alice/data&config=default&split=train&where=id%20LIKE", 422, "cannot be read"),
        ("search?dataset=alice/data&config=default&split=train", 422, "`query` is required"),
        ("assets?dataset=alice/data&config=default&split=train&row=0&column=text", 422, "no picture"),
    ] {
        let answer = anyone.get(&format!("/datasets-server/{path}")).await.expect(status);
        let said = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(said.contains(word), "{path}: {said}");
    }
    // Beyond the last row there is nothing, which is no error.
    let rows = ask(&anyone, "rows?config=default&split=train&offset=5000", "alice/data").await;
    assert_eq!(rows["rows"], json!([]));
}

#[tokio::test]
async fn texts_and_configurations_are_shown_and_broken_files_are_not() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/texts", "public").await;
    let card = "---\nconfigs:\n- config_name: en\n  data_files:\n  - split: train\n    path: en/*.csv\n- config_name: x\n  default: true\n  data_files: x.jsonl\n- config_name: bad\n  data_files: bad.parquet\n---\n";
    let files: [(&str, &[u8]); 5] = [
        ("README.md", card.as_bytes()),
        ("en/a.csv", b"n,t\n1,one\n2,two\n"),
        ("en/b.csv", b"n,t\n3,three\n"),
        ("x.jsonl", b"{\"z\": 1, \"a\": \"x\"}\n"),
        ("bad.parquet", b"this is no Parquet file at all"),
    ];
    alice.commit("datasets/alice/texts", "main", &files).await.expect(200);
    let anyone = node.anonymous();
    let rows = ask(&anyone, "rows?config=en&split=train&offset=1", "alice/texts").await;
    let row = |at: usize| rows["rows"][at]["row"].clone();
    assert_eq!((row(0), row(1)), (json!({ "n": 2, "t": "two" }), json!({ "n": 3, "t": "three" })));
    let error = anyone.get("/datasets-server/rows?dataset=alice/texts&config=bad&split=train").await.expect(422);
    assert_eq!(error.header("x-error-code"), "StreamingRowsError");
    let size = ask(&anyone, "size?x=", "alice/texts").await;
    assert_eq!(
        (size["size"]["dataset"]["num_rows"].clone(), size["failed"][0]["config"].clone()),
        (json!(4), json!("bad"))
    );
    let info = ask(&anyone, "info?config=x", "alice/texts").await;
    assert_eq!(info["dataset_info"]["builder_name"], "json");
    let parquet = ask(&anyone, "parquet?config=en", "alice/texts").await;
    assert_eq!((parquet["parquet_files"].clone(), parquet["failed"].as_array().unwrap().len()), (json!([]), 1));
    // A repository without data says so, and so does one without anything.
    alice.repo_create("dataset", "alice/empty", "public").await;
    alice.commit("datasets/alice/empty", "main", &[("README.md", b"# Hi")]).await.expect(200);
    let valid = ask(&anyone, "is-valid?x=", "alice/empty").await;
    assert_eq!(valid["viewer"], false);
    anyone.get("/datasets-server/splits?dataset=alice/empty").await.expect(422);
    // A new commit is a new answer.
    alice.commit("datasets/alice/texts", "main", &[("en/c.csv", b"n,t\n4,four\n")]).await.expect(200);
    let rows = ask(&anyone, "rows?config=en&split=train&offset=3", "alice/texts").await;
    assert_eq!(rows["num_rows_total"], 4);
}

#[tokio::test]
async fn types_are_told_as_facts_only_when_all_values_were_seen() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let anyone = node.anonymous();
    let partial = async |name: &str, files: &[(&str, &[u8])]| {
        let name = format!("alice/{name}");
        alice.repo_create("dataset", &name, "public").await;
        alice.commit(&format!("datasets/{name}"), "main", files).await.expect(200);
        ask(&anyone, "info?x=", &name).await["partial"].clone()
    };
    assert_eq!(partial("same", &[("train.csv", b"id,code\n1,A7\n"), ("test.csv", b"id,code\n2,B9\n")]).await, false);
    assert_eq!(partial("other", &[("train.csv", b"id,code\n1,007\n"), ("test.csv", b"id,code\n2,A7\n")]).await, true);
    assert_eq!(partial("moments", &[("a.jsonl", b"{\"t\": \"2020-01-01T00:00:00Z\"}\n")]).await, true);
    assert_eq!(partial("gaps", &[("a.csv", b"n,ok\n1,True\n2,\n")]).await, true);
    assert_eq!(partial("latin", &[("a.csv", b"t\ncaf\xe9\n")]).await, true);
    let late: String =
        (0..4_000).map(|row| if row == 2_500 { "unknown\n".into() } else { format!("{row}\n") }).collect();
    assert_eq!(partial("late", &[("train.csv", format!("v\n{late}").as_bytes())]).await, false);
    let info = ask(&anyone, "info?config=default", "alice/late").await;
    assert_eq!(info["dataset_info"]["features"]["v"]["dtype"], "string");
    let rows = ask(&anyone, "rows?config=default&split=train&offset=2499&length=2", "alice/late").await;
    assert_eq!((&rows["rows"][0]["row"]["v"], &rows["rows"][1]["row"]["v"]), (&json!("2499"), &json!("unknown")));
}

#[tokio::test]
async fn a_card_says_how_files_are_read() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let anyone = node.anonymous();
    alice.repo_create("dataset", "alice/card", "public").await;
    let card = |option: &str| format!("---\nconfigs:\n- config_name: default\n  data_files: a.csv\n  {option}\n---\n");
    let csv: &[u8] = b"a;b\n1;2\n";
    let files = [("README.md", card("sep: ';'")), ("a.csv", String::from_utf8_lossy(csv).into_owned())];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    alice.commit("datasets/alice/card", "main", &files).await.expect(200);
    let rows = ask(&anyone, "rows?config=default&split=train", "alice/card").await;
    assert_eq!(rows["rows"][0]["row"], json!({ "a": 1, "b": 2 }));
    // The same file by another card is read anew.
    alice.commit("datasets/alice/card", "main", &[("README.md", card("header: null").as_bytes())]).await.expect(200);
    let rows = ask(&anyone, "rows?config=default&split=train", "alice/card").await;
    assert_eq!(rows["rows"][1]["row"], json!({ "0": "1;2" }));
    alice.commit("datasets/alice/card", "main", &[("README.md", card("usecols: [a]").as_bytes())]).await.expect(200);
    let said = ask_status(&anyone, "rows?config=default&split=train", "alice/card", 422).await;
    assert!(said.contains("sets `usecols`"), "{said}");
    let info = ask(&anyone, "info?x=", "alice/card").await;
    assert_eq!(info["failed"].as_array().unwrap().len(), 1, "the library decides itself");
}

#[tokio::test]
async fn the_viewers_host_is_the_viewer() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    fill(&alice, "alice/data", "public").await;
    let anyone = node.anonymous();
    let host = node.url().trim_start_matches("http://");
    let request = anyone.request(karez_testkit::reqwest::Method::GET, "/parquet?dataset=alice/data");
    let answer = anyone.send(request.header("host", format!("datasets-server.{host}"))).await.expect(200);
    let url = answer.json()["parquet_files"][0]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(node.url()), "{url}: files are at the node itself");
    anyone.get(&url).await.expect(200);
}
