//! What every store does. Long because each thing that they do is tested here, for all of them.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{
    Accepted, Durability, Entry, Kind, NewEntry, Range, Record, Retention, RetentionOf, RoomLog,
    Store, StoreError, StoreSettings,
};

/// The end of a log.
const END: Range = Range::Before(u64::MAX);

/// A store, with the folder of its file.
pub(super) struct Stored {
    store: Store,
    _folder: Option<Folder>,
}

impl Deref for Stored {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A folder that goes with the test.
pub(super) struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("parlance-store-{}-{number}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// All stores, with the same settings.
fn stores(settings: &StoreSettings) -> Vec<Stored> {
    let folder = Folder::new();
    let file = Store::sqlite(&folder.0, settings.clone()).unwrap();
    let relaxed = StoreSettings { durability: Durability::Relaxed, ..settings.clone() };
    let second = Folder::new();
    let relaxed = Store::sqlite(&second.0, relaxed).unwrap();
    // So little is kept in memory beside the file that it is read.
    let small = StoreSettings { window_bytes: 0, ..settings.clone() };
    let third = Folder::new();
    let small = Store::sqlite(&third.0, small).unwrap();
    vec![
        Stored { store: Store::memory(settings.clone()), _folder: None },
        Stored { store: file, _folder: Some(folder) },
        Stored { store: relaxed, _folder: Some(second) },
        Stored { store: small, _folder: Some(third) },
    ]
}

fn default_stores() -> Vec<Stored> {
    stores(&StoreSettings::default())
}

pub(super) fn message(author: &str, key: Option<&str>, body: &str) -> NewEntry {
    NewEntry {
        at: super::room::now(),
        author: author.to_owned(),
        name: Some(author.to_uppercase()),
        key: key.map(str::to_owned),
        kind: Kind::Message,
        target: None,
        body: body.to_owned(),
    }
}

fn change(kind: Kind, target: u64, body: &str) -> NewEntry {
    NewEntry { kind, target: Some(target), ..message("a", None, body) }
}

/// Appends, and waits until it is durable.
pub(super) async fn append(log: &RoomLog, new: NewEntry) -> Result<Accepted, StoreError> {
    let (sender, receiver) = oneshot::channel();
    let done = move |result| drop(sender.send(result));
    let accepted = log.append(new, Box::new(done))?;
    let seq = receiver.await.expect("it is always told")?;
    assert!(matches!(accepted, Accepted::New(it) | Accepted::Known(it) if it == seq));
    Ok(accepted)
}

/// Appends as a room does: who has sent it before is not asked again.
async fn send(log: &RoomLog, new: NewEntry) -> Result<Accepted, StoreError> {
    let key = new.key.clone().unwrap_or_default();
    if log.may_have(&new.author, &key)
        && let Some(seq) = log.find(&new.author, &key).await?
    {
        return Ok(Accepted::Known(seq));
    }
    append(log, new).await
}

async fn say(log: &RoomLog, body: &str) -> u64 {
    match append(log, message("a", None, body)).await {
        Ok(Accepted::New(seq)) => seq,
        other => panic!("{other:?}"),
    }
}

fn texts(entries: &[Arc<Entry>]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.body).collect()
}

async fn read(log: &RoomLog, range: Range, limit: usize) -> (Vec<String>, bool, bool) {
    let page = log.read(range, limit).await.unwrap();
    (texts(&page.entries).into_iter().map(str::to_owned).collect(), page.more, page.gap)
}

#[tokio::test]
async fn what_was_said_is_read_back_and_forth() {
    for store in default_stores() {
        let log = store.open("/support").await.unwrap();
        assert_eq!(read(&log, END, 10).await, (vec![], false, false));
        let seqs = [say(&log, "a").await, say(&log, "b").await, say(&log, "c").await];
        assert!(seqs[0] > 0 && seqs.is_sorted(), "{seqs:?}");
        assert_eq!(log.top(), seqs[2]);
        let all = |from: &[&str]| from.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        for (range, limit, expected, more) in [
            (END, 10, &["a", "b", "c"][..], false),
            (END, 2, &["b", "c"], true),
            (Range::Before(seqs[2]), 2, &["a", "b"], false),
            (Range::Before(seqs[0]), 2, &[], false),
            (Range::After(0), 10, &["a", "b", "c"], false),
            (Range::After(0), 2, &["a", "b"], true),
            (Range::After(seqs[0]), 2, &["b", "c"], false),
            (Range::After(seqs[2]), 2, &[], false),
        ] {
            assert_eq!(read(&log, range, limit).await, (all(expected), more, false), "{range:?}");
        }
        let entry = log.get(seqs[1]).await.unwrap().unwrap();
        assert_eq!((&*entry.author, entry.name.as_deref(), &*entry.body), ("a", Some("A"), "b"));
        assert_eq!(log.get(seqs[2] + 1).await.unwrap(), None);
    }
}

#[tokio::test]
async fn rooms_have_logs_of_their_own() {
    for store in default_stores() {
        let (one, two) = (store.open("one").await.unwrap(), store.open("two").await.unwrap());
        assert_ne!(one.epoch(), two.epoch());
        assert_eq!(one.epoch().len(), 8);
        say(&one, "in one").await;
        say(&two, "in two").await;
        let again = store.open("one").await.unwrap();
        assert_eq!(again.epoch(), one.epoch());
        assert_eq!(read(&again, END, 10).await.0, ["in one"]);
        let rooms = store.rooms(None, 1).await.unwrap();
        assert_eq!((&*rooms.rooms[0].name, rooms.rooms[0].entries, rooms.more), ("one", 1, true));
        let rooms = store.rooms(Some("one"), 10).await.unwrap();
        assert_eq!(
            (&*rooms.rooms[0].name, rooms.rooms[0].top, rooms.more),
            ("two", two.top(), false)
        );
        let long = "x".repeat(Store::MAX_ROOM_NAME + 1);
        assert_eq!(store.open(&long).await.unwrap_err(), StoreError::TooLarge);
    }
}

#[tokio::test]
async fn positions_are_those_of_this_log() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        let seq = say(&log, "a").await;
        let position = log.position(seq);
        assert_eq!(log.seq(&position), Some(seq));
        assert_eq!(log.seq(&log.position(0)), Some(0));
        let epoch = log.epoch();
        for wrong in [
            format!("{epoch}.{}", seq + 1),
            format!("{epoch}.+1"),
            format!("{epoch}"),
            format!("{epoch}."),
            "x.1".to_owned(),
            String::new(),
            format!("{epoch}1"),
        ] {
            assert_eq!(log.seq(&wrong), None, "{wrong}");
        }
    }
}

