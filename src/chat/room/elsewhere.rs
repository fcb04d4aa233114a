//! What comes from other nodes, and what is told to them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::rename::Renamed;
use super::{Input, Room};
use crate::chat::chat_protocol::{ChatProtocol, Notice};
use crate::chat::name::Name;
use crate::chat::roles::Rank;
use crate::chat::roster::{
    BEATS, Change, Delta, EVENT, Effects, Listed, PART, Person, Roster, Told,
};
use crate::chat::words::{self, Mark};
use crate::engine::Sid;
use crate::socketio::{Adapter, Args, ClusterLink, Flags, Packet, Selector, Taken};

/// Names in the news of one moment. Of more there are only numbers: pages ask who is there.
const TOLD: usize = 100;
/// From so many changes on, all names are put in order first.
const MANY: usize = 8;

/// Somebody of this node with a name.
#[derive(Debug, Clone)]
struct Own {
    sid: Sid,
    since: u64,
    alias: Option<Arc<str>>,
    has_account: bool,
}

/// Who was looked for on all nodes.
#[derive(Debug)]
pub(in crate::chat) struct Found {
    ids: HashSet<Arc<str>>,
    /// How many nodes have the namespace, this one included.
    nodes: usize,
}

impl Room {
    /// All members of all nodes are reached by this adapter from now on.
    pub(super) fn serve(&mut self, adapter: Weak<dyn Adapter>) {
        let clustered = adapter.upgrade().is_some_and(|adapter| adapter.status().is_clustered());
        self.adapter = Some(adapter);
        if clustered {
            let mut name = [0; 8];
            // Without randomness no session opens: there is nobody to tell of.
            let _ = getrandom::fill(&mut name);
            let me = format!("{:016x}", u64::from_ne_bytes(name)).into();
            self.roster = Some(Roster::new(me, self.shared.settings.node_timeout));
            self.tick();
        }
    }

    /// The name of this node, also when it has left.
    pub(super) fn node_name(&self) -> Option<Arc<str>> {
        self.roster.as_ref().map(Roster::me).or(self.parted.as_ref()).cloned()
    }

    pub(super) fn adapter(&self) -> Option<Arc<dyn Adapter>> {
        self.adapter.as_ref()?.upgrade()
    }

    /// Another node said that somebody came or went. `None` if it cannot be read.
    pub(super) fn take_change(&mut self, taken: &Taken, word: &str) -> Option<()> {
        let (said, now) = (taken.packet.args.values.first()?.as_object()?, Instant::now());
        match words::mark(said) {
            Some(Mark { node, seq: Some(seq), since, alias, rank }) => {
                let id = Arc::clone(words::speaker(&taken.selector)?);
                let name = said.get("username").and_then(Value::as_str);
                let delta = match name.and_then(|name| Name::read(name).ok()) {
                    Some(name) if word == words::JOINED => {
                        Delta::Joined(Person { id, name, since, alias, rank })
                    }
                    _ => Delta::Left(id),
                };
                let effects = self.roster.as_mut()?.changed(node, seq, delta, now);
                self.apply(effects);
            }
            // Said for servers of Node: who is on the node tells itself.
            Some(_) => {}
            None => self.take_stock_change(taken, word, said, now)?,
        }
        Some(())
    }

    /// A server of Node said that somebody came or went.
    fn take_stock_change(
        &mut self,
        taken: &Taken,
        word: &str,
        said: &Map<String, Value>,
        now: Instant,
    ) -> Option<()> {
        let (origin, roster) = (taken.origin.as_ref()?, self.roster.as_mut()?);
        let id = Arc::clone(words::speaker(&taken.selector)?);
        let count = said.get("numUsers").and_then(Value::as_u64);
        let mut changes = Vec::new();
        if word == words::LEFT {
            roster.stock.left(origin, &id, count, now, &mut changes);
        } else {
            let name = said.get("username").and_then(Value::as_str);
            let person = name.and_then(|name| Name::new(name).ok()).map(|name| (id, name));
            roster.stock.heard(origin, person, count, now, &mut changes);
        }
        self.news(changes, false);
        Some(())
    }

