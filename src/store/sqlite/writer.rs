//! The thread that writes.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::batch::{Outcome, RoomRows, Written, write};
use super::error::named;
use super::queue::{Job, Op};
use super::rows::{ROOM, RoomRow};
use super::tidy;
use super::{Shared, connect};
use crate::store::room::now;
use crate::store::settings::IDLE;
use crate::store::{Durability, StoreError};

/// After an error, this long until the next try.
const RETRY: Duration = Duration::from_secs(1);
/// The bounds are looked after this often, and at least as soon again as that took.
const TIDY: Duration = Duration::from_millis(200);
/// For so long at a time.
const TIDYING: Duration = Duration::from_millis(40);
/// Ages, records and the log of the file are looked after this often.
const SELDOM: Duration = Duration::from_secs(2);

/// Writes what waits in the queue, all that is there as one transaction.
pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    rooms: RoomRows,
    /// When the oldest entry of a room was appended, as far as that was asked.
    oldest: HashMap<i64, u64>,
    /// Taken from the queue, and not yet durable.
    held: Vec<Job>,
    failing: Option<StoreError>,
    retry_at: Instant,
    tidy_at: Instant,
    seldom_at: Instant,
    /// Text that was removed is still in the log of the file.
    has_removed: bool,
    /// With [`Durability::Relaxed`]: something was written that the disk may not have.
    is_unsynced: bool,
    /// More rooms should give way than can.
    is_crowded: bool,
}

