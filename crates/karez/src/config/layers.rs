//! Where settings come from: defaults, then the file, then `KAREZ_*` variables, then flags. The last one wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde_json::{Map, Value};

use super::Settings;
use crate::cli::Overrides;

/// The file that is read when it is there and no other is named.
const DEFAULT_FILE: &str = "karez.toml";
/// What names of variables begin with.
const ENV_PREFIX: &str = "KAREZ_";
/// Variables that are not settings: the file, and what tests use.
const ENV_OTHER: [&str; 2] = ["KAREZ_CONFIG", "KAREZ_TEST_"];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    Variable(String),
    Flag(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File(path) => path.display().fmt(f),
            Source::Variable(name) => f.write_str(name),
            Source::Flag(flag) => f.write_str(flag),
        }
    }
}

/// What surrounds the process, as a value, so that tests can make one up.
#[derive(Debug, Default)]
pub struct Surroundings {
    pub variables: Vec<(String, String)>,
    pub folder: PathBuf,
}

impl Surroundings {
    /// Returns the environment and the folder of this process.
    pub fn of_process() -> anyhow::Result<Surroundings> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        };
        let variables = std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect();
        Ok(Surroundings { variables, folder: std::env::current_dir().context("there is no current folder")? })
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Settings with the source of each.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// Value and source by dotted key.
    pub values: BTreeMap<String, (Value, Source)>,
    /// What looks wrong but does not stop the program.
    pub warnings: Vec<String>,
}

/// Reads all layers.
///
/// # Errors
/// With the name of the setting, where it was given, and what to write instead.
pub fn load(overrides: &Overrides, surroundings: &Surroundings) -> anyhow::Result<Loaded> {
    let mut layers = Layers::of_defaults();
    if let Some(path) = file_of(overrides, surroundings) {
        layers.add_file(&path, &surroundings.folder)?;
    }
    layers.add_variables(&surroundings.variables)?;
    layers.add_flags(overrides)?;
    let settings: Settings = serde_json::from_value(layers.nested()).context("the settings do not fit together")?;
    settings.check()?;
    Ok(Loaded { settings, values: layers.values, warnings: layers.warnings })
}

fn file_of(overrides: &Overrides, surroundings: &Surroundings) -> Option<PathBuf> {
    let named = overrides.config.clone().or_else(|| surroundings.variable("KAREZ_CONFIG").map(PathBuf::from));
    named.or_else(|| {
        let path = PathBuf::from(DEFAULT_FILE);
        surroundings.folder.join(&path).exists().then_some(path)
    })
}

struct Layers {
    values: BTreeMap<String, (Value, Source)>,
    warnings: Vec<String>,
}

impl Layers {
    fn of_defaults() -> Layers {
        let defaults = serde_json::to_value(Settings::default()).expect("settings are plain data");
        let mut flat = Vec::new();
        flatten("", &defaults, &mut flat);
        let values = flat.into_iter().map(|(key, value)| (key, (value, Source::Default))).collect();
        Layers { values, warnings: Vec::new() }
    }

    fn add_file(&mut self, path: &Path, folder: &Path) -> anyhow::Result<()> {
        let shown = path.display();
        let text = std::fs::read_to_string(folder.join(path)).with_context(|| format!("cannot read {shown}"))?;
        let table: toml::Table = text.parse().with_context(|| format!("{shown} is not correct TOML"))?;
        let mut flat = Vec::new();
        flatten("", &serde_json::to_value(table).context("not plain data")?, &mut flat);
        for (key, value) in flat {
            self.put(&key, value, Source::File(path.to_path_buf()))?;
        }
        Ok(())
    }

    /// A variable that names no setting is only warned about: systems that run containers put
    /// variables such as `KAREZ_PORT` there by themselves.
    fn add_variables(&mut self, variables: &[(String, String)]) -> anyhow::Result<()> {
        let known: Vec<(String, String)> = self.values.keys().map(|key| (variable_of(key), key.clone())).collect();
        for (name, text) in variables.iter().filter(|(name, _)| !ENV_OTHER.iter().any(|other| name.starts_with(other)))
        {
            match known.iter().find(|(variable, _)| variable == name) {
                Some((_, key)) => self.put_text(key, text, Source::Variable(name.clone()))?,
                None => {
                    let near = nearest(name, known.iter().map(|(variable, _)| variable.as_str()));
                    self.warnings.push(format!("the variable {name} is not a setting{near}"));
                }
            }
        }
        Ok(())
    }