    /// Somebody said something. If it is somebody of a server of Node, that is how they are known who were
    /// there before this node.
    pub(super) fn seen(&mut self, taken: &Taken, name: Option<&Name>) {
        let (Some(origin), Some(name)) = (&taken.origin, name) else { return };
        let (Some(id), Some(roster)) = (words::speaker(&taken.selector), &mut self.roster) else {
            return;
        };
        let mut changes = Vec::new();
        let person = (Arc::clone(id), name.clone());
        roster.stock.heard(origin, Some(person), None, Instant::now(), &mut changes);
        self.nicknames_due |= !changes.is_empty();
        self.count_elsewhere();
    }

    /// Another node told something.
    pub(super) fn told(&mut self, told: Told) {
        let Some(roster) = &mut self.roster else { return };
        let effects = roster.told(told.clone(), Instant::now());
        self.apply(effects);
        match told {
            Told::Claim { node, claim, name, alias, before } => {
                self.claimed_elsewhere(node, claim, &name, alias.as_ref(), before.as_ref());
            }
            Told::Claimed { node, to, claim, taken }
                if self.roster.as_ref().is_some_and(|roster| *roster.me() == to) =>
            {
                self.claim_answered(&node, claim, taken);
            }
            told => self.told_by_moderator(told),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self) {
        let (now, adapter) = (Instant::now(), self.adapter());
        self.tick_common(now);
        let Some(roster) = &mut self.roster else { return };
        let effects = roster.tick(now);
        self.apply(effects);
        self.settle_claims(now);
        self.settle_searches(now);
        // A connection that is just being made, or made anew, is nothing to tell of.
        let blip = self.shared.settings.node_timeout / 15;
        let link = adapter.map(|adapter| adapter.status().link);
        let alone = matches!(link, Some(ClusterLink::Down(since)) if now >= since + blip);
        if self.alone != alone {
            self.alone = alone;
            self.counted.set_alone(alone);
            match alone {
                _ if !self.counted.is_lobby() => {}
                true => warn!("other nodes cannot be reached: the chat goes on here alone"),
                false => info!("other nodes can be reached again"),
            }
            self.send_status();
        }
        let beat = self.shared.settings.node_timeout / BEATS;
        if !self.looking && self.looked.is_none_or(|looked| now >= looked + beat) {
            self.look(now);
        }
    }

    /// Asks all nodes whether the people of servers of Node are still there.
    fn look(&mut self, now: Instant) {
        self.looked = Some(now);
        let (Some(adapter), Some(roster)) = (self.adapter(), &self.roster) else { return };
        if roster.stock.len() == 0 {
            return;
        }
        self.looking = true;
        let selector = Selector { rooms: roster.stock.ids(), except: Vec::new() };
        let timeout = Some(self.shared.settings.node_timeout / BEATS);
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            // Who does not answer is not seen; who does is.
            let found = match selector.rooms.is_empty() {
                true => Vec::new(),
                false => {
                    let flags = Flags { timeout, ..Flags::default() };
                    let fetched = adapter.fetch(selector, flags).await;
                    fetched.unwrap_or_else(|incomplete| incomplete.answers)
                }
            };
            let ids = found.into_iter().map(|socket| socket.id.into()).collect();
            let nodes = adapter.server_count().await;
            drop(adapter);
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Input::Found(Found { ids, nodes })).await;
            }
        });
    }

    pub(super) fn found(&mut self, found: &Found) {
        self.looking = false;
        let Some(roster) = &mut self.roster else { return };
        let known = 1 + roster.nodes().count() + roster.stock.len();
        let mut changes = Vec::new();
        roster.stock.found(&found.ids, found.nodes >= known, Instant::now(), &mut changes);
        self.news(changes, false);
    }

    fn apply(&mut self, effects: Effects) {
        let Effects { changes, tell, list_due, rooms_due, lost, back } = effects;
        tell.iter().for_each(|told| self.tell(told));
        if list_due {
            self.tell_people();
        }
        if rooms_due {
            self.tell_rooms(Instant::now());
        }
        if !lost.is_empty() {
            let nodes = lost.len();
            info!(nodes, "other nodes were silent for too long: their people left");
        }
        self.news(changes, true);
        if self.roster.as_ref().is_some_and(|roster| roster.is_first()) {
            for (word, nodes) in [(words::LEFT, lost), (words::JOINED, back)] {
                for (node, people) in nodes {
                    self.say_for(&node, word, people.iter().map(|it| (&*it.id, &it.name)));
                }
            }
        }
    }

    /// Tells something to the other nodes of this chat.
    pub(super) fn tell(&self, told: &Told) {
        let Some(adapter) = self.adapter() else { return };
        let packet = Packet { name: EVENT.to_owned(), args: Args::from(vec![told.written()]) };
        match told.is_renewed() {
            true => adapter.server_side_renew(packet),
            false => adapter.server_side_emit(packet),
        }
    }

    /// Tells the other nodes who is here.
    fn tell_people(&self) {
        let Some(roster) = &self.roster else { return };
        let all = self.named().map(|(sid, name, since, alias)| {
            let (id, rank) = (Arc::from(sid.as_str()), self.rank_of(sid));
            (id, name.written().to_owned(), since, alias.cloned(), rank)
        });
        let all: Vec<Listed> = all.collect();
        let parts = all.len().div_ceil(PART).max(1);
        for at in 0..parts {
            let people = all.iter().skip(at * PART).take(PART).cloned().collect();
            let (node, seq) = (roster.me().clone(), roster.seq());
            self.tell(&Told::People { node, seq, at, parts, people });
        }
    }

    /// Tells servers of Node of people of a node that does not tell by itself.
    pub(super) fn say_for<'a>(
        &self,
        node: &Arc<str>,
        word: &str,
        people: impl ExactSizeIterator<Item = (&'a str, &'a Name)>,
    ) {
        let Some(adapter) = self.adapter() else { return };
        let users = self.people();
        for (id, name) in people.take(TOLD) {
            let (node, rank) = (Arc::clone(node), Rank::Nobody);
            let mark = Mark { node, seq: None, since: 0, alias: None, rank };
            let packet = words::change(word, name, users, &mark);
            adapter.broadcast(packet, words::to_others(id), Flags::default());
        }
    }

    fn count_elsewhere(&mut self) {
        if let Some(roster) = &self.roster {
            let (nodes, now) = (roster.nodes().count() + roster.stock.len(), Instant::now());
            self.counted.set_elsewhere(nodes, roster.count(now));
            self.counted.set_in_room(self.people());
        }
    }

    /// Tells members who came and went elsewhere. `checked`: these are people of nodes whose names are
    /// nobody else's, if names have to be.
    fn news(&mut self, changes: Vec<Change>, checked: bool) {
        for change in &changes {
            match change {
                Change::Joined(person) => self.aliases.came_elsewhere(person.alias.as_ref()),
                Change::Left(person) => self.aliases.went_elsewhere(person.alias.as_ref()),
            }
            self.ranked.follow(change);
        }
        self.count_elsewhere();
        if changes.is_empty() {
            return;
        }
        self.nicknames_due = true;
        let renamed = self.follow_all(&changes);
        let unique = checked && !self.shared.settings.duplicate_names;
        let here = if unique { self.own_names() } else { HashMap::new() };
        let (mut lost, mut back) = (HashSet::new(), Vec::new());
        let mut told = 0;
        let holders = (unique && changes.len() >= MANY).then(|| self.holders());
        for change in &changes {
            let (Change::Joined(person) | Change::Left(person)) = change;
            let (joined, alias) = (matches!(change, Change::Joined(_)), person.alias.as_ref());
            if joined && alias.is_some() {
                back.extend(self.away.take(|absent| absent.alias.as_ref() == alias));
            }
            if joined && unique {
                let own =
                    person.name.skeleton().forms().filter_map(|form| here.get(form)).flatten();
                // The same person may have it twice.
                let others = own.filter(|own| alias.is_none() || own.alias.as_ref() != alias);
                let is_guest = !person.name.is_verified();
                let later = |own: &&Own| {
                    (is_guest, person.since, &*person.id)
                        < (!own.has_account, own.since, own.sid.as_str())
                };
                lost.extend(others.filter(later).map(|own| own.sid));
            }
            // Somebody else has the name, or has it as well, or is there already: for members, nothing has
            // changed.
            let others = |person: &Person| {
                let others = match &holders {
                    _ if !unique => 0,
                    Some(all) => all.get(person.name.written()).copied().unwrap_or_default(),
                    None => self.holders_of(&person.name),
                };
                others.max(self.aliases.count(person.alias.as_ref()))
            };
            let followers = renamed.get(&person.id).map_or(0, |(_, followers)| *followers);
            let is_news = others(person) <= usize::from(joined) + followers;
            match renamed.get(&person.id) {
                _ if told >= TOLD => {}
                // It is told with the other.
                Some(_) if !joined => {}
                // Another role: nobody is told of it.
                Some((before, _)) if before.name == person.name && before.alias == person.alias => {
                }
                Some((before, _)) => {
                    let is_same = alias.is_some() && before.alias.as_ref() == alias;
                    let left = if is_same { is_news } else { others(before) == 0 };
                    let before = before.name.clone();
                    told += usize::from(left || is_news);
                    let renamed = Renamed { before, left, joined: is_news };
                    self.tell_renamed(None, ChatProtocol::Users, &renamed, &person.name, None);
                }
                None if is_news => {
                    told += 1;
                    self.notice(None, ChatProtocol::Users, joined, &person.name, None);
                }
                None => {}
            }
        }
        back.into_iter().for_each(|absent| self.gone(absent));
        lost.iter().for_each(|sid| self.lose_name(sid));
    }

    /// This node's people: their sockets, names, since when, and aliases. Who is away for a moment is among them.
    pub(super) fn named(&self) -> impl Iterator<Item = (&Sid, &Name, u64, Option<&Arc<str>>)> {
        let named = self.members.iter().filter_map(|(sid, it)| {
            Some((sid, it.name.as_ref()?, it.socket.handshake().issued, it.alias.as_ref()))
        });
        let away = self.away.iter();
        let away = away.map(|it| (&it.sid, &it.name, it.since, it.alias.as_ref()));
        named.chain(away)
    }

    /// This node's people by all forms of their names.
    fn own_names(&self) -> HashMap<Box<str>, Vec<Own>> {
        let mut all: HashMap<Box<str>, Vec<Own>> = HashMap::new();
        for (sid, name, since, alias) in self.named() {
            let has_account = name.is_verified();
            let own = Own { sid: *sid, since, alias: alias.cloned(), has_account };
            for form in name.skeleton().forms() {
                all.entry(form.into()).or_default().push(own.clone());
            }
        }
        all
    }

    /// How many people of nodes of this chat have a name.
    fn holders_of(&self, name: &Name) -> usize {
        let here = self.named().filter(|(_, own, ..)| *own == name);
        let elsewhere = self.roster.iter().flat_map(|roster| roster.of_peers());
        here.count() + elsewhere.filter(|person| person.name == *name).count()
    }

    fn holders(&self) -> HashMap<Box<str>, usize> {
        let here = self.named().map(|(_, name, ..)| name);
        let elsewhere = self.roster.iter().flat_map(|roster| roster.of_peers());
        let mut holders = HashMap::new();
        for name in here.chain(elsewhere.map(|person| &person.name)) {
            *holders.entry(name.written().into()).or_default() += 1;
        }
        holders
    }

    /// Whether members know the name as somebody else's as well, which is so for a moment only: one of
    /// both loses it.
    pub(super) fn is_double(&self, name: &Name) -> bool {
        let unique = !self.shared.settings.duplicate_names;
        let mut elsewhere = self.roster.iter().flat_map(|roster| roster.of_peers());
        unique && elsewhere.any(|person| person.name == *name)
    }

    /// Tells all members but the one at a place that somebody came or went.
    pub(super) fn notice(
        &self,
        except: Option<usize>,
        default: ChatProtocol,
        joined: bool,
        name: &Name,
        offset: Option<&Arc<str>>,
    ) {
        let users = self.people();
        let notice = match joined {
            true => Notice::Joined { name, users },
            false => Notice::Left { name, users },
        };
        self.deliver(except, default, &notice, offset);
    }
}

/// How often the room looks at the clock.
pub(in crate::chat) fn tick_time(node_timeout: Duration) -> Duration {
    (node_timeout / 60).clamp(Duration::from_millis(10), Duration::from_millis(250))
}

/// Notes what could not be taken in, for lack of room.
pub(in crate::chat) fn log_missed() {
    debug!("other nodes say more than the room can take in: some of it is lost");
}
