//! Connection state recovery in rooms: a stock client of 4.6 or later that lost its connection has its session back,
//! and gets the messages that it missed, also after a restart of the server.
//!
//! Positions are those of the room's log, and sessions are records beside it. A session is written as somebody
//! gets a name, so that it is there even if the process is killed (reference: recovery.md).

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::chat_protocol::{ChatProtocol, Notice};
use super::name::Name;
use super::rendered::Rendered;
use super::room::now;
use crate::socketio::{
    Act, Adapter, AnswerSink, Args, Fetched, Flags, Incomplete, Local, LocalNode, Missed, Packet,
    Restored, Resume, Selector, SessionRecord,
};
use crate::store::{Entry, Range, Record, RoomLog, Store};

/// What the keys of sessions begin with.
const SESSION: &str = "session:";
/// Bytes of a private id. A longer one is none of ours.
const MAX_PID: usize = 64;
/// Messages that are read at once, and that one client can have missed.
const PAGE: usize = 1000;
const MAX_MISSED: usize = 10_000;

/// The adapter of a room on a server of its own.
#[derive(Debug)]
pub(super) struct RecoveringRoom {
    local: Local,
    namespace: Arc<str>,
    store: Store,
    rendered: Rendered,
    max_disconnection: Duration,
}

impl RecoveringRoom {
    pub fn new(
        node: &Arc<LocalNode>,
        store: Store,
        rendered: Rendered,
        max_disconnection: Duration,
    ) -> Self {
        let namespace = Arc::clone(node.namespace());
        RecoveringRoom { local: Local::new(node), namespace, store, rendered, max_disconnection }
    }

    async fn restore(&self, pid: &str, offset: Option<&str>) -> Option<Restored> {
        if pid.len() > MAX_PID {
            return None;
        }
        let log = self.store.open(&self.namespace).await.ok()?;
        let key = key(pid);
        let record = log.record(&key)?;
        // A session is given once.
        log.remove(&key).ok()?;
        let session = read(pid, &record.value)?;
        let seq = |position: &Option<String>| log.seq(position.as_deref()?);
        // What came before the session began is not missed, whatever the client kept from another.
        let start = seq(&session.start)?;
        let seen = match offset {
            Some(offset) => start.max(log.seq(offset)?),
            None => start,
        };
        // Who has seen all that it was sent missed nothing until it was lost, however long that was.
        let has_all = seq(&session.sent).is_none_or(|sent| seen >= sent);
        let from = seq(&session.lost).filter(|_| has_all).map_or(seen, |lost| lost.max(seen));
        let page = log.read(Range::After(from), 1).await.ok()?;
        (!page.gap).then(|| Restored { session, from: log.position(from) })
    }

    async fn resume(&self, restored: Restored, resume: Resume) -> bool {
        match self.missed(&restored).await {
            Some(missed) => resume(missed),
            None => false,
        }
    }

    /// The messages that a client missed, in its own words. `None` if they are too many, or some are gone.
    async fn missed(&self, Restored { session, from }: &Restored) -> Option<Missed> {
        let log = self.store.open(&self.namespace).await.ok()?;
        let member = Remembered::of(&session.data);
        let mut last = log.seq(from)?;
        let mut missed = Missed::new();
        loop {
            let page = log.read(Range::After(last), PAGE).await.ok()?;
            if page.gap {
                return None;
            }
            last = page.entries.last().map_or(last, |entry| entry.seq);
            for entry in page.entries.iter().filter(|entry| member.missed(entry)) {
                missed.push(self.rendered.event(&log, member.chat_protocol, entry)?);
            }
            if missed.len() > MAX_MISSED {
                return None;
            }
            if !page.more {
                return Some(missed);
            }
        }
    }
}

/// What is remembered of a member in the data of its session.
#[derive(Debug, PartialEq)]
pub(super) struct Remembered {
    pub chat_protocol: ChatProtocol,
    pub name: Option<Name>,
    /// The id of the person, if it is known.
    pub person: Option<String>,
    /// The author's word of what they say.
    pub author: String,
}

impl Remembered {
    pub fn of(data: &Value) -> Self {
        let text = |key: &str| data[key].as_str();
        Remembered {
            chat_protocol: text("protocol")
                .and_then(ChatProtocol::named)
                .unwrap_or(ChatProtocol::Users),
            name: text("name").and_then(|name| Name::new(name).ok()),
            person: text("person").map(str::to_owned),
            author: text("author").unwrap_or_default().to_owned(),
        }
    }

    pub fn data(&self) -> Value {
        json!({
            "protocol": self.chat_protocol.name(),
            "name": self.name.as_ref().map(Name::written),
            "person": self.person,
            "author": self.author,
        })
    }

