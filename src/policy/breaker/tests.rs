use super::single::{AGENT_SHOWN, BREAKER_MEMORY, FAILURE_MEMORY, MAX_RECORDS, PROOF_TIME};
use super::*;

mod random;

const SETTINGS: BreakerSettings = BreakerSettings {
    failures: 3,
    rest: Duration::from_secs(600),
    longest: Duration::from_secs(3600),
};
const OLD: Kind = Kind { generation: "1.x-2.x", agent: 1 };
const NEW: Kind = Kind { generation: "3.x-4.x", agent: 1 };
const OTHER: Kind = Kind { generation: "3.x-4.x", agent: 2 };
const KINDS: [Kind; 3] = [OLD, NEW, OTHER];

/// An event in a network, or a check. Clients are of the kind [`NEW`], unless the event names another.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// This many seconds pass.
    Pass(u64),
    /// The WebSocket of a client failed: the client's number, the age of the WebSocket in seconds, how it
    /// failed, and the proof that is needed.
    Fails(u64, u64, Evidence, Proof),
    FailsOf(Kind, u64),
    /// The client sends a request on its session.
    Returns(u64),
    /// A client opens a session without a WebSocket.
    ShakesHands,
    Leaves(u64),
    /// A WebSocket starts to carry packets; such a WebSocket ends.
    Carries,
    Carried,
    /// A client asks for a WebSocket, and may open it as the test, or freely, or not at all.
    Tests,
    Free,
    Withheld,
    /// The test fails, or fails if the client is present, or ends without a result.
    TestFails(u64),
    TestBreaks(u64),
    TestTellsNothing,
    /// The state of the breaker; for an open one, the seconds that are left.
    IsClosed,
    IsOpen(u64),
    IsHalfOpen,
}

use Event::*;
use Evidence::{Dropped, Silent};
use Proof::{Given, Request, RequestOrHandshake};

/// A proven failure of a client that is present.
fn silent(client: u64) -> Event {
    Fails(client, 1, Silent, Given)
}

fn state(network: &Network, kind: Kind, now: Instant) -> State {
    let mut reports = network.reports(now);
    reports.find(|report| report.kind == kind).map_or(State::Closed, |report| report.state)
}

fn play(case: &str, events: &[Event]) {
    let (mut network, mut now) = (Network::default(), Instant::now() + FAILURE_MEMORY);
    let fail = |network: &mut Network, kind, failure, now| {
        network.failed(kind, "Agent", failure, now, &SETTINGS);
    };
    for (at, event) in events.iter().enumerate() {
        let what = format!("{case}: event {at}, {event:?}");
        let ask = |network: &mut Network| network.ask(NEW, true, now);
        match *event {
            Pass(seconds) => now += Duration::from_secs(seconds),
            Fails(client, age, evidence, proof) => {
                let opened = now - Duration::from_secs(age);
                let failure = Failure { client, opened, evidence, proof, test: false };
                fail(&mut network, NEW, failure, now);
            }
            FailsOf(kind, client) => {
                let (evidence, proof, opened) = (Silent, Given, now);
                let failure = Failure { client, opened, evidence, proof, test: false };
                fail(&mut network, kind, failure, now);
            }
            Returns(client) => {
                network.client_returned(NEW, super::Returned::Client(client), now, &SETTINGS);
            }
            ShakesHands => {
                network.client_returned(NEW, super::Returned::NewSession, now, &SETTINGS);
            }
            Leaves(client) => network.client_left(NEW, client, now),
            Carries => {
                network.carrying_started(now);
            }
            Carried => network.carrying_ended(now),
            Tests => assert!(matches!(ask(&mut network), Answer::Test { .. }), "{what}"),
            Free => assert_eq!(ask(&mut network), Answer::Allowed, "{what}"),
            Withheld => assert!(matches!(ask(&mut network), Answer::Withheld(_)), "{what}"),
            TestFails(client) => {
                let (evidence, proof, opened) = (Dropped, Given, now);
                let failure = Failure { client, opened, evidence, proof, test: true };
                fail(&mut network, NEW, failure, now);
            }
            TestBreaks(client) => {
                let (evidence, proof, opened) = (Dropped, Request, now);
                let failure = Failure { client, opened, evidence, proof, test: true };
                fail(&mut network, NEW, failure, now);
            }
            TestTellsNothing => network.test_inconclusive(NEW),
            IsClosed => assert_eq!(state(&network, NEW, now), State::Closed, "{what}"),
            IsOpen(left) => {
                let open = State::Open(Duration::from_secs(left));
                assert_eq!(state(&network, NEW, now), open, "{what}");
            }
            IsHalfOpen => assert_eq!(state(&network, NEW, now), State::HalfOpen, "{what}"),
        }
    }
}

