//! Which files of a repository are fetched, and in which order.
//!
//! Many repositories hold the same weights several times: safetensors, PyTorch's pickle, ONNX, twenty
//! quantisations. A [`FileChoice`] keeps one variant. [`fetch_order`] lets a person begin early: what a
//! loader reads first comes first, then small before large.

use karez_formats::safetensors::header_end;
use serde::{Deserialize, Serialize};

use super::glob::Glob;

/// Formats of weights that stand for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// `.safetensors`
    Safetensors,
    /// `.gguf`, llama.cpp
    Gguf,
    /// PyTorch's pickles: `.bin`, `.pt`, `.pth`, `.ckpt`
    Pickle,
    /// `.onnx` and its `.onnx_data`
    Onnx,
    /// Keras and TensorFlow: `.h5`, `.keras`, `.tflite`, `.pb`
    Tensorflow,
    /// Flax: `.msgpack`
    Flax,
}

impl WeightFormat {
    /// Returns the word for rules and people.
    pub fn word(self) -> &'static str {
        match self {
            WeightFormat::Safetensors => "safetensors",
            WeightFormat::Gguf => "gguf",
            WeightFormat::Pickle => "pickle",
            WeightFormat::Onnx => "onnx",
            WeightFormat::Tensorflow => "tensorflow",
            WeightFormat::Flax => "flax",
        }
    }

    /// Returns the format that a path names.
    pub fn of(path: &str) -> Option<WeightFormat> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let format = match name.rsplit_once('.')?.1 {
            "safetensors" => WeightFormat::Safetensors,
            "gguf" => WeightFormat::Gguf,
            "bin" | "pt" | "pth" | "ckpt" => WeightFormat::Pickle,
            "onnx" | "onnx_data" => WeightFormat::Onnx,
            "h5" | "keras" | "tflite" | "pb" => WeightFormat::Tensorflow,
            "msgpack" => WeightFormat::Flax,
            _ => return None,
        };
        // Optimizer states and training arguments are pickles too, but no weights.
        let is_other = ["training_args", "optimizer", "scheduler", "rng_state", "vocab", "spiece"]
            .iter()
            .any(|other| name.starts_with(other));
        (!is_other).then_some(format)
    }
}

/// Which files of a repository are fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileChoice {
    /// Only these; none: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<Glob>,
    /// Not these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Glob>,
    /// One variant of the weights: the first of these formats that the repository has. None: all formats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<WeightFormat>,
    /// Of that format, the weights whose path has this word (`fp16`, `Q4_K_M`), if there are such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// The quantisation that is taken of many when one variant is wanted and none is named: the one that
/// llama.cpp and Ollama take.
const GGUF_VARIANT: &str = "q4_k_m";

/// Says which files, in words.
impl std::fmt::Display for FileChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let globs = |globs: &[Glob]| globs.iter().map(Glob::as_str).collect::<Vec<_>>().join(" or ");
        let mut said = Vec::new();
        if !self.include.is_empty() {
            said.push(format!("only {}", globs(&self.include)));
        }
        if !self.exclude.is_empty() {
            said.push(format!("not {}", globs(&self.exclude)));
        }
        if !self.formats.is_empty() {
            let words: Vec<&str> = self.formats.iter().map(|format| format.word()).collect();
            said.push(format!("weights as {}", words.join(" or else ")));
        }
        said.extend(self.variant.as_ref().map(|variant| format!("variant {variant}")));
        f.write_str(&said.join(", "))
    }
}

