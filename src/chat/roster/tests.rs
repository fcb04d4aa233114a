use std::collections::BTreeSet;

use super::*;

const LEASE: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);

fn person(id: &str, name: &str) -> Person {
    Person {
        id: id.into(),
        name: Name::new(name).unwrap(),
        since: 1,
        alias: None,
        rank: Rank::Nobody,
    }
}

/// A node with people of its own, who are told as the room tells them.
struct Node {
    roster: Roster,
    own: Vec<Person>,
    /// What it said of who came and went elsewhere, in order.
    news: Vec<String>,
}

/// What travels between nodes.
#[derive(Clone)]
enum Sent {
    Told(Told),
    Changed(Arc<str>, u64, Delta),
}

/// Nodes, and time. What a node sends arrives at all others at once, unless it is lost.
struct World {
    now: Instant,
    nodes: Vec<Node>,
    /// Who hears whom: nodes of one side.
    side: Vec<usize>,
    /// Whether those nodes run.
    runs: Vec<bool>,
}

impl World {
    fn new(count: usize) -> Self {
        let node = |number: usize| Node {
            roster: Roster::new(format!("node {number}").into(), LEASE),
            own: Vec::new(),
            news: Vec::new(),
        };
        let nodes = (0..count).map(node).collect();
        let mut world =
            World { now: Instant::now(), nodes, side: vec![0; count], runs: vec![true; count] };
        world.pass(SECOND);
        world
    }

    fn handle(&mut self, at: usize, effects: Effects) {
        let Effects { changes, tell, list_due, .. } = effects;
        for change in changes {
            self.nodes[at].news.push(match change {
                Change::Joined(person) => format!("+{}", person.name),
                Change::Left(person) => format!("-{}", person.name),
            });
        }
        tell.into_iter().for_each(|told| self.send(at, &Sent::Told(told)));
        if list_due {
            let Node { roster, own, .. } = &self.nodes[at];
            let parts = own.len().div_ceil(2).max(1);
            let lists: Vec<_> = (0..parts)
                .map(|part| {
                    let people = own.iter().skip(2 * part).take(2);
                    let people = people
                        .map(|it| (it.id.clone(), it.name.to_string(), it.since, None, it.rank));
                    let (node, seq) = (roster.me().clone(), roster.seq());
                    Told::People { node, seq, at: part, parts, people: people.collect() }
                })
                .collect();
            lists.into_iter().for_each(|list| self.send(at, &Sent::Told(list)));
        }
    }

    fn send(&mut self, from: usize, sent: &Sent) {
        for to in 0..self.nodes.len() {
            if to != from && self.side[to] == self.side[from] && self.runs[to] {
                self.arrive(to, sent.clone());
            }
        }
    }

    fn arrive(&mut self, to: usize, sent: Sent) {
        let (roster, now) = (&mut self.nodes[to].roster, self.now);
        let effects = match sent {
            Sent::Told(told) => roster.told(told, now),
            Sent::Changed(node, seq, delta) => roster.changed(node, seq, delta, now),
        };
        self.handle(to, effects);
    }

    fn joins(&mut self, at: usize, id: &str, name: &str) -> Sent {
        let node = &mut self.nodes[at];
        node.own.push(person(id, name));
        let delta = Delta::Joined(person(id, name));
        Sent::Changed(node.roster.me().clone(), node.roster.next_seq(), delta)
    }

    fn leaves(&mut self, at: usize, id: &str) -> Sent {
        let node = &mut self.nodes[at];
        node.own.retain(|person| *person.id != *id);
        Sent::Changed(node.roster.me().clone(), node.roster.next_seq(), Delta::Left(id.into()))
    }

    fn join(&mut self, at: usize, name: &str) {
        let sent = self.joins(at, &format!("{name} at {at}"), name);
        self.send(at, &sent);
    }

