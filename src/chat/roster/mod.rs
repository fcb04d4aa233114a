//! Who is on other nodes.
//!
//! Each node of this chat numbers the changes among its people, and tells them in the words of the stock
//! example, which servers of Node understand as well. It says from time to time that it is there, with the
//! number of its last change; who has missed some asks for the whole list. A node that is silent for the
//! time of a lease is gone with its people. [`StockServers`] has the people of servers of Node.
//!
//! Nothing here has a clock or sends: time comes in, and what is to be done goes out.

mod peer;
mod stock;
mod told;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::name::Name;
use super::roles::Rank;
use peer::Peer;
pub use stock::StockServers;
pub use told::{EVENT, Listed, MAX_ROOMS, PART, Told, is_id};

/// Other nodes of this chat at most.
const MAX_NODES: usize = 256;
/// A node says so many times in a lease that it is there.
pub const BEATS: u32 = 5;

/// Somebody with a name on another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The id of the socket.
    pub id: Arc<str>,
    pub name: Name,
    /// When the session opened, in milliseconds since 1970; 0 if that is not known.
    pub since: u64,
    /// What nodes call a person with a token under that name.
    pub alias: Option<Arc<str>>,
    pub rank: Rank,
}

/// A change among the people of one node, as the node tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    Joined(Person),
    /// The person with that socket left.
    Left(Arc<str>),
}

/// A change among the people of other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Joined(Person),
    Left(Person),
}

/// What is to be done after something came in.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// Who came and went, in order.
    pub changes: Vec<Change>,
    /// To be told to the other nodes.
    pub tell: Vec<Told>,
    /// The list of this node's people is to be told.
    pub list_due: bool,
    /// It is time to tell which rooms are open here.
    pub rooms_due: bool,
    /// Nodes that were lost for the time of a lease, with those of their people who left: servers of Node
    /// are to hear of it.
    pub lost: Vec<(Arc<str>, Vec<Person>)>,
    /// Such nodes that are back, with their people.
    pub back: Vec<(Arc<str>, Vec<Person>)>,
}

/// All people on other nodes.
#[derive(Debug)]
pub struct Roster {
    /// This node's name.
    me: Arc<str>,
    /// The number of the last change among this node's people.
    seq: u64,
    lease: Duration,
    peers: HashMap<Arc<str>, Peer>,
    /// Nodes that went without a word.
    lost: HashSet<Arc<str>>,
    pub stock: StockServers,
    beaten: Option<Instant>,
    ticked: Option<Instant>,
    list_due: bool,
}

impl Roster {
    pub fn new(me: Arc<str>, lease: Duration) -> Self {
        Roster {
            me,
            lease,
            seq: 0,
            peers: HashMap::new(),
            lost: HashSet::new(),
            stock: StockServers::default(),
            beaten: None,
            ticked: None,
            list_due: false,
        }
    }

