//! OAI-PMH 2.0: how libraries and universities harvest (Open Archives Initiative, 2002; all six verbs,
//! Dublin Core, sets by kind, resumption tokens, deleted records for good).
//!
//! The list is the node's log by address, in its order: what changes while somebody harvests comes again at the
//! end. A token says where a list goes on; a forged one only begins somewhere else.

use std::fmt::Write as _;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use karez_hub::{Described, HubError, PublicationQuery, Published};
use karez_types::{RepoAddress, RepoKind, Timestamp};
use percent_encoding::percent_decode_str;

use super::described::{languages, license, texts};
use super::xml::{element, escaped, seconds};
use crate::AppState;
use crate::changing::changing_packed;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Base, QueryOf, whole_body};

const XML: HeaderValue = HeaderValue::from_static("text/xml; charset=utf-8");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("public, no-cache");
/// Records in one answer.
const PAGE_ITEMS: u64 = 100;
const PREFIX: &str = "oai_dc";
const DAY_MS: i64 = 86_400_000;

type Arguments = Vec<(String, String)>;

pub(super) async fn asked(
    State(state): State<AppState>,
    Base(base): Base,
    QueryOf(query): QueryOf<Arguments>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    answer(&state, &base, &query, &headers).await
}

/// The protocol wants both methods.
pub(super) async fn posted(State(state): State<AppState>, Base(base): Base, request: Request) -> ApiResult<Response> {
    let headers = request.headers().clone();
    let body = whole_body(request, &state).await?;
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::invalid("the form is not UTF-8"))?;
    let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    let arguments: Arguments = text.split('&').filter(|pair| !pair.is_empty()).take(20).map(pair).collect();
    answer(&state, &base, &arguments, &headers).await
}

/// What the protocol calls an error: an answer with status 200 and a code.
enum Refusal {
    Said(&'static str, String),
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal::Failed(error.into())
    }
}

fn bad_argument(words: impl Into<String>) -> Refusal {
    Refusal::Said("badArgument", words.into())
}

async fn answer(state: &AppState, base: &str, arguments: &Arguments, headers: &HeaderMap) -> ApiResult<Response> {
    let host = base.split("://").nth(1).unwrap_or(base).split([':', '/']).next().unwrap_or_default().to_owned();
    let harvest = Harvest { state, base, host, arguments };
    let verb = harvest.value("verb").unwrap_or_default();
    let made = match harvest.check_repeats() {
        Err(refusal) => Err(refusal),
        Ok(()) => harvest.verb(verb).await,
    };
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/ http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd\">\n",
    );
    element(&mut out, "responseDate", &seconds(state.hub.clock().now()));
    // A request that was not understood is repeated without its arguments.
    let is_plain = !matches!(&made, Err(Refusal::Said("badVerb" | "badArgument", _)));
    let attributes: String = arguments
        .iter()
        .filter(|_| is_plain)
        .map(|(name, value)| format!(" {}=\"{}\"", escaped(name), escaped(value)))
        .collect();
    writeln!(out, "<request{attributes}>{}</request>", escaped(&format!("{base}/-/oai"))).expect("a String grows");
    match made {
        Ok(body) => writeln!(out, "<{verb}>\n{body}</{verb}>").expect("a String grows"),
        Err(Refusal::Said(code, words)) => {
            writeln!(out, "<error code=\"{code}\">{}</error>", escaped(&words)).expect("a String grows");
        }
        Err(Refusal::Failed(error)) => return Err(error),
    }
    out.push_str("</OAI-PMH>\n");
    Ok(changing_packed(headers, out.into(), XML, ASK_AGAIN))
}

struct Harvest<'a> {
    state: &'a AppState,
    base: &'a str,
    host: String,
    arguments: &'a Arguments,
}

