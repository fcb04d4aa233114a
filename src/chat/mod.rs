//! The chat: rooms, each a namespace.
//!
//! [`Chat`] hands everything that happens in a namespace to its room ([`rooms`]). A room is one task that owns
//! all its members ([`room`]), behind a bounded inbox ([`handle`]). A room opens with the first who enters it and
//! ends with the last who leaves; the lobby, the default namespace, stays.

mod account;
mod act;
mod arrivals;
mod chat_protocol;
mod error;
mod handle;
mod name;
mod on_login;
mod rate_limits;
mod recent;
mod recovery;
mod rendered;
mod resume;
mod roles;
mod room;
mod rooms;
mod roster;
mod sanctions;
mod sessions;
mod shared;
mod skeleton;
mod stats;
mod text;
mod verified_mark;
mod words;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use unicode_normalization::is_nfc;

use crate::accounts::Accounts;
use crate::engine::Sid;
use crate::policy::{RoomNames, RoomRules};
use crate::socketio::{Adapter, Handlers, Io, IoBuilder, Local, LocalNode};
use crate::store::{Store, StoreSettings};

pub use name::{BadName, Name};
pub use resume::{PersonId, ResumeKey};
pub use roles::Roles;
pub use stats::ChatStats;

use error::ChatError;
use on_login::OnLogin;
use recovery::RecoveringRoom;
use rendered::Rendered;
use room::Input;
use rooms::{LOBBY, Rooms, Start};
use shared::Shared;

/// The chat's limits.
#[derive(Debug, Clone)]
pub struct ChatSettings {
    /// Bytes of one message; at most twice `byte_rate`.
    pub message_max: usize,
    /// Messages per second of one session, on average. A burst may be two seconds' worth, and at least
    /// ten messages. All sessions of an address together may send ten times as much. 0 for no bound.
    pub message_rate: u32,
    /// Bytes of messages per second of one session, counted as they are queued for readers. A burst may
    /// be two seconds' worth. All sessions of an address together may send five times as much. 0 for no
    /// bound.
    pub byte_rate: usize,
    /// Whether several people may have the same name, or names that look the same.
    pub duplicate_names: bool,
    /// Names that nobody may have, nor any that could be read as one of them.
    pub reserved_names: Vec<String>,
    /// How long a lost connection is not told of, in case it comes back; zero to tell at once.
    pub leave_delay: Duration,
    /// By which people who come back are known again: the same on all nodes of a cluster. `None` for a key of
    /// this process.
    pub resume_key: Option<ResumeKey>,
    /// People of another node leave when nothing was heard of the node for so long.
    pub node_timeout: Duration,
    /// Which rooms there may be besides the lobby.
    pub rooms: RoomNames,
    /// How many of them there may be at once.
    pub max_rooms: usize,
    /// Where messages are kept.
    pub store: Store,
    /// How long stock clients of 4.6 and later may be away and have their session back, with what they missed; zero for
    /// not at all. Clients of 4.x then get each event with its position as one more argument. In a cluster only where
    /// its nodes have an order and sessions in common.
    pub recovery: Duration,
    /// What holds in each room. Pages get earlier messages, and their positions, where messages are kept.
    pub room_rules: RoomRules,
    /// Checks the tokens of people with an account; `None` if there are guests alone.
    pub accounts: Option<Arc<Accounts>>,
}

impl Default for ChatSettings {
    /// As the server's settings are by default, with the history in memory.
    fn default() -> Self {
        ChatSettings {
            message_max: 64 * 1024,
            message_rate: 50,
            byte_rate: 64 * 1024,
            duplicate_names: false,
            reserved_names: Vec::new(),
            leave_delay: LEAVE_DELAY,
            resume_key: None,
            node_timeout: NODE_TIMEOUT,
            rooms: RoomNames::default(),
            max_rooms: MAX_ROOMS,
            store: Store::memory(StoreSettings::default()),
            recovery: Duration::ZERO,
            room_rules: RoomRules::default(),
            accounts: None,
        }
    }
}

/// [`ChatSettings::max_rooms`], if nobody says.
pub const MAX_ROOMS: usize = 1000;

/// [`ChatSettings::node_timeout`], if nobody says.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// [`ChatSettings::leave_delay`], if nobody says.
pub const LEAVE_DELAY: Duration = Duration::from_secs(3);

/// The chat, with all its rooms.
#[derive(Debug)]
pub struct Chat {
    rooms: Arc<Rooms>,
}

