//! The client: hops, tokens, guard, patience, bounds.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use futures::future::BoxFuture;
use karez_federation::net::{HttpClient, HttpOptions, HttpRequest, Lookup, NetError, Patience, ProxyChoice, Reach};
use karez_types::ByteRange;
use url::Url;

use crate::liar::{Liar, Reply, Then};

fn client() -> HttpClient {
    HttpClient::new(quick(Reach::ThisMachine)).unwrap()
}

/// Options of little patience, so that tests of it are short.
fn quick(reach: Reach) -> HttpOptions {
    let patience = Patience {
        connect: Duration::from_millis(300),
        head: Duration::from_secs(5),
        idle: Duration::from_millis(300),
        slowest: Duration::from_millis(600),
    };
    HttpOptions { patience, ..HttpOptions::new(reach) }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

async fn get(client: &HttpClient, address: &str) -> Result<(u16, String), NetError> {
    let answer = client.send(HttpRequest::get(url(address)).bearer(Some("hf_secret"))).await?;
    let status = answer.status.as_u16();
    Ok((status, String::from_utf8_lossy(&answer.bytes(1000).await?).into_owned()))
}

#[tokio::test]
async fn requests_say_what_they_must_and_no_more() {
    let server = Liar::start(|_| Reply::new(200, &[], b"hello")).await;
    let request = HttpRequest::get(url(&format!("{}/a?b=c", server.url()))).range(ByteRange { start: 5, end: 9 });
    assert_eq!(&client().send(request).await.unwrap().bytes(5).await.unwrap()[..], b"hello");
    let body = HttpRequest::post(url(&server.url()), "text/plain", "body").basic(Some("t")).gzip();
    client().send(body).await.unwrap();
    let asked = server.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("GET", "/a?b=c"));
    assert_eq!((asked[0].header("range"), asked[0].header("accept-encoding")), ("bytes=5-8", "identity"));
    let mut names: Vec<&str> = asked[0].headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "range", "user-agent"]);
    assert!(asked[0].header("user-agent").starts_with("karez/"));
    assert_eq!((asked[1].method.as_str(), &asked[1].body[..]), ("POST", &b"body"[..]));
    assert_eq!((asked[1].header("authorization"), asked[1].header("accept-encoding")), ("Basic dXNlcjp0", "gzip"));
}

#[tokio::test]
async fn hops_are_followed_and_tokens_stay_home() {
    let other = Liar::start(|_| Reply::new(200, &[], b"other")).await;
    let there = format!("{}/there", other.url());
    let home = Liar::start(move |asked| match asked.target.as_str() {
        "/out" => Reply::new(302, &[("location", &there)], b""),
        "/in" => Reply::new(307, &[("location", "/end#part")], b""),
        "/end" => Reply::new(200, &[], asked.header("authorization").as_bytes()),
        "/loop" => Reply::new(301, &[("location", "/loop")], b""),
        "/nowhere" => Reply::new(302, &[], b""),
        "/metadata" => Reply::new(302, &[("location", "http://169.254.169.254/latest")], b""),
        "/disguise" => Reply::new(302, &[("location", "http://[::ffff:127.0.0.1]:1/")], b""),
        "/file" => Reply::new(302, &[("location", "file:///etc/passwd")], b""),
        "/user" => Reply::new(302, &[("location", "http://a:b@127.0.0.1:1/")], b""),
        _ => Reply::new(404, &[], b"missing"),
    })
    .await;
    let (client, base) = (client(), home.url());
    assert_eq!(get(&client, &format!("{base}/in")).await.unwrap(), (200, "Bearer hf_secret".to_owned()));
    assert_eq!(get(&client, &format!("{base}/out")).await.unwrap(), (200, "other".to_owned()));
    assert_eq!(other.asked()[0].header("authorization"), "", "another port is another origin");
    assert_eq!(get(&client, &format!("{base}/none")).await.unwrap(), (404, "missing".to_owned()));
    let before = home.asked().len();
    assert!(matches!(get(&client, &format!("{base}/loop")).await, Err(NetError::Wrong(_))));
    assert_eq!(home.asked().len() - before, 6);
    assert!(matches!(get(&client, &format!("{base}/nowhere")).await, Err(NetError::Wrong(_))));
    for path in ["metadata", "disguise", "file", "user"] {
        let outcome = get(&client, &format!("{base}/{path}")).await;
        assert!(matches!(outcome, Err(NetError::Refused(_))), "{path}: {outcome:?}");
    }
    let stay = client.send(HttpRequest::get(url(&format!("{base}/out"))).no_redirects()).await.unwrap();
    assert_eq!(stay.status, 302);
    // What was sent is not sent on as something else.
    let post = |path: &str| HttpRequest::post(url(&format!("{base}{path}")), "text/plain", "body");
    assert!(matches!(client.send(post("/out")).await, Err(NetError::Wrong(_))));
    assert_eq!(client.send(post("/in")).await.unwrap().status, 200);
    assert_eq!(home.asked().last().unwrap().body, b"body");
}