    fn leave(&mut self, at: usize, name: &str) {
        let sent = self.leaves(at, &format!("{name} at {at}"));
        self.send(at, &sent);
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += SECOND / 4;
            for at in 0..self.nodes.len() {
                if self.runs[at] {
                    let effects = self.nodes[at].roster.tick(self.now);
                    self.handle(at, effects);
                }
            }
        }
    }

    fn news(&mut self, at: usize) -> Vec<String> {
        std::mem::take(&mut self.nodes[at].news)
    }

    /// Everybody knows everybody, once.
    fn assert_agreed(&self) {
        let all = |own: &Node| own.own.iter().map(|it| it.id.to_string()).collect::<Vec<_>>();
        let total: usize = self.nodes.iter().map(|node| node.own.len()).sum();
        for node in &self.nodes {
            let elsewhere = node.roster.people().map(|it| it.id.to_string());
            let known: Vec<_> = elsewhere.chain(all(node)).collect();
            assert_eq!(known.len(), total, "{known:?}");
            assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), total, "{known:?}");
            assert_eq!(node.roster.count(self.now) + node.own.len(), total);
        }
    }
}

#[test]
fn people_of_all_nodes_are_known_on_all() {
    let mut world = World::new(3);
    world.join(0, "ann");
    world.join(1, "bob");
    world.join(2, "cid");
    world.assert_agreed();
    assert_eq!(world.news(0), ["+bob", "+cid"]);
    world.leave(1, "bob");
    world.assert_agreed();
    assert_eq!(world.news(0), ["-bob"]);
    assert_eq!(world.news(2), ["+ann", "+bob", "-bob"]);
}

#[test]
fn a_newcomer_learns_of_all_who_are_there() {
    let mut world = World::new(2);
    (0..7).for_each(|number| world.join(0, &format!("p{number}")));
    world.nodes[1].roster = Roster::new("a new one".into(), LEASE);
    world.news(1);
    world.pass(LEASE / BEATS + SECOND);
    assert_eq!(world.news(1).len(), 7);
    assert_eq!(world.nodes[1].roster.count(world.now), 7);
}

#[test]
fn what_was_lost_or_comes_out_of_order_is_repaired() {
    let mut world = World::new(2);
    let lost = world.joins(0, "1", "lost");
    world.join(0, "ann");
    // The node hears of ann, of whom it cannot say whether something came between: it asks, and waits.
    assert!(world.news(1).is_empty());
    world.pass(SECOND);
    world.assert_agreed();
    assert_eq!(world.news(1).len(), 2);
    // Old news that come late change nothing.
    world.arrive(1, lost);
    assert!(world.news(1).is_empty());
    let sent = [world.joins(0, "2", "bob"), world.leaves(0, "1"), world.joins(0, "3", "cid")];
    for number in [2, 0, 1] {
        world.arrive(1, sent[number].clone());
    }
    assert_eq!(world.news(1), ["+bob", "-lost", "+cid"]);
    world.assert_agreed();
    // The last change is lost: the next signs of life tell.
    world.joins(0, "4", "dan");
    world.pass(2 * LEASE / BEATS + SECOND);
    world.assert_agreed();
    assert_eq!(world.news(1), ["+dan"]);
}

#[test]
fn news_that_overtake_a_list_are_not_undone_by_it() {
    let mut world = World::new(2);
    world.join(0, "ann");
    world.news(1);
    world.side[1] = 1;
    world.join(0, "bob");
    let list = |world: &World| {
        let Node { roster, own, .. } = &world.nodes[0];
        let people =
            own.iter().map(|it| (it.id.clone(), it.name.to_string(), 1, None, it.rank)).collect();
        let (node, seq) = (roster.me().clone(), roster.seq());
        Sent::Told(Told::People { node, seq, at: 0, parts: 1, people })
    };
    let old = list(&world);
    let sent = [world.joins(0, "3", "cid"), world.leaves(0, "bob at 0")];
    sent.into_iter().for_each(|sent| world.arrive(1, sent));
    assert!(world.news(1).is_empty(), "something is missing before that");
    world.arrive(1, old);
    assert_eq!(world.news(1), ["+bob", "+cid", "-bob"]);
    let (older, newer) = (list(&world), world.joins(0, "4", "dan"));
    world.arrive(1, newer);
    world.arrive(1, older);
    assert_eq!(world.news(1), ["+dan"]);
    world.side[1] = 0;
    world.assert_agreed();
}

#[test]
fn people_of_a_node_that_was_killed_leave_after_the_lease_and_not_before() {
    let mut world = World::new(3);
    world.join(0, "ann");
    world.join(2, "cid");
    [0, 1].iter().for_each(|at| drop(world.news(*at)));
    // Just before it would have said again that it is there.
    world.pass(LEASE / BEATS - SECOND / 2);
    world.runs[2] = false;
    world.pass(LEASE - LEASE / BEATS - SECOND);
    for at in [0, 1] {
        assert!(world.news(at).is_empty(), "not before the lease is over");
    }
    world.pass(LEASE / BEATS + SECOND);
    for at in [0, 1] {
        assert_eq!(world.news(at), ["-cid"], "within a lease of its end");
    }
    assert_eq!(world.nodes[0].roster.nodes().count(), 1);
}

