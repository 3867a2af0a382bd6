//! The client's end of the fetch protocol: against git's server, our own, and enemies.

use karez_formats::git::fetch_client::{
    Capabilities, FetchError, FetchEvent, FetchReader, PackWish, RefsReader, RefsWish, write_fetch, write_ls_refs,
};
use karez_formats::git::upload_pack::{AdvertisedRef, Depth, Stage, v2};
use karez_formats::git::{PackLimits, PackReader, PackedObject, SideBand, write_flush, write_line, write_side_band};
use karez_types::GitOid;
use proptest::prelude::*;

use crate::git_program::GitRepo;
use crate::packs::repo_with_deltas;

/// All that an answer to `fetch` says.
#[derive(Debug, Default, PartialEq)]
struct Fetched {
    common: Vec<GitOid>,
    is_ready: bool,
    shallow: Vec<GitOid>,
    unshallow: Vec<GitOid>,
    pack: Vec<u8>,
    progress: Vec<u8>,
    has_pack: bool,
}

fn read_fetch(answer: &[u8], part_bytes: usize) -> Result<Fetched, FetchError> {
    let mut fetched = Fetched::default();
    let mut reader = FetchReader::new(1_000);
    for part in answer.chunks(part_bytes) {
        reader.push(part, &mut |event| match event {
            FetchEvent::Common(oid) => fetched.common.push(oid),
            FetchEvent::Ready => fetched.is_ready = true,
            FetchEvent::Shallow(oid) => fetched.shallow.push(oid),
            FetchEvent::Unshallow(oid) => fetched.unshallow.push(oid),
            FetchEvent::Pack(bytes) => fetched.pack.extend_from_slice(bytes),
            FetchEvent::Progress(words) => fetched.progress.extend_from_slice(words),
        })?;
    }
    fetched.has_pack = reader.finish()?;
    Ok(fetched)
}

fn read_refs(answer: &[u8], part_bytes: usize) -> Result<Vec<AdvertisedRef>, FetchError> {
    let mut reader = RefsReader::new(1_000);
    for part in answer.chunks(part_bytes) {
        reader.push(part)?;
    }
    reader.finish()
}

/// Asks git's own server.
fn ask(repo: &GitRepo, request: &[u8]) -> Vec<u8> {
    repo.bytes(&["upload-pack", "--stateless-rpc", "."], request)
}

fn unpack(pack: &[u8]) -> Vec<PackedObject> {
    let mut reader = PackReader::new(PackLimits::default());
    reader.push(pack).unwrap();
    reader.finish(&mut |_| None).unwrap()
}

fn id(repo: &GitRepo, revision: &str) -> GitOid {
    repo.run(&["rev-parse", revision], b"").trim().parse().unwrap()
}

