-- What users keep beside their executions: definitions, environments, triggers. `body` is the
-- caller's own, and `kind` says whose.
CREATE TABLE document (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (kind, id)
) STRICT;
