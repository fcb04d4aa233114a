//! Earlier messages for pages that cannot ask for them: in their own words, before anything else that they hear.

use std::sync::Arc;

use super::{Member, Room};
use crate::chat::chat_protocol::{ChatProtocol, Notice};
use crate::chat::name::Name;
use crate::engine::Sid;
use crate::socketio::Broadcast;
use crate::store::Entry;

impl Room {
    /// Sends a member the last messages before it came, if the room's rules say so. Our own page asks for them by
    /// itself.
    pub(super) fn replay(&self, sid: &Sid, chat_protocol: ChatProtocol) {
        let count = self.rules.replay.unwrap_or(0);
        if count == 0 || chat_protocol == ChatProtocol::Page {
            return;
        }
        let (Some(log), Some(member)) = (&self.log, self.members.get(sid)) else { return };
        if member.socket.is_recovered() {
            return;
        }
        for entry in log.latest(member.came_at, count) {
            self.replay_one(member, chat_protocol, &entry);
        }
    }

    fn replay_one(&self, member: &Member, chat_protocol: ChatProtocol, entry: &Entry) {
        let name = match entry.name.as_deref().map(Name::read) {
            Some(Ok(name)) => Some(name),
            // It was allowed when it was said.
            Some(Err(_)) => return,
            None => None,
        };
        let (late, place) = (None, None);
        let notice =
            Notice::Message { name: name.as_ref(), text: &entry.body, late, place, mark: None };
        if let Some((event, args)) = chat_protocol.render(&notice) {
            let event = Broadcast::new(Arc::clone(&self.namespace), event, args);
            member.socket.emit_shared(&event);
        }
    }
}
