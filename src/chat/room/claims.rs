//! Names that must be nobody else's: the other nodes are asked before somebody gets one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Room;
use super::login::{Entrant, refuse_login, taken};
use super::names::keeps;
use crate::chat::name::Name;
use crate::chat::resume::is_of_person;
use crate::chat::roster::Told;

/// How long the others have to answer. Nobody waits longer for a name; what a silent node had told of its people counts
/// then. If two get a name, one loses it later.
const PATIENCE: Duration = Duration::from_secs(1);

/// A name that is asked about. The client that wants it is not heard meanwhile.
#[derive(Debug)]
pub(super) struct Claim {
    pub entrant: Entrant,
    /// Who has not answered.
    waiting: HashSet<Arc<str>>,
    deadline: Instant,
    /// Dropped when it is decided.
    settled: oneshot::Sender<()>,
}

impl Room {
    /// Somebody wants a name that must be nobody else's.
    pub(super) fn claim(&mut self, entrant: Entrant, settled: oneshot::Sender<()>) {
        let waiting: HashSet<_> =
            self.roster.iter().flat_map(|roster| roster.nodes().cloned()).collect();
        let Some(roster) = self.roster.as_ref().filter(|_| !waiting.is_empty() && !self.alone)
        else {
            return self.enter(entrant);
        };
        self.last_claim += 1;
        let (node, claim) = (roster.me().clone(), self.last_claim);
        let (name, alias) = (entrant.name.written().to_owned(), entrant.alias.clone());
        let before = entrant.before.as_ref().and_then(|before| before.alias.clone());
        let deadline = Instant::now() + PATIENCE;
        self.claims.insert(claim, Claim { entrant, waiting, deadline, settled });
        self.tell(&Told::Claim { node, claim, name, alias, before });
    }

    /// Another node asks whether a name is taken here. Of two that ask at once, the first by name gets it.
    pub(super) fn claimed_elsewhere(
        &mut self,
        to: Arc<str>,
        claim: u64,
        name: &str,
        alias: Option<&Arc<str>>,
        before: Option<&Arc<str>>,
    ) {
        let Some(roster) = &self.roster else { return };
        let node = roster.me().clone();
        let name = Name::read(name).ok();
        let taken =
            name.as_ref().is_some_and(|name| self.has_name(name, [alias, before], node < to));
        if let Some(name) = name.filter(|_| !taken) {
            self.make_room(&name, alias);
            self.take_from_guests(&name);
        }
        self.tell(&Told::Claimed { node, to, claim, taken });
    }

    /// Whether a name is like that of somebody else on this node, or, with `asked`, of somebody who wants it.
    fn has_name(&self, name: &Name, aliases: [Option<&Arc<str>>; 2], asked: bool) -> bool {
        let is_other = |other: Option<&Arc<str>>| other.is_none() || !aliases.contains(&other);
        let mut here = self.members.values();
        let mut claims = self.claims.values().map(|claim| &claim.entrant).filter(|_| asked);
        let mut away =
            self.away.iter().filter(|it| it.alias.as_ref().is_some_and(|it| is_of_person(it)));
        here.any(|it| {
            it.name.as_ref().is_some_and(|own| keeps(own, name)) && is_other(it.alias.as_ref())
        }) || claims.any(|it| keeps(&it.name, name) && is_other(it.alias.as_ref()))
            || away.any(|it| keeps(&it.name, name) && is_other(it.alias.as_ref()))
    }

    /// Another node answered.
    pub(super) fn claim_answered(&mut self, node: &str, claim: u64, is_taken: bool) {
        let Some(pending) = self.claims.get_mut(&claim) else { return };
        if !pending.waiting.remove(node) {
            return;
        }
        if is_taken {
            self.deny(claim);
        } else if pending.waiting.is_empty() {
            self.grant(claim);
        }
    }

    /// Somebody else has the name: a page that cannot be told gets it with a number.
    pub(super) fn deny(&mut self, claim: u64) {
        let Some(Claim { mut entrant, settled, .. }) = self.claims.remove(&claim) else { return };
        if self.give_number(&mut entrant) {
            return self.claim(entrant, settled);
        }
        let Entrant { sid, chat_protocol, name, before, ack, .. } = entrant;
        if before.is_some() {
            return self.refuse_rename(&sid, &taken(&name), ack);
        }
        if let Some(member) = self.members.get(&sid) {
            refuse_login(&member.socket, chat_protocol, &taken(&name), ack);
        }
    }

    fn grant(&mut self, claim: u64) {
        if let Some(Claim { entrant, settled, .. }) = self.claims.remove(&claim) {
            self.enter(entrant);
            drop(settled);
        }
    }

    /// Who has gone, or does not answer in time, is not waited for.
    pub(super) fn settle_claims(&mut self, now: Instant) {
        let Some(roster) = &self.roster else { return };
        let there: HashSet<_> = roster.nodes().cloned().collect();
        for claim in self.claims.values_mut() {
            claim.waiting.retain(|node| there.contains(node));
        }
        let is_due = |claim: &Claim| claim.waiting.is_empty() || now >= claim.deadline;
        // A node that does not answer may be cut off alone: its people still have their names.
        let has_silent = |Claim { entrant, waiting, .. }: &Claim| {
            roster.people_of(waiting).any(|person| {
                let before = entrant.before.as_ref().and_then(|before| before.alias.as_ref());
                let aliases = [entrant.alias.as_ref(), before];
                let is_same = person.alias.is_some() && aliases.contains(&person.alias.as_ref());
                keeps(&person.name, &entrant.name) && !is_same
            })
        };
        let due = self.claims.iter().filter(|(_, it)| is_due(it));
        let due: Vec<_> = due.map(|(number, it)| (*number, has_silent(it))).collect();
        for (claim, is_taken) in due {
            match is_taken {
                true => self.deny(claim),
                false => self.grant(claim),
            }
        }
    }
}
