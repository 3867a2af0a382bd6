//! The client: one request, its hops, and its answer.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use karez_formats::gzip;
use karez_types::ByteRange;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::body::{Body, bounded, watched, whole};
use super::guard::{Reach, hop_check, url_check};
use super::lookup::{GuardedLookup, allowed};
use super::{HEAD_BYTES_MAX, Lookup, NetError, Patience, REDIRECTS_MAX, SystemLookup};

/// Connections without a request that are kept for each host: as many as a transfer uses at most.
const IDLE_CONNECTIONS_MAX: usize = 16;
/// Seconds that they are kept: below the minute after which routers forget connections.
const IDLE_CONNECTION_SECS_MAX: u64 = 45;
/// Header lines of an answer.
const HEADERS_MAX: usize = 128;
/// What the node calls itself.
const USER_AGENT: &str = concat!("karez/", env!("CARGO_PKG_VERSION"));

/// Whether requests go through a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProxyChoice {
    /// No, whatever the environment says.
    #[default]
    Direct,
    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    Environment,
    /// Through this one: `http://host:port` or `socks5://host:port`.
    Through(String),
}

impl ProxyChoice {
    /// Returns what the setting `federation.proxy` says.
    pub fn of_setting(proxy: Option<&str>) -> ProxyChoice {
        match proxy {
            None => ProxyChoice::Direct,
            Some("environment") => ProxyChoice::Environment,
            Some(url) => ProxyChoice::Through(url.to_owned()),
        }
    }

    /// Returns the hosts of the proxies, which may be anywhere.
    fn hosts(&self) -> Vec<String> {
        const VARIABLES: [&str; 6] =
            ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
        let host = |text: &str| {
            let url = Url::parse(text).or_else(|_| Url::parse(&format!("http://{text}"))).ok()?;
            url.host_str().map(str::to_owned)
        };
        match self {
            ProxyChoice::Direct => Vec::new(),
            ProxyChoice::Environment => {
                VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).filter_map(|text| host(&text)).collect()
            }
            ProxyChoice::Through(url) => host(url).into_iter().collect(),
        }
    }
}

/// What a client is made of.
#[derive(Clone)]
pub struct HttpOptions {
    /// How far requests may reach.
    pub reach: Reach,
    /// Whether they go through a proxy.
    pub proxy: ProxyChoice,
    /// How long things may take.
    pub patience: Patience,
    /// Where names are looked up.
    pub lookup: Arc<dyn Lookup>,
}

impl HttpOptions {
    /// Returns the usual options.
    pub fn new(reach: Reach) -> HttpOptions {
        HttpOptions { reach, proxy: ProxyChoice::Direct, patience: Patience::default(), lookup: Arc::new(SystemLookup) }
    }
}