#[test]
fn what_is_evidence() {
    let dropped = |client| Fails(client, 1, Dropped, RequestOrHandshake);
    let probe = |client| Fails(client, 1, Silent, Request);
    for (case, events) in [
        ("several clients", vec![silent(1), silent(2), IsClosed, Free, silent(3), IsOpen(600)]),
        ("one client, again and again", vec![silent(1), silent(1), silent(1), silent(1), IsClosed]),
        (
            "one client that comes back each time as another",
            (1..9).flat_map(|n| [silent(n), Leaves(n), Pass(2)]).chain([IsClosed]).collect(),
        ),
        (
            "several clients, which have left since",
            vec![silent(1), silent(2), silent(3)]
                .into_iter()
                .flat_map(|fails| [fails])
                .chain([IsOpen(600), Leaves(1), Leaves(2), Leaves(3), IsOpen(600)])
                .collect(),
        ),
        (
            "two that were there before the third came",
            vec![silent(1), silent(2), Leaves(1), Leaves(2), Pass(2), silent(3), IsClosed],
        ),
        (
            "three at once, of which two have left when the third fails",
            vec![silent(1), silent(2), Leaves(1), Leaves(2), Pass(2)]
                .into_iter()
                .chain([Fails(3, 3, Silent, Given), IsOpen(600)])
                .collect(),
        ),
        (
            "one that outlives others, which come one by one",
            (1..9)
                .flat_map(|n| [silent(n), Leaves(n), Pass(2)])
                .chain([Fails(9, 30, Silent, Given), IsClosed])
                .collect(),
        ),
        (
            "they have left as long ago as is remembered",
            vec![silent(1), silent(2), Leaves(1), Leaves(2), Pass(600)]
                .into_iter()
                .chain([Fails(3, 602, Silent, Given), IsOpen(600)])
                .collect(),
        ),
        (
            "they have left long ago",
            vec![silent(1), silent(2), Leaves(1), Leaves(2), Pass(601)]
                .into_iter()
                .chain([Fails(3, 602, Silent, Given), IsClosed])
                .collect(),
        ),
        ("resets that nobody comes back from", vec![dropped(1), dropped(2), dropped(3), IsClosed]),
        (
            "clients that go on by polling",
            vec![probe(1), probe(2), probe(3), IsClosed, Returns(1), Returns(3), IsClosed]
                .into_iter()
                .chain([Returns(3), IsClosed, Returns(2), IsOpen(600)])
                .collect(),
        ),
        (
            "others that poll",
            vec![probe(1), probe(2), probe(3), Returns(4), Returns(5), Returns(6), IsClosed],
        ),
        (
            "clients that go on just in time",
            vec![probe(1), probe(2), dropped(3), Pass(60), Returns(1), Returns(2), Returns(3)]
                .into_iter()
                .chain([IsOpen(600)])
                .collect(),
        ),
        (
            "clients that go on too late, by whatever they would show it",
            vec![dropped(1), dropped(2), dropped(3), Pass(61), Returns(1), Returns(2), Returns(3)]
                .into_iter()
                .chain([IsClosed])
                .collect(),
        ),
        (
            "clients that go on too late to tell anything",
            vec![probe(1), probe(2), probe(3), Pass(61), Returns(1), Returns(2), Returns(3)]
                .into_iter()
                .chain([IsClosed])
                .collect(),
        ),
        (
            "clients that come back by new sessions at once",
            vec![dropped(1), dropped(2), dropped(3), Leaves(1), Leaves(2), Leaves(3), Pass(1)]
                .into_iter()
                .chain([ShakesHands, ShakesHands, IsClosed, ShakesHands, IsOpen(600)])
                .collect(),
        ),
        (
            "somebody who comes later is not one who comes back",
            vec![dropped(1), dropped(2), dropped(3), Pass(6), ShakesHands, ShakesHands]
                .into_iter()
                .chain([ShakesHands, IsClosed])
                .collect(),
        ),
        (
            "a handshake is nobody's return whose session lives on",
            vec![probe(1), probe(2), probe(3), ShakesHands, ShakesHands, ShakesHands, IsClosed],
        ),
        (
            "clients of several kinds",
            vec![FailsOf(NEW, 1), FailsOf(OTHER, 2), FailsOf(OLD, 3), IsClosed],
        ),
        (
            "clients of another kind",
            vec![FailsOf(OLD, 1), FailsOf(OLD, 2), FailsOf(OLD, 3), IsClosed, Free],
        ),
        (
            "while others do well, for however long",
            vec![Carries, Pass(3600), silent(1), silent(2), silent(3), IsClosed, Free],
        ),
        (
            "after others did well",
            vec![Carries, Carried, Pass(599), silent(1), silent(2), silent(3), IsClosed],
        ),
        (
            "long after others did well",
            vec![Carries, Carried, Pass(600), silent(1), silent(2), silent(3), IsOpen(600)],
        ),
        (
            "what was seen before others did well",
            vec![silent(1), silent(2), Carries, Carried, Pass(700), silent(3), IsClosed],
        ),
    ] {
        play(case, &events);
    }
}

