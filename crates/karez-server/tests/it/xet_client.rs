//! A small Xet client for tests: cuts files, sends xorbs and shards, puts files together again.

use axum::http::Method;
use bytes::Bytes;
use karez_formats::xet::{
    BuiltXorb, Chunk, Chunker, Shard, ShardFile, ShardTerm, ShardXorb, XorbBuilder, chunk_hash, decode_chunks,
    file_hash, range_hash,
};
use karez_testkit::{Answer, TestClient, TestNode};
use karez_types::{Entropy, FileHash, SeededEntropy, Sha256, XorbHash};
use serde_json::{Value, json};
use sha2::Digest;

/// Returns bytes that do not compress and are the same for the same seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    SeededEntropy::new(seed).fill(&mut data);
    data
}

pub fn sha256(data: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(data).into())
}

/// A file, cut and packed into one xorb, and the shard entry that registers it.
#[derive(Clone)]
pub struct Packed {
    pub xorb: BuiltXorb,
    pub file: ShardFile,
}

/// Cuts a file into one xorb.
pub fn pack(data: &[u8]) -> Packed {
    let (mut chunks, mut builder) = (Vec::new(), XorbBuilder::new());
    let mut take = |raw: &[u8]| {
        let hash = chunk_hash(raw);
        builder.push(raw, hash);
        chunks.push(Chunk { hash, raw_bytes: raw.len() as u32 });
    };
    let mut chunker = Chunker::new();
    chunker.push(data, &mut take);
    chunker.finish(&mut take);
    let xorb = builder.finish();
    let term = ShardTerm {
        xorb: xorb.hash,
        chunk_start: 0,
        chunk_end: chunks.len() as u32,
        raw_bytes: data.len() as u32,
        range_hash: Some(range_hash(chunks.iter().map(|chunk| &chunk.hash))),
    };
    let file = ShardFile { hash: file_hash(&chunks), sha256: Some(sha256(data)), terms: vec![term] };
    Packed { xorb, file }
}

impl Packed {
    /// Returns the shard that a real client sends for this file.
    pub fn shard(&self) -> Shard {
        let chunks = self.xorb.index.chunks.iter().map(|chunk| Chunk::from(*chunk)).collect();
        Shard { files: vec![self.file.clone()], xorbs: vec![ShardXorb { hash: self.xorb.hash, chunks }] }
    }
}

/// A client with a Xet token.
pub struct Xet {
    pub client: TestClient,
    pub cas: String,
}

impl Xet {
    /// Gets a token of the kind `read` or `write` for `repo`, such as `models/alice/m`.
    pub async fn open(client: &TestClient, repo: &str, kind: &str) -> Xet {
        let answer = client.get(&format!("/api/{repo}/xet-{kind}-token/main")).await.expect(200);
        Xet::from_token(&answer.json())
    }

    pub fn from_token(answer: &Value) -> Xet {
        let cas = answer["casUrl"].as_str().unwrap().to_owned();
        Xet { client: TestClient::new(&cas, answer["accessToken"].as_str()), cas }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client.get(path).await
    }

    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.client.send(self.client.request(method, path).body(body.into())).await
    }

    pub async fn grant(&self, hash: XorbHash) -> u16 {
        let body = json!({ "length": 1, "checksum": { "algo": "crc64nvme", "value": "1" } });
        self.client.post(&format!("/v1/xorb-grants/default/{hash}"), &body).await.status
    }

    pub async fn xorb_send(&self, hash: XorbHash, bytes: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, &format!("/v1/xorbs/default/{hash}"), bytes).await
    }

    pub async fn shard_send(&self, shard: &Shard) -> Answer {
        self.send(Method::POST, "/v2/shards", shard.encode()).await
    }

    /// Sends a file's xorb and shard.
    pub async fn push(&self, packed: &Packed) {
        self.xorb_send(packed.xorb.hash, packed.xorb.bytes.clone()).await.expect(200);
        let answer = self.shard_send(&packed.shard()).await.expect(200);
        assert_eq!(answer.text(), "{\"type\":\"result\"}\n");
    }

    /// Gets a range of a file the way clients do: reconstruction, then signed ranges.
    pub async fn fetch(&self, hash: FileHash, range: Option<(u64, u64)>) -> Vec<u8> {
        let mut request = self.client.request(Method::GET, &format!("/v2/reconstructions/{hash}"));
        if let Some((first, last)) = range {
            request = request.header("range", format!("bytes={first}-{last}"));
        }
        let answer = self.client.send(request).await.expect(200).json();
        let mut raw = Vec::new();
        for term in answer["terms"].as_array().unwrap() {
            raw.extend(self.fetch_term(&answer, term).await);
        }
        let skip = answer["offset_into_first_range"].as_u64().unwrap() as usize;
        let end = range.map_or(raw.len(), |(first, last)| (skip + (last - first) as usize + 1).min(raw.len()));
        raw[skip..end].to_vec()
    }

    async fn fetch_term(&self, answer: &Value, term: &Value) -> Vec<u8> {
        let number = |value: &Value| value.as_u64().unwrap();
        let (start, end) = (number(&term["range"]["start"]), number(&term["range"]["end"]));
        let fetches = answer["xorbs"][term["hash"].as_str().unwrap()].as_array().unwrap();
        let (url, place) = fetches
            .iter()
            .flat_map(|fetch| fetch["ranges"].as_array().unwrap().iter().map(move |place| (&fetch["url"], place)))
            .find(|(_, place)| number(&place["chunks"]["start"]) <= start && number(&place["chunks"]["end"]) >= end)
            .expect("every term lies inside a range");
        let bytes = format!("bytes={}-{}", place["bytes"]["start"], place["bytes"]["end"]);
        let plain = TestClient::new(&self.cas, None);
        let request = plain.request(Method::GET, url.as_str().unwrap()).header("range", bytes);
        let stored = plain.send(request).await.expect(206).body;
        let mut raw = Vec::new();
        decode_chunks(&stored, &mut raw).unwrap();
        // The range may hold chunks before the term's; their lengths come from decoding up to them.
        let before = number(&place["chunks"]["start"]);
        let mut cursor = 0;
        let (mut position, mut from) = (before, 0);
        while position < start {
            let raw_bytes = u32::from_le_bytes([stored[cursor + 5], stored[cursor + 6], stored[cursor + 7], 0]);
            let stored_bytes = u32::from_le_bytes([stored[cursor + 1], stored[cursor + 2], stored[cursor + 3], 0]);
            cursor += 8 + stored_bytes as usize;
            from += raw_bytes as usize;
            position += 1;
        }
        let length = number(&term["unpacked_length"]) as usize;
        raw[from..from + length].to_vec()
    }
}

/// Makes a file part of a repository by its sha256.
pub async fn commit_large(client: &TestClient, repo: &str, path: &str, data: &[u8]) -> Answer {
    let value = json!({ "path": path, "algo": "sha256", "oid": sha256(data), "size": data.len() });
    client.commit_lines(repo, "main", vec![json!({ "key": "lfsFile", "value": value })]).await
}

/// Starts a node on a folder with alice's repository, and opens it for writing.
pub async fn node_with_repo(visibility: &str) -> (TestNode, Xet) {
    let node = TestNode::start().await;
    let alice = node.client("alice");
    alice.repo_create("model", "alice/m", visibility).await;
    let xet = Xet::open(&alice, "models/alice/m", "write").await;
    (node, xet)
}
