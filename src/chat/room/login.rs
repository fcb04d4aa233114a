//! Names: who takes one, and who gives it up.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Room, answer, log_refused};
use crate::chat::chat_protocol::{ChatProtocol, JoinOptions};
use crate::chat::error::ChatError;
use crate::chat::name::{BadName, Name};
use crate::chat::words::{self, Mark};
use crate::engine::Sid;
use crate::socketio::{Ack, Flags, Socket};

use super::speech::Pending;

impl Room {
    pub(super) fn login(
        &mut self,
        sid: &Sid,
        chat_protocol: ChatProtocol,
        name: &Value,
        _options: &JoinOptions,
        ack: Ack,
        settled: oneshot::Sender<()>,
    ) {
        let Some(member) = self.members.get(sid) else { return };
        let socket = member.socket.clone();
        if let Err(error) = self.allow_notice(&socket, "many logins") {
            if chat_protocol == ChatProtocol::Nicknames {
                // To this page, the answer alone would mean that the name is taken.
                socket.emit("announcement", &error.message);
            }
            return refuse_login(&socket, chat_protocol, &error, ack);
        }
        if let Some(name) = self.members.get(sid).and_then(|member| member.name.as_ref()) {
            // The example has ignored a second login since 1.4.
            let name = name.as_str();
            return answer(ack, || match chat_protocol {
                ChatProtocol::Nicknames => vec![Value::Bool(false)],
                _ => vec![json!({ "ok": true, "username": name, "numUsers": self.people() })],
            });
        }
        let name = match self.check_name(chat_protocol, name) {
            Ok(name) => name,
            Err(error) => return refuse_login(&socket, chat_protocol, &error, ack),
        };
        if self.is_unique(chat_protocol) {
            return self.claim(*sid, chat_protocol, name, ack, settled);
        }
        self.enter(sid, chat_protocol, name, ack);
    }

    /// Whether a name of that protocol must not be anybody else's.
    fn is_unique(&self, chat_protocol: ChatProtocol) -> bool {
        !self.shared.settings.duplicate_names || chat_protocol == ChatProtocol::Nicknames
    }

    fn check_name(&self, chat_protocol: ChatProtocol, name: &Value) -> Result<Name, ChatError> {
        let name = Name::new(name.as_str().ok_or(BadName::NoText)?)?;
        if self.is_unique(chat_protocol) && (self.is_taken_here(&name) || self.is_elsewhere(&name))
        {
            return Err(taken(&name));
        }
        Ok(name)
    }

    /// Whether somebody on this node has the name, or is about to.
    pub(super) fn is_taken_here(&self, name: &Name) -> bool {
        self.members.values().any(|member| member.name.as_ref() == Some(name))
            || self.claims.values().any(|claim| claim.name == *name)
    }

    fn is_elsewhere(&self, name: &Name) -> bool {
        let mut people = self.roster.iter().flat_map(|roster| roster.people());
        people.any(|person| person.name == *name)
    }

    /// Somebody has a name now.
    pub(super) fn enter(&mut self, sid: &Sid, chat_protocol: ChatProtocol, name: Name, ack: Ack) {
        let Some(member) = self.members.get_mut(sid) else { return };
        let socket = member.socket.clone();
        member.name = Some(name.clone());
        self.users += 1;
        self.count_people();
        let users = self.people();
        if let Some(on_login) = self.shared.on_login.get() {
            on_login.tell(*sid, name.as_str());
        }
        match chat_protocol {
            ChatProtocol::Nicknames => answer(ack, || vec![Value::Bool(false)]),
            _ => {
                socket.emit("login", json!({ "numUsers": users }));
                let username = name.as_str();
                answer(ack, || {
                    vec![json!({ "ok": true, "username": username, "numUsers": users })]
                });
            }
        }
        if self.alone && chat_protocol == ChatProtocol::Users {
            socket.emit_shared(&self.status());
        }
        let since = socket.handshake().issued;
        self.say_change(sid, words::JOINED, name, chat_protocol, since);
    }

    /// Tells all nodes that somebody of this one came or went.
    pub(super) fn say_change(
        &mut self,
        sid: &Sid,
        word: &'static str,
        name: Name,
        chat_protocol: ChatProtocol,
        since: u64,
    ) {
        let users = self.people();
        let seq = self.roster.as_mut().map(|roster| roster.next_seq());
        let pending = Pending::new(*sid, word, Some(name.clone()), chat_protocol);
        self.say(pending, Flags::default(), |node, _| {
            let mark = Mark { node: Arc::clone(node), seq, since };
            words::change(word, &name, users, &mark)
        });
    }

    pub(super) fn leave(&mut self, sid: &Sid) {
        let Some(member) = self.members.swap_remove(sid) else { return };
        let Some(name) = member.name else { return };
        self.users -= 1;
        self.count_people();
        let chat_protocol = member.chat_protocol.unwrap_or(ChatProtocol::Users);
        self.say_change(sid, words::LEFT, name, chat_protocol, 0);
    }

    /// Somebody on another node has had a member's name for longer: the member is without one again.
    pub(super) fn lose_name(&mut self, sid: &Sid) {
        let Some(member) = self.members.get_mut(sid) else { return };
        let Some(name) = member.name.take() else { return };
        let chat_protocol = member.chat_protocol.unwrap_or(ChatProtocol::Users);
        let (socket, error) = (member.socket.clone(), taken(&name));
        log_refused(&socket, "name", &error);
        match chat_protocol {
            ChatProtocol::Nicknames => socket.emit("announcement", &error.message),
            _ => socket.emit("login error", error.event_arg()),
        }
        self.users -= 1;
        self.count_people();
        self.say_change(sid, words::LEFT, name, chat_protocol, 0);
    }
}

pub(super) fn taken(name: &Name) -> ChatError {
    ChatError::new("taken", format!("{name} is taken"))
}

pub(super) fn refuse_login(
    socket: &Socket,
    chat_protocol: ChatProtocol,
    error: &ChatError,
    ack: Ack,
) {
    log_refused(socket, "login", error);
    match chat_protocol {
        // To the 0.9 page, true means that the name is taken.
        ChatProtocol::Nicknames => answer(ack, || vec![Value::Bool(true)]),
        _ => {
            socket.emit("login error", error.event_arg());
            answer(ack, || vec![error.ack_arg()]);
        }
    }
}
