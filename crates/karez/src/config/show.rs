//! Prints the settings in force: as a file that could be used, with the source of each value beside it.

use serde_json::{Value, json};

use super::Loaded;

impl Loaded {
    /// Returns the settings as text for people, or as JSON. Passwords and secret keys are hidden.
    ///
    /// # Errors
    /// Never in practice: settings are plain data.
    pub fn show(&self, as_json: bool) -> anyhow::Result<String> {
        let shown = self.values.iter().map(|(key, (value, source))| (key, hidden(key, value), source));
        if as_json {
            let list: serde_json::Map<String, Value> = shown
                .map(|(key, value, source)| (key.clone(), json!({ "value": value, "source": source.to_string() })))
                .collect();
            return Ok(serde_json::to_string_pretty(&list)?);
        }
        let (sections, top): (Vec<_>, Vec<_>) = shown.partition(|(key, ..)| key.contains('.'));
        let width = 48;
        let line = |name: &str, value: &Value, source: &super::Source| match value {
            Value::Null => format!("{:width$} # not set", format!("# {name} =")),
            value => format!("{:width$} # {source}", format!("{name} = {value}")),
        };
        let mut lines: Vec<String> = top.iter().map(|(key, value, source)| line(key, value, source)).collect();
        let mut section = "";
        for (key, value, source) in &sections {
            let (table, field) = key.split_once('.').unwrap_or(("", key));
            if table != section {
                section = table;
                lines.push(format!("\n[{table}]"));
            }
            lines.extend(explained(key).map(|words| format!("# {words}")));
            lines.push(line(field, value, source));
        }
        Ok(lines.join("\n"))
    }
}

/// Says of settings whose numbers weigh against each other what they are for.
fn explained(key: &str) -> Option<&'static str> {
    match key {
        "garbage.grace_secs" => {
            Some("What nothing refers to any more waits for so long before its bytes leave the disk.")
        }
        "garbage.round_secs" => Some("How often it is looked for."),
        "garbage.upload_grace_secs" => Some(
            "What a client sent or was told of does not begin to wait before: clients remember it for three weeks.",
        ),
        _ => None,
    }
}

/// Hides the secret for a provider, the password of a database address and the secret of a store address.
fn hidden(key: &str, value: &Value) -> Value {
    const HIDDEN: &str = "***";
    let Some(text) = value.as_str() else { return value.clone() };
    match key {
        "sign_in.client_secret" => Value::from(HIDDEN),
        "database" => {
            let Some((scheme, rest)) = text.split_once("://") else { return value.clone() };
            let Some((user, host)) = rest.rsplit_once('@') else { return value.clone() };
            let user = user.split_once(':').map_or(user.to_owned(), |(name, _)| format!("{name}:{HIDDEN}"));
            Value::from(format!("{scheme}://{user}@{host}"))
        }
        "store" => {
            let Some((place, query)) = text.split_once('?') else { return value.clone() };
            let hide = |pair: &str| match pair.split_once('=') {
                Some((name @ "secret_access_key", _)) => format!("{name}={HIDDEN}"),
                _ => pair.to_owned(),
            };
            let query: Vec<String> = query.split('&').map(hide).collect();
            Value::from(format!("{place}?{}", query.join("&")))
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Surroundings, load};
    use crate::cli::Overrides;

    #[test]
    fn what_is_shown_is_a_file_that_means_the_same() {
        let overrides = Overrides { log: Some("info".to_owned()), ..Overrides::default() };
        let loaded = load(&overrides, &Surroundings::default()).unwrap();
        let text = loaded.show(false).unwrap();
        assert!(text.lines().any(|line| line.starts_with("log = \"info\"") && line.ends_with("# --log")), "{text}");
        let again: super::super::Settings = toml::from_str(&text).unwrap();
        assert_eq!(again, loaded.settings);
    }

    #[test]
    fn secrets_are_hidden() {
        let overrides = Overrides {
            database: Some("postgres://karez:pass@word@db/karez".to_owned()),
            store: Some("s3://b?access_key_id=a&secret_access_key=hush".to_owned()),
            ..Overrides::default()
        };
        let loaded = load(&overrides, &Surroundings::default()).unwrap();
        for text in [loaded.show(false).unwrap(), loaded.show(true).unwrap()] {
            assert!(!text.contains("pass@word") && !text.contains("hush"), "{text}");
            assert!(text.contains("postgres://karez:***@db/karez"), "{text}");
        }
    }
}