/// A client for one remote. Clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    options: HttpOptions,
    connections: Arc<RwLock<reqwest::Client>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HttpOptions { reach, proxy, patience, .. } = &self.options;
        let mut shown = f.debug_struct("HttpClient");
        shown.field("reach", reach).field("proxy", proxy).field("patience", patience).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Makes a client without connections.
    ///
    /// # Errors
    /// When the proxy's address is none, or this machine has no certificates that TLS can use.
    pub fn new(options: HttpOptions) -> Result<HttpClient, NetError> {
        let connections = Arc::new(RwLock::new(connect_nothing(&options)?));
        Ok(HttpClient { options, connections })
    }

    /// Returns a client with the same options and no connection. Also what [`HttpClient::redial`] does
    /// for all clones.
    ///
    /// # Errors
    /// As [`HttpClient::new`].
    pub fn fresh(&self) -> Result<HttpClient, NetError> {
        HttpClient::new(self.options.clone())
    }

    /// Forgets every connection, here and in all clones. Answers that are under way are not touched.
    pub fn redial(&self) {
        match connect_nothing(&self.options) {
            Ok(client) => *self.connections.write().unwrap_or_else(PoisonError::into_inner) = client,
            Err(error) => tracing::error!(%error, "a client could not be made again; the old one is kept"),
        }
    }

    /// Returns how far requests may reach.
    pub fn reach(&self) -> Reach {
        self.options.reach
    }

    /// Tries whether an address can be reached: a connection of its own, closed at once. Behind a proxy it
    /// is the proxy that is tried. Returns how long it took, one round trip.
    ///
    /// # Errors
    /// [`NetError::Unreachable`] when it cannot, [`NetError::Refused`] when it must not be dialled.
    pub async fn probe(&self, url: &Url) -> Result<Duration, NetError> {
        url_check(url, self.options.reach)?;
        let proxy = match &self.options.proxy {
            ProxyChoice::Through(proxy) => Url::parse(proxy).ok(),
            ProxyChoice::Direct | ProxyChoice::Environment => None,
        };
        let dialled = proxy.as_ref().unwrap_or(url);
        let unreachable = |error: io::Error| NetError::Unreachable(error.to_string());
        let none = || NetError::Unreachable("the address has no host".to_owned());
        let port = dialled.port_or_known_default().unwrap_or(80);
        let addresses = match dialled.host().ok_or_else(none)? {
            Host::Ipv4(ip) => vec![IpAddr::V4(ip)],
            Host::Ipv6(ip) => vec![IpAddr::V6(ip)],
            Host::Domain(name) => {
                let found = self.options.lookup.lookup(name).await.map_err(unreachable)?;
                if proxy.is_some() { found } else { allowed(name, found, self.options.reach)? }
            }
        };
        let started = Instant::now();
        let addresses: Vec<SocketAddr> = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        let connect = TcpStream::connect(&addresses[..]);
        let outcome = timeout(self.options.patience.connect, connect).await.map_err(|_| NetError::Stalled)?;
        outcome.map_err(unreachable)?;
        Ok(started.elapsed())
    }

    /// Sends a request, follows redirects if the request may, and returns the answer when its head is
    /// there, whatever its status.
    ///
    /// # Errors
    /// [`NetError`]; no status is one.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpAnswer, NetError> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            url_check(&url, self.options.reach)?;
            let answer = self.hop(&request, &url).await?;
            let Some(next) = next_hop(&request, &url, &answer)? else { return Ok(answer) };
            hop_check(&url, &next)?;
            url = next;
        }
        Err(NetError::Wrong(format!("redirects more than {REDIRECTS_MAX} times")))
    }

    async fn hop(&self, request: &HttpRequest, url: &Url) -> Result<HttpAnswer, NetError> {
        let client = self.connections.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut headers = request.headers.clone();
        if let Some(credentials) = &request.credentials
            && url.origin() == request.url.origin()
        {
            headers.insert(header::AUTHORIZATION, credentials.clone());
        }
        let mut builder = client.request(request.method.clone(), url.clone()).headers(headers);
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let sent = timeout(self.options.patience.head, builder.send()).await.map_err(|_| NetError::Stalled)?;
        let response = sent.map_err(|error| NetError::of_reqwest(&error))?;
        let head_bytes: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if head_bytes > HEAD_BYTES_MAX {
            return Err(NetError::Wrong(format!("sends a head of {head_bytes} bytes")));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes_stream().map_err(|error| NetError::of_reqwest(&error)).boxed();
        let body = watched(body, self.options.patience);
        Ok(HttpAnswer { status, headers, url: url.clone(), body })
    }
}

fn connect_nothing(options: &HttpOptions) -> Result<reqwest::Client, NetError> {
    // Installing fails only when it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let lookup =
        GuardedLookup { lookup: Arc::clone(&options.lookup), reach: options.reach, proxy_hosts: options.proxy.hosts() };
    let mut builder = reqwest::Client::builder()
        .http1_only()
        .http1_max_headers(HEADERS_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(USER_AGENT)
        .tcp_nodelay(true)
        .connect_timeout(options.patience.connect)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .pool_idle_timeout(Duration::from_secs(IDLE_CONNECTION_SECS_MAX))
        .dns_resolver(Arc::new(lookup));
    builder = match &options.proxy {
        ProxyChoice::Direct => builder.no_proxy(),
        ProxyChoice::Environment => builder,
        ProxyChoice::Through(url) => {
            let wrong = |_| NetError::Unreachable(format!("the setting federation.proxy is no proxy: {url}"));
            builder.no_proxy().proxy(reqwest::Proxy::all(url).map_err(wrong)?)
        }
    };
    builder.build().map_err(|error| NetError::Unreachable(format!("this machine cannot use TLS: {error}")))
}

/// Returns where an answer redirects to, if the request follows.
fn next_hop(request: &HttpRequest, from: &Url, answer: &HttpAnswer) -> Result<Option<Url>, NetError> {
    use StatusCode as S;
    let keeps_method = match answer.status {
        S::MOVED_PERMANENTLY | S::FOUND | S::SEE_OTHER => false,
        S::TEMPORARY_REDIRECT | S::PERMANENT_REDIRECT => true,
        _ => return Ok(None),
    };
    if request.redirects == Redirects::None {
        return Ok(None);
    }
    if request.body.is_some() && !keeps_method {
        return Err(NetError::Wrong("redirects what was sent to it".to_owned()));
    }
    let location = answer.header(&header::LOCATION).ok_or_else(|| NetError::Wrong("redirects nowhere".to_owned()))?;
    let mut next = from.join(location).map_err(|_| NetError::Wrong("redirects to no address".to_owned()))?;
    next.set_fragment(None);
    if request.redirects == Redirects::Own && next.origin() != request.url.origin() {
        return Ok(None);
    }
    Ok(Some(next))
}

/// A request on its way out.
#[derive(Clone)]
pub struct HttpRequest {
    method: Method,
    url: Url,
    headers: HeaderMap,
    credentials: Option<HeaderValue>,
    body: Option<Bytes>,
    redirects: Redirects,
}

/// Which redirects a request follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redirects {
    All,
    /// Those that stay at the origin; another one is returned as the answer.
    Own,
    None,
}