#[test]
fn gits_own_server_is_understood() {
    let repo = repo_with_deltas(6);
    repo.run(&["-c", "user.name=a", "-c", "user.email=a@b", "tag", "-a", "-m", "one", "v1"], b"");
    let told = repo.bytes(&["upload-pack", "--stateless-rpc", "--http-backend-info-refs", "."], b"");
    let capabilities = Capabilities::parse(&told).unwrap();
    assert!(capabilities.has_shallow() && capabilities.agent.is_some(), "{capabilities:?}");

    let mut request = Vec::new();
    write_ls_refs(&RefsWish { prefixes: vec!["refs/heads/".to_owned(), "refs/tags/".to_owned()] }, &mut request);
    let answer = ask(&repo, &request);
    let refs = read_refs(&answer, answer.len()).unwrap();
    assert_eq!(refs, read_refs(&answer, 3).unwrap());
    let (head, tag) = (id(&repo, "HEAD"), id(&repo, "v1"));
    let shown = |name: &str, oid, peeled| AdvertisedRef { name: name.to_owned(), oid, peeled, symref_target: None };
    assert_eq!(refs, [shown("refs/heads/main", head, None), shown("refs/tags/v1", tag, Some(head))]);
    let mut request = Vec::new();
    write_ls_refs(&RefsWish::default(), &mut request);
    let answer = ask(&repo, &request);
    let refs = read_refs(&answer, 1_000).unwrap();
    assert_eq!(refs[0].symref_target.as_deref(), Some("refs/heads/main"));

    // Whole, cut, and on top of what is here.
    let fetch = |wish: &PackWish| {
        let mut request = Vec::new();
        write_fetch(wish, &mut request);
        let answer = ask(&repo, &request);
        let fetched = read_fetch(&answer, answer.len()).unwrap();
        assert_eq!(fetched, read_fetch(&answer, 11).unwrap());
        fetched
    };
    let whole = fetch(&PackWish { wants: vec![head, tag], done: true, ..PackWish::default() });
    assert!(whole.has_pack && whole.shallow.is_empty());
    let listed = repo.run(&["rev-list", "--objects", "--all"], b"");
    assert_eq!(unpack(&whole.pack).len(), listed.lines().count());
    let cut = fetch(&PackWish { wants: vec![head], depth: Some(2), done: true, ..PackWish::default() });
    assert_eq!(cut.shallow, [id(&repo, "HEAD~1")]);
    let commits = |pack: &[u8]| {
        unpack(pack).into_iter().filter(|object| object.kind == karez_formats::git::GitKind::Commit).count()
    };
    assert_eq!(commits(&cut.pack), 2);
    let have = id(&repo, "HEAD~2");
    let more = PackWish { wants: vec![head], haves: vec![have], include_tag: true, done: true, ..PackWish::default() };
    let more = fetch(&more);
    assert_eq!(commits(&more.pack), 2);
    assert!(unpack(&more.pack).iter().any(|object| object.oid == tag));
    let deeper = PackWish {
        wants: vec![head],
        haves: vec![head],
        shallow: vec![id(&repo, "HEAD~1")],
        depth: Some(4),
        done: true,
        ..PackWish::default()
    };
    let deeper = fetch(&deeper);
    assert_eq!((deeper.shallow, deeper.unshallow), (vec![id(&repo, "HEAD~3")], vec![id(&repo, "HEAD~1")]));
    // Talk before the pack.
    let talk = fetch(&PackWish { wants: vec![head], haves: vec![GitOid([1; 20])], ..PackWish::default() });
    assert_eq!((talk.has_pack, talk.common.len(), talk.is_ready), (false, 0, false));
    let talk = fetch(&PackWish { wants: vec![head], haves: vec![have], ..PackWish::default() });
    assert_eq!((talk.has_pack, &talk.common[..], talk.is_ready), (true, &[have][..], true));
    // What git says when it refuses.
    let mut request = Vec::new();
    write_fetch(&PackWish { wants: vec![GitOid([9; 20])], done: true, ..PackWish::default() }, &mut request);
    let (_, answer, _) = repo.try_run(&["upload-pack", "--stateless-rpc", "."], &request);
    let error = read_fetch(answer.as_bytes(), 100).unwrap_err();
    assert!(matches!(&error, FetchError::Refused(words) if words.contains("not our ref")), "{error}");
}

#[test]
fn our_server_reads_what_our_client_writes() {
    let [a, b, c] = [1, 2, 3].map(|number| GitOid([number; 20]));
    let wish =
        PackWish { wants: vec![a], haves: vec![b], shallow: vec![c], depth: Some(7), include_tag: true, done: true };
    let mut request = Vec::new();
    write_fetch(&wish, &mut request);
    let v2::Request::Fetch(read) = v2::parse(&request, 100).unwrap() else { panic!() };
    assert_eq!((read.wants, read.haves, read.shallow), (vec![a], vec![b], vec![c]));
    assert_eq!((read.depth, read.stage, read.include_tag), (Depth::Commits(7), Stage::Done, true));
    let mut request = Vec::new();
    write_ls_refs(&RefsWish { prefixes: vec!["refs/heads/".to_owned()] }, &mut request);
    let v2::Request::LsRefs(read) = v2::parse(&request, 100).unwrap() else { panic!() };
    assert!(read.peel && read.symrefs && read.shows("refs/heads/x") && !read.shows("refs/tags/x"));

    let mut told = Vec::new();
    v2::write_capabilities(&mut told);
    assert!(Capabilities::parse(&told).unwrap().has_shallow());
    let mut answer = Vec::new();
    v2::write_acknowledgments(&[b], &mut answer);
    v2::write_shallow(&[a], &[c], &mut answer);
    v2::write_pack_start(&mut answer);
    write_side_band(SideBand::Progress, b"half", &mut answer);
    write_side_band(SideBand::Pack, &[5; 100_000], &mut answer);
    write_flush(&mut answer);
    let fetched = read_fetch(&answer, 999).unwrap();
    let expected = Fetched {
        common: vec![b],
        is_ready: true,
        shallow: vec![a],
        unshallow: vec![c],
        pack: vec![5; 100_000],
        progress: b"half".to_vec(),
        has_pack: true,
    };
    assert_eq!(fetched, expected);
}