impl Writer {
    pub fn new(connection: Connection, shared: Arc<Shared>) -> rusqlite::Result<Self> {
        let mut rooms = RoomRows::new();
        {
            let mut statement = connection.prepare(&format!("SELECT {ROOM}, name FROM rooms"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                rooms.insert(row.get::<_, String>(6)?.into(), RoomRow::read(row)?);
            }
        }
        let now = Instant::now();
        Ok(Writer {
            connection,
            shared,
            rooms,
            oldest: HashMap::new(),
            held: Vec::new(),
            failing: None,
            retry_at: now,
            tidy_at: now,
            seldom_at: now,
            has_removed: false,
            is_unsynced: false,
            is_crowded: false,
        })
    }

    /// Runs until the queue is closed, and what was in it is written.
    pub fn run(mut self) -> Result<(), StoreError> {
        loop {
            if self.failing.is_some() {
                self.shared.queue.pause(self.retry_at);
            }
            let until = if self.held.is_empty() { self.tidy_at } else { Instant::now() };
            let is_closed = self.shared.queue.take(&mut self.held, until);
            if !self.held.is_empty() {
                self.write();
            }
            if is_closed {
                return self.end();
            }
            if self.held.is_empty() && Instant::now() >= self.tidy_at {
                let tidied = self.tidy();
                self.note(tidied.map_err(|error| named(&error)).err());
            }
        }
    }

    /// Writes what is held. If that fails, it is kept, and whoever waits is told.
    fn write(&mut self) {
        match write(&mut self.connection, &self.held, &self.rooms) {
            Ok(written) => {
                self.note(None);
                self.settle(written);
            }
            Err(error) => {
                self.note(Some(error.clone()));
                for done in self.held.iter_mut().filter_map(|job| job.done.take()) {
                    done(Err(error.clone()));
                }
            }
        }
    }

    fn settle(&mut self, written: Written) {
        self.has_removed |= written.has_removed;
        self.is_unsynced = true;
        self.tidy_at = self.tidy_at.min(Instant::now() + TIDY);
        self.rooms.extend(written.rooms);
        let mut size = 0;
        for (job, outcome) in mem::take(&mut self.held).into_iter().zip(written.outcomes) {
            size += job.size();
            let result = match (&job.op, outcome) {
                (Op::Append(entry), Outcome::Done) => {
                    job.room.written(entry.seq, self.shared.settings.window_bytes);
                    Ok(entry.seq)
                }
                (Op::Append(entry), Outcome::Known(seq)) => {
                    job.room.not_written(entry.seq, Ok(seq));
                    Ok(seq)
                }
                (Op::Append(entry), Outcome::Refused(error)) => {
                    job.room.not_written(entry.seq, Err(error.clone()));
                    Err(error)
                }
                (Op::Confirm(seq), _) => job.room.lock().fate(*seq),
                (_, Outcome::Refused(error)) => Err(error),
                _ => Ok(0),
            };
            if let Err(error) = &result {
                tracing::warn!(room = %job.room.name, %error, "history refused an entry");
            }
            if let Some(done) = job.done {
                done(result);
            }
        }
        self.shared.queue.settle(size);
    }

    /// Remembers whether writing works, and logs when that changes.
    fn note(&mut self, error: Option<StoreError>) {
        let now = Instant::now();
        match &error {
            Some(error) => {
                self.retry_at = now + RETRY;
                if self.failing.as_ref() != Some(error) {
                    tracing::error!(reason = error.reason(), %error, waiting = self.held.len(), "history not written");
                }
            }
            None if self.failing.is_some() => tracing::info!("history written again"),
            None => {}
        }
        let mut state = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone_from(&error);
        drop(state);
        self.failing = error;
    }

    /// Looks after the bounds for a moment.
    fn tidy(&mut self) -> rusqlite::Result<()> {
        let began = Instant::now();
        let is_seldom = began >= self.seldom_at;
        let now = now();
        let mut is_done = self.tidy_total(began, now)?;
        if is_seldom || !self.is_crowded {
            self.give_way(now)?;
        }
        let names: Vec<Arc<str>> = self.rooms.keys().cloned().collect();
        for name in names {
            let retention = self.shared.settings.retention.of(&name);
            let row = &self.rooms[&name];
            let is_over = row.entries > retention.messages || row.bytes > retention.bytes;
            let (id, has_bound) = (row.id, is_seldom && retention.age.is_some());
            let has_old =
                has_bound && self.oldest(id)?.is_some_and(|at| at < retention.oldest(now));
            while (is_over || has_old) && self.step(&name, now, 0)? {
                if began.elapsed() >= TIDYING {
                    is_done = false;
                    break;
                }
            }
        }
        if is_seldom {
            self.has_removed |= tidy::expire(&self.connection, now)? > 0;
            self.checkpoint()?;
            self.seldom_at = Instant::now() + SELDOM;
        }
        self.tidy_at = if is_done {
            self.seldom_at
        } else {
            // As long for others as this took.
            Instant::now() + began.elapsed()
        };
        Ok(())
    }

    /// Has rooms that nobody is in give way, so that new ones have a place.
    fn give_way(&mut self, now: u64) -> rusqlite::Result<()> {
        let shared = Arc::clone(&self.shared);
        let (most, spare) = (shared.settings.max_rooms, shared.settings.spare_rooms());
        let over = (self.rooms.len() + spare).saturating_sub(most);
        self.is_crowded = false;
        if over == 0 || spare == 0 {
            return Ok(());
        }
        let _opening = shared.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = tidy::idle(&self.connection, now.saturating_sub(IDLE))?;
        let is_idle =
            |name: &str| shared.opened(name).is_none() && !shared.settings.retention.of(name).stays;
        let going = idle.into_iter().filter(|(_, name)| is_idle(name)).take(over);
        let (ids, names): (Vec<i64>, Vec<String>) = going.unzip();
        self.is_crowded = ids.len() < over;
        if ids.is_empty() {
            return Ok(());
        }
        tidy::forget_rooms(&mut self.connection, &ids)?;
        for (id, name) in ids.iter().zip(&names) {
            self.rooms.remove(name.as_str());
            self.oldest.remove(id);
        }
        self.has_removed = true;
        tracing::info!(rooms = ids.len(), "histories of rooms gave way to those of new ones");
        Ok(())
    }

    /// When the oldest entry of a room was appended. It is asked once for each that goes.
    fn oldest(&mut self, room: i64) -> rusqlite::Result<Option<u64>> {
        if let Some(at) = self.oldest.get(&room) {
            return Ok(Some(*at));
        }
        let oldest = tidy::oldest(&self.connection, room)?;
        self.oldest.extend(oldest.map(|at| (room, at)));
        Ok(oldest)
    }

    /// Takes entries of the largest room, if all together are over their bound. Returns whether they no longer
    /// are.
    fn tidy_total(&mut self, began: Instant, now: u64) -> rusqlite::Result<bool> {
        loop {
            let total: u64 = self.rooms.values().map(|row| row.bytes).sum();
            let over = total.saturating_sub(self.shared.settings.total_bytes);
            let largest = self.rooms.iter().max_by_key(|(_, row)| row.bytes);
            let Some(name) = largest.map(|(name, _)| name.clone()).filter(|_| over > 0) else {
                return Ok(true);
            };
            if began.elapsed() >= TIDYING || !self.step(&name, now, over)? {
                return Ok(false);
            }
        }
    }

    /// Takes some entries of a room, and returns whether there were any that had to go.
    fn step(&mut self, name: &Arc<str>, now: u64, over: u64) -> rusqlite::Result<bool> {
        let retention = self.shared.settings.retention.of(name);
        let row = &self.rooms[name];
        let Some(left) = tidy::step(&mut self.connection, row, &retention, now, over)? else {
            return Ok(false);
        };
        if let Some(room) = self.shared.opened(name) {
            room.forget_until(left.floor);
        }
        self.oldest.remove(&left.id);
        self.rooms.insert(name.clone(), left);
        self.has_removed = true;
        Ok(true)
    }

    /// Moves the file's log into the file: what was removed is then gone from the log, too, and what is relaxed
    /// is on the disk. Somebody who reads at the moment is waited for the next time.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let is_relaxed = self.shared.settings.durability == Durability::Relaxed;
        if self.has_removed {
            let busy = checkpoint(&self.connection, "TRUNCATE")?;
            self.has_removed = busy;
            self.is_unsynced = busy;
        } else if is_relaxed && mem::take(&mut self.is_unsynced) {
            checkpoint(&self.connection, "PASSIVE")?;
        }
        Ok(())
    }

    /// Closes the file in order, so that numbers go on without a gap.
    fn end(mut self) -> Result<(), StoreError> {
        let size = self.held.iter().map(Job::size).sum();
        for job in mem::take(&mut self.held) {
            if let Some(done) = job.done {
                done(Err(StoreError::Closed));
            }
        }
        self.shared.queue.settle(size);
        if let Some(error) = self.failing {
            return Err(error);
        }
        let ended = self.connection.execute("UPDATE state SET clean = 1", []);
        let ended = ended.and_then(|_| checkpoint(&self.connection, "TRUNCATE"));
        ended.map(drop).map_err(|error| named(&error))
    }
}

/// Moves the log of the file into the file. Returns whether somebody who reads was in the way: nobody is waited
/// for.
fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let sql = format!("PRAGMA wal_checkpoint({how})");
    let is_busy = connection.query_row(&sql, [], |row| row.get(0));
    connection.busy_timeout(connect::BUSY)?;
    is_busy
}