    pub fn me(&self) -> &Arc<str> {
        &self.me
    }

    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Somebody of this node came or went. Returns the number of this change.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// The other nodes of this chat.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.peers.keys()
    }

    /// How many people are elsewhere.
    pub fn count(&self, now: Instant) -> usize {
        let of_peers: usize = self.peers.values().map(|peer| peer.people().len()).sum();
        of_peers + self.stock.count(self.lease, now)
    }

    /// People of other nodes of this chat.
    pub fn of_peers(&self) -> impl Iterator<Item = &Person> {
        self.peers.values().flat_map(|peer| peer.people().values())
    }

    /// People of some nodes of this chat.
    pub fn people_of(&self, nodes: &HashSet<Arc<str>>) -> impl Iterator<Item = &Person> {
        nodes.iter().filter_map(|node| self.peers.get(node)).flat_map(|it| it.people().values())
    }

    /// All whose names are known.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.of_peers().chain(self.stock.people())
    }

    /// The rooms that other nodes told of, and how many people are in each on all nodes: what the one knows that knows
    /// of most.
    pub fn rooms(&self) -> BTreeMap<&str, usize> {
        let mut rooms = BTreeMap::new();
        for (name, people) in self.peers.values().flat_map(|peer| &peer.rooms) {
            let most = rooms.entry(&**name).or_default();
            *most = (*people).max(*most);
        }
        rooms
    }

    /// Time has passed. To be called several times in a lease.
    pub fn tick(&mut self, now: Instant) -> Effects {
        let mut out = Effects::default();
        let beat = self.lease / BEATS;
        // Whoever does not run hears nothing, which is nobody's fault.
        let slept = self.ticked.map(|last| now - last).filter(|slept| *slept >= beat);
        self.ticked = Some(now);
        if let Some(slept) = slept {
            self.peers.values_mut().for_each(|peer| peer.heard = now.min(peer.heard + slept));
            self.stock.pause(slept, now);
        }
        // At the start none is open, and the lobby is just being made.
        out.rooms_due = self.beaten.is_some_and(|beaten| now >= beaten + beat);
        if self.beaten.is_none() || out.rooms_due {
            out.tell.push(self.here(now));
        }
        out.list_due = std::mem::take(&mut self.list_due);
        let silent = self.peers.extract_if(|_, peer| now >= peer.heard + self.lease);
        for (node, peer) in silent {
            let people: Vec<_> = peer.into_people().collect();
            out.changes.extend(people.iter().cloned().map(Change::Left));
            if self.lost.len() < MAX_NODES {
                self.lost.insert(Arc::clone(&node));
            }
            out.lost.push((node, people));
        }
        self.stock.expire(self.lease, now, &mut out.changes);
        out
    }

    /// That this node is there.
    fn here(&mut self, now: Instant) -> Told {
        self.beaten = Some(now);
        Told::Here { node: Arc::clone(&self.me), seq: self.seq }
    }

    /// Whether this node speaks for those that cannot: one does, of all that are there.
    pub fn is_first(&self) -> bool {
        self.peers.keys().all(|node| *node > self.me)
    }

    /// A node told that it is there, asked for a list, sent one, or leaves. Claims are not for the roster.
    pub fn told(&mut self, told: Told, now: Instant) -> Effects {
        let mut out = Effects::default();
        match told {
            Told::Here { node, seq } => {
                let is_new = !self.peers.contains_key(&node);
                let Some(peer) = self.peer(&node, seq, now) else { return out };
                if peer.named(seq, now) {
                    out.tell.push(Told::Ask { node: Arc::clone(&self.me), of: node });
                }
                if is_new {
                    // It is to know of this one at once.
                    out.tell.push(self.here(now));
                }
            }
            Told::Ask { node, of } => {
                self.list_due |= of == self.me;
                self.peer(&node, u64::MAX, now);
            }
            Told::People { node, seq, at, parts, people } => {
                let Some(peer) = self.peer(&node, seq, now) else { return out };
                peer.list(seq, (at, parts), checked(people), &mut out.changes);
                if at + 1 == parts && self.lost.remove(&node) {
                    let people = self.peers.get(&node).into_iter();
                    let people = people.flat_map(|peer| peer.people().values().cloned()).collect();
                    out.back.push((node, people));
                }
            }
            Told::Rooms { node, rooms } => {
                if let Some(peer) = self.peer(&node, u64::MAX, now) {
                    peer.rooms = rooms;
                }
            }
            Told::Bye { node } => {
                let people = self.peers.remove(&node).into_iter().flat_map(Peer::into_people);
                out.changes.extend(people.map(Change::Left));
            }
            Told::Beside { node, seq, id, came } => {
                let delta = match came {
                    Some((name, since, alias, rank)) => match Name::read(&name) {
                        Ok(name) => Delta::Joined(Person { id, name, since, alias, rank }),
                        Err(_) => Delta::Left(id),
                    },
                    None => Delta::Left(id),
                };
                return self.changed(node, seq, delta, now);
            }
            Told::Claim { node, .. }
            | Told::Claimed { node, .. }
            | Told::Sanction { node, .. }
            | Told::Who { node, .. }
            | Told::Is { node, .. }
            | Told::Kick { node, .. }
            | Told::Slow { node, .. }
            | Told::Deleted { node, .. }
            | Told::Announce { node, .. } => {
                self.peer(&node, u64::MAX, now);
            }
        }
        out
    }

    /// A node told a change.
    pub fn changed(&mut self, node: Arc<str>, seq: u64, delta: Delta, now: Instant) -> Effects {
        let mut out = Effects::default();
        let Some(peer) = self.peer(&node, u64::MAX, now) else { return out };
        if peer.change(seq, delta, now, &mut out.changes) {
            out.tell.push(Told::Ask { node: Arc::clone(&self.me), of: node });
        }
        out
    }

    /// The node of that name, which was heard of just now. `seq` is the number that it named, if it did.
    fn peer(&mut self, node: &Arc<str>, seq: u64, now: Instant) -> Option<&mut Peer> {
        if *node == self.me || !self.peers.contains_key(node) && self.peers.len() >= MAX_NODES {
            return None;
        }
        let peer = self.peers.entry(Arc::clone(node)).or_insert_with(|| Peer::new(now, seq));
        peer.heard = now;
        Some(peer)
    }
}

/// The people of a list whose names are names here.
fn checked(people: Vec<Listed>) -> Vec<Person> {
    let people = people.into_iter();
    people
        .filter_map(|(id, name, since, alias, rank)| {
            Some(Person { id, name: Name::read(&name).ok()?, since, alias, rank })
        })
        .collect()
}

#[cfg(test)]
mod tests;
