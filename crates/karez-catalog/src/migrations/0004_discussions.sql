-- Discussions: what people say to each other about a repository. A pull request is one that has a base, and
-- its number is that of its ref. events and text_bytes count what discussion_event has of it.
ALTER TABLE pull_request RENAME TO discussion;
ALTER TABLE discussion ADD COLUMN status {text} NOT NULL DEFAULT 'open';
ALTER TABLE discussion ADD COLUMN merge_commit {blob};
ALTER TABLE discussion ADD COLUMN events {int} NOT NULL DEFAULT 0;
ALTER TABLE discussion ADD COLUMN text_bytes {int} NOT NULL DEFAULT 0;

-- Comments, and changes of status (content: the new one) and title (content: the new one, was: the old one).
CREATE TABLE discussion_event (
    repo_id {int} NOT NULL,
    number {int} NOT NULL,
    seq {int} NOT NULL,
    kind {text} NOT NULL,
    author_id {int} REFERENCES account (id) ON DELETE SET NULL,
    created {int} NOT NULL,
    content {text} NOT NULL,
    was {text},
    is_hidden {int} NOT NULL,
    edits {int} NOT NULL,
    edited {int},
    editor_id {int} REFERENCES account (id) ON DELETE SET NULL,
    PRIMARY KEY (repo_id, number, seq),
    FOREIGN KEY (repo_id, number) REFERENCES discussion (repo_id, number) ON DELETE CASCADE
) {strict};
CREATE INDEX discussion_event_by_author ON discussion_event (author_id);
CREATE INDEX discussion_event_by_editor ON discussion_event (editor_id);

-- What comments said before they were edited.
CREATE TABLE discussion_edit (
    repo_id {int} NOT NULL,
    number {int} NOT NULL,
    seq {int} NOT NULL,
    edit {int} NOT NULL,
    author_id {int} REFERENCES account (id) ON DELETE SET NULL,
    created {int} NOT NULL,
    content {text} NOT NULL,
    PRIMARY KEY (repo_id, number, seq, edit),
    FOREIGN KEY (repo_id, number, seq) REFERENCES discussion_event (repo_id, number, seq) ON DELETE CASCADE
) {strict};
CREATE INDEX discussion_edit_by_author ON discussion_edit (author_id);

INSERT INTO discussion_event (repo_id, number, seq, kind, author_id, created, content, was, is_hidden, edits, edited, editor_id)
SELECT repo_id, number, 1, 'comment', author_id, created, description, NULL, 0, 0, NULL, NULL
FROM discussion WHERE description <> '';
UPDATE discussion SET events = 1, text_bytes = LENGTH(description) WHERE description <> '';
ALTER TABLE discussion DROP COLUMN description;
