//! Signing in through an OpenID provider that lies as the test tells it to. The real one is in `tests/pages`.

use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use karez_federation::provider::SignInSettings;
use karez_hub::Actor;
use karez_testkit::{NodeOptions, TestNode};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::forms::Browser;

/// What the provider does.
#[derive(Clone, Default)]
struct Lies {
    /// Claims that are changed in the token.
    claims: Value,
    /// Whether the token is signed with another key.
    is_forged: bool,
}

#[derive(Clone)]
struct Fake {
    url: String,
    lies: Arc<Mutex<Lies>>,
    /// The nonce and the challenge of the last question.
    asked: Arc<Mutex<(String, String)>>,
}

impl Fake {
    async fn start() -> Fake {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Fake { url, lies: Arc::default(), asked: Arc::default() };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    fn settings(&self, new_people: bool) -> SignInSettings {
        SignInSettings {
            provider: Some("The ministry".to_owned()),
            issuer: Some(self.url.clone()),
            client_id: Some("karez".to_owned()),
            client_secret: Some("a secret:/".to_owned()),
            new_people,
            allow_private: true,
        }
    }

    fn lie(&self, claims: Value, is_forged: bool) {
        *self.lies.lock().unwrap() = Lies { claims, is_forged };
    }
}

async fn describe(State(fake): State<Fake>) -> Json<Value> {
    let url = &fake.url;
    Json(json!({
        "issuer": url, "authorization_endpoint": format!("{url}/auth"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"), "authorization_response_iss_parameter_supported": true,
    }))
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

async fn keys() -> Json<Value> {
    let x = URL_SAFE_NO_PAD.encode(pair(1).public_key());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "x": x }] }))
}

#[derive(serde::Deserialize)]
struct Exchange {
    code: String,
    code_verifier: String,
    redirect_uri: String,
    grant_type: String,
}

async fn token(State(fake): State<Fake>, headers: HeaderMap, Form(form): Form<Exchange>) -> (StatusCode, Json<Value>) {
    use sha2::Digest as _;
    let (nonce, challenge) = fake.asked.lock().unwrap().clone();
    let credentials = format!("Basic {}", STANDARD.encode("karez:a+secret%3A%2F"));
    let is_right = form.code == "good"
        && form.grant_type == "authorization_code"
        && form.redirect_uri.ends_with("/-/provider/back")
        && headers.get("authorization").is_some_and(|value| value.as_bytes() == credentials.as_bytes())
        && URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&form.code_verifier)) == challenge;
    if !is_right {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })));
    }
    let Lies { claims, is_forged } = fake.lies.lock().unwrap().clone();
    let now = TestNode::START.unix_secs();
    let mut all = json!({ "iss": fake.url, "sub": "subject-7", "aud": "karez", "iat": now, "exp": now + 60, "nonce": nonce, "preferred_username": "alice", "name": "Amina K." });
    if let Value::Object(claims) = claims {
        all.as_object_mut().unwrap().extend(claims);
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": "a" })), part(&all));
    let sealed = URL_SAFE_NO_PAD.encode(pair(if is_forged { 2 } else { 1 }).sign(message.as_bytes()));
    (
        StatusCode::OK,
        Json(json!({ "id_token": format!("{message}.{sealed}"), "access_token": "x", "token_type": "Bearer" })),
    )
}

/// Begins at the node; returns the state that the provider sends back.
async fn begin(fake: &Fake, browser: &mut Browser, next: &str) -> String {
    let sent = browser.get(&format!("/-/provider?next={next}")).await.expect(303);
    let url = sent.header("location").to_owned();
    assert!(url.starts_with(&format!("{}/auth?response_type=code&client_id=karez&redirect_uri=", fake.url)), "{url}");
    assert!(sent.header("set-cookie").contains("Path=/-/provider; Max-Age=600; HttpOnly; SameSite=Lax"));
    let value = |name: &str| url.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(value("code_challenge_method"), "S256");
    *fake.asked.lock().unwrap() = (value("nonce"), value("code_challenge"));
    value("&state")
}

fn came_back(fake: &Fake, state: &str, code: &str) -> String {
    format!("/-/provider/back?code={code}&state={state}&iss={}", fake.url.replace(':', "%3A").replace('/', "%2F"))
}

#[tokio::test]
async fn somebody_signs_in_through_a_provider() {
    let fake = Fake::start().await;
    let node = TestNode::start_with(NodeOptions { sign_in: fake.settings(false), ..NodeOptions::default() }).await;
    let mut browser = Browser::of(&node);
    assert!(browser.get("/-/sign-in").await.text().contains("Sign in with <bdi>The ministry</bdi>"));
    // Whom the node does not know is not let in, whatever they call themselves over there.
    let state = begin(&fake, &mut browser, "/").await;
    let unknown = browser.get(&came_back(&fake, &state, "good")).await.expect(403);
    assert!(unknown.text().contains("has no account for you") && !browser.cookies.contains_key("karez_session"));
    node.hub.identity_add(&Actor::Operator, "bob", &fake.url, "subject-7").await.unwrap();
    let state = begin(&fake, &mut browser, "/alice").await;
    let inside = browser.get(&came_back(&fake, &state, "good")).await.expect(303);
    assert_eq!(inside.header("location"), "/alice");
    assert!(browser.get("/-/account").await.expect(200).text().contains(">bob<"));
    // The answer is good once.
    browser.get(&came_back(&fake, &state, "good")).await.expect(400);
    // Nobody is sent elsewhere.
    let mut other = Browser::of(&node);
    let state = begin(&fake, &mut other, "//evil.example").await;
    assert_eq!(other.get(&came_back(&fake, &state, "good")).await.expect(303).header("location"), "/");
}

