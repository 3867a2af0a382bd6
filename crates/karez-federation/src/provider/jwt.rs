//! Identity tokens: signed JSON (RFC 7515, 7517, 7519), verified under a key that the provider publishes.
//!
//! The algorithm is the key's, never the token's word alone: a token that says `none`, or `HS256` with a public
//! key as secret, meets no key that is for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 32 << 10;
/// Keys of a provider that are looked at.
const KEYS_MAX: usize = 32;
/// By how much two clocks may differ, in seconds.
const CLOCKS_DIFFER_SECS_MAX: i64 = 120;
/// How old a token may be, in seconds.
const AGE_SECS_MAX: i64 = 600;

/// The keys of a provider.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

/// One key; fields that its sort does not have are unset.
#[derive(Debug, Clone, Deserialize)]
struct Key {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// What must be understood, and nothing of that is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// For whom a token is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What a token says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: Audience,
    #[serde(default)]
    pub(super) azp: Option<String>,
    pub(super) exp: i64,
    pub(super) iat: i64,
    #[serde(default)]
    pub(super) nonce: Option<String>,
    #[serde(default)]
    pub(super) preferred_username: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unverified {
    /// It is no token.
    Malformed,
    /// No key of the provider is for it.
    KeyUnknown,
    /// The signature is not of the key.
    Forged,
}

impl Unverified {
    pub(super) fn words(self) -> &'static str {
        match self {
            Unverified::Malformed => "its token is malformed",
            Unverified::KeyUnknown => "its token is signed with no key that the provider publishes",
            Unverified::Forged => "its token is not signed by the provider",
        }
    }
}

/// Verifies a token and returns what it says.
pub(super) fn verify(token: &str, keys: &Keys) -> Result<Claims, Unverified> {
    let malformed = || Unverified::Malformed;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Unverified::Malformed);
    }
    let (message, sealed) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (head, payload) = message.split_once('.').ok_or_else(malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Unverified::Malformed);
    let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| Unverified::Malformed)?;
    if header.crit.is_some() {
        return Err(Unverified::Malformed);
    }
    let sealed = decode(sealed)?;
    let fits = |key: &&Key| {
        key.alg() == Some(header.alg.as_str())
            && key.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && (header.kid.is_none() || key.kid == header.kid)
    };
    let mut candidates = keys.keys.iter().take(KEYS_MAX).filter(fits).peekable();
    if candidates.peek().is_none() {
        return Err(Unverified::KeyUnknown);
    }
    if !candidates.any(|key| key.signed(message.as_bytes(), &sealed)) {
        return Err(Unverified::Forged);
    }
    serde_json::from_slice(&decode(payload)?).map_err(|_| Unverified::Malformed)
}

impl Key {
    /// Returns the one algorithm that the key is for.
    fn alg(&self) -> Option<&'static str> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Some("RS256"),
            ("EC", Some("P-256")) => Some("ES256"),
            ("OKP", Some("Ed25519")) => Some("EdDSA"),
            _ => None,
        }
    }

    fn signed(&self, message: &[u8], sealed: &[u8]) -> bool {
        let part = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
        let verified = || match self.alg()? {
            "RS256" => {
                let (n, e) = (part(&self.n)?, part(&self.e)?);
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, sealed).ok()
            }
            "ES256" => {
                let point = [&[4], &part(&self.x)?[..], &part(&self.y)?[..]].concat();
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, sealed).ok()
            }
            _ => UnparsedPublicKey::new(&signature::ED25519, part(&self.x)?).verify(message, sealed).ok(),
        };
        verified().is_some()
    }
}

