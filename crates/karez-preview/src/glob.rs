//! Patterns of paths as the `datasets` library resolves them: `*` and `?` within one part of a path, `[...]`, and
//! `**` over any number of parts.

/// Tells whether a path fits a pattern.
pub fn fits(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.trim_start_matches("./").split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    // One row of a table over the parts of the path: linear in memory, and no pattern makes it more than their product.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for (number, part) in pattern.iter().enumerate() {
        let is_last = number + 1 == pattern.len();
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            if *part == "**" {
                // At the end it stands for files: at least one part.
                let before = (0..at + usize::from(!is_last)).any(|from| reached[from]);
                next[at] = before || (!is_last && reached[at]);
            } else if at > 0 && reached[at - 1] {
                next[at] = part_fits(part, path[at - 1]);
            }
        }
        reached = next;
    }
    reached[path.len()]
}

/// Tells whether a pattern holds anything but a plain path.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn part_fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some('?') => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            Some('[') => {
                if let Some((is_in, after)) = class(&pattern, p, text[t]) {
                    if is_in {
                        (p, t) = (after, t + 1);
                        continue;
                    }
                } else if text[t] == '[' {
                    (p, t) = (p + 1, t + 1);
                    continue;
                }
            }
            Some(&c) if c == text[t] => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            _ => {}
        }
        let Some((star_p, star_t)) = star else { return false };
        star = Some((star_p, star_t + 1));
        (p, t) = (star_p + 1, star_t + 1);
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Returns whether a character is in the class that begins here, and where the pattern goes on behind it.
fn class(pattern: &[char], start: usize, c: char) -> Option<(bool, usize)> {
    let close = (start + 2..pattern.len()).find(|&at| pattern[at] == ']')?;
    let mut members = &pattern[start + 1..close];
    let is_not = members.first().is_some_and(|first| *first == '!' || *first == '^');
    if is_not {
        members = &members[1..];
    }
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        if at + 2 < members.len() && members[at + 1] == '-' {
            found |= (members[at]..=members[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= members[at] == c;
            at += 1;
        }
    }
    Some((found != is_not, close + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_those_of_the_library() {
        for (pattern, path, is_fit) in [
            ("**", "a.csv", true),
            ("**", "x/y/a.csv", true),
            ("*.csv", "a.csv", true),
            ("*.csv", "x/a.csv", false),
            ("data/*", "data/a.csv", true),
            ("data/**", "data/x/a.csv", true),
            ("data/**", "data", false),
            ("**/train[-._ 0-9]*", "train-1.csv", true),
            ("**/train[-._ 0-9]*", "x/y/train.csv", true),
            ("**/train[-._ 0-9]*", "training.csv", false),
            ("**/*[-._ 0-9]train/**", "my_train/a/b.csv", true),
            ("**/train/**", "train/a.csv", true),
            ("**/train/**", "a/train", false),
            ("data/*-[0-9][0-9].csv", "data/a-07.csv", true),
            ("a?c[!x]", "abcd", true),
            ("a?c[!x]", "abcx", false),
            ("./a.csv", "a.csv", true),
        ] {
            assert_eq!(fits(pattern, path), is_fit, "{pattern} {path}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[a\\*\\[\\]!?/-]{0,60}", path in "[a/]{0,60}") {
            fits(&pattern, &path);
        }
    }
}
