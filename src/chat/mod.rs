//! The chat: hands everything that happens in a namespace to one room.
//!
//! [`Chat`] runs in the calls of many sessions and only translates their events. The room is one
//! task that owns all members. Between them is a bounded inbox: while the room is busy, a client that
//! sends something waits, and no other client does.

mod chat_protocol;
mod error;
mod name;
mod on_login;
mod rate_limits;
mod recent;
mod room;
mod stats;
mod text;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::engine::Sid;
use crate::logged_names::{LoggedNames, truncated};
use crate::socketio::{Event, Namespace, Socket};

pub use name::{BadName, Name};
pub use room::RoomTask;
pub use stats::ChatStats;

use chat_protocol::ChatProtocol;
use room::Input;

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
}

/// Inputs that may wait for the room.
const INBOX: usize = 1024;

/// The application that runs the chat.
#[derive(Debug)]
pub struct Chat {
    inbox: mpsc::Sender<Input>,
    /// Events that the chat does not know. Strangers can name as many as they like.
    unknown_events: LoggedNames<64>,
    stats: Arc<ChatStats>,
}

impl Chat {
    /// Makes the chat, and the task that the caller has to run. The task ends when the chat is
    /// dropped.
    pub fn new(settings: ChatSettings) -> (Self, RoomTask) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let stats = Arc::<ChatStats>::default();
        let room = RoomTask::new(settings, receiver, Arc::clone(&stats));
        (Chat { inbox, unknown_events: LoggedNames::default(), stats }, room)
    }

    /// A way to have members removed.
    pub fn removals(&self) -> Removals {
        Removals(self.inbox.clone())
    }

    /// Its numbers.
    pub fn stats(&self) -> &Arc<ChatStats> {
        &self.stats
    }

    /// Runs the chat in a namespace.
    pub fn serve(self, namespace: &Namespace) {
        let chat = Arc::new(self);
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

    async fn hear(self: Arc<Self>, socket: Socket, event: Event) {
        let Event { name, args, ack } = event;
        let sid = socket.session().sid();
        if let Some((chat_protocol, command)) = ChatProtocol::parse(&name, args.values) {
            return self.send(Input::Command { sid, chat_protocol, command, ack }).await;
        }
        let event = truncated(&name);
        if self.unknown_events.is_new(event) {
            debug!(%sid, event, "an event that the chat does not know");
        }
        if ack.is_wanted() {
            self.send(Input::Unknown { sid, event: event.to_owned(), ack }).await;
        }
    }

    async fn send(self: Arc<Self>, input: Input) {
        // Fails only if the room's task is gone, which ends the process.
        let _ = self.inbox.send(input).await;
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
        let settings =
            ChatSettings { message_max: 1, message_rate: 0, byte_rate: 0, duplicate_names: true };
        let (chat, room) = Chat::new(settings);
        let mut room = tokio::spawn(room.run());
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, &mut room).await.is_err(), "somebody may still come");
        drop(chat);
        assert!(tokio::time::timeout(wait, room).await.is_ok());
    }
}