#[test]
fn other_servers_are_told_apart() {
    let lines = |lines: &[&str]| {
        let mut out = Vec::new();
        lines.iter().for_each(|line| write_line(format!("{line}\n").as_bytes(), &mut out));
        write_flush(&mut out);
        out
    };
    let old = lines(&["0101010101010101010101010101010101010101 HEAD\0multi_ack"]);
    assert_eq!(Capabilities::parse(&old), Err(FetchError::NotVersion2));
    for other in [&b""[..], b"<html>", b"0000", b"version 2"] {
        assert_eq!(Capabilities::parse(other), Err(FetchError::NotVersion2), "{other:?}");
    }
    let sha256 = lines(&["version 2", "object-format=sha256"]);
    assert_eq!(Capabilities::parse(&sha256), Err(FetchError::ObjectFormat));
    let error = Capabilities::parse(&lines(&["ERR go away\u{1b}[2J"])).unwrap_err();
    assert_eq!(error.to_string(), "the server says: go away\\u{1b}[2J");
    assert_eq!(Capabilities::parse(&lines(&["version 2"])[..14]), Err(FetchError::Truncated));
}

#[test]
fn broken_answers_are_refused() {
    let id = "0101010101010101010101010101010101010101";
    let lines = |lines: &[&str]| {
        let mut out = Vec::new();
        lines.iter().for_each(|line| write_line(line.as_bytes(), &mut out));
        out
    };
    let whole = |text: &[&str]| [&lines(text)[..], b"0000"].concat();
    for (answer, words) in [
        (b"zzzz".to_vec(), "valid length"),
        (b"0003".to_vec(), "valid length"),
        (b"ffff".to_vec(), "valid length"),
        (lines(&["packfile"]), "cut off"),
        ([&lines(&["packfile"])[..], b"00"].concat(), "cut off"),
        (whole(&["nonsense"]), "`nonsense`"),
        (whole(&["acknowledgments", "ACK x"]), "`x`"),
        (whole(&["shallow-info", "shallow"]), "`shallow`"),
        (whole(&["packfile", "\u{9}words"]), "not expected"),
        (whole(&["packfile", ""]), "not expected"),
        (whole(&["packfile", "\u{3}disk\nfull"]), "the server says: disk\\nfull"),
        ([whole(&["packfile"]), whole(&["packfile"])].concat(), "after the end"),
        ([&lines(&["packfile"])[..], b"0001"].concat(), "0001"),
        (whole(&vec!["acknowledgments"; 1_100]), "not expected"),
        (whole(&[&["acknowledgments"][..], &vec!["NAK"; 1_100]].concat()), "over 1000 lines"),
    ] {
        for part_bytes in [answer.len(), 1] {
            let error = read_fetch(&answer, part_bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
    for (answer, words) in [
        (whole(&["nonsense"]), "`nonsense`"),
        (whole(&[&format!("{id} ")]), "not expected"),
        (whole(&[&format!("{id} a peeled:x")]), "`x`"),
        (lines(&[&format!("{id} a")]), "cut off"),
        (whole(&vec![&format!("{id} a")[..]; 1_001]), "over 1000 lines"),
        ([whole(&[]), whole(&[])].concat(), "not expected"),
        (whole(&["ERR no"]), "the server says: no"),
    ] {
        let error = read_refs(&answer, 7).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(read_refs(&whole(&["unborn HEAD symref-target:refs/heads/main"]), 7).unwrap(), []);
}

proptest! {
    #[test]
    fn answers_mean_the_same_however_they_arrive(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        part_bytes in 1usize..30,
    ) {
        let mut answer = Vec::new();
        v2::write_acknowledgments(&[GitOid([1; 20])], &mut answer);
        v2::write_shallow(&[GitOid([2; 20])], &[], &mut answer);
        v2::write_pack_start(&mut answer);
        write_side_band(SideBand::Pack, b"PACK and so on", &mut answer);
        write_flush(&mut answer);
        for (at, byte) in changes {
            let at = at.index(answer.len());
            answer[at] = byte;
        }
        prop_assert_eq!(read_fetch(&answer, answer.len()), read_fetch(&answer, part_bytes));
        prop_assert_eq!(read_refs(&answer, answer.len()), read_refs(&answer, part_bytes));
        let _ = Capabilities::parse(&answer);
    }
}
