//! Earlier messages for pages that cannot ask for them: in their own words, before anything else that they hear.
//!
//! A page whose connection is back logs in at once. What is said just then it hears with the rest, so that all is in
//! order: for a moment, a client that has said nothing hears no messages.

use std::sync::Arc;

use super::{Member, Room};
use crate::chat::chat_protocol::ChatProtocol;
use crate::chat::recovery::words;
use crate::engine::Sid;
use crate::socketio::Broadcast;
use crate::store::{Entry, RoomLog};

impl Room {
    /// A client has connected: messages wait for its first word, if it gets earlier ones then.
    pub(super) fn wait_for_word(&mut self, sid: &Sid) {
        if self.rules.replay.unwrap_or(0) > 0 && self.wake(sid) {
            let member = self.members.get_mut(sid);
            member.into_iter().for_each(|member| member.waits = true);
        }
    }

    /// A client has said no word in that moment: it hears what has waited.
    pub(super) fn waited(&mut self, sid: &Sid) {
        let Some(member) = self.members.get_mut(sid) else { return };
        if std::mem::take(&mut member.waits)
            && let (Some(log), Some(member)) = (&self.log, self.members.get(sid))
        {
            let chat_protocol = member.chat_protocol.unwrap_or(ChatProtocol::Users);
            let missed = log.recent_after(member.came_at);
            missed.iter().for_each(|entry| self.replay_one(member, chat_protocol, entry));
        }
    }

    /// Sends a member the last messages, if the room's rules say so. Our own page asks for them by itself.
    pub(super) fn replay(&mut self, sid: &Sid, chat_protocol: ChatProtocol) {
        let count = self.rules.replay.unwrap_or(0);
        let Some(member) = self.members.get_mut(sid) else { return };
        let waits = std::mem::take(&mut member.waits);
        if count == 0 || chat_protocol == ChatProtocol::Page {
            return;
        }
        let (Some(log), Some(member)) = (&self.log, self.members.get(sid)) else { return };
        if member.socket.is_recovered() {
            return;
        }
        // What came since it connected it has heard, unless that has waited.
        let (until, count) = match waits {
            true => (u64::MAX, count.max(log.recent_after(member.came_at).len())),
            false => (member.came_at, count),
        };
        for entry in log.latest(until, count) {
            self.replay_one(member, chat_protocol, &entry);
        }
    }

    fn replay_one(&self, member: &Member, chat_protocol: ChatProtocol, entry: &Entry) {
        if let Some((event, args)) = words(chat_protocol, entry) {
            let event = Broadcast::new(Arc::clone(&self.namespace), event, args.values);
            member.socket.emit_shared(&event.offset(self.offset()));
        }
    }

    /// The last number of the log.
    pub(super) fn top(&self) -> u64 {
        self.log.as_ref().map_or(0, RoomLog::top)
    }
}
