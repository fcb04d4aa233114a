//! Names that must be nobody else's: the other nodes are asked before somebody gets one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Room;
use super::login::{refuse_login, taken};
use crate::chat::chat_protocol::ChatProtocol;
use crate::chat::name::Name;
use crate::chat::roster::Told;
use crate::engine::Sid;
use crate::socketio::Ack;

/// How long the others have to answer. Nobody waits longer for a name: if two get it, one loses it later.
const PATIENCE: Duration = Duration::from_secs(1);

/// A name that is asked about. The client that wants it is not heard meanwhile.
#[derive(Debug)]
pub(super) struct Claim {
    sid: Sid,
    chat_protocol: ChatProtocol,
    pub name: Name,
    ack: Ack,
    /// Who has not answered.
    waiting: HashSet<Arc<str>>,
    deadline: Instant,
    /// Dropped when it is decided.
    _settled: oneshot::Sender<()>,
}

impl Room {
    /// Somebody wants a name that must be nobody else's.
    pub(super) fn claim(
        &mut self,
        sid: Sid,
        chat_protocol: ChatProtocol,
        name: Name,
        ack: Ack,
        settled: oneshot::Sender<()>,
    ) {
        let waiting: HashSet<_> =
            self.roster.iter().flat_map(|roster| roster.nodes().cloned()).collect();
        let Some(roster) = self.roster.as_ref().filter(|_| !waiting.is_empty() && !self.alone)
        else {
            return self.enter(&sid, chat_protocol, name, ack);
        };
        self.last_claim += 1;
        let (node, claim, asked) = (roster.me().clone(), self.last_claim, name.as_str().to_owned());
        let deadline = Instant::now() + PATIENCE;
        let pending = Claim { sid, chat_protocol, name, ack, waiting, deadline, _settled: settled };
        self.claims.insert(claim, pending);
        self.tell(&Told::Claim { node, claim, name: asked });
    }

    /// Another node asks whether a name is taken here. Of two that ask at once, the first by name gets it.
    pub(super) fn claimed_elsewhere(&mut self, to: Arc<str>, claim: u64, name: &str) {
        let Some(roster) = &self.roster else { return };
        let node = roster.me().clone();
        let taken = Name::new(name).is_ok_and(|name| {
            let is_asked = self.claims.values().any(|claim| claim.name == name);
            is_asked && node < to
                || self.members.values().any(|member| member.name.as_ref() == Some(&name))
        });
        self.tell(&Told::Claimed { node, to, claim, taken });
    }

    /// Another node answered.
    pub(super) fn claim_answered(&mut self, node: &str, claim: u64, is_taken: bool) {
        let Some(pending) = self.claims.get_mut(&claim) else { return };
        if !pending.waiting.remove(node) {
            return;
        }
        if is_taken {
            if let Some(Claim { sid, chat_protocol, name, ack, .. }) = self.claims.remove(&claim)
                && let Some(member) = self.members.get(&sid)
            {
                refuse_login(&member.socket, chat_protocol, &taken(&name), ack);
            }
        } else if pending.waiting.is_empty() {
            self.grant(claim);
        }
    }

    fn grant(&mut self, claim: u64) {
        if let Some(Claim { sid, chat_protocol, name, ack, _settled, .. }) =
            self.claims.remove(&claim)
        {
            self.enter(&sid, chat_protocol, name, ack);
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
        let due: Vec<u64> =
            self.claims.iter().filter(|(_, it)| is_due(it)).map(|(number, _)| *number).collect();
        due.into_iter().for_each(|claim| self.grant(claim));
    }
}
