//! The store in processes that are killed, whose disk is full or whose directory is read-only.
//!
//! The processes are this program again: [`a_process_appends_and_tells`] with an environment.

#![cfg(all(unix, feature = "server"))]

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parlance::store::{
    Accepted, Kind, NewEntry, OpenError, Range, Retention, RetentionOf, RoomLog, Store, StoreError,
    StoreSettings,
};

/// Where a process has its data, and what it does.
const DIR: &str = "STORE_TEST_DIR";
const DOES: &str = "STORE_TEST_DOES";

/// Rooms that a process appends to, in turn.
const ROOMS: u64 = 4;
/// Entries before the end that the next process appends once more, as people send again what may be lost.
const AGAIN: u64 = 500;
/// Entries that it has on their way at a time.
const ON_THE_WAY: usize = 200;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parlance-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn entry(number: u64) -> NewEntry {
    NewEntry {
        at: now(),
        author: "author".to_owned(),
        name: None,
        key: Some(number.to_string()),
        kind: Kind::Message,
        target: None,
        body: format!("text {number} {}", "x".repeat(number as usize % 300)),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A store that keeps all of what a test says, however much that is.
fn open(dir: &Path) -> Store {
    let all = Retention { messages: 1 << 40, bytes: 1 << 40, ..Retention::default() };
    let retention = RetentionOf::all(all);
    Store::sqlite(dir, StoreSettings { retention, ..StoreSettings::default() }).unwrap()
}

async fn rooms(store: &Store) -> Vec<RoomLog> {
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        rooms.push(store.open(&room.to_string()).await.unwrap());
    }
    rooms
}

/// Appends entries from this number on, as a room does with what people send: who has sent it before, it is told
/// so. Says of each that it is durable, once it is.
async fn append(store: &Store, from: u64, until: u64, tell: impl Fn(u64, u64)) {
    let rooms = rooms(store).await;
    let (sender, told) = mpsc::channel::<(u64, Result<u64, StoreError>)>();
    let mut on_the_way = 0;
    let durable = |(number, result): (u64, Result<u64, StoreError>)| tell(number, result.unwrap());
    for number in from..until {
        let log = &rooms[(number % ROOMS) as usize];
        let key = number.to_string();
        if log.may_have("author", &key)
            && let Some(seq) = log.find("author", &key).await.unwrap()
        {
            tell(number, seq);
            continue;
        }
        let sender = sender.clone();
        let done = move |result| drop(sender.send((number, result)));
        log.append(entry(number), Box::new(done)).unwrap();
        on_the_way += 1;
        while on_the_way >= ON_THE_WAY {
            durable(told.recv().unwrap());
            on_the_way -= 1;
        }
    }
    for _ in 0..on_the_way {
        durable(told.recv().unwrap());
    }
}

/// What other tests start: with an environment it appends until it is killed, or until the disk is full.
#[test]
fn a_process_appends_and_tells() {
    let does = std::env::var(DOES).unwrap_or_default();
    let folder = Folder::new("store-alone");
    let dir = std::env::var_os(DIR).map_or(folder.0.clone(), PathBuf::from);
    let runtime = runtime();
    // The harness has begun a line.
    println!();
    match does.as_str() {
        "" => {
            let store = open(&dir);
            let count = AtomicU64::new(0);
            let tell = |_, _| _ = count.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(append(&store, 0, 1_000, tell));
            assert_eq!(count.into_inner(), 1_000);
            runtime.block_on(store.close()).unwrap();
        }
        "fill" => runtime.block_on(fill(&dir)),
        "open" => match Store::sqlite(&dir, StoreSettings::default()) {
            Ok(_) => println!("opened"),
            Err(OpenError::ReadOnly(_)) => println!("read-only"),
            Err(error) => println!("{error}"),
        },
        from => {
            let store = open(&dir);
            // One write each: a process that is killed has not told a half.
            let tell = |number, seq| {
                let line = format!("{number} {seq}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            };
            runtime.block_on(append(&store, from.parse().unwrap(), u64::MAX, tell));
        }
    }
}

/// This program, as a process that does something.
fn process(dir: &Path, does: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_process_appends_and_tells", "--nocapture", "--test-threads=1"]);
    command.env(DIR, dir).env(DOES, does).stdout(Stdio::piped());
    command
}

/// The lines that a process writes, each as soon as it does, and the number of its last entry.
fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A number that is hard to foresee: where a process is killed.
fn random(below: u64) -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    if STATE.load(Ordering::Relaxed) == 0 {
        STATE.store(now() | 1, Ordering::Relaxed);
    }
    let next = STATE.load(Ordering::Relaxed).wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
    STATE.store(next, Ordering::Relaxed);
    (next >> 33) % below
}

/// How often a process is killed. 200 times, which `make kills` does, takes five to ten minutes.
fn kills() -> usize {
    std::env::var("KILLS").map_or(20, |kills| kills.parse().unwrap())
}

#[test]
fn a_killed_process_has_lost_nothing_that_it_told_and_doubled_nothing() {
    let folder = Folder::new("store-killed");
    let runtime = runtime();
    // What was told: the number of the entry, and that in its room.
    let mut told = BTreeMap::<u64, u64>::new();
    let mut from = 0;
    for kill in 0..kills() {
        let mut child = process(&folder.0, &from.to_string()).spawn().unwrap();
        let lines = lines(&mut child);
        let count = Cell::new(0_u64);
        let mut take = |line: String| {
            let numbers = line.split_once(' ').and_then(|(number, seq)| {
                Some((number.parse::<u64>().ok()?, seq.parse::<u64>().ok()?))
            });
            let Some((number, seq)) = numbers else { return };
            count.set(count.get() + 1);
            // Who asks again is told the same.
            assert_eq!(*told.entry(number).or_insert(seq), seq, "{number}");
        };
        // It has told something that is new, beyond what is sent again.
        while count.get() <= AGAIN {
            take(lines.recv().unwrap());
        }
        let end = Instant::now() + Duration::from_micros(random(300_000));
        while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            take(line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.iter().for_each(&mut take);
        println!("kill {kill}: {} told", count.get());

        let store = open(&folder.0);
        runtime.block_on(async {
            let rooms = rooms(&store).await;
            for (number, seq) in told.range(from..) {
                let log = &rooms[(number % ROOMS) as usize];
                assert_eq!(log.find("author", &number.to_string()).await, Ok(Some(*seq)));
            }
            store.close().await.unwrap();
        });
        // The next one begins a little before the end, as people send again.
        from = told.keys().next_back().map_or(0, |last| last.saturating_sub(AGAIN));
    }
    assert!(told.len() > 1_000, "{}", told.len());
    let store = open(&folder.0);
    runtime.block_on(async {
        let mut found = HashMap::new();
        let mut seqs = HashSet::new();
        for log in rooms(&store).await {
            let mut after = 0;
            loop {
                let page = log.read(Range::After(after), 1_000).await.unwrap();
                for entry in &page.entries {
                    let number: u64 = entry.key.as_ref().unwrap().parse().unwrap();
                    assert!(entry.body.starts_with(&format!("text {number} ")), "{entry:?}");
                    assert_eq!(found.insert(number, entry.seq), None, "{number} is there twice");
                    assert!(entry.seq > after && seqs.insert((log.name().to_owned(), entry.seq)));
                    after = entry.seq;
                }
                if !page.more {
                    break;
                }
            }
        }
        for (number, seq) in &told {
            assert_eq!(found.get(number), Some(seq), "{number} was told, and is lost");
        }
        println!("{} told, {} there", told.len(), found.len());
    });
}

/// Appends until that fails, and on until it works again.
async fn fill(dir: &Path) {
    let store = open(dir);
    let log = store.open("/").await.unwrap();
    let (sender, told) = mpsc::channel();
    let big = |number: u64| NewEntry { body: "x".repeat(50_000), ..entry(number) };
    let send = |number: u64| {
        let sender = sender.clone();
        log.append(big(number), Box::new(move |result| drop(sender.send(result)))).unwrap()
    };
    let mut number = 0;
    let error = loop {
        number += 1;
        assert!(matches!(send(number), Accepted::New(_)));
        if let Err(error) = told.recv().unwrap() {
            break error;
        }
    };
    println!("failed {}", error.reason());
    // It goes on: what could not be written is read, and new entries are taken.
    assert_eq!(store.trouble(), Some(error.clone()));
    let page = log.read(Range::Before(u64::MAX), 1).await.unwrap();
    assert_eq!(page.entries[0].key.as_deref(), Some(&*number.to_string()));
    assert!(matches!(send(number), Accepted::Known(_)), "it is told apart from a new one");
    assert_eq!(told.recv().unwrap(), Err(error.clone()));
    number += 1;
    send(number);
    assert_eq!(told.recv().unwrap(), Err(error));
    // There is room again.
    let (_, hard) = rlimit::Resource::FSIZE.get().unwrap();
    rlimit::Resource::FSIZE.set(hard, hard).unwrap();
    let key = number.to_string();
    let seq = loop {
        if let Ok(found) = log.find("author", &key).await {
            break found.unwrap();
        }
    };
    assert_eq!(seq, log.top());
    assert_eq!(store.trouble(), None);
    store.close().await.unwrap();
    println!("written {number}");
}

#[test]
fn a_full_disk_is_told_by_name_and_what_waits_is_written_when_there_is_room() {
    let folder = Folder::new("store-full");
    // The file may have a few MB: the limit stands for the disk. Its signal would end the process.
    let process = process(&folder.0, "fill");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f 4000; exec \"$0\" \"$@\""]);
    shell.arg(process.get_program()).args(process.get_args());
    shell.env(DIR, &folder.0).env(DOES, "fill");
    let output = shell.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("failed disk-full") || text.contains("failed store-failed"), "{text}");
    let count: u64 =
        text.split("written ").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
    runtime().block_on(async {
        let store = open(&folder.0);
        let log = store.open("/").await.unwrap();
        let page = log.read(Range::After(0), 1_000).await.unwrap();
        let (mut entries, mut more) = (page.entries, page.more);
        while more {
            let page = log.read(Range::After(entries.last().unwrap().seq), 1_000).await.unwrap();
            entries.extend(page.entries);
            more = page.more;
        }
        assert_eq!(entries.len() as u64, count);
    });
}

