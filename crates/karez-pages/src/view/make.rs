//! Making something new: a repository, and a dataset out of a table.

use karez_types::{OwnerName, RepoKind};
use maud::{Markup, html};

use super::form::{Notice, button, line, notice, owners, proof, visibility};
use super::list::{id, kind_key};
use crate::layout::Frame;
use crate::locale::{Locale, key};

/// The form for a new repository.
#[derive(Debug, Clone)]
pub struct NewRepoPage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// Whose it may be.
    pub owners: Vec<OwnerName>,
    /// Whose it shall be.
    pub owner: String,
    /// What it shall be called.
    pub name: String,
    /// What it shall be.
    pub kind: RepoKind,
    /// Whether only members may see it.
    pub is_private: bool,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Renders the form for a new repository.
pub fn new_repo(frame: &Frame, page: &NewRepoPage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::NEW_REPO)) }
        (notice(l, page.notice.as_ref()))
        form.tall method="post" action="/-/new" {
            (proof(&page.proof))
            div {
                label for="kind" { (l.t(key::KIND)) }
                select #kind name="kind" {
                    @for kind in RepoKind::ALL { option value=(kind.as_str()) selected[*kind == page.kind] { (l.plain(kind_key(*kind))) } }
                }
            }
            (owners(l, &page.owners, &page.owner))
            (line(l, "name", key::NAME, &page.name, 96))
            (visibility(l, page.is_private))
            (button(l, key::CREATE))
        }
        p.soft { (l.t(key::NAME_HOW)) }
        p { a href="/-/publish" { (l.t(key::PUBLISH_TABLE)) } }
    };
    frame.page(l.plain(key::NEW_REPO), &body)
}

/// The page on which somebody publishes a table.
#[derive(Debug, Clone)]
pub struct PublishPage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// Whose it may be.
    pub owners: Vec<OwnerName>,
    /// Whose it shall be.
    pub owner: String,
    /// What it shall be called.
    pub name: String,
    /// Its title.
    pub title: String,
    /// What it is, in a few words.
    pub about: String,
    /// Licence that was chosen.
    pub license: String,
    /// Language that was given.
    pub language: String,
    /// Bytes that the form takes.
    pub bytes_max: u64,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Licences that the page offers; all others are named in the card.
pub const LICENSES: [&str; 6] = ["cc-by-4.0", "cc0-1.0", "cc-by-sa-4.0", "odc-by", "odbl", "other"];

fn steps(l: &Locale, step: usize) -> Markup {
    let names = [key::STEP_UPLOAD, key::STEP_LOOK, key::STEP_PUBLISH];
    html! { ol.steps { @for (n, name) in names.iter().enumerate() { li aria-current=[(n == step).then_some("step")] { (l.t(*name)) } } } }
}

/// Renders the page on which somebody publishes a table.
pub fn publish(frame: &Frame, page: &PublishPage) -> String {
    let l = frame.locale;
    let body = html! {
        h1 { (l.t(key::PUBLISH_TABLE)) }
        (steps(l, 0))
        (notice(l, page.notice.as_ref()))
        p { (l.t(key::PUBLISH_HOW)) }
        form.tall method="post" action="/-/publish" enctype="multipart/form-data" {
            (proof(&page.proof))
            (owners(l, &page.owners, &page.owner))
            (line(l, "name", key::NAME, &page.name, 96))
            (line(l, "title", key::TITLE, &page.title, 200))
            div {
                label for="about" { (l.t(key::ABOUT)) }
                textarea #about name="about" rows="4" maxlength="4000" dir="auto" { (page.about) }
            }
            div {
                label for="license" { (l.t(key::LICENSE)) }
                select #license name="license" { @for license in LICENSES { option value=(license) selected[license == page.license] { (license) } } }
            }
            (line(l, "language", key::LANGUAGE_CODE, &page.language, 12))
            div {
                label for="file" { (l.t(key::TABLE_FILE)) }
                input #file type="file" name="file" required accept=".csv,.tsv,text/csv,text/tab-separated-values";
                p.soft { (l.fill(key::FILE_MAX, &[("bytes", l.bytes(page.bytes_max))])) " " a href="/-/new" { (l.t(key::NEW_REPO)) } }
            }
            (button(l, key::GO_ON))
        }
        p.soft { (l.t(key::NAME_HOW)) }
    };
    frame.page(l.plain(key::PUBLISH_TABLE), &body)
}

/// The page that shows what will be published.
#[derive(Debug, Clone)]
pub struct PublishLookPage {
    /// Why the form is shown again.
    pub notice: Option<Notice>,
    /// Whose it is.
    pub owner: String,
    /// What it is called.
    pub name: String,
    /// First rows of the table.
    pub rows: Vec<Vec<String>>,
    /// What proves that the form came from here.
    pub proof: String,
}

/// Renders the page that shows what will be published.
pub fn publish_look(frame: &Frame, page: &PublishLookPage) -> String {
    let l = frame.locale;
    let url = format!("/datasets/{}/{}", page.owner, page.name);
    let body = html! {
        h1 { (l.t(key::PUBLISH_TABLE)) }
        (steps(l, 1))
        (notice(l, page.notice.as_ref()))
        p { (l.fill(key::LOOK_HOW, &[("repo", html! { a href=(url) { (id(&format!("{}/{}", page.owner, page.name))) } })])) }
        @if let Some((head, rows)) = page.rows.split_first() {
            div.wide tabindex="0" role="region" aria-label=(l.plain(key::STEP_LOOK)) { table {
                thead { tr { @for cell in head { th scope="col" { bdi { (crate::shown(cell)) } } } } }
                tbody { @for row in rows { tr { @for cell in row { td { bdi { (crate::shown(cell)) } } } } } }
            } }
        }
        p {
            a href=(format!("{url}/viewer")) { (l.t(key::WHOLE_TABLE)) } " · "
            a href=(format!("{url}/edit/main/README.md")) { (l.t(key::EDIT_CARD)) }
        }
        form method="post" action="/-/publish/finish" {
            (proof(&page.proof))
            input type="hidden" name="owner" value=(page.owner);
            input type="hidden" name="name" value=(page.name);
            (button(l, key::STEP_PUBLISH))
        }
    };
    frame.page(l.plain(key::PUBLISH_TABLE), &body)
}
