//! The chat: an [`App`] that hands everything to one room.
//!
//! [`Chat`] runs in the turns of many clients and only translates; the [`room`] is one task that
//! owns the people in it. Between them is a bounded inbox: when the room is busy, whoever has
//! something to say waits, and with it only that client's own connection.

mod allowance;
mod chat_protocol;
mod error;
mod name;
mod rate;
mod recent;
mod room;
mod text;

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::socketio::{App, DisconnectReason, Event, Socket};

pub use allowance::RateLimitStats;
pub use name::{BadName, Name};
pub use room::RoomTask;

use room::Input;

/// How the chat may be used.
#[derive(Debug, Clone)]
pub struct ChatSettings {
    /// Bytes of one message; at most twice `byte_rate`.
    pub message_max: usize,
    /// Messages per second that one person may send for long; two seconds' worth may come at once, and
    /// ten messages in any case. An address may send what ten people may.
    /// 0 for no bound.
    pub message_rate: u32,
    /// Bytes of messages per second, as they wait for readers; two seconds' worth may come at once. An
    /// address may send what five people may. 0 for no bound.
    pub byte_rate: usize,
    /// Whether several people may have the same name.
    pub duplicate_names: bool,
}

/// Inputs that may wait for the room.
const INBOX: usize = 1024;

/// The application that clients connect to.
#[derive(Debug)]
pub struct Chat {
    inbox: mpsc::Sender<Input>,
    rate_limit_stats: Arc<RateLimitStats>,
}

impl Chat {
    /// Makes the chat, and the task that has to be run for it. The task ends when the chat is
    /// dropped.
    pub fn new(settings: ChatSettings) -> (Self, RoomTask) {
        let (inbox, receiver) = mpsc::channel(INBOX);
        let rate_limit_stats = Arc::<RateLimitStats>::default();
        let room = RoomTask::new(settings, receiver, Arc::clone(&rate_limit_stats));
        (Chat { inbox, rate_limit_stats }, room)
    }

    /// What its rates have refused.
    pub fn rate_limit_stats(&self) -> &Arc<RateLimitStats> {
        &self.rate_limit_stats
    }

    async fn tell(&self, input: Input) {
        // The room ends after everybody who could talk to it.
        let _ = self.inbox.send(input).await;
    }
}

impl App for Chat {
    async fn connect(&self, socket: &Socket, _auth: &Value) {
        self.tell(Input::Connected(socket.clone())).await;
    }

    async fn event(&self, socket: &Socket, event: Event) {
        if let Some((chat_protocol, said)) = chat_protocol::parse(&event.name, event.args) {
            let (sid, ack) = (socket.session().sid(), event.ack);
            self.tell(Input::Said { sid, chat_protocol, said, ack }).await;
        }
    }

    async fn disconnect(&self, socket: &Socket, _reason: DisconnectReason) {
        self.tell(Input::Disconnected(socket.session().sid())).await;
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