#[tokio::test]
async fn a_key_is_there_once_for_an_author() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        assert!(!log.may_have("a", "k"));
        assert_eq!(log.find("a", "k").await, Ok(None));
        let first = send(&log, message("a", Some("k"), "one")).await.unwrap();
        let Accepted::New(seq) = first else { panic!("{first:?}") };
        assert!(log.may_have("a", "k"));
        assert_eq!(log.find("a", "k").await, Ok(Some(seq)));
        let again = send(&log, message("a", Some("k"), "two")).await;
        assert_eq!(again, Ok(Accepted::Known(seq)));
        // Not to be taken for author `a` with key `k`.
        for (author, key) in [("b", "k"), ("", "ak"), ("ak", "")] {
            let other = send(&log, message(author, Some(key), author)).await;
            assert!(matches!(other, Ok(Accepted::New(_))), "{other:?}");
        }
        assert_eq!(read(&log, END, 10).await.0, ["one", "b", "", "ak"]);
        let other = store.open("other").await.unwrap();
        let other = send(&other, message("a", Some("k"), "one")).await;
        assert!(matches!(other, Ok(Accepted::New(_))), "{other:?}");
    }
}

#[tokio::test]
async fn messages_are_read_as_they_stand() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        let (one, two) = (say(&log, "one").await, say(&log, "two").await);
        let seen = log.top();
        append(&log, change(Kind::Edit, one, "uno")).await.unwrap();
        append(&log, change(Kind::Edit, two, "dos")).await.unwrap();
        append(&log, change(Kind::Edit, one, "eins")).await.unwrap();
        assert_eq!(read(&log, END, 10).await.0, ["eins", "dos"]);
        let page = log.read(Range::After(seen), 10).await.unwrap();
        let last = page.entries.last().unwrap();
        assert_eq!((last.kind.clone(), last.target, &*last.body), (Kind::Edit, Some(one), "eins"));
        append(&log, change(Kind::Delete, one, "")).await.unwrap();
        append(&log, change(Kind::Edit, one, "zombie")).await.unwrap();
        let page = log.read(END, 10).await.unwrap();
        assert_eq!(texts(&page.entries), ["", "dos"]);
        assert!(page.entries[0].deleted.is_some() && page.entries[0].edited.is_some());
        assert!(page.entries[1].deleted.is_none() && page.entries[1].edited.is_some());
        // What somebody missed tells of all changes, and nothing of what was deleted.
        let page = log.read(Range::After(seen), 10).await.unwrap();
        let kinds: Vec<&str> = page.entries.iter().map(|entry| entry.kind.word()).collect();
        assert_eq!(kinds, ["edit", "edit", "edit", "delete", "edit"]);
        for entry in &page.entries {
            let is_of_two = entry.target == Some(two);
            assert_eq!(entry.body.is_empty(), !is_of_two, "{entry:?}");
            assert_eq!(
                entry.deleted.is_some(),
                entry.kind == Kind::Edit && !is_of_two,
                "{entry:?}"
            );
        }
        // A change of nothing is nothing.
        append(&log, change(Kind::Edit, 1 << 40, "nothing")).await.unwrap();
        append(&log, change(Kind::Delete, 1 << 40, "")).await.unwrap();
        assert_eq!(read(&log, END, 10).await.0, ["", "dos"]);
    }
}

