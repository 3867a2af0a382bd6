//! Lists that are narrowed by what their repositories are, with counts, by links alone.

use karez_testkit::reqwest::Method;
use karez_testkit::{NodeSearch, TestClient, TestNode};

async fn publish(client: &TestClient, kind: &str, id: &str, visibility: &str, readme: &str) {
    client.repo_create(kind, id, visibility).await;
    client.commit(&format!("{kind}s/{id}"), "main", &[("README.md", readme.as_bytes())]).await.expect(200);
}

/// Returns the page without the marks around identifiers, and with plain ampersands.
async fn page(client: &TestClient, path: &str, language: &str) -> String {
    let request = client.request(Method::GET, path).header("accept", "text/html").header("accept-language", language);
    let text = client.send(request).await.expect(200).text();
    text.replace("<bdi dir=\"ltr\">", "").replace("<bdi>", "").replace("</bdi>", "").replace("&amp;", "&")
}

async fn filled() -> TestNode {
    let node = TestNode::start().await;
    let (alice, bob) = (node.client("alice"), node.client("bob"));
    let sw = "---\nlicense: mit\nlanguage: [sw, fr]\npipeline_tag: translation\ntags: [malaria, 'sdg:3']\n---\n# Clinic notes\n";
    let fr = "---\nlicense: mit\nlanguage: fr\npipeline_tag: summarization\ntags: ['campaign:well-being']\n---\n# Clinic letters\n";
    publish(&alice, "model", "alice/sw", "public", sw).await;
    publish(&alice, "model", "alice/fr", "public", fr).await;
    publish(&alice, "dataset", "alice/d", "public", "---\nlicense: cc-by-4.0\nlanguage: swh\n---\n# Clinic rows\n")
        .await;
    publish(&bob, "model", "bob/secret", "private", sw).await;
    node
}

/// Returns the link whose words are these.
fn link_to(page: &str, words: &str) -> String {
    let before = page.split(&format!(">{words}</a>")).next().filter(|before| before.len() < page.len());
    let before = before.unwrap_or_else(|| panic!("no link {words} in {page}"));
    before.rsplit("href=\"").next().unwrap().split('"').next().unwrap().to_owned()
}

fn value(name: &str, count: u32) -> String {
    format!("{name} <span class=\"soft\">{count}</span>")
}

#[tokio::test]
async fn a_list_is_narrowed_by_links_with_counts() {
    let node = filled().await;
    let reader = node.anonymous();
    let all = page(&reader, "/models", "en").await;
    // What only its owner sees is not counted, and what all have narrows nothing.
    assert!(all.contains("2 found.") && !all.contains(">mit <"), "{all}");
    assert_eq!(link_to(&all, &value("swahili", 1)), "/models?language=swa", "{all}");
    assert_eq!(link_to(&all, &value("malaria", 1)), "/models?tag=malaria");
    assert_eq!(link_to(&all, &value("3 good health and well-being", 1)), "/models?sdg=3");
    assert_eq!(link_to(&all, &value("well-being", 1)), "/models?campaign=well-being");
    let own = page(&node.client("bob"), "/models", "en").await;
    assert!(own.contains("3 found.") && own.contains(&value("swahili", 2)), "{own}");
    // In the reader's language.
    let french = page(&reader, "/models", "fr").await;
    assert!(french.contains(&value("paludisme", 1)) && french.contains("2 résultats."), "{french}");

    let narrowed = page(&reader, "/models?search=clinic&language=swa&cursor=", "en").await;
    assert!(narrowed.contains("1 found.") && narrowed.contains("/alice/sw\"") && !narrowed.contains("/alice/fr\""));
    // What was chosen can be taken away, stays in the form, and goes along into the next narrowing.
    assert_eq!(link_to(&narrowed, "Language: swahili ✕"), "/models?search=clinic");
    assert!(narrowed.contains("<input type=\"hidden\" name=\"language\" value=\"swa\">"), "{narrowed}");
    let again = page(&reader, "/models?language=fr&language=sw", "en").await;
    assert!(again.contains("1 found.") && again.contains("/alice/sw\""), "fr and fra are one: {again}");
    let none = page(&reader, "/models?licence=gpl-3.0", "en").await;
    assert!(none.contains("Nothing was found"), "{none}");
    // The names from before there were facets still narrow.
    let old = page(&reader, "/models?filter=license:mit&author=ALICE&sort=created", "en").await;
    assert!(old.contains("2 found.") && old.contains("name=\"filter\" value=\"license:mit\""), "{old}");
    assert_eq!(link_to(&old, "Owner: ALICE ✕"), "/models?filter=license%3Amit&sort=created");
}

#[tokio::test]
async fn one_search_over_all_kinds() {
    let node = filled().await;
    let reader = node.anonymous();
    let all = page(&reader, "/-/search?search=clinic", "en").await;
    assert!(all.contains("3 found.") && all.contains("Datasets · "), "{all}");
    assert_eq!(link_to(&all, &value("Datasets", 1)), "/-/search?search=clinic&type=dataset");
    let datasets = page(&reader, "/-/search?search=clinic&type=dataset", "en").await;
    assert!(datasets.contains("1 found.") && datasets.contains("/datasets/alice/d\""), "{datasets}");
    let typo = page(&reader, "/-/search?search=clinix", "en").await;
    assert!(typo.contains("these differ by a letter"), "{typo}");
    let home = page(&reader, "/", "en").await;
    assert!(home.contains("action=\"/-/search\""), "{home}");
}

#[tokio::test]
async fn without_an_index_the_catalog_narrows_or_says_so() {
    let node =
        TestNode::start_with(karez_testkit::NodeOptions { search: NodeSearch::Names, ..Default::default() }).await;
    let alice = node.client("alice");
    publish(&alice, "model", "alice/a", "public", "---\nlicense: mit\npipeline_tag: translation\n---\n# A\n").await;
    publish(&alice, "model", "alice/b", "public", "---\nlicense: mit\npipeline_tag: summarization\n---\n# B\n").await;
    let reader = node.anonymous();
    let narrowed = page(&reader, "/models?task=translation&licence=mit", "en").await;
    assert!(narrowed.contains("/alice/a\"") && !narrowed.contains("/alice/b\"") && !narrowed.contains("found."));
    let busy = reader.send(reader.request(Method::GET, "/models?language=swa").header("accept", "text/html")).await;
    assert_eq!((busy.expect(503).header("retry-after")), "1");
}

#[tokio::test]
async fn lists_say_what_is_what_and_which_word_nothing_has() {
    let node = filled().await;
    let reader = node.anonymous();
    let list = page(&reader, "/models?search=clinic", "en").await;
    assert!(list.contains("Clinic letters") && list.contains("Clinic notes"), "{list}");
    let nothing = page(&reader, "/models?search=clinic+xyzzy", "en").await;
    assert!(nothing.contains("Nothing here has “xyzzy”. Nothing was found."), "{nothing}");
    let french = page(&reader, "/models?search=clinic+xyzzy", "fr").await;
    assert!(french.contains("Rien ici ne contient “xyzzy”."), "{french}");
}
