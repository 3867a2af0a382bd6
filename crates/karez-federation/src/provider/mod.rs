//! Signing in through an OpenID provider that the operator chose: the authorisation code flow with PKCE
//! (OpenID Connect Core 1.0; RFC 7636; RFC 9207 for who answers).
//!
//! The browser is sent to the provider and comes back with a code, which the node exchanges for an identity
//! token over its own connection. Believed is only what a key of the provider signed, for this node, for this
//! browser's question, and not long ago. The addresses come from the provider's own description, whose issuer
//! must be the one that the operator wrote down.

mod jwt;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode, header};
use karez_types::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::RwLock;
use url::Url;

use crate::net::{HttpClient, HttpOptions, HttpRequest, NetError, ProxyChoice, Reach};

use jwt::{Claims, Keys};

/// Longest answer of a provider, in bytes. Real ones have a few thousand.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Longest code that a browser brings back, in bytes.
const CODE_BYTES_MAX: usize = 4_096;
/// For how long a description and its keys are believed, in milliseconds: an hour.
const KNOWN_MS_MAX: i64 = 3_600_000;
/// Keys are asked for again no sooner than this, in milliseconds, whatever a token names.
const KEYS_AGAIN_MS: i64 = 30_000;

/// How people sign in besides passwords and tokens. Nothing is asked of anybody unless `issuer` is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInSettings {
    /// What people call the provider, on the button.
    pub provider: Option<String>,
    /// The provider's issuer, such as `https://id.example.org`.
    pub issuer: Option<String>,
    /// What the provider calls this node.
    pub client_id: Option<String>,
    /// What this node proves itself with; unset for a public client.
    pub client_secret: Option<String>,
    /// Whether people who are new here may choose a name and have an account. Otherwise the operator ties
    /// identities to accounts: `karez user identity`.
    pub new_people: bool,
    /// The provider's address may be a private one, such as 10.0.0.7 or localhost.
    pub allow_private: bool,
}

impl SignInSettings {
    /// Checks what a type alone does not say.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), String> {
        let Some(issuer) = &self.issuer else {
            return match self {
                SignInSettings { client_id: None, client_secret: None, provider: None, .. } => Ok(()),
                _ => Err("the section [sign_in] needs an issuer, such as https://id.example.org".to_owned()),
            };
        };
        let url = Url::parse(issuer).map_err(|_| format!("the setting sign_in.issuer is no address: {issuer}"))?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.host_str().is_some();
        if !is_plain || !(url.scheme() == "https" || url.scheme() == "http" && self.allow_private) {
            return Err(format!("the setting sign_in.issuer must begin with https:// and have no query: {issuer}"));
        }
        if self.client_id.as_deref().is_none_or(str::is_empty) {
            return Err("the setting sign_in.client_id is missing: what the provider calls this node".to_owned());
        }
        Ok(())
    }
}

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The provider did not answer, or not as it must.
    #[error("the provider does not answer as it must: {0}")]
    Provider(String),
    /// What came back is not for this question, forged, or too old.
    #[error("the answer of the provider is not to be believed: {0}")]
    Refused(&'static str),
}

impl From<NetError> for ProviderError {
    fn from(error: NetError) -> ProviderError {
        ProviderError::Provider(error.to_string())
    }
}

/// What a browser takes along, sealed, until it comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Comes back with the browser.
    pub state: String,
    /// Comes back inside of the signed token.
    pub nonce: String,
    /// Proves that who exchanges the code is who asked for it.
    pub verifier: String,
    /// Where the browser goes afterwards.
    pub next: String,
}

/// Who somebody is at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderIdentity {
    /// The provider.
    pub issuer: String,
    /// What it calls the person, for ever.
    pub subject: String,
    /// What the person likes to be called; a hint.
    pub preferred_username: Option<String>,
    /// The full name; a hint.
    pub name: Option<String>,
}

