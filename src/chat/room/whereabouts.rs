//! Who has a name on another node, for moderators: nodes say to each other who that is, and each sends out its own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::Room;
use super::moderation::{By, Person, Reply, gone, of};
use crate::chat::act::{Act, Target};
use crate::chat::error::ChatError;
use crate::chat::name::Name;
use crate::chat::roles::Rank;
use crate::chat::roster::{Change, Told};
use crate::engine::Sid;

/// How long the node that has somebody may take to say who that is.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may wait for other nodes.
const MAX_ASKED: usize = 256;

/// What a moderator wants to do to somebody on another node.
#[derive(Debug)]
pub(super) struct Search {
    number: u64,
    by: By,
    act: Act,
    reply: Reply,
    deadline: Instant,
}

/// People of other nodes who have a rank, by the id of their socket: the name, and the rank.
#[derive(Debug, Default)]
pub(super) struct Ranked(HashMap<Arc<str>, (String, Rank)>);

impl Ranked {
    /// Somebody came or went.
    pub fn follow(&mut self, change: &Change) {
        match change {
            Change::Joined(person) if person.rank == Rank::Nobody => {}
            Change::Joined(person) => {
                let named = (person.name.written().to_owned(), person.rank);
                self.0.insert(Arc::clone(&person.id), named);
            }
            Change::Left(person) => drop(self.0.remove(&person.id)),
        }
    }

    /// The highest rank of each name among them.
    pub fn by_name(&self) -> HashMap<String, Rank> {
        let mut all = HashMap::<_, Rank>::new();
        for (name, rank) in self.0.values() {
            let highest = all.entry(name.clone()).or_default();
            *highest = (*rank).max(*highest);
        }
        all
    }
}

impl Room {
    /// What a member may do beyond others. Who is gone may nothing.
    pub(super) fn rank_of(&self, sid: &Sid) -> Rank {
        self.members.get(sid).map_or(Rank::Nobody, |member| member.roles.rank())
    }

    /// The rank of who acts.
    pub(super) fn rank_of_actor(&self, by: By) -> Rank {
        by.map_or(Rank::Operator, |sid| self.rank_of(&sid))
    }

    /// The highest rank of a person whom the history has that word and name for, by what is known here of all nodes.
    /// Names of people with an account are nobody else's, unless doubles are allowed: then it is at most too high.
    pub(super) fn rank_anywhere(&self, author: &str, name: Option<&str>) -> Rank {
        let here = self.members.values().filter(|member| of(member) == author);
        let elsewhere = name.and_then(|name| self.ranked.by_name().remove(name));
        here.map(|member| member.roles.rank()).chain(elsewhere).max().unwrap_or_default()
    }

    /// Whether somebody of that name is on another node of this chat, and on none of this one's connections.
    pub(super) fn is_elsewhere(&self, act: &Act) -> bool {
        let (Act::Kick(Target::Name(name)) | Act::Sanction { whom: Target::Name(name), .. }) = act
        else {
            return false;
        };
        let Ok(name) = Name::read(name) else { return false };
        let mut elsewhere = self.roster.iter().flat_map(|roster| roster.of_peers());
        self.named_here(&name).is_none() && elsewhere.any(|person| person.name.is_like(&name))
    }

    /// Asks the other nodes who that is.
    pub(super) fn search(&mut self, by: By, act: Act, reply: Reply) {
        let (Act::Kick(Target::Name(name)) | Act::Sanction { whom: Target::Name(name), .. }) = &act
        else {
            return;
        };
        if self.searches.len() >= MAX_ASKED {
            let busy = ChatError::new("busy", "too much is asked at once: try again");
            return self.refuse_act(by, reply, busy);
        }
        self.last_claim += 1;
        let (number, name) = (self.last_claim, name.clone());
        let deadline = Instant::now() + PATIENCE;
        self.searches.push(Search { number, by, act, reply, deadline });
        self.tell_if_clustered(|node| Told::Who { node, ask: number, name });
    }

    /// Another node wants to know who has a name.
    pub(super) fn who_has(&self, to: Arc<str>, ask: u64, name: &str) {
        let Some(member) = Name::read(name).ok().and_then(|name| self.named_here(&name)) else {
            return;
        };
        let (author, rank) = (of(member), member.roles.rank());
        let name = member.name.as_ref().map(|name| name.written().to_owned());
        let address = member.socket.session().handshake().bucket;
        self.tell_if_clustered(|node| Told::Is { node, to, ask, author, name, address, rank });
    }

    /// Another node has said who that is.
    pub(super) fn found_elsewhere(
        &mut self,
        ask: u64,
        author: String,
        name: Option<String>,
        address: IpAddr,
        rank: Rank,
    ) {
        let Some(at) = self.searches.iter().position(|it| it.number == ask) else { return };
        let Search { by, act, reply, .. } = self.searches.swap_remove(at);
        // As with people of this node.
        if self.rank_of_actor(by) <= rank {
            let error = ChatError::new("not allowed", "that is a moderator");
            return self.refuse_act(by, reply, error);
        }
        let person = Person { author, name, address: Some(address) };
        let done = match act {
            Act::Sanction { measure, time, with_address, .. } => {
                self.sanction_person(by, measure, person, time, with_address)
            }
            _ => {
                let said = json!({ "username": person.name });
                self.kick_everywhere(by, &person.author);
                Ok(said)
            }
        };
        self.acted(by, &act, done, reply);
    }

    /// Sends somebody out, on all nodes.
    pub(super) fn kick_everywhere(&self, by: By, author: &str) {
        self.kick(author, "kicked", "a moderator has sent you out");
        let rank = self.rank_of_actor(by);
        let author = author.to_owned();
        self.tell_if_clustered(|node| Told::Kick { node, author, rank });
    }

    /// A moderator of another node sends somebody out.
    pub(super) fn kicked_elsewhere(&self, author: &str, by: Rank) {
        let mut members = self.members.values().filter(|member| of(member) == author);
        if members.all(|member| member.roles.rank() < by) {
            self.kick(author, "kicked", "a moderator has sent you out");
        }
    }

    /// Who is not found in time is not there.
    pub(super) fn settle_searches(&mut self, now: Instant) {
        while let Some(at) = self.searches.iter().position(|it| now >= it.deadline) {
            let Search { by, reply, .. } = self.searches.swap_remove(at);
            self.refuse_act(by, reply, gone("nobody of that name is here"));
        }
    }
}