impl Harvest<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn check_repeats(&self) -> Result<(), Refusal> {
        for (at, (name, _)) in self.arguments.iter().enumerate() {
            if self.arguments[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(bad_argument(format!("{name} is given more than once")));
            }
        }
        Ok(())
    }

    fn allow(&self, names: &[&str]) -> Result<(), Refusal> {
        let unknown = self.arguments.iter().find(|(name, _)| name != "verb" && !names.contains(&name.as_str()));
        unknown.map_or(Ok(()), |(name, _)| Err(bad_argument(format!("this verb has no argument {name}"))))
    }

    async fn verb(&self, verb: &str) -> Result<String, Refusal> {
        match verb {
            "Identify" => self.identify().await,
            "ListMetadataFormats" => self.formats().await,
            "ListSets" => self.sets(),
            "ListIdentifiers" => self.list(false).await,
            "ListRecords" => self.list(true).await,
            "GetRecord" => self.record().await,
            _ => Err(Refusal::Said(
                "badVerb",
                "verb must be one of Identify, ListMetadataFormats, ListSets, ListIdentifiers, ListRecords, GetRecord"
                    .to_owned(),
            )),
        }
    }

    async fn identify(&self) -> Result<String, Refusal> {
        self.allow(&[])?;
        let first = self.state.hub.catalog().publication_first().await.map_err(HubError::from)?;
        let first = first.unwrap_or_else(|| self.state.hub.clock().now());
        let mut out = String::new();
        for (name, text) in [
            ("repositoryName", crate::log::node_words(self.state).name.as_str()),
            ("baseURL", &format!("{}/-/oai", self.base)),
            ("protocolVersion", "2.0"),
            // The protocol wants an address of mail; this one every mail server must have (RFC 2142).
            ("adminEmail", &format!("postmaster@{}", self.host)),
            ("earliestDatestamp", &seconds(first)),
            ("deletedRecord", "persistent"),
            ("granularity", "YYYY-MM-DDThh:mm:ssZ"),
        ] {
            element(&mut out, name, text);
        }
        Ok(out)
    }

    async fn formats(&self) -> Result<String, Refusal> {
        self.allow(&["identifier"])?;
        if let Some(identifier) = self.value("identifier") {
            self.find(identifier).await?;
        }
        Ok("<metadataFormat>\n<metadataPrefix>oai_dc</metadataPrefix>\n<schema>http://www.openarchives.org/OAI/2.0/oai_dc.xsd</schema>\n\
            <metadataNamespace>http://www.openarchives.org/OAI/2.0/oai_dc/</metadataNamespace>\n</metadataFormat>\n"
            .to_owned())
    }

    fn sets(&self) -> Result<String, Refusal> {
        self.allow(&["resumptionToken"])?;
        if self.value("resumptionToken").is_some() {
            return Err(Refusal::Said("badResumptionToken", "the list of sets is whole in one answer".to_owned()));
        }
        let set = |kind: &RepoKind| format!("<set><setSpec>{0}</setSpec><setName>{0}</setName></set>\n", kind.plural());
        Ok(RepoKind::ALL.iter().map(set).collect())
    }

    async fn find(&self, identifier: &str) -> Result<Published, Refusal> {
        let unknown = || Refusal::Said("idDoesNotExist", "nothing was ever published under this identifier".to_owned());
        let path = identifier.strip_prefix(&format!("oai:{}:", self.host)).ok_or_else(unknown)?;
        let address = address_of(path).ok_or_else(unknown)?;
        self.state.hub.publication_get(&address).await?.ok_or_else(unknown)
    }

    async fn record(&self) -> Result<String, Refusal> {
        self.allow(&["identifier", "metadataPrefix"])?;
        let identifier = self.value("identifier").ok_or_else(|| bad_argument("identifier is missing"))?;
        check_prefix(self.value("metadataPrefix"))?;
        Ok(self.record_of(&self.find(identifier).await?))
    }

    async fn list(&self, with_metadata: bool) -> Result<String, Refusal> {
        let wanted = match self.value("resumptionToken") {
            Some(token) => {
                self.allow(&["resumptionToken"])?;
                let broken = || {
                    Refusal::Said(
                        "badResumptionToken",
                        "this node did not give out that token; start again without it".to_owned(),
                    )
                };
                query_of_token(token).ok_or_else(broken)?
            }
            None => {
                self.allow(&["from", "until", "set", "metadataPrefix"])?;
                check_prefix(self.value("metadataPrefix"))?;
                self.query_of_arguments()?
            }
        };
        let query = PublicationQuery { with_gone: true, limit: PAGE_ITEMS + 1, ..wanted };
        let mut found = self.state.hub.publications(&query).await?;
        if found.is_empty() && query.after.is_none() {
            return Err(Refusal::Said("noRecordsMatch", "nothing was published in this time and set".to_owned()));
        }
        let has_more = found.len() as u64 > PAGE_ITEMS;
        found.truncate(PAGE_ITEMS as usize);
        let mut out = String::new();
        for one in &found {
            out.push_str(&if with_metadata { self.record_of(one) } else { self.header_of(one) });
        }
        match found.last().filter(|_| has_more) {
            Some(last) => element(&mut out, "resumptionToken", &token_of(&query, last)),
            // The last answer of several says that it is the last.
            None if query.after.is_some() => out.push_str("<resumptionToken/>\n"),
            None => {}
        }
        Ok(out)
    }

    fn query_of_arguments(&self) -> Result<PublicationQuery, Refusal> {
        let kind = match self.value("set") {
            None => None,
            Some(set) => {
                Some(kind_of(set).ok_or_else(|| bad_argument("the sets are models, datasets, spaces and kernels"))?)
            }
        };
        let (from, until) = (self.value("from"), self.value("until"));
        if let (Some(from), Some(until)) = (from, until)
            && from.len() != until.len()
        {
            return Err(bad_argument("from and until must be written alike: both as days, or both as moments"));
        }
        let unreadable = || bad_argument("write from and until as 2026-11-24 or 2026-11-24T13:00:00Z");
        let begin = from.map(|text| moment(text).ok_or_else(unreadable)).transpose()?;
        let end = until.map(|text| moment(text).ok_or_else(unreadable)).transpose()?;
        let begin = begin.map(|(at, _)| at);
        let end = end.map(|(at, length_ms)| Timestamp(at.0.saturating_add(length_ms - 1)));
        if let (Some(begin), Some(end)) = (begin, end)
            && begin > end
        {
            return Err(bad_argument("from lies behind until"));
        }
        Ok(PublicationQuery { kind, from: begin, until: end, ..PublicationQuery::default() })
    }

    fn header_of(&self, one: &Published) -> String {
        let address = &one.publication.address;
        let status = if one.described.is_none() { " status=\"deleted\"" } else { "" };
        let mut out = format!("<header{status}>\n");
        element(&mut out, "identifier", &format!("oai:{}:{}/{}", self.host, address.kind.plural(), address.id()));
        element(&mut out, "datestamp", &seconds(one.publication.changed));
        element(&mut out, "setSpec", address.kind.plural());
        out.push_str("</header>\n");
        out
    }

    fn record_of(&self, one: &Published) -> String {
        let metadata = one.described.as_ref().map(|described| self.dublin_core(described)).unwrap_or_default();
        format!("<record>\n{}{metadata}</record>\n", self.header_of(one))
    }

    fn dublin_core(&self, described: &Described) -> String {
        let repo = &described.repo;
        let page = |id: &str| format!("{}/{id}", self.base);
        let mut out = String::from(
            "<metadata>\n<oai_dc:dc xmlns:oai_dc=\"http://www.openarchives.org/OAI/2.0/oai_dc/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xsi:schemaLocation=\"http://www.openarchives.org/OAI/2.0/oai_dc/ http://www.openarchives.org/OAI/2.0/oai_dc.xsd\">\n",
        );
        let mut add = |name: &str, text: &str| element(&mut out, &format!("dc:{name}"), text);
        add("title", &described.title);
        add("creator", repo.owner.name.as_str());
        super::described::keywords(repo).into_iter().for_each(|tag| add("subject", tag));
        if !described.summary.is_empty() {
            add("description", &described.summary);
        }
        add("publisher", &crate::log::node_words(self.state).name);
        add("date", &seconds(repo.modified));
        // DCMI Type Vocabulary.
        add("type", if repo.kind == RepoKind::Dataset { "Dataset" } else { "Software" });
        add("identifier", &page(&repo.address().url_path()));
        languages(&described.card).iter().for_each(|code| add("language", code));
        for base in texts(&described.card, "base_model") {
            add(
                "source",
                &RepoAddress::parse(RepoKind::Model, base).map_or(base.to_owned(), |base| page(&base.url_path())),
            );
        }
        if let Some(license) = license(&described.card) {
            add("rights", &license);
        }
        out.push_str("</oai_dc:dc>\n</metadata>\n");
        out
    }
}

