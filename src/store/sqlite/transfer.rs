//! A store as lines of JSON, and back.
//!
//! The first line says what it is. A room's line is followed by its records and entries. The last line says how
//! much there was, so that a part is not taken for all.

use std::io::{self, BufRead, Write};
use std::path::Path;

use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::OpenError;
use super::lock::Lock;
use super::rows::SIZE;
use super::{JUMP, connect, make, prepare};
use crate::store::bounds::{
    MAX_AUTHOR, MAX_BODY, MAX_KEY, MAX_KIND, MAX_NAME, MAX_RECORD_KEY, MAX_RECORD_VALUE,
};
use crate::store::{Store, StoreSettings};

/// How much was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// Rooms.
    pub rooms: u64,
    /// Entries.
    pub entries: u64,
    /// Records.
    pub records: u64,
}

/// Why an export or an import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The lines could not be written or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// SQLite failed.
    #[error("{0}")]
    Failed(#[from] rusqlite::Error),
    /// A line is not what an export has. Nothing was imported.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1 on.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// What the keys of sessions begin with. They are of clients that may come back: short-lived, and by what is in them
/// somebody else could come back in their place.
const SESSION: &str = "session:";

/// The form of the lines.
const FORM: u32 = 1;

#[derive(Debug)]
enum Line {
    Head(Head),
    Room(Room),
    Record(RecordLine),
    Entry(Entry),
    End(End),
}

impl Line {
    /// A line by the key that only its kind has.
    fn read(text: &[u8]) -> serde_json::Result<Self> {
        let line: Map<String, Value> = serde_json::from_slice(text)?;
        let has = |key: &str| line.contains_key(key);
        Ok(if has("seq") {
            Line::Entry(serde_json::from_value(Value::Object(line))?)
        } else if has("record") {
            Line::Record(serde_json::from_value(Value::Object(line))?)
        } else if has("room") {
            Line::Room(serde_json::from_value(Value::Object(line))?)
        } else if has("end") {
            Line::End(serde_json::from_value(Value::Object(line))?)
        } else {
            Line::Head(serde_json::from_value(Value::Object(line))?)
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    parlance_history: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    #[serde(rename = "room")]
    name: String,
    epoch: String,
    top: u64,
    floor: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    record: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    seq: u64,
    at: u64,
    author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<u64>,
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    #[serde(default)]
    changed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: Moved,
}

/// Writes all that a data directory has, as it is at one moment, even while a server uses it.
///
/// # Errors
/// If the directory cannot be read, or the lines cannot be written.
pub fn export(dir: &Path, out: &mut dyn Write) -> Result<Moved, TransferError> {
    let connection = connect::reading(&dir.join(connect::FILE))?;
    let transaction = connection.unchecked_transaction()?;
    let mut line = |line: &dyn erased::Line| -> Result<(), TransferError> {
        line.write(out)?;
        Ok(out.write_all(b"\n")?)
    };
    line(&Head { parlance_history: FORM })?;
    let mut moved = Moved::default();
    let mut rooms =
        transaction.prepare("SELECT id, name, epoch, top, floor FROM rooms ORDER BY name")?;
    let mut records = transaction
        .prepare("SELECT key, value, expires FROM records WHERE room = ? AND substr(key, 1, length(?)) <> ? ORDER BY key")?;
    let mut entries = transaction.prepare(
        "SELECT seq, at, author, name, key, kind, target, body, edited, deleted, changed \
         FROM entries WHERE room = ? ORDER BY seq",
    )?;
    let mut rooms = rooms.query([])?;
    while let Some(row) = rooms.next()? {
        let id: i64 = row.get(0)?;
        let room =
            Room { name: row.get(1)?, epoch: row.get(2)?, top: row.get(3)?, floor: row.get(4)? };
        line(&room)?;
        moved.rooms += 1;
        let mut rows = records.query(params![id, SESSION, SESSION])?;
        while let Some(row) = rows.next()? {
            let (record, value, expires) = (row.get(0)?, row.get(1)?, row.get(2)?);
            line(&RecordLine { record, value, expires })?;
            moved.records += 1;
        }
        let mut rows = entries.query([id])?;
        while let Some(row) = rows.next()? {
            line(&Entry {
                seq: row.get(0)?,
                at: row.get(1)?,
                author: row.get(2)?,
                name: row.get(3)?,
                key: row.get(4)?,
                kind: row.get(5)?,
                target: row.get(6)?,
                body: row.get(7)?,
                edited: row.get(8)?,
                deleted: row.get(9)?,
                changed: row.get(10)?,
            })?;
            moved.entries += 1;
        }
    }
    line(&End { end: moved })?;
    out.flush()?;
    Ok(moved)
}

/// Lines of several types, written one after the other.
mod erased {
    use std::io::{self, Write};

    pub trait Line {
        fn write(&self, out: &mut dyn Write) -> io::Result<()>;
    }

    impl<T: serde::Serialize> Line for T {
        fn write(&self, out: &mut dyn Write) -> io::Result<()> {
            Ok(serde_json::to_writer(out, self)?)
        }
    }
}

/// Takes what an export has written into a data directory that no server uses: all of it, or nothing. Rooms that
/// are there already are not touched: then it fails.
///
/// # Errors
/// If the directory is in use, a line is wrong, or a room is there.
pub fn import(dir: &Path, input: &mut dyn BufRead) -> Result<Moved, TransferError> {
    make(dir)?;
    let _lock = Lock::take(dir)?;
    let (connection, _) = prepare(dir, &StoreSettings::default())?;
    let transaction = connection.unchecked_transaction()?;
    let moved = Import { transaction: &transaction, room: None, last: 0, moved: Moved::default() }
        .run(input)?;
    transaction.commit()?;
    connection.execute("UPDATE state SET clean = 1", [])?;
    finish(&connection)?;
    Ok(moved)
}

fn finish(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Bytes of a line: the texts of an entry, escaped.
const MAX_LINE: u64 = 6 * (MAX_BODY + MAX_NAME + MAX_AUTHOR + MAX_KEY) as u64 + 1024;

struct Import<'t> {
    transaction: &'t Transaction<'t>,
    /// The room whose entries come.
    room: Option<i64>,
    /// Its last entry so far.
    last: u64,
    moved: Moved,
}

impl Import<'_> {
    fn run(mut self, input: &mut dyn BufRead) -> Result<Moved, TransferError> {
        let mut text = Vec::new();
        for number in 1.. {
            let wrong = |reason: String| TransferError::Line { line: number, reason };
            text.clear();
            io::Read::take(&mut *input, MAX_LINE).read_until(b'\n', &mut text)?;
            if text.pop_if(|last| *last == b'\n').is_none() {
                let reason =
                    if text.is_empty() { "the end is missing" } else { "too long, or cut" };
                return Err(wrong(reason.to_owned()));
            }
            let line = Line::read(&text).map_err(|error| wrong(error.to_string()))?;
            match (number, line) {
                (1, Line::Head(head)) if head.parlance_history == FORM => {}
                (1, _) => {
                    return Err(wrong("not an export of this version of Parlance".to_owned()));
                }
                (_, Line::Head(_)) => return Err(wrong("a second beginning".to_owned())),
                (_, Line::Room(room)) => self.room(room).map_err(wrong)?,
                (_, Line::Record(record)) => self.record(record).map_err(wrong)?,
                (_, Line::Entry(entry)) => self.entry(entry).map_err(wrong)?,
                (_, Line::End(End { end })) if end == self.moved => {
                    self.finish_room().map_err(wrong)?;
                    return Ok(end);
                }
                (_, Line::End(_)) => return Err(wrong("lines are missing".to_owned())),
            }
        }
        Ok(self.moved)
    }

    fn room(&mut self, room: Room) -> Result<(), String> {
        self.finish_room()?;
        if room.name.len() > Store::MAX_ROOM_NAME || room.epoch.len() != 8 {
            return Err("not a room".to_owned());
        }
        let top = room.top.checked_add(JUMP).filter(|top| i64::try_from(*top).is_ok());
        let Some(top) = top.filter(|_| room.floor <= room.top) else {
            return Err("not a room".to_owned());
        };
        // Numbers go on behind those that were given out after the export.
        let sql = "INSERT INTO rooms (name, epoch, top, floor, entries, bytes) \
                   VALUES (?, ?, ?, ?, 0, 0) ON CONFLICT DO NOTHING";
        let values = params![room.name, room.epoch, top, room.floor];
        match self.transaction.execute(sql, values).map_err(|error| error.to_string())? {
            0 => Err(format!("the room {} is there already", room.name)),
            _ => {
                self.room = Some(self.transaction.last_insert_rowid());
                self.last = 0;
                self.moved.rooms += 1;
                Ok(())
            }
        }
    }

    /// Counts what a room has got.
    fn finish_room(&self) -> Result<(), String> {
        let Some(room) = self.room else { return Ok(()) };
        let sql = format!(
            "UPDATE rooms SET top = max(top, ?2), \
             entries = (SELECT count(*) FROM entries WHERE room = ?1), \
             bytes = (SELECT coalesce(sum({SIZE}), 0) FROM entries WHERE room = ?1) WHERE id = ?1"
        );
        let done = self.transaction.execute(&sql, params![room, self.last]);
        done.map(drop).map_err(|error| error.to_string())
    }

    fn record(&mut self, record: RecordLine) -> Result<(), String> {
        let room = self.room.ok_or("a record without a room")?;
        if record.record.len() > MAX_RECORD_KEY || record.value.len() > MAX_RECORD_VALUE {
            return Err("a record that is too large".to_owned());
        }
        let sql = "INSERT INTO records (room, key, value, expires) VALUES (?, ?, ?, ?)";
        let values = params![room, record.record, record.value, record.expires];
        self.transaction.execute(sql, values).map_err(|error| error.to_string())?;
        self.moved.records += 1;
        Ok(())
    }

    fn entry(&mut self, entry: Entry) -> Result<(), String> {
        let room = self.room.ok_or("an entry without a room")?;
        let within = |text: &Option<String>, most| text.as_ref().is_none_or(|it| it.len() <= most);
        let fits = entry.author.len() <= MAX_AUTHOR
            && within(&entry.name, MAX_NAME)
            && within(&entry.key, MAX_KEY)
            && (1..=MAX_KIND).contains(&entry.kind.len())
            && entry.body.len() <= MAX_BODY;
        if !fits || entry.seq <= self.last {
            return Err("not an entry that follows".to_owned());
        }
        self.last = entry.seq;
        let sql = "INSERT INTO entries \
                   (room, seq, at, author, name, key, kind, target, body, edited, deleted, changed) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let values = params![
            room,
            entry.seq,
            entry.at,
            entry.author,
            entry.name,
            entry.key,
            entry.kind,
            entry.target,
            entry.body,
            entry.edited,
            entry.deleted,
            entry.changed,
        ];
        self.transaction.execute(sql, values).map_err(|error| error.to_string())?;
        self.moved.entries += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::contract::Folder;

    #[test]
    fn a_line_beyond_what_a_store_holds_is_refused() {
        let room = json!({ "room": "/", "epoch": "8letters", "top": 2, "floor": 0 });
        let record = json!({ "record": "k", "value": "v" });
        let entry = json!({ "seq": 1, "at": 0, "author": "", "kind": "message", "body": "" });
        let last = i64::MAX as u64 - JUMP;
        let long = |length| Value::from("x".repeat(length));
        // A line, its part, the most that is taken, and what is not.
        for (line, part, most, wrong) in [
            (1, "room", long(Store::MAX_ROOM_NAME), long(Store::MAX_ROOM_NAME + 1)),
            (1, "epoch", long(8), long(9)),
            (1, "top", last.into(), (last + 1).into()),
            (1, "floor", 2.into(), 3.into()),
            (2, "record", long(MAX_RECORD_KEY), long(MAX_RECORD_KEY + 1)),
            (2, "value", long(MAX_RECORD_VALUE), long(MAX_RECORD_VALUE + 1)),
            (3, "seq", 1.into(), 0.into()),
            (3, "author", long(MAX_AUTHOR), long(MAX_AUTHOR + 1)),
            (3, "name", long(MAX_NAME), long(MAX_NAME + 1)),
            (3, "key", long(MAX_KEY), long(MAX_KEY + 1)),
            (3, "kind", long(MAX_KIND), long(MAX_KIND + 1)),
            (3, "kind", long(1), long(0)),
            (3, "body", long(MAX_BODY), long(MAX_BODY + 1)),
        ] {
            let with = |value: Value| {
                let end = json!({ "end": { "rooms": 1, "records": 1, "entries": 1 } });
                let head = json!({ "parlance_history": FORM });
                let mut lines = [head, room.clone(), record.clone(), entry.clone(), end];
                lines[line][part] = value;
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                import(&Folder::new().0, &mut text.as_bytes())
            };
            assert_eq!(with(most).map(|moved| moved.entries).ok(), Some(1), "{part}");
            match with(wrong) {
                Err(TransferError::Line { line: at, .. }) => {
                    assert_eq!(at, line as u64 + 1, "{part}")
                }
                other => panic!("{part}: {other:?}"),
            }
        }
    }
}
