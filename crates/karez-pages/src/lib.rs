//! Pages for people: values in, HTML out.
//!
//! One module for each sort of page under `view/`; `layout.rs` is the frame around all of them, `card.rs`
//! renders what strangers wrote, `locale.rs` knows the languages. The server reads the hub and fills the
//! values; here nothing is asked, and nothing is decided about who may see what.
//!
//! Invariants:
//! - A page is complete without JavaScript. One has a script, which sends large files in parts: `upload.js`.
//! - A page asks nobody but this node: no font, picture or style from elsewhere.
//! - Text of others reaches a page escaped, or through [`card`]'s list of what may stay.
//! - What a page shows of one thing is bounded by a constant of this file: pages travel over poor lines.
//! - No I/O, no clock.

#![forbid(unsafe_code)]

mod address;
mod card;
mod layout;
mod locale;
mod notebook;
mod view;

pub use address::{encode_part, encode_path, file_url, repo_url};
pub use card::{CardPlace, render as card};
pub use layout::{CONTENT_POLICY, Frame, SCRIPT, SCRIPT_NAME, SCRIPT_POLICY, STYLE, STYLE_NAME, STYLE_PATH};
pub use locale::{Key, Locale, key, shown};
pub use maud::Markup;
pub use notebook::{NotebookCell, read as notebook};
pub use view::access::{AccessLine, AccessStanding};
pub use view::account::{AccountPage, TokenLine, account as account_page};
pub use view::admin::{
    AccountLine, AdminPage, JobLine, OrgPage, RemoteLine, RemoteState, admin as admin_page, org as org_page,
};
pub use view::change::{
    EditPage, RepoSettingsPage, UploadPage, edit as edit_page, repo_settings as repo_settings_page,
    upload as upload_page,
};
pub use view::collection::{
    CollectPage, CollectionItemRow, CollectionPage, CollectionRow, CollectionsPage, NewCollection, Social,
    collect as collect_page, collection as collection_page, collections as collections_page,
};
pub use view::commits::{
    Change, ChangeKind, CommitLine, CommitPage, CommitsPage, DiffLine, commit as commit_page, commits as commits_page,
    diff_lines,
};
pub use view::discussion::{
    Comment, DiscussionPage, DiscussionRow, DiscussionsPage, Part as DiscussionPart, Said,
    discussion as discussion_page, discussions as discussions_page,
};
pub use view::error::{ErrorPage, error as error_page};
pub use view::facets::{FacetValue, FacetView, Narrowing};
pub use view::file::{FileContent, FilePage, file as file_page};
pub use view::form::{AgainPage, Amount, Doors, Notice, again as again_page, stale as stale_page};
pub use view::home::{HomePage, home as home_page};
pub use view::list::{ListPage, Looser, RepoRow, SEARCH_PATH, list as list_page};
pub use view::make::{
    LICENSES, NewRepoPage, PublishLookPage, PublishPage, new_repo as new_repo_page, publish as publish_page,
    publish_look as publish_look_page,
};
pub use view::node::{NodePage, PeerRow, node as node_page};
pub use view::owner::{OwnerPage, owner as owner_page};
pub use view::people::{PersonPage, person as person_page};
pub use view::repo::{
    CardView, Entry, Link, Origin, RefsPage, RepoHead, RepoPage, Snippet, Totals, TreePage, refs as refs_page,
    repo as repo_page, tree as tree_page,
};
pub use view::room::Room;
pub use view::sign_in::{
    InvitedPage, NamePage, SignInPage, invited as invited_page, newcomer as newcomer_page, sign_in as sign_in_page,
};
pub use view::upstream::{HeardOf, UpstreamLine, UpstreamTyped, UpstreamsPage, upstreams as upstreams_page};
pub use view::viewer::{
    Bar, ColumnFigures, DataCell, DataColumn, DataNote, DataShown, ViewerPage, WhyNot, viewer as viewer_page,
};
pub use view::weights::{TensorRow, WEIGHTS_ROWS_MAX, Weights};