#[test]
fn open_half_open_closed() {
    let opens = [silent(1), silent(2), silent(3), IsOpen(600), Withheld];
    for (case, events) in [
        ("it counts down", vec![Pass(599), IsOpen(1), Withheld, Pass(1), IsHalfOpen]),
        ("failures while it is open", vec![silent(4), silent(5), silent(6), IsOpen(600)]),
        ("one test at a time", vec![Pass(600), Tests, Withheld, IsHalfOpen, Withheld]),
        (
            "a test that tells nothing makes room for the next",
            vec![Pass(600), Tests, Withheld, TestTellsNothing, Tests, Withheld],
        ),
        (
            "a test whose client leaves before it tells anything",
            vec![Pass(600), Tests, Leaves(9), Withheld, TestTellsNothing, IsHalfOpen, Tests],
        ),
        (
            "a test that broke, and nobody comes back from",
            vec![Pass(600), Tests, TestBreaks(9), Withheld, Pass(60), Withheld, Pass(1), Tests],
        ),
        (
            "each failed test doubles the rest, up to the longest",
            [600, 1200, 2400, 3600, 3600]
                .windows(2)
                .enumerate()
                .flat_map(|(n, rests)| {
                    let client = 10 + n as u64;
                    [Pass(rests[0]), Tests, TestFails(client), IsOpen(rests[1]), Withheld]
                })
                .collect(),
        ),
        (
            "failures that are no test while it is half-open",
            vec![Pass(600), silent(4), silent(5), silent(6), IsHalfOpen, Tests, silent(7)]
                .into_iter()
                .chain([IsHalfOpen])
                .collect(),
        ),
        (
            "a success closes it, and the rest begins anew",
            vec![Pass(600), Tests, TestFails(9), IsOpen(1200), Carries, IsClosed, Free, Carried]
                .into_iter()
                .chain([Pass(600), silent(4), silent(5), IsClosed, silent(6), IsOpen(600)])
                .collect(),
        ),
        ("a success while it is open closes it at once", vec![Carries, IsClosed, Free]),
        ("it is forgotten after a day", vec![Pass(600), Pass(24 * 3600 + 1), IsHalfOpen, Tests]),
    ] {
        play(case, &[&opens[..], &events].concat());
    }
}

