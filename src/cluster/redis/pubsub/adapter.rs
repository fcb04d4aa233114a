//! The adapter of one namespace of one node.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use super::RedisPubSub;
use super::oldest::OldestAdapter;
use super::pending::Pending;
use super::wire::{Ask, Broadcast, Channels, Response, write_old_fetch, write_request};
use crate::cluster::node_format::FormatError;
use crate::cluster::redis::outbox::Worth;
use crate::cluster::redis::{Redis, Subscription, Topic, escaped};
use crate::socketio::{
    ACK_TIMEOUT, Adapter, AnswerSink, Args, ClusterStatus, Fetched, Flags, Incomplete, LocalNode,
    NODE_TIMEOUT, Packet, Selector,
};

/// How long closing may take.
const CLOSE: Duration = Duration::from_secs(2);

/// It does its own node's part after it has told the others, and is not told of that again.
#[derive(Debug)]
pub struct PubSubAdapter {
    /// One name for each node and namespace.
    pub(super) uid: Arc<str>,
    pub(super) node: Arc<LocalNode>,
    pub(super) redis: Redis,
    pub(super) channels: Channels,
    pub(super) oldest: OldestAdapter,
    pub(super) pending: Pending,
    /// None once it is closed.
    subscriptions: Mutex<Vec<Arc<Subscription>>>,
    me: Weak<PubSubAdapter>,
}

impl PubSubAdapter {
    pub fn new(RedisPubSub { redis, settings }: &RedisPubSub, node: &Arc<LocalNode>) -> Arc<Self> {
        let uid: Arc<str> = id();
        let adapter = Arc::new_cyclic(|me| PubSubAdapter {
            channels: Channels::new(&settings.channel_prefix, node.namespace(), &uid),
            oldest: settings.oldest,
            uid,
            node: Arc::clone(node),
            redis: redis.clone(),
            pending: Pending::default(),
            subscriptions: Mutex::default(),
            me: me.clone(),
        });
        adapter.subscribe();
        adapter
    }

    pub(super) fn me(&self) -> Weak<Self> {
        self.me.clone()
    }

    fn subscribe(&self) {
        let Channels { broadcasts, requests, responses, own_responses, .. } = &self.channels;
        let pattern = Topic::Pattern(format!("{}*", escaped(broadcasts)).into());
        let subscriptions = [
            self.listen(pattern, Self::take_broadcast),
            self.listen(Topic::Channel(Arc::clone(responses)), Self::take_response),
            self.listen(Topic::Channel(Arc::clone(own_responses)), Self::take_response),
            // The last one, because those who listen to it are counted.
            self.listen(Topic::Channel(Arc::clone(requests)), Self::take_request),
        ];
        let mut kept = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        if self.oldest == OldestAdapter::V0_1 {
            kept.extend(self.listen_to_first().map(Arc::new));
        }
        kept.extend(subscriptions.map(Arc::new));
    }

    /// Listens to servers of 0.1, and to emitters as old as that.
    fn listen_to_first(&self) -> [Subscription; 2] {
        let Channels { of_first, of_emitters, .. } = &self.channels;
        [
            self.listen(Topic::pattern(of_first.as_str()), Self::take_first),
            self.listen(Topic::Channel(Arc::clone(of_emitters)), Self::take_first),
        ]
    }

    fn listen(
        &self,
        topic: Topic,
        take: fn(&Self, &str, &[u8]) -> Result<(), FormatError>,
    ) -> Subscription {
        let me = self.me.clone();
        self.redis.subscribe(topic, move |channel, payload| {
            let Some(me) = me.upgrade() else { return };
            if let Err(error) = take(&me, channel, &payload) {
                me.redis.ignore(channel, &error);
            }
        })
    }

