//! Pages: complete, light, in every language, safe with what strangers wrote, and not there for programs.

use karez_server::NodeSettings;
use karez_testkit::reqwest::Method;
use karez_testkit::{Answer, NodeOptions, Origin, TestClient, TestNode};
use karez_types::{Limits, TokenRole};
use serde_json::json;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// Bytes of a first load of home, lists and search: what the first window of a connection carries.
const LIGHT_BYTES_MAX: usize = 14 << 10;
/// Bytes of a first load of pages about a repository.
const REPO_BYTES_MAX: usize = 25 << 10;

/// Asks as a browser does.
async fn browse(client: &TestClient, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(Method::GET, path).header("accept", BROWSER);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

/// Everything that a card can have.
const CARD: &str = "---\nlicense: apache-2.0\nlanguage: [sw, fr]\npipeline_tag: text-generation\nlibrary_name: transformers\n\
     base_model: alice/base\ndatasets: alice/data\ntags: [health]\n---\n# Swahili for clinics\n\nText with **weight**.\n\n\
     ![chart](img/chart.png)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";

/// A node with a repository of every kind, in which something happened.
async fn filled(options: NodeOptions) -> TestNode {
    let node = TestNode::start_with(options).await;
    let alice = node.client("alice");
    for (kind, id) in [("model", "alice/base"), ("model", "alice/m"), ("dataset", "alice/data"), ("space", "alice/app")]
    {
        alice.repo_create(kind, id, "public").await;
    }
    alice.repo_create("model", "alice/secret", "private").await;
    alice.commit("models/alice/secret", "main", &[("README.md", b"# Nobody else reads this\n")]).await.expect(200);
    let files: [(&str, &[u8]); 4] = [
        ("README.md", CARD.as_bytes()),
        ("src/a b#.py", b"import os\nprint(1 < 2)\n"),
        ("model.safetensors", &[7; 200_000]),
        ("notes.txt", b"one\ntwo\nthree\n"),
    ];
    alice.commit("models/alice/m", "main", &files).await.expect(200);
    alice.commit("models/alice/m", "main", &[("notes.txt", b"one\nzwei\nthree\n")]).await.expect(200);
    alice
        .commit(
            "datasets/alice/data",
            "main",
            &[("README.md", b"---\nlicense: mit\n---\n# Data\n"), ("a.csv", b"a,b\n1,2\n")],
        )
        .await
        .expect(200);
    node
}

/// The pages of [`filled`], each with the bytes that it may weigh with its style.
fn addresses() -> Vec<(&'static str, usize)> {
    let light = [
        "/",
        "/models",
        "/models?search=m&sort=downloads",
        "/models?search=clinics&task=text-generation&language=sw&filter=license:apache-2.0",
        "/-/search?search=swahili",
        "/datasets",
        "/spaces",
        "/alice",
        "/acme",
        "/-/node",
        "/-/sign-in",
    ];
    let heavy = [
        "/alice/m",
        "/datasets/alice/data",
        "/spaces/alice/app",
        "/alice/m/tree/main",
        "/alice/m/tree/main/src",
        "/alice/m/blob/main/README.md",
        "/alice/m/blob/main/src/a%20b%23.py",
        "/alice/m/blob/main/model.safetensors",
        "/alice/m/commits/main",
        "/alice/m/commit/main",
        "/alice/m/refs",
    ];
    light.map(|path| (path, LIGHT_BYTES_MAX)).into_iter().chain(heavy.map(|path| (path, REPO_BYTES_MAX))).collect()
}

#[tokio::test]
async fn every_page_is_whole_light_and_guarded_in_every_language() {
    let node = filled(NodeOptions::default()).await;
    let reader = node.anonymous();
    let home = browse(&reader, "/", &[]).await.expect(200).text();
    let style = home.split("href=\"").find(|rest| rest.starts_with("/-/style-")).unwrap().split('"').next().unwrap();
    let styled = browse(&reader, style, &[("accept-encoding", "gzip")]).await.expect(200);
    assert!(styled.header("cache-control").contains("immutable"), "{:?}", styled.headers);
    for (path, bytes_max) in addresses() {
        for (language, direction) in ["en", "ar", "zh", "ru", "fr", "es", "sw", "pt", "hi", "am", "id", "bn"]
            .map(|code| (code, if code == "ar" { "rtl" } else { "ltr" }))
        {
            let answer = browse(&reader, path, &[("accept-language", language)]).await.expect(200);
            let text = answer.text();
            assert!(text.contains(&format!("<html lang=\"{language}\" dir=\"{direction}\">")), "{path}");
            assert!(text.contains("<main id=\"main\"") && text.ends_with("</html>") && text.contains("<h1>"), "{path}");
            // Nothing runs, and nothing comes from elsewhere. JSON-LD is data.
            let text = text.replace("<script type=\"application/ld+json\">", "");
            for forbidden in ["<script", "javascript:", "style=\"", "src=\"http", "@import", "url("] {
                assert!(!text.contains(forbidden), "{path} has {forbidden}");
            }
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{path}: {policy}"
            );
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
            let packed =
                browse(&reader, path, &[("accept-language", language), ("accept-encoding", "gzip")]).await.expect(200);
            let weight = packed.body.len() + styled.body.len();
            assert!(weight <= bytes_max, "{path} in {language} weighs {weight} of {bytes_max} bytes");
        }
        let head = reader.send(reader.request(Method::HEAD, path).header("accept", BROWSER)).await.expect(200);
        assert!(head.body.is_empty() && head.header("content-type").starts_with("text/html"), "{path}");
    }
}

