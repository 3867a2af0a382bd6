//! What can be typed after `karez`. Help texts are short plain sentences: many read them in a second language.

use std::path::PathBuf;

use crate::federation::cli as federation;
use clap::{Args, Parser, Subcommand};
use karez_types::{OrgRole, OwnerName, RepoKind, TokenRole, Visibility};

/// Karez keeps models and datasets, and gives them to the tools that people have.
#[derive(Debug, Parser)]
#[command(name = "karez", version, max_term_width = 100, after_help = "Start here: karez serve")]
pub struct Cli {
    #[command(flatten)]
    pub overrides: Overrides,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// Settings given as flags. They win over KAREZ_* and karez.toml.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings (also in karez.toml and as KAREZ_* variables)")]
pub struct Overrides {
    /// Read this file instead of ./karez.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Address that people use to reach the node.
    #[arg(long, global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// Folder for everything that the node keeps.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Database: sqlite:FILE or postgres://...
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
    /// Where the bytes are: a folder or s3://...
    #[arg(long, global = true, value_name = "PLACE")]
    pub store: Option<String>,
    /// How much to log: error, warn, info, debug, trace.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Any other setting, for example limits.xorb_chunks_max=8192. May be repeated.
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node.
    Serve(Serve),
    /// Show the settings, and where each value comes from.
    Config,
    /// People.
    #[command(subcommand)]
    User(User),
    /// Organisations: groups of people that own repositories.
    #[command(subcommand)]
    Org(Org),
    /// Tokens: what people sign in with.
    #[command(subcommand)]
    Token(Token),
    /// Repositories.
    #[command(subcommand)]
    Repo(Repo),
    /// Upstream hubs: what people ask for and is not here comes from there, once, and is kept.
    #[command(subcommand)]
    Upstream(Upstream),
    /// Check everything that is stored. Changes nothing.
    Fsck(Fsck),
    /// Free the bytes that nothing refers to any more. The node does this by itself, every hour.
    Gc,
    /// The log of this node: what it published, for anyone to verify.
    #[command(subcommand)]
    Log(crate::log::cli::Log),
    /// Peers: nodes that this one exchanges with.
    #[command(subcommand)]
    Peer(federation::Peer),
    /// Owner names of other nodes, and what they are called here.
    #[command(subcommand)]
    Names(federation::Names),
    /// Rules of what to take from peers.
    #[command(subcommand)]
    Follow(federation::Follow),
    /// Lines to the world: what they cost, and when and how much may come over them.
    #[command(subcommand)]
    Line(federation::Line),
    /// What a repository would cost: how many bytes would travel, from where, given what is here.
    Cost(federation::Cost),
    /// Large files on their way here.
    Transfers(federation::Transfers),
    /// What too few nodes are known to hold, by the goals of the rules.
    Goals,
    /// What other nodes did wrong.
    Incidents(federation::Incidents),
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Name of the first administrator. Only used on the first start.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub admin: OwnerName,
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a person. Then make a token: karez token create NAME
    #[command(visible_alias = "add")]
    Create {
        /// Name of the person.
        name: OwnerName,
        /// The person may administer the node.
        #[arg(long)]
        admin: bool,
        /// Full name, as people write it.
        #[arg(long, default_value = "", hide_default_value = true)]
        fullname: String,
        /// Mail address.
        #[arg(long)]
        email: Option<String>,
    },
    /// List all people.
    List,
    /// Set the password of a person, read from standard input. All browsers of the person are signed out.
    Password {
        /// Name of the person.
        name: OwnerName,
    },
    /// Make an address where a person chooses a password. It works once, for three days.
    Invite {
        /// Name of the person.
        name: OwnerName,
    },
    /// Let a person sign in through the provider that the settings name.
    Identity {
        /// Name of the person.
        name: OwnerName,
        /// What the provider calls the person: the `sub` of its tokens.
        subject: String,
    },
    /// Keep a person out: sessions and tokens end at once, and nobody signs in with the account. Repositories stay.
    Block {
        /// Name of the person.
        name: OwnerName,
    },
    /// Let a person sign in again. Tokens do not come back.
    Unblock {
        /// Name of the person.
        name: OwnerName,
    },
    /// End all sessions and tokens of a person.
    SignOut {
        /// Name of the person.
        name: OwnerName,
    },
    /// Make a person an administrator of the node.
    Admin {
        /// Name of the person.
        name: OwnerName,
        /// Take it away again. The last administrator stays one.
        #[arg(long)]
        off: bool,
    },
    /// Say how many bytes of large files the repositories of a person may have together.
    Quota {
        /// Name of the person.
        name: OwnerName,
        /// An amount such as '20 GB'; none for no bound; default for what the settings allow everybody
        /// (limits.owner_bytes_max). Leave it out to see what is used.
        amount: Option<String>,
    },
    /// Delete a person who owns no repositories, and all tokens of the person.
    #[command(visible_alias = "remove")]
    Delete {
        /// Name of the person.
        name: OwnerName,
    },
}

#[derive(Debug, Subcommand)]
pub enum Org {
    /// Add an organisation.
    Create {
        /// Name of the organisation.
        name: OwnerName,
        /// Full name, as people write it.
        #[arg(long, default_value = "", hide_default_value = true)]
        fullname: String,
    },
    /// List all organisations.
    List,
    /// Say how many bytes of large files the repositories of an organisation may have together.
    Quota {
        /// Name of the organisation.
        name: OwnerName,
        /// An amount such as '20 GB'; none for no bound; default for what the settings allow everybody
        /// (limits.owner_bytes_max). Leave it out to see what is used.
        amount: Option<String>,
    },
    /// Delete an organisation that owns no repositories.
    Delete {
        /// Name of the organisation.
        name: OwnerName,
    },
    /// Add a person to an organisation, or change the role there.
    #[command(visible_alias = "member")]
    Add {
        /// Name of the organisation.
        org: OwnerName,
        /// Name of the person.
        user: OwnerName,
        /// What the person may do: read, write or admin.
        #[arg(long, default_value = "write")]
        role: OrgRole,
    },
    /// Take a person out of an organisation.
    Remove {
        /// Name of the organisation.
        org: OwnerName,
        /// Name of the person.
        user: OwnerName,
    },
    /// List the people of an organisation.
    Members {
        /// Name of the organisation.
        org: OwnerName,
    },
}

#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token. It is shown once.
    Create {
        /// Whose token.
        user: OwnerName,
        /// What the token may do: read or write.
        #[arg(long, default_value = "write")]
        role: TokenRole,
        /// A name, to know the token again.
        #[arg(long, default_value = "command-line")]
        name: String,
        /// Days until the token ends. Without this it never ends.
        #[arg(long, value_name = "DAYS")]
        expires_days: Option<u32>,
    },
    /// List the tokens of a person. The tokens themselves are not kept.
    List {
        /// Whose tokens.
        user: OwnerName,
    },
    /// Make a token useless, now.
    Revoke {
        /// Whose token.
        user: OwnerName,
        /// The number of the token, from: karez token list
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum Repo {
    /// Create a repository.
    Create {
        /// owner/name for a model; datasets/owner/name; spaces/owner/name; kernels/owner/name.
        repo: String,
        /// Only members of the owner can see it.
        #[arg(long)]
        private: bool,
        /// What a space runs on: gradio, streamlit, docker or static.
        #[arg(long)]
        sdk: Option<String>,
    },
    /// List repositories, also private ones.
    List {
        /// Only this kind: model, dataset, space or kernel.
        #[arg(long)]
        kind: Option<RepoKind>,
        /// Only those of this owner.
        #[arg(long)]
        owner: Option<OwnerName>,
    },
    /// Delete a repository. It cannot be brought back.
    Delete {
        /// As for create.
        repo: String,
        /// Yes, delete it.
        #[arg(long)]
        yes: bool,
    },
    /// Give a repository another owner or name. The old address leads to the new one.
    #[command(visible_alias = "rename")]
    Move {
        /// Where it is.
        from: String,
        /// Where it shall be: owner/name.
        to: String,
    },
    /// Show where a repository comes from, and how that was checked.
    Origin {
        /// As for create.
        repo: String,
    },
    /// Keep the files of a repository from elsewhere: they are never removed to make room.
    Pin {
        /// As for create.
        repo: String,
    },
    /// Let the files of a repository from elsewhere be removed when room is needed.
    Unpin {
        /// As for create.
        repo: String,
    },
    /// Change who can see a repository.
    Visibility {
        /// As for create.
        repo: String,
        /// public or private.
        visibility: Visibility,
    },
}

#[derive(Debug, Subcommand)]
pub enum Upstream {
    /// Add an upstream hub: any address that speaks the Hub API.
    Add(UpstreamAdd),
    /// Change what is set for an upstream hub. What is not named stays as it was, and so does what came from it.
    Set(UpstreamSet),
    /// List the upstream hubs, in the order in which they are asked.
    List,
    /// Show one upstream hub.
    Show {
        /// Name of the upstream hub.
        name: String,
    },
    /// Forget an upstream hub.
    Remove {
        /// Name of the upstream hub.
        name: String,
        /// Also delete the repositories that came from it.
        #[arg(long)]
        with_repositories: bool,
    },
    /// Ask an upstream hub whether it answers, now.
    Check {
        /// Name of the upstream hub.
        name: String,
    },
    /// Keep a person's own token for an upstream hub, sealed. The token is read from standard input.
    Login {
        /// Name of the upstream hub.
        name: String,
        /// Whose token: a person on this node.
        user: OwnerName,
    },
    /// Forget a person's own token for an upstream hub.
    Logout {
        /// Name of the upstream hub.
        name: String,
        /// Whose token.
        user: OwnerName,
    },
}

#[derive(Debug, Args)]
pub struct UpstreamAdd {
    /// What to call it: small letters, digits and hyphens.
    pub name: String,
    /// Its address, for example https://hub.example.org
    pub url: String,
    /// Read a token for public reads from standard input. Private repositories need a person's own: karez upstream login
    #[arg(long)]
    pub token_stdin: bool,
    /// Ask it only for these repositories, for example 'Qwen/*' or 'datasets/*'. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub allow: Vec<String>,
    /// Never ask it for these. Wins over --allow. May be repeated.
    #[arg(long, value_name = "PATTERN")]
    pub deny: Vec<String>,
    /// Pass large files of these on to whoever reads them, and do not keep them. May be repeated. All others are kept; only
    /// where mirrors have a bound (federation.cache_bytes_max) and half of it is used, a file is kept from its second
    /// request on.
    #[arg(long, value_name = "PATTERN")]
    pub pass_through: Vec<String>,
    /// Do not fetch files larger than this, for example '20 GB'.
    #[arg(long, value_name = "SIZE")]
    pub file_max: Option<String>,
    /// Fetch no large file of repositories that have more than this of them, for example '500 GB'.
    #[arg(long, value_name = "SIZE")]
    pub repo_max: Option<String>,
    /// How long what is here counts as new before the upstream hub is asked again, for example '10 min' or '1 day'.
    #[arg(long, value_name = "DURATION")]
    pub revalidate: Option<String>,
    /// Its address may be a private one, such as 10.0.0.7 or localhost.
    #[arg(long)]
    pub allow_private: bool,
    /// Try tokens that this node does not know at the upstream hub.
    #[arg(long)]
    pub pass_tokens: bool,
    /// The line over which it is reached, from: karez line list
    #[arg(long, value_name = "LINE", default_value = "default")]
    pub line: String,
}

#[derive(Debug, Args)]
pub struct UpstreamSet {
    /// Name of the upstream hub.
    pub name: String,
    /// Where the same hub answers now. Tokens that are kept for it are sent there.
    #[arg(long)]
    pub url: Option<String>,
    /// Read another token for public reads from standard input.
    #[arg(long, conflicts_with = "no_token")]
    pub token_stdin: bool,
    /// Forget the token for public reads.
    #[arg(long)]
    pub no_token: bool,
    /// Ask it only for these repositories: the whole list anew, may be repeated; "all" for all.
    #[arg(long, value_name = "PATTERN")]
    pub allow: Vec<String>,
    /// Never ask it for these: the whole list anew, may be repeated; "none" for none.
    #[arg(long, value_name = "PATTERN")]
    pub deny: Vec<String>,
    /// Pass large files of these on and do not keep them: the whole list anew, may be repeated; "none" for none.
    #[arg(long, value_name = "PATTERN")]
    pub pass_through: Vec<String>,
    /// Do not fetch files larger than this: '20 GB', or "none".
    #[arg(long, value_name = "SIZE")]
    pub file_max: Option<String>,
    /// Fetch no large file of repositories that have more than this of them: '500 GB', or "none".
    #[arg(long, value_name = "SIZE")]
    pub repo_max: Option<String>,
    /// How long what is here counts as new: '10 min', '1 day'.
    #[arg(long, value_name = "DURATION")]
    pub revalidate: Option<String>,
    /// Whether its address may be a private one: yes or no.
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    pub allow_private: Option<bool>,
    /// Whether tokens that this node does not know are tried there: yes or no.
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    pub pass_tokens: Option<bool>,
    /// The line over which it is reached, from: karez line list
    #[arg(long, value_name = "LINE")]
    pub line: Option<String>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("type yes or no".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Fsck {
    /// Also read all stored bytes and check their hashes. This takes long.
    #[arg(long)]
    pub deep: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