#[tokio::test]
async fn this_machine_is_not_asked_in_the_name_of_a_public_remote() {
    let server = Liar::start(|_| Reply::new(200, &[], b"secret")).await;
    for reach in [Reach::Public, Reach::Private] {
        let client = HttpClient::new(quick(reach)).unwrap();
        for host in ["127.0.0.1", "0x7f.1", "2130706433", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
            let outcome = get(&client, &format!("http://{host}:{}/", server.port())).await;
            assert!(matches!(outcome, Err(NetError::Refused(_))), "{host}: {outcome:?}");
        }
    }
    assert_eq!(server.connections(), 0);
}

/// A DNS whose answer changes with every question.
struct Turncoat {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lookup for Turncoat {
    fn lookup<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        assert_eq!(name, "hub.example.org");
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(self.answers[turn % self.answers.len()].clone())))
    }
}

#[tokio::test]
async fn a_name_is_judged_by_the_address_that_is_dialled() {
    let server = Liar::start(|_| Reply::new(200, &[], b"secret").then(Then::Close)).await;
    let (public, here): (IpAddr, IpAddr) = ("198.41.0.4".parse().unwrap(), "127.0.0.1".parse().unwrap());
    let metadata = "169.254.169.254".parse().unwrap();
    let address = format!("http://hub.example.org:{}/", server.port());
    // First sound, then this machine: nothing remembers that the name was sound.
    let dns = Arc::new(Turncoat { answers: vec![vec![public], vec![here]], asked: AtomicUsize::new(0) });
    let client = HttpClient::new(HttpOptions { lookup: dns.clone(), ..quick(Reach::Public) }).unwrap();
    assert!(matches!(get(&client, &address).await, Err(NetError::Unreachable(_))), "that address was dialled");
    assert_eq!(dns.asked.load(Ordering::SeqCst), 1, "one question for one connection");
    let refused = get(&client, &address).await;
    assert!(matches!(&refused, Err(NetError::Refused(why)) if why.to_string().contains("127.0.0.1")), "{refused:?}");
    assert_eq!(server.connections(), 0);
    // Of several addresses only those are dialled that may be.
    let dns = Arc::new(Turncoat { answers: vec![vec![metadata, here]], asked: AtomicUsize::new(0) });
    let client = HttpClient::new(HttpOptions { lookup: dns.clone(), ..quick(Reach::ThisMachine) }).unwrap();
    assert_eq!(get(&client, &address).await.unwrap().1, "secret");
    let dns = Arc::new(Turncoat { answers: vec![vec![metadata], vec![]], asked: AtomicUsize::new(0) });
    let client = HttpClient::new(HttpOptions { lookup: dns, ..quick(Reach::ThisMachine) }).unwrap();
    assert!(matches!(get(&client, &address).await, Err(NetError::Refused(_))));
    assert!(matches!(get(&client, &address).await, Err(NetError::Unreachable(_))));
}

