//! Files of the log: one a day or more, together within a bound, and never the end of anything. What goes
//! wrong with them is told once and can be asked for, and they are tried again until it is over.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, warn};

/// Days of which files are kept.
const DAYS: usize = 14;
/// So many files may be there at once, about; the oldest goes for the newest.
const FILES: u64 = 16;
const LARGEST: u64 = 64 << 20;
/// Between two attempts of what has failed, and between two looks while lines come without a pause.
const PAUSE: Duration = Duration::from_secs(1);
/// What comes and goes, as a last few bytes of room do, is told so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Takes whole lines, one at a time.
pub(super) struct LogFiles {
    folder: PathBuf,
    /// Bytes of all files together.
    total: u64,
    status: Arc<Status>,
    now: fn() -> SystemTime,
    pause: Duration,
    open: Option<Open>,
    /// When it was last told that lines are lost.
    told: Option<Instant>,
    /// When it is time to look whether the file is still in its place; or to try again.
    look_at: Option<Instant>,
}

struct Open {
    name: Name,
    file: File,
    length: u64,
    /// The last line did not get in whole.
    torn: bool,
}

/// How the log files are doing.
#[derive(Debug)]
pub struct Status {
    pub folder: PathBuf,
    trouble: Mutex<Option<String>>,
    lost: AtomicU64,
}

impl Status {
    /// Why no lines can be written at the moment, if they cannot.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines that could not be written since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Returns what it was before.
    fn set(&self, trouble: Option<String>) -> Option<String> {
        std::mem::replace(
            &mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner),
            trouble,
        )
    }
}

/// A day, as year, month and day, and which of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    day: (i64, u8, u8),
    part: u32,
}

impl LogFiles {
    /// Opens today's file. `total` bounds the bytes of all of them; what is over it goes, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be made, or the file not be written.
    pub fn open(folder: &Path, total: u64) -> io::Result<Self> {
        Self::open_with(folder, total, SystemTime::now, PAUSE)
    }

    fn open_with(
        folder: &Path,
        total: u64,
        now: fn() -> SystemTime,
        pause: Duration,
    ) -> io::Result<Self> {
        let (trouble, lost) = (Mutex::default(), AtomicU64::new(0));
        let status = Arc::new(Status { folder: folder.to_owned(), trouble, lost });
        let folder = folder.to_owned();
        let mut files =
            LogFiles { folder, total, status, now, pause, open: None, told: None, look_at: None };
        files.file(0)?;
        Ok(files)
    }

    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Bytes of one file.
    fn largest(&self) -> u64 {
        (self.total / FILES).min(LARGEST)
    }

    /// The file that the next line of that length goes to.
    fn file(&mut self, length: u64) -> io::Result<&mut Open> {
        let day = day((self.now)());
        let largest = self.largest();
        let fits = |open: &Open| open.length == 0 || open.length + length <= largest;
        let mut removed = false;
        let is_time = self.look_at.is_none_or(|at| at <= Instant::now());
        if is_time {
            self.look_at = Some(Instant::now() + self.pause);
            // With the folder, or by who keeps logs elsewhere.
            removed = self.open.as_ref().is_some_and(|open| !self.is_in_place(open));
            self.open = self.open.take().filter(|_| !removed);
        }
        if let Some(open) = self.open.take_if(|open| open.name.day != day || !fits(open)) {
            let next = if open.name.day == day { open.name.part + 1 } else { 0 };
            self.open = Some(self.begin(Name { day, part: next })?);
        }
        if self.open.is_none() {
            fs::create_dir_all(&self.folder)?;
            let parts = self.names()?.into_iter().filter(|(name, _)| name.day == day);
            let last = parts.map(|(name, _)| name).max().unwrap_or(Name { day, part: 0 });
            let mut open = self.begin(last)?;
            if !fits(&open) {
                open = self.begin(Name { part: last.part + 1, ..last })?;
            }
            if removed {
                let path = self.path(open.name);
                warn!(path = %path.display(), "the log file was removed or renamed: there is a new one");
            }
            self.open = Some(open);
        }
        self.open.as_mut().ok_or_else(|| io::Error::other("there is no file"))
    }