#[tokio::test]
async fn events_of_the_room_are_kept_as_they_are() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        let event =
            NewEntry { kind: Kind::of("mute"), target: Some(7), ..message("m", None, "{}") };
        append(&log, event).await.unwrap();
        let entry = log.read(END, 1).await.unwrap().entries.remove(0);
        assert_eq!((entry.kind.word(), entry.target, &*entry.body), ("mute", Some(7), "{}"));
        let wrong = NewEntry { kind: Kind::of("no word"), ..message("m", None, "{}") };
        assert_eq!(append(&log, wrong).await, Err(StoreError::Invalid));
    }
}

/// Waits until the store has done what it does by itself.
async fn until(log: &RoomLog, range: Range, is_so: impl Fn(&[&str]) -> bool) {
    let mut page = log.read(range, 1_000).await.unwrap();
    while !is_so(&texts(&page.entries)) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        page = log.read(range, 1_000).await.unwrap();
    }
}

#[tokio::test]
async fn the_oldest_go_by_number_bytes_and_age() {
    let day = Duration::from_secs(24 * 3600);
    let bounds = Retention { messages: 10, age: Some(day), bytes: 3_000, stays: false };
    let by = move |room: &str| match room {
        "number" => bounds,
        _ => Retention { messages: 1_000, ..bounds },
    };
    let settings = StoreSettings { retention: RetentionOf::by(by), ..StoreSettings::default() };
    for store in stores(&settings) {
        let log = store.open("number").await.unwrap();
        let mut seqs = Vec::new();
        for number in 1..=25 {
            seqs.push(say(&log, &number.to_string()).await);
        }
        until(&log, END, |texts| texts.len() == 10 && texts[0] == "16").await;
        let after = |index: usize| read(&log, Range::After(seqs[index]), 100);
        assert!(after(13).await.2 && !after(14).await.2 && !after(20).await.2);
        assert_eq!(log.get(seqs[0]).await, Ok(None));

        let log = store.open("bytes").await.unwrap();
        for number in 1..=25 {
            say(&log, &format!("{number}{}", " ".repeat(300))).await;
        }
        until(&log, END, |texts| texts.len() <= 8 && texts.last().unwrap().starts_with("25")).await;

        let log = store.open("age").await.unwrap();
        let old = NewEntry { at: super::room::now() - 25 * 3_600_000, ..message("a", None, "old") };
        append(&log, old).await.unwrap();
        say(&log, "new").await;
        until(&log, END, |texts| texts == ["new"]).await;
    }
}

