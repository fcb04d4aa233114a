//! Connection state recovery in rooms: a stock client of 4.6 or later that lost its connection has its session back,
//! and gets the messages that it missed, also after a restart of the server, and on another node.
//!
//! Positions are those of the room's log, which all nodes have in common if they have an order; and sessions are
//! where [`Sessions`] keeps them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::chat_protocol::{ChatProtocol, Notice};
use super::name::Name;
use super::rendered::Rendered;
use super::room::is_gap;
use super::sessions::Sessions;
use crate::socketio::{
    Act, Adapter, AnswerSink, Args, ClusterStatus, Fetched, Flags, Incomplete, Local, LocalNode,
    Missed, Packet, Replay, Restored, Resume, Selector, SessionRecord, SharedSessions,
};
use crate::store::{Entry, Range, RoomLog, Store, room_of, shared_name};

/// Bytes of a private id. A longer one is none of ours.
const MAX_PID: usize = 64;
/// Another node may be ahead: so long this one has to be where the client was, and how often it is looked.
const CATCH_UP: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);
/// Messages that are read at once, and that one client can have missed.
const PAGE: usize = 1000;
const MAX_MISSED: usize = 10_000;

/// Why a client joins anew.
const GONE: &str = "some of what was missed is gone";

/// The name of the log that the room of a namespace has: of its own, or with all nodes.
pub(super) fn log_name(namespace: &str, adapter: &dyn Adapter) -> String {
    match adapter.common_order() {
        Some(order) => shared_name(namespace, &order),
        None => namespace.to_owned(),
    }
}

/// Whether clients can come back in a room with that adapter: nodes have to have positions and sessions in common.
pub(super) fn is_possible(adapter: &dyn Adapter) -> bool {
    let is_shared = || adapter.common_order().is_some() && adapter.sessions().is_some();
    !adapter.status().is_clustered() || is_shared()
}

/// The adapter of a room, with sessions that clients come back to.
#[derive(Debug)]
pub(super) struct RecoveringRoom {
    nodes: Arc<dyn Adapter>,
    local: Local,
    log: String,
    store: Store,
    rendered: Rendered,
    max_disconnection: Duration,
}

impl RecoveringRoom {
    /// `nodes` is the adapter by which the room reaches others.
    pub fn new(
        nodes: Arc<dyn Adapter>,
        node: &Arc<LocalNode>,
        store: Store,
        rendered: Rendered,
        max_disconnection: Duration,
    ) -> Self {
        let (local, log) = (Local::new(node), log_name(node.namespace(), &*nodes));
        RecoveringRoom { nodes, local, log, store, rendered, max_disconnection }
    }

    fn sessions_of(&self, log: &RoomLog) -> Sessions {
        Sessions::of(&*self.nodes, log, self.max_disconnection)
    }

    /// Takes out a session.
    ///
    /// # Errors
    /// Why its client joins anew.
    async fn restore(&self, pid: &str, offset: Option<&str>) -> Result<Restored, &'static str> {
        if pid.len() > MAX_PID {
            return Err("no such session");
        }
        let log = self.store.open(&self.log).await.map_err(|error| error.reason())?;
        let session = self.sessions_of(&log).take(pid).await.ok_or("no such session")?;
        let seq = |position: &Option<String>| log.number(position.as_deref()?);
        // What came before the session began is not missed, whatever the client kept from another.
        let start = seq(&session.start).ok_or("of another history")?;
        let seen = match offset {
            Some(offset) => start.max(log.number(offset).ok_or("a position of another history")?),
            None => start,
        };
        // Who has seen all that it was sent missed nothing until it was lost, however long that was.
        let has_all = seq(&session.sent).is_none_or(|sent| seen >= sent);
        let from = seq(&session.lost).filter(|_| has_all).map_or(seen, |lost| lost.max(seen));
        let is_clustered = self.nodes.status().is_clustered();
        let patience = if is_clustered { CATCH_UP } else { Duration::ZERO };
        if timeout(patience, reaches(&log, from)).await.is_err() {
            return Err("a position that is not there yet");
        }
        let page = log.read(Range::After(from), 1).await.map_err(|error| error.reason())?;
        match page.gap {
            true => Err(GONE),
            false => Ok(Restored { session, from: log.position(from) }),
        }
    }

    async fn resume(&self, restored: Restored, resume: Resume) -> bool {
        match self.missed(&restored).await {
            Ok(missed) => resume(missed) || self.joins_anew("too much was missed"),
            Err(reason) => self.joins_anew(reason),
        }
    }

    /// Says in the log why a client does not have its session back. Returns false.
    fn joins_anew(&self, reason: &'static str) -> bool {
        debug!(room = room_of(&self.log).0, reason, "a client that was lost joins anew");
        false
    }

    /// The messages that a client missed, in its own words.
    ///
    /// # Errors
    /// Why they cannot be told: they are too many, or some are gone.
    async fn missed(&self, Restored { session, from }: &Restored) -> Result<Missed, &'static str> {
        let log = self.store.open(&self.log).await.map_err(|error| error.reason())?;
        let member = Remembered::of(&session.data);
        let mut last = log.seq(from).ok_or(GONE)?;
        let mut missed = Missed::new();
        loop {
            let page = log.read(Range::After(last), PAGE).await.map_err(|error| error.reason())?;
            if page.gap || page.entries.iter().any(|entry| is_gap(entry)) {
                return Err(GONE);
            }
            last = page.entries.last().map_or(last, |entry| entry.seq);
            for entry in page.entries.iter().filter(|entry| member.missed(entry)) {
                let event = self.rendered.event(&log, member.chat_protocol, entry);
                missed.push(event.ok_or(GONE)?);
            }
            if missed.len() > MAX_MISSED {
                return Err("too much was missed");
            }
            if !page.more {
                return Ok(missed);
            }
        }
    }
}

