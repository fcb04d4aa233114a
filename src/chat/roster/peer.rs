//! What is known of one other node of this chat.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Change, Delta, Person};

/// Changes that may wait for those before them.
const MAX_LATER: usize = 1024;
/// People of one node at most.
const MAX_PEOPLE: usize = 100_000;
/// How long a question to the node may stay unanswered before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A node, and its people as they are after its change `seq`: exactly, or not at all. What does not follow
/// waits until it does, or until a whole list comes.
#[derive(Debug)]
pub struct Peer {
    /// When it was heard of last.
    pub heard: Instant,
    /// `None` until its people are known.
    seq: Option<u64>,
    people: HashMap<Arc<str>, Person>,
    /// Rooms that it told of, and how many people are in each.
    pub rooms: Vec<(Box<str>, usize)>,
    /// By number, changes that came before their time.
    later: BTreeMap<u64, Delta>,
    /// A list that is coming in: its number, how many parts are there, and who is in them.
    arriving: Option<(u64, usize, Vec<Person>)>,
    /// The number that the node named last.
    named: u64,
    asked: Option<Instant>,
}

impl Peer {
    /// A node that is new here. One whose first change is still to come has nobody.
    pub fn new(now: Instant, seq: u64) -> Self {
        Peer {
            heard: now,
            seq: (seq == 0).then_some(0),
            people: HashMap::new(),
            rooms: Vec::new(),
            later: BTreeMap::new(),
            arriving: None,
            named: seq,
            asked: None,
        }
    }

    pub fn people(&self) -> &HashMap<Arc<str>, Person> {
        &self.people
    }

    /// All have gone.
    pub fn into_people(self) -> impl Iterator<Item = Person> {
        self.people.into_values()
    }

    /// The node named its number. Changes travel on a way of their own, so a list is asked for only if
    /// they are still not there the next time.
    pub fn named(&mut self, seq: u64, now: Instant) -> bool {
        let behind = self.seq.is_none_or(|known| known < self.named.min(seq));
        self.named = seq;
        behind && self.wants_list(now)
    }

    /// Whether to ask for a list now.
    fn wants_list(&mut self, now: Instant) -> bool {
        let again = self.asked.is_none_or(|asked| now >= asked + ASK_AGAIN);
        if again {
            self.asked = Some(now);
        }
        again
    }

    /// A change came. Returns whether to ask for a list.
    pub fn change(&mut self, seq: u64, delta: Delta, now: Instant, out: &mut Vec<Change>) -> bool {
        if self.seq.is_some_and(|known| seq <= known) {
            return false;
        }
        if self.later.len() >= MAX_LATER {
            // The oldest are the first that a list makes needless.
            self.later.pop_first();
        }
        self.later.insert(seq, delta);
        self.advance(out);
        !self.later.is_empty() && self.wants_list(now)
    }

    /// Applies the changes that follow.
    fn advance(&mut self, out: &mut Vec<Change>) {
        let Some(seq) = &mut self.seq else { return };
        while let Some(delta) = self.later.remove(&(*seq + 1)) {
            *seq += 1;
            match delta {
                Delta::Joined(person) if self.people.len() < MAX_PEOPLE => {
                    let old = self.people.insert(Arc::clone(&person.id), person.clone());
                    out.extend(old.map(Change::Left));
                    out.push(Change::Joined(person));
                }
                Delta::Joined(_) => {}
                Delta::Left(id) => out.extend(self.people.remove(&id).map(Change::Left)),
            }
        }
    }

    /// Part `at` of `parts` of a list came.
    pub fn list(
        &mut self,
        seq: u64,
        (at, parts): (usize, usize),
        people: Vec<Person>,
        out: &mut Vec<Change>,
    ) {
        if self.seq.is_some_and(|known| seq <= known) {
            return;
        }
        let (mut list, place) = match self.arriving.take() {
            Some((of, there, list)) if of == seq && there == at => (list, at),
            _ => (Vec::new(), 0),
        };
        if place != at || list.len() + people.len() > MAX_PEOPLE {
            return;
        }
        list.extend(people);
        if at + 1 < parts {
            self.arriving = Some((seq, at + 1, list));
            return;
        }
        let list: HashMap<_, _> = list.into_iter().map(|it| (Arc::clone(&it.id), it)).collect();
        let old = std::mem::replace(&mut self.people, list);
        let is_new = |it: &&Person| old.get(&it.id) != Some(*it);
        let joined: Vec<_> = self.people.values().filter(is_new).cloned().collect();
        let gone = old.into_values().filter(|it| self.people.get(&it.id) != Some(it));
        out.extend(gone.map(Change::Left));
        out.extend(joined.into_iter().map(Change::Joined));
        self.seq = Some(seq);
        self.asked = None;
        self.later = self.later.split_off(&(seq + 1));
        self.advance(out);
    }
}
