//! The connection to Redis, which comes back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::ConnectionLike as _;
use redis::{
    Cmd, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, RedisResult, ServerErrorKind, Value,
    cmd,
};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::RedisSettings;
use super::link::Link;
use super::outbox::{Outbox, Outgoing, Worth};
use super::topics::{Listener, Topic, Topics};
use crate::relay::Seldom;
use crate::socketio::{ClusterLink, ClusterStatus};

/// For an answer. A connection without answers is none.
const ANSWER: Duration = Duration::from_secs(5);
/// From the answer to a ping to the next.
const PING: Duration = Duration::from_secs(5);
/// From a lost connection to the first attempt, and the longest time between two attempts.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// A handle on the connection to Redis; cheap to clone. It is two connections: one that listens, and one
/// for all else. If either is lost, both are made anew, with all subscriptions. When the last handle and the
/// last [`Subscription`] are dropped, it ends.
#[derive(Debug, Clone)]
pub struct Redis(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Shared {
    settings: RedisSettings,
    topics: Topics,
    outbox: Outbox,
    counts: RedisCounts,
    /// Messages that Redis did not take.
    refused: Seldom,
    state: watch::Sender<State>,
}

/// The state, with the connection while there is one.
#[derive(Debug, Clone)]
struct State {
    status: RedisStatus,
    link: Option<Link>,
}

/// Whether Redis is there.
#[derive(Debug, Clone)]
pub struct RedisStatus {
    /// Whether it is: with all subscriptions.
    pub connected: bool,
    /// Since when.
    pub since: Instant,
    /// Why not.
    pub error: Option<Arc<str>>,
}

/// What the connection counts.
#[derive(Debug, Default)]
pub struct RedisCounts {
    published: AtomicU64,
    received: AtomicU64,
    lost: AtomicU64,
    outages: AtomicU64,
    ignored: AtomicU64,
}

impl RedisCounts {
    /// Messages that Redis took.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Messages that came from Redis.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Messages that were to be published and were not: Redis was away or refused them, or too many waited. What
    /// nodes say of themselves again anyway, and questions and answers of nodes, are not among them.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Messages that came and were none: not understood, or of a wrong form.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    /// How often the connection was lost.
    pub fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }
}

/// Something that is listened to, until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    redis: Redis,
    topic: Topic,
    id: u64,
}

impl Subscription {
    /// Waits until Redis knows it: at once, unless it is new or Redis is away.
    pub async fn settled(&self) {
        self.redis.0.shared.topics.settled(&self.topic).await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.redis.0.shared.topics.remove(&self.topic, self.id);
    }
}

impl Redis {
    /// Connects, and keeps connected, in a task of its own. To be called on a tokio runtime.
    pub fn connect(settings: impl Into<RedisSettings>) -> Self {
        let status = RedisStatus { connected: false, since: Instant::now(), error: None };
        let shared = Arc::new(Shared {
            settings: settings.into(),
            topics: Topics::default(),
            outbox: Outbox::default(),
            counts: RedisCounts::default(),
            refused: Seldom::new(),
            state: watch::Sender::new(State { status, link: None }),
        });
        let task = tokio::spawn(keep(Arc::clone(&shared))).abort_handle();
        Redis(Arc::new(Handle { shared, task }))
    }

    /// How it is reached.
    pub fn settings(&self) -> &RedisSettings {
        &self.0.shared.settings
    }

    /// Puts a message on its way, without waiting. Messages of one handle are published in order. False if it
    /// is lost, and counted: Redis is away, or too many messages wait.
    pub fn publish(&self, topic: Topic, payload: Bytes) -> bool {
        self.publish_as(topic, payload, Worth::Counted)
    }