impl HttpRequest {
    fn new(method: Method, url: Url) -> HttpRequest {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        HttpRequest { method, url, headers, credentials: None, body: None, redirects: Redirects::All }
    }

    /// Returns a request for what is at an address.
    pub fn get(url: Url) -> HttpRequest {
        HttpRequest::new(Method::GET, url)
    }

    /// Returns a request for the head of the answer alone.
    pub fn head(url: Url) -> HttpRequest {
        HttpRequest::new(Method::HEAD, url)
    }

    /// Returns a request that sends a body.
    pub fn post(url: Url, content_type: &'static str, body: impl Into<Bytes>) -> HttpRequest {
        let mut request = HttpRequest::new(Method::POST, url);
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        request.body = Some(body.into());
        request
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> HttpRequest {
        self.headers.insert(name, value);
        self
    }

    /// Asks for a range.
    pub fn range(self, range: ByteRange) -> HttpRequest {
        debug_assert!(!range.is_empty(), "an empty range cannot be written");
        let text = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        self.header(header::RANGE, HeaderValue::try_from(text).expect("digits are a header value"))
    }

    /// Takes the answer gzipped too; [`HttpAnswer::bytes`] unpacks it.
    pub fn gzip(self) -> HttpRequest {
        self.header(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
    }

    /// Shows a token, to the origin of the address only. A token that no header can hold is not shown.
    pub fn bearer(mut self, token: Option<&str>) -> HttpRequest {
        self.credentials = token.and_then(|token| credentials(&format!("Bearer {token}")));
        self
    }

    /// Shows a token as git does: as password.
    pub fn basic(mut self, token: Option<&str>) -> HttpRequest {
        self.credentials =
            token.and_then(|token| credentials(&format!("Basic {}", STANDARD.encode(format!("user:{token}")))));
        self
    }

    /// Returns redirects as answers instead of following them.
    pub fn no_redirects(mut self) -> HttpRequest {
        self.redirects = Redirects::None;
        self
    }

    /// Returns a redirect to another origin as the answer instead of following it: hubs tell about a file
    /// in the head that redirects to its bytes.
    pub fn own_redirects(mut self) -> HttpRequest {
        self.redirects = Redirects::Own;
        self
    }

    /// Returns where the request begins.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

fn credentials(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for HttpRequest {
    /// Without the query, which may be a signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// An answer: its head, and its body while that arrives.
pub struct HttpAnswer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    body: Body,
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl HttpAnswer {
    /// Returns a header as text; the first, if there are several.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the length of the body, if the head says.
    pub fn content_length(&self) -> Option<u64> {
        self.header(&header::CONTENT_LENGTH)?.parse().ok()
    }

    /// Returns the body as it arrives, without a bound.
    pub fn stream(self) -> BoxStream<'static, Result<Bytes, NetError>> {
        self.body
    }

    /// Returns the body as it arrives, with a bound.
    ///
    /// # Errors
    /// [`NetError::TooLarge`] when the head announces more.
    pub fn bounded(self, bytes_max: u64) -> Result<BoxStream<'static, Result<Bytes, NetError>>, NetError> {
        match self.content_length() {
            Some(length) if length > bytes_max => Err(NetError::TooLarge { bytes_max }),
            _ => Ok(bounded(self.body, bytes_max)),
        }
    }

    /// Reads the body, unpacked if it is gzipped. At most `bytes_max` bytes are held in either form.
    ///
    /// # Errors
    /// [`NetError::TooLarge`], and [`NetError::Wrong`] for a damaged or unknown encoding.
    pub async fn bytes(self, bytes_max: u64) -> Result<Bytes, NetError> {
        if self.content_length().is_some_and(|length| length > bytes_max) {
            return Err(NetError::TooLarge { bytes_max });
        }
        let encoding = self.header(&header::CONTENT_ENCODING).unwrap_or("identity").to_ascii_lowercase();
        let bytes = whole(self.body, bytes_max).await?;
        match encoding.as_str() {
            "identity" | "" => Ok(bytes),
            "gzip" | "x-gzip" => match gzip::unpack(&bytes, bytes_max) {
                Ok(bytes) => Ok(bytes.into()),
                Err(gzip::GzipError::TooLarge { .. }) => Err(NetError::TooLarge { bytes_max }),
                Err(gzip::GzipError::Malformed) => Err(NetError::Wrong("sends damaged gzip".to_owned())),
            },
            _ => Err(NetError::Wrong("encodes its answer in a way that was not asked for".to_owned())),
        }
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// As [`HttpAnswer::bytes`], and [`NetError::Wrong`] when it is not the JSON that is expected.
    pub async fn json<T: DeserializeOwned>(self, bytes_max: u64) -> Result<T, NetError> {
        let bytes = self.bytes(bytes_max).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| NetError::Wrong(format!("sends JSON that makes no sense: {error}")))
    }
}