impl FileChoice {
    /// Tells whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == FileChoice::default()
    }

    /// Tells for each path whether it is fetched.
    pub fn choose<P: AsRef<str>>(&self, paths: &[P]) -> Vec<bool> {
        let any = |globs: &[Glob], path: &str| globs.iter().any(|glob| glob.matches(path));
        let wanted = |path: &str| (self.include.is_empty() || any(&self.include, path)) && !any(&self.exclude, path);
        let mut chosen: Vec<bool> = paths.iter().map(|path| wanted(path.as_ref())).collect();
        let has = |chosen: &[bool], format| {
            paths.iter().zip(chosen).any(|(path, &is_in)| is_in && WeightFormat::of(path.as_ref()) == Some(format))
        };
        let format = self.formats.iter().copied().find(|&format| has(&chosen, format));
        if let Some(format) = format {
            for (path, is_in) in paths.iter().zip(&mut chosen) {
                *is_in &= WeightFormat::of(path.as_ref()).is_none_or(|this| this == format);
            }
        }
        let default_variant = (format == Some(WeightFormat::Gguf)).then_some(GGUF_VARIANT);
        if let Some(word) = self.variant.as_deref().or(default_variant) {
            let word = word.to_ascii_lowercase();
            let is_variant = |path: &str| path.to_ascii_lowercase().contains(&word);
            let is_weights = |path: &str| WeightFormat::of(path).is_some();
            let is_there = paths
                .iter()
                .zip(&chosen)
                .any(|(path, &is_in)| is_in && is_weights(path.as_ref()) && is_variant(path.as_ref()));
            for (path, is_in) in paths.iter().zip(&mut chosen).filter(|_| is_there) {
                *is_in &= !is_weights(path.as_ref()) || is_variant(path.as_ref());
            }
        }
        chosen
    }
}

/// When a file comes, first to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Turn {
    /// Somebody waits for exactly this.
    Asked,
    /// Configuration: what the loader opens first.
    Config,
    /// Tokenizer and processor.
    Tokenizer,
    /// Card and licence.
    Card,
    /// Index of sharded weights.
    Index,
    /// The first bytes of safetensors and GGUF: names, types and shapes of all tensors.
    Header,
    /// Everything else that is small.
    Small,
    /// Weights.
    Weights,
    /// Large files that are no weights.
    Rest,
}

/// One thing to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which file, by its place in what was given.
    pub file: usize,
    /// Why now.
    pub turn: Turn,
    /// Only so many bytes from its beginning; unset: the whole file.
    pub head_bytes: Option<u64>,
}

/// Bytes of a header that are fetched before any weights. The first 8 of safetensors say how long it is;
/// headers of real shards are 20 to 150 KiB, so one request of this length nearly always has all.
pub const HEADER_BYTES: u64 = 256 << 10;
/// Returns where the header of safetensors ends whose first bytes these are, as far as it comes before any weights.
/// Of GGUF nothing says how long it is.
pub fn head_end(path: &str, head: &[u8]) -> u64 {
    match WeightFormat::of(path) {
        Some(WeightFormat::Safetensors) => header_end(head).map_or(0, |end| end.min(SMALL_BYTES_MAX)),
        _ => HEADER_BYTES,
    }
}

/// A file up to this length is small: a few seconds at 2 Mbit/s.
pub const SMALL_BYTES_MAX: u64 = 1 << 20;

/// Returns the turn of a file by its path and length.
pub fn turn_of(path: &str, file_bytes: u64) -> Turn {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    let ends = |words: &[&str]| words.iter().any(|word| name.ends_with(word));
    if file_bytes > SMALL_BYTES_MAX && !starts(&["tokenizer", "vocab", "spiece", "sentencepiece"]) {
        return if WeightFormat::of(path).is_some() { Turn::Weights } else { Turn::Rest };
    }
    if starts(&["tokenizer", "vocab", "merges.txt", "spiece", "sentencepiece", "special_tokens", "added_tokens"])
        || ends(&[".tiktoken", "preprocessor_config.json", "processor_config.json", "chat_template.jinja"])
    {
        Turn::Tokenizer
    } else if ends(&[".index.json"]) && !starts(&["model_index"]) {
        Turn::Index
    } else if ends(&["config.json", "params.json", "model_index.json", "dataset_infos.json", "modelfile"]) {
        Turn::Config
    } else if starts(&["readme", "license", "licence", "notice"]) {
        Turn::Card
    } else {
        Turn::Small
    }
}

