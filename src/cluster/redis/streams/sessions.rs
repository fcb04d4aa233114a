//! Sessions of clients who were lost, under keys of Redis as Node's adapter has them, and what they missed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use redis::streams::StreamRangeReply;
use redis::{Cmd, RedisResult, cmd, from_redis_value};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::debug;

use super::adapter::StreamAdapter;
use super::entry::{Entry, Id};
use super::hub::Hub;
use super::reader::{Info, place};
use crate::cluster::message::Content;
use crate::cluster::node_format::{First, Parts, encode_binary};
use crate::socketio::{
    Args, Broadcast, Packet, RecoverySettings, Restored, Resume, SessionRecord, SharedSessions,
};

/// Entries that are read at once, and how often.
const COUNT: usize = 1000;
const MAX_READS: usize = 100;
/// A client that comes back may be faster than what is written of it: so often it is looked for.
const LOOKS: u32 = 3;
const LOOK: Duration = Duration::from_millis(100);
/// The same, if it was lost by this node.
const WRITTEN: Duration = Duration::from_secs(2);
/// Sessions that wait for Redis at a time; more are not kept.
const MAX_WRITING: usize = 10_000;
/// For so long a session is removed that nobody is to come back to. After that it is left to expire.
const REMOVED: Duration = Duration::from_secs(60);

/// What is to be done with a session, and until when that makes sense.
#[derive(Debug, Clone)]
enum Change {
    Keep(Arc<SessionRecord>, Instant),
    /// If it is there, it is kept until then.
    Expire(Instant),
    Remove(Instant),
}

impl Change {
    fn until(&self) -> Instant {
        match self {
            Change::Keep(_, until) | Change::Expire(until) | Change::Remove(until) => *until,
        }
    }

    fn command(&self, key: String) -> Cmd {
        let left = || u64::try_from((self.until() - Instant::now()).as_millis()).unwrap_or(1);
        let mut command = Cmd::new();
        match self {
            Change::Keep(session, _) => {
                command.arg("SET").arg(key).arg(written(session)).arg("PX").arg(left().max(1))
            }
            Change::Expire(_) => command.arg("PEXPIRE").arg(key).arg(left().max(1)),
            Change::Remove(_) => command.arg("DEL").arg(key),
        };
        command
    }
}

/// Sessions that are being written: what is to be done last with each, and its number.
#[derive(Debug, Default)]
pub struct Writing {
    changes: Mutex<HashMap<String, (Change, u64)>>,
    done: Notify,
}

impl Writing {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Change, u64)>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the session has to be written by the caller: otherwise there are too many, or somebody is at it.
    fn begin(&self, pid: &str, change: Change, max: usize) -> bool {
        let mut changes = self.lock();
        if let Some((last, number)) = changes.get_mut(pid) {
            *last = match (&*last, change) {
                // It is not there yet.
                (Change::Keep(session, _), Change::Expire(until)) => {
                    Change::Keep(Arc::clone(session), until)
                }
                (Change::Remove(until), Change::Expire(_)) => Change::Remove(*until),
                (_, change) => change,
            };
            *number += 1;
            return false;
        }
        let has_room = changes.len() < max;
        if has_room {
            changes.insert(pid.to_owned(), (change, 0));
        }
        has_room
    }

    /// What is to be done with a session.
    fn next(&self, pid: &str) -> Option<(Change, u64)> {
        self.lock().get(pid).cloned()
    }

    /// The change of that number is made. Whether that was the last.
    fn is_done(&self, pid: &str, number: u64) -> bool {
        let mut changes = self.lock();
        if changes.get(pid).is_some_and(|(_, last)| *last != number) {
            return false;
        }
        changes.remove(pid);
        drop(changes);
        self.done.notify_waiters();
        true
    }

    async fn ended(&self, is_it: impl Fn(&HashMap<String, (Change, u64)>) -> bool) {
        loop {
            let done = self.done.notified();
            if is_it(&self.lock()) {
                return;
            }
            done.await;
        }
    }

    /// Waits until nothing is to be written.
    pub async fn is_out(&self) {
        self.ended(HashMap::is_empty).await;
    }
}

fn key(hub: &Hub, pid: &str) -> String {
    format!("{}{pid}", hub.settings.session_prefix)
}

/// Makes a change of a session, as soon as Redis is there.
fn change(hub: &Arc<Hub>, pid: String, change: Change, max: usize) {
    if !hub.writing.begin(&pid, change, max) {
        return;
    }
    let hub = Arc::clone(hub);
    tokio::spawn(async move {
        while let Some((change, number)) = hub.writing.next(&pid) {
            let made = timeout_at(change.until(), async {
                hub.redis.until(true).await;
                hub.redis.command(&change.command(key(&hub, &pid))).await
            });
            if let Ok(Err(error)) = made.await {
                debug!(%error, "a session could not be kept");
            }
            if hub.writing.is_done(&pid, number) {
                return;
            }
        }
    });
}

