//! Search through the API: what is found, by whom, and when.

use karez_hub::{Actor, Facet, SearchOrder, SearchQuery, Way};
use karez_testkit::{NodeOptions, NodeSearch, TestClient, TestNode};
use karez_types::TokenRole;

async fn list(client: &TestClient, query: &str) -> Vec<String> {
    let page = client.get(query).await.expect(200).json();
    page.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn publish(client: &TestClient, kind: &str, id: &str, visibility: &str, readme: &str) {
    client.repo_create(kind, id, visibility).await;
    client.commit(&format!("{kind}s/{id}"), "main", &[("README.md", readme.as_bytes())]).await.expect(200);
}

#[tokio::test]
async fn cards_in_any_script_are_found() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for (name, card) in [
        (
            "d-zh",
            "---\nlanguage: zh\ntask_categories: [image-classification]\n---\n# 设备维修图像\n\n工厂设备维修信息数据集",
        ),
        ("d-th", "---\nlanguage: th\n---\n# ชุดข้อมูลภาพใบข้าว\n"),
        ("d-ar", "---\nlanguage: ar\n---\n# مجموعة بيانات اللغة العربية\n"),
        ("d-am", "---\nlanguage: am\n---\n# የጤና መረጃዎች\n"),
        ("d-hi", "---\nlanguage: hi\n---\n# भाषाओं के प्रश्न\n"),
        ("d-ru", "---\nlanguage: ru\ntags: [malaria]\n---\n# Корпус текстов о болезнях\n"),
        ("d-fr", "---\nlanguage: fr\n---\n# Évaluation des modèles de santé\n"),
        ("d-sw", "---\nlanguage: sw\n---\n# Picha za majani ya mahindi\n"),
        (
            "d-en",
            "---\nlanguage: en\ndataset_info:\n  features:\n  - name: rainfall_mm\n    dtype: float32\n---\nStations of a river.\n",
        ),
    ] {
        publish(&alice, "dataset", &format!("alice/{name}"), "public", card).await;
        node.advance_secs(1);
    }
    let anonymous = node.anonymous();
    for (query, expected) in [
        ("维修", &["alice/d-zh"][..]),
        ("ใบข้าว", &["alice/d-th"]),
        ("لغة", &["alice/d-ar"]),
        ("መረጃ", &["alice/d-am"]),
        ("भाषा", &["alice/d-hi"]),
        ("болезни", &["alice/d-ru"]),
        ("paludisme", &["alice/d-ru"]),
        ("évaluations", &["alice/d-fr"]),
        ("mahindi", &["alice/d-sw"]),
        ("rainfall", &["alice/d-en"]),
        ("classification d'images", &["alice/d-zh"]),
        (
            "readme",
            &[
                "alice/d-en",
                "alice/d-sw",
                "alice/d-fr",
                "alice/d-ru",
                "alice/d-hi",
                "alice/d-am",
                "alice/d-ar",
                "alice/d-th",
                "alice/d-zh",
            ],
        ),
        (
            "d-",
            &[
                "alice/d-en",
                "alice/d-sw",
                "alice/d-fr",
                "alice/d-ru",
                "alice/d-hi",
                "alice/d-am",
                "alice/d-ar",
                "alice/d-th",
                "alice/d-zh",
            ],
        ),
    ] {
        let mut found = list(&anonymous, &format!("/api/datasets?search={}", percent(query))).await;
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).to_owned()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
    assert!(list(&anonymous, "/api/models?search=mahindi").await.is_empty());
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn what_is_private_is_found_by_its_people_alone() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for (id, visibility) in
        [("alice/dam-open", "public"), ("alice/dam-shut", "private"), ("acme/dam-inside", "private")]
    {
        publish(&alice, "model", id, visibility, "---\ntags: [hydropower]\n---\nPlans of the dam.").await;
        node.advance_secs(1);
    }
    for query in [
        "search=dam",
        "search=hydropower&sort=lastModified",
        "search=plans%20dam",
        "search=dam-&sort=createdAt",
        "search=plasn",
    ] {
        let path = format!("/api/models?{query}");
        let open = ["alice/dam-open"];
        assert_eq!(list(&node.anonymous(), &path).await, open, "{query}");
        assert_eq!(list(&node.client("bob"), &path).await, open, "{query}");
        let mut all = vec!["acme/dam-inside", "alice/dam-open"];
        for person in ["carol", "erin"] {
            let mut found = list(&node.client(person), &path).await;
            found.sort_unstable();
            assert_eq!(found, all, "{person} {query}");
        }
        all.push("alice/dam-shut");
        for client in [&alice, &node.reader("alice"), &node.client("nora")] {
            let mut found = list(client, &path).await;
            found.sort_unstable();
            assert_eq!(found, all, "{query}");
        }
    }
    // Counts tell nothing either.
    let query = SearchQuery { facet_values: 20, ..SearchQuery::of("dam") };
    let bob = node.hub.sign_in(Some(node.token("bob", TokenRole::Read))).await.unwrap();
    for (actor, total) in [(Actor::Anonymous, 1), (bob, 1), (Actor::Operator, 3)] {
        let found = node.hub.search(&actor, &query, None).await.unwrap();
        assert_eq!((found.total, found.items.len()), (Some(total), total as usize));
        let tags = found.facets.iter().find(|counts| counts.facet == Facet::Tag).unwrap();
        assert_eq!(tags.values, [("hydropower".to_owned(), total)]);
    }
}

