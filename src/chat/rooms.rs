//! The rooms that there are: one for each namespace in which somebody is, and the lobby.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::account;
use super::arrivals::Arrival;
use super::handle::RoomHandle;
use super::recovery;
use super::room::{Input, RoomTask};
use super::roster;
use super::shared::Shared;
use super::words;
use crate::socketio::{ConnectError, DisconnectReason, Handlers, LocalNode, Namespace, Socket};
use crate::token_bucket::{Bucket, Rate};

/// Rooms that people of one address may open at once, though the lobby and those that are there do not count.
const OPENINGS: u64 = 100;
/// After so long they may open one more.
const OPENING: Duration = Duration::from_secs(6);
/// Addresses whose openings are counted.
const MAX_OPENERS: usize = 100_000;

/// The namespace of the lobby.
pub(super) const LOBBY: &str = "/";

/// A room's task, with what is known of the one that the room had before.
#[derive(Debug)]
pub(super) struct Start {
    pub task: RoomTask,
    /// Ends when that task has ended: of a room's tasks one at a time writes.
    pub before: Option<watch::Receiver<()>>,
    /// Dropped when this task has ended.
    pub alive: watch::Sender<()>,
}

impl Start {
    pub async fn run(self) {
        let Start { task, before, alive } = self;
        if let Some(mut before) = before {
            // Nothing is ever sent.
            let _ = before.changed().await;
        }
        task.run().await;
        drop(alive);
    }
}

#[derive(Debug)]
pub(super) struct Rooms {
    pub shared: Arc<Shared>,
    open: Mutex<HashMap<Arc<str>, Entry>>,
    starts: mpsc::UnboundedSender<Start>,
    /// How many rooms people of an address have opened lately.
    openings: Mutex<HashMap<IpAddr, Bucket>>,
    /// It is there as long as the chat is.
    lobby: OnceLock<Arc<RoomHandle>>,
}

#[derive(Debug)]
struct Entry {
    slot: Arc<Slot>,
    /// Of the namespace's object that has the slot.
    node: Weak<LocalNode>,
    ended: watch::Receiver<()>,
    /// Whose client opened it.
    opener: Option<IpAddr>,
}

/// Where a namespace finds its room for what comes from nodes.
#[derive(Debug, Default)]
struct Slot(Mutex<Weak<RoomHandle>>);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Weak<RoomHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> Option<Arc<RoomHandle>> {
        self.lock().upgrade()
    }
}

impl Rooms {
    pub fn new(shared: Arc<Shared>, starts: mpsc::UnboundedSender<Start>) -> Self {
        let (open, openings) = (Mutex::default(), Mutex::default());
        Rooms { shared, open, starts, openings, lobby: OnceLock::new() }
    }

    /// Opens the lobby, which stays.
    pub fn open_lobby(&self, namespace: &Namespace) {
        if let Ok(room) = self.enter(namespace, None) {
            let _ = self.lobby.set(room);
        }
    }