#[tokio::test]
async fn answers_that_are_not_for_this_browser_or_not_true_sign_nobody_in() {
    let fake = Fake::start().await;
    let node = TestNode::start_with(NodeOptions { sign_in: fake.settings(false), ..NodeOptions::default() }).await;
    node.hub.identity_add(&Actor::Operator, "bob", &fake.url, "subject-7").await.unwrap();
    let good = async |browser: &mut Browser, path: &str| {
        let answer = browser.get(path).await;
        assert!(!browser.cookies.contains_key("karez_session"), "{path}");
        assert!(answer.text().contains("Signing in over there did not work"), "{path}: {}", answer.text());
        answer.status
    };
    // A code that somebody else obtained: their state, and no cookie of this browser's own question.
    let mut mallory = Browser::of(&node);
    let stolen = begin(&fake, &mut mallory, "/").await;
    let mut victim = Browser::of(&node);
    assert_eq!(good(&mut victim, &came_back(&fake, &stolen, "good")).await, 400);
    begin(&fake, &mut victim, "/").await;
    assert_eq!(good(&mut victim, &came_back(&fake, &stolen, "good")).await, 400);
    // Without a code, with a wrong one, from another provider.
    for change in ["code=&", "code=wrong&"] {
        let state = begin(&fake, &mut victim, "/").await;
        let path = came_back(&fake, &state, "good").replace("code=good&", change);
        assert_eq!(good(&mut victim, &path).await, 400);
    }
    let state = begin(&fake, &mut victim, "/").await;
    assert_eq!(good(&mut victim, &came_back(&fake, &state, "good").replace("&iss=http", "&iss=https")).await, 400);
    let state = begin(&fake, &mut victim, "/").await;
    let unsaid = came_back(&fake, &state, "good");
    assert_eq!(good(&mut victim, unsaid.split("&iss=").next().unwrap()).await, 400);
    // Tokens that are forged, for somebody else, of another question, or of another time.
    let now = TestNode::START.unix_secs();
    for (claims, is_forged) in [
        (json!({}), true),
        (json!({ "aud": "other" }), false),
        (json!({ "nonce": "other" }), false),
        (json!({ "iss": "https://evil.example" }), false),
        (json!({ "exp": now - 300 }), false),
        (json!({ "iat": now - 3_600 }), false),
    ] {
        fake.lie(claims.clone(), is_forged);
        let state = begin(&fake, &mut victim, "/").await;
        assert_eq!(good(&mut victim, &came_back(&fake, &state, "good")).await, 400, "{claims} {is_forged}");
    }
    fake.lie(json!({}), false);
    // Who takes too long begins again.
    let state = begin(&fake, &mut victim, "/").await;
    node.advance_secs(601);
    assert_eq!(good(&mut victim, &came_back(&fake, &state, "good")).await, 400);
}

#[tokio::test]
async fn a_newcomer_chooses_a_name_that_is_free() {
    let fake = Fake::start().await;
    let node = TestNode::start_with(NodeOptions { sign_in: fake.settings(true), ..NodeOptions::default() }).await;
    let mut browser = Browser::of(&node);
    let state = begin(&fake, &mut browser, "/").await;
    // They are called alice over there. Here, alice is somebody else.
    let text = browser.get(&came_back(&fake, &state, "good")).await.expect(200).text();
    let field = |name: &str| {
        text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (proof, sealed) = (field("proof"), field("sealed"));
    assert_eq!(field("name"), "alice");
    let send = |name: &'static str| [("proof", proof.clone()), ("sealed", sealed.clone()), ("name", name.to_owned())];
    for name in ["alice", "ALICE", "acme", "a b", ""] {
        let fields = send(name);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
        browser.post("/-/provider/name", &fields, &[]).await.expect(422);
        assert!(!browser.cookies.contains_key("karez_session"));
    }
    let forged = [("proof", proof.as_str()), ("sealed", &sealed[..sealed.len() - 2]), ("name", "amina")];
    browser.post("/-/provider/name", &forged, &[]).await.expect(400);
    let fields = send("amina");
    let fields: Vec<(&str, &str)> = fields.iter().map(|(key, value)| (*key, value.as_str())).collect();
    browser.post("/-/provider/name", &fields, &[]).await.expect(303);
    assert!(browser.get("/-/account").await.expect(200).text().contains(">amina<"));
    // Sent twice, there is one account; and the next time they are known.
    let mut twice = fields.clone();
    twice[2].1 = "amina-2";
    let mut again = Browser::of(&node);
    let own = again.proof("/-/sign-in").await;
    twice[0].1 = &own;
    again.post("/-/provider/name", &twice, &[]).await.expect(422);
    let names = node.hub.account_list(&Actor::Operator, None, 100).await.unwrap();
    assert!(names.iter().all(|account| account.name.as_str() != "amina-2"));
    let state = begin(&fake, &mut again, "/").await;
    again.get(&came_back(&fake, &state, "good")).await.expect(303);
    assert!(again.get("/-/account").await.expect(200).text().contains(">amina<"));
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_and_nothing_is_asked_without_one() {
    let mut settings = Fake::start().await.settings(false);
    settings.issuer = Some("http://127.0.0.1:9".to_owned());
    let node = TestNode::start_with(NodeOptions { sign_in: settings, ..NodeOptions::default() }).await;
    let told = Browser::of(&node).get("/-/provider").await.expect(502);
    assert!(told.text().contains("Signing in over there did not work"), "{}", told.text());
    let alone = TestNode::start().await;
    for path in ["/-/provider", "/-/provider/back?code=x&state=y"] {
        Browser::of(&alone).get(path).await.expect(404);
    }
    assert!(!Browser::of(&alone).get("/-/sign-in").await.text().contains("/-/provider"));
}
