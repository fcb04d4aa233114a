//! The adapter of a node whose other nodes are reached by a bus.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::future::{BoxFuture, ready};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bus::Bus;
use super::message::{Content, Message};
use super::peers::{HEARTBEAT, Peers};
use super::requests::{Broadcasts, Requests};
use crate::socketio::{
    ACK_TIMEOUT, Adapter, AnswerSink, Args, ClusterStatus, Fetched, Flags, Incomplete, LocalNode,
    NODE_TIMEOUT, Packet, Selector, SocketDetails, answers,
};

/// The adapter of one namespace on one node. It does its own part after it has told the others. It knows the
/// others by their heartbeats, or how many they are if its bus counts them, and waits for an answer of each, but
/// not for one that is known to have gone.
#[derive(Debug)]
pub struct ClusterAdapter {
    uid: Arc<str>,
    node: Arc<LocalNode>,
    bus: Arc<dyn Bus>,
    me: Weak<ClusterAdapter>,
    peers: Mutex<Peers>,
    fetches: Requests<Vec<SocketDetails>>,
    server_sides: Requests<Args>,
    broadcasts: Broadcasts,
}

impl ClusterAdapter {
    /// An adapter that says to the others that it is there. To be called on a tokio runtime, on which its
    /// heartbeat runs until it is dropped.
    pub fn new(node: &Arc<LocalNode>, bus: Arc<dyn Bus>) -> Arc<Self> {
        let adapter = Arc::new_cyclic(|me| ClusterAdapter {
            uid: id(),
            node: Arc::clone(node),
            bus,
            me: me.clone(),
            peers: Mutex::default(),
            fetches: Requests::default(),
            server_sides: Requests::default(),
            broadcasts: Broadcasts::default(),
        });
        if !adapter.bus.counts() {
            adapter.publish(Content::InitialHeartbeat);
            tokio::spawn(beat(Arc::downgrade(&adapter)));
        }
        adapter
    }

    /// Its name in the cluster.
    pub fn uid(&self) -> &Arc<str> {
        &self.uid
    }