    /// [`Redis::publish`] of something whose loss may be none.
    pub(super) fn publish_as(&self, topic: Topic, payload: Bytes, worth: Worth) -> bool {
        let taken = self.0.shared.outbox.put(Outgoing { topic, payload, worth });
        if !taken && worth == Worth::Counted {
            self.0.shared.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Waits until all that was published has reached Redis, or is lost.
    pub async fn flush(&self) {
        self.0.shared.outbox.empty().await;
    }

    /// Listens to a topic. Several may listen to the same one: Redis is told once.
    pub fn subscribe(
        &self,
        topic: Topic,
        listener: impl Fn(&str, Bytes) + Send + Sync + 'static,
    ) -> Subscription {
        let listener: Arc<Listener> = Arc::new(listener);
        let id = self.0.shared.topics.add(&topic, listener);
        Subscription { redis: self.clone(), topic, id }
    }

    /// Sends a command, and waits for its answer, for five seconds at most.
    ///
    /// # Errors
    /// If Redis is away, or says no.
    pub async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        self.link()?.req_packed_command(command).await?.extract_error()
    }

    /// Sends several commands at once, and waits for their answers, for five seconds at most.
    ///
    /// # Errors
    /// If Redis is away, or says no to one of them.
    pub async fn commands(&self, commands: &Pipeline, count: usize) -> RedisResult<Vec<Value>> {
        self.link()?.req_packed_commands(commands, 0, count).await
    }

    /// How many connections listen to a channel, or a channel of sharded Pub/Sub.
    ///
    /// # Errors
    /// If Redis is away, or says no.
    pub async fn listeners(&self, topic: &Topic) -> RedisResult<usize> {
        self.link()?.listeners(topic).await
    }

    /// Opens a connection of its own, on which answers may take for ever: for commands that block, all about one
    /// `key`. Of a Redis Cluster it is one to the server that has the key. It does not come back when it is lost.
    ///
    /// # Errors
    /// If Redis is away, or says no.
    pub async fn open(&self, key: &str) -> RedisResult<Link> {
        let settings = &self.0.shared.settings;
        if !settings.url.is_cluster() {
            return Link::open(settings, None, |_| ()).await;
        }
        // The connection to all servers knows where the key is.
        let _ = timeout(ANSWER, self.until(true)).await;
        self.link()?.open_keeper(settings, key).await
    }

    fn link(&self) -> RedisResult<Link> {
        let link = self.0.shared.state.borrow().link.clone();
        link.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected).into())
    }

    /// Whether Redis is there now.
    pub fn status(&self) -> RedisStatus {
        self.0.shared.state.borrow().status.clone()
    }

    /// Waits until Redis is there, or away.
    pub async fn until(&self, connected: bool) -> RedisStatus {
        let mut state = self.0.shared.state.subscribe();
        // The sender is there as long as this handle.
        let found = state.wait_for(|state| state.status.connected == connected).await;
        found.map_or_else(|_| self.status(), |state| state.status.clone())
    }

    /// Waits until Redis is not there any more as it is there since then.
    pub async fn changed(&self, since: Instant) {
        let mut state = self.0.shared.state.subscribe();
        let _ = state.wait_for(|state| state.status.since != since).await;
    }

    /// Whether Redis is there, as adapters say it.
    pub fn cluster_status(&self) -> ClusterStatus {
        let RedisStatus { connected, since, .. } = self.status();
        let link = if connected { ClusterLink::Up } else { ClusterLink::Down(since) };
        ClusterStatus { link, lost: self.counts().lost() }
    }

    /// Counts a message that is not understood.
    pub fn ignore(&self, channel: &str, error: &dyn fmt::Display) {
        self.0.shared.counts.ignored.fetch_add(1, Ordering::Relaxed);
        debug!(channel, %error, "a message of the cluster is ignored");
    }

    /// Counts a message that cannot be published.
    pub fn give_up(&self, error: &dyn fmt::Display) {
        self.0.shared.counts.lost.fetch_add(1, Ordering::Relaxed);
        warn!(%error, "a message to the cluster cannot be written: it is lost");
    }

    /// What it has counted.
    pub fn counts(&self) -> &RedisCounts {
        &self.0.shared.counts
    }
}

/// Connects, as often as it takes.
async fn keep(shared: Arc<Shared>) {
    let mut wait = FIRST;
    loop {
        let started = Instant::now();
        let error = connected(&shared).await;
        let text: Arc<str> = error.to_string().into();
        shared.topics.forget();
        let lost = shared.outbox.close();
        shared.counts.lost.fetch_add(lost as u64, Ordering::Relaxed);
        let (was, known) = {
            let state = shared.state.borrow();
            (state.status.connected, state.status.error.clone())
        };
        if was {
            shared.counts.outages.fetch_add(1, Ordering::Relaxed);
        }
        if was || known.as_ref() != Some(&text) {
            let redis = shared.settings.url.to_string();
            warn!(redis, error = &*text, lost, "Redis is away: this node is alone");
        }
        shared.state.send_modify(|state| {
            let since = if was { Instant::now() } else { state.status.since };
            let status = RedisStatus { connected: false, since, error: Some(text) };
            *state = State { status, link: None };
        });
        if started.elapsed() > LONGEST {
            wait = FIRST;
        }
        // Nodes that lost it at once do not come back at once.
        sleep(wait.mul_f64(0.5 + random() / 2.0)).await;
        wait = (wait * 2).min(LONGEST);
    }
}

