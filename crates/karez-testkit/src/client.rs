//! A client that sends what it is told and follows nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A client of one node, with or without a token.
#[derive(Debug, Clone)]
pub struct TestClient {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for messages.
    pub asked: String,
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl TestClient {
    /// Returns a client for a node at this address.
    pub fn new(address: &str, token: Option<&str>) -> TestClient {
        // Installing fails only when it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("the client needs nothing of the machine");
        TestClient { http, address: address.to_owned(), token: token.map(str::to_owned) }
    }

    /// Starts a request to a path of the node, or to a whole address that the node gave out.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') { format!("{}{path}", self.address) } else { path.to_owned() };
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("the test writes well-formed requests");
        let asked = format!("{} {}", request.method(), request.url());
        let response = self.http.execute(request).await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        Answer { asked, status, headers, body }
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends HEAD.
    pub async fn head(&self, path: &str) -> Answer {
        self.send(self.request(Method::HEAD, path)).await
    }

    /// Sends JSON with POST.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Sends JSON with PUT.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// Sends JSON with DELETE.
    pub async fn delete(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::DELETE, path).json(body)).await
    }

    /// Creates a repository: `kind` as `model`, `id` as `owner/name`.
    ///
    /// # Panics
    /// When the node refuses.
    pub async fn repo_create(&self, kind: &str, id: &str, visibility: &str) {
        let (owner, name) = id.split_once('/').expect("owner/name");
        let mut body = json!({ "type": kind, "organization": owner, "name": name, "visibility": visibility });
        if kind == "space" {
            body["sdk"] = "static".into();
        }
        self.post("/api/repos/create", &body).await.expect(200);
    }

    /// Commits small files to a repository, `repo` as `models/owner/name`, and returns the answer.
    pub async fn commit(&self, repo: &str, revision: &str, files: &[(&str, &[u8])]) -> Answer {
        let operations = files.iter().map(|(path, content)| {
            let content = STANDARD.encode(content);
            json!({ "key": "file", "value": { "path": path, "content": content, "encoding": "base64" } })
        });
        self.commit_lines(repo, revision, operations.collect()).await
    }

    /// Commits operations, each a line of the commit body, and returns the answer.
    pub async fn commit_lines(&self, repo: &str, revision: &str, operations: Vec<Value>) -> Answer {
        let header = json!({ "key": "header", "value": { "summary": "a test commits", "description": "" } });
        let lines = std::iter::once(header).chain(operations).map(|line| format!("{line}\n"));
        let request = self
            .request(Method::POST, &format!("/api/{repo}/commit/{revision}"))
            .header("content-type", "application/x-ndjson")
            .body(lines.collect::<String>());
        self.send(request).await
    }
}

impl Answer {
    /// Returns the answer when it has this status.
    ///
    /// # Panics
    /// When it has another; the message shows the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns a header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// Returns the address of the next page, if there is one.
    pub fn next_page(&self) -> Option<String> {
        let link = self.header("link").split(',').find(|link| link.contains("rel=\"next\""))?;
        Some(link.split_once('<')?.1.split_once('>')?.0.to_owned())
    }
}
