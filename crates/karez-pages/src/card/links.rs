//! Links that say something else than they do. This looks at the HTML that is left, so it does not matter how a link
//! was written: in Markdown, as HTML, with parts of its words in other elements.
//!
//! What is looked for is an address in the words, not a likeness: letters that look like others, and pictures of
//! words, deceive as they do anywhere.

use crate::locale::shown;

/// Elements that stand in a line of text; the words on both sides of any other are apart.
const IN_LINE: [&str; 21] = [
    "a", "abbr", "b", "code", "del", "em", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strong",
    "sub", "sup", "u", "var", "img",
];

/// A link that is open.
struct OpenLink {
    /// Where it leads, when it leads out.
    address: Option<String>,
    /// What it says.
    words: String,
}

/// Takes HTML that passed the list of what may stay. Behind each link whose words name another host than it leads
/// to stands the true one, and characters that turn the direction of what follows are shown as their code.
pub(super) fn told(html: &str) -> String {
    let mut made = String::with_capacity(html.len() + html.len() / 16);
    let mut open: Vec<OpenLink> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, from_tag) = rest.split_at(at);
        say(&mut open, text);
        push_shown(&mut made, text);
        let end = tag_end(from_tag);
        let (tag, after) = from_tag.split_at(end);
        push_shown(&mut made, tag);
        rest = after;
        let name = tag.trim_start_matches(['<', '/']).split([' ', '>']).next().unwrap_or_default();
        match (name, tag.starts_with("</")) {
            ("a", false) => open.push(OpenLink { address: attribute(tag, "href"), words: String::new() }),
            ("a", true) => {
                if let Some(OpenLink { address: Some(address), words }) = open.pop()
                    && let Some(host) = misled(&words, &address)
                {
                    made.push_str(" [");
                    push_escaped(&mut made, &shown(&host));
                    made.push(']');
                }
            }
            ("img", _) => say(&mut open, &attribute(tag, "alt").unwrap_or_default()),
            (name, _) if !IN_LINE.contains(&name) => say(&mut open, " "),
            _ => {}
        }
    }
    say(&mut open, rest);
    push_shown(&mut made, rest);
    made
}

fn say(open: &mut [OpenLink], text: &str) {
    for link in open {
        link.words.push_str(text);
    }
}

/// Returns the length of a tag: to its first `>` outside of quotes.
fn tag_end(from_tag: &str) -> usize {
    let mut is_quoted = false;
    let end = from_tag.find(|c| {
        is_quoted ^= c == '"';
        c == '>' && !is_quoted
    });
    end.map_or(from_tag.len(), |end| end + 1)
}

/// Returns an attribute of a tag, as it stands there.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    value.split('"').next().map(str::to_owned)
}

fn push_escaped(made: &mut String, text: &str) {
    made.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
}

/// Characters that turn the direction of what follows (UAX 9: embeddings, overrides, isolates). The marks that
/// stand for one letter, which Arabic and Hebrew need, are none.
fn turns(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn push_shown(made: &mut String, html: &str) {
    let mut rest = html;
    while let Some(at) = rest.find(turns) {
        let c = rest[at..].chars().next().unwrap_or_default();
        made.push_str(&rest[..at]);
        made.push_str(&format!("&lt;U+{:04X}&gt;", u32::from(c)));
        rest = &rest[at + c.len_utf8()..];
    }
    made.push_str(rest);
}

/// Returns text as it is read: without entities and without what cannot be seen, in small letters, every sort of dot
/// and slash as the plain one.
fn as_read(html: &str) -> String {
    let text = html.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let text = text.replace("&amp;", "&");
    let is_seen = |c: &char| {
        !turns(*c)
            && !matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
    };
    let plain = |c: char| match c {
        '\u{3002}' | '\u{FF0E}' | '\u{FF61}' | '\u{2024}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{FF0F}' | '\u{29F8}' => '/',
        '\u{FF1A}' | '\u{A789}' | '\u{2236}' => ':',
        // Letters and digits of full width.
        '\u{FF10}'..='\u{FF5A}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        c => c,
    };
    text.chars().filter(is_seen).map(plain).flat_map(char::to_lowercase).collect()
}

/// Returns the host of a whole address, without its port; nothing for `mailto:` and what stays on the node.
fn host(address: &str) -> Option<&str> {
    let authority = address.split_once("://")?.1.trim_start_matches('/').split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.split(':').next().unwrap_or(host).trim_end_matches('.'))
}

