//! Changing a repository: its settings, its files, its card.

use karez_formats::card::{Finding, YamlError};
use maud::{Markup, html};

use super::access::AccessLine;
use super::commits::{DiffLine, diff};
use super::form::{Notice, button, line, notice, proof, visibility};
use super::list::id;
use super::repo::{RepoHead, head};
use crate::FORM_FILES_MAX;
use crate::address::{encode_part, encode_path, repo_url};
use crate::layout::Frame;
use crate::locale::{Locale, key};

/// The settings of a repository.
#[derive(Debug, Clone)]
pub struct RepoSettingsPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// The top.
    pub head: RepoHead,
    /// `false`, `auto` or `manual`.
    pub gated: String,
    /// Who asked to read the files, and who was let in.
    pub access: Vec<AccessLine>,
    /// What proves that the forms came from here.
    pub proof: String,
}

/// Renders the settings of a repository.
pub fn repo_settings(frame: &Frame, page: &RepoSettingsPage) -> String {
    let l = frame.locale;
    let url = format!("{}/settings", repo_url(&page.head.address));
    let repo_id = page.head.address.id();
    let what = |what: &str| html! { (proof(&page.proof)) input type="hidden" name="do" value=(what); };
    let body = html! {
        (head(l, &page.head, None))
        h2 { (l.t(key::SETTINGS)) }
        (notice(l, page.notice.as_ref()))
        form method="post" action=(url) { (what("visibility")) (visibility(l, page.head.is_private)) (button(l, key::SAVE)) }
        form method="post" action=(url) {
            (what("gated"))
            div {
                label for="gated" { (l.t(key::ACCESS)) }
                select #gated name="gated" {
                    @for (word, text) in [("false", key::ACCESS_OPEN), ("auto", key::ACCESS_AUTO), ("manual", key::ACCESS_MANUAL)] {
                        option value=(word) selected[word == page.gated] { (l.plain(text)) }
                    }
                }
            }
            (button(l, key::SAVE))
        }
        p.soft { (l.t(key::ACCESS_HOW)) }
        @if page.gated != "false" { (super::access::people(l, &url, &page.access, &page.proof)) }
        h2 { (l.t(key::MOVE)) }
        p { (l.t(key::MOVE_HOW)) }
        form method="post" action=(url) { (what("move")) (line(l, "to", key::MOVE_TO, &repo_id, 200)) (button(l, key::MOVE)) }
        h2 { (l.t(key::DELETE)) }
        p { (l.fill(key::DELETE_HOW, &[("repo", id(&repo_id))])) }
        form method="post" action=(url) { (what("delete")) (line(l, "confirm", key::DELETE_CONFIRM, "", 200)) (button(l, key::DELETE)) }
    };
    frame.page(&format!("{repo_id} · {}", l.plain(key::SETTINGS)), &body)
}

