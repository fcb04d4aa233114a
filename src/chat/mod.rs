//! The chat: hands everything that happens in a namespace to one room.
//!
//! [`Chat`] runs in the calls of many sessions and only translates their events. The room is one
//! task that owns all members. Between them is a bounded inbox: while the room is busy, a client that
//! sends something waits, and no other client does.

mod arrivals;
mod chat_protocol;
mod error;
mod name;
mod on_login;
mod rate_limits;
mod recent;
mod room;
mod roster;
mod stats;
mod text;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::engine::Sid;
use crate::logged_names::{LoggedNames, truncated};
use crate::socketio::{Event, Namespace, Socket};

pub use name::{BadName, Name};
pub use room::RoomTask;
pub use stats::ChatStats;

use arrivals::{Arrival, Arrivals};
use chat_protocol::{ChatProtocol, Command};
use room::{Input, log_missed, tick_time};

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
    /// Whether several people may have the same name.
    pub duplicate_names: bool,
    /// People of another node leave when nothing was heard of the node for so long.
    pub node_timeout: Duration,
}

/// [`ChatSettings::node_timeout`], if nobody says.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// Inputs that may wait for the room.
const INBOX: usize = 1024;

/// The application that runs the chat.
#[derive(Debug)]
pub struct Chat {
    inbox: mpsc::Sender<Input>,
    arrivals: Arc<Arrivals>,
    node_timeout: Duration,
    /// Events that the chat does not know. Strangers can name as many as they like.
    unknown_events: LoggedNames<64>,
    stats: Arc<ChatStats>,
}

impl Chat {
    /// Makes the chat, and the task that the caller has to run. The task ends when the chat is
    /// dropped.
    pub fn new(settings: ChatSettings) -> (Self, RoomTask) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let (stats, arrivals) = (Arc::<ChatStats>::default(), Arc::<Arrivals>::default());
        let node_timeout = settings.node_timeout;
        let ends = (inbox.downgrade(), receiver);
        let room = RoomTask::new(settings, ends, Arc::clone(&arrivals), Arc::clone(&stats));
        let unknown_events = LoggedNames::default();
        (Chat { inbox, arrivals, node_timeout, unknown_events, stats }, room)
    }

    /// A way to have members removed.
    pub fn removals(&self) -> Removals {
        Removals(self.inbox.clone())
    }

    /// A way to have the node leave its cluster.
    pub fn farewell(&self) -> Farewell {
        Farewell(self.inbox.clone())
    }

    /// Its numbers.
    pub fn stats(&self) -> &Arc<ChatStats> {
        &self.stats
    }

    /// Runs the chat in a namespace. If the namespace has an adapter of a cluster, to be called on a tokio
    /// runtime.
    pub fn serve(self, namespace: &Namespace) {
        // The inbox is empty at first.
        let _ = self.inbox.try_send(Input::Serve(Arc::downgrade(namespace.adapter())));
        let chat = Arc::new(self);
        if namespace.adapter().status().is_clustered() {
            Arc::clone(&chat).listen(namespace);
        }
        namespace.on_connect({
            let chat = Arc::clone(&chat);
            move |socket| Arc::clone(&chat).send(Input::Connected(socket))
        });
        namespace.on_disconnect({
            let chat = Arc::clone(&chat);
            move |socket, _reason| {
                Arc::clone(&chat).send(Input::Disconnected(socket.session().sid()))
            }
        });
        namespace.on_fallback(move |socket, event| Arc::clone(&chat).hear(socket, event));
    }

    /// Takes what comes from other nodes, and what comes back of this one.
    fn listen(self: Arc<Self>, namespace: &Namespace) {
        tokio::spawn(tick(self.inbox.downgrade(), tick_time(self.node_timeout)));
        for word in words::ALL {
            let chat = Arc::clone(&self);
            namespace.take_broadcasts(word, move |taken| match taken.origin {
                None => chat.arrivals.push_own(taken),
                Some(_) => chat.arrived(Arrival::Broadcast(taken)),
            });
        }
        namespace.on_server_side(move |mut event| {
            if event.name == roster::EVENT && !event.args.values.is_empty() {
                self.arrived(Arrival::Told(event.args.values.swap_remove(0)));
            }
            std::future::ready(())
        });
    }

    async fn hear(self: Arc<Self>, socket: Socket, event: Event) {
        let Event { name, args, ack } = event;
        let sid = socket.session().sid();
        match ChatProtocol::parse(&name, args.values) {
            Some((chat_protocol, Command::Join(name, options))) => {
                let (settled, decided) = oneshot::channel();
                let login = Input::Login { sid, chat_protocol, name, options, ack, settled };
                self.clone().send(login).await;
                // Whatever else the client says is said with the name.
                let _ = decided.await;
                return;
            }
            Some((chat_protocol, command)) => {
                return self.send(Input::Command { sid, chat_protocol, command, ack }).await;
            }
            None => {}
        }
        let event = truncated(&name);
        if self.unknown_events.is_new(event) {
            debug!(%sid, event, "an event that the chat does not know");
        }
        if ack.is_wanted() {
            self.send(Input::Unknown { sid, event: event.to_owned(), ack }).await;
        }
    }

    /// Something of another node came.
    fn arrived(&self, arrival: Arrival) {
        match self.arrivals.push(arrival) {
            // If the inbox is full, the room looks anyway.
            Some(true) => drop(self.inbox.try_send(Input::Arrived)),
            Some(false) => {}
            None => {
                self.stats.missed();
                log_missed();
            }
        }
    }

    async fn send(self: Arc<Self>, input: Input) {
        // Fails only if the room's task is gone, which ends the process.
        let _ = self.inbox.send(input).await;
    }
}

/// Has the room look at the clock.
async fn tick(inbox: mpsc::WeakSender<Input>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(inbox) = inbox.upgrade() else { return };
        if inbox.send(Input::Tick).await.is_err() {
            return;
        }
    }
}

/// Has the node leave its cluster.
#[derive(Debug)]
pub struct Farewell(mpsc::Sender<Input>);

impl Farewell {
    /// Tells the other nodes that this one's people leave. Without a cluster it does nothing.
    pub async fn say(self) {
        let (told, answered) = oneshot::channel();
        if self.0.send(Input::Farewell(told)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

/// Has members removed from the chat.
#[derive(Debug, Clone)]
pub struct Removals(mpsc::Sender<Input>);

impl Removals {
    /// Disconnects the member with a session, in a way that clients of Socket.IO do not come back from by
    /// themselves. False if it is no member.
    pub async fn remove(&self, sid: Sid) -> bool {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Input::Remove { sid, answer }).await;
        asked.is_ok() && answered.await.unwrap_or(false)
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
            node_timeout: NODE_TIMEOUT,
        };
        let (chat, room) = Chat::new(settings);
        let mut room = tokio::spawn(room.run());
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, &mut room).await.is_err(), "somebody may still come");
        drop(chat);
        assert!(tokio::time::timeout(wait, room).await.is_ok());
    }
}