    fn add_flags(&mut self, overrides: &Overrides) -> anyhow::Result<()> {
        let named = [
            ("listen", &overrides.listen),
            ("public_url", &overrides.public_url),
            ("data_dir", &overrides.data_dir),
            ("database", &overrides.database),
            ("store", &overrides.store),
            ("log", &overrides.log),
        ];
        for (key, text) in named {
            if let Some(text) = text {
                self.put_text(key, text, Source::Flag(format!("--{}", key.replace('_', "-"))))?;
            }
        }
        for pair in &overrides.set {
            let (key, text) = pair.split_once('=').ok_or_else(|| anyhow!("--set {pair}: write NAME=VALUE"))?;
            self.put_text(key, text, Source::Flag("--set".to_owned()))?;
        }
        Ok(())
    }

    /// Puts a value that came as text: what the default is, it must be too.
    fn put_text(&mut self, key: &str, text: &str, source: Source) -> anyhow::Result<()> {
        let old = self.values.get(key).map(|(value, _)| value);
        let value = match old {
            Some(Value::Number(_)) => {
                text.replace('_', "").parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
            }
            Some(Value::Bool(_)) => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
            _ => Value::from(text),
        };
        self.put(key, value, source)
    }

    fn put(&mut self, key: &str, value: Value, source: Source) -> anyhow::Result<()> {
        let Some((old, _)) = self.values.get(key) else {
            let near = nearest(key, self.values.keys().map(String::as_str));
            bail!("{source}: there is no setting {key}{near}");
        };
        let (fits, kind) = match old {
            Value::Number(_) => (value.is_u64(), "a whole number, without a unit"),
            Value::Bool(_) => (value.is_boolean(), "true or false"),
            _ => (value.is_string(), "a text in quotes"),
        };
        if !fits {
            bail!("{source}: the setting {key} must be {kind}, not {value}");
        }
        self.values.insert(key.to_owned(), (value, source));
        Ok(())
    }

    fn nested(&self) -> Value {
        let mut root = Map::new();
        for (key, (value, _)) in &self.values {
            let (table, field) = match key.split_once('.') {
                Some((section, field)) => {
                    let table = root.entry(section).or_insert_with(|| Value::Object(Map::new()));
                    (table.as_object_mut().expect("a section holds fields only"), field)
                }
                None => (&mut root, key.as_str()),
            };
            table.insert(field.to_owned(), value.clone());
        }
        Value::Object(root)
    }
}

/// Returns `KAREZ_LIMITS_XORB_BYTES_MAX` for `limits.xorb_bytes_max`.
fn variable_of(key: &str) -> String {
    format!("{ENV_PREFIX}{}", key.replace('.', "_").to_ascii_uppercase())
}

fn flatten(prefix: &str, value: &Value, flat: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let key = if prefix.is_empty() { field.clone() } else { format!("{prefix}.{field}") };
                flatten(&key, value, flat);
            }
        }
        value => flat.push((prefix.to_owned(), value.clone())),
    }
}

