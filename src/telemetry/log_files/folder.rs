//! The folder of the log files, and the bounds of what it holds.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::name::{Day, Name};

/// The number of days of which files are kept.
const MAX_DAYS: usize = 14;
/// The number of full files that fit into the bound of bytes, at least.
pub(super) const MAX_FILES: u64 = 16;
/// Bytes of one file, whatever the bound of all files.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The folder. Files whose names are not of the log's form are ignored.
pub(super) struct Folder {
    path: PathBuf,
    /// Bytes of all files together.
    max_bytes: u64,
}

/// A file that is open for writing.
pub(super) struct Open {
    pub name: Name,
    pub file: File,
    pub length: u64,
    /// Whether the last line was written in part only.
    pub is_torn: bool,
}

impl Folder {
    pub fn new(path: PathBuf, max_bytes: u64) -> Self {
        Folder { path, max_bytes }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn path_of(&self, name: Name) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// Bytes of one file.
    pub fn max_file_bytes(&self) -> u64 {
        (self.max_bytes / MAX_FILES).min(MAX_FILE_BYTES)
    }

    /// Creates the folder if it is missing.
    pub fn create(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)
    }

    /// Opens a file, which may exist, after removing old ones to make room.
    pub fn open(&self, name: Name) -> io::Result<Open> {
        self.make_room(name)?;
        let file = OpenOptions::new().create(true).append(true).open(self.path_of(name))?;
        let length = file.metadata()?.len();
        Ok(Open { name, file, length, is_torn: false })
    }

    /// The name of the newest file of a day. If there is none, that of its first file.
    pub fn last_of(&self, day: Day) -> io::Result<Name> {
        let names = self.list()?.into_iter().map(|(name, _)| name);
        Ok(names.filter(|name| name.day == day).max().unwrap_or(Name { day, part: 0 }))
    }

    /// Whether the open file is still the one at its path, and not removed, renamed or replaced.
    pub fn is_in_place(&self, open: &Open) -> bool {
        let at_path = fs::metadata(self.path_of(open.name));
        at_path.is_ok_and(|at_path| open.file.metadata().is_ok_and(|ours| is_same(&at_path, &ours)))
    }

    /// The log files and their lengths, in no order.
    fn list(&self) -> io::Result<Vec<(Name, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(Name::parse) {
                files.push((name, entry.metadata().map_or(0, |metadata| metadata.len())));
            }
        }
        Ok(files)
    }

    /// Removes the oldest files, so that the file `new` fits into the bounds of days and bytes.
    fn make_room(&self, new: Name) -> io::Result<()> {
        let mut files = self.list()?;
        files.retain(|(name, _)| *name != new);
        files.sort_unstable();
        let mut days: Vec<_> = files.iter().map(|(name, _)| name.day).chain([new.day]).collect();
        days.sort_unstable();
        days.dedup();
        let oldest_day = days[days.len().saturating_sub(MAX_DAYS)];
        let mut sum: u64 = files.iter().map(|(_, length)| length).sum();
        for (name, length) in files {
            if name.day >= oldest_day && sum + self.max_file_bytes() <= self.max_bytes {
                break;
            }
            // Another process may have removed it already.
            let _ = fs::remove_file(self.path_of(name));
            sum -= length;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.len() == other.len()
}