#[test]
fn who_did_not_run_does_not_take_others_for_gone() {
    let mut world = World::new(2);
    world.join(0, "ann");
    world.join(1, "bob");
    [0, 1].iter().for_each(|at| drop(world.news(*at)));
    // As after SIGSTOP for longer than a lease: the others have said nothing that was heard.
    world.runs[1] = false;
    world.pass(LEASE + SECOND);
    assert_eq!(world.news(0), ["-bob"]);
    world.runs[1] = true;
    world.pass(LEASE / BEATS + 2 * SECOND);
    assert!(world.news(1).is_empty());
    assert_eq!(world.news(0), ["+bob"], "it is back");
    world.assert_agreed();
}

#[test]
fn who_leaves_gracefully_leaves_at_once() {
    let mut world = World::new(3);
    ["ann", "bob"].iter().for_each(|name| world.join(0, name));
    world.news(1);
    let bye = Told::Bye { node: world.nodes[0].roster.me().clone() };
    world.send(0, &Sent::Told(bye));
    assert_eq!(world.news(1).len(), 2);
    assert_eq!(world.nodes[2].roster.count(world.now), 0);
}

#[test]
fn a_partition_heals_without_doubles_or_ghosts() {
    let mut world = World::new(3);
    world.join(0, "ann");
    world.join(1, "bob");
    world.join(2, "cid");
    (0..3).for_each(|at| drop(world.news(at)));
    world.side[2] = 1;
    world.pass(LEASE + 3 * SECOND);
    assert_eq!(world.news(0), ["-cid"]);
    let mut left = world.news(2);
    left.sort();
    assert_eq!(left, ["-ann", "-bob"]);
    // Meanwhile they come and go on both sides, known to their own side alone.
    world.leave(0, "ann");
    world.join(0, "dan");
    world.leave(2, "cid");
    world.join(2, "eve");
    (0..3).for_each(|at| drop(world.news(at)));
    world.side[2] = 0;
    world.pass(LEASE / BEATS + 2 * SECOND);
    world.assert_agreed();
    assert_eq!(world.news(0), ["+eve"]);
    let mut came = world.news(2);
    came.sort();
    assert_eq!(came, ["+bob", "+dan"]);
    // Short ones are not noticed by anybody.
    world.side[2] = 1;
    world.pass(LEASE / 2);
    world.join(0, "fay");
    world.side[2] = 0;
    world.pass(LEASE / BEATS * 2 + 2 * SECOND);
    world.assert_agreed();
    assert_eq!(world.news(2), ["+fay"]);
    assert!(world.news(1).iter().all(|news| !news.starts_with('-')));
}

#[test]
fn one_of_those_who_are_there_speaks_for_one_who_is_lost() {
    let mut world = World::new(3);
    world.join(0, "ann");
    world.runs[0] = false;
    let mut spoke = Vec::new();
    for _ in 0..100 {
        world.now += SECOND / 4;
        for at in [1, 2] {
            let effects = world.nodes[at].roster.tick(world.now);
            if !effects.lost.is_empty() {
                let names: Vec<_> =
                    effects.lost[0].1.iter().map(|it| it.name.to_string()).collect();
                spoke.push((at, world.nodes[at].roster.is_first(), names));
            }
            world.handle(at, effects);
        }
    }
    let names = vec!["ann".to_owned()];
    assert_eq!(spoke, [(1, true, names.clone()), (2, false, names)]);
    world.runs[0] = true;
    let list = Told::People {
        node: "node 0".into(),
        seq: 1,
        at: 0,
        parts: 1,
        people: vec![("1".into(), "ann".into(), 1, None, Rank::Nobody)],
    };
    let effects = world.nodes[1].roster.told(list, world.now);
    assert_eq!(effects.back.len(), 1, "it is back, and servers of Node are to hear of it");
}

