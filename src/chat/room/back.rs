//! Stock clients that come back to the session that they had: see `recovery.rs`.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::history::author;
use super::login::Entrant;
use super::{Member, Room};
use crate::chat::recovery::{self, Remembered, words};
use crate::chat::resume::PersonId;
use crate::engine::Sid;
use crate::socketio::{Ack, Broadcast};

impl Room {
    /// The room opens: who was there when it was open last may come back for a while.
    pub(super) fn recover(&mut self) {
        if self.roster.is_none()
            && let Some(log) = &self.log
        {
            self.recovery = self.shared.settings.recovery;
            recovery::expire_all(log, self.recovery);
        }
    }

    /// Writes down what is needed to have a member back, if its client can come back.
    pub(super) fn remember(&self, sid: &Sid) {
        let (Some(log), Some(member)) = (&self.log, self.members.get(sid)) else { return };
        let Some(chat_protocol) = member.chat_protocol else { return };
        if self.recovery.is_zero() || member.socket.record().is_none() {
            return;
        }
        member.socket.set_data(
            Remembered {
                chat_protocol,
                name: member.name.clone(),
                person: member.person.as_ref().map(|person| person.as_str().to_owned()),
                author: author(Some(member), member.name.as_ref()),
            }
            .data(),
        );
        if let Some(record) = member.socket.record() {
            recovery::keep(log, &record);
        }
    }

    /// A member has left.
    pub(super) fn forget(&self, member: &Member, meant: bool) {
        let Some(log) = self.log.as_ref().filter(|_| !self.recovery.is_zero()) else { return };
        if let Some(record) = member.socket.record() {
            recovery::left(log, &record.pid, meant, self.recovery);
        }
    }

    /// If a client has come back to its session, it is who it was, and hears what was said in the moment of its coming.
    pub(super) fn come_back(&mut self, sid: &Sid) {
        let Some(member) = self.members.get_mut(sid) else { return };
        let (Some(log), Some(from)) = (&self.log, member.socket.resumed_at()) else { return };
        let Some(from) = log.seq(from) else { return };
        let socket = member.socket.clone();
        let data = socket.data();
        let was = Remembered::of(&data);
        for entry in log.recent_after(from).iter().filter(|entry| was.missed(entry)) {
            if let Some((event, args)) = words(was.chat_protocol, entry) {
                let event = Broadcast::new(Arc::clone(&self.namespace), event, args.values);
                socket.emit_shared(&event.offset(Some(log.position(entry.seq).into())));
            }
        }
        // Who has said nothing before it was lost is nobody yet.
        if data.is_null() {
            return;
        }
        member.chat_protocol = Some(was.chat_protocol);
        // Who has an account shows that again as the page logs in.
        let Some(name) = was.name else { return self.remember(sid) };
        let person = was.person.as_deref().and_then(PersonId::known);
        let alias = person.as_ref().and_then(|person| self.alias(person, &name));
        let mut entrant = Entrant {
            sid: *sid,
            chat_protocol: was.chat_protocol,
            numbered: Some(name.clone()),
            name,
            person,
            alias,
            wants_token: false,
            after: None,
            quiet: true,
            before: None,
            ack: Ack::default(),
        };
        let is_free = !self.is_unique(was.chat_protocol)
            || !self.is_taken(&entrant.name, entrant.alias.as_ref())
            || self.give_number(&mut entrant);
        if is_free {
            self.claim(entrant, oneshot::channel().0);
        }
    }

    /// The position of the last message, which each event says to clients that can come back.
    pub(super) fn offset(&self) -> Option<Arc<str>> {
        let log = self.log.as_ref().filter(|_| !self.recovery.is_zero())?;
        Some(log.position(log.top()).into())
    }

    /// Sends one member an event whose last argument is a text. Clients that can come back take that for a position,
    /// if none comes after it.
    pub(super) fn say_to(&self, member: &Member, event: &str, text: &str) {
        let event = Broadcast::new(Arc::clone(&self.namespace), event, vec![text.into()]);
        member.socket.emit_shared(&event.offset(self.offset()));
    }
}
