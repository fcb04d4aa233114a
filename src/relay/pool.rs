//! Connections to other nodes that wait for the next request, and a bound on all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval, timeout};
use tracing::warn;

use super::node::{Node, NodeId};
use super::seldom::Seldom;
use crate::net::ByteStream;

/// How long a connection may take to be made, with its proof.
const CONNECT: Duration = Duration::from_secs(3);
/// For so long a node that could not be reached is not asked for again.
const REST: Duration = Duration::from_secs(1);
/// How long a connection waits for the next request. Less than the other node keeps it:
/// [`NODE_KEEP_ALIVE`](super::relays::NODE_KEEP_ALIVE).
const IDLE: Duration = Duration::from_secs(20);
/// Connections to one node that wait at most.
const MOST_IDLE: usize = 1024;

/// A connection to another node. It counts for as long as it is open.
pub(super) struct NodeConnection {
    pub stream: ByteStream,
    node: NodeId,
    _permit: OwnedSemaphorePermit,
}

/// Why there is no connection.
pub(super) enum NoConnection {
    /// There are as many as may be.
    AllTaken,
    /// The node cannot be reached.
    Unreachable,
}

/// The connections of a node to all others.
pub(super) struct Pool {
    node: Arc<Node>,
    free: Arc<Semaphore>,
    idle: Mutex<HashMap<NodeId, Vec<(Instant, NodeConnection)>>>,
    /// Nodes that could not be reached, until when they are left alone.
    away: Mutex<HashMap<NodeId, Instant>>,
    unreachable: Seldom,
}

impl Pool {
    /// At most `most` connections.
    ///
    /// # Panics
    /// Outside of a Tokio runtime: a task closes connections that wait for too long.
    pub fn new(node: Arc<Node>, most: usize) -> Arc<Self> {
        let pool = Arc::new(Pool {
            node,
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            idle: Mutex::default(),
            away: Mutex::default(),
            unreachable: Seldom::new(),
        });
        let watched = Arc::downgrade(&pool);
        tokio::spawn(async move {
            let mut ticks = interval(IDLE / 4);
            loop {
                ticks.tick().await;
                let Some(pool) = watched.upgrade() else { return };
                pool.drop_old();
            }
        });
        pool
    }

    /// A connection to a node: one that waits, or a new one.
    pub async fn connection(
        &self,
        node: NodeId,
        address: &str,
    ) -> Result<NodeConnection, NoConnection> {
        if let Some(connection) = self.waiting(node) {
            return Ok(connection);
        }
        if self.is_away(node) {
            return Err(NoConnection::Unreachable);
        }
        let permit = Arc::clone(&self.free).try_acquire_owned();
        let permit = permit.map_err(|_| NoConnection::AllTaken)?;
        let why = match timeout(CONNECT, self.node.connect(node, address)).await {
            Ok(Ok(stream)) => return Ok(NodeConnection { stream, node, _permit: permit }),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        lock(&self.away).insert(node, Instant::now() + REST);
        if let Some(count) = self.unreachable.count(1) {
            warn!(
                address,
                error = why,
                count,
                "another node of the cluster cannot be reached: clients of its sessions start anew"
            );
        }
        Err(NoConnection::Unreachable)
    }

    /// Takes a connection back that has had its answer.
    pub fn give_back(&self, connection: NodeConnection) {
        let mut idle = lock(&self.idle);
        let waiting = idle.entry(connection.node).or_default();
        if waiting.len() < MOST_IDLE {
            waiting.push((Instant::now(), connection));
        }
    }

    /// Connections that are open.
    pub fn open(&self, most: usize) -> usize {
        most.saturating_sub(self.free.available_permits())
    }

    /// The connection that has waited for the shortest time, so that the others grow old together.
    fn waiting(&self, node: NodeId) -> Option<NodeConnection> {
        loop {
            let (since, connection) = lock(&self.idle).get_mut(&node)?.pop()?;
            if since.elapsed() < IDLE && is_quiet(&connection.stream) {
                return Some(connection);
            }
        }
    }

    fn is_away(&self, node: NodeId) -> bool {
        match lock(&self.away).entry(node) {
            Entry::Occupied(entry) if *entry.get() <= Instant::now() => {
                entry.remove();
                false
            }
            Entry::Occupied(_) => true,
            Entry::Vacant(_) => false,
        }
    }

    fn drop_old(&self) {
        let mut old = Vec::new();
        lock(&self.idle).retain(|_, waiting| {
            // The oldest are in front.
            let count = waiting.iter().take_while(|(since, _)| since.elapsed() >= IDLE).count();
            old.extend(waiting.drain(..count));
            !waiting.is_empty()
        });
        // Closed only now, without the lock.
        drop(old);
    }
}

/// Whether the other side has neither ended the connection nor said anything on it.
fn is_quiet(stream: &ByteStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
