//! Version 0: refs first, then wants and haves.

use karez_types::GitOid;

use super::{AGENT, AdvertisedRef, FetchRequest, Stage, UploadPackError, WANTS_MAX, text};
use crate::git::{Pkt, PktReader, write_flush, write_line};

/// What this side can do. `multi_ack_detailed` is needed for a client to tell us over HTTP in its
/// last request what we share.
const CAPABILITIES: &str = "multi_ack_detailed side-band-64k thin-pack ofs-delta shallow deepen-relative no-progress include-tag object-format=sha1";

/// Appends the first answer: all refs, what this side can do, and the commits at which history ends here
/// although they have parents.
pub fn write_advertisement(refs: &[AdvertisedRef], shallow: &[GitOid], out: &mut Vec<u8>) {
    write_line(b"# service=git-upload-pack\n", out);
    write_flush(out);
    let head = refs.iter().find_map(|shown| Some((&shown.name, shown.symref_target.as_ref()?)));
    let symref = head.map_or_else(String::new, |(name, target)| format!(" symref={name}:{target}"));
    let mut capabilities = Some(format!("\0{CAPABILITIES}{symref} {AGENT}"));
    let mut line = |oid: GitOid, name: &str| {
        let line = format!("{oid} {name}{}\n", capabilities.take().unwrap_or_default());
        write_line(line.as_bytes(), out);
    };
    if refs.is_empty() {
        line(GitOid([0; 20]), "capabilities^{}");
    }
    for shown in refs {
        line(shown.oid, &shown.name);
        if let Some(peeled) = shown.peeled {
            line(peeled, &format!("{}^{{}}", shown.name));
        }
    }
    for oid in shallow {
        write_line(format!("shallow {oid}\n").as_bytes(), out);
    }
    write_flush(out);
}

/// Reads a request of at most `lines_max` lines; `None` for an empty one, with which git asks
/// whether it may ask.
///
/// # Errors
/// When the bytes break the protocol or ask for what was not announced.
pub fn parse(body: &[u8], lines_max: usize) -> Result<Option<FetchRequest>, UploadPackError> {
    let mut request =
        FetchRequest { stage: Stage::Shallow, side_band: false, pack_when_ready: false, ..FetchRequest::new() };
    let mut lines = PktReader::new(body).enumerate();
    let mut wants_are_read = false;
    while let Some((count, pkt)) = lines.next() {
        if count >= lines_max || request.wants.len() > WANTS_MAX {
            return Err(UploadPackError::TooLong { lines_max: lines_max.min(WANTS_MAX) });
        }
        let line = match pkt? {
            Pkt::Data(line) => text(line)?,
            Pkt::Flush if request.wants.is_empty() => break,
            Pkt::Flush if wants_are_read => continue,
            Pkt::Flush => {
                wants_are_read = true;
                if lines.clone().next().is_some() {
                    request.stage = Stage::Negotiate;
                }
                continue;
            }
            Pkt::Delimiter | Pkt::ResponseEnd => return Err(UploadPackError::Incomplete),
        };
        let is_expected = match line.split(' ').next() {
            Some("want" | "shallow" | "deepen") => !wants_are_read,
            Some("have" | "done") => wants_are_read,
            _ => false,
        };
        if !is_expected {
            // Also names the two kinds of --shallow that we leave out.
            request.line(line)?;
            return Err(UploadPackError::malformed(line));
        }
        let line = if request.wants.is_empty() { take_capabilities(line, &mut request) } else { line };
        request.line(line)?;
        if request.stage == Stage::Done {
            break;
        }
    }
    match (request.wants.is_empty(), wants_are_read) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(request)),
        (false, false) => Err(UploadPackError::Incomplete),
    }
}

/// Takes off what follows the first want.
fn take_capabilities<'a>(line: &'a str, request: &mut FetchRequest) -> &'a str {
    let end = line.match_indices(' ').nth(1).map_or(line.len(), |(position, _)| position);
    for word in line[end..].split_ascii_whitespace() {
        match word {
            "side-band-64k" => request.side_band = true,
            "include-tag" => request.include_tag = true,
            "no-progress" => request.no_progress = true,
            // Turns the number of `deepen` around, which comes later.
            "deepen-relative" => request.depth = super::Depth::Deeper(1),
            _ => {}
        }
    }
    &line[..end]
}