#[tokio::test]
async fn all_rooms_together_are_bounded_and_the_largest_gives_way() {
    let settings = StoreSettings { total_bytes: 100_000, ..StoreSettings::default() };
    for store in stores(&settings) {
        let quiet = store.open("quiet").await.unwrap();
        say(&quiet, "still here").await;
        let flood = store.open("flood").await.unwrap();
        for _ in 0..200 {
            say(&flood, &"x".repeat(1_000)).await;
        }
        until(&flood, Range::After(0), |texts| texts.len() < 100).await;
        assert_eq!(read(&quiet, END, 10).await.0, ["still here"]);
        let bytes = || async {
            let rooms = store.rooms(None, 10).await.unwrap().rooms;
            rooms.iter().map(|room| room.bytes).sum::<u64>()
        };
        while bytes().await > 100_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(bytes().await > 80_000, "no more goes than has to");
    }
}

#[tokio::test]
async fn as_many_rooms_as_may_have_a_log_and_empty_ones_give_way() {
    let settings = StoreSettings { max_rooms: 2, ..StoreSettings::default() };
    for store in stores(&settings) {
        let kept = store.open("kept").await.unwrap();
        say(&kept, "a").await;
        // While its first entry is on its way to the file, a room may count twice.
        let empty = loop {
            match store.open("empty").await {
                Ok(log) => break log,
                Err(error) => assert_eq!(error, StoreError::TooManyRooms),
            }
        };
        assert_eq!(store.open("more").await.unwrap_err(), StoreError::TooManyRooms);
        // `kept` stays open: a room that nobody has open could lose its log to a new room.
        drop(empty);
        // As long as its first entry is on its way to the file, a room counts because it is open.
        let more = store.open("more").await.unwrap();
        say(&more, "b").await;
        assert_eq!(store.open("empty").await.unwrap_err(), StoreError::TooManyRooms);
        assert_eq!(read(&kept, END, 1).await.0, ["a"]);
    }
}

/// Whether rooms have entries, by name.
async fn with_entries(store: &Store) -> Vec<String> {
    let rooms = store.rooms(None, 100).await.unwrap().rooms;
    rooms.iter().map(|room| room.name.to_string()).collect()
}