    /// The room of a namespace; opens it for a client of that address.
    fn enter(
        &self,
        namespace: &Namespace,
        opener: Option<IpAddr>,
    ) -> Result<Arc<RoomHandle>, ConnectError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of =
            |entry: &Entry| std::ptr::eq(entry.node.as_ptr(), Arc::as_ptr(namespace.node()));
        let before = open.get(namespace.name());
        if let Some(room) = before.filter(|it| is_of(it)).and_then(|it| it.slot.room()) {
            return Ok(room);
        }
        // Rooms that the settings list are nobody's.
        let opener = opener.filter(|_| !self.shared.settings.rooms.lists(namespace.name()));
        if before.is_none() {
            open.retain(|_, entry| entry.ended.has_changed().is_ok());
            self.check_bounds(&open, opener)?;
        }
        let before = open.remove(namespace.name());
        let slot = match before.as_ref().filter(|it| is_of(it)) {
            Some(entry) => Arc::clone(&entry.slot),
            None => listen(namespace),
        };
        let (room, task) = RoomHandle::new(namespace, &self.shared);
        *slot.lock() = Arc::downgrade(&room);
        let (alive, ended) = watch::channel(());
        let node = Arc::downgrade(namespace.node());
        let start = Start { task, before: before.map(|it| it.ended), alive };
        open.insert(Arc::clone(namespace.name()), Entry { slot, node, ended, opener });
        // Fails only if the chat's task is gone, which ends the process.
        let _ = self.starts.send(start);
        Ok(room)
    }

    fn check_bounds(
        &self,
        open: &HashMap<Arc<str>, Entry>,
        opener: Option<IpAddr>,
    ) -> Result<(), ConnectError> {
        let max = self.shared.settings.max_rooms;
        if open.len() > max {
            return Err(ConnectError::new(format!("there are {max} rooms already (max-rooms)")));
        }
        // A tenth is enough for one address, so that a stranger cannot take all of them.
        let own = opener.map_or(0, |it| open.values().filter(|e| e.opener == Some(it)).count());
        if own >= (max / 10).max(1) {
            let message = format!("{own} rooms are open from your network already (max-rooms)");
            return Err(ConnectError::new(message));
        }
        opener.map_or(Ok(()), |it| self.count_opening(it))
    }

    /// Counts that somebody of an address opens a room.
    ///
    /// # Errors
    /// If they open too many over time: each may leave something in the store.
    fn count_opening(&self, opener: IpAddr) -> Result<(), ConnectError> {
        let rate = Rate::one_per(OPENING, OPENINGS.max(self.shared.settings.max_rooms as u64 / 10));
        let now = Instant::now();
        let mut openings = self.openings.lock().unwrap_or_else(PoisonError::into_inner);
        if openings.len() >= MAX_OPENERS {
            openings.retain(|_, bucket| !bucket.is_full(now));
        }
        let level = openings.get(&opener).copied().unwrap_or_default();
        let refused = |seconds: u64| {
            let message = format!("too many new rooms from your network: wait {seconds} s");
            let data = json!({ "reason": "rooms-rate", "wait": seconds * 1000 });
            ConnectError::new(message).data(data)
        };
        if openings.len() >= MAX_OPENERS && !openings.contains_key(&opener) {
            return Err(refused(OPENING.as_secs()));
        }
        let level = rate.take(level, 1, now);
        let level = level.map_err(|wait| refused(wait.as_secs() + 1))?;
        openings.insert(opener, level);
        Ok(())
    }

    /// The namespaces of the rooms that there are now, and how many people are in each, on all nodes.
    pub fn listed(&self) -> Vec<(String, usize)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let people = |entry: &Entry| Some(entry.slot.room()?.people());
        open.iter().filter_map(|(name, it)| Some((name.to_string(), people(it)?))).collect()
    }

    /// The room of a namespace, if somebody is in it.
    pub fn room(&self, namespace: &str) -> Option<Arc<RoomHandle>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(namespace).and_then(|entry| entry.slot.room())
    }

    /// The lobby.
    pub fn lobby(&self) -> Option<Arc<RoomHandle>> {
        self.lobby.get().cloned()
    }

    /// All rooms that there are now, but for that of a namespace.
    pub fn all_but(&self, namespace: &str) -> Vec<Arc<RoomHandle>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let others = open.iter().filter(|(name, _)| ***name != *namespace);
        others.filter_map(|(_, entry)| entry.slot.room()).collect()
    }

    /// All rooms that there are now.
    pub fn all(&self) -> Vec<Arc<RoomHandle>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter_map(|entry| entry.slot.room()).collect()
    }

    /// Has namespaces with these handlers be rooms.
    pub fn register(self: &Arc<Self>, handlers: &Handlers) {
        let rooms = Arc::clone(self);
        handlers.use_guard(move |socket: Socket| {
            let rooms = Arc::clone(&rooms);
            async move {
                if let Some(accounts) = &rooms.shared.settings.accounts {
                    account::admit(accounts, &socket).await?;
                }
                let shared = &rooms.shared;
                shared.sanctions.open(&shared.settings.store).await;
                account::check_banned(&shared.sanctions, &socket)?;
                account::check_reader(&rooms.shared.settings.room_rules, &socket)?;
                let opener = Some(socket.session().handshake().bucket);
                // The room is there as long as somebody is in it, or about to be.
                let room = rooms.enter(socket.namespace(), opener)?;
                socket.extensions().insert(room);
                if socket.record().is_some() {
                    // A client that can come back has to have a position as it comes.
                    let namespace = socket.namespace();
                    let log = recovery::log_name(namespace.name(), &**namespace.adapter());
                    let log = rooms.shared.settings.store.open(&log).await;
                    log.into_iter().for_each(|log| drop(socket.extensions().insert(log)));
                }
                Ok(())
            }
        });
        handlers.on_connect(|socket| async move {
            if let Some(room) = room_of(&socket) {
                let (settled, decided) = oneshot::channel();
                let is_back = socket.is_recovered();
                room.send(Input::Connected { socket, settled }).await;
                if is_back {
                    // Whatever the client says is said with its name.
                    let _ = decided.await;
                }
            }
        });
        handlers.on_disconnect(|socket, reason| async move {
            if let Some(room) = socket.extensions().remove::<Arc<RoomHandle>>() {
                // By intent: nobody is waited for.
                let meant =
                    matches!(reason, DisconnectReason::ByClient | DisconnectReason::ByServer);
                let sid = socket.session().sid();
                room.send(Input::Disconnected { sid, meant }).await;
            }
        });
        handlers.on_fallback(|socket, event| async move {
            if let Some(room) = room_of(&socket) {
                room.hear(socket, event).await;
            }
        });
    }
}

fn room_of(socket: &Socket) -> Option<Arc<RoomHandle>> {
    socket.extensions().get()
}

/// Takes what comes from other nodes to a namespace, and what comes back of this one.
fn listen(namespace: &Namespace) -> Arc<Slot> {
    let slot = Arc::<Slot>::default();
    if !namespace.adapter().status().is_clustered() {
        return slot;
    }
    for word in words::ALL {
        let slot = Arc::clone(&slot);
        namespace.take_broadcasts_and_places(word, move |taken| {
            if let Some(room) = slot.room() {
                room.take(taken);
            }
        });
    }
    let told = Arc::clone(&slot);
    namespace.on_server_side(move |mut event| {
        if event.name == roster::EVENT
            && !event.args.values.is_empty()
            && let Some(room) = told.room()
        {
            room.arrived(Arrival::Told(event.args.values.swap_remove(0)));
        }
        std::future::ready(())
    });
    slot
}
