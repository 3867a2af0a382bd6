//! What `serve` prints when it is ready: what to type next.

use std::path::Path;

use karez_types::OwnerName;

/// Returns the text for a start. `token` is there on the first one only.
pub fn text(url: &str, data: Option<&Path>, admin: &OwnerName, token: Option<&str>) -> String {
    let mut lines = vec![format!("Karez is ready at {url}")];
    if let Some(data) = data {
        lines.push(format!("Its data is in {}", data.display()));
    }
    lines.push(String::new());
    match token {
        Some(token) => lines.extend([
            format!("This is the first start. The administrator is {admin}."),
            "Keep the token below. It is not shown again.".to_owned(),
            String::new(),
            "To push a file, type in another terminal:".to_owned(),
            format!("  export HF_ENDPOINT={url} HF_TOKEN={token}"),
            format!("  hf upload {admin}/first-model README.md"),
            "To get it back:".to_owned(),
            format!("  hf download {admin}/first-model"),
        ]),
        None => lines.extend([
            "To use it, type in another terminal:".to_owned(),
            format!("  export HF_ENDPOINT={url}"),
            "To make a new token:".to_owned(),
            "  karez token create NAME".to_owned(),
        ]),
    }
    lines.extend([String::new(), "To stop: Ctrl-C".to_owned()]);
    lines.join("\n")
}