    /// The namespace that it is for.
    pub fn namespace(&self) -> &Arc<str> {
        self.node.namespace()
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn message(&self, content: Content) -> Message {
        let (uid, namespace) = (Arc::clone(&self.uid), Arc::clone(self.node.namespace()));
        Message { uid, namespace, content }
    }

    fn publish(&self, content: Content) {
        match content.is_passing() {
            true => self.bus.publish_renewed(self.message(content)),
            false => self.bus.publish(self.message(content)),
        }
    }

    /// The other nodes that are known now, if they are known by their names.
    fn others(&self) -> Option<Vec<Arc<str>>> {
        (!self.bus.counts()).then(|| self.peers().all().cloned().collect())
    }

    /// How many other nodes there are, for a bus that knows.
    async fn count_others(&self) -> usize {
        self.bus.count().await.saturating_sub(1)
    }

    /// Takes a message that came by the bus. To be called in the order in which they came.
    pub fn receive(&self, message: Message) {
        let Message { uid, namespace, content } = message;
        if uid == self.uid || namespace != *self.node.namespace() {
            return;
        }
        if content == Content::AdapterClose {
            if self.peers().remove(&uid) {
                self.forget(&uid);
            }
            return;
        }
        if !self.bus.counts() {
            self.peers().heard(&uid, Instant::now());
        }
        match content {
            Content::InitialHeartbeat => self.publish(Content::Heartbeat),
            Content::Heartbeat | Content::AdapterClose => {}
            Content::Broadcast { packet, selector, flags, request: None } => {
                self.node.broadcast_of(&uid, packet, &selector, flags);
            }
            Content::Broadcast { packet, selector, flags, request: Some(request) } => {
                self.ask_clients(uid, request, packet, &selector, flags);
            }
            Content::SocketsJoin { selector, rooms } => self.node.join(&selector, &rooms),
            Content::SocketsLeave { selector, rooms } => self.node.leave(&selector, &rooms),
            Content::DisconnectSockets { selector, close } => {
                self.node.disconnect(&selector, close);
            }
            Content::FetchSockets { selector, request } => {
                let sockets = self.node.fetch(&selector);
                let answer = Content::FetchSocketsResponse { request, sockets };
                self.bus.publish_to(&uid, self.message(answer));
            }
            Content::FetchSocketsResponse { request, sockets } => {
                self.fetches.answer(&request, &uid, sockets);
            }
            Content::ServerSideEmit { packet, request: None } => {
                self.node.server_side(packet, None);
            }
            Content::ServerSideEmit { packet, request: Some(request) } => {
                self.ask_handlers(uid, request, packet);
            }
            Content::ServerSideEmitResponse { request, args } => {
                self.server_sides.answer(&request, &uid, args);
            }
            Content::BroadcastClientCount { request, count } => {
                self.broadcasts.count(&request, &uid, count);
            }
            Content::BroadcastAck { request, args } => {
                self.broadcasts.answer(&request, &uid, args);
            }
        }
    }

    /// Asks this node's clients for another node.
    fn ask_clients(
        &self,
        uid: Arc<str>,
        request: Arc<str>,
        packet: Packet,
        selector: &Selector,
        flags: Flags,
    ) {
        let (sink, mut collector) = answers();
        let count = self.node.broadcast_with_ack(packet, selector, flags, &sink);
        drop(sink);
        let told = Content::BroadcastClientCount { request: Arc::clone(&request), count };
        self.bus.publish_to(&uid, self.message(told));
        let me = self.me.clone();
        let pass_on = async move {
            while let (Some(args), Some(me)) = (collector.next().await, me.upgrade()) {
                let answer = Content::BroadcastAck { request: Arc::clone(&request), args };
                me.bus.publish_to(&uid, me.message(answer));
            }
        };
        if count > 0 {
            tokio::spawn(timeout(flags.timeout.unwrap_or(ACK_TIMEOUT), pass_on));
        }
    }

    /// Asks this node's handlers for another node.
    fn ask_handlers(&self, uid: Arc<str>, request: Arc<str>, packet: Packet) {
        let (sender, answer) = oneshot::channel();
        self.node.server_side(packet, Some(sender));
        let me = self.me.clone();
        tokio::spawn(async move {
            if let (Ok(args), Some(me)) = (answer.await, me.upgrade()) {
                let answer = Content::ServerSideEmitResponse { request, args };
                me.bus.publish_to(&uid, me.message(answer));
            }
        });
    }

    fn forget(&self, uid: &str) {
        self.fetches.gone(uid);
        self.server_sides.gone(uid);
        self.broadcasts.gone(uid);
    }
}

/// Says from time to time that the node is there, and looks for others that are not.
async fn beat(adapter: Weak<ClusterAdapter>) {
    loop {
        sleep(HEARTBEAT).await;
        let Some(adapter) = adapter.upgrade() else { return };
        adapter.publish(Content::Heartbeat);
        let gone = adapter.peers().take_gone(Instant::now());
        gone.iter().for_each(|uid| adapter.forget(uid));
    }
}

/// A name nobody else has: 16 hexadecimal digits.
pub(super) fn id() -> Arc<str> {
    let mut random = [0; 8];
    // Without randomness no session opens, and nobody would be told of anything.
    let _ = getrandom::fill(&mut random);
    format!("{:016x}", u64::from_ne_bytes(random)).into()
}

impl Adapter for ClusterAdapter {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        if !flags.local {
            let (packet, selector) = (packet.clone(), selector.clone());
            self.publish(Content::Broadcast { packet, selector, flags, request: None });
        }
        self.node.broadcast(packet, &selector, flags);
    }