/// The provider's description of itself (OpenID Connect Discovery 1.0).
#[derive(Debug, Clone, Deserialize)]
struct Description {
    issuer: String,
    #[serde(deserialize_with = "address")]
    authorization_endpoint: Url,
    #[serde(deserialize_with = "address")]
    token_endpoint: Url,
    #[serde(deserialize_with = "address")]
    jwks_uri: Url,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

fn address<'de, D: Deserializer<'de>>(text: D) -> Result<Url, D::Error> {
    let text = String::deserialize(text)?;
    Url::parse(&text).map_err(|_| serde::de::Error::custom("an address of the provider is none"))
}

#[derive(Debug, Clone)]
struct Known {
    description: Arc<Description>,
    keys: Arc<Keys>,
    at: Timestamp,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: String,
}

/// An OpenID provider.
pub struct Provider {
    settings: SignInSettings,
    issuer: Url,
    client_id: String,
    http: HttpClient,
    known: RwLock<Option<Known>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.issuer)
    }
}

impl Provider {
    /// Returns the provider that the settings name; nothing when they name none.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn of_settings(settings: &SignInSettings, proxy: Option<&str>) -> Result<Option<Provider>, String> {
        settings.check()?;
        let (Some(issuer), Some(client_id)) = (&settings.issuer, &settings.client_id) else { return Ok(None) };
        let issuer = Url::parse(issuer).map_err(|error| error.to_string())?;
        let mut options = HttpOptions::new(Reach::of(&issuer, settings.allow_private));
        options.proxy = ProxyChoice::of_setting(proxy);
        let http = HttpClient::new(options).map_err(|error| error.to_string())?;
        let client_id = client_id.clone();
        Ok(Some(Provider { settings: settings.clone(), issuer, client_id, http, known: RwLock::new(None) }))
    }

    /// Returns what people call it.
    pub fn name(&self) -> &str {
        self.settings.provider.as_deref().or(self.issuer.host_str()).unwrap_or_default()
    }

    /// Tells whether people who are new here may have an account.
    pub fn takes_new_people(&self) -> bool {
        self.settings.new_people
    }

    /// Returns the issuer as the operator wrote it.
    pub fn issuer(&self) -> &str {
        self.settings.issuer.as_deref().unwrap_or_default()
    }

    /// Returns where a browser goes with a question.
    ///
    /// # Errors
    /// [`ProviderError::Provider`].
    pub async fn ask(&self, question: &Question, back: &str, now: Timestamp) -> Result<Url, ProviderError> {
        let known = self.known(now).await?;
        let mut url = known.description.authorization_endpoint.clone();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&question.verifier));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", back)
            .append_pair("scope", "openid profile")
            .append_pair("state", &question.state)
            .append_pair("nonce", &question.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Exchanges the code that a browser brought back, and returns who it is. The caller has compared the
    /// states.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn identity(
        &self,
        question: &Question,
        code: &str,
        issuer: Option<&str>,
        back: &str,
        now: Timestamp,
    ) -> Result<ProviderIdentity, ProviderError> {
        if code.is_empty() || code.len() > CODE_BYTES_MAX {
            return Err(ProviderError::Refused("there is no code in it"));
        }
        let known = self.known(now).await?;
        let must_say = known.description.authorization_response_iss_parameter_supported;
        if issuer.map_or(must_say, |issuer| issuer != known.description.issuer) {
            return Err(ProviderError::Refused("it comes from another provider"));
        }
        let token = self.token_fetch(&known.description, question, code, back).await?;
        let claims = match jwt::verify(&token, &known.keys) {
            // The provider may have changed its keys since.
            Err(jwt::Unverified::KeyUnknown) if now.0 - known.at.0 >= KEYS_AGAIN_MS => {
                let known = self.fetch(now).await?;
                jwt::verify(&token, &known.keys).map_err(|why| ProviderError::Refused(why.words()))?
            }
            verified => verified.map_err(|why| ProviderError::Refused(why.words()))?,
        };
        claims
            .check(self.issuer(), &self.client_id, &question.nonce, now.unix_secs())
            .map_err(ProviderError::Refused)?;
        let Claims { sub, preferred_username, name, .. } = claims;
        Ok(ProviderIdentity { issuer: self.issuer().to_owned(), subject: sub, preferred_username, name })
    }

    async fn token_fetch(
        &self,
        description: &Description,
        question: &Question,
        code: &str,
        back: &str,
    ) -> Result<String, ProviderError> {
        let (body, basic) = self.exchange(description, question, code, back);
        let url = description.token_endpoint.clone();
        let mut request = HttpRequest::post(url, "application/x-www-form-urlencoded", body).no_redirects();
        if let Some(basic) = basic {
            request = request.header(header::AUTHORIZATION, basic);
        }
        let answer = self.http.send(request).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Err(ProviderError::Refused("the provider does not know the code"));
        }
        if answer.status != StatusCode::OK {
            return Err(ProviderError::Provider(format!("status {} for a code", answer.status)));
        }
        Ok(answer.json::<TokenAnswer>(ANSWER_BYTES_MAX).await?.id_token)
    }

    /// Returns the body that exchanges a code, and the credentials beside it.
    fn exchange(
        &self,
        description: &Description,
        question: &Question,
        code: &str,
        back: &str,
    ) -> (String, Option<HeaderValue>) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", back)
            .append_pair("code_verifier", &question.verifier);
        let methods = &description.token_endpoint_auth_methods_supported;
        let basic_is_known = methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic");
        let mut basic = None;
        match &self.settings.client_secret {
            Some(secret) if basic_is_known => {
                // Both are encoded as in a form before they are put together (RFC 6749, 2.3.1).
                let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", part(&self.client_id), part(secret)));
                basic = HeaderValue::try_from(format!("Basic {pair}")).ok();
            }
            Some(secret) => {
                form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret);
            }
            None => {
                form.append_pair("client_id", &self.client_id);
            }
        }
        (form.finish(), basic)
    }

    /// Returns what is known of the provider, asked for again when that is old.
    async fn known(&self, now: Timestamp) -> Result<Known, ProviderError> {
        let known = self.known.read().await.clone();
        match known.filter(|known| now.0 - known.at.0 < KNOWN_MS_MAX) {
            Some(known) => Ok(known),
            None => self.fetch(now).await,
        }
    }

    async fn fetch(&self, now: Timestamp) -> Result<Known, ProviderError> {
        let address = format!("{}/.well-known/openid-configuration", self.issuer().trim_end_matches('/'));
        let wrong = |what: &str| ProviderError::Provider(what.to_owned());
        let address = Url::parse(&address).map_err(|_| wrong("its address is none"))?;
        let description: Description = self.get(address).await?;
        if description.issuer != self.issuer() {
            return Err(ProviderError::Provider(format!(
                "it calls itself {}; write that into sign_in.issuer if it is right",
                description.issuer.chars().take(200).collect::<String>()
            )));
        }
        let is_downgraded = |url: &Url| self.issuer.scheme() == "https" && url.scheme() != "https";
        if [&description.authorization_endpoint, &description.token_endpoint, &description.jwks_uri]
            .into_iter()
            .any(is_downgraded)
        {
            return Err(wrong("it names addresses without TLS"));
        }
        let keys: Keys = self.get(description.jwks_uri.clone()).await?;
        let known = Known { description: Arc::new(description), keys: Arc::new(keys), at: now };
        *self.known.write().await = Some(known.clone());
        Ok(known)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, url: Url) -> Result<T, ProviderError> {
        let answer = self.http.send(HttpRequest::get(url.clone())).await?;
        if answer.status != StatusCode::OK {
            return Err(ProviderError::Provider(format!("status {} at {}", answer.status, url.path())));
        }
        Ok(answer.json(ANSWER_BYTES_MAX).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_whole_or_absent() {
        let set = |issuer: &str| SignInSettings {
            issuer: Some(issuer.to_owned()),
            client_id: Some("karez".to_owned()),
            ..SignInSettings::default()
        };
        SignInSettings::default().check().unwrap();
        set("https://id.example.org/realms/x").check().unwrap();
        for issuer in ["id.example.org", "http://id.example.org", "https://id.example.org?x", "file:///etc/passwd"] {
            assert!(set(issuer).check().is_err(), "{issuer}");
        }
        SignInSettings { allow_private: true, ..set("http://127.0.0.1:9") }.check().unwrap();
        assert!(SignInSettings { client_id: None, ..set("https://id.example.org") }.check().is_err());
        assert!(SignInSettings { provider: Some("x".to_owned()), ..SignInSettings::default() }.check().is_err());
    }
}