/// Returns what to fetch of these files (path and length), in order. `asked` names files that somebody
/// waits for: they come before the rest of their repository.
pub fn fetch_order<P: AsRef<str>>(files: &[(P, u64)], asked: &[usize]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(files.len() * 2);
    for (file, (path, file_bytes)) in files.iter().enumerate() {
        let path = path.as_ref();
        let turn = if asked.contains(&file) { Turn::Asked } else { turn_of(path, *file_bytes) };
        steps.push(Step { file, turn, head_bytes: None });
        let has_header = matches!(WeightFormat::of(path), Some(WeightFormat::Safetensors | WeightFormat::Gguf));
        if turn == Turn::Weights && has_header {
            steps.push(Step { file, turn: Turn::Header, head_bytes: Some(HEADER_BYTES.min(*file_bytes)) });
        }
    }
    steps.sort_by(|a, b| {
        let key = |step: &Step| (step.turn, step.head_bytes.unwrap_or(files[step.file].1));
        key(a).cmp(&key(b)).then_with(|| files[a.file].0.as_ref().cmp(files[b.file].0.as_ref()))
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(choice: &str, paths: &[&str]) -> Vec<String> {
        let choice: FileChoice = serde_json::from_str(choice).unwrap();
        let marks = choice.choose(paths);
        paths.iter().zip(marks).filter(|(_, is_in)| *is_in).map(|(path, _)| (*path).to_owned()).collect()
    }

    #[test]
    fn one_variant_of_the_weights() {
        let paths = [
            "config.json",
            "model.safetensors",
            "model.fp16.safetensors",
            "pytorch_model.bin",
            "onnx/model.onnx",
            "training_args.bin",
            "tf_model.h5",
        ];
        assert_eq!(chosen("{}", &paths).len(), 7);
        assert_eq!(
            chosen(r#"{"formats":["gguf","safetensors","pickle"]}"#, &paths),
            ["config.json", "model.safetensors", "model.fp16.safetensors", "training_args.bin"]
        );
        assert_eq!(
            chosen(r#"{"formats":["safetensors"],"variant":"fp16","exclude":["training_args*"]}"#, &paths),
            ["config.json", "model.fp16.safetensors"]
        );
        assert_eq!(chosen(r#"{"include":["*.onnx","*.json"]}"#, &paths), ["config.json", "onnx/model.onnx"]);
        // A variant that is not there leaves the weights as they are: better too much than nothing.
        assert_eq!(chosen(r#"{"formats":["flax","tensorflow"],"variant":"int8"}"#, &paths).len(), 3);
        let quantised = ["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "README.md"];
        assert_eq!(chosen(r#"{"formats":["gguf"]}"#, &quantised), ["m-Q4_K_M.gguf", "README.md"]);
        assert_eq!(chosen(r#"{"formats":["gguf"],"variant":"q8_0"}"#, &quantised), ["m-Q8_0.gguf", "README.md"]);
        assert!(serde_json::from_str::<FileChoice>(r#"{"includes":[]}"#).is_err());
    }

    #[test]
    fn a_loader_gets_first_what_it_reads_first() {
        let files = [
            ("model-00002-of-00002.safetensors", 4_000_000_000),
            ("model-00001-of-00002.safetensors", 5_000_000_000),
            ("model.safetensors.index.json", 30_000),
            ("samples/talk.mp4", 90_000_000),
            ("README.md", 9_000),
            ("generation_config.json", 200),
            ("tokenizer.json", 9_000_000),
            ("config.json", 700),
            ("custom.py", 3_000),
            ("pytorch_model.bin", 9_000_000_000),
        ];
        let order = fetch_order(&files, &[]);
        let said: Vec<_> = order.iter().map(|step| (files[step.file].0, step.head_bytes)).collect();
        assert_eq!(
            said,
            [
                ("generation_config.json", None),
                ("config.json", None),
                ("tokenizer.json", None),
                ("README.md", None),
                ("model.safetensors.index.json", None),
                ("model-00001-of-00002.safetensors", Some(HEADER_BYTES)),
                ("model-00002-of-00002.safetensors", Some(HEADER_BYTES)),
                ("custom.py", None),
                ("model-00002-of-00002.safetensors", None),
                ("model-00001-of-00002.safetensors", None),
                ("pytorch_model.bin", None),
                ("samples/talk.mp4", None),
            ]
        );
        assert_eq!(fetch_order(&files, &[9])[0].file, 9, "what somebody waits for comes before all");
    }
}
