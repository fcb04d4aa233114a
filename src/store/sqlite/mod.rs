//! The store in a file of SQLite.
//!
//! One thread writes ([`writer`]): whatever waits, of all rooms, is one transaction, and those who wait are
//! told after its commit. A few threads read. The end of each open log is in memory, with what is not yet
//! written, so that reading never waits for writing.

mod batch;
mod connect;
mod error;
mod file;
mod lock;
mod queue;
mod readers;
mod reads;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod threads;
mod tidy;
mod transfer;
mod writer;

pub use error::OpenError;
pub(super) use file::File;
pub use transfer::{Moved, TransferError, export, import};

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::Connection;

use super::room::Room;
use super::{StoreError, StoreSettings};
use queue::Queue;

/// After an end that was not in order, numbers go on so much further: more than may have been given out without
/// being written, so that none is given out twice.
const JUMP: u64 = 1 << 20;

/// What the threads and the logs share.
struct Shared {
    settings: StoreSettings,
    queue: Queue,
    /// The logs that somebody has, or that have something to be written.
    opened: Mutex<HashMap<Arc<str>, Weak<Room>>>,
    /// Held while a log is opened, and while some give way: what is read of one is not gone before it is open. Taken
    /// before `opened`, by threads of the store alone.
    opening: Mutex<()>,
    /// Why nothing can be written at the moment.
    trouble: Mutex<Option<StoreError>>,
}

impl Shared {
    fn opened(&self, name: &str) -> Option<Arc<Room>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(name).and_then(Weak::upgrade)
    }
}

/// Makes the data directory, for this user alone.
fn make(dir: &Path) -> Result<(), OpenError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| OpenError::io(dir, error))
}

/// Opens the file to write it, as it was left.
fn prepare(dir: &Path, settings: &StoreSettings) -> Result<(Connection, PathBuf), OpenError> {
    let path = dir.join(connect::FILE);
    let connection = connect::writing(&path, settings.durability)?;
    let named = |error: rusqlite::Error| OpenError::of(&path, &error);
    let clean: bool =
        connection.query_row("SELECT clean FROM state", [], |row| row.get(0)).map_err(named)?;
    let begin = || -> rusqlite::Result<()> {
        let transaction = connection.unchecked_transaction()?;
        if !clean {
            // Numbers that a cluster gives are given once anyway, and none may be left out.
            let own = "UPDATE rooms SET top = top + ? WHERE instr(name, ' ') = 0";
            transaction.execute(own, [JUMP])?;
        }
        transaction.execute("UPDATE state SET clean = 0", [])?;
        let count: usize =
            transaction.query_row("SELECT count(*) FROM rooms", [], |row| row.get(0))?;
        if count > settings.max_rooms / 2 {
            tidy::forget_empty_rooms(&transaction)?;
        }
        transaction.commit()
    };
    begin().map_err(named)?;
    Ok((connection, path))
}
