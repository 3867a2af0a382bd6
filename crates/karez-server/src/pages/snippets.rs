//! What to type into the tools that people have, to use a repository of this node.

use karez_hub::TreeItem;
use karez_pages::{Snippet, encode_path};
use karez_types::{RepoAddress, RepoKind};

/// Returns what to type, the most usual tool first.
pub(super) fn snippets(base: &str, address: &RepoAddress, files: &[TreeItem], library: Option<&str>) -> Vec<Snippet> {
    let (id, url) = (address.id(), format!("{base}/{}", address.url_path()));
    let (option, argument) = match address.kind {
        RepoKind::Model => ("", ""),
        RepoKind::Dataset => (" --repo-type dataset", ", repo_type=\"dataset\""),
        RepoKind::Space => (" --repo-type space", ", repo_type=\"space\""),
        RepoKind::Kernel => (" --repo-type kernel", ", repo_type=\"kernel\""),
    };
    let set = format!("export HF_ENDPOINT={base}");
    let mut made = vec![
        Snippet { tool: "hf", text: format!("{set}\nhf download {id}{option}") },
        Snippet {
            tool: "Python",
            text: format!(
                "# {set}\nfrom huggingface_hub import snapshot_download\nsnapshot_download(\"{id}\"{argument})"
            ),
        },
    ];
    let has = |ending: &str| files.iter().any(|item| item.path.ends_with(ending));
    if address.kind == RepoKind::Dataset {
        made.push(Snippet {
            tool: "datasets",
            text: format!("# {set}\nfrom datasets import load_dataset\nload_dataset(\"{id}\")"),
        });
    }
    if address.kind == RepoKind::Model && library == Some("transformers") {
        made.push(Snippet {
            tool: "transformers",
            text: format!("# {set}\nfrom transformers import AutoModel\nAutoModel.from_pretrained(\"{id}\")"),
        });
    }
    if address.kind == RepoKind::Model && has(".gguf") {
        made.push(Snippet { tool: "llama.cpp", text: format!("export MODEL_ENDPOINT={base}\nllama-server -hf {id}") });
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        // Ollama wants to be told that a registry speaks no TLS.
        let insecure = if base.starts_with("http://") { " --insecure" } else { "" };
        made.push(Snippet { tool: "Ollama", text: format!("ollama pull{insecure} {host}/{id}") });
    }
    made.push(Snippet { tool: "git", text: format!("git clone {url}") });
    let is_file = |item: &&TreeItem| item.kind != karez_hub::TreeKind::Folder && !item.path.starts_with('.');
    // The largest file is what people come for.
    if let Some(file) = files.iter().filter(is_file).max_by_key(|item| item.file_bytes()) {
        made.push(Snippet {
            tool: "curl",
            text: format!("curl -L -O -C - {url}/resolve/main/{}", encode_path(&file.path)),
        });
    }
    made
}