    fn broadcast_with_ack(
        &self,
        packet: Packet,
        selector: Selector,
        flags: Flags,
        answers: AnswerSink,
    ) {
        if !flags.local {
            let request = id();
            self.broadcasts.ask(&request, self.others(), answers.clone());
            let (packet, selector) = (packet.clone(), selector.clone());
            let asked = Some(Arc::clone(&request));
            self.publish(Content::Broadcast { packet, selector, flags, request: asked });
            let (me, wait) = (self.me.clone(), flags.timeout.unwrap_or(ACK_TIMEOUT));
            tokio::spawn(async move {
                let end = Instant::now() + wait;
                if let Some(me) = me.upgrade().filter(|me| me.bus.counts()) {
                    let others = me.count_others().await;
                    me.broadcasts.expect(&request, others);
                }
                sleep_until(end).await;
                if let Some(me) = me.upgrade() {
                    me.broadcasts.end(&request);
                }
            });
        }
        self.node.broadcast_with_ack(packet, &selector, flags, &answers);
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        if !flags.local {
            let (selector, rooms) = (selector.clone(), rooms.clone());
            self.publish(Content::SocketsJoin { selector, rooms });
        }
        self.node.join(&selector, &rooms);
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        if !flags.local {
            let (selector, rooms) = (selector.clone(), rooms.clone());
            self.publish(Content::SocketsLeave { selector, rooms });
        }
        self.node.leave(&selector, &rooms);
    }

    fn disconnect(&self, selector: Selector, close: bool, flags: Flags) {
        if !flags.local {
            self.publish(Content::DisconnectSockets { selector: selector.clone(), close });
        }
        self.node.disconnect(&selector, close);
    }

    fn fetch(&self, selector: Selector, flags: Flags) -> BoxFuture<'_, Fetched> {
        let mut sockets = self.node.fetch(&selector);
        if flags.local {
            return Box::pin(ready(Ok(sockets)));
        }
        let request = id();
        let mut answers = self.fetches.ask(&request, self.others());
        self.publish(Content::FetchSockets { selector, request: Arc::clone(&request) });
        Box::pin(async move {
            let all = async {
                if self.bus.counts() {
                    self.fetches.expect(&request, self.count_others().await);
                }
                while let Some(answer) = answers.recv().await {
                    sockets.extend(answer);
                }
            };
            let _ = timeout(flags.timeout.unwrap_or(NODE_TIMEOUT), all).await;
            match self.fetches.end(&request) {
                0 => Ok(sockets),
                missing => Err(Incomplete { answers: sockets, missing }),
            }
        })
    }

    fn server_side_emit(&self, packet: Packet) {
        self.publish(Content::ServerSideEmit { packet, request: None });
    }

    fn server_side_renew(&self, packet: Packet) {
        self.bus.publish_renewed(self.message(Content::ServerSideEmit { packet, request: None }));
    }

    fn server_side_emit_with_ack(
        &self,
        packet: Packet,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>> {
        let request = id();
        let mut answers = self.server_sides.ask(&request, self.others());
        self.publish(Content::ServerSideEmit { packet, request: Some(Arc::clone(&request)) });
        Box::pin(async move {
            let mut given = Vec::new();
            let all = async {
                if self.bus.counts() {
                    self.server_sides.expect(&request, self.count_others().await);
                }
                while let Some(answer) = answers.recv().await {
                    given.push(answer);
                }
            };
            let _ = timeout(wait, all).await;
            match self.server_sides.end(&request) {
                0 => Ok(given),
                missing => Err(Incomplete { answers: given, missing }),
            }
        })
    }

    fn server_count(&self) -> BoxFuture<'_, usize> {
        match self.bus.counts() {
            true => Box::pin(async { 1 + self.count_others().await }),
            false => Box::pin(ready(1 + self.peers().count())),
        }
    }

    fn status(&self) -> ClusterStatus {
        self.bus.status()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        if !self.bus.counts() {
            self.publish(Content::AdapterClose);
        }
        self.bus.close();
        Box::pin(ready(()))
    }
}
