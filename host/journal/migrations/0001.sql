-- Ids are kept as the 16 bytes of a UUID, or as text where they are none. Times are milliseconds
-- since 1970 UTC. What is kept as ANY is JSON text, or the number of a row of `value` if it is
-- large. Other tables name executions, tasks and values by `seq`, never by id.

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Large values, each once, by the SHA-256 of its bytes.
CREATE TABLE value (
    seq INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
) STRICT;

-- Who needs a value. `kind`: 0 an event (`owner` is its number), 1 a snapshot, 2 an execution's
-- row (`owner` is 0, or 1 for its state_info, 2 for its output), 3 a task's row (`owner` is its seq), 4 an action's row (likewise), 5 pinned (by execution 0), 6 how an
-- action ended, 7 a letter (`owner` is its seq), 8 another value, which it is a part of (`owner` is
-- that one's seq, by execution 0).
CREATE TABLE reference (
    execution INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    value INTEGER NOT NULL REFERENCES value (seq),
    PRIMARY KEY (execution, kind, owner, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_value ON reference (value);

-- Values that may have lost their last reference, or never had one: the collector looks here.
CREATE TABLE loose (
    value INTEGER PRIMARY KEY
) STRICT;

-- What changes with every turn is apart from what is large.
CREATE TABLE execution (
    seq INTEGER PRIMARY KEY,
    id ANY NOT NULL UNIQUE,
    -- The execution at the top and the one above; null for a root.
    root INTEGER REFERENCES execution (seq),
    parent INTEGER REFERENCES execution (seq),
    task_execution_id ANY,
    state TEXT NOT NULL,
    -- Whether an action in flight, a timer or a child may bring an event by itself.
    moving INTEGER NOT NULL,
    -- How many events there have been, the number of the first one that is still kept, and the
    -- `seq` of the last one.
    events INTEGER NOT NULL,
    events_from INTEGER NOT NULL,
    last_event INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER,
    workflow_name TEXT NOT NULL,
    workflow_namespace TEXT NOT NULL,
    workflow_id TEXT,
    project_id TEXT NOT NULL,
    source_execution_id ANY,
    definitions BLOB
) STRICT;
-- Queries that are sorted by time ask for each state by itself and merge: one index is then good
-- with a filter by state and without.
CREATE INDEX execution_created ON execution (state, created_at);
CREATE INDEX execution_updated ON execution (state, updated_at);
CREATE INDEX execution_workflow ON execution (workflow_name, state, created_at);
CREATE INDEX execution_project ON execution (project_id, state, created_at) WHERE project_id <> '';
CREATE INDEX execution_root ON execution (root) WHERE root IS NOT NULL;
CREATE INDEX execution_parent ON execution (parent) WHERE parent IS NOT NULL;
CREATE INDEX execution_parent_task ON execution (task_execution_id) WHERE task_execution_id IS NOT NULL;
CREATE INDEX execution_moving ON execution (ifnull(root, seq)) WHERE moving = 1;
CREATE INDEX execution_unfinished ON execution (seq, id, state) WHERE root IS NULL AND finished_at IS NULL;
CREATE INDEX execution_finished ON execution (finished_at, state, seq) WHERE root IS NULL AND finished_at IS NOT NULL;

CREATE TABLE execution_text (
    execution INTEGER PRIMARY KEY REFERENCES execution (seq),
    description TEXT,
    tags TEXT,
    state_info ANY,
    params ANY,
    input ANY,
    output ANY
) STRICT;

CREATE TABLE task (
    seq INTEGER PRIMARY KEY,
    id ANY NOT NULL UNIQUE,
    execution INTEGER NOT NULL REFERENCES execution (seq),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    processed INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    tags TEXT,
    state_info ANY,
    runtime_context ANY,
    published ANY,
    published_global ANY,
    result ANY
) STRICT;
CREATE INDEX task_execution ON task (execution, created_at);
CREATE INDEX task_created ON task (state, created_at);

CREATE TABLE action (
    seq INTEGER PRIMARY KEY,
    id ANY NOT NULL UNIQUE,
    -- Both null for an action that was run by itself.
    execution INTEGER REFERENCES execution (seq),
    task INTEGER REFERENCES task (seq),
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    -- 0 queued, 1 handed to its runner, 2 ended.
    reached INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    -- Null where it is the execution's.
    project_id TEXT,
    description TEXT,
    tags TEXT,
    state_info ANY,
    runtime_context ANY,
    input ANY,
    output ANY
) STRICT;
CREATE INDEX action_execution ON action (execution, task);
CREATE INDEX action_created ON action (state, created_at);

-- The truth, in the order of writing. There is no index: an execution knows its last event, and
-- each event the one before it, so that a commit of many executions' events writes few pages.
-- `seal` tells whether one has been damaged.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES execution (seq),
    number INTEGER NOT NULL,
    previous INTEGER,
    seal INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- The newest snapshot of an execution. `events` is how many events it covers.
CREATE TABLE snapshot (
    execution INTEGER PRIMARY KEY REFERENCES execution (seq),
    events INTEGER NOT NULL,
    version INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

-- What a turn of one execution has to say to another one, until a turn of that one takes it in.
-- A letter is known by its sender, the number of the sender's event, and its place in that turn.
CREATE TABLE letter (
    seq INTEGER PRIMARY KEY,
    recipient INTEGER NOT NULL REFERENCES execution (seq),
    sender ANY NOT NULL,
    event INTEGER NOT NULL,
    place INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (sender, event, place)
) STRICT;
CREATE INDEX letter_recipient ON letter (recipient);