/// Tells whether a piece of a text looks like the name of a host: parts between dots, the last of letters; or the
/// four numbers of an address.
fn is_like_host(piece: &str) -> bool {
    let parts: Vec<&str> = piece.split('.').collect();
    let is_part = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let last = parts.last().copied().unwrap_or_default();
    let is_name = last.starts_with("xn--") || (last.chars().count() >= 2 && last.chars().all(char::is_alphabetic));
    let is_number = parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
    parts.len() >= 2 && parts.iter().all(is_part) && (is_name || is_number)
}

/// Returns where a link leads when its words name another host.
fn misled(words: &str, address: &str) -> Option<String> {
    let (words, address) = (as_read(words), as_read(address));
    let own = host(&address)?.to_owned();
    let authority = address.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next()?;
    let said = words.trim().trim_end_matches('/');
    let bare = |text: &str| text.split_once("://").map_or(text.to_owned(), |(_, rest)| rest.to_owned());
    // The address itself, unless a name before an `@` makes it look like another.
    if !authority.contains('@') && bare(said) == bare(address.trim_end_matches('/')) {
        return None;
    }
    let plain = |host: &str| host.trim_start_matches("www.").to_owned();
    for token in words.split_whitespace() {
        // With a scheme it is meant to be an address, whatever the name looks like.
        if let Some(named) = host(token).filter(|named| !named.is_empty())
            && plain(named) != plain(&own)
        {
            return Some(own);
        }
        let pieces = token.split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_'));
        let is_other = |piece: &str| is_like_host(piece) && plain(piece) != plain(&own);
        if pieces.map(|piece| piece.trim_matches('.')).any(is_other) {
            return Some(own);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_names_another_host_says_where_it_leads() {
        let at = "https://evil.example/x";
        for words in [
            "https://bank.example",
            "bank.example",
            "www.bank.example/login",
            "Sign in at https://bank.example now",
            "(bank.example)",
            "bank.example.",
            "https://localhost/",
            "10.0.0.1",
            "<b>https://</b>bank.<i>ex</i>ample",
            "bank&#x200b;.example".replace("&#x200b;", "\u{200b}").as_str(),
            "bank。example",
            "ｂａｎｋ．ｅｘａｍｐｌｅ",
            "BANK.EXAMPLE",
            "банк.рф",
            "evil.example or bank.example",
            "https://evil.example@bank.example/",
            "<img alt=\"bank.example\" src=\"/a/m/resolve/main/x.png\">",
        ] {
            let html = told(&format!("<a href=\"{at}\">{words}</a>."));
            assert!(html.ends_with("</a> [evil.example]."), "{words}: {html}");
        }
        let with_user = told("<a href=\"https://bank.example@evil.example/\">https://bank.example@evil.example/</a>");
        assert!(with_user.ends_with(" [evil.example]"), "{with_user}");
        assert!(told("<a href=\"https:///evil.example\">bank.example</a>").ends_with(" [evil.example]"));
    }

    #[test]
    fn an_honest_link_stays_as_it_is() {
        for (address, words) in [
            ("https://bank.example/a.tar.gz", "https://bank.example/a.tar.gz"),
            ("https://bank.example/", "bank.example"),
            ("https://www.bank.example/a", "bank.example"),
            ("https://bank.example:8443/a", "see bank.example"),
            ("https://bank.example/?a=1&amp;b=2", "https://bank.example/?a=1&amp;b=2"),
            ("https://x.example/a", "read this, e.g. version 2.0 ..."),
            ("/alice/m", "README.md"),
            ("mailto:a@b.example", "a@b.example"),
        ] {
            let html = format!("<p><a href=\"{address}\">{words}</a></p>");
            assert_eq!(told(&html), html);
        }
    }

    #[test]
    fn what_turns_the_direction_is_shown() {
        assert_eq!(
            told("<p title=\"\u{2066}\">a\u{202E}b \u{200F}</p>"),
            "<p title=\"&lt;U+2066&gt;\">a&lt;U+202E&gt;b \u{200F}</p>"
        );
    }
}
