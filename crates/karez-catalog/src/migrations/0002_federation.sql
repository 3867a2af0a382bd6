-- The node's own log: every act on a public repository that this node is the origin of, in order.
-- repo is the address as "models/owner/name" in lower case; oid is the commit that the entry names.
CREATE TABLE log_entry (
    idx {int} PRIMARY KEY,
    at {int} NOT NULL,
    repo {text} NOT NULL,
    oid {blob},
    content {blob} NOT NULL
) {strict};
CREATE INDEX log_entry_by_repo ON log_entry (repo, oid, idx);

-- One row: the index that the next entry gets. Whoever appends holds it until its transaction ends.
CREATE TABLE log_head (
    one {int} PRIMARY KEY,
    next {int} NOT NULL
) {strict};
INSERT INTO log_head (one, next) VALUES (1, 0);

-- Hashes of the log's tree, up to 256 of 32 bytes each; the last tile of a level is still growing.
CREATE TABLE log_tile (
    level {int} NOT NULL,
    tile {int} NOT NULL,
    hashes {blob} NOT NULL,
    PRIMARY KEY (level, tile)
) {strict};

-- At most one row: the tree that was signed last, its right edge, and the note as it is served.
CREATE TABLE log_tree (
    one {int} PRIMARY KEY,
    size {int} NOT NULL,
    frontier {blob} NOT NULL,
    note {text} NOT NULL
) {strict};

-- The size below which nothing may be signed, as witnesses of this log have told: a database from an old
-- backup is smaller. By the log's name, because a new key begins a new log.
CREATE TABLE log_floor (
    origin {text} NOT NULL PRIMARY KEY,
    size {int} NOT NULL
) {strict};

-- What this node last said of itself, and how often it said something new; by the log's name.
CREATE TABLE descriptor (
    origin {text} NOT NULL PRIMARY KEY,
    sequence {int} NOT NULL,
    content {text} NOT NULL
) {strict};

-- What this node, as a witness, has cosigned of other logs: the newest tree of each.
CREATE TABLE witnessed (
    origin {text} NOT NULL PRIMARY KEY,
    size {int} NOT NULL,
    root {blob} NOT NULL,
    note {text} NOT NULL,
    seen {int} NOT NULL
) {strict};

-- Proofs that a log showed two histories, each once, by the SHA-256 of its text. Never deleted by the program.
CREATE TABLE fork (
    id {id},
    origin {text} NOT NULL,
    found {int} NOT NULL,
    sha256 {blob} NOT NULL UNIQUE,
    evidence {text} NOT NULL
) {strict};
CREATE INDEX fork_by_origin ON fork (origin);

-- Other nodes and hubs. kind: upstream (any Hub API) or peer (a node with a log key).
-- token is sealed under the signing key; settings is JSON.
CREATE TABLE remote (
    id {id},
    name {text} NOT NULL UNIQUE,
    kind {text} NOT NULL,
    url {text} NOT NULL,
    log_key {text},
    witness_key {text},
    token {blob},
    line {text} NOT NULL,
    settings {text} NOT NULL,
    added {int} NOT NULL
) {strict};

-- A person's own token for a remote, sealed.
CREATE TABLE remote_login (
    remote_id {int} NOT NULL REFERENCES remote (id) ON DELETE CASCADE,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    token {blob} NOT NULL,
    PRIMARY KEY (remote_id, user_id)
) {strict};
CREATE INDEX remote_login_by_user ON remote_login (user_id);

-- How far a peer's log was followed: size and right edge of the verified tree, and its signed note.
CREATE TABLE feed (
    remote_id {int} PRIMARY KEY REFERENCES remote (id) ON DELETE CASCADE,
    size {int} NOT NULL,
    frontier {blob} NOT NULL,
    note {text} NOT NULL,
    polled {int} NOT NULL,
    changed {int} NOT NULL,
    trouble {text}
) {strict};

-- What peers publish, by their logs. state: public, withdrawn, deleted, moved (then moved_to).
-- idx: the newest entry about it; head_idx: the one that names its head; done_idx: the newest that this
-- node has acted on, -1 for none.
CREATE TABLE feed_repo (
    remote_id {int} NOT NULL REFERENCES remote (id) ON DELETE CASCADE,
    kind {text} NOT NULL,
    id_folded {text} NOT NULL,
    owner_folded {text} NOT NULL,
    id {text} NOT NULL,
    head {blob},
    file_bytes {int} NOT NULL,
    at {int} NOT NULL,
    idx {int} NOT NULL,
    head_idx {int},
    done_idx {int} NOT NULL,
    state {text} NOT NULL,
    moved_to {text},
    tags {text} NOT NULL,
    license {text},
    pipeline_tag {text},
    library_name {text},
    PRIMARY KEY (remote_id, kind, id_folded)
) {strict};
CREATE INDEX feed_repo_by_id ON feed_repo (kind, id_folded);
CREATE INDEX feed_repo_by_owner ON feed_repo (owner_folded);

