//! What stock pages are told of refusals and of moderation: they have no words for that, so the server says it in the chat,
//! under a name that nobody can have.

use serde_json::json;

use super::{Member, Room, answer, log_refused};
use crate::chat::chat_protocol::{ChatProtocol, Notice, SERVER};
use crate::chat::error::ChatError;
use crate::chat::room::history::now;
use crate::engine::Sid;
use crate::socketio::{Ack, Socket};

/// Says in the words of a stock page why something is refused. Pages with the words `add user` that wait for an
/// acknowledgement read it there instead.
pub(super) fn tell_stock_page(
    socket: &Socket,
    chat_protocol: Option<ChatProtocol>,
    error: &ChatError,
    ack: &Ack,
) {
    let text = &error.message;
    match chat_protocol.unwrap_or(ChatProtocol::Users) {
        ChatProtocol::Nicknames => socket.emit("announcement", text),
        ChatProtocol::Bare => socket.emit("chat message", format!("{SERVER}: {text}")),
        ChatProtocol::Users if !ack.is_wanted() => {
            socket.emit("new message", json!({ "username": SERVER, "message": text }));
        }
        ChatProtocol::Users | ChatProtocol::Page => {}
    }
}

impl Room {
    /// Tells a member why a message of theirs is told to nobody: stock pages once for each reason, until they have said
    /// something again.
    pub(super) fn refuse(
        &mut self,
        sid: &Sid,
        chat_protocol: ChatProtocol,
        ack: Ack,
        error: &ChatError,
    ) {
        self.shared.stats.message_refused(error);
        let Some(member) = self.members.get_mut(sid) else { return };
        log_refused(&member.socket, "message", error);
        if chat_protocol != ChatProtocol::Nicknames {
            member.socket.emit("message error", error.event_arg());
        }
        if !ack.is_wanted() && member.told.replace(error.reason) != Some(error.reason)
            || chat_protocol == ChatProtocol::Nicknames
        {
            tell_stock_page(&member.socket, Some(chat_protocol), error, &ack);
        }
        answer(ack, || vec![error.ack_arg()]);
    }

    /// Says something to stock pages that our page shows in its own way.
    pub(super) fn announce_to_stock_pages(&self, text: &str) {
        let notice = Notice::Announcement { text, at: now(), place: None };
        let is_stock = |member: &Member| !member.is_page();
        self.deliver_to(None, ChatProtocol::Users, &notice, None, is_stock);
    }
}