/// The page on which files are uploaded.
#[derive(Debug, Clone)]
pub struct UploadPage {
    /// What came of the form before.
    pub notice: Option<Notice>,
    /// The top.
    pub head: RepoHead,
    /// Whether what is sent becomes a pull request.
    pub is_proposal: bool,
    /// The folder that files go into; empty for the root.
    pub folder: String,
    /// Bytes that the form takes at once.
    pub bytes_max: u64,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Renders the page on which files are uploaded. With scripts, large files travel in parts.
pub fn upload(frame: &Frame, page: &UploadPage) -> String {
    let l = frame.locale;
    let url = repo_url(&page.head.address);
    let at = encode_part(&page.head.revision);
    let body = html! {
        (head(l, &page.head, None))
        h2 { (l.t(key::UPLOAD)) }
        (notice(l, page.notice.as_ref()))
        @if page.is_proposal { p { (l.t(key::PROPOSE_HOW)) } }
        form.tall id=[(!page.is_proposal).then_some("upload")] method="post" action=(format!("{url}/upload/{at}")) enctype="multipart/form-data"
            data-begin=(format!("{url}/upload-begin")) data-end=(format!("{url}/upload-end/{at}")) data-large=(page.bytes_max) data-files=(FORM_FILES_MAX)
            data-over=(l.plain(key::SIGN_IN_FIRST)) data-done=(format!("{url}/tree/{at}"))
            data-sum=(l.plain(key::UPLOAD_SUM)) data-send=(l.plain(key::UPLOAD_SEND)) data-again=(l.plain(key::UPLOAD_AGAIN)) {
            (proof(&page.proof))
            (line(l, "folder", key::FOLDER, &page.folder, 500))
            (line(l, "message", key::MESSAGE, "", 200))
            div {
                label for="file" { (l.t(key::FILES_TO_SEND)) }
                input #file type="file" name="file" required multiple;
                p.soft {
                    (l.fill(key::FILES_MAX, &[("n", html! { (l.number(FORM_FILES_MAX as u64)) }), ("bytes", l.bytes(page.bytes_max))]))
                    @if !page.is_proposal { " " (l.t(key::FILE_LARGE)) }
                }
            }
            (button(l, if page.is_proposal { key::PROPOSE } else { key::UPLOAD }))
            p #said role="status" {}
        }
    };
    let title = format!("{} · {}", page.head.address.id(), l.plain(key::UPLOAD));
    if page.is_proposal { frame.page(&title, &body) } else { frame.page_with_script(&title, &body) }
}

/// The page on which a text file is edited.
#[derive(Debug, Clone)]
pub struct EditPage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// The top.
    pub head: RepoHead,
    /// Whether what is saved becomes a pull request.
    pub is_proposal: bool,
    /// The file.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The commit that the editor looked at.
    pub parent: String,
    /// What others changed in it since the reader began.
    pub theirs: Option<Vec<DiffLine>>,
    /// What the linter has to say of a card.
    pub findings: Vec<Finding>,
    /// How the card looks.
    pub preview: Option<Markup>,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Renders the page on which a text file is edited.
pub fn edit(frame: &Frame, page: &EditPage) -> String {
    let l = frame.locale;
    let url = repo_url(&page.head.address);
    let action = format!("{url}/edit/{}/{}", encode_part(&page.head.revision), encode_path(&page.path));
    let body = html! {
        (head(l, &page.head, None))
        h2 { (l.t(key::EDIT)) " " (id(&page.path)) }
        (notice(l, page.notice.as_ref()))
        @if let Some(theirs) = &page.theirs { h3 { (l.t(key::EDIT_THEIRS)) } (diff(theirs)) }
        (advice(l, &page.findings))
        @if page.is_proposal { p { (l.t(key::PROPOSE_HOW)) } }
        form.tall method="post" action=(action) {
            (proof(&page.proof))
            input type="hidden" name="parent" value=(page.parent);
            div {
                label for="text" { (l.t(key::TEXT)) }
                textarea #text name="text" rows="24" dir="auto" spellcheck="true" { "\n" (page.text) }
            }
            (line(l, "message", key::MESSAGE, "", 200))
            div.row {
                button type="submit" name="do" value="check" { (l.t(key::CHECK)) }
                @let save = if page.theirs.is_some() { key::SAVE_OVER } else if page.is_proposal { key::PROPOSE } else { key::SAVE };
                button type="submit" name="do" value="save" { (l.t(save)) }
            }
        }
        @if let Some(preview) = &page.preview { h2 { (l.t(key::PREVIEW)) } div.card dir="auto" { (preview) } }
    };
    frame.page(&format!("{} · {}", page.head.address.id(), l.plain(key::EDIT)), &body)
}

/// Returns what the linter has to say, in the reader's language.
pub(crate) fn advice(l: &Locale, findings: &[Finding]) -> Markup {
    html! {
        @if !findings.is_empty() {
            h3 { (l.t(key::ADVICE)) }
            ul.advice { @for finding in findings {
                li { strong { (l.t(if finding.is_error() { key::ADVICE_MUST } else { key::ADVICE_CAN })) } " " (finding_text(l, finding)) }
            } }
        }
    }
}

fn finding_text(l: &Locale, finding: &Finding) -> Markup {
    let field = |key, field: &str| l.fill(key, &[("field", id(field))]);
    let value = |key, value: &str| l.fill(key, &[("value", id(value))]);
    match finding {
        Finding::NoMetadata => l.fill(key::LINT_NO_METADATA, &[("example", id("---⏎license: mit⏎---"))]),
        Finding::TooLong | Finding::Broken(YamlError::Weight | YamlError::Depth) => l.t(key::LINT_TOO_MUCH),
        Finding::NotMapping | Finding::Broken(YamlError::Name) => {
            l.fill(key::LINT_NOT_MAPPING, &[("example", id("license: mit"))])
        }
        Finding::Broken(YamlError::Duplicate(name)) => field(key::LINT_TWICE, name),
        Finding::Broken(YamlError::Syntax { line, column, what }) => l.fill(
            key::LINT_SYNTAX,
            &[
                ("line", html! { (l.number(*line as u64)) }),
                ("column", html! { (l.number(*column as u64)) }),
                ("what", html! { bdi lang="en" dir="ltr" { (crate::shown(what)) } }),
            ],
        ),
        Finding::Unclosed => l.fill(key::LINT_UNCLOSED, &[("mark", id("---"))]),
        Finding::Value { value: written, .. } => value(key::LINT_UNKNOWN, written),
        Finding::Anchors => l.t(key::LINT_ANCHORS),
        Finding::NotTexts(name) => field(key::LINT_NOT_TEXTS, name),
        Finding::NotText(name) => field(key::LINT_NOT_TEXT, name),
        Finding::LicenseMissing => l.fill(key::LINT_LICENSE_MISSING, &[("field", id("license"))]),
        Finding::LicenseUnknown { value: written, meant: Some(meant) } => {
            l.fill(key::LINT_MISSPELLED, &[("field", id(written)), ("meant", id(meant))])
        }
        Finding::LicenseUnknown { value: written, meant: None } => l.fill(
            key::LINT_LICENSE_UNKNOWN,
            &[("field", id(written)), ("example", id("apache-2.0, mit, cc-by-4.0, cc0-1.0, odbl, other"))],
        ),
        Finding::LicenseUnnamed => l.fill(key::LINT_LICENSE_UNNAMED, &[("field", id("license_name"))]),
        Finding::Language(code) => value(key::LINT_LANGUAGE, code),
        Finding::Misspelled { field, meant } => {
            l.fill(key::LINT_MISSPELLED, &[("field", id(field)), ("meant", id(meant))])
        }
        Finding::Task(task) => value(key::LINT_UNKNOWN, task),
        Finding::Size(size) => value(key::LINT_UNKNOWN, size),
        Finding::NotRepo { value: repo, .. } => value(key::LINT_NOT_REPO, repo),
        Finding::NotLink(name) => field(key::LINT_NOT_LINK, name),
        Finding::NoText => l.t(key::LINT_NO_TEXT),
        Finding::Template => l.t(key::LINT_TEMPLATE),
    }
}
