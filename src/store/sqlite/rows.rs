//! Entries and rooms as rows.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::store::{Entry, Kind, Record};

/// A room's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoomRow {
    pub id: i64,
    pub epoch: Arc<str>,
    pub top: u64,
    pub floor: u64,
    pub entries: u64,
    pub bytes: u64,
}

/// The columns of `RoomRow`.
pub(super) const ROOM: &str = "id, epoch, top, floor, entries, bytes";

impl RoomRow {
    pub fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(RoomRow {
            id: row.get(0)?,
            epoch: row.get::<_, String>(1)?.into(),
            top: row.get(2)?,
            floor: row.get(3)?,
            entries: row.get(4)?,
            bytes: row.get(5)?,
        })
    }

    pub fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {ROOM} FROM rooms WHERE name = ?");
        connection.query_row(&sql, [name], RoomRow::read).optional()
    }
}

/// The columns of an entry `e`, whose message is `m` if it is a change: what a change says is what its message
/// says now.
const ENTRY: &str = "e.seq, e.at, e.author, e.name, e.key, e.kind, e.target, \
     CASE WHEN e.kind = 'edit' THEN coalesce(m.body, '') ELSE e.body END, e.edited, \
     CASE WHEN e.kind = 'edit' THEN CASE WHEN m.seq IS NULL THEN e.at ELSE m.deleted END \
     ELSE e.deleted END, e.changed";

/// The tables they come from.
const FROM: &str = "FROM entries e LEFT JOIN entries m \
     ON e.kind = 'edit' AND m.room = e.room AND m.seq = e.target AND m.kind = 'message'";

/// A query for entries. Its first parameter is the room.
pub(super) fn entries(rest: &str) -> String {
    format!("SELECT {ENTRY} {FROM} WHERE e.room = ?1 {rest}")
}

/// Of a query by [`entries`].
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let text = |at| row.get::<_, Option<String>>(at).map(|text| text.map(Arc::<str>::from));
    Ok(Entry {
        seq: row.get(0)?,
        at: row.get(1)?,
        author: row.get::<_, String>(2)?.into(),
        name: text(3)?,
        key: text(4)?,
        kind: Kind::of(row.get_ref(5)?.as_str()?),
        target: row.get(6)?,
        body: row.get::<_, String>(7)?.into(),
        edited: row.get(8)?,
        deleted: row.get(9)?,
        changed: row.get(10)?,
    })
}

/// The size of a row as [`Entry::size`] has it.
pub(super) const SIZE: &str = "length(CAST(author AS BLOB)) + length(CAST(coalesce(name, '') AS BLOB)) \
     + length(CAST(coalesce(key, '') AS BLOB)) + length(CAST(body AS BLOB)) + 64";

/// All records of a room.
pub(super) fn records(connection: &Connection, room: i64) -> rusqlite::Result<Vec<Record>> {
    let sql = "SELECT key, value, expires FROM records WHERE room = ? ORDER BY key";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(params![room], |row| {
        Ok(Record { key: row.get(0)?, value: row.get(1)?, expires: row.get(2)? })
    })?;
    rows.collect()
}
