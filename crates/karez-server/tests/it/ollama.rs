//! What Ollama asks when it pulls a GGUF model.

use karez_testkit::reqwest::{Client, Method, redirect::Policy};
use karez_testkit::{NodeOptions, TestNode};
use karez_types::Limits;
use serde_json::Value;

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// A GGUF file without weights: an architecture, a quantisation, a chat template, one tensor.
fn gguf(file_type: u32, chat_template: &str, padding: usize) -> Vec<u8> {
    let entry =
        |key: &str, value_type: u32, value: Vec<u8>| [text(key), value_type.to_le_bytes().to_vec(), value].concat();
    let entries = [
        entry("general.architecture", 8, text("llama")),
        entry("general.file_type", 4, file_type.to_le_bytes().to_vec()),
        entry("tokenizer.chat_template", 8, text(chat_template)),
    ];
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend(1u64.to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    bytes.extend(entries.concat());
    bytes.extend(text("output.weight"));
    bytes.extend(2u32.to_le_bytes());
    bytes.extend([1_000u64.to_le_bytes(), 1_240_000u64.to_le_bytes()].concat());
    bytes.extend([0; 12]);
    bytes.extend((0..padding).map(|at| (at * 7 % 251) as u8));
    bytes
}

/// A node where everything over a kilobyte is a large file.
async fn node() -> TestNode {
    let limits = Limits { regular_file_bytes_max: 1_000, ..Limits::default() };
    let node = TestNode::start_with(NodeOptions { limits, ..NodeOptions::default() }).await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m-GGUF", "public").await;
    node
}

/// Follows an image as Ollama does and returns its manifest and the bytes of each part.
async fn pull(node: &TestNode, tag: &str) -> (Value, Vec<Vec<u8>>) {
    let manifest = node.anonymous().get(&format!("/v2/alice/m-GGUF/manifests/{tag}")).await.expect(200).json();
    let mut parts = Vec::new();
    let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
    for layer in layers {
        let (digest, size) = (layer["digest"].as_str().unwrap(), layer["size"].as_u64().unwrap());
        let url = format!("{}/v2/alice/m-GGUF/blobs/{digest}", node.url());
        // Redirects to the same host are followed with their headers.
        let client = Client::builder().redirect(Policy::limited(5)).build().unwrap();
        let head = client.request(Method::HEAD, &url).send().await.unwrap();
        assert_eq!(head.headers()["content-length"].to_str().unwrap().parse::<u64>().unwrap(), size, "{digest}");
        let half = size / 2;
        let mut bytes = Vec::new();
        for range in [format!("bytes=0-{}", half.max(1) - 1), format!("bytes={}-{}", half.max(1), size - 1)] {
            let part = client.get(&url).header("range", range).send().await.unwrap();
            if part.status() == 200 {
                bytes = part.bytes().await.unwrap().to_vec();
                break;
            }
            assert_eq!(part.status(), 206);
            bytes.extend(part.bytes().await.unwrap());
        }
        assert_eq!(bytes.len() as u64, size);
        parts.push(bytes);
    }
    (manifest, parts)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_whole() {
    let node = node().await;
    let (small, large) = (gguf(15, "{{ '<|im_start|>' }}", 0), gguf(7, "no marks", 100_000));
    let alice = node.client("alice");
    let files: [(&str, &[u8]); 3] = [("m-Q4_K_M.gguf", &small), ("weights/m-Q8_0.gguf", &large), ("README.md", b"x")];
    alice.commit("models/alice/m-GGUF", "main", &files).await.expect(200);

    let (manifest, parts) = pull(&node, "latest").await;
    assert_eq!(parts[0], small);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    assert!(String::from_utf8_lossy(&parts[1]).contains("<|im_start|>user\n{{ .Prompt }}<|im_end|>"));
    assert_eq!(serde_json::from_slice::<Value>(&parts[2]).unwrap()["stop"][1], "<|im_end|>");
    let config: Value = serde_json::from_slice(&parts[3]).unwrap();
    assert_eq!(
        (&config["model_type"], &config["file_type"], &config["model_family"]),
        (&"1.24B".into(), &"Q4_K_M".into(), &"llama".into())
    );

    let (again, _) = pull(&node, "q4_k_m").await;
    assert_eq!(again, manifest, "the same file gives the same image");
    let (_, parts) = pull(&node, "Q8_0").await;
    assert_eq!(parts[0], large);
    assert_eq!(parts.len(), 2, "without known marks there is no template");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_at_the_root_speak_for_the_model() {
    let node = node().await;
    let (model, projector) = (gguf(2, "[INST]", 0), gguf(1, "", 10));
    let files: [(&str, &[u8]); 4] = [
        ("m.gguf", &model),
        ("mmproj-F16.gguf", &projector),
        ("template", b"{{ .Prompt }}"),
        ("system", b"You are brief."),
    ];
    node.client("alice").commit("models/alice/m-GGUF", "main", &files).await.expect(200);
    let (manifest, parts) = pull(&node, "latest").await;
    let types: Vec<&str> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap())
        .collect();
    assert_eq!(types, ["model", "projector", "template", "system", "params"]);
    assert_eq!((&parts[1][..], &parts[2][..]), (&projector[..], &b"{{ .Prompt }}"[..]));
    let client = node.anonymous();
    let request = client.request(Method::GET, "/v2/alice/m-GGUF/manifests/latest").header("user-agent", "llama-cpp");
    let answer = client.send(request).await.expect(200).json();
    assert_eq!(
        (&answer["ggufFile"]["rfilename"], &answer["mmprojFile"]["rfilename"]),
        (&"m.gguf".into(), &"mmproj-F16.gguf".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_so() {
    let node = node().await;
    let client = node.anonymous();
    client.get("/v2/").await.expect(200);
    client.get("/v2/alice/m-GGUF/manifests/latest").await.expect(404);
    let files: [(&str, &[u8]); 2] = [("broken.gguf", b"not a model"), ("p-00001-of-00002.gguf", &gguf(2, "", 0))];
    node.client("alice").commit("models/alice/m-GGUF", "main", &files).await.expect(200);
    for (tag, status) in [("broken", 400), ("p-00001-of-00002", 400), ("Q9", 404), ("..%2F..", 404), ("%00", 404)] {
        let answer = client.get(&format!("/v2/alice/m-GGUF/manifests/{tag}")).await;
        assert_eq!(answer.status, status, "{tag}: {}", answer.text());
    }
    for digest in [&format!("sha256:{}", "0".repeat(64)), "sha256:xyz", "latest", "md5:0"] {
        client.get(&format!("/v2/alice/m-GGUF/blobs/{digest}")).await.expect(404);
    }
}
