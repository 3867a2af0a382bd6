//! Version 2: one command a request.

use karez_types::GitOid;

use super::{AGENT, AdvertisedRef, FetchRequest, UploadPackError, WANTS_MAX, text};
use crate::git::{Pkt, PktReader, write_delimiter, write_flush, write_line};

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// An empty request: git asks so whether it may ask. The answer is empty too.
    Nothing,
    /// Which refs there are.
    LsRefs(LsRefs),
    /// Objects.
    Fetch(FetchRequest),
}

/// What a client wants to know of refs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LsRefs {
    /// Also what annotated tags point at.
    pub peel: bool,
    /// Also what `HEAD` stands for.
    pub symrefs: bool,
    /// Only refs whose name begins with one of these; all when there are none.
    pub prefixes: Vec<String>,
    /// Also `HEAD` when the branch that it stands for does not exist yet.
    pub unborn: bool,
}

/// Most prefixes that are looked at; with more, all refs are shown, as git does (`ls-refs.c`).
const PREFIXES_MAX: usize = 65_536;

impl LsRefs {
    /// Tells whether a ref of this name is asked for.
    pub fn shows(&self, name: &str) -> bool {
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }
}

/// Appends the first answer: what this side can do.
pub fn write_capabilities(out: &mut Vec<u8>) {
    for line in ["version 2", AGENT, "ls-refs=unborn", "fetch=shallow", "object-format=sha1"] {
        write_line(format!("{line}\n").as_bytes(), out);
    }
    write_flush(out);
}

/// Reads a request of at most `lines_max` lines.
///
/// # Errors
/// When the bytes break the protocol or ask for what was not announced.
pub fn parse(body: &[u8], lines_max: usize) -> Result<Request, UploadPackError> {
    let mut lines = PktReader::new(body).take(lines_max.saturating_add(1)).enumerate();
    let mut command = None;
    loop {
        match lines.next().map(|(_, pkt)| pkt).transpose()? {
            Some(Pkt::Data(line)) => command = command.or(text(line)?.strip_prefix("command=")),
            Some(Pkt::Delimiter) => break,
            Some(Pkt::Flush) | None if command.is_none() => return Ok(Request::Nothing),
            Some(Pkt::Flush) | None => return finish(command, Arguments::default()),
            Some(Pkt::ResponseEnd) => return Err(UploadPackError::Incomplete),
        }
    }
    let mut arguments = Arguments::default();
    for (count, pkt) in lines {
        if count >= lines_max {
            return Err(UploadPackError::TooLong { lines_max });
        }
        match pkt? {
            Pkt::Data(line) => arguments.0.push(text(line)?),
            Pkt::Flush => return finish(command, arguments),
            Pkt::Delimiter | Pkt::ResponseEnd => break,
        }
    }
    Err(UploadPackError::Incomplete)
}

#[derive(Default)]
struct Arguments<'a>(Vec<&'a str>);

fn finish(command: Option<&str>, arguments: Arguments<'_>) -> Result<Request, UploadPackError> {
    match command {
        Some("ls-refs") => Ok(Request::LsRefs(arguments.ls_refs()?)),
        Some("fetch") => Ok(Request::Fetch(arguments.fetch()?)),
        Some(other) => Err(UploadPackError::malformed(&format!("command={other}"))),
        None => Err(UploadPackError::Incomplete),
    }
}

impl Arguments<'_> {
    fn ls_refs(self) -> Result<LsRefs, UploadPackError> {
        let mut request = LsRefs::default();
        for line in &self.0 {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("peel", "") => request.peel = true,
                ("symrefs", "") => request.symrefs = true,
                ("unborn", "") => request.unborn = true,
                ("ref-prefix", prefix) => request.prefixes.push(prefix.to_owned()),
                _ => return Err(UploadPackError::malformed(line)),
            }
        }
        if request.prefixes.len() > PREFIXES_MAX {
            request.prefixes.clear();
        }
        Ok(request)
    }

    fn fetch(self) -> Result<FetchRequest, UploadPackError> {
        let mut request = FetchRequest::new();
        for line in self.0 {
            match line {
                // Deltas are ours to choose; we choose none.
                "thin-pack" | "ofs-delta" => {}
                "no-progress" => request.no_progress = true,
                "include-tag" => request.include_tag = true,
                _ if request.line(line)? => {}
                // Git sends only what was announced; a filter that was not is a mistake.
                _ => return Err(UploadPackError::malformed(line)),
            }
            if request.wants.len() > WANTS_MAX {
                return Err(UploadPackError::TooLong { lines_max: WANTS_MAX });
            }
        }
        if request.wants.is_empty() { Err(UploadPackError::Incomplete) } else { Ok(request) }
    }
}

/// Appends the answer to `ls-refs`: the refs asked for, out of all of these. `head_target` is the
/// branch that `HEAD` stands for, named when it does not exist yet.
pub fn write_refs(request: &LsRefs, refs: &[AdvertisedRef], head_target: &str, out: &mut Vec<u8>) {
    if request.unborn && request.shows("HEAD") && !refs.iter().any(|shown| shown.name == "HEAD") {
        write_line(format!("unborn HEAD symref-target:{head_target}\n").as_bytes(), out);
    }
    for shown in refs.iter().filter(|shown| request.shows(&shown.name)) {
        let mut line = format!("{} {}", shown.oid, shown.name);
        if let (true, Some(target)) = (request.symrefs, &shown.symref_target) {
            line += &format!(" symref-target:{target}");
        }
        if let (true, Some(peeled)) = (request.peel, shown.peeled) {
            line += &format!(" peeled:{peeled}");
        }
        write_line((line + "\n").as_bytes(), out);
    }
    write_flush(out);
}