#[tokio::test]
async fn the_heaviest_pages_stay_light() {
    let node = filled(NodeOptions::default()).await;
    let alice = node.client("alice");
    // Text that compresses badly: random letters in three scripts.
    let mut seed = 7u64;
    let mut random = |alphabet: &[char], letters: usize| -> String {
        let next = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let place = (seed >> 33) as usize;
            if place.is_multiple_of(90) { '\n' } else { alphabet[place % alphabet.len()] }
        };
        (0..letters).map(next).collect()
    };
    let latin: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    let chinese: Vec<char> = ('\u{4e00}'..'\u{5a00}').collect();
    let card = format!("---\nlanguage: zh\n---\n{}", random(&chinese, 60_000));
    let text = random(&latin, 120_000);
    alice
        .commit("models/alice/base", "main", &[("README.md", card.as_bytes()), ("a.txt", text.as_bytes())])
        .await
        .expect(200);
    let names: Vec<String> = (0..300).map(|n| format!("{}{n}.txt", random(&latin, 60).replace('\n', "x"))).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    alice.commit("models/alice/base", "main", &files).await.expect(200);
    let style = 2_000;
    // A card that names much, in letters that compress badly, and Markdown of some length.
    let mut list = |count: usize, alphabet: &[char], letters: usize| -> String {
        (0..count).map(|_| format!("{}, ", random(alphabet, letters).replace('\n', "x"))).collect()
    };
    let bases: String = (0..60)
        .map(|_| {
            format!("{}/{}, ", list(1, &latin, 30).trim_end_matches(", "), list(1, &latin, 60).trim_end_matches(", "))
        })
        .collect();
    let full = format!(
        "---\nlanguage: [{}]\nbase_model: [{bases}]\ndatasets: [{bases}]\ntags: [{}]\n---\n{}",
        list(60, &latin, 3),
        list(200, &chinese, 30),
        list(700, &chinese, 30).replace(", ", "\n\n"),
    );
    let links: String = (0..3_000)
        .map(|n| {
            format!(
                "- [{n} {}](https://{}.example/)\n",
                list(1, &latin, 12),
                list(1, &latin, 12).trim_end_matches(", ")
            )
        })
        .collect();
    let guide = list(400, &latin, 300).replace(", ", "\n\n");
    alice
        .commit(
            "models/alice/m",
            "main",
            &[("README.md", full.as_bytes()), ("links.md", links.as_bytes()), ("guide.md", guide.as_bytes())],
        )
        .await
        .expect(200);
    alice.repo_create("model", "alice/many", "public").await;
    let texts: Vec<(String, String)> =
        (0..40).map(|n| (format!("{n}.txt"), list(3, &chinese, 150).replace(", ", "\n"))).collect();
    let files: Vec<(&str, &[u8])> = texts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    alice.commit("models/alice/many", "main", &files).await.expect(200);
    for path in [
        "/base",
        "/base/tree/main",
        "/base/blob/main/a.txt",
        "/base/blob/main/README.md",
        "/base/commit/main",
        "/base/commits/main",
        "/m",
        "/m/blob/main/README.md",
        "/m/blob/main/links.md",
        "/m/blob/main/guide.md",
        "/m/blob/main/guide.md?from=20001",
        "/m/commit/main",
        "/many/commit/main",
        "/many",
    ] {
        let path = format!("/alice{path}");
        let weight = browse(&node.anonymous(), &path, &[("accept-encoding", "gzip"), ("accept-language", "ar")])
            .await
            .expect(200)
            .body
            .len()
            + style;
        assert!(weight <= REPO_BYTES_MAX, "{path} weighs {weight} bytes");
    }
    // What is not shown is a link away: every part of a text and every change is on some page, and once.
    let walked = async |first: &str| {
        let (mut path, mut pages) = (first.to_owned(), Vec::new());
        loop {
            let text = browse(&node.anonymous(), &path, &[]).await.expect(200).text();
            let next = text
                .split("rel=\"next\" href=\"")
                .nth(1)
                .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
            pages.push(text);
            match next {
                Some(next) => path = next,
                None => return pages,
            }
            assert!(pages.len() < 100, "{path}");
        }
    };
    let pages = walked("/alice/m/blob/main/links.md").await;
    for n in 0..3_000 {
        let shown = pages.iter().filter(|page| page.contains(&format!("ugc\">{n} "))).count();
        assert_eq!(shown, 1, "link {n} on {} pages", pages.len());
    }
    let pages = walked("/alice/base/commit/main").await;
    for name in &names {
        assert_eq!(pages.iter().filter(|page| page.contains(&format!(">{name}<"))).count(), 1, "{name}");
    }
    let pages = walked("/alice/base/tree/main").await;
    for name in &names {
        assert_eq!(pages.iter().filter(|page| page.contains(&format!(">{name}<"))).count(), 1, "{name}");
    }
    assert!(browse(&node.anonymous(), "/alice/m", &[]).await.text().contains("README.md?plain=1"));
    // Forty repositories with the longest names.
    for n in 0..25 {
        let name = format!("{}{n}", random(&latin, 90).replace('\n', "x"));
        alice.repo_create("model", &format!("alice/{name}"), "public").await;
        // And with tags that hardly compress, which the facets show.
        let mut tag = || random(&chinese, 60).replace('\n', "x");
        let card = format!("---\ntags: [{}, {}, {}]\nlicense: {}\n---\n", tag(), tag(), tag(), tag());
        alice.commit(&format!("models/alice/{name}"), "main", &[("README.md", card.as_bytes())]).await.expect(200);
    }
    for path in ["/", "/models", "/-/search"] {
        let weight =
            browse(&node.anonymous(), path, &[("accept-encoding", "gzip")]).await.expect(200).body.len() + style;
        assert!(weight <= LIGHT_BYTES_MAX, "{path} weighs {weight} bytes");
    }
}

