//! Where the nodes of a cluster are, by keys of a Redis that expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use redis::{FromRedisValue as _, RedisResult, cmd};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::connection::Redis;
use super::outbox::Worth;
use super::topics::Topic;
use crate::relay::{Directory, Node, NodeId};

/// In a lease, a node says so often that it is there, and looks who else is.
const TIMES: u32 = 5;
/// The least time between two looks, when one is asked for.
const REST: Duration = Duration::from_millis(250);
/// For Redis to say that it is listened to.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nodes that are looked at, and characters of an address.
const MOST: usize = 1024;
const LONGEST: usize = 300;

/// The nodes that have said at a Redis where they are. While that is away, those are there that were before: they may
/// be reached all the same.
#[derive(Debug)]
pub struct RedisNodes {
    known: Arc<Known>,
    task: AbortHandle,
}

/// Where nodes are, and when each was last seen.
type Nodes = HashMap<NodeId, (Arc<str>, Instant)>;

#[derive(Debug, Default)]
struct Known {
    nodes: ArcSwap<Nodes>,
    /// Somebody asked for a node that is not there, or a node says that it is new.
    wanted: Notify,
}

/// Which keys.
struct Keys {
    /// Of the set of all addresses.
    all: String,
    own: String,
}

impl Keys {
    fn new(prefix: &str, own: &str) -> Self {
        // One slot of a Redis Cluster.
        let all = format!("{{{prefix}#nodes}}");
        Keys { own: Keys::of(&all, own), all }
    }

    fn of(all: &str, address: &str) -> String {
        format!("{all}:{address}")
    }
}

impl RedisNodes {
    /// Says where `node` is, from now on, and learns where the others are. The keys begin with `{prefix#nodes}`.
    /// A node that says nothing is there for a `lease`, and is forgotten after another one, which gives all of them
    /// the time to say where they are to a Redis that knows nothing any more.
    ///
    /// A node that is new, or was away, says so to all others by a channel with the name of the keys, and they look at once.
    ///
    /// Returns when it has looked once, or after two seconds, if Redis is not there.
    pub async fn join(redis: Redis, prefix: &str, node: Arc<Node>, lease: Duration) -> Self {
        let (known, keys) = (Arc::<Known>::default(), Keys::new(prefix, node.address()));
        let shared = Arc::clone(&known);
        let news = Topic::channel(&*keys.all);
        let (hears, own) = (Arc::downgrade(&known), Arc::<str>::from(node.address()));
        let subscription = redis.subscribe(news.clone(), move |_, address| {
            if let Some(known) = hears.upgrade().filter(|_| address != own.as_bytes()) {
                known.wanted.notify_one();
            }
        });
        let (looked, first) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut looked = Some(looked);
            // Since when Redis has been there, when the others were told.
            let mut told = None;
            loop {
                redis.until(true).await;
                // Who comes after this one's look says so, and is heard.
                let _ = timeout(PATIENCE, subscription.settled()).await;
                let since = redis.status().since;
                match look(&redis, &keys, &node, lease).await {
                    Ok(seen) => {
                        let mut nodes = Nodes::clone(&shared.nodes.load());
                        nodes.retain(|_, (_, last)| last.elapsed() < lease);
                        let now = Instant::now();
                        nodes.extend(seen.into_iter().map(|(id, address)| (id, (address, now))));
                        shared.nodes.store(Arc::new(nodes));
                        if told.replace(since) != Some(since) {
                            let address = Bytes::copy_from_slice(node.address().as_bytes());
                            redis.publish_as(news.clone(), address, Worth::Renewed);
                        }
                        looked.take().map(|looked| looked.send(()));
                    }
                    Err(error) => debug!(%error, "the nodes at Redis are not known anew"),
                }
                sleep(REST).await;
                // A Redis that comes back may have forgotten all.
                tokio::select! {
                    _ = timeout(lease / TIMES, shared.wanted.notified()) => {}
                    () = redis.changed(since) => {}
                }
            }
        });
        let _ = timeout(Duration::from_secs(2), first).await;
        RedisNodes { known, task: task.abort_handle() }
    }

    /// How many there are, with this one.
    pub fn count(&self) -> usize {
        self.known.nodes.load().len()
    }
}

impl Directory for RedisNodes {
    fn address(&self, node: NodeId) -> Option<Arc<str>> {
        let found = self.known.nodes.load().get(&node).map(|(address, _)| Arc::clone(address));
        if found.is_none() {
            self.known.wanted.notify_one();
        }
        found
    }

    fn addresses(&self) -> Vec<Arc<str>> {
        self.known.nodes.load().values().map(|(address, _)| Arc::clone(address)).collect()
    }
}

impl Drop for RedisNodes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Says that this node is there, and reads who else is.
async fn look(
    redis: &Redis,
    keys: &Keys,
    node: &Node,
    lease: Duration,
) -> RedisResult<Vec<(NodeId, Arc<str>)>> {
    let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
    redis.command(cmd("SET").arg(&keys.own).arg(1).arg("PX").arg(lease)).await?;
    redis.command(cmd("SADD").arg(&keys.all).arg(node.address())).await?;
    let addresses = redis.command(cmd("SMEMBERS").arg(&keys.all)).await?;
    let mut addresses = Vec::<String>::from_redis_value(addresses)?;
    addresses.retain(|address| address.len() <= LONGEST);
    addresses.truncate(MOST);
    let mut leases = cmd("MGET");
    for address in &addresses {
        leases.arg(Keys::of(&keys.all, address));
    }
    let leases = Vec::<Option<i64>>::from_redis_value(redis.command(&leases).await?)?;
    let mut nodes = Vec::new();
    for (address, lease) in addresses.iter().zip(leases) {
        match lease {
            Some(_) => nodes.push((node.id_of(address), Arc::from(&**address))),
            // It puts itself there again if it comes back.
            None => drop(redis.command(cmd("SREM").arg(&keys.all).arg(address)).await?),
        }
    }
    Ok(nodes)
}
