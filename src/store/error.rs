//! What goes wrong while the store is open.

/// Why the store did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// More waits to be written, or read, than is kept: the disk is slow.
    #[error("the store is busy")]
    Busy,
    /// The disk has no room, or the file may not grow.
    #[error("the disk is full")]
    DiskFull,
    /// The file may not be written.
    #[error("the data directory is read-only")]
    ReadOnly,
    /// The file is not what was written.
    #[error("the file of the store is damaged: {0}")]
    Damaged(String),
    /// Reading or writing failed in another way.
    #[error("the store failed: {0}")]
    Failed(String),
    /// A text, name or key is over its bound.
    #[error("too large for the store")]
    TooLarge,
    /// The entry makes no sense: an edit of nothing, or a kind that is no word.
    #[error("not a valid entry")]
    Invalid,
    /// As many rooms have a log as may.
    #[error("too many rooms have a log")]
    TooManyRooms,
    /// The room has as many records as it may.
    #[error("too many records in the room")]
    TooManyRecords,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// A word for it, for programs and the log.
    pub fn reason(&self) -> &'static str {
        match self {
            StoreError::Busy => "store-busy",
            StoreError::DiskFull => "disk-full",
            StoreError::ReadOnly => "read-only",
            StoreError::Damaged(_) => "damaged",
            StoreError::Failed(_) => "store-failed",
            StoreError::TooLarge => "too-large",
            StoreError::Invalid => "invalid",
            StoreError::TooManyRooms => "too-many-rooms",
            StoreError::TooManyRecords => "too-many-records",
            StoreError::Closed => "store-closed",
        }
    }
}
