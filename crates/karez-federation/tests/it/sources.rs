//! Sources against servers that lie, break off, redirect and forget; and what is kept between attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::TryStreamExt;
use karez_federation::net::{HttpClient, HttpOptions, Patience, Reach};
use karez_federation::source::{PeerSource, PlainSource, Remote};
use karez_federation::transfer::{CostClass, Place, Planner, STORED, Source, SourceError};
use karez_formats::file_map::{FileMap, MapChunk, MapTerm};
use karez_formats::xet::{chunk_hash, file_hash};
use karez_types::{ByteRange, RepoAddress, RepoKind, Sha256, TokenRole, XorbHash};
use serde_json::json;
use url::Url;

use crate::carrier::{Carry, carrier};
use crate::liar::{Asked, Liar, Reply, Then};
use crate::pull::{assemble, noise, origin, planner, read, wanted, way, wire};

/// A remote of whom little is expected.
fn hasty(url: &str, token: Option<&str>) -> Remote {
    let patience = Patience {
        connect: Duration::from_secs(1),
        head: Duration::from_secs(1),
        idle: Duration::from_millis(300),
        slowest: Duration::from_millis(600),
    };
    let client = HttpClient::new(HttpOptions { patience, ..HttpOptions::new(Reach::ThisMachine) }).unwrap();
    Remote::new("liar", Url::parse(url).unwrap(), client, token, CostClass::Metered)
}

fn address() -> RepoAddress {
    RepoAddress::parse(RepoKind::Model, "alice/m").unwrap()
}

/// The lies of a server that is asked for the bytes 100..200 of `whole`.
fn lie(name: &str, whole: &[u8], asked: &Asked) -> Reply {
    let part = |range: &str, body: &[u8]| Reply::new(206, &[("content-range", range)], body);
    let open = |range: &str, body: &[u8]| Reply::unsized_(206, &[("content-range", range)], body);
    match name {
        "honest" => Reply::range_of(whole, asked, &[]),
        "another range" => part("bytes 0-99/1000", &whole[..100]),
        "a longer range" => part("bytes 100-299/1000", &whole[100..300]),
        "a shorter range" => part("bytes 100-149/1000", &whole[100..150]),
        "another length" => part("bytes 100-199/1000", &whole[100..150]),
        "no range" => Reply::new(206, &[], &whole[100..200]),
        "nonsense" => part("bytes many", &whole[100..200]),
        "another total" => part("bytes 100-199/999", &whole[100..200]),
        "gzip" => {
            Reply::new(206, &[("content-range", "bytes 100-199/1000"), ("content-encoding", "gzip")], &whole[100..200])
        }
        "endless" => open("bytes 100-199/1000", &whole[100..200]).then(Then::Flood),
        "chunked and short" => Reply::unsized_(
            206,
            &[("content-range", "bytes 100-199/1000"), ("transfer-encoding", "chunked")],
            b"3\r\nabc\r\n0\r\n\r\n",
        ),
        "cut" => Reply::unsized_(206, &[("content-range", "bytes 100-199/1000"), ("content-length", "100")], b"abc")
            .then(Then::Close),
        "cut without length" => open("bytes 100-199/1000", b"abc").then(Then::Close),
        "silent" => open("bytes 100-199/1000", b"abc").then(Then::Hang),
        "dripping" => open("bytes 100-199/1000", b"").then(Then::Drip(Duration::from_millis(100))),
        "to metadata" => Reply::new(302, &[("location", "http://169.254.169.254/latest/meta-data")], b""),
        "to a file" => Reply::new(302, &[("location", "file:///etc/passwd")], b""),
        "in a circle" => Reply::new(302, &[("location", &asked.target)], b""),
        "busy" => Reply::new(503, &[], b"later"),
        "gone" => Reply::new(404, &[], b"no"),
        "outside" => Reply::new(416, &[("content-range", "bytes */50")], b""),
        other => panic!("{other} is no lie"),
    }
}