#[test]
fn a_directory_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("store-read-only");
    fs::create_dir(&folder.0).unwrap();
    let data = folder.0.join("data");
    let is_root = |dir: &Path| {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o555)).unwrap();
        let is_root = fs::write(dir.join("probe"), "").is_ok();
        drop(fs::remove_file(dir.join("probe")));
        is_root
    };
    let is_root = is_root(&folder.0);
    for dir in [&data, &folder.0] {
        // Nobody's rights, as root may write everywhere. The program is copied to where nobody may run it.
        let mut process = process(dir, "open");
        let copy = std::env::temp_dir().join(format!("parlance-store-test-{}", std::process::id()));
        if is_root {
            // By another process: one that another test starts just then would hold the file open, and it could not be run.
            let copied = Command::new("cp").arg(process.get_program()).arg(&copy).status();
            assert!(copied.unwrap().success());
            let args: Vec<_> = process.get_args().map(ToOwned::to_owned).collect();
            process = Command::new(&copy);
            process.args(args).env(DIR, dir).env(DOES, "open").uid(65534).current_dir("/");
        }
        let output = process.output().unwrap();
        drop(fs::remove_file(copy));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("\nread-only\n"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn history_goes_out_and_in_by_the_command() {
    let (from, to) = (Folder::new("store-export"), Folder::new("store-import"));
    let folder = Folder::new("store-lines");
    fs::create_dir(&folder.0).unwrap();
    let lines = folder.0.join("lines.jsonl");
    let parlance = |command: &str, dir: &Folder| {
        let mut parlance = Command::new(env!("CARGO_BIN_EXE_parlance"));
        parlance.args([command, "--data-dir"]).arg(&dir.0).arg(&lines).output().unwrap()
    };
    let said = |output: std::process::Output| {
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_well, text) = said(parlance("export", &from));
    assert!(!is_well && text.contains("parlance.sqlite3") && !lines.exists(), "{text}");
    let store = open(&from.0);
    let runtime = runtime();
    runtime.block_on(append(&store, 0, 100, |_, _| ()));
    assert_eq!(said(parlance("export", &from)), (true, "exported 4 rooms, 100 entries\n".into()));
    let (is_well, text) = said(parlance("import", &from));
    assert!(!is_well && text.contains("is in use by another process"), "{text}");
    assert_eq!(said(parlance("import", &to)), (true, "imported 4 rooms, 100 entries\n".into()));
    let copy = open(&to.0);
    runtime.block_on(async {
        let log = copy.open("1").await.unwrap();
        assert_eq!(log.read(Range::After(0), 100).await.unwrap().entries.len(), 25);
        assert!(log.find("author", "97").await.unwrap().is_some());
    });
}
