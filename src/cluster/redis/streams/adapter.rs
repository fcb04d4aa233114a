//! The adapter of one namespace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Running;
use super::entry::Id;
use super::hub::Hub;
use super::older::Older;
use super::outgoing::Put;
use super::questions::Line;
use super::replay::replay;
use super::sessions::{self, StreamSessions};
use crate::cluster::adapter::ClusterAdapter;
use crate::cluster::message::Content;
use crate::socketio::{
    Act, Adapter, AnswerSink, Args, ClusterLink, ClusterStatus, Fetched, Flags, Incomplete,
    LocalNode, Packet, Part, Place, Replay, Restored, Resume, Selector, SessionRecord,
    SharedSessions, Taken,
};

/// How long closing may take.
const CLOSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct StreamAdapter {
    stream: Arc<Running>,
    node: Arc<LocalNode>,
    /// Asks the other nodes, and answers them.
    questions: Arc<ClusterAdapter>,
    older: Older,
    me: Weak<StreamAdapter>,
    /// The place of the last entry that took place in this namespace. Events are sent under it.
    position: Mutex<Option<Id>>,
    /// Entries were gone before they were read, since the last event.
    gap: AtomicBool,
}

impl StreamAdapter {
    pub(super) fn new(stream: Arc<Running>, node: &Arc<LocalNode>) -> Arc<Self> {
        let line = Line::new(Arc::clone(&stream.hub), Arc::clone(node.namespace()));
        let line = Arc::new(line);
        let questions = ClusterAdapter::new(node, Arc::clone(&line) as _);
        line.listen(&questions);
        Arc::new_cyclic(|me| StreamAdapter {
            stream,
            node: Arc::clone(node),
            questions,
            older: Older::new(node, me.clone()),
            me: me.clone(),
            position: Mutex::default(),
            gap: AtomicBool::new(false),
        })
    }

    pub fn uid(&self) -> &Arc<str> {
        self.questions.uid()
    }

    pub fn namespace(&self) -> &Arc<str> {
        self.node.namespace()
    }

    pub fn hub(&self) -> &Arc<Hub> {
        &self.stream.hub
    }

    /// The place of the last entry that was sent to clients; nothing is sent while it is held.
    pub fn position(&self) -> MutexGuard<'_, Option<Id>> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        // Entries of other namespaces count as well.
        *position = (*position).max(self.hub().position());
        position
    }

    pub fn put(&self, content: Content) {
        let Some(me) = self.me.upgrade() else { return };
        if let Put::Now(content) = self.hub().outgoing.put(&me, content) {
            self.apply_early(content);
        }
    }

    /// Calls `act` after what was said before.
    fn then(&self, act: impl FnOnce(&StreamAdapter) + Send + 'static) {
        let me = self.me.clone();
        self.hub().outgoing.then(Box::new(move || {
            if let Some(me) = me.upgrade() {
                act(&me);
            }
        }));
    }

    /// Entries were gone before they were read.
    pub fn has_missed(&self) {
        self.gap.store(true, Ordering::Relaxed);
    }

    /// Does what an entry says, the part of it that is to be done now. `origin` is the other node that says it,
    /// `id` the place under which clients get it, and `place` its own.
    pub fn apply(
        &self,
        origin: Option<&Arc<str>>,
        id: Id,
        place: Option<Place>,
        part: Part,
        content: Content,
    ) {
        match content {
            Content::Broadcast { packet, selector, flags, request: None } => {
                let after_gap = self.gap.swap(false, Ordering::Relaxed);
                let taken = Taken::new(packet, selector, flags, origin.cloned());
                let taken = Taken { place, part, after_gap, ..taken };
                if part == Part::Kept {
                    return self.node.broadcast_taken(taken, |_| (None, ()));
                }
                self.node.broadcast_taken(taken, |_| {
                    let mut position = self.position();
                    *position = (*position).max(Some(id));
                    (self.recovers().then(|| id.to_string().into()), position)
                });
            }
            Content::SocketsJoin { selector, rooms } => self.node.join(&selector, &rooms),
            Content::SocketsLeave { selector, rooms } => self.node.leave(&selector, &rooms),
            Content::DisconnectSockets { selector, close } => {
                self.node.disconnect(&selector, close);
            }
            // Said here by older servers of Node alone.
            content => {
                if let Some(origin) = origin {
                    self.older.take(origin, content);
                }
            }
        }
    }

    /// Does what this node says before the stream has it.
    pub fn apply_early(&self, content: Content) {
        match content {
            Content::Broadcast { packet, selector, flags, request: None } => {
                self.here(packet, &selector, flags);
            }
            content => self.apply(None, Id::default(), None, Part::Told, content),
        }
    }

    /// Sends an event to this node's clients that has no place of its own.
    fn here(&self, packet: Packet, selector: &Selector, flags: Flags) {
        let taken = Taken::new(packet, selector.clone(), flags, None);
        self.node.broadcast_taken(Taken { part: Part::Told, ..taken }, |_| {
            let position = self.position();
            // Clients take the last argument of any event for a place.
            let last = position.filter(|_| self.recovers());
            (last.map(|last| last.to_string().into()), position)
        });
    }
}

