//! Which names are free: in a room, nobody has a name that people could take for somebody else's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Room;
use super::login::Entrant;
use super::rename::Before;
use crate::chat::ChatSettings;
use crate::chat::chat_protocol::{ChatProtocol, NAMELESS, SERVER};
use crate::chat::name::Name;
use crate::chat::resume::{PersonId, ResumeKey, is_of_person};
use crate::chat::skeleton::Reserved;
use crate::engine::Sid;
use crate::socketio::Socket;

/// Numbers that are tried for a name that is taken.
const NUMBERS: std::ops::Range<usize> = 2..1000;

/// Names that nobody may have: those of the setting, and those by which the chat itself speaks.
pub(in crate::chat) fn reserved(settings: &ChatSettings) -> Reserved {
    let own = [SERVER, NAMELESS];
    Reserved::new(settings.reserved_names.iter().map(String::as_str).chain(own))
}

impl Room {
    pub(super) fn resume_key(&self) -> Option<&ResumeKey> {
        self.shared.resume_key.as_ref()
    }

    /// What nodes call a person under a name.
    pub(super) fn alias(&self, person: &PersonId, name: &Name) -> Option<Arc<str>> {
        Some(self.resume_key()?.alias(person, name))
    }

    /// What nodes call a client under a name: its person, or else, if it may come back to its session on any of them, the
    /// session.
    pub(super) fn alias_of(
        &self,
        socket: &Socket,
        person: Option<&PersonId>,
        name: &Name,
    ) -> Option<Arc<str>> {
        match person {
            Some(person) => self.alias(person, name),
            None if self.roster.is_some() && socket.record().is_some() => {
                Some(self.resume_key()?.session_alias(&socket.id()))
            }
            None => None,
        }
    }

    /// How long a lost connection is not told of.
    pub(super) fn leave_delay(&self) -> Duration {
        self.shared.settings.leave_delay
    }

    /// Whether a name could be read as one that nobody may have.
    pub(super) fn is_reserved(&self, name: &Name) -> bool {
        self.shared.reserved.has(name.as_str())
    }

    /// Whether a name of that protocol must not be anybody else's.
    pub(super) fn is_unique(&self, chat_protocol: ChatProtocol) -> bool {
        !self.shared.settings.duplicate_names || chat_protocol == ChatProtocol::Nicknames
    }

    /// Whether a name is like that of somebody else, as far as this node knows. Nodes that can be asked say by
    /// themselves whether it is one of theirs.
    pub(super) fn is_taken(&self, name: &Name, alias: Option<&Arc<str>>) -> bool {
        self.is_taken_by(name, [alias, None], None)
    }

    /// As `is_taken`, for a member who wants to be renamed: neither its own name nor those of its other tabs count.
    pub(super) fn is_taken_by_others(
        &self,
        name: &Name,
        alias: Option<&Arc<str>>,
        sid: &Sid,
        before: &Before,
    ) -> bool {
        self.is_taken_by(name, [alias, before.alias.as_ref()], Some(sid))
    }

    fn is_taken_by(&self, name: &Name, aliases: [Option<&Arc<str>>; 2], but: Option<&Sid>) -> bool {
        let is_same = |other: Option<&Arc<str>>| other.is_some() && aliases.contains(&other);
        let mut elsewhere = self.roster.iter().flat_map(|roster| {
            let peers = self.alone.then(|| roster.of_peers()).into_iter().flatten();
            peers.chain(roster.stock.people())
        });
        self.members.iter().filter(|(sid, _)| but != Some(sid)).any(|(_, member)| {
            member.name.as_ref().is_some_and(|other| keeps(other, name))
                && !is_same(member.alias.as_ref())
        }) || self.away.iter().any(|absent| {
            // Without a token nobody can show that it was they who were here; the next one gets the name.
            let is_known = absent.alias.as_ref().is_some_and(|it| is_of_person(it));
            is_known && !is_same(absent.alias.as_ref()) && keeps(&absent.name, name)
        }) || self
            .claims
            .values()
            .any(|claim| keeps(&claim.entrant.name, name) && !is_same(claim.entrant.alias.as_ref()))
            || elsewhere.any(|person| keeps(&person.name, name) && !is_same(person.alias.as_ref()))
    }