fn check_prefix(prefix: Option<&str>) -> Result<(), Refusal> {
    match prefix {
        Some(PREFIX) => Ok(()),
        None => Err(bad_argument("metadataPrefix is missing")),
        Some(_) => Err(Refusal::Said("cannotDisseminateFormat", "the metadata is in oai_dc".to_owned())),
    }
}

fn kind_of(plural: &str) -> Option<RepoKind> {
    RepoKind::ALL.iter().copied().find(|kind| kind.plural() == plural)
}

fn address_of(path: &str) -> Option<RepoAddress> {
    let (plural, id) = path.split_once('/')?;
    RepoAddress::parse(kind_of(plural)?, id).ok()
}

/// Reads a day or a moment: when it begins, and how long it is in milliseconds.
fn moment(text: &str) -> Option<(Timestamp, i64)> {
    match text.len() {
        10 => Some((format!("{text}T00:00:00Z").parse().ok()?, DAY_MS)),
        20 if text.ends_with('Z') => Some((text.parse().ok()?, 1_000)),
        _ => None,
    }
}

/// Writes where a list goes on: place, times, set.
fn token_of(query: &PublicationQuery, last: &Published) -> String {
    let number = |at: Option<Timestamp>| at.map_or(String::new(), |at| at.0.to_string());
    let address = &last.publication.address;
    let set = query.kind.map_or("", RepoKind::plural);
    let (from, until) = (number(query.from), number(query.until));
    format!("{}~{from}~{until}~{set}~{}/{}", last.publication.index, address.kind.plural(), address.id())
}