    fn take_broadcast(&self, channel: &str, payload: &[u8]) -> Result<(), FormatError> {
        let Some(room) = self.channels.room(channel) else { return Ok(()) };
        // Most messages to rooms are for other nodes.
        if room.is_some_and(|room| !self.node.has(room)) {
            return Ok(());
        }
        let Broadcast { uid, namespace, packet, selector, flags } =
            Broadcast::read(payload, self.oldest)?;
        if uid == self.uid || namespace != *self.node.namespace() {
            return Ok(());
        }
        // Old servers send a message to several rooms several times, to the channel of each.
        if let (Some(room), [_, _, ..]) = (room, &selector.rooms[..])
            && selector.rooms.iter().find(|it| self.node.has(it)).is_some_and(|it| &**it != room)
        {
            return Ok(());
        }
        self.node.broadcast_of(&uid, packet, &selector, flags);
        Ok(())
    }

    fn take_first(&self, channel: &str, payload: &[u8]) -> Result<(), FormatError> {
        let Broadcast { uid, namespace, packet, selector, flags } =
            Broadcast::read_first(channel, payload)?;
        if namespace == *self.node.namespace() {
            self.node.broadcast_of(&uid, packet, &selector, flags);
        }
        Ok(())
    }

    fn take_response(&self, _channel: &str, payload: &[u8]) -> Result<(), FormatError> {
        // All nodes get the answers to all others.
        if self.pending.is_empty() {
            return Ok(());
        }
        match Response::read(payload)? {
            Some(response) => self.pending.answer(response),
            None => Ok(()),
        }
    }

    /// Publishes what was written.
    pub(super) fn publish(
        &self,
        channel: &Arc<str>,
        written: Result<Vec<u8>, FormatError>,
        worth: Worth,
    ) {
        match written {
            Ok(bytes) => {
                let topic = Topic::Channel(Arc::clone(channel));
                self.redis.publish_as(topic, Bytes::from(bytes), worth);
            }
            Err(error) => self.redis.give_up(&error),
        }
    }

    fn request(&self, request: Option<&str>, ask: Ask<'_>) {
        // A lost question counts as no lost message: its caller is told that not all have answered.
        let worth = match (request, ask) {
            (Some(_), Ask::Fetch(_) | Ask::ServerSide(_)) => Worth::Renewed,
            _ => Worth::Counted,
        };
        self.request_as(request, ask, worth);
    }

    fn request_as(&self, request: Option<&str>, ask: Ask<'_>, worth: Worth) {
        let namespace = self.node.namespace();
        // Old servers know no exceptions: what they would say were too much.
        if self.oldest < OldestAdapter::V6
            && let (Some(request), Ask::Fetch(selector)) = (request, ask)
            && selector.except.is_empty()
        {
            let written = write_old_fetch(&self.uid, request, &selector.rooms);
            self.publish(&self.channels.requests, written, worth);
        }
        let written = write_request(&self.uid, request, namespace, ask, self.oldest);
        self.publish(&self.channels.requests, written, worth);
    }

    /// How many other nodes answer requests.
    async fn others(&self) -> usize {
        let own = {
            let kept = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
            kept.last().cloned()
        };
        let Some(own) = own else { return 0 };
        let requests = Topic::Channel(Arc::clone(&self.channels.requests));
        // Before Redis knows this node, nobody's answers would come here.
        let counted = async {
            own.settled().await;
            self.redis.listeners(&requests).await.map_or(0, |all| all.saturating_sub(1))
        };
        if !self.redis.status().connected {
            return 0;
        }
        timeout(NODE_TIMEOUT, counted).await.unwrap_or(0)
    }

    /// Asks all other nodes, and waits for so many answers. Returns how many did not come.
    async fn ask<T>(
        &self,
        (request, ask): (&Arc<str>, Ask<'_>),
        mut answers: UnboundedReceiver<T>,
        wait: Duration,
        mut take: impl FnMut(T),
    ) -> usize {
        let mut missing = self.others().await;
        if missing > 0 {
            self.request(Some(request), ask);
            let all = async {
                while missing > 0
                    && let Some(answer) = answers.recv().await
                {
                    take(answer);
                    missing -= 1;
                }
            };
            let _ = timeout(wait, all).await;
        }
        self.pending.end(request);
        missing
    }
}

/// A name nobody else has: six characters, as Node's servers have them.
fn id() -> Arc<str> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = [0_u8; 6];
    // Without randomness no session opens, and nobody would be told of anything.
    let _ = getrandom::fill(&mut random);
    let digits = random.map(|byte| char::from(DIGITS[usize::from(byte % 64)]));
    digits.iter().collect::<String>().into()
}

