-- People and organizations: one space of names, folded to lower case for comparison.
CREATE TABLE account (
    id {id},
    name {text} NOT NULL,
    name_folded {text} NOT NULL UNIQUE,
    kind {text} NOT NULL,
    fullname {text} NOT NULL,
    email {text},
    is_admin {int} NOT NULL,
    created {int} NOT NULL
) {strict};

CREATE TABLE membership (
    org_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role {text} NOT NULL,
    PRIMARY KEY (user_id, org_id)
) {strict};
CREATE INDEX membership_by_org ON membership (org_id);

-- Access tokens, by their SHA-256. The token itself is nowhere stored.
CREATE TABLE token (
    id {id},
    hash {blob} NOT NULL UNIQUE,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name {text} NOT NULL,
    role {text} NOT NULL,
    created {int} NOT NULL,
    expires {int}
) {strict};
CREATE INDEX token_by_user ON token (user_id);

-- id_folded is "owner/name" in lower case. An account that owns repositories cannot go away.
CREATE TABLE repo (
    id {id},
    kind {text} NOT NULL,
    owner_id {int} NOT NULL REFERENCES account (id),
    name {text} NOT NULL,
    id_folded {text} NOT NULL,
    visibility {text} NOT NULL,
    gated {text} NOT NULL,
    sdk {text},
    created {int} NOT NULL,
    modified {int} NOT NULL,
    downloads {int} NOT NULL,
    likes {int} NOT NULL,
    tags {text} NOT NULL,
    pipeline_tag {text},
    library_name {text},
    pull_requests {int} NOT NULL,
    UNIQUE (kind, id_folded)
) {strict};
CREATE INDEX repo_by_modified ON repo (kind, modified, id);
CREATE INDEX repo_by_created ON repo (kind, created, id);
CREATE INDEX repo_by_downloads ON repo (kind, downloads, id);
CREATE INDEX repo_by_likes ON repo (kind, likes, id);
CREATE INDEX repo_by_owner ON repo (owner_id, kind, modified, id);

-- Apart from repo, because it can be large and most requests do not need it.
CREATE TABLE repo_card (
    repo_id {int} PRIMARY KEY REFERENCES repo (id) ON DELETE CASCADE,
    card {text} NOT NULL
) {strict};

CREATE TABLE repo_tag (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    tag {text} NOT NULL,
    PRIMARY KEY (tag, repo_id)
) {strict};
CREATE INDEX repo_tag_by_repo ON repo_tag (repo_id);

-- Addresses from before a move. A repository that takes such an address ends the redirect.
CREATE TABLE repo_redirect (
    kind {text} NOT NULL,
    id_folded {text} NOT NULL,
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, id_folded)
) {strict};
CREATE INDEX repo_redirect_by_repo ON repo_redirect (repo_id);

-- Git objects of all repositories, each once. content comes last: statistics need not read it.
CREATE TABLE git_object (
    oid {blob} NOT NULL PRIMARY KEY,
    kind {text} NOT NULL,
    content_bytes {int} NOT NULL,
    lfs_sha256 {blob},
    lfs_bytes {int},
    content {blob} NOT NULL
) {strict};

CREATE TABLE git_ref (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    name {text} NOT NULL,
    target {blob} NOT NULL REFERENCES git_object (oid),
    PRIMARY KEY (repo_id, name)
) {strict};
CREATE INDEX git_ref_by_target ON git_ref (target);

-- Commits and tags that were pushed to a repository: what may be asked for by id there.
CREATE TABLE repo_commit (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    oid {blob} NOT NULL,
    PRIMARY KEY (repo_id, oid)
) {strict};

CREATE TABLE pull_request (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    number {int} NOT NULL,
    title {text} NOT NULL,
    description {text} NOT NULL,
    author_id {int} REFERENCES account (id) ON DELETE SET NULL,
    base {text} NOT NULL,
    created {int} NOT NULL,
    PRIMARY KEY (repo_id, number)
) {strict};
CREATE INDEX pull_request_by_author ON pull_request (author_id);

-- Chunks in the store, by the xorb that holds them.
CREATE TABLE xorb (
    hash {blob} NOT NULL PRIMARY KEY,
    stored_bytes {int} NOT NULL,
    raw_bytes {int} NOT NULL,
    chunk_count {int} NOT NULL,
    created {int} NOT NULL
) {strict};

CREATE TABLE zone_xorb (
    hash {blob} NOT NULL REFERENCES xorb (hash) ON DELETE CASCADE,
    zone {int} NOT NULL,
    PRIMARY KEY (hash, zone)
) {strict};

-- Ways to put a file together. The same bytes may have come chunked in several ways.
CREATE TABLE xet_file (
    hash {blob} NOT NULL PRIMARY KEY,
    sha256 {blob} NOT NULL,
    file_bytes {int} NOT NULL,
    created {int} NOT NULL,
    terms {blob} NOT NULL
) {strict};
CREATE INDEX xet_file_by_sha256 ON xet_file (sha256);

-- The way that is used for a SHA-256: the first that came.
CREATE TABLE lfs_file (
    sha256 {blob} NOT NULL PRIMARY KEY,
    hash {blob} NOT NULL REFERENCES xet_file (hash)
) {strict};
CREATE INDEX lfs_file_by_hash ON lfs_file (hash);

-- The xorbs of a file, each once, in order of first use.
CREATE TABLE file_xorb (
    file {blob} NOT NULL REFERENCES xet_file (hash) ON DELETE CASCADE,
    place {int} NOT NULL,
    xorb {blob} NOT NULL REFERENCES xorb (hash),
    PRIMARY KEY (file, place)
) {strict};
CREATE INDEX file_xorb_by_xorb ON file_xorb (xorb, file, place);

CREATE TABLE zone_file (
    sha256 {blob} NOT NULL REFERENCES lfs_file (sha256) ON DELETE CASCADE,
    zone {int} NOT NULL,
    PRIMARY KEY (sha256, zone)
) {strict};

-- Large files that a repository may serve: written by the transaction that moves a ref.
CREATE TABLE repo_file (
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    sha256 {blob} NOT NULL REFERENCES lfs_file (sha256),
    PRIMARY KEY (repo_id, sha256)
) {strict};
CREATE INDEX repo_file_by_sha256 ON repo_file (sha256);

CREATE TABLE dedup_chunk (
    chunk {blob} NOT NULL,
    xorb {blob} NOT NULL REFERENCES xorb (hash) ON DELETE CASCADE,
    PRIMARY KEY (chunk, xorb)
) {strict};
CREATE INDEX dedup_chunk_by_xorb ON dedup_chunk (xorb);

-- Multipart uploads under way.
CREATE TABLE upload (
    id {text} NOT NULL PRIMARY KEY,
    repo_id {int} NOT NULL REFERENCES repo (id) ON DELETE CASCADE,
    sha256 {blob} NOT NULL,
    file_bytes {int} NOT NULL,
    part_bytes {int} NOT NULL,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    created {int} NOT NULL,
    expires {int} NOT NULL
) {strict};
CREATE INDEX upload_by_repo ON upload (repo_id);
CREATE INDEX upload_by_user ON upload (user_id);
CREATE INDEX upload_by_expiry ON upload (expires);

-- Keys of the node: signing, deduplication.
CREATE TABLE secret (
    name {text} NOT NULL PRIMARY KEY,
    value {blob} NOT NULL
) {strict};
