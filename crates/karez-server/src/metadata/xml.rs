//! Writing XML: text of others never ends a tag, and holds no character that XML forbids.

use std::fmt::Write as _;

use karez_types::Timestamp;

/// Returns a text as it stands between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            // XML 1.0, "Char".
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
            c => out.push(c),
        }
    }
    out
}

/// Appends `<name>text</name>`.
pub(super) fn element(out: &mut String, name: &str, text: &str) {
    writeln!(out, "<{name}>{}</{name}>", escaped(text)).expect("a String grows");
}

/// Returns a moment in whole seconds, as OAI-PMH and sitemaps write it.
pub(super) fn seconds(at: Timestamp) -> String {
    let exact = at.to_string();
    format!("{}Z", exact.get(..19).unwrap_or(&exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut out = String::new();
        element(&mut out, "t", "a<b>&\"'\u{0}\u{FFFF}]]>é");
        assert_eq!(out, "<t>a&lt;b&gt;&amp;&quot;&#39;]]&gt;é</t>\n");
        assert_eq!(seconds(Timestamp(1_700_000_000_999)), "2023-11-14T22:13:20Z");
    }
}
