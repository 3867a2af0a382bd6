//! The check of a README before it is pushed.

use karez_testkit::TestNode;
use karez_testkit::reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn answers_are_json_whatever_the_outcome() {
    let node = TestNode::start().await;
    let client = node.anonymous();
    let check = async |content: &str| {
        client.post("/api/validate-yaml", &json!({ "content": content, "repoType": "model" })).await
    };
    let good = check("---\nlicense: mit\n---\n# Hi").await.expect(200).json();
    assert_eq!(good, json!({ "errors": [], "warnings": [] }));
    let empty = check("# Hi").await.expect(200).json();
    assert_eq!(empty["warnings"][0]["message"], "empty or missing yaml metadata in repo card");
    let bad = check("---\nlicense: none-of-these\n---\n").await.expect(400).json();
    assert!(bad["errors"][0]["message"].as_str().unwrap().starts_with("\"license\" must be one of"));
    let near = check("---\nlicense: MIT\n---\n# Hi").await.expect(400).json();
    assert!(near["errors"][0]["message"].as_str().unwrap().ends_with("is it `mit`?"), "{near}");
    check("---\na: [b\n---\n").await.expect(400);
    // The same linter as the pages: advice does not refuse, what other programs cannot read does.
    let advised = check("---\nlicense: mit\npipeline-tag: text-generation\n---\n# Hi").await.expect(200).json();
    let advice = "\"pipeline-tag\" is not a known field; is it \"pipeline_tag\"?";
    assert_eq!(advised["warnings"], json!([{ "message": advice }]));
    check("---\nlicense: &l mit\nlicense_name: *l\n---\n# Hi").await.expect(400);
    check(&format!("---\nlicense: mit\na: {}1{}\n---\n", "[".repeat(100), "]".repeat(100))).await.expect(400);
    let broken = client.send(client.request(Method::POST, "/api/validate-yaml").body("no json")).await.expect(400);
    assert!(broken.json()["error"].is_string());
}

#[tokio::test]
async fn plain_text_is_for_those_who_ask() {
    let node = TestNode::start().await;
    let client = node.anonymous();
    let request = client
        .request(Method::POST, "/api/validate-yaml")
        .header("accept", "text/plain")
        .json(&json!({ "content": "---\nlicense: nope\n---\n", "repoType": "model" }));
    let answer = client.send(request).await.expect(400);
    assert!(answer.text().starts_with("- Error: \"license\" must be one of"), "{}", answer.text());
}
