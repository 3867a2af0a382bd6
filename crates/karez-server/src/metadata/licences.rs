//! Where licences are explained: catalogues want an address that means the same everywhere, cards name an id.

use serde_json::{Value, json};

use super::described::is_web;

/// Licences that SPDX lists, by the id in cards and the id there.
const SPDX: &[(&str, &str)] = &[
    ("apache-2.0", "Apache-2.0"),
    ("mit", "MIT"),
    ("afl-3.0", "AFL-3.0"),
    ("agpl-3.0", "AGPL-3.0-only"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-3-clause-clear", "BSD-3-Clause-Clear"),
    ("bsl-1.0", "BSL-1.0"),
    ("c-uda", "C-UDA-1.0"),
    ("cdla-permissive-1.0", "CDLA-Permissive-1.0"),
    ("cdla-permissive-2.0", "CDLA-Permissive-2.0"),
    ("cdla-sharing-1.0", "CDLA-Sharing-1.0"),
    ("ecl-2.0", "ECL-2.0"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("etalab-2.0", "etalab-2.0"),
    ("eupl-1.1", "EUPL-1.1"),
    ("eupl-1.2", "EUPL-1.2"),
    ("gfdl", "GFDL-1.3-or-later"),
    ("gpl-2.0", "GPL-2.0-only"),
    ("gpl-3.0", "GPL-3.0-only"),
    ("isc", "ISC"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-3.0", "LGPL-3.0-only"),
    ("lgpl-lr", "LGPLLR"),
    ("lppl-1.3c", "LPPL-1.3c"),
    ("mpl-2.0", "MPL-2.0"),
    ("ms-pl", "MS-PL"),
    ("ncsa", "NCSA"),
    ("odbl", "ODbL-1.0"),
    ("odc-by", "ODC-By-1.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("osl-3.0", "OSL-3.0"),
    ("pddl", "PDDL-1.0"),
    ("postgresql", "PostgreSQL"),
    ("unlicense", "Unlicense"),
    ("wtfpl", "WTFPL"),
    ("zlib", "Zlib"),
];

/// Licences of Creative Commons, where they themselves keep them.
const CREATIVE_COMMONS: &[(&str, &str)] = &[
    ("cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    ("cc-by-2.0", "https://creativecommons.org/licenses/by/2.0/"),
    ("cc-by-2.5", "https://creativecommons.org/licenses/by/2.5/"),
    ("cc-by-3.0", "https://creativecommons.org/licenses/by/3.0/"),
    ("cc-by-4.0", "https://creativecommons.org/licenses/by/4.0/"),
    ("cc-by-sa-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    ("cc-by-sa-4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
    ("cc-by-nc-2.0", "https://creativecommons.org/licenses/by-nc/2.0/"),
    ("cc-by-nc-3.0", "https://creativecommons.org/licenses/by-nc/3.0/"),
    ("cc-by-nc-4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
    ("cc-by-nd-4.0", "https://creativecommons.org/licenses/by-nd/4.0/"),
    ("cc-by-nc-nd-3.0", "https://creativecommons.org/licenses/by-nc-nd/3.0/"),
    ("cc-by-nc-nd-4.0", "https://creativecommons.org/licenses/by-nc-nd/4.0/"),
    ("cc-by-nc-sa-2.0", "https://creativecommons.org/licenses/by-nc-sa/2.0/"),
    ("cc-by-nc-sa-3.0", "https://creativecommons.org/licenses/by-nc-sa/3.0/"),
    ("cc-by-nc-sa-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
];

/// Returns where a licence is explained; nothing for an id that names no single text.
pub(super) fn licence_url(id: &str) -> Option<String> {
    if is_web(id) {
        return Some(id.to_owned());
    }
    let common = CREATIVE_COMMONS.iter().find(|(known, _)| *known == id).map(|(_, url)| (*url).to_owned());
    let spdx = || SPDX.iter().find(|(known, _)| *known == id).map(|(_, id)| format!("https://spdx.org/licenses/{id}"));
    common.or_else(spdx)
}

/// Returns a licence as DCAT wants it: a document, by its address or at least by its name.
pub(super) fn licence_document(id: &str) -> Value {
    match licence_url(id) {
        Some(url) => json!({ "@id": url, "@type": "dct:LicenseDocument" }),
        None => json!({ "@type": "dct:LicenseDocument", "dct:title": id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_have_addresses_or_names() {
        assert_eq!(licence_url("cc-by-4.0").as_deref(), Some("https://creativecommons.org/licenses/by/4.0/"));
        assert_eq!(licence_url("apache-2.0").as_deref(), Some("https://spdx.org/licenses/Apache-2.0"));
        assert_eq!(licence_url("https://e.example/l").as_deref(), Some("https://e.example/l"));
        assert_eq!(licence_url("gemma"), None);
        assert_eq!(licence_document("gemma")["dct:title"], "gemma");
    }

    #[test]
    fn every_id_is_one_that_cards_may_name() {
        for (id, _) in SPDX.iter().chain(CREATIVE_COMMONS) {
            assert!(karez_hub::LICENSE_IDS.contains(id), "{id}");
        }
    }
}
