//! What follows from moderation: who is sent out, who may not speak, slow mode; here and on other nodes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::json;

use super::history::now;
use super::moderation::of;
use super::stock::tell_stock_page;
use super::{Input, Member, Room};
use crate::accounts::Refusal;
use crate::chat::chat_protocol::{ChatProtocol, Notice};
use crate::chat::error::ChatError;
use crate::chat::name::Name;
use crate::chat::roles::Rank;
use crate::chat::roster::Told;
use crate::chat::sanctions::{Measure, Sanction};
use crate::socketio::{Ack, Broadcast, Socket};
use crate::store::Record;

/// The record of the slow mode that a moderator has set: seconds.
const SLOW: &str = "slow";

impl Room {
    /// Sends out of all rooms who is banned.
    pub(super) fn enforce_everywhere(&mut self) {
        self.enforce();
        let Some(rooms) = self.shared.rooms.get().and_then(Weak::upgrade) else { return };
        let own = Arc::clone(&self.namespace);
        self.read(async move {
            for room in rooms.all_but(&own) {
                room.send(Input::Enforce).await;
            }
        });
    }

    /// Sends out who is banned.
    pub(super) fn enforce(&mut self) {
        let banned = self.members.values().filter_map(|member| {
            let found = self.banned(&member.socket, Some(&of(member)), member.roles.rank())?;
            Some((member.socket.clone(), member.chat_protocol, found.error()))
        });
        let banned: Vec<_> = banned.collect();
        for (socket, chat_protocol, error) in banned {
            send_out(&socket, chat_protocol, &error);
        }
    }

    /// The ban of a person or of a client's address.
    pub(super) fn banned(
        &self,
        socket: &Socket,
        author: Option<&str>,
        rank: Rank,
    ) -> Option<Sanction> {
        let address = socket.session().handshake().bucket;
        self.shared.sanctions.find(Measure::Ban, author, address, rank)
    }

    /// Why a member may not say anything, if somebody has muted them.
    pub(super) fn check_mute(&self, member: &Member) -> Result<(), ChatError> {
        let (rank, author) = (member.roles.rank(), of(member));
        let address = member.socket.session().handshake().bucket;
        let found = self.shared.sanctions.find(Measure::Mute, Some(&author), address, rank);
        found.map_or(Ok(()), |it| Err(it.error()))
    }

    pub(super) fn kick(&self, author: &str, reason: &'static str, message: &str) {
        let error = ChatError::new(reason, message);
        for member in self.members.values().filter(|member| of(member) == author) {
            send_out(&member.socket, member.chat_protocol, &error);
        }
    }

    /// Other nodes are to know of it, in all rooms.
    pub(super) fn tell_sanction(&self, sanction: Sanction, lifted: bool) {
        let Some(roster) = &self.roster else { return };
        let told = Told::Sanction { node: Arc::clone(roster.me()), sanction, lifted };
        if self.counted.is_lobby() {
            return self.tell(&told);
        }
        // All nodes have the lobby.
        let Some(lobby) = self.shared.rooms.get().and_then(Weak::upgrade) else { return };
        self.read(async move {
            if let Some(lobby) = lobby.lobby() {
                lobby.send(Input::Tell(told)).await;
            }
        });
    }

    /// What another node has told of moderation.
    pub(super) fn told_by_moderator(&mut self, told: Told) {
        match told {
            Told::Sanction { sanction, lifted: true, .. } => {
                self.shared.sanctions.lift(&sanction.id());
            }
            Told::Sanction { sanction, .. }
                if self.shared.sanctions.put(sanction.clone()).is_ok() =>
            {
                self.enforce_everywhere();
            }
            Told::Who { node, ask, name } => self.who_has(node, ask, &name),
            Told::Is { to, ask, author, name, address, rank, .. }
                if self.roster.as_ref().is_some_and(|roster| *roster.me() == to) =>
            {
                self.found_elsewhere(ask, author, name, address, rank);
            }
            Told::Kick { author, rank, .. } => self.kicked_elsewhere(&author, rank),
            Told::Slow { seconds, .. } => self.set_slow(Duration::from_secs(seconds.min(3600))),
            Told::Deleted { name, .. } => {
                // A text that cannot be a name is left out.
                let name = name.and_then(|name| Name::read(&name).ok());
                self.tell_of_deletion(name.as_ref().map(Name::written));
            }
            Told::Announce { text, .. } if text.len() <= self.shared.longest_message => {
                let notice = Notice::Announcement { text: &text, at: now(), place: None };
                self.deliver(None, ChatProtocol::Users, &notice, None);
            }
            _ => {}
        }
    }

    pub(super) fn tell_if_clustered(&self, told: impl FnOnce(Arc<str>) -> Told) {
        if let Some(roster) = &self.roster {
            self.tell(&told(Arc::clone(roster.me())));
        }
    }

    /// Slow mode, until it is set again; zero for as the settings say.
    pub(super) fn set_slow(&mut self, time: Duration) {
        self.slow_set = Some(time).filter(|time| !time.is_zero());
        if let Some(log) = &self.log {
            let value = time.as_secs().to_string();
            // If it cannot be kept, it holds until the room is empty.
            let _ = match self.slow_set {
                Some(_) => log.put(Record { key: SLOW.to_owned(), value, expires: None }),
                None => log.remove(SLOW),
            };
        }
        let said = json!({ "name": self.namespace.trim_start_matches('/'),
            "slow": self.slow_mode().as_secs_f64() });
        let told = Broadcast::new(Arc::clone(&self.namespace), "room", vec![said]);
        let pages = self.members.values().filter(|member| member.is_page());
        pages.for_each(|member| member.socket.emit_shared(&told));
        let seconds = self.slow_mode().as_secs_f64();
        self.announce_to_stock_pages(&match seconds > 0.0 {
            true => format!("slow mode: a message every {seconds} s"),
            false => "slow mode is over".to_owned(),
        });
    }

    /// A moderator has deleted a message of somebody of that name. Stock pages go on showing it, and are told.
    pub(super) fn tell_of_deletion(&self, name: Option<&str>) {
        let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
        self.announce_to_stock_pages(&format!("a moderator has deleted a message{of}"));
    }

    /// The slow mode that a moderator has set before, as the log of the room opens.
    pub(super) fn recall_slow(&mut self) {
        let kept = self.log.as_ref().and_then(|log| log.record(SLOW));
        let seconds = kept.and_then(|kept| kept.value.parse().ok());
        self.slow_set = seconds.map(Duration::from_secs);
    }
}

/// Tells a client why it is sent out, in the words of its page, and does it.
pub(super) fn send_out(socket: &Socket, chat_protocol: Option<ChatProtocol>, error: &ChatError) {
    match chat_protocol {
        Some(ChatProtocol::Nicknames | ChatProtocol::Bare) => {
            tell_stock_page(socket, chat_protocol, error, &Ack::default());
        }
        // It does not come back by itself.
        Some(ChatProtocol::Page) if error.reason != Refusal::Expired.reason() => {
            let action = if error.reason == "banned" { "ban" } else { "kick" };
            socket.emit("removed", json!({ "action": action, "message": &error.message }));
        }
        _ => {
            socket.emit("login error", error.event_arg());
            tell_stock_page(socket, chat_protocol, error, &Ack::default());
        }
    }
    socket.disconnect(false);
}
