//! Tests of log files on a real disk.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::LogFiles;
use super::folder::MAX_FILES;

/// A folder for one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parlance-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Folder(path)
    }

    /// Names and contents of the files.
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
        LogFiles::open_with(&self.0, MAX_FILES * 100, now, Duration::ZERO).unwrap()
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
fn one_file_a_day_or_more_within_the_bound() {
    let folder = Folder::new("bound");
    let mut log = folder.log(today);
    let line = [&[b'x'; 59][..], b"\n"].concat();
    log.write_all(&line).unwrap();
    // A new process continues the file of the last one.
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
    // The next day. Files with other names are left alone.
    fs::write(folder.0.join("notes.log"), "kept").unwrap();
    log.now = || at(20_784);
    log.write_all(&line).unwrap();
    assert!(names(&folder).contains(&"parlance.2026-11-27.log".into()));
    // Files of 14 days are there; the new one makes room for itself.
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
    log.retry_pause = Duration::from_secs(3600);
    log.flush().unwrap();
    log.write_all(&[b'1'; 50]).unwrap();
    log.write_all(&[b'2'; 50]).unwrap();
    fs::rename(folder.0.join(TODAY), folder.0.join("kept")).unwrap();
    log.write_all(b"").unwrap();
    let kept = "1".repeat(50) + &"2".repeat(50);
    assert_eq!(folder.files(), [("kept".to_owned(), kept.clone())]);
    // Another process has made a file there since.
    fs::write(folder.0.join(TODAY), "its own\n").unwrap();
    log.flush().unwrap();
    log.write_all(b"three\n").unwrap();
    assert_eq!(folder.files(), [("kept".into(), kept), (TODAY.into(), "its own\nthree\n".into())]);
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
    log.retry_pause = Duration::from_secs(3600);
    log.write_all(b"three\n").unwrap();
    fs::remove_file(&folder.0).unwrap();
    log.write_all(b"four\n").unwrap();
    assert_eq!(log.status().lost(), 4, "not tried for each line");
    log.next_check = None;
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
    log.retry_pause = Duration::from_secs(3600);
    log.write_all(b"two\n").unwrap();
    fs::remove_file(folder.0.join(TODAY)).unwrap();
    log.write_all(b"three\n").unwrap();
    assert_eq!(log.status().lost(), 5);
    log.next_check = None;
    log.write_all(b"four\n").unwrap();
    assert_eq!(folder.files(), [(TODAY.into(), "four\n".into())]);
    assert_eq!((log.status().lost(), log.status().trouble()), (5, None));
}
