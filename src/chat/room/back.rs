//! Stock clients that come back to the session that they had: see `recovery.rs`.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::enforcement::send_out;
use super::history::author;
use super::login::Entrant;
use super::{Member, Room};
use crate::chat::chat_protocol::Place;
use crate::chat::recovery::{Remembered, words};
use crate::chat::resume::PersonId;
use crate::chat::sessions::Sessions;
use crate::engine::Sid;
use crate::socketio::{Ack, Broadcast};

impl Room {
    /// The room opens: who was there when it was open last may come back for a while.
    pub(super) fn recover(&mut self) {
        if self.adapter().is_some_and(|adapter| adapter.recovers()) {
            self.recovery = self.shared.settings.recovery;
            self.sessions().inspect(Sessions::expire_all);
        }
    }

    /// Where sessions are kept; `None` if nobody comes back to one.
    fn sessions(&self) -> Option<Sessions> {
        let (log, adapter) = self.log.as_ref().zip(self.adapter())?;
        (!self.recovery.is_zero()).then(|| Sessions::of(&*adapter, log, self.recovery))
    }

    /// Writes down what is needed to have a member back, if its client can come back.
    pub(super) fn remember(&self, sid: &Sid) {
        let Some(member) = self.members.get(sid) else { return };
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
        if let Some((sessions, record)) = self.sessions().zip(member.socket.record()) {
            sessions.keep(record);
        }
    }

    /// A member has left.
    pub(super) fn forget(&self, member: &Member, meant: bool) {
        if self.recovery.is_zero() {
            return;
        }
        if let Some((sessions, record)) = self.sessions().zip(member.socket.record()) {
            sessions.left(&record.pid, meant);
        }
    }

    /// If a client has come back to its session, it is who it was, and hears what was said in the moment of its coming.
    /// `settled` is dropped when it is decided whether it has its name.
    pub(super) fn come_back(&mut self, sid: &Sid, settled: oneshot::Sender<()>) {
        let Some(member) = self.members.get(sid) else { return };
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
        // It may have been banned while it was away.
        if let Some(ban) = self.banned(&socket, Some(&was.author), member.roles.rank()) {
            return send_out(&socket, Some(was.chat_protocol), &ban.error());
        }
        let Some(member) = self.members.get_mut(sid) else { return };
        member.chat_protocol = Some(was.chat_protocol);
        // Who has an account shows that again as the page logs in.
        let Some(name) = was.name else { return self.remember(sid) };
        let person = was.person.as_deref().and_then(PersonId::known);
        let alias = self.alias_of(&socket, person.as_ref(), &name);
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
            self.claim(entrant, settled);
        }
    }

    /// The position of the last message, which each event says to clients that can come back.
    pub(super) fn offset(&self) -> Option<Arc<str>> {
        let log = self.log.as_ref().filter(|_| !self.recovery.is_zero())?;
        Some(log.position(log.top()).into())
    }

    /// The position of a message, if clients can come back.
    pub(super) fn offset_at(&self, place: Option<&Place>) -> Option<Arc<str>> {
        place.filter(|_| !self.recovery.is_zero()).map(|place| place.position.as_str().into())
    }

    /// Sends one member an event whose last argument is a text. Clients that can come back take that for a position,
    /// if none comes after it.
    pub(super) fn say_to(
        &self,
        member: &Member,
        event: &str,
        text: &str,
        offset: Option<Arc<str>>,
    ) {
        let event = Broadcast::new(Arc::clone(&self.namespace), event, vec![text.into()]);
        member.socket.emit_shared(&event.offset(offset.or_else(|| self.offset())));
    }
}