/// Writes a session, as soon as Redis is there.
pub fn keep(hub: &Arc<Hub>, session: SessionRecord, recovery: &RecoverySettings) {
    let until = Instant::now() + recovery.max_disconnection;
    let pid = session.pid.clone();
    change(hub, pid, Change::Keep(Arc::new(session), until), recovery.max_sessions);
}

/// Sessions of an application that has positions of its own.
#[derive(Debug)]
pub struct StreamSessions(pub Arc<Hub>);

impl SharedSessions for StreamSessions {
    fn keep(&self, session: SessionRecord, time: Duration) {
        let (pid, until) = (session.pid.clone(), Instant::now() + time);
        change(&self.0, pid, Change::Keep(Arc::new(session), until), MAX_WRITING);
    }

    fn end(&self, pid: String, time: Duration) {
        let now = Instant::now();
        let last = match time.is_zero() {
            true => Change::Remove(now + REMOVED),
            false => Change::Expire(now + time),
        };
        change(&self.0, pid, last, MAX_WRITING);
    }

    fn take(&self, pid: String) -> BoxFuture<'static, Option<SessionRecord>> {
        let hub = Arc::clone(&self.0);
        Box::pin(async move { take(&hub, &pid).await })
    }
}

fn written(session: &SessionRecord) -> String {
    let SessionRecord { pid, sid, rooms, data, start, sent, lost } = session;
    let mut map = Map::new();
    for (key, value) in [
        ("sid", Some(json!(sid))),
        ("pid", Some(json!(pid))),
        ("rooms", Some(rooms.iter().map(|room| &**room).collect::<Vec<_>>().into())),
        ("data", Some(data.clone())),
        ("start", start.clone().map(Value::from)),
        ("sent", sent.clone().map(Value::from)),
        ("lost", lost.clone().map(Value::from)),
    ] {
        map.extend(value.map(|value| (key.to_owned(), value)));
    }
    let args = Args::from(vec![Value::Object(map)]);
    STANDARD.encode(encode_binary(&First::of(&args)).unwrap_or_default())
}

fn read(pid: &str, text: &str) -> Option<SessionRecord> {
    let mut parts = Parts::read(&STANDARD.decode(text).ok()?).ok()?;
    let data = parts.take("data").unwrap_or_default();
    let mut text = |key| parts.some_text(key).ok().flatten().map(|text| text.as_ref().to_owned());
    let (sid, start, sent, lost) = (text("sid")?, text("start"), text("sent"), text("lost"));
    let rooms = parts.rooms("rooms").ok()?;
    let data = parts.without_binary(data);
    Some(SessionRecord { pid: pid.to_owned(), sid, rooms, data, start, sent, lost })
}

/// See [`Adapter::restore`](crate::socketio::Adapter::restore).
pub async fn restore(hub: &Hub, pid: &str, offset: Option<&str>) -> Option<Restored> {
    let offset = match offset {
        Some(offset) => Some(offset.parse::<Id>().ok()?),
        None => None,
    };
    let session = take(hub, pid).await?;
    let place = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Id>().ok());
    // What came before the session began is not missed, whatever the client kept from another.
    let seen = offset.max(place(&session.start))?;
    // Who has seen all that it was sent missed nothing until it was lost, however long that was.
    let has_all = place(&session.sent).is_none_or(|sent| seen >= sent);
    let from = place(&session.lost).filter(|_| has_all).map_or(seen, |lost| lost.max(seen));
    let is_there = has_all_since(hub, from).await.unwrap_or(false);
    is_there.then(|| Restored { session, from: from.to_string() })
}

/// Takes a session out: it is given once.
async fn take(hub: &Hub, pid: &str) -> Option<SessionRecord> {
    let is_written = hub.writing.ended(|changes| !changes.contains_key(pid));
    let _ = timeout(WRITTEN, is_written).await;
    const TAKE: &str =
        "local session = redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1]) return session";
    let mut command = cmd("EVAL");
    command.arg(TAKE).arg(1).arg(key(hub, pid));
    for look in 0..LOOKS {
        if look > 0 {
            sleep(LOOK).await;
        }
        let answer = hub.redis.command(&command).await.ok()?;
        if let Some(text) = from_redis_value::<Option<String>>(answer).ok()? {
            return read(pid, &text);
        }
    }
    None
}

/// Whether the stream has all entries after a place.
async fn has_all_since(hub: &Hub, from: Id) -> RedisResult<bool> {
    let stream = &hub.settings.stream;
    let info = Info::of(hub.redis.command(&Info::command(stream)).await)?;
    if info.length == 0 || from < info.first {
        let is_new = from == Id::default() && info.gone() == 0;
        return Ok(is_new || (info.length == 0 && from == info.last));
    }
    // If Redis has lost it, it may have lost others as well.
    let mut range = cmd("XRANGE");
    range.arg(stream).arg(from.to_string()).arg(from.to_string());
    let found: StreamRangeReply = from_redis_value(hub.redis.command(&range).await?)?;
    Ok(!found.ids.is_empty())
}