#[test]
fn what_an_opening_tells() {
    let (mut network, now) = (Network::default(), Instant::now() + FAILURE_MEMORY);
    let mut opened = None;
    for (client, evidence) in [(1, Silent), (2, Dropped), (3, Silent)] {
        let age = Duration::from_secs(10 * client);
        let failure = Failure { client, opened: now - age, evidence, proof: Given, test: false };
        let long = "x".repeat(1000);
        opened = network.failed(NEW, &long, failure, now, &SETTINGS);
    }
    let opened = opened.expect("three are enough");
    let since = now - Duration::from_secs(30);
    assert_eq!(opened.cause, Cause { clients: 3, silent: 2, since });
    assert_eq!((opened.rest, opened.again), (SETTINGS.rest, false));
    assert_eq!(opened.agent.len(), AGENT_SHOWN);
    let closed = network.carrying_started(now);
    assert_eq!(closed, [(NEW, "x".repeat(AGENT_SHOWN).into())]);
    assert_eq!(network.carrying_started(now), [], "that is told once");
}

#[test]
fn off() {
    let off = BreakerSettings { failures: 0, ..SETTINGS };
    let (mut network, now) = (Network::default(), Instant::now());
    for client in 0..100 {
        let (evidence, proof) = (Silent, Given);
        let failure = Failure { client, opened: now, evidence, proof, test: false };
        assert_eq!(network.failed(NEW, "", failure, now, &off), None);
    }
    assert!(network.is_expired(now));
}

#[test]
fn nothing_is_remembered_for_ever() {
    let (mut network, mut now) = (Network::default(), Instant::now() + FAILURE_MEMORY);
    assert!(network.is_expired(now));
    let opened = now;
    let failure = |client, proof| Failure { client, opened, evidence: Silent, proof, test: false };
    network.failed(NEW, "", failure(1, Request), now, &SETTINGS);
    network.failed(OLD, "", failure(2, Given), now, &SETTINGS);
    network.client_left(OLD, 2, now);
    network.carrying_started(now);
    network.carrying_ended(now);
    network.failed(OLD, "", failure(2, Given), now, &SETTINGS);
    assert!(!network.is_expired(now));
    now += FAILURE_MEMORY + Duration::from_secs(1);
    assert!(network.is_expired(now), "it was healthy, and that was long ago");
    for client in 0..3 {
        network.failed(NEW, "", Failure { opened: now, ..failure(client, Given) }, now, &SETTINGS);
    }
    now += SETTINGS.rest;
    assert!(!network.is_expired(now), "half-open");
    now += BREAKER_MEMORY + Duration::from_secs(1);
    assert!(network.is_expired(now), "and never tested");
}

#[test]
fn kinds_and_failures_are_bounded() {
    let (mut network, now) = (Network::default(), Instant::now() + FAILURE_MEMORY);
    for agent in 0..100 {
        for client in 0..100 {
            let (evidence, proof) = (Silent, Request);
            let failure = Failure { client, opened: now, evidence, proof, test: false };
            network.failed(Kind { agent, ..NEW }, "", failure, now, &SETTINGS);
        }
    }
    assert_eq!(network.breaker_count(), MAX_KINDS);
    assert!(network.breakers.iter().all(|one| one.failures.len() == MAX_RECORDS));
    let later = now + PROOF_TIME + Duration::from_secs(1);
    assert!(network.is_expired(later));
}
