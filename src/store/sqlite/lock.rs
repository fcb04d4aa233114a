//! One process has the store's file.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::OpenError;

/// The name of the file that stands for the lock.
pub(super) const LOCK_FILE: &str = "parlance.lock";

/// The right to write the files of a data directory. It ends with the process, however that ends.
///
/// It is the lock that SQLite takes on an empty database: one that holds on every system, and
/// against a second store in the same process too.
#[derive(Debug)]
pub(super) struct Lock {
    _connection: Connection,
}

impl Lock {
    /// Takes the lock of a directory.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        writable(&path)?;
        let connection = Connection::open(path);
        let connection = connection.map_err(|error| OpenError::of(dir, &error))?;
        let locked = connection.busy_timeout(Duration::ZERO).and_then(|()| {
            connection.execute_batch("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
        });
        match locked {
            Ok(()) => Ok(Lock { _connection: connection }),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                Err(OpenError::Taken(dir.to_owned()))
            }
            Err(error) => Err(OpenError::of(dir, &error)),
        }
    }
}

/// Makes a file if it is not there. SQLite does not say why it cannot open one; the system does.
pub(super) fn writable(path: &Path) -> Result<(), OpenError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map(drop).map_err(|error| OpenError::io(path, error))
}