    fn begin(&self, name: Name) -> io::Result<Open> {
        self.make_room(name)?;
        let file = OpenOptions::new().create(true).append(true).open(self.path(name))?;
        let length = file.metadata()?.len();
        Ok(Open { name, file, length, torn: false })
    }

    fn path(&self, name: Name) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn is_in_place(&self, open: &Open) -> bool {
        let there = fs::metadata(self.path(open.name));
        there.is_ok_and(|there| open.file.metadata().is_ok_and(|ours| is_same(&there, &ours)))
    }

    /// The files of the log and their lengths, in no order.
    fn names(&self) -> io::Result<Vec<(Name, u64)>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(Name::read) {
                names.push((name, entry.metadata().map_or(0, |metadata| metadata.len())));
            }
        }
        Ok(names)
    }

    /// Removes the oldest files, so that there is room for this one.
    fn make_room(&self, new: Name) -> io::Result<()> {
        let mut names = self.names()?;
        names.retain(|(name, _)| *name != new);
        names.sort_unstable();
        let mut days: Vec<_> = names.iter().map(|(name, _)| name.day).chain([new.day]).collect();
        days.sort_unstable();
        days.dedup();
        let oldest_day = days[days.len().saturating_sub(DAYS)];
        let mut sum: u64 = names.iter().map(|(_, length)| length).sum();
        for (name, length) in names {
            if name.day >= oldest_day && sum + self.largest() <= self.total {
                break;
            }
            // Another may have done so.
            let _ = fs::remove_file(self.path(name));
            sum -= length;
        }
        Ok(())
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let open = self.file(line.len() as u64)?;
        if open.torn {
            open.file.write_all(b"\n")?;
            open.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            let written = match open.file.write(rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => written,
            };
            let count = written.inspect_err(|_| open.torn = rest.len() < line.len())?;
            open.length += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }
}

impl Write for LogFiles {
    /// Takes the line, whatever becomes of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waits = || self.look_at.is_some_and(|at| Instant::now() < at);
        if self.status.trouble().is_some() && waits() {
            self.status.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let put = self.put(line);
        match put {
            Ok(()) => {
                if let Some(trouble) = self.status.set(None) {
                    let lost = self.status.lost();
                    warn!(lost, trouble, "log files are written again; lines are missing before");
                }
            }
            Err(error) => {
                self.status.lost.fetch_add(1, Ordering::Relaxed);
                self.look_at = Some(Instant::now() + self.pause);
                let is_new = self.status.set(Some(error.to_string())).is_none();
                if is_new && self.told.is_none_or(|told| told.elapsed() > TOLD_EVERY) {
                    self.told = Some(Instant::now());
                    let folder = self.folder.display();
                    error!(%folder, %error, "log files cannot be written: lines are lost until they can");
                }
            }
        }
        Ok(line.len())
    }

    /// There is a pause, in which anything may happen to the file.
    fn flush(&mut self) -> io::Result<()> {
        if self.status.trouble().is_none() {
            self.look_at = None;
        }
        Ok(())
    }
}

impl Name {
    /// `parlance.2026-11-26.log`, and then `parlance.2026-11-26.1.log`.
    fn read(name: &str) -> Option<Self> {
        let middle = name.strip_prefix("parlance.")?.strip_suffix(".log")?;
        let (date, part) = match middle.split_once('.') {
            Some((date, part)) => (date, part.parse().ok()?),
            None => (middle, 0),
        };
        let mut numbers = date.split('-');
        let mut number = || numbers.next()?.parse().ok();
        let day = (number()?, u8::try_from(number()?).ok()?, u8::try_from(number()?).ok()?);
        // Written as we do, or it is somebody else's.
        let read = Name { day, part };
        (read.to_string() == name).then_some(read)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Name { day: (year, month, day), part } = self;
        match part {
            0 => write!(f, "parlance.{year:04}-{month:02}-{day:02}.log"),
            part => write!(f, "parlance.{year:04}-{month:02}-{day:02}.{part}.log"),
        }
    }
}