#[tokio::test]
async fn answers_have_bounds_of_time_and_size() {
    let gzipped = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&[0; 100_000]).unwrap();
        encoder.finish().unwrap()
    };
    let server = Liar::start(move |asked| match asked.target.as_str() {
        "/announced" => Reply::unsized_(200, &[("content-length", "1001")], b"").then(Then::Hang),
        "/flood" => Reply::unsized_(200, &[], b"").then(Then::Flood),
        "/silent" => Reply::unsized_(200, &[("content-length", "10")], b"12345").then(Then::Hang),
        "/drip" => Reply::unsized_(200, &[], b"").then(Then::Drip(Duration::from_millis(100))),
        "/short" => Reply::unsized_(200, &[("content-length", "10")], b"12345").then(Then::Close),
        "/bomb" => Reply::new(200, &[("content-encoding", "gzip")], &gzipped),
        "/broken" => Reply::new(200, &[("content-encoding", "gzip")], b"not gzip"),
        "/brotli" => Reply::new(200, &[("content-encoding", "br")], b"?"),
        "/head" => Reply::new(200, &[("x-long", &"x".repeat(70_000))], b""),
        "/many" => Reply::new(200, &[("x", "y"); 200], b""),
        _ => Reply::new(200, &[], b""),
    })
    .await;
    let (client, base) = (client(), server.url());
    for (path, expected) in [
        ("announced", "TooLarge"),
        ("flood", "TooLarge"),
        ("silent", "Stalled"),
        ("drip", "Stalled"),
        ("short", "Unreachable"),
        ("bomb", "TooLarge"),
        ("broken", "Wrong"),
        ("brotli", "Wrong"),
        ("head", "Wrong"),
        ("many", "Unreachable"),
    ] {
        let outcome = get(&client, &format!("{base}/{path}")).await;
        assert!(format!("{outcome:?}").starts_with(&format!("Err({expected}")), "{path}: {outcome:?}");
    }
    let options = HttpOptions {
        patience: Patience { head: Duration::from_millis(200), ..Patience::default() },
        ..quick(Reach::ThisMachine)
    };
    // The head never ends: nothing of it is sent.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", silent.local_addr().unwrap());
    assert_eq!(get(&HttpClient::new(options).unwrap(), &address).await, Err(NetError::Stalled));
}

#[tokio::test]
async fn after_a_redial_no_old_connection_is_used() {
    let server = Liar::start(|_| Reply::new(200, &[], b"hello")).await;
    let client = client();
    let clone = client.clone();
    for _ in 0..3 {
        get(&client, &server.url()).await.unwrap();
    }
    assert_eq!(server.connections(), 1, "connections are kept");
    clone.redial();
    get(&client, &server.url()).await.unwrap();
    assert_eq!(server.connections(), 2);
    get(&client.fresh().unwrap(), &server.url()).await.unwrap();
    get(&client, &server.url()).await.unwrap();
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_proxy_is_used_only_when_told() {
    let proxy = Liar::start(|asked| Reply::new(200, &[], asked.target.as_bytes())).await;
    let options = HttpOptions { proxy: ProxyChoice::Through(proxy.url()), ..quick(Reach::Public) };
    let client = HttpClient::new(options).unwrap();
    // The proxy may be private; what is asked for may not.
    assert_eq!(get(&client, "http://hub.example.org/a").await.unwrap().1, "http://hub.example.org/a");
    assert!(matches!(get(&client, "http://10.0.0.1/a").await, Err(NetError::Refused(_))));
    assert_eq!(proxy.asked().len(), 1);
    assert_eq!(ProxyChoice::of_setting(None), ProxyChoice::Direct);
    assert_eq!(ProxyChoice::of_setting(Some("environment")), ProxyChoice::Environment);
}

#[tokio::test]
async fn bodies_come_as_streams_too() {
    let server = Liar::start(|_| Reply::unsized_(200, &[], &[7; 5000]).then(Then::Close)).await;
    let answer = client().send(HttpRequest::get(url(&server.url()))).await.unwrap();
    let pieces: Vec<_> = answer.bounded(5000).unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), [7; 5000]);
    let answer = client().send(HttpRequest::get(url(&server.url()))).await.unwrap();
    let outcome: Result<Vec<_>, NetError> = answer.bounded(4999).unwrap().try_collect().await;
    assert_eq!(outcome.unwrap_err(), NetError::TooLarge { bytes_max: 4999 });
}

#[tokio::test]
async fn ranges_are_asked_with_both_ends() {
    let server = Liar::start(|asked| Reply::range_of(b"0123456789", asked, &[])).await;
    let request = HttpRequest::get(url(&server.url())).range(ByteRange { start: 3, end: 5 });
    let answer = client().send(request).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.content_length()), (206, Some(2)));
    assert_eq!(&answer.bytes(2).await.unwrap()[..], b"34");
}