/// What each lie must be called.
const LIES: [(&str, &str); 21] = [
    ("honest", "Ok"),
    ("another range", "Wrong"),
    ("a longer range", "Wrong"),
    ("a shorter range", "Wrong"),
    ("another length", "Wrong"),
    ("no range", "Wrong"),
    ("nonsense", "Wrong"),
    ("another total", "Wrong"),
    ("gzip", "Wrong"),
    ("endless", "Wrong"),
    ("chunked and short", "Wrong"),
    ("cut", "Unreachable"),
    ("cut without length", "Unreachable"),
    ("silent", "Stalled"),
    ("dripping", "Stalled"),
    ("to metadata", "Unreachable"),
    ("to a file", "Unreachable"),
    ("in a circle", "Wrong"),
    ("busy", "Refused { status: 503 }"),
    ("gone", "Gone"),
    ("outside", "Wrong"),
];

fn called(outcome: &Result<Vec<u8>, SourceError>) -> String {
    match outcome {
        Ok(_) => "Ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test]
async fn every_lie_is_called_what_it_is() {
    let whole = noise(1, 1000);
    for (name, expected) in LIES {
        let served = whole.clone();
        let server = Liar::start(move |asked| lie(name, &served, asked)).await;
        let remote = hasty(&server.url(), None);
        let plain = PlainSource::new(remote.clone(), Url::parse(&server.url()).unwrap(), 1000);
        let outcome = read(&plain, &Place::File { start: 60 }, ByteRange { start: 40, end: 140 }).await;
        assert!(called(&outcome).starts_with(expected), "plain, {name}: {outcome:?}");
        // A peer is not told how long a xorb is.
        let expected = if name == "another total" { "Ok" } else { expected };
        let peer = PeerSource::new(remote, address(), Sha256([5; 32]));
        let place = Place::Xorb { xorb: XorbHash([6; 32]), start: 60 };
        let outcome = read(&peer, &place, ByteRange { start: 40, end: 140 }).await;
        assert!(called(&outcome).starts_with(expected), "peer, {name}: {outcome:?}");
        if expected == "Ok" {
            assert_eq!(outcome.unwrap(), whole[100..200]);
            let last = server.asked().pop().unwrap();
            let path = format!("/federation/v1/xorb/models/alice/m/{}/{}", Sha256([5; 32]), XorbHash([6; 32]));
            assert_eq!((&last.target, last.header("range")), (&path, "bytes=100-199"));
        }
        assert!(matches!(
            peer.open(&Place::File { start: 0 }, ByteRange { start: 0, end: 1 }, STORED).await,
            Err(SourceError::Gone)
        ));
    }
}

/// What arrived before a stream breaks is given first: it is journalled and not asked for again.
#[tokio::test]
async fn what_came_before_a_lie_is_not_lost() {
    let whole = noise(1, 1000);
    let served = whole.clone();
    let server = Liar::start(move |asked| lie("endless", &served, asked)).await;
    let plain = PlainSource::new(hasty(&server.url(), None), Url::parse(&server.url()).unwrap(), 1000);
    let mut stream = plain.open(&Place::File { start: 0 }, ByteRange { start: 100, end: 200 }, STORED).await.unwrap();
    let mut got = Vec::new();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(bytes)) => got.extend(bytes),
            Ok(None) => panic!("the lie is not seen"),
            Err(error) => break error,
        }
    };
    assert!(got == whole[100..200] && matches!(error, SourceError::Wrong(_)), "{error}");
}