#[tokio::test]
async fn every_change_is_found_at_once() {
    let node = TestNode::start().await;
    let (alice, anonymous) = (node.client("alice"), node.anonymous());
    publish(&alice, "model", "alice/one", "public", "about canals").await;
    let found = |word: &'static str| {
        let anonymous = &anonymous;
        async move { list(anonymous, &format!("/api/models?search={word}")).await }
    };
    assert_eq!(found("canals").await, ["alice/one"]);
    alice.commit("models/alice/one", "main", &[("README.md", b"about wells")]).await.expect(200);
    assert!(found("canals").await.is_empty());
    assert_eq!(found("wells").await, ["alice/one"]);
    let settings = serde_json::json!({"private": true});
    alice.put("/api/models/alice/one/settings", &settings).await.expect(200);
    assert!(found("wells").await.is_empty());
    let settings = serde_json::json!({"private": false});
    alice.put("/api/models/alice/one/settings", &settings).await.expect(200);
    let moved = serde_json::json!({"fromRepo": "alice/one", "toRepo": "alice/aqueduct", "type": "model"});
    alice.post("/api/repos/move", &moved).await.expect(200);
    assert_eq!(found("aqueduct").await, ["alice/aqueduct"]);
    let gone = serde_json::json!({"type": "model", "name": "aqueduct", "organization": "alice"});
    alice.delete("/api/repos/delete", &gone).await.expect(200);
    assert!(found("wells").await.is_empty());
}

#[tokio::test]
async fn pages_of_what_fits_follow_one_another() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    for number in 0..7 {
        publish(&alice, "space", &format!("alice/s{number}"), "public", "rice").await;
        node.advance_secs(1);
    }
    let mut next = Some("/api/spaces?search=rice&limit=3&filter=&full=true".to_owned());
    let mut seen = Vec::new();
    while let Some(page) = next {
        let answer = node.anonymous().get(&page).await.expect(200);
        seen.extend(answer.json().as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        next = answer.next_page();
    }
    assert_eq!(seen, (0..7).rev().map(|number| format!("alice/s{number}")).collect::<Vec<_>>());
    let first = node.anonymous().get("/api/spaces?search=rice&limit=3").await.expect(200);
    let cursor = first.next_page().unwrap().split_once("cursor=").unwrap().1.to_owned();
    node.anonymous().get(&format!("/api/spaces?search=rice&sort=likes&cursor={cursor}")).await.expect(400);
    node.anonymous().get("/api/spaces?search=rice&cursor=AAAA.BBBB").await.expect(400);
}

#[tokio::test]
async fn pages_for_people_have_facets_and_say_how_words_were_taken() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    publish(
        &alice,
        "dataset",
        "alice/fields",
        "public",
        "---\nlanguage: [sw, en]\ntags: [sdg:2]\nlicense: mit\n---\nPicha za mahindi",
    )
    .await;
    publish(
        &alice,
        "model",
        "alice/leaves",
        "public",
        "---\nlanguage: sw\nlibrary_name: gguf\npipeline_tag: image-classification\n---\nMajani ya mahindi",
    )
    .await;
    let query = SearchQuery { facet_values: 5, page_hits: 1, ..SearchQuery::of("mahindi") };
    let page = node.hub.search(&Actor::Anonymous, &query, None).await.unwrap();
    assert_eq!((page.total, page.way, page.items.len()), (Some(2), Way::Words, 1));
    let counts = |facet: Facet| page.facets.iter().find(|counts| counts.facet == facet).unwrap().values.clone();
    let pair = |word: &str, count: u64| (word.to_owned(), count);
    assert_eq!(counts(Facet::Language), [pair("swa", 2), pair("eng", 1)]);
    assert_eq!(counts(Facet::Kind), [pair("dataset", 1), pair("model", 1)]);
    assert_eq!(counts(Facet::Sdg), [pair("2", 1)]);
    assert_eq!(counts(Facet::Licence), [pair("mit", 1)]);
    assert_eq!(counts(Facet::Library), [pair("gguf", 1)]);
    assert_eq!(counts(Facet::Task), [pair("image-classification", 1)]);
    assert_eq!(counts(Facet::Held), [pair("yes", 2)]);
    let second = node.hub.search(&Actor::Anonymous, &query, page.next.as_deref()).await.unwrap();
    assert_eq!((second.items.len(), second.next.is_none()), (1, true));
    assert_ne!(second.items[0].repo.id, page.items[0].repo.id);
    let typo = node.hub.search(&Actor::Anonymous, &SearchQuery::of("mahnidi"), None).await.unwrap();
    assert_eq!((typo.total, typo.way), (Some(2), Way::Typos));
    let narrowed = SearchQuery { facets: vec![(Facet::Sdg, "2".to_owned())], ..query.clone() };
    assert_eq!(node.hub.search(&Actor::Anonymous, &narrowed, None).await.unwrap().total, Some(1));
    assert!(node.hub.search(&Actor::Anonymous, &query, Some("forged")).await.is_err());
    assert!(node.hub.search(&Actor::Anonymous, &SearchQuery::of(&"x".repeat(600)), None).await.is_err());
}

