-- The first version. What it says stays as it is: later versions are files of their own.

-- One row: whether the file was closed in order.
CREATE TABLE state (clean INTEGER NOT NULL);
INSERT INTO state VALUES (1);

CREATE TABLE rooms (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    -- The last number that was given out, as far as it is known here.
    top INTEGER NOT NULL,
    -- Entries up to this number are no longer kept.
    floor INTEGER NOT NULL,
    -- What entries there are, and their sizes together.
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
);

-- Messages as they stand, edits and removals (whose text is that of their message), and other events.
CREATE TABLE entries (
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    name TEXT,
    key TEXT,
    kind TEXT NOT NULL,
    target INTEGER,
    body TEXT NOT NULL,
    edited INTEGER,
    deleted INTEGER,
    changed INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
) WITHOUT ROWID;

-- An author has a key once in a room.
CREATE UNIQUE INDEX entries_by_key ON entries (room, author, key) WHERE key IS NOT NULL;

-- What is shown to those who look back.
CREATE INDEX entries_shown ON entries (room, seq) WHERE kind NOT IN ('edit', 'delete');

CREATE TABLE records (
    room INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    expires INTEGER,
    PRIMARY KEY (room, key)
) WITHOUT ROWID;

CREATE INDEX records_by_end ON records (expires) WHERE expires IS NOT NULL;