/// Waits until a log has all up to a number.
async fn reaches(log: &RoomLog, number: u64) {
    while log.is_behind() || log.told() < number {
        sleep(LOOK).await;
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
    let notice = Notice::Message {
        name: name.as_ref(),
        text: &entry.body,
        author: None,
        role: None,
        late,
        place,
        mark,
    };
    let (event, args) = chat_protocol.render(&notice)?;
    Some((event, Args::from(args)))
}

impl Adapter for RecoveringRoom {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        match flags.local {
            // An event for this node's clients alone is sent at once, as all that the room sends to them: so both arrive in
            // the order in which they were sent.
            true => self.local.broadcast(packet, selector, flags),
            false => self.nodes.broadcast(packet, selector, flags),
        }
    }

    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    ) {
        self.nodes.broadcast_with_ack(packet, selector, flags, answers);
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        self.nodes.join(selector, rooms, flags);
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        self.nodes.leave(selector, rooms, flags);
    }

    fn disconnect(&self, selector: Selector, close: bool, flags: Flags) {
        self.nodes.disconnect(selector, close, flags);
    }

    fn fetch(&self, selector: Selector, flags: Flags) -> BoxFuture<'_, Fetched> {
        self.nodes.fetch(selector, flags)
    }

    fn server_side_emit(&self, packet: Packet) {
        self.nodes.server_side_emit(packet);
    }

    fn server_side_renew(&self, packet: Packet) {
        self.nodes.server_side_renew(packet);
    }

    fn server_side_emit_with_ack(
        &self,
        packet: Packet,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>> {
        self.nodes.server_side_emit_with_ack(packet, timeout)
    }

    fn server_count(&self) -> BoxFuture<'_, usize> {
        self.nodes.server_count()
    }

    fn status(&self) -> ClusterStatus {
        self.nodes.status()
    }

    fn recovers(&self) -> bool {
        true
    }

    fn between_events(&self, act: Act) {
        // Of a message that is being told, clients hear in any case: live, or because they come back from before it.
        act(self.store.opened(&self.log).map(|log| log.position(log.told())));
    }

    fn persist(&self, session: SessionRecord) {
        if let Some(log) = self.store.opened(&self.log) {
            self.sessions_of(&log).lost(session);
        }
    }

    fn restore(&self, pid: String, offset: Option<String>) -> BoxFuture<'_, Option<Restored>> {
        Box::pin(async move {
            let restored = self.restore(&pid, offset.as_deref()).await;
            restored.inspect_err(|reason| _ = self.joins_anew(reason)).ok()
        })
    }

    fn resume(&self, restored: Restored, resume: Resume) -> BoxFuture<'_, bool> {
        Box::pin(self.resume(restored, resume))
    }

    fn common_order(&self) -> Option<Arc<str>> {
        self.nodes.common_order()
    }

    fn place(&self) -> Option<u64> {
        self.nodes.place()
    }

    fn replay(&self, after: u64) -> BoxFuture<'_, Option<Replay>> {
        self.nodes.replay(after)
    }

    fn sessions(&self) -> Option<Arc<dyn SharedSessions>> {
        self.nodes.sessions()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.nodes.close()
    }
}
