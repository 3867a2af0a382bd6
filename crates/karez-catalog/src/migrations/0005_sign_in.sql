-- Passwords as Argon2id (PHC strings). Who has no row signs in otherwise.
CREATE TABLE password (
    user_id {int} PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    phc {text} NOT NULL,
    changed {int} NOT NULL
) {strict};

-- Browsers that are signed in, by the SHA-256 of what their cookie holds. way: password, token, provider.
-- A session that began with a token ends with it.
CREATE TABLE session (
    hash {blob} NOT NULL PRIMARY KEY,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    token_id {int} REFERENCES token (id) ON DELETE CASCADE,
    way {text} NOT NULL,
    role {text} NOT NULL,
    created {int} NOT NULL,
    expires {int} NOT NULL
) {strict};
CREATE INDEX session_by_user ON session (user_id);
CREATE INDEX session_by_token ON session (token_id);
CREATE INDEX session_by_expires ON session (expires);

-- Addresses at which somebody chooses a password, once, by the SHA-256 of the code in them.
CREATE TABLE invitation (
    user_id {int} PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash {blob} NOT NULL UNIQUE,
    expires {int} NOT NULL
) {strict};

-- Who somebody is at an OpenID provider.
CREATE TABLE identity (
    issuer {text} NOT NULL,
    subject {text} NOT NULL,
    user_id {int} NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) {strict};
CREATE INDEX identity_by_user ON identity (user_id);