fn query_of_token(token: &str) -> Option<PublicationQuery> {
    let parts: Vec<&str> = token.split('~').collect();
    let [index, from, until, set, address] = parts[..] else { return None };
    let time = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(|at| Some(Timestamp(at))) };
    address_of(address)?;
    Some(PublicationQuery {
        kind: if set.is_empty() { None } else { Some(kind_of(set)?) },
        from: time(from)?,
        until: time(until)?,
        after: Some((index.parse().ok()?, address.to_owned())),
        ..PublicationQuery::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_read() {
        assert_eq!(moment("2023-11-14"), Some((Timestamp(1_699_920_000_000), DAY_MS)));
        assert_eq!(moment("2023-11-14T22:13:20Z"), Some((Timestamp(1_700_000_000_000), 1_000)));
        for odd in ["", "2023", "2023-13-01", "2023-11-14T22:13:20+", "2023-11-14 22:13:20Z ", "ééééé"] {
            assert_eq!(moment(odd), None, "{odd}");
        }
    }

    #[test]
    fn tokens_of_others_are_refused() {
        assert!(query_of_token("5~~~~models/a/b").is_some());
        for odd in
            ["", "5", "x~~~~models/a/b", "5~~~shoes~models/a/b", "5~~~~nothing", "5~a~~~models/a/b", "-1~~~~models/a/b"]
        {
            assert!(query_of_token(odd).is_none(), "{odd}");
        }
    }
}
