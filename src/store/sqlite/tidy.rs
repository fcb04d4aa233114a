//! What goes, the oldest first, and a few at a time.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::rows::{RoomRow, SIZE};
use crate::store::Retention;
use crate::store::settings::FEW;

/// Entries that go in one transaction.
const STEP: usize = 500;

/// Takes entries of a room that are over its bounds, or as many bytes as have to go for other reasons; at most
/// [`STEP`] of them. Returns how the room is then, unless it stays as it is.
pub(super) fn step(
    connection: &mut Connection,
    row: &RoomRow,
    retention: &Retention,
    now: u64,
    over: u64,
) -> rusqlite::Result<Option<RoomRow>> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let oldest = retention.oldest(now);
    let (mut left, mut over) = (row.clone(), over);
    {
        let sql =
            format!("SELECT seq, at, {SIZE} FROM entries WHERE room = ? ORDER BY seq LIMIT ?");
        let mut statement = transaction.prepare(&sql)?;
        let mut rows = statement.query(params![row.id, STEP])?;
        while let Some(entry) = rows.next()? {
            let goes = left.entries > retention.messages
                || left.bytes > retention.bytes
                || entry.get::<_, u64>(1)? < oldest
                || over > 0;
            if !goes {
                break;
            }
            let size: u64 = entry.get(2)?;
            left.floor = entry.get(0)?;
            left.entries = left.entries.saturating_sub(1);
            left.bytes = left.bytes.saturating_sub(size);
            over = over.saturating_sub(size);
        }
    }
    if left.floor == row.floor {
        return Ok(None);
    }
    transaction
        .execute("DELETE FROM entries WHERE room = ? AND seq <= ?", params![row.id, left.floor])?;
    transaction.execute(
        "UPDATE rooms SET floor = ?, entries = ?, bytes = ? WHERE id = ?",
        params![left.floor, left.entries, left.bytes, row.id],
    )?;
    transaction.commit()?;
    Ok(Some(left))
}

/// When the oldest entry of a room was appended.
pub(super) fn oldest(connection: &Connection, room: i64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT at FROM entries WHERE room = ? ORDER BY seq LIMIT 1";
    connection.query_row(sql, [room], |row| row.get(0)).optional()
}

/// Records that have expired go.
pub(super) fn expire(connection: &Connection, now: u64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM records WHERE (room, key) IN \
               (SELECT room, key FROM records WHERE expires <= ? LIMIT ?)";
    connection.execute(sql, params![now, STEP])
}

/// Rooms without entries and records go.
pub(super) fn forget_empty_rooms(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "DELETE FROM rooms WHERE entries = 0 \
               AND NOT EXISTS (SELECT 1 FROM records WHERE room = id)";
    connection.execute(sql, []).map(drop)
}

/// The rooms that may give way to others if nobody has them open, those first that were used least lately: with few
/// entries, then those of which none is newer than `old`.
pub(super) fn idle(connection: &Connection, old: u64) -> rusqlite::Result<Vec<(i64, String)>> {
    let sql = "SELECT id, name FROM (SELECT id, name, entries, \
               (SELECT at FROM entries WHERE room = id ORDER BY seq DESC LIMIT 1) AS used FROM rooms) \
               WHERE (entries <= ?1 OR used < ?2) \
               AND NOT EXISTS (SELECT 1 FROM records WHERE room = id) \
               ORDER BY entries > ?1, used";
    let mut statement = connection.prepare(sql)?;
    statement.query_map(params![FEW, old], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Rooms go with their entries.
pub(super) fn forget_rooms(connection: &mut Connection, rooms: &[i64]) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for room in rooms {
        transaction.execute("DELETE FROM entries WHERE room = ?", [room])?;
        transaction.execute("DELETE FROM rooms WHERE id = ?", [room])?;
    }
    transaction.commit()
}
