//! What is pushed, and its way to the client: with a poll, on a stream, under a cork.

use shuttle::thread::{self, JoinHandle};

use super::clients::{Told, UPGRADED, poller, streamer, upgrader};
use super::*;
use crate::dialect::Frame;

fn open(transport: &'static TransportInfo) -> (Engine, Arc<Session>) {
    let engine = Engine::new(Limits::default(), Deaf);
    let session = engine.open(new_session(transport)).unwrap();
    (engine, session)
}

fn push(session: &Arc<Session>, whom: char, number: usize) {
    session.push(&[Frame::Text(format!("{whom}{number}").into())], Delivery::Reliable);
}

/// Pushes so many packets, some of them under a cork.
fn pusher(session: &Arc<Session>, whom: char, corked: bool) -> JoinHandle<()> {
    let session = Arc::clone(session);
    thread::spawn(move || {
        let mut cork = Cork::default();
        let mut number = 0;
        while number < EACH {
            let some = if corked { 1 + usize::from(chance(2)) } else { 1 };
            let some = number..EACH.min(number + some);
            number = some.end;
            let work = || some.for_each(|number| push(&session, whom, number));
            if !corked {
                work();
                continue;
            }
            cork.hold(work);
            if chance(2) {
                block_on(cork.release());
            }
        }
    })
}

/// Packets that each pusher pushes.
const EACH: usize = 4;

/// When the session ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    /// At any time.
    Early,
    /// When all was pushed.
    Pushed,
    /// When all has arrived, by itself.
    Arrived,
}

impl End {
    fn any() -> Self {
        [End::Early, End::Pushed, End::Arrived][thread_rng().gen_range(0..3)]
    }
}

/// Two push to one client while the session may end. If it ends after them and is to say so, all
/// has to arrive.
fn push_to(
    transport: &'static TransportInfo,
    client: fn(&Arc<Session>, Arc<Told>) -> JoinHandle<()>,
    corked: [bool; 2],
) {
    let (engine, session) = open(transport);
    let told = Arc::new(Told::default());
    let client = client(&session, Arc::clone(&told));
    let pushers = [('a', corked[0]), ('b', corked[1])];
    let pushers = pushers.map(|(whom, corked)| pusher(&session, whom, corked));
    let says_so = chance(2);
    let reason = if says_so { CloseReason::ServerClosed } else { CloseReason::PingTimeout };
    let end = End::any();
    if end == End::Early {
        session.close(reason);
    }
    pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
    if end == End::Arrived {
        told.wait(|texts| ['a', 'b'].iter().all(|whom| of(*whom, texts).len() == EACH));
    }
    session.close(reason);
    client.join().unwrap();
    finish(&engine);
    let told = told.texts.lock().unwrap().clone();
    let came = ['a', 'b'].map(|whom| count(whom, &told));
    assert!(came == [EACH; 2] || !(end == End::Pushed && says_so), "{told:?}");
}

#[test]
fn polls_that_are_answered_while_they_park() {
    explore(|| push_to(&POLLING, poller, [false; 2]));
}

#[test]
fn polls_under_a_cork() {
    explore(|| push_to(&POLLING, poller, [true; 2]));
    explore(|| push_to(&POLLING, poller, [true, false]));
}

#[test]
fn a_stream_that_is_written_to_while_its_task_is_at_work() {
    explore(|| push_to(&SOCKET, streamer, [false; 2]));
}

#[test]
fn a_stream_under_a_cork() {
    explore(|| push_to(&SOCKET, streamer, [true; 2]));
    explore(|| push_to(&SOCKET, streamer, [true, false]));
}

#[test]
fn an_upgrade_while_packets_are_on_their_way() {
    explore(|| {
        let (engine, session) = open(&POLLING);
        let told = [0; 2].map(|_| Arc::new(Told::default()));
        let clients =
            [poller(&session, Arc::clone(&told[0])), upgrader(&session, Arc::clone(&told[1]))];
        let pushers = ['a', 'b'].map(|whom| pusher(&session, whom, false));
        let end = End::any();
        if end == End::Early {
            session.close(CloseReason::ServerClosed);
        }
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        if end == End::Arrived {
            told[1].wait(|texts| texts.iter().any(|text| text == UPGRADED));
        }
        session.close(CloseReason::ServerClosed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        finish(&engine);
        let [polled, streamed] = told.map(|told| told.texts.lock().unwrap().clone());
        let told = [polled, streamed].concat();
        let came = ['a', 'b'].map(|whom| count(whom, &told));
        assert!(came == [EACH; 2] || end == End::Early, "{told:?}");
    });
}