/// Bytes of a card that the page of its repository shows; the rest is one click away.
pub const CARD_PREVIEW_BYTES_MAX: usize = 20 << 10;
/// Bytes that a card may weigh on the page of its repository, packed: of text that compresses badly less is shown.
pub const CARD_PREVIEW_PACKED_BYTES_MAX: usize = 12 << 10;
/// Bytes of Markdown on one page of its own; what follows is on the next.
pub const MARKDOWN_BYTES_MAX: usize = 48 << 10;
/// Bytes that this may weigh, packed.
pub const MARKDOWN_PACKED_BYTES_MAX: usize = 18 << 10;
/// Bytes of a card that is edited on a page.
pub const CARD_BYTES_MAX: usize = 256 << 10;
/// Bytes of all values of one fact of a card: tags, languages, what it was made from.
pub const FACT_BYTES_MAX: usize = 800;
/// Bytes of a text file that its page shows.
pub const TEXT_BYTES_MAX: usize = 28 << 10;
/// Bytes of what a notebook shows.
pub const NOTEBOOK_BYTES_MAX: usize = 28 << 10;
/// Rows of data on a page, columns of them, and characters of a cell: with text that compresses badly, under 25 KB.
pub const DATA_ROWS: u64 = 20;
/// See [`DATA_ROWS`].
pub const DATA_COLUMNS_MAX: usize = 30;
/// See [`DATA_ROWS`].
pub const DATA_CELL_CHARS_MAX: usize = 160;
/// Bytes of one side of a file that a diff looks at.
pub const DIFF_FILE_BYTES_MAX: usize = 64 << 10;
/// Bytes of all lines of a diff that one page shows.
pub const DIFF_SHOWN_BYTES_MAX: usize = 12 << 10;
/// Files and folders on the page of their repository.
pub const ROOT_ITEMS: u64 = 25;
/// Bytes of their names: letters that are not Latin weigh three times as much in addresses.
pub const ROOT_NAMES_BYTES_MAX: usize = 2 << 10;
/// Files of a folder, and commits, on one page.
pub const PAGE_ITEMS: u64 = 100;
/// Bytes of the names of files on one page.
pub const PAGE_NAMES_BYTES_MAX: usize = 7 << 10;
/// Changed files that the page of a commit lists.
pub const CHANGES_MAX: usize = 200;
/// Bytes of their names.
pub const CHANGES_NAMES_BYTES_MAX: usize = 5 << 10;
/// Bytes of names and ids of branches and tags on one page.
pub const REFS_BYTES_MAX: usize = 10 << 10;
/// Values of one facet that a list shows; of the development goals all.
pub const FACET_VALUES_SHOWN: usize = 8;
/// Bytes of all values of facets on one page, as they stand in addresses and as they are read: authors may
/// write long ones, and they compress badly.
pub const FACETS_BYTES_MAX: usize = 5 << 10;
/// Bytes of a query that is repeated in the links of a page's facets; a longer one has none.
pub const NARROWED_QUERY_BYTES_MAX: usize = 1 << 10;
/// Bytes of all comments that the page of a discussion shows.
pub const COMMENTS_BYTES_MAX: usize = 20 << 10;
/// Events that the page of a discussion shows.
pub const EVENTS_SHOWN: usize = 100;
/// Repositories of a collection that its page shows.
pub const COLLECTION_ITEMS_SHOWN: usize = 100;
/// Bytes of a collection's description and notes that its page shows.
pub const NOTES_BYTES_MAX: usize = 8 << 10;
/// Files that one form takes. The script of the page for uploads sends more in turns.
pub const FORM_FILES_MAX: usize = 100;
/// Repositories on one page of a list.
pub const LIST_ITEMS: u64 = 20;

/// Returns how many of these fit into so many bytes: one at least.
pub fn fitting<'a>(texts: impl Iterator<Item = &'a str>, bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = |text: &&str| {
        bytes += text.len();
        bytes <= bytes_max
    };
    texts.take_while(fits).count().max(1)
}

/// Returns the start of a text that fits into so many bytes, cut at the end of a line if there is one.
pub fn cut_text(text: &str, bytes_max: usize) -> (&str, bool) {
    if text.len() <= bytes_max {
        return (text, false);
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let head = &text[..end];
    (head.rfind('\n').map_or(head, |at| &head[..=at]), true)
}
