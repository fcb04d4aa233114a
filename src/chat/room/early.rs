//! Messages that come before the name.
//!
//! Pages of the stock example since 1.6 log in again when the connection is back. What people typed meanwhile the
//! client sends first, as soon as it is connected: so it waits a moment for the name.

use std::time::Duration;

use serde_json::Value;

use super::{Input, Room};
use crate::chat::chat_protocol::ChatProtocol;
use crate::engine::Sid;
use crate::socketio::Ack;

/// How long messages wait for the name.
const WAIT: Duration = Duration::from_secs(1);
/// Messages of one client that wait.
const MAX_MESSAGES: usize = 32;

/// A message that waits for the name of its sender.
#[derive(Debug)]
pub(super) struct Early {
    text: Value,
    id: Option<String>,
    ack: Ack,
}

impl Room {
    /// Has a message wait, the first that a client says; gives it back if it cannot.
    pub(super) fn hold(
        &mut self,
        sid: &Sid,
        text: Value,
        id: Option<String>,
        ack: Ack,
    ) -> Result<(), (Value, Option<String>, Ack)> {
        let longest = self.shared.longest_message;
        let length = |text: &Value| text.as_str().map_or(0, str::len);
        let early = self.members.get(sid).map_or(&[][..], |member| &member.early[..]);
        let bytes: usize = early.iter().map(|it| length(&it.text)).sum();
        let is_first = early.is_empty();
        let fits = text.is_string()
            && early.len() < MAX_MESSAGES
            && bytes + length(&text) <= longest
            && (!is_first || self.wake(sid));
        match self.members.get_mut(sid) {
            Some(member) if fits => {
                member.early.push(Early { text, id, ack });
                Ok(())
            }
            _ => Err((text, id, ack)),
        }
    }

    /// Has [`Input::Late`] come when a moment has passed. False if there is no place for it.
    pub(super) fn wake(&self, sid: &Sid) -> bool {
        let (inbox, sid) = (self.inbox.clone(), *sid);
        self.read(async move {
            tokio::time::sleep(WAIT).await;
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Input::Late(sid)).await;
            }
        })
    }

    /// The member has a name now, or will have none in time: what waited is said, or refused.
    pub(super) fn say_early(&mut self, sid: &Sid) {
        let Some((at, _, member)) = self.members.get_full_mut(sid) else { return };
        for Early { text, id, ack } in std::mem::take(&mut member.early) {
            self.message(at, ChatProtocol::Users, text, id, ack);
        }
    }
}
