//! What an image says besides the model: how prompts are framed, where answers stop, a config.
//!
//! All of it follows from the GGUF file alone, byte for byte, so every node gives the same digests.

use bytes::Bytes;
use karez_formats::gguf::Gguf;
use karez_types::Sha256;
use serde_json::json;
use sha2::Digest;

use super::OllamaLayer;

pub(super) const MODEL: &str = "application/vnd.ollama.image.model";
pub(super) const PROJECTOR: &str = "application/vnd.ollama.image.projector";
pub(super) const TEMPLATE: &str = "application/vnd.ollama.image.template";
pub(super) const PARAMS: &str = "application/vnd.ollama.image.params";
pub(super) const SYSTEM: &str = "application/vnd.ollama.image.system";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// What a GGUF file says that an image needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    family: String,
    parameters: Option<u64>,
    quantisation: &'static str,
    framing: Option<&'static Framing>,
}

/// How a family of models frames a conversation.
#[derive(Debug, PartialEq, Eq)]
struct Framing {
    /// The model's own template has all of these.
    marks: &'static [&'static str],
    template: &'static str,
    stops: &'static [&'static str],
}

/// Framings by the marks in a model's own (Jinja) template; the first that fits is taken. Ollama
/// does not run that template: it wants one of its own kind.
const FRAMINGS: &[Framing] = &[
    Framing {
        marks: &["<|im_start|>"],
        template: "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}<|im_start|>assistant\n{{ .Response }}<|im_end|>\n",
        stops: &["<|im_start|>", "<|im_end|>"],
    },
    Framing {
        marks: &["<|start_header_id|>"],
        template: "{{ if .System }}<|start_header_id|>system<|end_header_id|>\n\n{{ .System }}<|eot_id|>{{ end }}{{ if .Prompt }}<|start_header_id|>user<|end_header_id|>\n\n{{ .Prompt }}<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>\n\n{{ .Response }}<|eot_id|>",
        stops: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    },
    Framing {
        marks: &["<start_of_turn>"],
        template: "<start_of_turn>user\n{{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}<end_of_turn>\n<start_of_turn>model\n{{ .Response }}<end_of_turn>\n",
        stops: &["<start_of_turn>", "<end_of_turn>"],
    },
    Framing {
        marks: &["<|assistant|>", "<|end|>"],
        template: "{{ if .System }}<|system|>\n{{ .System }}<|end|>\n{{ end }}{{ if .Prompt }}<|user|>\n{{ .Prompt }}<|end|>\n{{ end }}<|assistant|>\n{{ .Response }}<|end|>\n",
        stops: &["<|end|>", "<|user|>", "<|assistant|>"],
    },
    Framing {
        marks: &["<|assistant|>"],
        template: "{{ if .System }}<|system|>\n{{ .System }}</s>\n{{ end }}{{ if .Prompt }}<|user|>\n{{ .Prompt }}</s>\n{{ end }}<|assistant|>\n{{ .Response }}</s>\n",
        stops: &["<|user|>", "<|assistant|>", "</s>"],
    },
    Framing {
        marks: &["[INST]", "<<SYS>>"],
        template: "[INST] {{ if .System }}<<SYS>>\n{{ .System }}\n<</SYS>>\n\n{{ end }}{{ .Prompt }} [/INST] {{ .Response }}",
        stops: &["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    },
    Framing {
        marks: &["[INST]"],
        template: "[INST] {{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }} [/INST] {{ .Response }}",
        stops: &["[INST]", "[/INST]"],
    },
];

impl Facts {
    pub(super) fn of(gguf: &Gguf) -> Facts {
        let own = gguf.chat_template().unwrap_or("");
        let fits = |framing: &&Framing| framing.marks.iter().all(|mark| own.contains(mark));
        Facts {
            family: gguf.architecture().unwrap_or("unknown").chars().take(64).collect(),
            parameters: gguf.parameters,
            quantisation: gguf.quantisation().unwrap_or("unknown"),
            framing: FRAMINGS.iter().find(fits),
        }
    }

    /// Returns the template, if the model's framing is known.
    pub(super) fn template(&self) -> Option<Bytes> {
        self.framing.map(|framing| Bytes::from_static(framing.template.as_bytes()))
    }

    /// Returns the parameters: where to stop.
    pub(super) fn params(&self) -> Option<Bytes> {
        self.framing.map(|framing| Bytes::from(json!({ "stop": framing.stops }).to_string()))
    }

    /// Returns the config of an image with these layers.
    pub(super) fn config(&self, layers: &[OllamaLayer]) -> OllamaLayer {
        let digests: Vec<String> = layers.iter().map(OllamaLayer::digest_text).collect();
        let config = json!({
            "model_format": "gguf",
            "model_family": self.family,
            "model_families": [self.family],
            "model_type": self.parameters.map_or_else(String::new, human_count),
            "file_type": self.quantisation,
            "architecture": "amd64",
            "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        of_bytes(CONFIG, Bytes::from(config.to_string()))
    }
}

/// Returns a layer that holds these bytes.
pub(super) fn of_bytes(media_type: &'static str, bytes: Bytes) -> OllamaLayer {
    let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
    OllamaLayer { media_type, sha256, layer_bytes: bytes.len() as u64, bytes: Some(bytes) }
}

/// Returns a count as people say it: `7.24B`, `560M`.
fn human_count(count: u64) -> String {
    let in_units = |unit: u64, letter: char| {
        let hundredths = count / (unit / 100);
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        let fraction = format!(".{rest:02}");
        format!("{whole}{}{letter}", fraction.trim_end_matches('0').trim_end_matches('.'))
    };
    match count {
        1_000_000_000.. => in_units(1_000_000_000, 'B'),
        1_000_000.. => in_units(1_000_000, 'M'),
        1_000.. => in_units(1_000, 'K'),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_formats::gguf::GgufValue;

    #[test]
    fn counts_are_short() {
        for (count, text) in
            [(7_241_732_096, "7.24B"), (560_000_000, "560M"), (1_100_048_384, "1.1B"), (999, "999"), (1_500, "1.5K")]
        {
            assert_eq!(human_count(count), text);
        }
    }

    #[test]
    fn framings_are_told_by_their_marks() {
        for (own, start) in [
            ("{% for m in messages %}<|im_start|>", "{{ if .System }}<|im_start|>"),
            ("<|start_header_id|>", "{{ if .System }}<|start_header_id|>"),
            ("<|user|> <|assistant|> <|end|>", "{{ if .System }}<|system|>\n{{ .System }}<|end|>"),
            ("[INST] <<SYS>>", "[INST] {{ if .System }}<<SYS>>"),
        ] {
            let metadata = [("tokenizer.chat_template".to_owned(), GgufValue::Text(own.to_owned()))].into();
            let facts =
                Facts::of(&Gguf { version: 3, tensor_count: 0, metadata, parameters: None, tensors: Vec::new() });
            assert!(facts.template().unwrap().starts_with(start.as_bytes()), "{own}");
        }
        let plain = Facts::of(&Gguf {
            version: 3,
            tensor_count: 0,
            metadata: Default::default(),
            parameters: None,
            tensors: Vec::new(),
        });
        assert_eq!((plain.template(), plain.params()), (None, None));
    }
}
