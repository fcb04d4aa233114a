//! What clients say, and its way to the receiver.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::FutureExt as _;
use shuttle::future::yield_now;
use shuttle::thread;
use tokio::sync::Semaphore;

use super::*;
use crate::dialect::{Message, Packet};

/// Messages that may have been taken and not heard: those in the inbox, one more on its way out of
/// it.
const UNHEARD: usize = inbox::MESSAGES + 1;

/// Notes the calls of receivers.
#[derive(Debug)]
struct Desk {
    heard: Mutex<Vec<String>>,
    /// A call is under way.
    busy: AtomicBool,
    overlapped: AtomicBool,
    messages: AtomicUsize,
    /// Calls do not end before this is closed.
    patience: Semaphore,
}

impl Desk {
    /// A call from its beginning to its end, which may be some time later.
    async fn call(&self, what: String) {
        if self.busy.swap(true, Ordering::SeqCst) {
            self.overlapped.store(true, Ordering::SeqCst);
        }
        lock(&self.heard).push(what);
        while chance(2) {
            yield_now().await;
        }
        let _ = self.patience.acquire().await;
        self.busy.store(false, Ordering::SeqCst);
    }
}

struct App(Arc<Desk>);

impl Handler for App {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(App(Arc::clone(&self.0)))
    }
}

impl Receiver for App {
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.call("opened".into()))
    }

    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        self.0.messages.fetch_add(1, Ordering::SeqCst);
        let Message::Text(text) = message else { unreachable!("nobody sends such") };
        Box::pin(self.0.call(text))
    }

    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.call("nudged".into()))
    }

    fn closed(&mut self, _reason: CloseReason) -> BoxFuture<'_, ()> {
        Box::pin(self.0.call("closed".into()))
    }
}

fn engine() -> (Engine, Arc<Desk>) {
    let desk = Arc::new(Desk {
        heard: Mutex::default(),
        busy: AtomicBool::new(false),
        overlapped: AtomicBool::new(false),
        messages: AtomicUsize::new(0),
        patience: Semaphore::new(0),
    });
    (Engine::new(Limits::default(), App(Arc::clone(&desk))), desk)
}

fn message(whom: char, number: usize) -> Packet {
    Packet::Message(Message::Text(format!("{whom}{number}")))
}

/// Ends the session in one of the ways that leave nothing to be sent.
fn end(session: &Arc<Session>) {
    if chance(2) {
        session.close(CloseReason::TransportLost);
    } else {
        block_on(session.submit(&SOCKET, [Packet::Close])).unwrap();
    }
}

/// The promises that hold in any case. Returns what was heard.
fn check(desk: &Desk) -> Vec<String> {
    let heard = lock(&desk.heard).clone();
    assert!(!desk.overlapped.load(Ordering::SeqCst), "two calls at once: {heard:?}");
    assert!(!desk.busy.load(Ordering::SeqCst), "cut short: {heard:?}");
    if !heard.is_empty() {
        let ends = [of('o', &heard).len(), of('c', &heard).len()];
        assert_eq!(ends, [1, 1], "{heard:?}");
        assert_eq!(heard[0], "opened", "{heard:?}");
        assert_eq!(heard.last().unwrap(), "closed", "{heard:?}");
    }
    heard
}

#[test]
fn start_while_the_client_talks_and_the_session_ends() {
    explore(|| {
        let (engine, desk) = engine();
        desk.patience.close();
        let session = engine.reserve(new_session(&SOCKET)).unwrap();
        let ending = Arc::new(AtomicBool::new(false));
        // As two transports of a 0.9 client would at once.
        let starters = [0; 2].map(|_| {
            let (engine, session) = (engine.clone(), Arc::clone(&session));
            thread::spawn(move || engine.start(&session, &SOCKET))
        });
        let closer = {
            let (session, ending) = (Arc::clone(&session), Arc::clone(&ending));
            thread::spawn(move || {
                ending.store(true, Ordering::SeqCst);
                end(&session);
            })
        };
        let started = !lock(&desk.heard).is_empty();
        block_on(session.submit(&SOCKET, (0..3).map(|number| message('m', number)))).unwrap();
        let open = !ending.load(Ordering::SeqCst);
        closer.join().unwrap();
        starters.into_iter().for_each(|starter| starter.join().unwrap());
        finish(&engine);
        let heard = check(&desk);
        let came = count('m', &heard);
        assert!(came == 3 || !(started && open), "{heard:?}");
    });
}

#[test]
fn two_who_talk_at_once_are_slowed_down_and_woken() {
    const EACH: usize = 12;
    const AT_ONCE: usize = 3;
    static WAITED: AtomicUsize = AtomicUsize::new(0);
    explore(|| {
        let (engine, desk) = engine();
        desk.patience.close();
        let session = engine.open(new_session(&SOCKET)).unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let talkers = ['a', 'b'].map(|whom| {
            let (session, desk) = (Arc::clone(&session), Arc::clone(&desk));
            let taken = Arc::clone(&taken);
            thread::spawn(move || {
                for first in (0..EACH).step_by(AT_ONCE) {
                    let messages = (first..first + AT_ONCE).map(|number| message(whom, number));
                    let mut submit = Box::pin(session.submit(&SOCKET, messages));
                    let submitted = block_on(std::future::poll_fn(|cx| {
                        let polled = submit.poll_unpin(cx);
                        WAITED.fetch_add(polled.is_pending().into(), Ordering::SeqCst);
                        polled
                    }));
                    submitted.unwrap();
                    if !session.is_open() {
                        return first;
                    }
                    let taken = taken.fetch_add(AT_ONCE, Ordering::SeqCst) + AT_ONCE;
                    let heard = desk.messages.load(Ordering::SeqCst);
                    assert!(taken <= heard + UNHEARD, "{taken} taken, {heard} heard");
                }
                EACH
            })
        });
        let nudger = {
            let session = Arc::clone(&session);
            thread::spawn(move || (0..2).for_each(|_| session.nudge()))
        };
        let closer = chance(2).then(|| {
            let session = Arc::clone(&session);
            thread::spawn(move || end(&session))
        });
        let taken = talkers.map(|talker| talker.join().unwrap());
        nudger.join().unwrap();
        let whole = closer.is_none();
        match closer {
            Some(closer) => closer.join().unwrap(),
            None => end(&session),
        }
        finish(&engine);
        let heard = check(&desk);
        let came = ['a', 'b'].map(|whom| count(whom, &heard));
        assert!(came[0] >= taken[0] && came[1] >= taken[1], "{taken:?} taken, {heard:?}");
        if whole {
            assert_eq!(came, [EACH; 2], "{heard:?}");
            assert!((1..=2).contains(&of('n', &heard).len()), "{heard:?}");
        }
    });
    assert_ne!(WAITED.load(Ordering::SeqCst), 0, "nobody was slowed down");
}

#[test]
fn who_waits_for_room_is_let_go_by_the_end() {
    explore(|| {
        let (engine, desk) = engine();
        let session = engine.open(new_session(&SOCKET)).unwrap();
        let talkers = ['a', 'b'].map(|whom| {
            let session = Arc::clone(&session);
            let messages = (0..UNHEARD).map(move |number| message(whom, number));
            thread::spawn(move || block_on(session.submit(&SOCKET, messages)).unwrap())
        });
        session.close(CloseReason::PingTimeout);
        talkers.into_iter().for_each(|talker| talker.join().unwrap());
        desk.patience.close();
        finish(&engine);
        let heard = check(&desk);
        let came = count('a', &heard) + count('b', &heard);
        assert!(came < UNHEARD, "{heard:?}");
    });
}
