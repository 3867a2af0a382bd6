//! A new repository, and a dataset out of a table: for people without a command line.

use axum::extract::State;
use axum::response::Response;
use futures::TryStreamExt as _;
use karez_hub::{HubError, RepoSettings, RepoWish, Right, SimpleChange, TreeKind, TreeQuery};
use karez_pages::{
    LICENSES, NewRepoPage, Notice, PublishLookPage, PublishPage, key, new_repo_page, publish_look_page, publish_page,
    repo_url,
};
use karez_types::{ByteRange, OrgRole, OwnerName, RepoAddress, RepoKind, Revision, Visibility};

use super::account::me;
use super::answer::form_page;
use super::asked::Asked;
use super::form::{Came, Form, answered};
use super::session::form_proof;
use super::table::{is_table, rows};
use crate::AppState;
use crate::error::{ApiError, ApiResult};

/// Bytes of a table of which the first rows are shown.
const LOOK_BYTES_MAX: u64 = 64 << 10;
/// Files of a repository among which its table is looked for.
const LOOK_FILES_MAX: u64 = 100;

/// Returns the owners under whose names the caller may create.
pub(super) async fn owners(state: &AppState, asked: &Asked) -> ApiResult<Vec<OwnerName>> {
    me(asked)?;
    // Told before somebody fills a form, and not after.
    if !asked.caller.token_allows(Right::Write) {
        let words = "this token may only read; making something needs a token with the role `write`";
        return Err(ApiError(HubError::Forbidden(words.to_owned())));
    }
    let me = state.hub.whoami(&asked.caller).await?;
    let orgs = me.orgs.into_iter().filter(|(_, role)| *role >= OrgRole::Write).map(|(org, _)| org.name);
    Ok(std::iter::once(me.signed_in.account.name).chain(orgs).collect())
}

async fn new_shown(
    state: &AppState,
    asked: &Asked,
    notice: Option<Notice>,
    form: Option<&Form>,
) -> ApiResult<Response> {
    let owners = owners(state, asked).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let value = |name: &str| form.map_or("", |form| form.word(name));
    let page = NewRepoPage {
        notice,
        owner: value("owner").to_owned(),
        name: value("name").to_owned(),
        kind: value("kind").parse().unwrap_or(RepoKind::Model),
        is_private: value("visibility") == "private",
        owners,
        proof,
    };
    Ok(form_page(asked, new_repo_page(&asked.frame, &page), cookie))
}

pub(super) async fn new_form(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    new_shown(&state, &asked, None, None).await
}

pub(super) async fn repo_create(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let wish = || -> Result<RepoWish, HubError> {
        let kind = form.word("kind").parse().map_err(|_| HubError::Invalid("choose what it shall be".to_owned()))?;
        let is_private = form.word("visibility") == "private";
        Ok(RepoWish {
            kind,
            owner: Some(form.word("owner").parse()?),
            name: form.word("name").parse()?,
            visibility: if is_private { Visibility::Private } else { Visibility::Public },
            // Pages and files; others are made at the command line.
            sdk: (kind == RepoKind::Space).then(|| "static".to_owned()),
        })
    };
    let made = match wish() {
        Ok(wish) => state.hub.repo_create(&form.asked.caller, wish).await,
        Err(error) => Err(error),
    };
    let came = made.map(|repo| Came::GoTo(repo_url(&repo.address())));
    answered(came, async |notice| new_shown(&state, &form.asked, notice, Some(&form)).await).await
}

async fn publish_shown(
    state: &AppState,
    asked: &Asked,
    notice: Option<Notice>,
    form: Option<&Form>,
) -> ApiResult<Response> {
    let owners = owners(state, asked).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let value = |name: &str| form.map_or(String::new(), |form| form.word(name).to_owned());
    let page = PublishPage {
        notice,
        owner: value("owner"),
        name: value("name"),
        title: value("title"),
        about: value("about"),
        license: value("license"),
        language: value("language"),
        bytes_max: state.hub.limits().form_upload_bytes_max,
        owners,
        proof,
    };
    Ok(form_page(asked, publish_page(&asked.frame, &page), cookie))
}

/// Shows the form; with `?repo=owner/name`, what was uploaded.
pub(super) async fn publish_form(State(state): State<AppState>, asked: Asked) -> ApiResult<Response> {
    match asked.value("repo") {
        "" => publish_shown(&state, &asked, None, None).await,
        id => {
            let address = RepoAddress::parse(RepoKind::Dataset, id).map_err(HubError::from)?;
            look_shown(&state, &asked, &address, None).await
        }
    }
}

/// Writes a text as YAML does: JSON's strings are strings of YAML too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the card of a table.
fn card(form: &Form, name: &str) -> String {
    let license = LICENSES.iter().find(|license| **license == form.word("license")).unwrap_or(&"other");
    let title = if form.word("title").is_empty() { name } else { form.word("title") };
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    let mut card = format!("---\npretty_name: {}\nlicense: {license}\n", quoted(&title));
    if !form.word("language").is_empty() {
        card.push_str(&format!("language: {}\n", quoted(form.word("language"))));
    }
    card.push_str(&format!("---\n# {title}\n\n{}\n", form.word("about").replace('\r', "")));
    card
}