/// See [`Adapter::resume`](crate::socketio::Adapter::resume).
pub async fn resume(adapter: &StreamAdapter, restored: Restored, resume: Resume) -> bool {
    let Some(recovery) = adapter.hub().settings.recovery else { return false };
    let Ok(mut last) = restored.from.parse::<Id>() else { return false };
    let mut missed: Vec<(Id, _)> = Vec::new();
    for _ in 0..MAX_READS {
        let Ok(entries) = after(adapter.hub(), last).await else { return false };
        let is_end = entries.len() < COUNT;
        for (id, entry) in entries {
            last = id;
            let entry =
                entry.filter(|it| it.is_broadcast() && it.namespace == *adapter.namespace());
            let content = entry.and_then(|entry| entry.content().ok());
            let Some(Content::Broadcast { packet, selector, flags, request: None }) = content
            else {
                continue;
            };
            if !flags.volatile && selector.is_for(&restored.session.rooms) {
                missed.push((id, packet));
            }
        }
        if missed.len() > recovery.max_events {
            return false;
        }
        // What comes later is sent as it comes.
        let position = adapter.position();
        if is_end && position.is_none_or(|position| position <= last) {
            missed.retain(|(id, _)| position.is_none_or(|position| *id <= position));
            let missed = missed.into_iter().map(|(id, packet): (Id, Packet)| {
                let namespace = Arc::clone(adapter.namespace());
                let event = Broadcast::new(namespace, &packet.name, packet.args);
                Arc::new(event.offset(Some(id.to_string().into())))
            });
            return resume(missed.collect());
        }
    }
    false
}

/// The entries after a place; `None` for those that are none of an adapter's.
async fn after(hub: &Hub, last: Id) -> RedisResult<Vec<(Id, Option<Entry>)>> {
    let mut range = cmd("XRANGE");
    range.arg(&hub.settings.stream).arg(last.next().to_string()).arg("+");
    range.arg("COUNT").arg(COUNT);
    let found: StreamRangeReply = from_redis_value(hub.redis.command(&range).await?)?;
    let entries = found.ids.into_iter().map(|entry| {
        let id = place(&entry.id)?;
        Ok((id, Entry::read(id, &entry.map)))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_each_session_the_last_change_is_written_and_of_few_at_a_time() {
        let now = Instant::now();
        let [soon, later] = [1, 2].map(|seconds| now + Duration::from_secs(seconds));
        let session = |sid: &str| {
            Arc::new(SessionRecord {
                pid: "p".to_owned(),
                sid: sid.to_owned(),
                rooms: Vec::new(),
                data: Value::Null,
                start: None,
                sent: None,
                lost: None,
            })
        };
        let keep = |sid, until| Change::Keep(session(sid), until);
        let words = |change: &Change| {
            let packed = change.command("k".to_owned()).get_packed_command();
            String::from_utf8(packed).unwrap().split("\r\n").nth(2).unwrap().to_owned()
        };
        for (first, then, word, until) in [
            (keep("a", later), keep("b", soon), "SET", soon),
            (keep("a", soon), Change::Expire(later), "SET", later),
            (keep("a", later), Change::Remove(soon), "DEL", soon),
            (Change::Remove(soon), Change::Expire(later), "DEL", soon),
            (Change::Remove(soon), keep("a", later), "SET", later),
            (Change::Expire(soon), Change::Expire(later), "PEXPIRE", later),
        ] {
            let writing = Writing::default();
            assert!(writing.begin("p", first.clone(), 1));
            assert!(!writing.begin("q", first.clone(), 1), "too many");
            assert!(!writing.begin("p", then.clone(), 1), "somebody is at it");
            let (change, number) = writing.next("p").unwrap();
            assert_eq!(
                (words(&change).as_str(), change.until()),
                (word, until),
                "{first:?} {then:?}"
            );
            assert!(!writing.is_done("p", number - 1), "there is another change");
            assert!(writing.is_out().now_or_never().is_none());
            assert!(writing.is_done("p", number));
            assert!(writing.is_out().now_or_never().is_some());
            assert!(writing.next("p").is_none() && writing.begin("q", first, 1));
        }
    }

    #[test]
    fn sessions_are_read_as_they_were_written_and_as_node_writes_them() {
        let session = SessionRecord {
            pid: "p".to_owned(),
            sid: "s".to_owned(),
            rooms: vec!["s".into(), "r".into()],
            data: json!({ "name": "zed", "n": [1, null] }),
            start: Some("1-0".to_owned()),
            sent: None,
            lost: Some("2-3".to_owned()),
        };
        assert_eq!(read("p", &written(&session)), Some(session));
        let node = json!({ "sid": "s", "pid": "p", "rooms": ["s"], "data": {} });
        let node = STANDARD.encode(rmp_serde::to_vec(&node).unwrap());
        let read_back = read("p", &node).unwrap();
        assert_eq!((&*read_back.sid, read_back.start), ("s", None));
        for wrong in ["", "****", "gA=="] {
            assert_eq!(read("p", wrong), None, "{wrong}");
        }
    }
}
