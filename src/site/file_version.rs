//! What is known of a file without its content: enough to tell its versions apart.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

use crate::files;

/// Bytes of the largest file that is sent.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// Distinguishes versions of a file. `ServeDir` makes the `ETag` of its length and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileVersion {
    pub length: u64,
    modified: Option<SystemTime>,
    is_folder: bool,
}

impl FileVersion {
    /// That of a file on disk.
    pub fn of(found: &Metadata) -> io::Result<Self> {
        match found.len() {
            length @ ..=LARGEST => {
                Ok(FileVersion { length, modified: found.modified().ok(), is_folder: false })
            }
            _ => Err(ErrorKind::FileTooLarge.into()),
        }
    }

    /// That of a content in memory, which has no time: `hash` stands for it.
    pub fn of_content(bytes: &[u8], hash: u64) -> Self {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(hash >> 1);
        FileVersion { length: bytes.len() as u64, modified: Some(modified), is_folder: false }
    }

    /// [`FileVersion::of_content`] with a hash made here.
    pub fn hashed(bytes: &[u8]) -> Self {
        FileVersion::of_content(bytes, files::fingerprint(&bytes))
    }

    pub fn folder() -> Self {
        FileVersion { length: 0, modified: None, is_folder: true }
    }
}

impl tower_http::services::fs::Metadata for FileVersion {
    fn is_dir(&self) -> bool {
        self.is_folder
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.modified.ok_or_else(|| ErrorKind::Unsupported.into())
    }

    fn len(&self) -> u64 {
        self.length
    }
}