/// Appends what we share. When that is enough the pack follows (after [`write_shallow`]);
/// otherwise this is the whole answer.
pub fn write_acknowledgments(common: &[GitOid], out: &mut Vec<u8>) {
    write_line(b"acknowledgments\n", out);
    for oid in common {
        write_line(format!("ACK {oid}\n").as_bytes(), out);
    }
    if common.is_empty() {
        write_line(b"NAK\n", out);
        write_flush(out);
    } else {
        write_line(b"ready\n", out);
        write_delimiter(out);
    }
}

/// Appends where history is cut now, and where it is no longer. To be left out when neither the
/// request nor the client's history nor ours is shallow.
pub fn write_shallow(shallow: &[GitOid], unshallow: &[GitOid], out: &mut Vec<u8>) {
    write_line(b"shallow-info\n", out);
    for oid in shallow {
        write_line(format!("shallow {oid}\n").as_bytes(), out);
    }
    for oid in unshallow {
        write_line(format!("unshallow {oid}\n").as_bytes(), out);
    }
    write_delimiter(out);
}

/// Appends the line after which the pack comes in side-band lines; a flush ends it.
pub fn write_pack_start(out: &mut Vec<u8>) {
    write_line(b"packfile\n", out);
}

#[cfg(test)]
mod tests {
    use super::super::{Depth, Stage};
    use super::*;
    use proptest::prelude::*;

    fn request(command: &str, arguments: &[&str]) -> Vec<u8> {
        let mut body = Vec::new();
        write_line(format!("command={command}\n").as_bytes(), &mut body);
        write_line(b"agent=git/2.47", &mut body);
        write_line(b"object-format=sha1", &mut body);
        write_delimiter(&mut body);
        for line in arguments {
            write_line(format!("{line}\n").as_bytes(), &mut body);
        }
        write_flush(&mut body);
        body
    }

    #[test]
    fn reads_what_git_sends() {
        let ls_refs = parse(
            &request("ls-refs", &["peel", "symrefs", "unborn", "ref-prefix HEAD", "ref-prefix refs/heads/"]),
            100,
        );
        let Ok(Request::LsRefs(ls_refs)) = ls_refs else { panic!("{ls_refs:?}") };
        assert!(
            ls_refs.peel && ls_refs.symrefs && ls_refs.unborn && ls_refs.shows("HEAD") && !ls_refs.shows("refs/tags/x")
        );

        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let lines = [
            "thin-pack",
            "no-progress",
            "include-tag",
            "ofs-delta",
            "deepen 1",
            &format!("want {a}"),
            &format!("want {a}"),
            &format!("have {b}"),
            "done",
        ];
        let fetch = parse(&request("fetch", &lines), 100);
        let Ok(Request::Fetch(fetch)) = fetch else { panic!("{fetch:?}") };
        assert_eq!(
            (fetch.wants.len(), fetch.haves.len(), fetch.depth, fetch.stage),
            (1, 1, Depth::Commits(1), Stage::Done)
        );
        assert_eq!(parse(b"0000", 100), Ok(Request::Nothing));
        assert_eq!(parse(b"", 100), Ok(Request::Nothing));
    }

    #[test]
    fn deepening_may_be_named_before_or_after_its_number() {
        let want = format!("want {}", "a".repeat(40));
        for lines in [["deepen 3", "deepen-relative", &want], ["deepen-relative", "deepen 3", &want]] {
            let Ok(Request::Fetch(fetch)) = parse(&request("fetch", &lines), 9) else { panic!("{lines:?}") };
            assert_eq!(fetch.depth, Depth::Deeper(3));
        }
    }

    #[test]
    fn malformed_requests_are_refused() {
        let want = format!("want {}", "a".repeat(40));
        for lines in [
            vec![],
            vec!["want x"],
            vec![&want, "deepen 0"],
            vec![&want, "deepen -1"],
            vec![&want, "filter blob:none"],
            vec![&want, "deepen-since 5"],
            vec![&want, "x"],
        ] {
            assert!(parse(&request("fetch", &lines), 100).is_err(), "{lines:?}");
        }
        assert!(parse(&request("push", &[]), 100).is_err());
        assert_eq!(parse(&request("fetch", &[want.as_str(); 50]), 20), Err(UploadPackError::TooLong { lines_max: 20 }));
        let whole = request("fetch", &[&want]);
        for end in 1..whole.len() {
            assert!(parse(&whole[..end], 100).is_err() || end == 4 + 14, "{end}");
        }
    }

    #[test]
    fn answers_are_those_of_the_protocol() {
        let refs = [AdvertisedRef {
            name: "HEAD".into(),
            oid: GitOid([1; 20]),
            peeled: None,
            symref_target: Some("refs/heads/main".into()),
        }];
        let mut out = Vec::new();
        write_refs(&LsRefs { symrefs: true, ..LsRefs::default() }, &refs, "refs/heads/main", &mut out);
        let expected = format!("0050{} HEAD symref-target:refs/heads/main\n0000", "01".repeat(20));
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        write_refs(&LsRefs { unborn: true, ..LsRefs::default() }, &[], "refs/heads/main", &mut out);
        assert_eq!(out, b"002eunborn HEAD symref-target:refs/heads/main\n0000");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), lines in proptest::collection::vec("[a-z\\- 0-9]{0,20}", 0..5)) {
            let _ = parse(&bytes, 10);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let _ = parse(&request("fetch", &lines), 10);
        }
    }
}
