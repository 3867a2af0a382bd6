//! What can be typed about other nodes.

use clap::{Args, Subcommand};
use karez_types::{OwnerName, RepoKind};

/// `karez peer`
#[derive(Debug, Subcommand)]
pub enum Peer {
    /// Add a node that this one exchanges with. Shows its fingerprint and asks.
    Add(PeerAdd),
    /// List the peers, and how far their logs are read.
    List,
    /// Show everything known of a peer.
    Show {
        /// Name of the peer.
        name: String,
    },
    /// Stop exchanging with a peer. What came from it stays.
    Remove {
        /// Name of the peer.
        name: String,
    },
    /// Follow the log of a peer again that showed two histories. The proof stays.
    Forgive {
        /// Name of the peer.
        name: String,
    },
    /// Ask a peer now: address, key, log, witness.
    Check {
        /// Name of the peer. Without it: all peers.
        name: Option<String>,
    },
}

/// `karez peer add`
#[derive(Debug, Args)]
pub struct PeerAdd {
    /// Where the node answers: https://hub.example.org
    pub url: String,
    /// What to call it here. Without this: the name that it gives itself.
    #[arg(long)]
    pub name: Option<String>,
    /// Add it without asking. Only when the line to it can be trusted.
    #[arg(long, conflicts_with = "fingerprint")]
    pub yes: bool,
    /// Add it if it has this fingerprint, and refuse it otherwise.
    #[arg(long, value_name = "FINGERPRINT")]
    pub fingerprint: Option<String>,
    /// The node is in a private network (10.0.0.0/8 and the like).
    #[arg(long)]
    pub allow_private: bool,
    /// The line over which it is reached. See: karez line list
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub line: String,
}

/// `karez names`
#[derive(Debug, Subcommand)]
pub enum Names {
    /// List owner names that belong to other nodes, and those that two claim.
    List,
    /// Give an owner of a peer a name on this node.
    Alias {
        /// The name here.
        local: OwnerName,
        /// Name of the peer.
        remote: String,
        /// The owner's name at the peer.
        owner: OwnerName,
    },
    /// Do not take an owner of a peer, whatever rules say. Ends a clash.
    Refuse {
        /// Name of the peer.
        remote: String,
        /// The owner's name at the peer.
        owner: OwnerName,
        /// Take the owner again.
        #[arg(long)]
        undo: bool,
    },
}

/// `karez follow`
#[derive(Debug, Subcommand)]
pub enum Follow {
    /// Add a rule of what to take from peers. The first rule that matches decides.
    Add(Box<FollowAdd>),
    /// List the rules in the order in which they are tried.
    List,
    /// Take a rule out. What came by it stays.
    Remove {
        /// The number of the rule, from: karez follow list
        id: i64,
    },
}

/// `karez follow add`
#[derive(Debug, Args)]
pub struct FollowAdd {
    /// Name of a peer. Without it: every peer.
    pub remote: Option<String>,
    /// Owner: amina, or a pattern such as "univ-*". Each option may be repeated: one of them must match.
    #[arg(long)]
    pub owner: Vec<String>,
    /// Repository: amina/river-net, "amina/*", "datasets/amina/*".
    #[arg(long)]
    pub repo: Vec<String>,
    /// Kind: model, dataset, space or kernel.
    #[arg(long)]
    pub kind: Vec<RepoKind>,
    /// Tag of the card.
    #[arg(long)]
    pub tag: Vec<String>,
    /// Language, by any of its codes: tg, tgk.
    #[arg(long)]
    pub language: Vec<String>,
    /// Licence: apache-2.0, "cc-*".
    #[arg(long)]
    pub license: Vec<String>,
    /// Task: automatic-speech-recognition.
    #[arg(long)]
    pub task: Vec<String>,
    /// Library: transformers, gguf.
    #[arg(long)]
    pub library: Vec<String>,
    /// Only repositories with at least so many bytes: "1 GB".
    #[arg(long, value_name = "BYTES")]
    pub min_bytes: Option<String>,
    /// Only repositories with at most so many bytes: "20 GB".
    #[arg(long, value_name = "BYTES")]
    pub max_bytes: Option<String>,
    /// Only the so many that are asked for most on this node.
    #[arg(long, value_name = "NUMBER")]
    pub top: Option<u64>,
    /// What to keep: metadata (cards and small files), demand (files that are asked for), whole.
    #[arg(long, default_value = "demand")]
    pub keep: String,
    /// How many nodes should hold it whole. See: karez goals
    #[arg(long, value_name = "NUMBER")]
    pub copies: Option<u64>,
    /// Of whole repositories only these files: "*.safetensors".
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Of whole repositories not these files.
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// One format of the weights, the first that there is: safetensors, gguf, pickle, onnx, tensorflow, flax.
    #[arg(long)]
    pub format: Vec<String>,
    /// Of that format, the weights with this word in their path: Q4_K_M.
    #[arg(long)]
    pub variant: Option<String>,
}

/// `karez line`
#[derive(Debug, Subcommand)]
pub enum Line {
    /// Make or change a line. What is not named stays as it was.
    Set(LineSet),
    /// List the lines, what they allow now, and what came over them this month.
    List,
    /// Forget a line.
    Remove {
        /// Name of the line.
        name: String,
    },
}

/// `karez line set`
#[derive(Debug, Args)]
pub struct LineSet {
    /// Name of the line; peers that name none use the line "default".
    pub name: String,
    /// Most that comes over it: "1 Mbit/s", or "none".
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// Hours in which it may be used: 22:00-06:00. May be repeated; "always" takes all windows out.
    #[arg(long, value_name = "HOURS")]
    pub window: Vec<String>,
    /// Most that may come in a month: "20 GB", or "none".
    #[arg(long, value_name = "BYTES")]
    pub month: Option<String>,
    /// What a byte costs: lan, on-net, night or metered.
    #[arg(long)]
    pub cost: Option<String>,
    /// Offset of hours and months from UTC: +05:00
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    pub utc_offset: Option<String>,
}

/// `karez cost`
#[derive(Debug, Args)]
pub struct Cost {
    /// owner/name, datasets/owner/name and so on; then @ and a branch, tag or commit, if not main.
    pub repo: String,
}

/// `karez transfers`
#[derive(Debug, Args)]
pub struct Transfers {
    /// Show them again every two seconds, until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
    /// How many to show.
    #[arg(long, default_value_t = 50)]
    pub limit: u64,
}

/// `karez incidents`
#[derive(Debug, Args)]
pub struct Incidents {
    /// How many to show, newest first.
    #[arg(long, default_value_t = 50)]
    pub limit: u64,
}