#[tokio::test]
async fn without_an_index_names_are_searched() {
    let node = TestNode::start_with(NodeOptions { search: NodeSearch::Names, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    publish(&alice, "model", "alice/canal", "public", "about wells").await;
    publish(&alice, "dataset", "alice/canals", "public", "").await;
    assert_eq!(list(&node.anonymous(), "/api/models?search=anal").await, ["alice/canal"]);
    assert!(list(&node.anonymous(), "/api/models?search=wells").await.is_empty());
    let page = node.hub.search(&Actor::Anonymous, &SearchQuery::of("canal"), None).await.unwrap();
    assert_eq!((page.total, page.items.len()), (None, 2));
    let ordered = SearchQuery { order: SearchOrder::Relevance, page_hits: 1, ..SearchQuery::of("canal") };
    assert_eq!(node.hub.search(&Actor::Anonymous, &ordered, None).await.unwrap().items.len(), 1);
}

/// A Parquet file with a footer and nothing else.
fn parquet() -> Vec<u8> {
    let text = include_str!("../../../karez-formats/tests/golden/parquet_footer.hex");
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let footer = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    let mut file = b"PAR1".to_vec();
    file.extend(footer);
    let length = u32::try_from(file.len() - 4).unwrap();
    file.extend(length.to_le_bytes());
    file.extend(b"PAR1");
    file
}

#[tokio::test]
async fn columns_of_files_are_found() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/t", "public").await;
    let wide = format!("roofMaterial,uniquecolumnzeta\n{}", "tin,1\n".repeat(20_000));
    let table = parquet();
    let files: [(&str, &[u8]); 5] = [
        ("README.md", b"# T\n"),
        ("cases.csv", b"positivity_rate;station\n1;2\n"),
        ("data/wide.csv", wide.as_bytes()),
        ("rows.jsonl", b"{\"wellDepth\": 3, \"nested\": {\"inside\": 1}}\n"),
        ("rows.parquet", &table),
    ];
    alice.commit("datasets/alice/t", "main", &files).await.expect(200);
    for query in ["positivity_rate", "roof%20material", "uniquecolumnzeta", "wellDepth", "well%20depth", "price"] {
        assert_eq!(list(&node.anonymous(), &format!("/api/datasets?search={query}")).await, ["alice/t"], "{query}");
    }
    // They go with the file.
    alice.commit("datasets/alice/t", "main", &[("data/wide.csv", b"other\n1\n")]).await.expect(200);
    assert!(list(&node.anonymous(), "/api/datasets?search=uniquecolumnzeta").await.is_empty());
}

#[tokio::test]
async fn what_fields_of_a_card_say_is_found() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    let card = "---\nlicense: apache-2.0\nlibrary_name: transformers\nbase_model: openai/whisper-small\npipeline_tag: fill-mask\nlanguage: [quy, sw]\ndatasets: [alice/agua-potable]\ntags: ['sdg:13', 'campaign:well-being', ai]\n---\n# M\n";
    publish(&alice, "model", "alice/m", "public", card).await;
    let own = "---\nlicense: other\nlicense_name: noodl\nsize_categories: 1K<n<10K\n---\n# D\n";
    publish(&alice, "dataset", "alice/d", "public", own).await;
    for query in [
        "apache 2.0",
        "apache-2.0",
        "transformers",
        "whisper-small",
        "openai/whisper-small",
        "sdg:13",
        "SDG 13",
        "sdg13",
        "well-being",
        "remplissage de masque",
        "kiswahili",
        "agua-potable",
    ] {
        assert_eq!(
            list(&node.anonymous(), &format!("/api/models?search={}", percent(query))).await,
            ["alice/m"],
            "{query}"
        );
    }
    for query in ["noodl", "1K<n<10K"] {
        assert_eq!(
            list(&node.anonymous(), &format!("/api/datasets?search={}", percent(query))).await,
            ["alice/d"],
            "{query}"
        );
    }
    // Only what its author wrote as a tag is one.
    let query = SearchQuery { facet_values: 10, kinds: vec![karez_types::RepoKind::Model], ..SearchQuery::of("") };
    let page = node.hub.search(&Actor::Anonymous, &query, None).await.unwrap();
    let tags = page.facets.iter().find(|one| one.facet == Facet::Tag).unwrap();
    assert_eq!(tags.values, [("ai".to_owned(), 1)]);
}