/// Appends where history is cut now, and where it is no longer. Only for a request with a depth.
pub fn write_shallow(shallow: &[GitOid], unshallow: &[GitOid], out: &mut Vec<u8>) {
    for oid in shallow {
        write_line(format!("shallow {oid}").as_bytes(), out);
    }
    for oid in unshallow {
        write_line(format!("unshallow {oid}").as_bytes(), out);
    }
    write_flush(out);
}

/// Appends what we share. At [`Stage::Done`] the pack follows; otherwise this is the whole answer.
pub fn write_acknowledgments(stage: Stage, common: &[GitOid], out: &mut Vec<u8>) {
    for oid in common {
        write_line(format!("ACK {oid} common\n").as_bytes(), out);
    }
    match (stage, common.last()) {
        (Stage::Done, Some(last)) => write_line(format!("ACK {last}\n").as_bytes(), out),
        (Stage::Done, None) | (_, None) => write_line(b"NAK\n", out),
        (_, Some(last)) => {
            write_line(format!("ACK {last} ready\n").as_bytes(), out);
            write_line(b"NAK\n", out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Depth;
    use super::*;
    use proptest::prelude::*;

    fn body(lines: &[&str]) -> Vec<u8> {
        let mut body = Vec::new();
        for line in lines {
            if line.is_empty() { write_flush(&mut body) } else { write_line(format!("{line}\n").as_bytes(), &mut body) }
        }
        body
    }

    #[test]
    fn reads_what_git_sends() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let want = format!("want {a} multi_ack_detailed side-band-64k include-tag agent=git/2.20");
        let clone = parse(&body(&[&want, &format!("want {b}"), "", "done"]), 100).unwrap().unwrap();
        assert_eq!((clone.wants.len(), clone.stage, clone.side_band, clone.include_tag), (2, Stage::Done, true, true));
        let fetch = parse(&body(&[&want, "", &format!("have {b}"), ""]), 100).unwrap().unwrap();
        assert_eq!((fetch.haves.len(), fetch.stage), (1, Stage::Negotiate));
        let shallow = parse(&body(&[&want, &format!("shallow {b}"), "deepen 2", ""]), 100).unwrap().unwrap();
        assert_eq!((shallow.depth, shallow.stage, shallow.shallow.len()), (Depth::Commits(2), Stage::Shallow, 1));
        let deeper = parse(&body(&[&format!("{want} deepen-relative"), "deepen 2", "", "done"]), 100).unwrap().unwrap();
        assert_eq!(deeper.depth, Depth::Deeper(2));
        assert_eq!(parse(b"0000", 100), Ok(None));
    }

    #[test]
    fn malformed_requests_are_refused() {
        let want = format!("want {}", "a".repeat(40));
        let have = format!("have {}", "a".repeat(40));
        for lines in [
            vec![&*want],
            vec![&have],
            vec!["want x", ""],
            vec![&want, &have, ""],
            vec![&want, "", &want],
            vec![&want, "x", ""],
            vec![&want, "deepen-not refs/heads/x", ""],
        ] {
            assert!(parse(&body(&lines), 100).is_err(), "{lines:?}");
        }
        assert!(parse(&body(&[want.as_str(); 50]), 20).is_err());
    }

    #[test]
    fn an_empty_repository_still_says_what_it_can_do() {
        let mut out = Vec::new();
        write_advertisement(&[], &[], &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("001e# service=git-upload-pack\n0000")
                && text.contains(&format!("{} capabilities^{{}}\0", "0".repeat(40)))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), lines in proptest::collection::vec("[a-z\\- 0-9]{0,20}", 0..5)) {
            let _ = parse(&bytes, 10);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let _ = parse(&body(&lines), 10);
        }
    }
}
