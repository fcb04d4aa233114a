//! The tables of the file, and how an older file gets them.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::OpenError;

/// What each version added to the one before: the first one to an empty file. The number of steps that a file
/// has seen is its `user_version`.
const STEPS: [&str; 1] = [include_str!("schema/v1.sql")];

/// The version that this Parlance writes.
pub(super) const VERSION: usize = STEPS.len();

/// Says of a file that it is a store of Parlance: `PARL`.
const APPLICATION: i64 = 0x5041_524c;

/// The version of a file: 0 if it is empty. It has to be one of ours, and not from a newer Parlance.
pub(super) fn known(connection: &Connection, path: &Path) -> Result<usize, OpenError> {
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
    };
    let asked = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = "SELECT count(*) FROM sqlite_schema";
        let tables = connection.query_row(tables, [], |row| row.get(0))?;
        Ok((tables, number("application_id")?, number("user_version")?))
    };
    match asked().map_err(|error| OpenError::of(path, &error))? {
        (0, 0, 0) => Ok(0),
        (_, APPLICATION, version) => {
            let version = usize::try_from(version).unwrap_or(usize::MAX);
            if version > VERSION {
                return Err(OpenError::Newer { path: path.to_owned(), version, known: VERSION });
            }
            Ok(version)
        }
        _ => Err(OpenError::NotOurs(path.to_owned())),
    }
}

/// The version of a file that is read alone; it has to be the one that this Parlance writes.
pub(super) fn expect(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    match known(connection, path)? {
        VERSION => Ok(()),
        0 => Err(OpenError::NotOurs(path.to_owned())),
        version => Err(OpenError::Older { path: path.to_owned(), version, known: VERSION }),
    }
}

/// Brings a file to the newest version: all steps that it lacks, or none.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let version = known(connection, path)?;
    if version == VERSION {
        return Ok(());
    }
    let done = migrate_from(connection, version).map_err(|error| OpenError::of(path, &error));
    if done.is_ok() && version > 0 {
        tracing::info!(file = %path.display(), from = version, to = VERSION, "history migrated");
    }
    done
}

fn migrate_from(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for step in &STEPS[version..] {
        transaction.execute_batch(step)?;
    }
    let marks = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};");
    transaction.execute_batch(&marks)?;
    transaction.commit()
}
