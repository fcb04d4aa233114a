//! What is read from the file, each within one transaction.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::rows::{self, RoomRow, entries, entry};
use crate::store::bounds::MAX_SEARCHED;
use crate::store::filter::Filter;
use crate::store::fold::Needle;
use crate::store::page::Filling;
use crate::store::{Entry, Matches, Page, Range, Record, RoomInfo, Rooms};

/// Numbers beyond what SQLite counts are after all.
fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

pub(super) fn read(
    connection: &Connection,
    room: &str,
    range: Range,
    limit: usize,
) -> rusqlite::Result<Page> {
    let transaction = connection.unchecked_transaction()?;
    let Some(room) = RoomRow::find(&transaction, room)? else { return Ok(Page::default()) };
    let (rest, seq) = match range {
        Range::Before(seq) => {
            ("AND e.seq < ?2 AND e.kind NOT IN ('edit', 'delete') ORDER BY e.seq DESC", seq)
        }
        Range::After(seq) => ("AND e.seq > ?2 ORDER BY e.seq", seq),
    };
    let mut statement = transaction.prepare(&entries(rest))?;
    let mut rows = statement.query(params![room.id, number(seq)])?;
    let (mut page, mut more) = (Filling::new(limit), false);
    while let Some(row) = rows.next()? {
        if !page.take(Arc::new(entry(row)?)) {
            more = true;
            break;
        }
    }
    let mut entries = page.entries;
    let gap = match range {
        Range::Before(_) => {
            entries.reverse();
            false
        }
        Range::After(seq) => seq < room.floor,
    };
    Ok(Page { entries, more, gap })
}

pub(super) fn get(
    connection: &Connection,
    room: &str,
    seq: u64,
) -> rusqlite::Result<Option<Arc<Entry>>> {
    let transaction = connection.unchecked_transaction()?;
    let Some(room) = RoomRow::find(&transaction, room)? else { return Ok(None) };
    let mut statement = transaction.prepare(&entries("AND e.seq = ?2"))?;
    let mut rows = statement.query(params![room.id, number(seq)])?;
    let row = rows.next()?;
    row.map(|row| entry(row).map(Arc::new)).transpose()
}

/// The number of the entry with a key.
pub(super) fn find(
    connection: &Connection,
    room: &str,
    author: &str,
    key: &str,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT seq FROM entries WHERE room = (SELECT id FROM rooms WHERE name = ?) \
               AND author = ? AND key = ?";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![room, author, key])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

pub(super) fn search(
    connection: &Connection,
    room: &str,
    needle: &Needle,
    before: u64,
    limit: usize,
) -> rusqlite::Result<Matches> {
    let transaction = connection.unchecked_transaction()?;
    let mut found = Filling::new(limit);
    let Some(room) = RoomRow::find(&transaction, room)? else { return Ok(found.matches(None)) };
    let rest = "AND e.seq < ?2 AND e.kind NOT IN ('edit', 'delete') ORDER BY e.seq DESC LIMIT ?3";
    let mut statement = transaction.prepare(&entries(rest))?;
    let mut rows = statement.query(params![room.id, number(before), MAX_SEARCHED])?;
    let (mut seen, mut looked_at) = (before, 0);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let is_match = row.get_ref(5)?.as_str()? == "message"
            && row.get_ref(7)?.as_str().is_ok_and(|body| needle.is_in(body));
        let seq = row.get(0)?;
        if is_match && !found.take(Arc::new(entry(row)?)) {
            return Ok(found.matches(Some(seen)));
        }
        seen = seq;
    }
    Ok(found.matches((looked_at == MAX_SEARCHED).then_some(seen)))
}

pub(super) fn rooms(
    connection: &Connection,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Rooms> {
    let sql = "SELECT name, epoch, top, entries, bytes FROM rooms \
               WHERE entries > 0 AND (?1 IS NULL OR name > ?1) ORDER BY name LIMIT ?2";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(params![after, limit + 1], |row| {
        Ok(RoomInfo {
            name: row.get::<_, String>(0)?.into(),
            epoch: row.get::<_, String>(1)?.into(),
            top: row.get(2)?,
            entries: row.get(3)?,
            bytes: row.get(4)?,
        })
    })?;
    let mut rooms = rows.collect::<rusqlite::Result<Vec<RoomInfo>>>()?;
    let more = rooms.len() > limit;
    rooms.truncate(limit);
    Ok(Rooms { rooms, more })
}

/// One room, if it has entries.
pub(super) fn info(connection: &Connection, name: Arc<str>) -> rusqlite::Result<Option<RoomInfo>> {
    let row = RoomRow::find(connection, &name)?.filter(|row| row.entries > 0);
    Ok(row.map(|RoomRow { epoch, top, entries, bytes, .. }| RoomInfo {
        name,
        epoch,
        top,
        entries,
        bytes,
    }))
}

/// What is needed of a log that is opened.
pub(super) struct Opened {
    /// `None` if the file has nothing of the room.
    pub row: Option<RoomRow>,
    /// Rooms in the file.
    pub rooms: usize,
    /// The last entries.
    pub last: Vec<Arc<Entry>>,
    /// All entries after this number are among them.
    pub start: u64,
    pub records: Vec<Record>,
    pub filter: Filter,
}

/// Entries of a log that are read when it is opened: as much as people see who enter.
const LAST: usize = 200;

pub(super) fn open(
    connection: &Connection,
    room: &str,
    window_bytes: u64,
) -> rusqlite::Result<Opened> {
    let transaction = connection.unchecked_transaction()?;
    let rooms = transaction.query_row("SELECT count(*) FROM rooms", [], |row| row.get(0))?;
    let Some(row) = RoomRow::find(&transaction, room)? else {
        let (last, records, filter) = (Vec::new(), Vec::new(), Filter::new(0));
        return Ok(Opened { row: None, rooms, last, start: 0, records, filter });
    };
    let mut statement = transaction.prepare(&entries("ORDER BY e.seq DESC"))?;
    let mut found = statement.query(params![row.id])?;
    let (mut last, mut bytes, mut start) = (Vec::new(), 0, row.floor);
    while let Some(next) = found.next()? {
        let entry = entry(next)?;
        bytes += entry.size();
        if last.len() == LAST || bytes > window_bytes {
            start = entry.seq;
            break;
        }
        last.push(Arc::new(entry));
    }
    last.reverse();
    let mut filter = Filter::new(usize::try_from(row.entries).unwrap_or(usize::MAX).min(1 << 24));
    let sql = "SELECT author, key, seq FROM entries WHERE room = ? AND key IS NOT NULL";
    let mut statement = transaction.prepare(sql)?;
    let mut keys = statement.query(params![row.id])?;
    while let Some(key) = keys.next()? {
        filter.add(key.get_ref(0)?.as_str()?, key.get_ref(1)?.as_str()?, key.get(2)?);
    }
    let records = rows::records(&transaction, row.id)?;
    Ok(Opened { row: Some(row), rooms, last, start, records, filter })
}
