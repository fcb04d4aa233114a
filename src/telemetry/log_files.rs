//! Log files: one a day or more, together within a bound.
//!
//! An error with a file never ends the process or blocks the log. It is reported once, [`Status`] shows it,
//! and the files are tried again until they can be written.

mod folder;
pub(super) mod name;
mod status;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, warn};

pub use status::Status;

use folder::{Folder, Open};
use name::{Name, day};

/// The time between two attempts after an error, and between two checks that the file is in its place
/// while lines come without a pause.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The shortest time between two reports of an error. An error may come and go all the time, as on a disk
/// that is almost full.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Writes lines to files. Each call of `write` gets one whole line.
pub(super) struct LogFiles {
    folder: Folder,
    status: Arc<Status>,
    now: fn() -> SystemTime,
    retry_pause: Duration,
    open: Option<Open>,
    /// When an error was last reported.
    reported: Option<Instant>,
    /// When to check that the file is in its place, or after an error, when to try again.
    next_check: Option<Instant>,
}

impl LogFiles {
    /// Opens today's file. `max_bytes` bounds all files together; the oldest are removed first.
    ///
    /// # Errors
    /// If the folder or the file cannot be created or written.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        Self::open_with(folder, max_bytes, SystemTime::now, RETRY_PAUSE)
    }

    fn open_with(
        folder: &Path,
        max_bytes: u64,
        now: fn() -> SystemTime,
        retry_pause: Duration,
    ) -> io::Result<Self> {
        let status = Arc::new(Status::new(folder.to_owned()));
        let folder = Folder::new(folder.to_owned(), max_bytes);
        let (open, reported, next_check) = (None, None, None);
        let mut files = LogFiles { folder, status, now, retry_pause, open, reported, next_check };
        files.file_for(0)?;
        Ok(files)
    }

    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// The file for a line of `length` bytes. Opens a new one on a new day, if the line does not fit, or if
    /// the last one was removed or renamed.
    fn file_for(&mut self, length: u64) -> io::Result<&mut Open> {
        let day = day((self.now)());
        let max_file_bytes = self.folder.max_file_bytes();
        // A line that is longer than a file may be gets a file of its own.
        let fits = |open: &Open| open.length == 0 || open.length + length <= max_file_bytes;
        let mut is_removed = false;
        let is_time = self.next_check.is_none_or(|at| at <= Instant::now());
        if is_time {
            self.next_check = Some(Instant::now() + self.retry_pause);
            // An operator may have removed the folder, or a tool may have moved the file away.
            is_removed = self.open.as_ref().is_some_and(|open| !self.folder.is_in_place(open));
            self.open = self.open.take().filter(|_| !is_removed);
        }
        if self.open.is_none() {
            self.folder.create()?;
            self.open = Some(self.folder.open(self.folder.last_of(day)?)?);
        }
        if let Some(open) = self.open.take_if(|open| open.name.day != day || !fits(open)) {
            let part = if open.name.day == day { open.name.part + 1 } else { 0 };
            self.open = Some(self.folder.open(Name { day, part })?);
        }
        if let Some(open) = self.open.as_ref().filter(|_| is_removed) {
            let path = self.folder.path_of(open.name);
            warn!(path = %path.display(), "the log file was removed or renamed: there is a new one");
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("there is no file"))
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let open = self.file_for(line.len() as u64)?;
        if open.is_torn {
            open.file.write_all(b"\n")?;
            open.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            let written = match open.file.write(rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => written,
            };
            let count = written.inspect_err(|_| open.is_torn = rest.len() < line.len())?;
            open.length += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }
}

impl Write for LogFiles {
    /// Always takes the whole line. If it cannot be written, it is counted as lost.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waits = || self.next_check.is_some_and(|at| Instant::now() < at);
        if self.status.trouble().is_some() && waits() {
            self.status.count_lost();
            return Ok(line.len());
        }
        match self.write_line(line) {
            Ok(()) => {
                if let Some(trouble) = self.status.set_trouble(None) {
                    let lost = self.status.lost();
                    warn!(lost, trouble, "log files are written again; lines are missing before");
                }
            }
            Err(error) => {
                self.status.count_lost();
                self.next_check = Some(Instant::now() + self.retry_pause);
                let is_new = self.status.set_trouble(Some(error.to_string())).is_none();
                if is_new && self.reported.is_none_or(|at| at.elapsed() > REPORT_EVERY) {
                    self.reported = Some(Instant::now());
                    let folder = self.folder.path().display();
                    error!(%folder, %error, "log files cannot be written: lines are lost until they can");
                }
            }
        }
        Ok(line.len())
    }

    /// Called when no more lines wait. Since the file may be removed during the pause, the next line checks
    /// that it is in its place.
    fn flush(&mut self) -> io::Result<()> {
        if self.status.trouble().is_none() {
            self.next_check = None;
        }
        Ok(())
    }
}