-- Which origin an owner name belongs to on this node. Names without a row are the node's own.
CREATE TABLE owner_origin (
    owner_folded {text} NOT NULL PRIMARY KEY,
    remote_id {int} NOT NULL REFERENCES remote (id) ON DELETE CASCADE,
    remote_owner {text} NOT NULL,
    bound {int} NOT NULL
) {strict};
CREATE INDEX owner_origin_by_remote ON owner_origin (remote_id);

-- Repositories whose history is made elsewhere. keep: metadata, demand, whole.
-- is_restricted: private or gated at the origin; then readers need a grant.
-- withdrawn: when the origin withdrew it; local_override: what the operator decided then (keep, hide);
-- is_hidden: what follows from both and the remote's setting, for the condition of every request.
-- remote_folded is "models/owner/name" over there in lower case.
CREATE TABLE mirror (
    repo_id {int} PRIMARY KEY REFERENCES repo (id) ON DELETE CASCADE,
    remote_id {int} NOT NULL REFERENCES remote (id),
    remote_repo {text} NOT NULL,
    remote_folded {text} NOT NULL,
    keep {text} NOT NULL,
    is_restricted {int} NOT NULL,
    is_whole_history {int} NOT NULL,
    held_since {int} NOT NULL,
    checked {int} NOT NULL,
    verified_by {text} NOT NULL,
    withdrawn {int},
    local_override {text},
    is_hidden {int} NOT NULL,
    is_pinned {int} NOT NULL
) {strict};
CREATE INDEX mirror_by_remote ON mirror (remote_id, remote_folded);

-- Commits of a mirror whose parents are not held.
CREATE TABLE mirror_shallow (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    oid {blob} NOT NULL,
    PRIMARY KEY (repo_id, oid)
) {strict};
CREATE INDEX mirror_shallow_by_oid ON mirror_shallow (oid);

-- Answers of an origin to "may this person read it", for restricted mirrors; they end after a while.
CREATE TABLE mirror_grant (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    is_allowed {int} NOT NULL,
    checked {int} NOT NULL,
    PRIMARY KEY (repo_id, user_id)
) {strict};
CREATE INDEX mirror_grant_by_user ON mirror_grant (user_id);

-- Rules of what to follow, first match wins. rule is JSON; remote_id unset: every peer.
CREATE TABLE follow (
    id {id},
    remote_id {int} REFERENCES remote (id) ON DELETE CASCADE,
    rule {text} NOT NULL,
    keep {text} NOT NULL,
    copies {int},
    added {int} NOT NULL
) {strict};
CREATE INDEX follow_by_remote ON follow (remote_id);

-- Lines to the world: cost class, rate, windows, monthly budget, as JSON; and bytes received per month
-- (months count from 1970-01).
CREATE TABLE line (
    name {text} NOT NULL PRIMARY KEY,
    settings {text} NOT NULL
) {strict};
CREATE TABLE line_use (
    line {text} NOT NULL,
    month {int} NOT NULL,
    received_bytes {int} NOT NULL,
    PRIMARY KEY (line, month)
) {strict};

-- Files on their way here, for people to see. state: waiting, running, done, failed.
CREATE TABLE transfer (
    sha256 {blob} NOT NULL PRIMARY KEY,
    repo {text} NOT NULL,
    path {text} NOT NULL,
    remote {text} NOT NULL,
    state {text} NOT NULL,
    file_bytes {int} NOT NULL,
    wire_bytes {int} NOT NULL,
    done_bytes {int} NOT NULL,
    rate_bytes_per_sec {int} NOT NULL,
    started {int} NOT NULL,
    updated {int} NOT NULL,
    trouble {text}
) {strict};
CREATE INDEX transfer_by_state ON transfer (state, updated);

-- How often files of mirrors were asked for: what eviction decides by.
CREATE TABLE file_use (
    sha256 {blob} NOT NULL PRIMARY KEY,
    requests {int} NOT NULL,
    saved_bytes {int} NOT NULL,
    last_used {int} NOT NULL
) {strict};

-- Which entries of an origin's log other nodes say they hold whole. origin is the log's name; ranges
-- of indices, idx_end not included.
CREATE TABLE have (
    remote_id {int} NOT NULL REFERENCES remote (id) ON DELETE CASCADE,
    origin {text} NOT NULL,
    idx_start {int} NOT NULL,
    idx_end {int} NOT NULL,
    PRIMARY KEY (remote_id, origin, idx_start)
) {strict};
CREATE INDEX have_by_origin ON have (origin, idx_start);

-- What remotes did wrong: wrong bytes, forks, lies about sizes. For people to read.
CREATE TABLE incident (
    id {id},
    at {int} NOT NULL,
    remote {text} NOT NULL,
    kind {text} NOT NULL,
    what {text} NOT NULL
) {strict};
CREATE INDEX incident_by_at ON incident (at);
