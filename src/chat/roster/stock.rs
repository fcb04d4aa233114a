//! People of servers of Node that run the stock chat example: known by what these servers say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Change, Person};
use crate::chat::name::Name;
use crate::chat::roles::Rank;

/// Servers of the kind at most.
const MAX_SERVERS: usize = 64;
/// People of one server that are known by name at most.
const MAX_PEOPLE: usize = 10_000;
/// A larger number of users is not believed.
const MAX_COUNT: u64 = 1_000_000;
/// Who was not seen for so many leases is forgotten.
const FORGOTTEN: u32 = 10;

/// All such servers, by their names in the messages of adapters.
#[derive(Debug, Default)]
pub struct StockServers(HashMap<Arc<str>, Server>);

#[derive(Debug)]
struct Server {
    heard: Instant,
    /// What it said last of how many people it has, those from before our time included.
    count: usize,
    people: HashMap<Arc<str>, Known>,
}

/// A person whose name a server said.
#[derive(Debug)]
struct Known {
    person: Person,
    seen: Instant,
    here: bool,
}

impl Server {
    fn here(&self) -> impl Iterator<Item = &Known> {
        self.people.values().filter(|known| known.here)
    }

    /// How many people it has; those without a name only while it is heard of.
    fn count(&self, lease: Duration, now: Instant) -> usize {
        let unnamed = if now < self.heard + lease { self.count } else { 0 };
        unnamed.max(self.here().count())
    }
}

impl StockServers {
    /// A server said something of a person. Without a name, nothing but that the server is there. `count`
    /// is the number of users that it said.
    pub fn heard(
        &mut self,
        origin: &Arc<str>,
        person: Option<(Arc<str>, Name)>,
        count: Option<u64>,
        now: Instant,
        out: &mut Vec<Change>,
    ) {
        let Some(server) = self.server(origin, now) else { return };
        if let Some(count) = count.filter(|count| *count <= MAX_COUNT) {
            server.count = count as usize;
        }
        let Some((id, name)) = person else { return };
        let room = server.people.len() < MAX_PEOPLE;
        match server.people.get_mut(&id) {
            Some(known) if known.person.name == name => {
                known.seen = now;
                if !std::mem::replace(&mut known.here, true) {
                    out.push(Change::Joined(known.person.clone()));
                }
            }
            Some(known) => {
                let person = Person { id, name, since: 0, alias: None, rank: Rank::Nobody };
                let old = std::mem::replace(&mut known.person, person.clone());
                (known.seen, known.here) = (now, true);
                out.extend([Change::Left(old), Change::Joined(person)]);
            }
            None if room => {
                let person =
                    Person { id: Arc::clone(&id), name, since: 0, alias: None, rank: Rank::Nobody };
                out.push(Change::Joined(person.clone()));
                server.people.insert(id, Known { person, seen: now, here: true });
            }
            None => {}
        }
    }

    /// A server said that a person left.
    pub fn left(
        &mut self,
        origin: &Arc<str>,
        id: &str,
        count: Option<u64>,
        now: Instant,
        out: &mut Vec<Change>,
    ) {
        self.heard(origin, None, count, now, out);
        let known = self.0.get_mut(origin).and_then(|server| server.people.remove(id));
        out.extend(known.filter(|it| it.here).map(|it| Change::Left(it.person)));
    }

    fn server(&mut self, origin: &Arc<str>, now: Instant) -> Option<&mut Server> {
        if !self.0.contains_key(origin) && self.0.len() >= MAX_SERVERS {
            return None;
        }
        let new = || Server { heard: now, count: 0, people: HashMap::new() };
        let server = self.0.entry(Arc::clone(origin)).or_insert_with(new);
        server.heard = now;
        Some(server)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The ids of all who are known by name: to be looked for.
    pub fn ids(&self) -> Vec<Arc<str>> {
        self.0.values().flat_map(|server| server.people.keys().cloned()).collect()
    }

    /// All nodes were asked, and these of the ids are there. `all_there`: there are as many servers as are
    /// known.
    pub fn found(
        &mut self,
        ids: &HashSet<Arc<str>>,
        all_there: bool,
        now: Instant,
        out: &mut Vec<Change>,
    ) {
        for server in self.0.values_mut() {
            for (_, known) in server.people.iter_mut().filter(|(id, _)| ids.contains(*id)) {
                known.seen = now;
                server.heard = now;
                if !std::mem::replace(&mut known.here, true) {
                    out.push(Change::Joined(known.person.clone()));
                }
            }
            if all_there {
                server.heard = now;
            }
        }
    }

    /// Who was not seen for a lease leaves.
    pub fn expire(&mut self, lease: Duration, now: Instant, out: &mut Vec<Change>) {
        for server in self.0.values_mut() {
            for known in server.people.values_mut() {
                if known.here && now >= known.seen + lease {
                    known.here = false;
                    out.push(Change::Left(known.person.clone()));
                }
            }
            server.people.retain(|_, known| now < known.seen + lease * FORGOTTEN);
        }
        self.0.retain(|_, server| {
            !server.people.is_empty() || now < server.heard + lease * FORGOTTEN
        });
    }

    /// This node did not run for so long: nobody could be seen.
    pub fn pause(&mut self, time: Duration, now: Instant) {
        let later = |at: &mut Instant| *at = now.min(*at + time);
        for server in self.0.values_mut() {
            later(&mut server.heard);
            server.people.values_mut().for_each(|known| later(&mut known.seen));
        }
    }

    pub fn count(&self, lease: Duration, now: Instant) -> usize {
        self.0.values().map(|server| server.count(lease, now)).sum()
    }

    /// Those who are there and known by name.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.0.values().flat_map(|server| server.here().map(|known| &known.person))
    }
}
