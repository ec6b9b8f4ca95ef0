-- What changed, for whoever watches, in the order of its commits. The numbers begin with 1, have no
-- gaps and never come again: rows go at the low end only, and the last one stays. What a change is
-- about is kept by its ids, since the execution may be gone; both are null where it is about none.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    project_id TEXT NOT NULL,
    root ANY,
    execution ANY,
    seal INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX change_root ON change (root) WHERE root IS NOT NULL;
