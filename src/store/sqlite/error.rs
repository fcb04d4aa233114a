//! What goes wrong with the file, in the store's words.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// Why a data directory was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it, or another store of this one.
    #[error("the data directory {} is in use by another process", .0.display())]
    Taken(PathBuf),
    /// It may not be written.
    #[error("{} may not be written", .0.display())]
    ReadOnly(PathBuf),
    /// The disk has no room.
    #[error("{}: the disk is full", .0.display())]
    DiskFull(PathBuf),
    /// It cannot be made or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer Parlance wrote it.
    #[error(
        "{} was written by a newer version of Parlance: its schema is {version}, and this one knows {known}",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The version of its schema.
        version: usize,
        /// The newest one that is known.
        known: usize,
    },
    /// An older Parlance wrote it, and it is to be read alone.
    #[error(
        "{} has the older schema {version}: a server that is started on it brings it to schema {known}",
        path.display()
    )]
    Older {
        /// Which file.
        path: PathBuf,
        /// The version of its schema.
        version: usize,
        /// The version that is expected.
        known: usize,
    },
    /// It is something else.
    #[error("{} is no history of Parlance", .0.display())]
    NotOurs(PathBuf),
    /// It is not what was written.
    #[error("{} is damaged ({reason}): restore a copy, or move it away to begin anew", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// SQLite failed in another way.
    #[error("{}: {reason}", path.display())]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl OpenError {
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                OpenError::Damaged { path, reason }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly(path),
            Some(ErrorCode::DiskFull) => OpenError::DiskFull(path),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Taken(path),
            _ => OpenError::Failed { path, reason },
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                OpenError::ReadOnly(path.to_owned())
            }
            io::ErrorKind::StorageFull => OpenError::DiskFull(path.to_owned()),
            _ => OpenError::Io { path: path.to_owned(), source },
        }
    }
}

/// An error while the store is open.
pub(super) fn named(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            StoreError::ReadOnly
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged(error.to_string())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Failed(error.to_string()),
    }
}

/// Whether an error is one of a single statement, so that others may go on in the same transaction.
pub(super) fn is_of_statement(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    match error {
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => true,
        error => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use rusqlite::ffi;

    use super::*;

    #[test]
    fn what_sqlite_says_has_a_name_at_the_start_and_later() {
        for (code, at_start, later) in [
            (ffi::SQLITE_FULL, "file: the disk is full", "disk-full"),
            (ffi::SQLITE_READONLY, "file may not be written", "read-only"),
            (ffi::SQLITE_PERM, "file may not be written", "read-only"),
            (ffi::SQLITE_CANTOPEN, "file: Error code 14: ", "read-only"),
            (ffi::SQLITE_CORRUPT, "file is damaged (", "damaged"),
            (ffi::SQLITE_NOTADB, "file is damaged (", "damaged"),
            (ffi::SQLITE_BUSY, "the data directory file is in use", "store-busy"),
            (ffi::SQLITE_LOCKED, "the data directory file is in use", "store-busy"),
            (ffi::SQLITE_IOERR, "file: Error code 10: ", "store-failed"),
        ] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let told = OpenError::of(Path::new("file"), &error).to_string();
            assert!(told.starts_with(at_start), "{code}: {told}");
            assert_eq!(named(&error).reason(), later, "{code}");
            assert!(!is_of_statement(&error), "{code}");
        }
    }

    #[test]
    fn what_one_statement_did_wrong_stops_no_other() {
        for code in [ffi::SQLITE_CONSTRAINT, ffi::SQLITE_TOOBIG, ffi::SQLITE_MISMATCH] {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert!(is_of_statement(&error), "{code}");
        }
        assert!(is_of_statement(&rusqlite::Error::IntegralValueOutOfRange(0, -1)));
        assert!(!is_of_statement(&rusqlite::Error::QueryReturnedNoRows));
    }

    #[test]
    fn what_the_system_says_of_a_directory_has_the_same_names() {
        for (kind, told) in [
            (io::ErrorKind::PermissionDenied, "file may not be written"),
            (io::ErrorKind::ReadOnlyFilesystem, "file may not be written"),
            (io::ErrorKind::StorageFull, "file: the disk is full"),
            (io::ErrorKind::NotFound, "file: entity not found"),
        ] {
            let error = OpenError::io(Path::new("file"), kind.into());
            assert_eq!(error.to_string(), told);
            assert_eq!(error.source().is_some(), kind == io::ErrorKind::NotFound, "{told}");
        }
    }
}