impl Chat {
    /// Makes the chat, and the task that the caller has to run. The task ends when the chat is
    /// dropped.
    pub fn new(settings: ChatSettings) -> (Self, ChatTask) {
        // As many may wait as there may be rooms.
        let (starts, started) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(settings));
        let rooms = Arc::new(Rooms::new(Arc::clone(&shared), starts));
        let _ = shared.rooms.set(Arc::downgrade(&rooms));
        (Chat { rooms }, ChatTask { shared, started })
    }

    /// Sets the adapter of all namespaces of a server alone. Clients may come back to their sessions, if the settings say
    /// so.
    #[must_use]
    pub fn recovering(&self, io: IoBuilder) -> IoBuilder {
        self.recovering_among(io, |node| Arc::new(Local::new(node)))
    }

    /// As [`recovering`](Self::recovering), of a server whose namespaces reach other nodes by adapters that `make` makes.
    #[must_use]
    pub fn recovering_among(
        &self,
        io: IoBuilder,
        make: impl Fn(&Arc<LocalNode>) -> Arc<dyn Adapter> + Send + Sync + 'static,
    ) -> IoBuilder {
        let ChatSettings { recovery, store, .. } = &self.rooms.shared.settings;
        let (store, rendered, recovery) = (store.clone(), Rendered::default(), *recovery);
        io.adapter(move |node| {
            let nodes = make(node);
            if recovery.is_zero() || !recovery::is_possible(&*nodes) {
                return nodes;
            }
            let (store, rendered) = (store.clone(), rendered.clone());
            Arc::new(RecoveringRoom::new(nodes, node, store, rendered, recovery))
        })
    }

    /// A way to have members removed.
    pub fn removals(&self) -> Removals {
        Removals(Arc::clone(&self.rooms))
    }

    /// A way to have the node leave its cluster.
    pub fn farewell(&self) -> Farewell {
        Farewell(Arc::clone(&self.rooms))
    }

    /// A way to do what moderators do, for who is above them.
    pub fn moderation(&self) -> Moderation {
        Moderation(Arc::clone(&self.rooms))
    }

    /// Its numbers.
    pub fn stats(&self) -> &Arc<ChatStats> {
        &self.rooms.shared.stats
    }

    /// Has the default namespace be the lobby, and each other whose name a room may have that room. `guard`
    /// may register first what decides who comes in. If there is an adapter of a cluster, to be called on a
    /// tokio runtime.
    pub fn serve(self, io: &Io, guard: impl Fn(&Handlers)) {
        let names = self.rooms.shared.settings.rooms.clone();
        let family = io.of_family(move |name, _auth| {
            // What looks the same is the same room.
            ready(names.room(&name).is_some() && is_nfc(&name))
        });
        let lobby = io.of(LOBBY);
        for handlers in [&*lobby, &*family] {
            guard(handlers);
            self.rooms.register(handlers);
        }
        self.rooms.open_lobby(&lobby);
    }
}

/// The task of a [`Chat`]: it runs the tasks of the rooms.
#[derive(Debug)]
pub struct ChatTask {
    shared: Arc<Shared>,
    started: mpsc::UnboundedReceiver<Start>,
}

impl ChatTask {
    /// Has a function called with each name that somebody takes.
    #[must_use]
    pub fn on_login(self, told: impl Fn(Sid, &str) + Send + Sync + 'static) -> Self {
        let _ = self.shared.on_login.set(OnLogin::new(told));
        self
    }

    /// Runs until the chat is dropped, and all its rooms have ended. If a room panics, so does this.
    pub async fn run(self) {
        let ChatTask { shared, mut started } = self;
        drop(shared);
        let mut rooms = JoinSet::new();
        let mut more = true;
        while more || !rooms.is_empty() {
            tokio::select! {
                start = started.recv(), if more => match start {
                    Some(start) => drop(rooms.spawn(start.run())),
                    None => more = false,
                },
                Some(ended) = rooms.join_next() => {
                    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}

/// Has the node leave its cluster.
#[derive(Debug)]
pub struct Farewell(Arc<Rooms>);

impl Farewell {
    /// Tells the other nodes that this one's people leave. Without a cluster it does nothing.
    pub async fn say(self) {
        for room in self.0.all() {
            let (told, answered) = oneshot::channel();
            room.send(Input::Farewell(told)).await;
            let _ = answered.await;
        }
    }
}

/// Does what moderators do, for operators.
#[derive(Debug, Clone)]
pub struct Moderation(Arc<Rooms>);

impl Moderation {
    /// Does what is asked, as a page asks it: `{action, …}`, in the room of the namespace `room`, or else in the
    /// lobby.
    ///
    /// # Errors
    /// Why it was not done: for programs, and for people.
    pub async fn act(&self, asked: Value) -> Result<Value, (&'static str, String)> {
        let namespace = match asked["room"].as_str() {
            None | Some("" | "/") => "/".to_owned(),
            Some(room) => format!("/{}", room.trim_start_matches('/')),
        };
        let Some(room) = self.0.room(&namespace) else {
            return Err(("gone", "nobody is in that room".to_owned()));
        };
        self.0.shared.sanctions.open(&self.0.shared.settings.store).await;
        let (answer, answered) = oneshot::channel();
        let reply = room::Reply::Operator(answer);
        room.send(Input::Moderate { by: None, asked: Box::new(asked), reply }).await;
        let outcome = answered.await;
        let outcome = outcome.unwrap_or_else(|_| Err(ChatError::new("busy", "try again")));
        outcome.map_err(|error| (error.reason, error.message))
    }
}

/// Has members removed from the chat.
#[derive(Debug, Clone)]
pub struct Removals(Arc<Rooms>);

impl Removals {
    /// Disconnects the member of any room with a session, in a way that clients of Socket.IO do not come back from by
    /// themselves. False if it is no member.
    pub async fn remove(&self, sid: Sid) -> bool {
        let mut removed = false;
        for room in self.0.all() {
            let (answer, answered) = oneshot::channel();
            room.send(Input::Remove { sid, answer }).await;
            removed |= answered.await.unwrap_or(false);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_room_ends_with_the_chat() {
        let settings = ChatSettings {
            message_max: 1,
            message_rate: 0,
            byte_rate: 0,
            duplicate_names: true,
            reserved_names: Vec::new(),
            leave_delay: LEAVE_DELAY,
            resume_key: None,
            node_timeout: NODE_TIMEOUT,
            rooms: RoomNames::default(),
            max_rooms: MAX_ROOMS,
            ..ChatSettings::default()
        };
        let (chat, room) = Chat::new(settings);
        let mut room = tokio::spawn(room.run());
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, &mut room).await.is_err(), "somebody may still come");
        drop(chat);
        assert!(tokio::time::timeout(wait, room).await.is_ok());
    }
}