/// Returns `; did you mean …?` with the most similar name, or nothing when none is near.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    const SIMILAR_ENOUGH: f64 = 0.7;
    let best = known.map(|candidate| {
        // `xorb_bytes_max` alone most likely means `limits.xorb_bytes_max`.
        let last = candidate.rsplit('.').next().unwrap_or(candidate);
        (strsim::jaro_winkler(name, candidate).max(strsim::jaro_winkler(name, last)), candidate)
    });
    match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((similarity, candidate)) if similarity >= SIMILAR_ENOUGH => format!("; did you mean {candidate}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(variables: &[(&str, &str)], file: Option<&str>) -> (Surroundings, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            std::fs::write(folder.path().join(DEFAULT_FILE), text).unwrap();
        }
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        (Surroundings { variables, folder: folder.path().to_path_buf() }, folder)
    }

    fn failure(overrides: &Overrides, surroundings: &Surroundings) -> String {
        format!("{:#}", load(overrides, surroundings).unwrap_err())
    }

    #[test]
    fn the_last_layer_wins_and_is_named() {
        let file = "listen = '1.1.1.1:1'\nlog = 'info'\nstop_secs_max = 5\n[limits]\nxorb_chunks_max = 10\n";
        let variables = [("KAREZ_LOG", "debug"), ("KAREZ_STOP_SECS_MAX", "6"), ("KAREZ_LIMITS_REPO_REFS_MAX", "1_000")];
        let (surroundings, _folder) = surroundings(&variables, Some(file));
        let overrides = Overrides { set: vec!["stop_secs_max=7".to_owned()], ..Overrides::default() };
        let loaded = load(&overrides, &surroundings).unwrap();
        assert_eq!(loaded.settings.listen, "1.1.1.1:1");
        assert_eq!(loaded.settings.log, "debug");
        assert_eq!(loaded.settings.stop_secs_max, 7);
        assert_eq!(loaded.settings.limits.xorb_chunks_max, 10);
        assert_eq!(loaded.settings.limits.repo_refs_max, 1000);
        let source = |key: &str| loaded.values[key].1.to_string();
        assert_eq!(source("listen"), "karez.toml");
        assert_eq!(source("log"), "KAREZ_LOG");
        assert_eq!(source("stop_secs_max"), "--set");
        assert_eq!(source("data_dir"), "default");
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest() {
        let (one, _folder) = surroundings(&[], Some("listn = 'x'"));
        assert_eq!(failure(&Overrides::default(), &one), "karez.toml: there is no setting listn; did you mean listen?");
        let (two, _folder) = surroundings(&[], Some("[limits]\nxorb_byte_max = 1"));
        assert!(failure(&Overrides::default(), &two).ends_with("did you mean limits.xorb_bytes_max?"));
        let overrides = Overrides { set: vec!["xorb_bytes_max=1".to_owned()], ..Overrides::default() };
        assert!(failure(&overrides, &Surroundings::default()).ends_with("did you mean limits.xorb_bytes_max?"));
    }

    #[test]
    fn unknown_variables_are_warned_about() {
        let variables = [("KAREZ_DATADIR", "x"), ("KAREZ_TEST_S3", "x"), ("KAREZ_CONFIG", "other.toml")];
        let (surroundings, folder) = surroundings(&variables, None);
        std::fs::write(folder.path().join("other.toml"), "log = 'error'").unwrap();
        let loaded = load(&Overrides::default(), &surroundings).unwrap();
        assert_eq!(loaded.warnings, ["the variable KAREZ_DATADIR is not a setting; did you mean KAREZ_DATA_DIR?"]);
        assert_eq!(loaded.settings.log, "error");
    }

    #[test]
    fn wrong_values_are_refused_with_what_to_write() {
        let cases = [
            ("stop_secs_max = '5s'", "must be a whole number, without a unit"),
            ("stop_secs_max = -1", "must be a whole number"),
            ("listen = 8080", "must be a text in quotes"),
            ("limits = 5", "there is no setting limits"),
            ("listen = [1]", "must be a text in quotes"),
            ("listen", "is not correct TOML"),
            ("database = 'mysql://x'", "must begin with sqlite: or postgres://"),
            ("public_url = 'hub.example.org'", "must look like https://hub.example.org"),
            ("public_url = 'https://x/path'", "without a path"),
            ("store = 's3://'", "the store setting is wrong"),
            ("[network]\ncongestion = 'fast'", "the setting network.congestion"),
            ("[network]\npace_bytes_per_sec = '1 MB'", "must be a whole number, without a unit"),
            ("[garbage]\ngrace_secs = 3600", "must be at least 86400"),
            ("[garbage]\nupload_grace_secs = 3600", "must be at least 604800"),
            ("[garbage]\nround_secs = 0", "must be between 60 and 86400"),
            ("[garbage]\ngrace_secs = 90000\n[limits]\nsigned_url_secs = 100000", "must be at least 100000"),
            ("[sign_in]\nnew_people = 'yes'", "must be true or false"),
            ("[sign_in]\nclient_id = 'karez'", "needs an issuer"),
            ("[sign_in]\nissuer = 'http://id.example.org'\nclient_id = 'karez'", "must begin with https://"),
        ];
        for (text, expected) in cases {
            let (surroundings, _folder) = surroundings(&[], Some(text));
            let said = failure(&Overrides::default(), &surroundings);
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn yes_and_no_come_from_variables_too_and_secrets_are_hidden() {
        let variables = [("KAREZ_SIGN_IN_NEW_PEOPLE", "true"), ("KAREZ_SIGN_IN_CLIENT_SECRET", "not to be shown")];
        let file = "[sign_in]\nissuer = 'https://id.example.org'\nclient_id = 'karez'\nallow_private = true";
        let (surroundings, _folder) = surroundings(&variables, Some(file));
        let loaded = load(&Overrides::default(), &surroundings).unwrap();
        assert!(loaded.settings.sign_in.new_people && loaded.settings.sign_in.allow_private);
        assert_eq!(loaded.settings.sign_in.client_secret.as_deref(), Some("not to be shown"));
        for as_json in [false, true] {
            assert!(!loaded.show(as_json).unwrap().contains("not to be shown"));
        }
    }

    #[test]
    fn a_named_file_must_be_there() {
        let overrides = Overrides { config: Some("missing.toml".into()), ..Overrides::default() };
        let (surroundings, _folder) = surroundings(&[], None);
        assert!(failure(&overrides, &surroundings).starts_with("cannot read missing.toml"));
    }
}