    /// Somebody has a name now: who had it, is away, and cannot show who they are, has left.
    pub(super) fn make_room(&mut self, name: &Name, alias: Option<&Arc<str>>) {
        if self.shared.settings.duplicate_names {
            return;
        }
        let cannot_show = |other: Option<&Arc<str>>| other.is_none_or(|it| !is_of_person(it));
        let left = self.away.take(|absent| {
            let other = absent.alias.as_ref();
            let is_same = other.is_some() && other == alias;
            cannot_show(other) && !is_same && absent.name.is_like(name)
        });
        left.into_iter().for_each(|absent| self.gone(absent));
    }

    /// Somebody with an account has a name now: guests of a name like it are without one again.
    pub(super) fn take_from_guests(&mut self, name: &Name) {
        if !name.is_verified() {
            return;
        }
        let loses = |other: &Name| other.is_like(name) && !other.is_verified();
        let claims = self.claims.iter().filter(|(_, claim)| loses(&claim.entrant.name));
        let claims: Vec<u64> = claims.map(|(number, _)| *number).collect();
        claims.into_iter().for_each(|claim| self.deny(claim));
        self.away.take(|absent| loses(&absent.name)).into_iter().for_each(|it| self.gone(it));
        let members = self.members.iter();
        let members = members.filter(|(_, member)| member.name.as_ref().is_some_and(loses));
        let members: Vec<_> = members.map(|(sid, _)| *sid).collect();
        members.iter().for_each(|sid| self.lose_name(sid));
    }

    /// Whether somebody with an account has a name like that: no guest can have it, even where names may be double.
    pub(super) fn is_of_account(&self, name: &Name) -> bool {
        let here = self.members.values().filter_map(|member| member.name.as_ref());
        let elsewhere = self.roster.iter().flat_map(|roster| roster.of_peers());
        let mut all = here.chain(elsewhere.map(|person| &person.name));
        all.any(|other| other.is_verified() && other.is_like(name))
    }

    /// Gives somebody the next name with a number that is free. False if they cannot have one.
    pub(super) fn give_number(&mut self, entrant: &mut Entrant) -> bool {
        let Some(wanted) = &entrant.numbered else { return false };
        let before = number_of(&entrant.name, wanted);
        let mut used: Vec<usize> = Vec::new();
        let people = self.members.values().filter_map(|member| member.name.as_ref());
        let elsewhere = self.roster.iter().flat_map(|roster| roster.people());
        let asked = self.claims.values().map(|claim| &claim.entrant.name);
        let away = self.away.iter().map(|absent| &absent.name);
        let all = people.chain(elsewhere.map(|person| &person.name)).chain(asked).chain(away);
        used.extend(all.filter_map(|name| number_of(name, wanted)));
        let free =
            NUMBERS.filter(|number| before.is_none_or(|it| *number > it) && !used.contains(number));
        for number in free.take(8) {
            let Some(name) = wanted.numbered(number) else { return false };
            let socket = self.members.get(&entrant.sid).map(|member| &member.socket);
            let person = entrant.person.as_ref();
            let alias = socket.and_then(|socket| self.alias_of(socket, person, &name));
            if !self.is_taken(&name, alias.as_ref()) {
                (entrant.name, entrant.alias) = (name, alias);
                return true;
            }
        }
        false
    }

    /// Time has passed: who was away for too long has left.
    pub(super) fn look_for_absent(&mut self) {
        let due = self.away.due(Instant::now());
        if !due.is_empty() {
            due.into_iter().for_each(|absent| self.gone(absent));
            self.settle();
        }
    }

    /// Nobody is waited for any longer.
    pub(super) fn forget_absent(&mut self) {
        self.away.take(|_| true).into_iter().for_each(|absent| self.gone(absent));
    }
}

/// Whether who has a name keeps it when somebody comes who wants one: guests give way to people with an account.
pub(super) fn keeps(has: &Name, wanted: &Name) -> bool {
    has.is_like(wanted) && (has.is_verified() || !wanted.is_verified())
}

/// The number of a name that is like another with a number.
fn number_of(name: &Name, wanted: &Name) -> Option<usize> {
    let (_, number) = name.as_str().strip_suffix(')')?.rsplit_once(" (")?;
    let number = number.parse().ok().filter(|number| NUMBERS.contains(number))?;
    wanted.numbered(number)?.is_like(name).then_some(number)
}