/// A number from 0 to 1.
fn random() -> f64 {
    let mut byte = [0];
    // Without randomness, all nodes come back at once.
    let _ = getrandom::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// Connects, and serves the connection until it is lost.
async fn connected(shared: &Arc<Shared>) -> RedisError {
    match connect(shared).await {
        Ok(error) | Err(error) => error,
    }
}

async fn connect(shared: &Arc<Shared>) -> RedisResult<RedisError> {
    let settings = &shared.settings;
    debug!(redis = %settings.url, "connecting to Redis");
    let (broken, mut is_broken) = mpsc::channel(1);
    let ended = broken.clone();
    let mut link = Link::open(settings, Some(ANSWER), move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            let _ = ended.try_send(());
        }
    })
    .await?;
    let taker = Arc::downgrade(shared);
    let mut listening = Link::open(settings, Some(ANSWER), move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            let _ = broken.try_send(());
        } else if let Some(shared) = taker.upgrade()
            && shared.topics.take(push)
        {
            shared.counts.received.fetch_add(1, Ordering::Relaxed);
        }
    })
    .await?;
    let all = shared.topics.all();
    listening.listen(&all, true).await?;
    shared.topics.told(all, &[]);
    shared.outbox.open();
    let away = {
        let state = shared.state.borrow();
        state.status.since.elapsed()
    };
    let lost = shared.counts.lost();
    info!(redis = %settings.url, away = ?away, lost, "connected to Redis");
    let status = RedisStatus { connected: true, since: Instant::now(), error: None };
    shared.state.send_replace(State { status, link: Some(link.clone()) });
    let (mut one, mut other) = (link.clone(), listening.clone());
    tokio::select! {
        error = publish(shared, &mut link) => error,
        error = listen(shared, &mut listening) => error,
        error = ping(settings, &mut one) => error,
        error = ping(settings, &mut other) => error,
        _ = is_broken.recv() => Ok(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
    }
}

/// Publishes what is to be published, until that fails.
async fn publish(shared: &Shared, link: &mut Link) -> RedisResult<RedisError> {
    loop {
        let batch = shared.outbox.next().await;
        let refused = link.publish(&batch).await?;
        shared.outbox.sent();
        let counts = &shared.counts;
        counts.published.fetch_add((batch.len() - refused.all) as u64, Ordering::Relaxed);
        if refused.all > 0 {
            counts.lost.fetch_add(refused.counted as u64, Ordering::Relaxed);
            if let Some(messages) = shared.refused.count(refused.all as u64) {
                warn!(messages, "Redis refuses to publish");
            }
        }
    }
}

/// Tells what is listened to, and what no more, until that fails.
async fn listen(shared: &Shared, link: &mut Link) -> RedisResult<RedisError> {
    loop {
        let (on, off) = shared.topics.changes().await;
        link.listen(&on, true).await?;
        link.listen(&off, false).await?;
        shared.topics.told(on, &off);
    }
}

/// Asks for signs of life, until there is none. With sentinels, a server that has become another's replica is none any
/// more: it takes what is published, and the others do not hear of it.
async fn ping(settings: &RedisSettings, link: &mut Link) -> RedisResult<RedisError> {
    loop {
        sleep(PING).await;
        link.req_packed_command(&cmd("PING")).await?;
        if !settings.url.is_sentinel() {
            continue;
        }
        // Whose user may not ask gets an error, and goes by the ping alone.
        let role = link.req_packed_command(&cmd("ROLE")).await?;
        if let Value::Array(role) = role
            && role.first().is_some_and(|role| *role != Value::BulkString(b"master".to_vec()))
        {
            let why = "this server is not in charge any more";
            return Ok((ErrorKind::Server(ServerErrorKind::ReadOnly), why).into());
        }
    }
}
