//! Jobs as one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::error::{is_of_statement, named};
use super::queue::{Job, Op};
use super::rows::RoomRow;
use crate::store::room::Room;
use crate::store::{Entry, Kind, StoreError};

/// Rooms that are in the file.
pub(super) type RoomRows = HashMap<Arc<str>, RoomRow>;

/// What became of a job, once the transaction is there.
pub(super) enum Outcome {
    /// It is written.
    Done,
    /// The entry was there before, with this number.
    Known(u64),
    /// This one cannot be written, whatever happens.
    Refused(StoreError),
}

/// What a transaction did.
pub(super) struct Written {
    /// For each job.
    pub outcomes: Vec<Outcome>,
    /// How the rooms are now.
    pub rooms: RoomRows,
    /// Whether some text was overwritten or deleted.
    pub has_removed: bool,
}

/// Writes all jobs, or none.
pub(super) fn write(
    connection: &mut Connection,
    jobs: &[Job],
    known: &RoomRows,
) -> Result<Written, StoreError> {
    write_all(connection, jobs, known).map_err(|error| named(&error))
}

fn write_all(
    connection: &mut Connection,
    jobs: &[Job],
    known: &RoomRows,
) -> rusqlite::Result<Written> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let written = Batch::new(&transaction, known)?.all(jobs)?;
    transaction.commit()?;
    Ok(written)
}

struct Batch<'t> {
    transaction: &'t Transaction<'t>,
    insert: rusqlite::Statement<'t>,
    known: &'t RoomRows,
    touched: RoomRows,
    has_removed: bool,
}

impl<'t> Batch<'t> {
    fn new(transaction: &'t Transaction<'t>, known: &'t RoomRows) -> rusqlite::Result<Self> {
        let insert = transaction.prepare(
            "INSERT INTO entries \
             (room, seq, at, author, name, key, kind, target, body, edited, deleted, changed) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0) ON CONFLICT DO NOTHING",
        )?;
        Ok(Batch { transaction, insert, known, touched: RoomRows::new(), has_removed: false })
    }

    fn all(mut self, jobs: &[Job]) -> rusqlite::Result<Written> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(match self.job(job) {
                Ok(outcome) => outcome,
                Err(error) if is_of_statement(&error) => Outcome::Refused(named(&error)),
                Err(error) => return Err(error),
            });
        }
        let sql = "UPDATE rooms SET top = ?, floor = ?, entries = ?, bytes = ? WHERE id = ?";
        let mut update = self.transaction.prepare(sql)?;
        for row in self.touched.values() {
            update.execute(params![row.top, row.floor, row.entries, row.bytes, row.id])?;
        }
        Ok(Written { outcomes, rooms: self.touched, has_removed: self.has_removed })
    }

    fn job(&mut self, job: &Job) -> rusqlite::Result<Outcome> {
        match &job.op {
            Op::Append(entry) => self.append(&job.room, entry),
            Op::Confirm(_) => Ok(Outcome::Done),
            Op::Put(record) => {
                let room = self.room(&job.room)?.id;
                self.transaction.execute(
                    "INSERT OR REPLACE INTO records (room, key, value, expires) VALUES (?, ?, ?, ?)",
                    params![room, record.key, record.value, record.expires],
                )?;
                Ok(Outcome::Done)
            }
            Op::Remove(key) => {
                let room = self.room(&job.room)?.id;
                let sql = "DELETE FROM records WHERE room = ? AND key = ?";
                self.transaction.execute(sql, params![room, key])?;
                self.has_removed = true;
                Ok(Outcome::Done)
            }
        }
    }

    /// The room's row, which is made if there is none.
    fn room(&mut self, room: &Room) -> rusqlite::Result<&mut RoomRow> {
        if !self.touched.contains_key(&room.name) {
            let row = match self.known.get(&room.name) {
                Some(row) => row.clone(),
                None => {
                    self.transaction.execute(
                        "INSERT INTO rooms (name, epoch, top, floor, entries, bytes) VALUES (?, ?, 0, 0, 0, 0)",
                        params![room.name, room.epoch],
                    )?;
                    let id = self.transaction.last_insert_rowid();
                    let epoch = room.epoch.clone();
                    RoomRow { id, epoch, top: 0, floor: 0, entries: 0, bytes: 0 }
                }
            };
            self.touched.insert(room.name.clone(), row);
        }
        Ok(self.touched.get_mut(&room.name).unwrap_or_else(|| unreachable!("it was put there")))
    }

    fn append(&mut self, room: &Room, entry: &Entry) -> rusqlite::Result<Outcome> {
        // A change has no text of its own: its message has it.
        let is_change = entry.kind.is_change();
        let body = if is_change { "" } else { &*entry.body };
        let id = self.room(room)?.id;
        let inserted = self.insert.execute(params![
            id,
            entry.seq,
            entry.at,
            entry.author,
            entry.name,
            entry.key,
            entry.kind.word(),
            entry.target,
            body,
        ])?;
        if inserted == 0 {
            return self.there(id, entry);
        }
        let row = self.room(room)?;
        row.top = row.top.max(entry.seq);
        row.entries += 1;
        row.bytes += entry.size() - (entry.body.len() - body.len()) as u64;
        if is_change {
            self.change(room, id, entry)?;
        }
        Ok(Outcome::Done)
    }

    /// The entry that was in the way.
    fn there(&self, room: i64, entry: &Entry) -> rusqlite::Result<Outcome> {
        let sql = "SELECT seq FROM entries WHERE room = ? AND author = ? AND key = ?";
        let found =
            self.transaction
                .query_row(sql, params![room, entry.author, entry.key], |row| row.get(0));
        Ok(match found.optional()? {
            Some(seq) if seq == entry.seq => Outcome::Done,
            Some(seq) => Outcome::Known(seq),
            None => Outcome::Refused(StoreError::Failed("its number is taken".to_owned())),
        })
    }

    /// Gives a message the text that an edit says, or none.
    fn change(&mut self, room: &Room, id: i64, change: &Entry) -> rusqlite::Result<()> {
        let sql = "SELECT length(CAST(body AS BLOB)) FROM entries \
                   WHERE room = ? AND seq = ? AND kind = 'message' AND deleted IS NULL";
        let found = self.transaction.query_row(sql, params![id, change.target], |row| row.get(0));
        let Some(before): Option<u64> = found.optional()? else { return Ok(()) };
        let (at, after) = match change.kind {
            Kind::Edit => ("edited", &*change.body),
            _ => ("deleted", ""),
        };
        let sql = format!(
            "UPDATE entries SET body = ?, {at} = ?, changed = ? WHERE room = ? AND seq = ?"
        );
        let changed = params![after, change.at, change.seq, id, change.target];
        self.transaction.execute(&sql, changed)?;
        self.has_removed = true;
        let row = self.room(room)?;
        row.bytes = row.bytes + after.len() as u64 - before;
        Ok(())
    }
}