#[tokio::test]
async fn a_server_without_ranges_is_read_once() {
    let whole = noise(2, 50_000);
    let served = whole.clone();
    let server = Liar::start(move |_| Reply::new(200, &[], &served)).await;
    let plain = PlainSource::new(hasty(&server.url(), None), Url::parse(&server.url()).unwrap(), 50_000);
    let place = Place::File { start: 0 };
    let spans = [(0, 10_000), (10_000, 20_000), (20_000, 30_000), (30_000, 50_000)];
    // All at the same time, as a transfer asks.
    let reads = spans.map(|(start, end)| read(&plain, &place, ByteRange { start, end }));
    let parts: Vec<Vec<u8>> = futures::future::join_all(reads).await.into_iter().map(Result::unwrap).collect();
    assert!(parts.concat() == whole);
    // Those that were under way before it was known hang up; from then on one stream is enough.
    assert!(server.asked().iter().filter(|asked| asked.header("range").is_empty()).count() <= 1);
    let other = Liar::start(|_| Reply::new(200, &[], b"another file")).await;
    let plain = PlainSource::new(hasty(&other.url(), None), Url::parse(&other.url()).unwrap(), 50_000);
    let outcome = read(&plain, &place, ByteRange { start: 0, end: 10 }).await;
    assert!(matches!(outcome, Err(SourceError::Wrong(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_store_behind_a_hub_gets_no_token_and_is_asked_directly() {
    let whole = noise(3, 1000);
    let served = whole.clone();
    let expired = Arc::new(AtomicUsize::new(usize::MAX));
    let until = Arc::clone(&expired);
    let store = Liar::start(move |asked| {
        match until.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Reply::range_of(&served, asked, &[]),
            Err(_) => {
                until.store(usize::MAX, Ordering::SeqCst);
                Reply::new(403, &[], b"expired")
            }
        }
    })
    .await;
    let signed = format!("{}/bucket/object?signature=x", store.url());
    let hub = Liar::start(move |_| Reply::new(302, &[("location", &signed)], b"")).await;
    let url = Url::parse(&format!("{}/alice/m/resolve/main/a.bin", hub.url())).unwrap();
    let plain = PlainSource::new(hasty(&hub.url(), Some("hf_secret")), url, 1000);
    let place = Place::File { start: 0 };
    for (start, end) in [(0, 100), (100, 300), (300, 500)] {
        assert!(read(&plain, &place, ByteRange { start, end }).await.unwrap() == whole[start as usize..end as usize]);
    }
    assert_eq!((hub.asked().len(), store.asked().len()), (1, 3), "the hub is asked once where the bytes are");
    expired.store(0, Ordering::SeqCst);
    assert!(read(&plain, &place, ByteRange { start: 500, end: 700 }).await.unwrap() == whole[500..700]);
    assert_eq!((hub.asked().len(), store.asked().len()), (2, 5), "and once more when its address has expired");
    // Addresses that do not last, such as those that are signed for one range, are not tried again.
    assert!(read(&plain, &place, ByteRange { start: 700, end: 1000 }).await.unwrap() == whole[700..]);
    assert_eq!((hub.asked().len(), store.asked().len()), (3, 6));
    assert!(hub.asked().iter().all(|asked| asked.header("authorization") == "Bearer hf_secret"));
    assert!(store.asked().iter().all(|asked| asked.header("authorization").is_empty()));
}

#[tokio::test]
async fn private_files_need_the_token_of_the_remote() {
    let (node, files) = origin("private").await;
    let folder = tempfile::tempdir().unwrap();
    let (path, data) = &files[1];
    let file = wanted(&node, path, data).await;
    let outcome = planner(node.url(), None, folder.path()).plan(&file).await;
    assert!(matches!(outcome, Err(SourceError::Gone)), "{:?}", outcome.err());
    let token = node.token("alice", TokenRole::Read);
    for (without, expected) in [(&[][..], "mapped"), (&["/federation/"][..], "reconstructed")] {
        let carrier = carrier(node.url(), Carry { without, ..Carry::default() }).await;
        let plan = planner(&carrier.url(), Some(token), folder.path()).plan(&file).await.unwrap();
        assert_eq!(way(&plan), expected);
        assert!(assemble(&plan, &wire(&plan).await.unwrap()) == *data);
        // Signed addresses are asked without it.
        let to_store = carrier.asked().into_iter().filter(|asked| asked.target.starts_with("/cas/x/"));
        assert!(to_store.into_iter().all(|asked| asked.header("authorization").is_empty()));
        let xet = carrier.asked().into_iter().filter(|asked| asked.target.starts_with("/cas/v"));
        assert!(xet.into_iter().all(|asked| !asked.header("authorization").contains(token)));
    }
    node.stop().await;
}

#[tokio::test]
async fn expired_addresses_say_so() {
    let (node, files) = origin("public").await;
    let folder = tempfile::tempdir().unwrap();
    let carrier = carrier(node.url(), Carry { without: &["/federation/"], ..Carry::default() }).await;
    let (path, data) = &files[0];
    let file = wanted(&node, path, data).await;
    let planner = planner(&carrier.url(), None, folder.path());
    let plan = planner.plan(&file).await.unwrap();
    node.advance_secs(4_000);
    assert_eq!(wire(&plan).await, Err(SourceError::Expired));
    let again = planner.plan(&file).await.unwrap();
    assert!(assemble(&again, &wire(&again).await.unwrap()) == *data);
    node.stop().await;
}

#[tokio::test]
async fn a_cache_carries_what_a_node_gives_to_others() {
    let (node, files) = origin("public").await;
    let carrier = carrier(node.url(), Carry::default()).await;
    let (path, data) = &files[1];
    let file = wanted(&node, path, data).await;
    let first = tempfile::tempdir().unwrap();
    let plan = planner(&carrier.url(), None, first.path()).plan(&file).await.unwrap();
    assert!(assemble(&plan, &wire(&plan).await.unwrap()) == *data);
    let url = carrier.url();
    // The node goes away; the next follower needs only the cache.
    node.stop().await;
    let second = tempfile::tempdir().unwrap();
    let plan = planner(&url, None, second.path()).plan(&file).await.unwrap();
    assert_eq!(way(&plan), "mapped");
    assert!(assemble(&plan, &wire(&plan).await.unwrap()) == *data);
}

#[tokio::test]
async fn a_map_goes_on_where_it_broke_off() {
    let (node, files) = origin("public").await;
    let (path, data) = &files[1];
    let file = wanted(&node, path, data).await;
    let map =
        node.anonymous().get(&format!("/federation/v1/map/models/alice/m/{}", file.sha256)).await.expect(200).body;
    let served = map.clone();
    let server = Liar::start(move |asked| {
        // Every answer breaks off after 700 bytes.
        let (first, last) = asked.range().unwrap_or((0, served.len() as u64 - 1));
        let part = &served[first as usize..served.len().min(first as usize + 700)];
        let (length, range) = ((last - first + 1).to_string(), format!("bytes {first}-{last}/{}", served.len()));
        let status = if asked.range().is_some() { 206 } else { 200 };
        Reply::unsized_(status, &[("content-length", &length), ("content-range", &range)], part).then(Then::Close)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut attempts = 0;
    let plan = loop {
        attempts += 1;
        // A new planner each time, as after a restart.
        match planner(&server.url(), None, folder.path()).plan(&file).await {
            Ok(plan) => break plan,
            Err(error) => assert!(matches!(error, SourceError::Unreachable(_)) && attempts < 50, "{error}"),
        }
    };
    assert_eq!((way(&plan), attempts), ("mapped", map.len().div_ceil(700)));
    let asked = server.asked().len();
    assert_eq!(asked, attempts, "every byte of the map came once");
    // It is there: nobody is asked again, not even to see whether it is.
    planner(&server.url(), None, folder.path()).plan(&file).await.unwrap();
    assert_eq!(server.asked().len(), asked);
    // Unless it was damaged on the disk; and a part that was damaged is thrown away.
    let kept = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&kept).unwrap();
    bytes[300] ^= 1;
    std::fs::write(&kept, &bytes).unwrap();
    std::fs::write(kept.with_extension("map.part"), &bytes[..800]).unwrap();
    let honest = planner(node.url(), None, folder.path());
    drop(honest);
    let error = planner(&server.url(), None, folder.path()).plan(&file).await.err().unwrap();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error}");
    node.stop().await;
}

/// The map of one chunk, which a liar may change.
fn small_map(data: &[u8]) -> FileMap {
    let hash = chunk_hash(data);
    let raw_bytes = data.len() as u32;
    FileMap {
        hash: file_hash(&[karez_formats::xet::Chunk { hash, raw_bytes }]),
        sha256: crate::pull::sha256(data),
        file_bytes: data.len() as u64,
        terms: vec![MapTerm { xorb: XorbHash([1; 32]), chunk_start: 0, chunk_end: 1, byte_start: 0 }],
        chunks: vec![MapChunk { hash, frame_bytes: raw_bytes + 8, raw_bytes }],
    }
}

#[tokio::test]
async fn maps_that_lie_are_refused_and_not_kept() {
    let (node, _) = origin("public").await;
    let data = noise(4, 1000);
    let file = wanted(&node, "x.bin", &data).await;
    let good = small_map(&data);
    let of_another = small_map(&noise(5, 1000));
    let mut renamed = of_another.clone();
    renamed.sha256 = good.sha256;
    renamed.hash = good.hash;
    let many = {
        let mut many = small_map(&[0; 1]);
        let chunk = many.chunks[0];
        many.chunks = vec![chunk; 3000];
        many.terms[0].chunk_end = 3000;
        many.file_bytes = 3000;
        let chunks: Vec<_> = many.chunks.iter().map(|chunk| (*chunk).into()).collect();
        many.hash = file_hash(&chunks);
        many
    };
    for (name, body) in [
        ("another file", of_another.encode()),
        ("another hash", renamed.encode()),
        ("cut", good.encode()[..100].to_vec()),
        ("longer", [&good.encode()[..], b"x"].concat()),
        ("text", b"<html>welcome to the hotel</html>".to_vec()),
        ("a tiny chunk for each byte", many.encode()),
    ] {
        let mut file = file.clone();
        if name.starts_with("a tiny") {
            (file.sha256, file.file_bytes) = (many.sha256, many.file_bytes);
        }
        let folder = tempfile::tempdir().unwrap();
        let server = Liar::start(move |_| Reply::new(200, &[], &body)).await;
        let error = planner(&server.url(), None, folder.path()).plan(&file).await.err().unwrap();
        assert!(matches!(error, SourceError::Wrong(_)), "{name}: {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
    }
    let endless = Liar::start(|_| Reply::unsized_(200, &[], &b"KRZFMAP\x01"[..]).then(Then::Flood)).await;
    let folder = tempfile::tempdir().unwrap();
    let error = planner(&endless.url(), None, folder.path()).plan(&file).await.err().unwrap();
    assert!(matches!(error, SourceError::Wrong(_)), "{error}");
    node.stop().await;
}

#[tokio::test]
async fn hubs_that_contradict_the_commit_are_wrong() {
    let (node, files) = origin("public").await;
    let (path, data) = &files[0];
    let file = wanted(&node, path, data).await;
    let folder = tempfile::tempdir().unwrap();
    let length = data.len().to_string();
    let own = format!("\"{}\"", file.sha256);
    let other = format!("\"{}\"", Sha256([9; 32]));
    let hash = "0".repeat(64);
    for (name, headers, reconstruction, expected) in [
        ("another length", vec![("x-linked-size", "5"), ("x-linked-etag", &own)], json!({}), "Wrong"),
        ("another file", vec![("x-linked-size", &length), ("x-linked-etag", &other)], json!({}), "Wrong"),
        ("no terms", vec![("x-linked-size", &length), ("x-xet-hash", &hash)], json!({ "terms": [] }), "Wrong"),
        ("no reconstruction", vec![("x-linked-size", &length), ("x-xet-hash", &hash)], json!([1]), "Wrong"),
        ("nothing", vec![("content-length", &length)], json!({}), "plain"),
    ] {
        let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        let server = Liar::start(move |asked| {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let own = format!("http://{}", asked.header("host"));
            match asked.target.as_str() {
                target if target.starts_with("/federation/") => Reply::new(404, &[], b""),
                target if target.contains("/xet-read-token/") => {
                    let token = json!({ "casUrl": own, "accessToken": "t", "exp": 0 });
                    Reply::new(200, &[], token.to_string().as_bytes())
                }
                target if target.contains("/reconstructions/") => {
                    Reply::new(200, &[], reconstruction.to_string().as_bytes())
                }
                _ => Reply::unsized_(200, &headers, b""),
            }
        })
        .await;
        let outcome = planner(&server.url(), None, folder.path()).plan(&file).await;
        let said = outcome.as_ref().map_or_else(|error| format!("{error:?}"), |plan| way(plan).to_owned());
        assert!(said.starts_with(expected), "{name}: {said}");
    }
    node.stop().await;
}