impl Adapter for PubSubAdapter {
    fn broadcast(&self, packet: Packet, selector: Selector, flags: Flags) {
        if !flags.local {
            let (namespace, whom) = (self.node.namespace(), (&selector, flags));
            let written = Broadcast::write(&self.uid, namespace, &packet, whom, self.oldest);
            self.publish(&self.channels.of(&selector), written, Worth::Counted);
            if self.oldest == OldestAdapter::V0_1 {
                let written = Broadcast::write_first(namespace, &packet, whom);
                // The same once more.
                self.publish(&self.channels.first, written, Worth::Renewed);
            }
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
            self.pending.clients(&request, answers.clone());
            self.request(Some(&request), Ask::Clients(&packet, &selector, flags));
            let (me, wait) = (self.me.clone(), flags.timeout.unwrap_or(ACK_TIMEOUT));
            tokio::spawn(async move {
                let Some(adapter) = me.upgrade() else { return };
                let counted = async {
                    let nodes = adapter.others().await;
                    adapter.pending.nodes(&request, nodes);
                };
                let _ = timeout(wait, counted).await;
                sleep(wait).await;
                adapter.pending.end(&request);
            });
        }
        self.node.broadcast_with_ack(packet, &selector, flags, &answers);
    }

    fn join(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        if !flags.local {
            self.request(None, Ask::Join(&selector, &rooms));
        }
        self.node.join(&selector, &rooms);
    }

    fn leave(&self, selector: Selector, rooms: Vec<Arc<str>>, flags: Flags) {
        if !flags.local {
            self.request(None, Ask::Leave(&selector, &rooms));
        }
        self.node.leave(&selector, &rooms);
    }

    fn disconnect(&self, selector: Selector, close: bool, flags: Flags) {
        if !flags.local {
            self.request(None, Ask::Disconnect(&selector, close));
        }
        self.node.disconnect(&selector, close);
    }

    fn fetch(&self, selector: Selector, flags: Flags) -> BoxFuture<'_, Fetched> {
        let mut sockets = self.node.fetch(&selector);
        if flags.local {
            return Box::pin(ready(Ok(sockets)));
        }
        let request = id();
        let answers = self.pending.sockets(&request);
        Box::pin(async move {
            let ask = (&request, Ask::Fetch(&selector));
            let wait = flags.timeout.unwrap_or(NODE_TIMEOUT);
            match self.ask(ask, answers, wait, |found| sockets.extend(found)).await {
                0 => Ok(sockets),
                missing => Err(Incomplete { answers: sockets, missing }),
            }
        })
    }

    fn server_side_emit(&self, packet: Packet) {
        self.request(None, Ask::ServerSide(&packet));
    }

    fn server_side_renew(&self, packet: Packet) {
        self.request_as(None, Ask::ServerSide(&packet), Worth::Renewed);
    }

    fn server_side_emit_with_ack(
        &self,
        packet: Packet,
        wait: Duration,
    ) -> BoxFuture<'_, Result<Vec<Args>, Incomplete<Vec<Args>>>> {
        let request = id();
        let answers = self.pending.handlers(&request);
        Box::pin(async move {
            let (ask, mut given) = ((&request, Ask::ServerSide(&packet)), Vec::new());
            match self.ask(ask, answers, wait, |answer| given.push(answer)).await {
                0 => Ok(given),
                missing => Err(Incomplete { answers: given, missing }),
            }
        })
    }

    fn server_count(&self) -> BoxFuture<'_, usize> {
        Box::pin(async { 1 + self.others().await })
    }

    fn status(&self) -> ClusterStatus {
        self.redis.cluster_status()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Box::pin(async {
            let _ = timeout(CLOSE, self.redis.flush()).await;
        })
    }
}