    /// Whether a message is one that they would have been told.
    pub fn missed(&self, entry: &Entry) -> bool {
        // Only the tutorial's page shows what it said itself when it hears it.
        let is_own = *entry.author == *self.author && self.chat_protocol != ChatProtocol::Bare;
        entry.is_message() && !is_own
    }
}

/// A message of the log as a page hears it.
pub(super) fn words(chat_protocol: ChatProtocol, entry: &Entry) -> Option<(&'static str, Args)> {
    // It was allowed when it was said.
    let name = entry.name.as_deref().map(Name::read).transpose().ok()?;
    let (late, place, mark) = (None, None, None);
    let notice =
        Notice::Message { name: name.as_ref(), text: &entry.body, role: None, late, place, mark };
    let (event, args) = chat_protocol.render(&notice)?;
    Some((event, Args::from(args)))
}

fn key(pid: &str) -> String {
    format!("{SESSION}{pid}")
}

fn written(session: &SessionRecord) -> String {
    let SessionRecord { pid: _, sid, rooms, data, start, sent, lost } = session;
    let rooms: Vec<&str> = rooms.iter().map(|room| &**room).collect();
    json!({ "sid": sid, "rooms": rooms, "data": data, "start": start, "sent": sent, "lost": lost })
        .to_string()
}

fn read(pid: &str, text: &str) -> Option<SessionRecord> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let (sid, start, sent, lost) = (text("sid")?, text("start"), text("sent"), text("lost"));
    let rooms =
        value["rooms"].as_array()?.iter().filter_map(Value::as_str).map(Arc::from).collect();
    let data = value["data"].take();
    Some(SessionRecord { pid: pid.to_owned(), sid, rooms, data, start, sent, lost })
}

/// Keeps the session of a client that is there. If there is no place for it, the client joins anew when it comes back.
pub(super) fn keep(log: &RoomLog, session: &SessionRecord) {
    let (key, value) = (key(&session.pid), written(session));
    let _ = log.put(Record { key, value, expires: None });
}

/// A client has left. Who was lost may come back for a while.
pub(super) fn left(log: &RoomLog, pid: &str, meant: bool, max_disconnection: Duration) {
    match meant {
        true => drop(log.remove(&key(pid))),
        false => {
            log.record(&key(pid)).into_iter().for_each(|it| expire(log, it, max_disconnection))
        }
    }
}

/// The process begins: who was there when it last ended may come back for a while.
pub(super) fn expire_all(log: &RoomLog, max_disconnection: Duration) {
    let sessions = log.records().into_iter().filter(|record| record.key.starts_with(SESSION));
    sessions.for_each(|record| expire(log, record, max_disconnection));
}

/// Gives a session its end, if it has none.
fn expire(log: &RoomLog, record: Record, after: Duration) {
    if record.expires.is_none() {
        let _ = log.put(Record { expires: Some(now() + millis(after)), ..record });
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX / 2)
}

impl Adapter for RecoveringRoom {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        self.local.broadcast(packet, selector, flags);
    }

    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    ) {
        self.local.broadcast_with_ack(packet, selector, flags, answers);
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        self.local.join(selector, rooms, flags);
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        self.local.leave(selector, rooms, flags);
    }

    fn disconnect(&self, selector: Selector, close: bool, flags: Flags) {
        self.local.disconnect(selector, close, flags);
    }

    fn fetch(&self, selector: Selector, flags: Flags) -> BoxFuture<'_, Fetched> {
        self.local.fetch(selector, flags)
    }

    fn server_side_emit(&self, packet: Packet) {
        self.local.server_side_emit(packet);
    }

    fn server_side_emit_with_ack(
        &self,
        packet: Packet,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>> {
        self.local.server_side_emit_with_ack(packet, timeout)
    }

    fn server_count(&self) -> BoxFuture<'_, usize> {
        self.local.server_count()
    }

    fn recovers(&self) -> bool {
        true
    }

    fn between_events(&self, act: Act) {
        // Of a message that is being told, clients hear in any case: live, or because they come back from before it.
        act(self.store.opened(&self.namespace).map(|log| log.position(log.told())));
    }

    fn persist(&self, session: SessionRecord) {
        if let Some(log) = self.store.opened(&self.namespace) {
            let (key, value) = (key(&session.pid), written(&session));
            let expires = Some(now() + millis(self.max_disconnection));
            let _ = log.put(Record { key, value, expires });
        }
    }

    fn restore(&self, pid: String, offset: Option<String>) -> BoxFuture<'_, Option<Restored>> {
        Box::pin(async move { self.restore(&pid, offset.as_deref()).await })
    }

    fn resume(&self, restored: Restored, resume: Resume) -> BoxFuture<'_, bool> {
        Box::pin(self.resume(restored, resume))
    }
}