#[tokio::test]
async fn a_repository_tells_what_it_is() {
    let node = filled(NodeOptions::default()).await;
    node.hub.log_advance().await.unwrap();
    let page = browse(&node.anonymous(), "/alice/m", &[]).await.expect(200).text();
    for expected in [
        "apache-2.0",
        "href=\"/alice/base\"",
        "href=\"/datasets/alice/data\"",
        "<h2>Swahili for clinics</h2>",
        "src=\"/alice/m/resolve/main/img/chart.png\"",
        "200 KB",
        "5 files",
        "All of it is on this node",
        "In the signed log of this node, entry",
        "hf download alice/m",
        "from_pretrained",
        "resolve/main/model.safetensors",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert!(!page.contains("pipeline_tag:"), "the metadata is not part of the card: {page}");
    // Lineage the other way round.
    let base = browse(&node.anonymous(), "/alice/base", &[]).await.expect(200).text();
    assert!(base.contains("href=\"/alice/m\"") && base.contains("There is no card"), "{base}");
    let data = browse(&node.anonymous(), "/datasets/alice/data", &[]).await.expect(200).text();
    assert!(data.contains("href=\"/alice/m\"") && data.contains("load_dataset"), "{data}");
}

#[tokio::test]
async fn a_mirror_says_where_it_comes_from_and_what_is_not_here() {
    let node = TestNode::start_alone().await;
    let repo = node.mirror("far/m").await;
    let mut origin = Origin::default();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5000000\n", "1".repeat(64));
    let commit = origin.commit(&[("README.md", b"# Far\n"), ("w.gguf", pointer.as_bytes())], &[]);
    node.hub.mirror_apply(&repo, origin.take(&[(Origin::main(), commit)])).await.unwrap();
    let reader = node.anonymous();
    let page = browse(&reader, "/far/m", &[]).await.expect(200).text();
    for expected in [
        "A mirror of <bdi dir=\"ltr\">far/m</bdi> at <bdi dir=\"ltr\">hub</bdi>.",
        "Of this, <bdi>5 MB</bdi> are not on this node yet",
        "not on this node yet</span>",
        "Compared with its origin on",
        "The history by:",
        "llama-server -hf far/m",
        "ollama pull --insecure",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert!(!page.contains("withdrew"), "{page}");
    let file = browse(&reader, "/far/m/blob/main/w.gguf", &[]).await.expect(200).text();
    assert!(file.contains(&"1".repeat(64)) && file.contains("not on this node yet"), "{file}");
    let list = browse(&reader, "/models", &[]).await.expect(200).text();
    assert!(list.contains("from <bdi dir=\"ltr\">hub</bdi>"), "{list}");
    // Withdrawn at its origin: said before all else, where the operator lets it stay readable.
    node.hub.mirror_withdraw(&repo, Some(TestNode::START)).await.unwrap();
    node.hub.mirror_override(&repo, Some("keep")).await.unwrap();
    let kept = browse(&reader, "/far/m", &[]).await.expect(200).text();
    assert!(kept.contains("Its origin withdrew this repository on"), "{kept}");
    node.hub.mirror_override(&repo, Some("hide")).await.unwrap();
    browse(&reader, "/far/m", &[]).await.expect(404);
}

#[tokio::test]
async fn files_and_commits_are_shown() {
    let node = filled(NodeOptions::default()).await;
    let reader = node.anonymous();
    let file = browse(&reader, "/alice/m/blob/main/src/a%20b%23.py", &[]).await.expect(200).text();
    assert!(
        file.contains("<span>print(1 &lt; 2)\n</span>")
            && file.contains("/alice/m/resolve/main/src/a%20b%23.py?download=true"),
        "{file}"
    );
    let card = browse(&reader, "/alice/m/blob/main/README.md", &[]).await.expect(200).text();
    assert!(card.contains("<h2>Swahili") && card.contains("plain=1"), "{card}");
    let source = browse(&reader, "/alice/m/blob/main/README.md?plain=1", &[]).await.expect(200).text();
    assert!(source.contains("<span>license: apache-2.0\n</span>"), "{source}");
    let large = browse(&reader, "/alice/m/blob/main/model.safetensors", &[]).await.expect(200).text();
    assert!(large.contains("The header of this file cannot be read"), "{large}");
    let commit = browse(&reader, "/alice/m/commit/main", &[]).await.expect(200).text();
    assert!(commit.contains("<del>two</del><ins>zwei</ins>") && commit.contains("1 file changed"), "{commit}");
    let history = browse(&reader, "/alice/m/commits/main", &[]).await.expect(200).text();
    assert_eq!(history.matches("a test commits").count(), 2, "{history}");
    let refs = browse(&reader, "/alice/m/refs", &[]).await.expect(200).text();
    assert!(refs.contains("href=\"/alice/m/tree/main\""), "{refs}");
    // A picture that a browser draws as a part of a page is not a download; what somebody saves is.
    let downloads = async || {
        node.hub.downloads_flush().await.unwrap();
        reader.get("/api/models/alice/m").await.json()["downloads"].as_u64().unwrap()
    };
    browse(&reader, "/alice/m/resolve/main/notes.txt", &[("sec-fetch-dest", "image")]).await.expect(200);
    assert_eq!(downloads().await, 0);
    browse(&reader, "/alice/m/resolve/main/notes.txt", &[("sec-fetch-dest", "document")]).await.expect(200);
    assert_eq!(downloads().await, 1);
    // Raw bytes of strangers never run on this origin.
    let raw = browse(&reader, "/alice/m/resolve/main/README.md", &[]).await.expect(200);
    assert_eq!(raw.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn programs_see_no_pages() {
    let node = filled(NodeOptions::default()).await;
    let reader = node.anonymous();
    let as_program = |path: &str| reader.request(Method::GET, path).header("accept", "application/json");
    for (path, _) in addresses() {
        let answer = reader.send(as_program(path)).await.expect(404);
        assert!(answer.json()["error"].as_str().unwrap().starts_with("nothing is served at /"), "{path}");
    }
    for path in ["/alice/m", "/models", "/alice"] {
        let posted = reader.post(path, &json!({})).await.expect(404);
        assert!(posted.json()["error"].as_str().unwrap().starts_with("nothing is served at /"), "{path}");
    }
    // What errors were is what they are, unless HTML is asked for by name.
    let missing = reader.get("/alice/none/resolve/main/a").await.expect(401);
    assert_eq!(
        (missing.header("x-error-code"), missing.header("www-authenticate")),
        ("RepoNotFound", "Basic realm=\"karez\"")
    );
    missing.json();
    let api = browse(&reader, "/api/models/alice/none", &[]).await.expect(401);
    api.json();
    for path in ["/api/nothing", "/cas/nothing", "/nowhere/at/all/x"] {
        reader.get(path).await.expect(404).json();
    }
}

/// A link to the node in a mail must not become a link to somewhere else.
#[tokio::test]
async fn no_page_links_to_another_host_by_its_path() {
    let node = filled(NodeOptions::default()).await;
    let reader = node.anonymous();
    for path in
        ["//evil.example/x", "///evil.example", "//evil.example/x/", "/\\evil.example/x", "//evil.example/-/sign-in"]
    {
        let url = format!("{}{path}", node.url());
        let answer = raw(&url).await;
        assert!(answer.contains("Not found") || answer.contains("303"), "{path}: {answer}");
        for start in ["href=\"//", "href=\"/\\", "ocation: //", "ocation: /\\", "next=//"] {
            assert!(!answer.contains(start), "{path} has {start}: {answer}");
        }
    }
    // A slash too many at the end is a slip of the hand.
    for (path, plain) in [
        ("/models/", "/models"),
        ("/alice/", "/alice"),
        ("/alice/m/", "/alice/m"),
        ("/models/?search=a", "/models?search=a"),
    ] {
        let answer = browse(&reader, path, &[]).await.expect(303);
        assert_eq!(answer.header("location"), plain, "{path}");
    }
    reader.send(reader.request(Method::GET, "/models/").header("accept", "application/json")).await.expect(404);
}

/// Asks with the path as it is written, which clients would tidy.
async fn raw(url: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut line = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\nconnection: close\r\n\r\n");
    line.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_a_repository_costs_is_whole_or_says_of_how_much() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/many", "public").await;
    let names: Vec<String> = (0..3_000).map(|n| format!("d{}/{n}.txt", n % 7)).collect();
    for names in names.chunks(1_000) {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"0123456789"[..])).collect();
        alice.commit("datasets/alice/many", "main", &files).await.expect(200);
    }
    let page = browse(&node.anonymous(), "/datasets/alice/many", &[]).await.expect(200).text();
    let cost = page.split("Cost to pull").nth(1).unwrap().split("</dd>").next().unwrap();
    assert!(cost.contains("3001 files") && cost.contains("<bdi>32.3 KB</bdi>") && !cost.contains("at least"), "{cost}");
}

#[tokio::test]
async fn what_is_not_in_the_log_is_no_warning() {
    let node = filled(NodeOptions::default()).await;
    let mut alice = crate::forms::Browser::signed_in(&node, "alice", TokenRole::Write).await;
    let page = alice.get("/alice/secret").await.expect(200).text();
    assert!(page.contains("not in the public log") && !page.contains("signed log"), "{page}");
    let page = alice.get("/alice/m").await.expect(200).text();
    assert!(page.contains("takes some seconds") || page.contains("signed log of this node, entry"), "{page}");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let node = filled(NodeOptions::default()).await;
    let reader = node.anonymous();
    for path in [
        "/alice/none",
        "/alice/secret",
        "/nobody",
        "/alice/m/blob/main/none.txt",
        "/alice/m/tree/none",
        "/alice/m/resolve/main/none",
        "/a/b/c/d",
    ] {
        let answer = browse(&reader, path, &[("accept-language", "fr")]).await.expect(404);
        let text = answer.text();
        assert!(text.contains("<h1>Introuvable</h1>") && text.contains("/-/sign-in?next="), "{path}: {text}");
        assert_eq!(answer.header("www-authenticate"), "", "a browser would open a window of its own: {path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
    // And the way back, which is the same whether the repository is there.
    for (path, back) in [
        ("/alice/m/blob/main/none.txt", "href=\"/alice/m\""),
        ("/datasets/alice/none/tree/main", "href=\"/datasets/alice/none\""),
        ("/alice/m/discussions/77", "href=\"/alice/m\""),
    ] {
        let text = browse(&reader, path, &[]).await.expect(404).text();
        assert!(text.contains(back) && text.contains("Back to"), "{path}: {text}");
    }
    assert!(!browse(&reader, "/alice/none", &[]).await.text().contains("Back to"));
    // The same words for what is private and for what is not there.
    let unnamed = |text: String, name: &str| {
        let id = text.split("<code dir=\"ltr\">").last().unwrap().split('<').next().unwrap().to_owned();
        text.replace(name, "?").replace(&id, "")
    };
    let private = unnamed(browse(&reader, "/alice/secret", &[]).await.text(), "secret");
    assert_eq!(private, unnamed(browse(&reader, "/alice/hidden", &[]).await.text(), "hidden"));
    browse(&reader, "/alice/m/commits/main?p=x", &[]).await.expect(400);
    browse(&reader, "/models?cursor=forged", &[]).await.expect(400);
}

/// Returns the cookie that an answer sets, as a browser sends it back.
fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    set.filter(|cookie| cookie.starts_with(&format!("{name}=")))
        .map(|cookie| cookie.split(';').next().unwrap().to_owned())
        .next()
}

/// A form that was shown: the proof in it, and the cookie that came along.
async fn form(client: &TestClient, cookies: &str) -> (String, String) {
    let shown = browse(client, "/-/sign-in?next=/alice/secret", &[("cookie", cookies)]).await.expect(200);
    let text = shown.text();
    let proof = text.split("name=\"proof\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (proof, cookie(&shown, "karez_form").unwrap_or_else(|| cookies.to_owned()))
}

async fn send_form(client: &TestClient, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = client.request(Method::POST, path).header("accept", BROWSER).body(body.to_owned());
    request = request.header("content-type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

#[tokio::test]
async fn a_browser_signs_in_and_out() {
    let node = filled(NodeOptions::default()).await;
    let browser = node.anonymous();
    let token = node.token("alice", TokenRole::Write);
    let (proof, form_cookie) = form(&browser, "").await;
    let body = format!("proof={proof}&next=%2Falice%2Fsecret&token={token}");
    let signed_in = send_form(&browser, "/-/sign-in", &body, &[("cookie", &form_cookie)]).await.expect(303);
    assert_eq!(signed_in.header("location"), "/alice/secret");
    let set = signed_in.header("set-cookie").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains(token), "{set}");
    let session = cookie(&signed_in, "karez_session").unwrap();
    let page = browse(&browser, "/alice/secret", &[("cookie", &session)]).await.expect(200);
    assert!(
        page.text().contains("Nobody else reads this") && page.header("cache-control") == "private, no-cache",
        "{}",
        page.text()
    );
    browse(&browser, "/alice/secret/resolve/main/README.md", &[("cookie", &session)]).await.expect(200);
    // The cookie reads; it changes nothing, and programs do not know it.
    let request = browser.request(Method::POST, "/api/repos/create").header("cookie", &session);
    browser.send(request.json(&json!({ "name": "x" }))).await.expect(401);
    browse(&browser, "/api/models/alice/secret", &[("cookie", &session)]).await.expect(401);
    for at in [20, session.len() - 1] {
        let mut forged = session.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        browse(&browser, "/alice/secret", &[("cookie", &forged)]).await.expect(404);
    }
    // Out again.
    let (proof, _) = form(&browser, &format!("{session}; {form_cookie}")).await;
    let cookies = format!("{session}; {form_cookie}");
    send_form(&browser, "/-/sign-out", "proof=forged", &[("cookie", &cookies)]).await.expect(400);
    let out = send_form(&browser, "/-/sign-out", &format!("proof={proof}"), &[("cookie", &cookies)]).await.expect(303);
    assert!(
        out.header("set-cookie").starts_with("karez_session=; ") && out.header("set-cookie").contains("Max-Age=0"),
        "{out:?}"
    );
    // Out means out: a copy of the cookie is worth nothing any more.
    browse(&browser, "/alice/secret", &[("cookie", &session)]).await.expect(404);
    let (proof, _) = form(&browser, &form_cookie).await;
    let body = format!("proof={proof}&token={token}");
    let signed_in = send_form(&browser, "/-/sign-in", &body, &[("cookie", &form_cookie)]).await.expect(303);
    let session = cookie(&signed_in, "karez_session").unwrap();
    browse(&browser, "/alice/secret", &[("cookie", &session)]).await.expect(200);
    // A session ends with its time.
    node.advance_secs(7 * 86_400 + 1);
    browse(&browser, "/alice/secret", &[("cookie", &session)]).await.expect(404);
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let node = filled(NodeOptions::default()).await;
    let (browser, operator) = (node.anonymous(), karez_hub::Actor::Operator);
    let new = karez_hub::NewToken { name: "browser".to_owned(), role: TokenRole::Read, expires: None };
    let token = node.hub.token_create(&operator, "alice", new).await.unwrap();
    let (proof, form_cookie) = form(&browser, "").await;
    let body = format!("proof={proof}&token={token}");
    let session = cookie(
        &send_form(&browser, "/-/sign-in", &body, &[("cookie", &form_cookie)]).await.expect(303),
        "karez_session",
    )
    .unwrap();
    browse(&browser, "/alice/secret", &[("cookie", &session)]).await.expect(200);
    let tokens = node.hub.token_list(&operator, "alice").await.unwrap();
    let id = tokens.iter().find(|token| token.name == "browser").unwrap().id;
    node.hub.token_revoke(&operator, "alice", id).await.unwrap();
    browse(&browser, "/alice/secret", &[("cookie", &session)]).await.expect(404);
    browse(&browser, "/alice/m", &[("cookie", &session)]).await.expect(200);
}

#[tokio::test]
async fn forms_of_others_are_refused_and_guessing_ends() {
    let node = filled(NodeOptions::default()).await;
    let browser = node.anonymous();
    let token = node.token("alice", TokenRole::Read);
    let (proof, form_cookie) = form(&browser, "").await;
    let body = format!("proof={proof}&token={token}");
    for headers in [
        vec![],
        vec![("cookie", "karez_form=00000000000000000000000000000000")],
        vec![("cookie", form_cookie.as_str()), ("origin", "https://evil.example")],
        vec![("cookie", form_cookie.as_str()), ("sec-fetch-site", "cross-site")],
    ] {
        let refused = send_form(&browser, "/-/sign-in", &body, &headers).await.expect(400);
        assert!(cookie(&refused, "karez_session").is_none(), "{headers:?}");
    }
    let own = [("cookie", form_cookie.as_str()), ("origin", node.url()), ("sec-fetch-site", "same-origin")];
    send_form(&browser, "/-/sign-in", &body, &own).await.expect(303);
    let wrong = format!("proof={proof}&token=hf_wrong");
    for _ in 0..20 {
        send_form(&browser, "/-/sign-in", &wrong, &own).await.expect(422);
    }
    let over = send_form(&browser, "/-/sign-in", &wrong, &own).await.expect(429);
    assert_eq!(over.header("retry-after"), "60");
    node.advance_secs(61);
    send_form(&browser, "/-/sign-in", &body, &own).await.expect(303);
    node.advance_secs(3_600);
    send_form(&browser, "/-/sign-in", &body, &own).await.expect(400);
}

#[tokio::test]
async fn the_language_is_asked_for_remembered_or_accepted() {
    let node = filled(NodeOptions::default()).await;
    let reader = node.anonymous();
    let asked = browse(&reader, "/models?search=x&lang=ru", &[("accept-language", "fr")]).await.expect(200);
    assert!(asked.text().contains("<html lang=\"ru\""), "{}", asked.text());
    assert!(asked.text().contains("href=\"/models?search=x&amp;lang=ar\""), "{}", asked.text());
    let remembered = cookie(&asked, "karez_lang").unwrap();
    let next = browse(&reader, "/models", &[("cookie", &remembered), ("accept-language", "fr")]).await.expect(200);
    assert!(next.text().contains("<html lang=\"ru\"") && cookie(&next, "karez_lang").is_none());
    let unknown = browse(&reader, "/models?lang=\"><script>", &[]).await.expect(200);
    assert!(unknown.text().contains("<html lang=\"en\"") && !unknown.text().contains("<script"), "{}", unknown.text());
}

/// What strangers write where: none of it may come out as it went in.
#[tokio::test]
async fn what_strangers_write_is_only_read() {
    let limits = Limits::default();
    let node = filled(NodeOptions { limits, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    let payload = "<img src=x onerror=alert(1)>";
    let name = "\"><svg onload=alert(1)>.txt";
    let card = format!(
        "---\nlicense: '{payload}'\nlanguage: '{payload}'\npipeline_tag: '{payload}'\nlibrary_name: '{payload}'\ntags: ['{payload}']\n\
         base_model: '{payload}'\nlicense_link: 'javascript:alert(1)'\n---\n# {payload}\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))\n"
    );
    alice.repo_create("model", "alice/evil", "public").await;
    let header = json!({ "key": "header", "value": { "summary": payload, "description": format!("{payload}\n</pre><script>") } });
    let file = |path: &str, content: &str| {
        use base64::Engine as _;
        let content = base64::engine::general_purpose::STANDARD.encode(content);
        json!({ "key": "file", "value": { "path": path, "content": content, "encoding": "base64" } })
    };
    let lines = [header, file("README.md", &card), file(name, payload), file("page.html", "<script>alert(1)</script>")];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let request = alice
        .request(Method::POST, "/api/models/alice/evil/commit/main")
        .header("content-type", "application/x-ndjson")
        .body(body);
    alice.send(request).await.expect(200);
    let encoded = "%22%3E%3Csvg%20onload%3Dalert%281%29%3E.txt";
    let blob = format!("/alice/evil/blob/main/{encoded}");
    let query = format!("/models?search={}&filter={}&sort={0}", "%3Csvg%20onload%3Dalert(1)%3E", "%22%3E%3Cscript%3E");
    let next = "/-/sign-in?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        "/",
        "/models",
        "/alice",
        "/alice/evil",
        "/alice/evil/tree/main",
        &blob,
        "/alice/evil/blob/main/README.md?plain=1",
        "/alice/evil/blob/main/page.html",
        "/alice/evil/commits/main",
        "/alice/evil/commit/main",
        &query,
        next,
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/alice/%3Csvg%3E/tree/main/%3Cscript%3E",
    ] {
        let answer = browse(&node.anonymous(), path, &[]).await;
        assert!(answer.status == 200 || answer.status == 404, "{path}: {}", answer.status);
        let text = answer.text();
        // A picture of the repository itself may stand in its card.
        let text = text.replace("<img src=\"/alice/evil/resolve/main/x\" loading=\"lazy\" alt=\"\">", "");
        // What is in a block of data is escaped as JSON, and the block itself is none that runs.
        let text = text.replace("<script type=\"application/ld+json\">", "");
        for tag in ["<script", "<svg", "onerror=alert(1)>", "\"javascript:", "<img"] {
            assert!(!text.contains(tag), "{path} has {tag}: {text}");
        }
    }
    // Served as it is, it is neither a page nor a picture of this origin.
    let raw = browse(&node.anonymous(), "/alice/evil/resolve/main/page.html", &[]).await.expect(200);
    assert_eq!(raw.header("content-type"), "application/octet-stream");
    assert_eq!(raw.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn data_is_shown_as_a_table_and_figures_as_charts() {
    const PARQUET: &[u8] = include_bytes!("../../../karez-preview/tests/it/golden/datasets.parquet");
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("dataset", "alice/data", "private").await;
    let rows: String = (0..50).map(|n| format!("{n},<b>row {n}</b>\n")).collect();
    let csv = format!("n,t\n{rows}");
    let card = "---\nconfigs:\n- config_name: p\n  data_files: p.parquet\n- config_name: c\n  data_files: c.csv\n---\n";
    let files: [(&str, &[u8]); 3] = [("README.md", card.as_bytes()), ("p.parquet", PARQUET), ("c.csv", csv.as_bytes())];
    alice.commit("datasets/alice/data", "main", &files).await.expect(200);
    let show = async |query: &str| {
        let request = alice.request(Method::GET, &format!("/datasets/alice/data/viewer{query}"));
        alice.send(request.header("accept", "text/html")).await.expect(200).text()
    };
    let page = show("?config=c&offset=40").await;
    assert!(page.contains("&lt;b&gt;row 45&lt;/b&gt;") && !page.contains("<b>row"), "{page}");
    assert!(page.contains("50 rows") && page.contains("rel=\"prev\"") && !page.contains("rel=\"next\""), "{page}");
    let page = show("?config=c&where=n%3C3").await;
    assert!(page.contains("row 2&lt;") && !page.contains("row 3&lt;"), "{page}");
    let page = show("?config=c&words=ROW%2017").await;
    assert!(page.contains("row 17&lt;") && page.contains("1 row<") || page.contains("1 row "), "{page}");
    let page = show("?config=c&where=nothing%20at").await;
    assert!(page.contains("class=\"warn\""), "{page}");
    let page = show("?config=p").await;
    assert!(
        page.contains("ClassLabel") && page.contains(">yes<") && page.contains("/datasets-server/assets?"),
        "{page}"
    );
    let page = show("?config=p&show=statistics").await;
    assert!(page.contains("<svg class=\"chart\"") && page.contains("aria-label=\"How the values of id"), "{page}");
    assert!(page.contains("499.5") && page.contains("<summary>"), "{page}");
    // The link is where datasets are, and strangers see nothing.
    let request = alice.request(Method::GET, "/datasets/alice/data").header("accept", "text/html");
    assert!(alice.send(request).await.text().contains("/datasets/alice/data/viewer"));
    let bob = node.client("bob");
    let request = bob.request(Method::GET, "/datasets/alice/data/viewer").header("accept", "text/html");
    bob.send(request).await.expect(404);
    // A dataset without data, and one without commits, say so.
    alice.repo_create("dataset", "alice/none", "public").await;
    let request = alice.request(Method::GET, "/datasets/alice/none/viewer").header("accept", "text/html");
    assert!(alice.send(request).await.expect(200).text().contains("No files were found"));
}

#[tokio::test]
async fn weights_and_notebooks_show_what_they_hold() {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", "public").await;
    let header = r#"{"__metadata__":{"format":"pt"},"layer.<b>":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]}}"#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend_from_slice(header.as_bytes());
    weights.extend_from_slice(&[0; 12]);
    let mut gguf =
        b"GGUF\x03\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0general.architecture\x08\0\0\0".to_vec();
    gguf.extend_from_slice(b"\x05\0\0\0\0\0\0\0llama");
    // The first of its four tensors, of 7 by 9 numbers stored as Q4_K; where its bytes are; the list is cut off then.
    gguf.extend_from_slice(b"\x07\0\0\0\0\0\0\0blk.<i>\x02\0\0\0\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0c\0\0\0");
    gguf.extend_from_slice(&[0; 8]);
    let notebook = r##"{"nbformat":4,"cells":[{"cell_type":"markdown","source":"# Hello <script>alert(1)</script>"},{"cell_type":"code","source":"print(6*7)","outputs":[{"output_type":"stream","text":"42\n"}]}]}"##;
    let lie = b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\0";
    let other = String::from_utf8_lossy(&weights[8..8 + header.len()]).replace("layer.<b>", "layer.two");
    let other = [&(other.len() as u64).to_le_bytes(), other.as_bytes(), &[0; 12]].concat();
    let index =
        br#"{"metadata":{"total_size":24},"weight_map":{"layer.<b>":"a.safetensors","layer.two":"c.safetensors"}}"#;
    let files: [(&str, &[u8]); 7] = [
        ("a.safetensors", &weights),
        ("b.gguf", &gguf),
        ("n.ipynb", notebook.as_bytes()),
        ("bad.ipynb", b"{}"),
        ("lie.gguf", lie),
        ("c.safetensors", &other),
        ("model.safetensors.index.json", index),
    ];
    alice.commit("models/alice/m", "main", &files).await.expect(200);
    let anyone = node.anonymous();
    let show = async |path: &str| {
        let request = anyone.request(Method::GET, &format!("/alice/m/blob/main/{path}"));
        anyone.send(request.header("accept", "text/html")).await.expect(200).text()
    };
    let page = show("a.safetensors").await;
    assert!(page.contains("layer.&lt;b&gt;") && page.contains("2 × 3") && page.contains("F16"), "{page}");
    let page = show("b.gguf").await;
    assert!(page.contains("llama") && page.contains("general.architecture"), "{page}");
    assert!(page.contains("blk.&lt;i&gt;") && page.contains("7 × 9") && page.contains("Q4_K"), "{page}");
    let page = show("lie.gguf").await;
    assert!(page.contains("cannot be read") && !page.contains("576,460"), "{page}");
    // All shards together, on the page of their index and of the model.
    let page = show("model.safetensors.index.json").await;
    assert!(page.contains("layer.&lt;b&gt;") && page.contains("layer.two") && page.contains("<dd>12</dd>"), "{page}");
    assert!(show("model.safetensors.index.json?plain=1").await.contains("total_size"));
    let page =
        anyone.send(anyone.request(Method::GET, "/alice/m").header("accept", "text/html")).await.expect(200).text();
    assert!(page.contains("<dt>Parameters</dt><dd>12</dd>"), "{page}");
    let page = show("n.ipynb").await;
    assert!(
        page.contains("print(6*7)") && page.contains("42") && page.contains("Hello") && !page.contains("alert(1)"),
        "{page}"
    );
    let page = show("n.ipynb?plain=1").await;
    assert!(page.contains("cell_type"), "{page}");
    assert!(show("bad.ipynb").await.contains("{}"));
}

#[tokio::test]
async fn the_node_says_who_runs_it_and_what_it_saves() {
    let node = TestNode::start_with(NodeOptions {
        node: NodeSettings {
            name: "Hub of <the> valley".to_owned(),
            operator: "University of Bukhara".to_owned(),
            contact: "hub@bukhara.example".to_owned(),
        },
        ..NodeOptions::default()
    })
    .await;
    let alice = node.client("alice");
    let content: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for id in ["alice/a", "alice/b"] {
        alice.repo_create("model", id, "public").await;
        alice.commit(&format!("models/{id}"), "main", &[("w.bin", &content)]).await.expect(200);
    }
    let shown = browse(&node.anonymous(), "/-/node", &[]).await.expect(200).text();
    for words in
        ["University of Bukhara", "Hub of &lt;the&gt; valley", "href=\"mailto:hub@bukhara.example\"", "Bytes saved"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let bytes = node.hub.open_bytes().await.unwrap();
    assert!(bytes.held_bytes == 600_000 && bytes.stored_bytes < 310_000, "{bytes:?}");
    // A sum that everybody sees tells nothing of what is private: whether it came, and whether it was here.
    node.advance_secs(61);
    alice.repo_create("model", "alice/secret", "private").await;
    alice.commit("models/alice/secret", "main", &[("w.bin", &content), ("x.bin", &content[1_000..])]).await.expect(200);
    assert_eq!(node.hub.open_bytes().await.unwrap(), bytes);
    // Who says nothing is not named.
    let other = TestNode::start().await;
    let shown = browse(&other.anonymous(), "/-/node", &[]).await.expect(200).text();
    assert!(shown.contains("The operator does not say."), "{shown}");
}
