//! The sockets that exist: how many each namespace has, and which.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::engine::Sid;
use crate::socketio::{Selector, Socket};

/// Namespaces that are still told of when nobody is in them.
const EMPTY: usize = 100;

/// All sockets, by session. Its lock is a leaf: nothing is called while it is held.
#[derive(Debug)]
pub struct Sockets {
    /// Whether the sockets themselves are kept, and not only their number.
    keeps: bool,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    counts: BTreeMap<Arc<str>, usize>,
    of: HashMap<Sid, Vec<Socket>>,
}

impl Sockets {
    pub fn new(keeps: bool) -> Self {
        Sockets { keeps, all: Mutex::default() }
    }

    pub fn add(&self, socket: &Socket) {
        let mut all = self.lock();
        *all.counts.entry(Arc::clone(socket.namespace().name())).or_default() += 1;
        if self.keeps {
            all.of.entry(socket.session().sid()).or_default().push(socket.clone());
        }
    }

    pub fn remove(&self, socket: &Socket) {
        let mut all = self.lock();
        let is_large = all.counts.len() > EMPTY;
        if let Some(count) = all.counts.get_mut(socket.namespace().name()) {
            *count = count.saturating_sub(1);
            if *count == 0 && is_large {
                all.counts.remove(socket.namespace().name());
            }
        }
        let sid = socket.session().sid();
        if let Some(sockets) = all.of.get_mut(&sid) {
            sockets.retain(|other| other != socket);
            if sockets.is_empty() {
                all.of.remove(&sid);
            }
        }
    }

    /// Namespaces with the number of their sockets.
    pub fn counts(&self) -> Value {
        let all = self.lock();
        let count =
            |(name, count): (&Arc<str>, &usize)| json!({ "name": **name, "socketsCount": count });
        all.counts.iter().map(count).collect()
    }

    /// The sessions that have sockets.
    pub fn sessions(&self) -> Vec<Sid> {
        self.lock().of.keys().copied().collect()
    }

    /// The sockets of one session.
    pub fn of(&self, sid: Sid) -> Vec<Socket> {
        self.lock().of.get(&sid).cloned().unwrap_or_default()
    }

    /// The sockets of a namespace that are in a room, or all. A socket's id is a room of its own.
    pub fn in_room(&self, namespace: &str, room: Option<&str>) -> Vec<Socket> {
        let namespace = {
            let all = self.lock();
            let mut sockets = all.of.values().flatten().map(Socket::namespace);
            sockets.find(|known| **known.name() == *namespace).cloned()
        };
        let rooms = room.into_iter().map(Arc::from).collect();
        let selector = Selector { rooms, except: Vec::new() };
        namespace.map_or_else(Vec::new, |namespace| namespace.node().sockets(&selector))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