/// Returns a name for the table in its repository: plain, and with an ending that says what it is.
fn file_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = last.chars().map(|c| if is_plain(&c) { c } else { '-' }).take(80).collect();
    let plain = plain.trim_matches(['.', '-']).to_owned();
    let lower = plain.to_ascii_lowercase();
    match () {
        () if plain.is_empty() => "data.csv".to_owned(),
        () if lower.ends_with(".csv") || lower.ends_with(".tsv") => plain,
        () => format!("{plain}.csv"),
    }
}

/// Makes a private dataset of a table and its card.
pub(super) async fn publish(State(state): State<AppState>, mut form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let (file, excess) = (form.files.pop(), form.excess.take());
    let form = &form;
    let again = async |notice| publish_shown(&state, &form.asked, notice, Some(form)).await;
    if let Some(excess) = excess {
        return answered(Ok(Came::TooMuch(excess)), again).await;
    }
    let Some(file) = file else { return answered(Ok(Came::Not(key::FILE_MISSING)), again).await };
    if !is_table(&file.content) {
        return answered(Ok(Came::Not(key::NOT_TABLE)), again).await;
    }
    let caller = &form.asked.caller;
    let made = async {
        let (owner, name) = (form.word("owner").parse::<OwnerName>()?, form.word("name").parse()?);
        let readme = card(form, form.word("name"));
        let mut findings = state.hub.card_check(&readme).into_iter();
        if let Some(finding) = findings.find(|finding| finding.is_error() || form.word("about").is_empty()) {
            return Err(HubError::Invalid(finding.to_string()));
        }
        let changes = vec![
            SimpleChange::File { path: file_name(&file.name).parse()?, content: file.content },
            SimpleChange::File { path: "README.md".parse()?, content: readme.into_bytes() },
        ];
        let wish =
            RepoWish { kind: RepoKind::Dataset, owner: Some(owner), name, visibility: Visibility::Private, sdk: None };
        let repo = state.hub.repo_create(caller, wish).await?;
        let address = repo.address();
        let done = state.hub.commit_simply(caller, &address, &Revision::main(), "Upload a table", None, changes).await;
        if done.is_err() {
            // Otherwise its name would be taken by something empty.
            state.hub.repo_delete(caller, &address).await?;
        }
        done.map(|_| address)
    };
    let came = made.await.map(|address| Came::GoTo(format!("/-/publish?repo={}", address.id())));
    answered(came, again).await
}

/// Returns the beginning of the first table in the root of a dataset.
async fn table_head(state: &AppState, asked: &Asked, address: &RepoAddress) -> ApiResult<Vec<u8>> {
    let (hub, main) = (&state.hub, Revision::main());
    let query = TreeQuery { limit: Some(LOOK_FILES_MAX), ..TreeQuery::default() };
    let found = hub.tree_list(&asked.caller, address, &main, &query).await?;
    let is_table = |path: &str| {
        let path = path.to_ascii_lowercase();
        path.ends_with(".csv") || path.ends_with(".tsv")
    };
    let Some(item) = found.items.iter().find(|item| item.kind != TreeKind::Folder && is_table(&item.path)) else {
        return Ok(Vec::new());
    };
    let path = item.path.parse().map_err(HubError::from)?;
    let (repo, file) = hub.file_resolve(&asked.caller, address, &main, &path).await?;
    let range = ByteRange { start: 0, end: file.file_bytes.min(LOOK_BYTES_MAX) };
    if file.large.is_none() {
        return Ok(hub.small_file_read(&file, range).await?.to_vec());
    }
    let mut stream = hub.large_file_stream(&asked.caller, &repo, &file, range).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

async fn look_shown(
    state: &AppState,
    asked: &Asked,
    address: &RepoAddress,
    notice: Option<Notice>,
) -> ApiResult<Response> {
    me(asked)?;
    state.hub.repo_open(&asked.caller, address, Right::Admin).await?;
    let bytes = table_head(state, asked, address).await?;
    let (proof, cookie) = form_proof(state, &asked.headers, &asked.base);
    let (owner, name) = (address.owner.to_string(), address.name.to_string());
    let page = PublishLookPage { notice, owner, name, rows: rows(&bytes), proof };
    Ok(form_page(asked, publish_look_page(&asked.frame, &page), cookie))
}

/// Shows a dataset to everyone.
pub(super) async fn publish_finish(State(state): State<AppState>, form: Form) -> ApiResult<Response> {
    me(&form.asked)?;
    let id = format!("{}/{}", form.word("owner"), form.word("name"));
    let address = RepoAddress::parse(RepoKind::Dataset, &id).map_err(|error| ApiError(HubError::from(error)))?;
    let settings = RepoSettings { visibility: Some(Visibility::Public), ..RepoSettings::default() };
    let done = state.hub.repo_settings_change(&form.asked.caller, &address, settings).await;
    let came = done.map(|repo| Came::GoTo(repo_url(&repo.address())));
    answered(came, async |notice| look_shown(&state, &form.asked, &address, notice).await).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_gets_a_plain_name() {
        for (given, expected) in [
            ("prix du riz 2026.csv", "prix-du-riz-2026.csv"),
            ("C:\\data\\A.TSV", "A.TSV"),
            ("../../.gitattributes", "gitattributes.csv"),
            ("جدول", "data.csv"),
            ("", "data.csv"),
            ("README.md", "README.md.csv"),
        ] {
            assert_eq!(file_name(given), expected, "{given}");
        }
    }

    #[test]
    fn what_people_type_stays_one_value() {
        assert_eq!(quoted("a: b\n\"c\" &d"), r#""a: b\n\"c\" &d""#);
    }
}