#[test]
fn people_of_servers_of_node_are_known_by_what_is_said() {
    let (mut roster, mut now) = (Roster::new("me".into(), LEASE), Instant::now());
    let origin: Arc<str> = "abc123".into();
    let ann = || Some((Arc::from("s1"), Name::new("ann").unwrap()));
    let mut out = Vec::new();
    // One came; three were there before us.
    roster.stock.heard(&origin, ann(), Some(4), now, &mut out);
    assert_eq!((roster.count(now), roster.people().count()), (4, 1));
    // One of them speaks.
    let bob = Some((Arc::from("s2"), Name::new("bob").unwrap()));
    roster.stock.heard(&origin, bob, None, now, &mut out);
    assert_eq!((roster.count(now), roster.people().count()), (4, 2));
    roster.stock.left(&origin, "s1", Some(3), now, &mut out);
    assert_eq!((roster.count(now), roster.people().count()), (3, 1));
    let told = std::mem::take(&mut out);
    assert!(
        matches!(&told[..], [Change::Joined(_), Change::Joined(_), Change::Left(ann)] if *ann.id == *"s1")
    );
    // They are looked for, and found; all others of the server are with them.
    let found = HashSet::from([Arc::from("s2")]);
    for _ in 0..10 {
        now += LEASE / 2;
        assert_eq!(roster.stock.ids(), [Arc::from("s2")]);
        roster.stock.found(&found, false, now, &mut out);
        roster.tick(now);
        assert_eq!((roster.count(now), out.len()), (3, 0));
    }
    // The server is killed: nobody is found any more.
    let mut left = Vec::new();
    for _ in 0..16 {
        now += SECOND;
        roster.stock.found(&HashSet::new(), false, now, &mut out);
        left.extend(roster.tick(now).changes);
    }
    assert_eq!(left.len(), 1);
    assert_eq!((roster.count(now), roster.people().count()), (0, 0));
    // It was the network alone: they are found again.
    roster.stock.found(&found, true, now, &mut out);
    assert_eq!((roster.count(now), out.len()), (3, 1));
    // A number that nobody believes.
    roster.stock.heard(&origin, None, Some(u64::MAX), now, &mut out);
    assert_eq!(roster.count(now), 3);
}

#[test]
fn what_others_say_takes_bounded_memory() {
    let (mut roster, now) = (Roster::new("me".into(), LEASE), Instant::now());
    let mut out = Vec::new();
    for number in 0..2000 {
        let node: Arc<str> = format!("n{number}").into();
        roster.told(Told::Here { node: node.clone(), seq: 1 }, now);
        roster.stock.heard(&node, None, Some(1), now, &mut out);
    }
    assert_eq!(roster.nodes().count(), MAX_NODES);
    assert!(roster.stock.len() <= 64);
    // Changes that never get their place.
    let mut peer = Peer::new(now, 1);
    for seq in 5..50_000 {
        peer.change(seq, Delta::Left("x".into()), now, &mut out);
    }
    // A list that is larger than any node has people, and one with parts missing.
    let people = |count: usize| (0..count).map(|n| person(&n.to_string(), "p")).collect::<Vec<_>>();
    for at in 0..201 {
        peer.list(100_000, (at, 300), people(500), &mut out);
    }
    peer.list(100_001, (0, 3), people(1), &mut out);
    peer.list(100_001, (2, 3), people(1), &mut out);
    assert!(peer.people().is_empty() && out.is_empty());
}

#[test]
fn of_a_room_that_several_nodes_tell_of_the_largest_number_counts_while_they_are_there() {
    let mut world = World::new(4);
    let rooms = |world: &World| {
        let rooms = world.nodes[0].roster.rooms();
        rooms.into_iter().map(|(name, people)| format!("{name} {people}")).collect::<Vec<_>>()
    };
    for (from, told) in [(1, vec![("/a", 2), ("/b", 1)]), (2, vec![("/a", 5)]), (3, vec![])] {
        let node = world.nodes[from].roster.me().clone();
        let told = told.into_iter().map(|(name, people)| (name.into(), people)).collect();
        world.send(from, &Sent::Told(Told::Rooms { node, rooms: told }));
    }
    assert_eq!(rooms(&world), ["/a 5", "/b 1"]);
    let node = world.nodes[2].roster.me().clone();
    world.send(2, &Sent::Told(Told::Bye { node }));
    assert_eq!(rooms(&world), ["/a 2", "/b 1"]);
    world.runs[1] = false;
    world.pass(LEASE + SECOND);
    assert_eq!(rooms(&world), Vec::<String>::new());
}