impl Claims {
    /// Checks that a token is of this provider, for this client and this question, and of now.
    pub(super) fn check(&self, issuer: &str, client: &str, nonce: &str, now_secs: i64) -> Result<(), &'static str> {
        let is_ours = match &self.aud {
            Audience::One(aud) => aud == client,
            // For several, it must say that it was issued to this one.
            Audience::Many(list) => {
                list.iter().any(|aud| aud == client) && (list.len() == 1 || self.azp.as_deref() == Some(client))
            }
        };
        let checks = [
            (self.iss == issuer, "its token is of another provider"),
            (is_ours && self.azp.as_deref().is_none_or(|azp| azp == client), "its token is for somebody else"),
            (self.nonce.as_deref() == Some(nonce), "its token answers another question"),
            (self.exp > now_secs.saturating_sub(CLOCKS_DIFFER_SECS_MAX), "its token is over"),
            (self.iat <= now_secs.saturating_add(CLOCKS_DIFFER_SECS_MAX), "its token is from the future"),
            (self.iat >= now_secs.saturating_sub(AGE_SECS_MAX), "its token is old"),
            (!self.sub.is_empty() && self.sub.len() <= 255, "its token names nobody"),
        ];
        checks.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err(*why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    fn text(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn claims(now: i64) -> Value {
        json!({ "iss": "https://id.example", "sub": "7", "aud": "karez", "exp": now + 60, "iat": now, "nonce": "n" })
    }

    fn ed(header: &Value, claims: &Value) -> (String, Keys) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let message = format!("{}.{}", text(header), text(claims));
        let sealed = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let keys =
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x }, { "kty": "oct", "k": "AA" }] });
        (format!("{message}.{sealed}"), serde_json::from_value(keys).unwrap())
    }

    #[test]
    fn a_token_is_believed_under_a_key_of_the_provider_only() {
        let (token, keys) = ed(&json!({ "alg": "EdDSA", "kid": "a" }), &claims(1_000));
        let found = verify(&token, &keys).unwrap();
        found.check("https://id.example", "karez", "n", 1_000).unwrap();
        assert_eq!(found.sub, "7");
        for at in 0..token.len() {
            let mut broken = token.clone().into_bytes();
            broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
            // The last digit of a signature has bits that mean nothing.
            assert!(verify(&String::from_utf8(broken).unwrap(), &keys).is_err() || at + 1 == token.len(), "{at}");
        }
        let (_, payload) = token.split_once('.').unwrap();
        for header in [
            json!({ "alg": "none" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": "RS256", "kid": "a" }),
            json!({ "alg": "EdDSA", "kid": "b" }),
        ] {
            assert_eq!(
                verify(&format!("{}.{payload}", text(&header)), &keys).unwrap_err(),
                Unverified::KeyUnknown,
                "{header}"
            );
        }
        let (critical, keys) = ed(&json!({ "alg": "EdDSA", "crit": ["x"] }), &claims(1_000));
        assert_eq!(verify(&critical, &keys).unwrap_err(), Unverified::Malformed);
        for broken in ["", ".", "..", "a.b", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(verify(broken, &keys).unwrap_err(), Unverified::Malformed);
        }
    }

    #[test]
    fn elliptic_curves_are_known() {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let message = format!("{}.{}", text(&json!({ "alg": "ES256" })), text(&claims(1_000)));
        let sealed = URL_SAFE_NO_PAD.encode(pair.sign(&random, message.as_bytes()).unwrap());
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        let keys: Keys =
            serde_json::from_value(json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": x, "y": y }] })).unwrap();
        verify(&format!("{message}.{sealed}"), &keys).unwrap();
        assert_eq!(verify(&format!("{message}x.{sealed}"), &keys).unwrap_err(), Unverified::Forged);
    }

    #[test]
    fn a_token_is_for_this_node_this_question_and_now() {
        let check = |change: Value, now: i64| {
            let mut all = claims(1_000);
            all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let claims: Claims = serde_json::from_value(all).unwrap();
            claims.check("https://id.example", "karez", "n", now)
        };
        check(json!({}), 1_000).unwrap();
        check(json!({ "aud": ["karez"] }), 1_000).unwrap();
        check(json!({ "aud": ["karez", "other"], "azp": "karez" }), 1_000).unwrap();
        for change in [
            json!({ "iss": "https://id.example/" }),
            json!({ "aud": "other" }),
            json!({ "aud": ["karez", "other"] }),
            json!({ "azp": "other" }),
            json!({ "nonce": "m" }),
            json!({ "nonce": null }),
            json!({ "iat": 2_000 }),
            json!({ "sub": "" }),
        ] {
            assert!(check(change.clone(), 1_000).is_err(), "{change}");
        }
        assert!(check(json!({}), 1_181).is_err() && check(json!({ "exp": 9_999 }), 1_601).is_err());
    }
}