#[tokio::test]
async fn when_there_are_many_rooms_those_that_nobody_is_in_give_way() {
    let retention =
        RetentionOf::by(|room| Retention { stays: room == "listed", ..Retention::default() });
    let settings = StoreSettings { max_rooms: 20, retention, ..StoreSettings::default() };
    for store in stores(&settings) {
        let first = async |name: &str, texts: usize| {
            let log = loop {
                match store.open(name).await {
                    Ok(log) => break log,
                    Err(error) => assert_eq!(error, StoreError::TooManyRooms),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            for number in 0..texts {
                say(&log, &number.to_string()).await;
            }
            log
        };
        drop(first("listed", 1).await);
        drop(first("large", 30).await);
        let open = first("open", 1).await;
        let marked = first("marked", 1).await;
        marked.put(Record { key: "k".to_owned(), value: "v".to_owned(), expires: None }).unwrap();
        say(&marked, "b").await;
        drop(marked);
        for number in 10..40 {
            drop(first(&format!("room-{number}"), 1).await);
        }
        let rooms = with_entries(&store).await;
        for kept in ["listed", "large", "open", "marked", "room-39"] {
            assert!(rooms.iter().any(|room| room == kept), "{kept}: {rooms:?}");
        }
        assert!(!rooms.iter().any(|room| room == "room-10") && rooms.len() <= 20, "{rooms:?}");
        // One that went begins anew.
        let again = first("room-10", 1).await;
        assert_eq!(read(&again, END, 9).await.0, ["0"]);
        assert_eq!(read(&open, END, 9).await.0, ["0"]);
    }
}

#[tokio::test]
async fn the_lobby_has_a_log_however_many_rooms_there_are() {
    let settings = StoreSettings { max_rooms: 1, ..StoreSettings::default() };
    for store in stores(&settings) {
        let log = store.open("/a").await.unwrap();
        say(&log, "a").await;
        assert_eq!(store.open("/b").await.unwrap_err(), StoreError::TooManyRooms);
        say(&store.open("/").await.unwrap(), "b").await;
        say(&store.open_shared("/", "socket.io").await.unwrap(), "c").await;
    }
}

#[tokio::test]
async fn a_room_that_has_nothing_left_is_not_listed() {
    let retention = RetentionOf::by(|room| match room {
        "none" => Retention { messages: 0, ..Retention::default() },
        _ => Retention::default(),
    });
    let settings = StoreSettings { retention, ..StoreSettings::default() };
    for store in stores(&settings) {
        let log = store.open("none").await.unwrap();
        let kept = store.open("kept").await.unwrap();
        assert!(!log.keeps() && kept.keeps());
        say(&log, "a").await;
        say(&kept, "a").await;
        while with_entries(&store).await != ["kept"] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_search_finds_parts_of_words_in_any_script() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        for text in ["Hello there", "안녕하세요 여러분", "HELLO again", "nothing", "말hello말"]
        {
            say(&log, text).await;
        }
        let found = |text, before, limit| log.search(text, before, limit);
        let all = found("hello", None, 10).await.unwrap();
        assert_eq!(texts(&all.entries), ["Hello there", "HELLO again", "말hello말"]);
        assert_eq!(all.next, None);
        let some = found("hello", None, 2).await.unwrap();
        assert_eq!(texts(&some.entries), ["HELLO again", "말hello말"]);
        let rest = found("hello", some.next, 2).await.unwrap();
        assert_eq!((texts(&rest.entries), rest.next), (vec!["Hello there"], None));
        assert_eq!(texts(&found("녕하", None, 2).await.unwrap().entries), ["안녕하세요 여러분"]);
        assert_eq!(found("", None, 2).await.unwrap().entries, []);
        let seq = found("nothing", None, 2).await.unwrap().entries[0].seq;
        append(&log, change(Kind::Edit, seq, "something")).await.unwrap();
        assert_eq!(found("nothing", None, 2).await.unwrap().entries, []);
        append(&log, change(Kind::Delete, seq, "")).await.unwrap();
        assert_eq!(found("something", None, 2).await.unwrap().entries, []);
        let long = "x".repeat(2_000);
        assert_eq!(found(&long, None, 2).await.unwrap_err(), StoreError::TooLarge);
    }
}

#[tokio::test]
async fn a_page_ends_at_a_mebibyte() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        for _ in 0..10 {
            say(&log, &"x".repeat(200_000)).await;
        }
        for range in [END, Range::After(0)] {
            let page = log.read(range, 100).await.unwrap();
            assert_eq!((page.entries.len(), page.more), (5, true));
        }
    }
}

#[tokio::test]
async fn records_are_kept_until_they_expire() {
    for store in default_stores() {
        let log = store.open("r").await.unwrap();
        let now = super::room::now();
        let record = |key: &str, value: &str, expires| Record {
            key: key.to_owned(),
            value: value.to_owned(),
            expires,
        };
        log.put(record("b", "1", None)).unwrap();
        log.put(record("a", "2", Some(now + 3_600_000))).unwrap();
        log.put(record("over", "3", Some(now))).unwrap();
        log.put(record("b", "4", None)).unwrap();
        log.put(record("gone", "5", None)).unwrap();
        log.remove("gone").unwrap();
        assert_eq!(
            log.records(),
            [record("a", "2", Some(now + 3_600_000)), record("b", "4", None)]
        );
        assert_eq!(log.record("b").unwrap().value, "4");
        assert_eq!(log.record("over"), None);
        let large = record("x", &"x".repeat(70_000), None);
        assert_eq!(log.put(large), Err(StoreError::TooLarge));
    }
}

#[tokio::test]
async fn a_store_that_keeps_nothing_still_numbers() {
    let log = Store::none().open("r").await.unwrap();
    assert_eq!((say(&log, "a").await, say(&log, "b").await), (1, 2));
    assert!(log.read(Range::After(1), 9).await.unwrap().gap);
    assert!(!log.read(Range::After(2), 9).await.unwrap().gap);
    assert_eq!(read(&log, END, 9).await.0, [""; 0]);
}
