//! Connections to the file.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{OpenError, lock, schema};
use crate::store::Durability;

/// The name of the file in the data directory.
pub(super) const FILE: &str = "parlance.sqlite3";

/// How long one waits for another program that has the file, such as one that copies it.
pub(super) const BUSY: Duration = Duration::from_millis(500);

/// The connection that writes.
pub(super) fn writing(path: &Path, durability: Durability) -> Result<Connection, OpenError> {
    let named = |error: rusqlite::Error| OpenError::of(path, &error);
    lock::writable(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(named)?;
    connection.busy_timeout(BUSY).map_err(named)?;
    // Asked before anything is written to it.
    schema::known(&connection, path)?;
    let synchronous = match durability {
        Durability::Commit => "FULL",
        Durability::Relaxed => "NORMAL",
    };
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(named)?;
    if mode != "wal" {
        let reason = "this file system lacks the shared memory that SQLite needs".to_owned();
        return Err(OpenError::Failed { path: path.to_owned(), reason });
    }
    let settings = format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA secure_delete = ON; \
         PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -16384;"
    );
    connection.execute_batch(&settings).map_err(named)?;
    sound(&connection, path)?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reading(path: &Path) -> Result<Connection, OpenError> {
    let named = |error: rusqlite::Error| OpenError::of(path, &error);
    // SQLite does not say why it cannot open a file; the system does.
    path.metadata().map_err(|error| OpenError::io(path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(named)?;
    connection.busy_timeout(BUSY).map_err(named)?;
    connection.execute_batch("PRAGMA cache_size = -8192;").map_err(named)?;
    schema::expect(&connection, path)?;
    Ok(connection)
}

/// Files up to this size are read once at the start, to find damage before anybody relies on them.
const CHECKED: u64 = 64 << 20;

fn sound(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let length = path.metadata().map_or(0, |file| file.len());
    if length > CHECKED {
        return Ok(());
    }
    let found: rusqlite::Result<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found.map_err(|error| OpenError::of(path, &error))? {
        fine if fine == "ok" => Ok(()),
        reason => Err(OpenError::Damaged { path: path.to_owned(), reason }),
    }
}