/// The date in UTC: year, month, day. By the algorithm `civil_from_days` of Howard Hinnant: years begin in
/// March, so that the odd day is their last.
fn day(now: SystemTime) -> (i64, u8, u8) {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = i64::try_from(seconds / 86_400).unwrap_or(0) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Both are below 32.
    (year, month as u8, day as u8)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("parlance-log-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }

        /// What is in the files, by their names.
        fn files(&self) -> Vec<(String, String)> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut files: Vec<_> = entries
                .map(|entry| entry.unwrap())
                .map(|entry| {
                    let name = entry.file_name().into_string().unwrap();
                    (name, fs::read_to_string(entry.path()).unwrap())
                })
                .collect();
            files.sort();
            files
        }

        fn log(&self, now: fn() -> SystemTime) -> LogFiles {
            LogFiles::open_with(&self.0, FILES * 100, now, Duration::ZERO).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400 + 86_399)
    }

    fn today() -> SystemTime {
        at(20_783)
    }

    const TODAY: &str = "parlance.2026-11-26.log";

    #[test]
    fn days() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_782, (2024, 2, 29)),
            (20_088, (2024, 12, 31)),
            (20_783, (2026, 11, 26)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(day(at(days)), expected, "{days}");
        }
    }

    #[test]
    fn names() {
        for name in [TODAY, "parlance.2026-11-26.1.log", "parlance.2026-01-02.10.log"] {
            assert_eq!(Name::read(name).map(|read| read.to_string()).as_deref(), Some(name));
        }
        for other in [
            "parlance.log",
            "parlance.2026-11-26.0.log",
            "parlance.2026-11-26.01.log",
            "parlance.2026-1-2.log",
            "parlance.2026-11-26.log.gz",
            "parlance.2026-11-26-3.log",
            "other.2026-11-26.log",
        ] {
            assert_eq!(Name::read(other), None, "{other}");
        }
        let order = [
            "parlance.2026-11-25.3.log",
            TODAY,
            "parlance.2026-11-26.2.log",
            "parlance.2026-11-26.10.log",
        ];
        assert!(order.map(|name| Name::read(name).unwrap()).is_sorted());
    }

    #[test]
    fn one_file_a_day_or_more_within_the_bound() {
        let folder = Folder::new("bound");
        let mut log = folder.log(today);
        let line = [&[b'x'; 59][..], b"\n"].concat();
        log.write_all(&line).unwrap();
        // Goes on where another process stopped.
        let mut log = folder.log(today);
        log.write_all(&line).unwrap();
        let names =
            |folder: &Folder| folder.files().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&folder), ["parlance.2026-11-26.1.log", TODAY]);
        let mut log = folder.log(today);
        for _ in 0..100 {
            log.write_all(&line).unwrap();
        }
        let sum: usize = folder.files().iter().map(|(_, text)| text.len()).sum();
        assert!((1500..=1600).contains(&sum), "{sum}: as many as there is room for");
        assert!(names(&folder).contains(&"parlance.2026-11-26.101.log".into()));
        assert!(!names(&folder).contains(&TODAY.into()), "the oldest goes first");
        // A line that is longer than a file has one to itself.
        log.write_all(&[b'y'; 1000]).unwrap();
        // The next day; others' files are left alone.
        fs::write(folder.0.join("notes.log"), "kept").unwrap();
        log.now = || at(20_784);
        log.write_all(&line).unwrap();
        assert!(names(&folder).contains(&"parlance.2026-11-27.log".into()));
        // As many days as are kept, and then one more.
        let of = |day| format!("parlance.2026-12-{day:02}.log");
        for day in 1..=14 {
            fs::write(folder.0.join(of(day)), "").unwrap();
        }
        log.now = || at(20_783 + 19);
        log.write_all(&line).unwrap();
        let kept = std::iter::once("notes.log".to_owned()).chain((2..=15).map(of));
        assert_eq!(names(&folder), kept.collect::<Vec<_>>());
        assert_eq!(log.status().lost(), 0);
    }

    #[test]
    fn a_removed_folder_and_a_renamed_file_are_made_anew() {
        let folder = Folder::new("removed");
        let mut log = folder.log(today);
        log.write_all(b"one\n").unwrap();
        log.flush().unwrap();
        fs::remove_dir_all(&folder.0).unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(folder.files(), [(TODAY.into(), "two\n".into())]);
        log.flush().unwrap();
        fs::rename(folder.0.join(TODAY), folder.0.join("kept")).unwrap();
        log.write_all(b"three\n").unwrap();
        let files = [("kept".into(), "two\n".into()), (TODAY.into(), "three\n".into())];
        assert_eq!(folder.files(), files);
        assert_eq!((log.status().lost(), log.status().trouble()), (0, None));
    }

    #[test]
    fn a_file_that_is_larger_than_one_may_be_is_left_for_the_next() {
        let folder = Folder::new("smaller");
        fs::create_dir_all(&folder.0).unwrap();
        let second = "parlance.2026-11-26.1.log";
        for name in [TODAY, second] {
            fs::write(folder.0.join(name), [b'x'; 200]).unwrap();
        }
        folder.log(today).write_all(b"new\n").unwrap();
        let files = folder.files();
        assert_eq!(files.len(), 3);
        assert_eq!(files[1], ("parlance.2026-11-26.2.log".into(), "new\n".into()));
    }

    #[test]
    fn a_file_takes_what_fits_and_is_looked_at_after_a_pause() {
        let folder = Folder::new("pause");
        let mut log = folder.log(today);
        log.pause = Duration::from_secs(3600);
        log.flush().unwrap();
        log.write_all(&[b'1'; 50]).unwrap();
        log.write_all(&[b'2'; 50]).unwrap();
        fs::rename(folder.0.join(TODAY), folder.0.join("kept")).unwrap();
        log.write_all(b"").unwrap();
        let kept = "1".repeat(50) + &"2".repeat(50);
        assert_eq!(folder.files(), [("kept".to_owned(), kept.clone())]);
        // Somebody else has put a file there since, as another process does.
        fs::write(folder.0.join(TODAY), "its own\n").unwrap();
        log.flush().unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(
            folder.files(),
            [("kept".into(), kept), (TODAY.into(), "its own\nthree\n".into())]
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_tried_again() {
        let folder = Folder::new("unmakable");
        let mut log = folder.log(today);
        log.flush().unwrap();
        fs::remove_dir_all(&folder.0).unwrap();
        fs::write(&folder.0, "a file in its place").unwrap();
        log.write_all(b"one\n").unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(log.status().lost(), 2);
        assert!(log.status().trouble().is_some());
        log.pause = Duration::from_secs(3600);
        log.write_all(b"three\n").unwrap();
        fs::remove_file(&folder.0).unwrap();
        log.write_all(b"four\n").unwrap();
        assert_eq!(log.status().lost(), 4, "not tried for each line");
        log.look_at = None;
        log.write_all(b"five\n").unwrap();
        assert_eq!(folder.files(), [(TODAY.into(), "five\n".into())]);
        assert_eq!((log.status().lost(), log.status().trouble()), (4, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_costs_lines_until_there_is_room() {
        let folder = Folder::new("full");
        fs::create_dir_all(&folder.0).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.0.join(TODAY)).unwrap();
        let mut log = folder.log(today);
        for _ in 0..3 {
            log.write_all(b"one\n").unwrap();
        }
        assert_eq!(log.status().lost(), 3);
        assert!(log.status().trouble().unwrap().contains("No space left"), "{:?}", log.status());
        // Not tried for each line.
        log.pause = Duration::from_secs(3600);
        log.write_all(b"two\n").unwrap();
        fs::remove_file(folder.0.join(TODAY)).unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(log.status().lost(), 5);
        log.look_at = None;
        log.write_all(b"four\n").unwrap();
        assert_eq!(folder.files(), [(TODAY.into(), "four\n".into())]);
        assert_eq!((log.status().lost(), log.status().trouble()), (5, None));
    }
}