impl Adapter for StreamAdapter {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        // What one client gets may be missed by it, so it is kept with the rest.
        let is_private = || match &*selector.rooms {
            [one] => selector.except.is_empty() && self.node.socket(one).is_some(),
            _ => false,
        };
        if flags.local && !(self.recovers() && is_private()) {
            return self.then(move |me| me.here(packet, &selector, flags));
        }
        let flags = Flags { local: false, ..flags };
        self.put(Content::Broadcast { packet, selector, flags, request: None });
    }

    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    ) {
        self.then(move |me| me.questions.broadcast_with_ack(packet, selector, flags, answers));
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        match flags.local {
            true => self.then(move |me| me.node.join(&selector, &rooms)),
            false => self.put(Content::SocketsJoin { selector, rooms }),
        }
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        match flags.local {
            true => self.then(move |me| me.node.leave(&selector, &rooms)),
            false => self.put(Content::SocketsLeave { selector, rooms }),
        }
    }

    fn disconnect(&self, selector: Selector, close: bool, flags: Flags) {
        match flags.local {
            true => self.then(move |me| me.node.disconnect(&selector, close)),
            false => self.put(Content::DisconnectSockets { selector, close }),
        }
    }

    fn fetch(&self, selector: Selector, flags: Flags) -> BoxFuture<'_, Fetched> {
        let (told, turn) = oneshot::channel();
        self.then(move |_| {
            let _ = told.send(());
        });
        Box::pin(async move {
            let _ = turn.await;
            self.questions.fetch(selector, flags).await
        })
    }

    fn server_side_emit(&self, packet: Packet) {
        self.then(move |me| me.questions.server_side_emit(packet));
    }

    fn server_side_renew(&self, packet: Packet) {
        self.then(move |me| me.questions.server_side_renew(packet));
    }

    fn server_side_emit_with_ack(
        &self,
        packet: Packet,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>> {
        let (told, turn) = oneshot::channel();
        self.then(move |_| {
            let _ = told.send(());
        });
        Box::pin(async move {
            let _ = turn.await;
            self.questions.server_side_emit_with_ack(packet, timeout).await
        })
    }

    fn server_count(&self) -> BoxFuture<'_, usize> {
        self.questions.server_count()
    }

    fn status(&self) -> ClusterStatus {
        let (hub, redis) = (self.hub(), self.hub().redis.status());
        let since = if redis.connected { hub.outgoing.away() } else { Some(redis.since) };
        let counts = hub.counts();
        let lost = counts.lost + counts.missed + hub.redis.counts().lost();
        ClusterStatus { link: since.map_or(ClusterLink::Up, ClusterLink::Down), lost }
    }

    fn recovers(&self) -> bool {
        self.hub().settings.recovery.is_some()
    }

    fn skips_middleware(&self) -> bool {
        self.hub().settings.recovery.is_some_and(|recovery| recovery.skip_middleware)
    }

    fn between_events(&self, act: Act) {
        let position = self.position();
        act(position.filter(|_| self.recovers()).map(|id| id.to_string()));
    }

    fn persist(&self, session: SessionRecord) {
        if let Some(recovery) = self.hub().settings.recovery {
            sessions::keep(self.hub(), session, &recovery);
        }
    }

    fn restore(&self, pid: String, offset: Option<String>) -> BoxFuture<'_, Option<Restored>> {
        Box::pin(async move {
            match self.recovers() {
                true => sessions::restore(self.hub(), &pid, offset.as_deref()).await,
                false => None,
            }
        })
    }

    fn resume(&self, restored: Restored, resume: Resume) -> BoxFuture<'_, bool> {
        Box::pin(sessions::resume(self, restored, resume))
    }

    fn common_order(&self) -> Option<Arc<str>> {
        Some(self.hub().settings.stream.as_str().into())
    }

    fn place(&self) -> Option<u64> {
        self.hub().position().map(Id::place_up_to)
    }

    fn replay(&self, after: u64) -> BoxFuture<'_, Option<Replay>> {
        Box::pin(replay(self.hub(), self.namespace(), after))
    }

    fn sessions(&self) -> Option<Arc<dyn SharedSessions>> {
        Some(Arc::new(StreamSessions(Arc::clone(self.hub()))))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // What was said is in the stream before the node goes, and who may come back to another.
            let is_out = async {
                self.hub().outgoing.is_out().await;
                self.hub().writing.is_out().await;
            };
            let _ = timeout(CLOSE, is_out).await;
            self.questions.close().await;
        })
    }
}
