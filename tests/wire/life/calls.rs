//! Calls of an application: each runs to its end, once and in order, whatever becomes of its client, and
//! nothing of the session waits for it.

use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use parlance::dialect::{Message, Packet};
use parlance::engine::{CloseReason, Drained, Engine, Handler, Limits, Receiver, Session};
use parlance::socketio::Io;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep};

use crate::support::client::{Client, Via};
use crate::support::packets::Eio;
use crate::support::server::{Setup, TestServer};
use crate::support::session::{POLLING, SOCKET, next, open, plan, poll};
use crate::support::{soon, until};

struct Notes {
    notes: UnboundedReceiver<String>,
    gate: Arc<Semaphore>,
}

/// An application that notes the begin and the end of each call. Events named `slow` wait for the gate
/// in between, `fail` panics, `out` makes the client leave.
fn slow() -> (impl FnOnce(&Io), Notes) {
    let (sender, receiver) = unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let notes = Notes { notes: receiver, gate: Arc::clone(&gate) };
    let note = move |text: String| {
        let _ = sender.send(text);
    };
    let serve = move |io: &Io| {
        let (root, joined, left) = (io.of("/"), note.clone(), note.clone());
        root.on_connect(move |_socket| {
            joined("connect".into());
            ready(())
        });
        root.on_disconnect(move |_socket, reason| {
            left(format!("disconnect: {reason}"));
            ready(())
        });
        root.on_fallback(move |socket, event| {
            let (note, gate) = (note.clone(), Arc::clone(&gate));
            async move {
                note(format!("{} begins", event.name));
                match event.name.as_str() {
                    "slow" => gate.acquire().await.expect("open").forget(),
                    "fail" => panic!("on purpose"),
                    "out" => socket.disconnect(false),
                    _ => {}
                }
                note(format!("{} ends", event.name));
            }
        });
    };
    (serve, notes)
}

impl Notes {
    async fn next(&mut self) -> String {
        soon("the application is called", self.notes.recv()).await.expect("a server")
    }

    async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.next().await, *expected);
        }
    }

    fn quiet(&mut self) {
        assert_eq!(self.notes.try_recv().ok(), None);
    }
}

/// How a connection or a session ends while a call is under way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Killed,
    /// By a packet of the client.
    Goodbye,
    /// By the server, which closes it.
    Closed(CloseReason),
}

impl End {
    const ALL: [End; 5] = [
        End::Killed,
        End::Goodbye,
        End::Closed(CloseReason::SlowReader),
        End::Closed(CloseReason::ServerClosed),
        End::Closed(CloseReason::ShuttingDown),
    ];

    fn reason(self, via: Via, server: &TestServer, sid: &str) -> String {
        match self {
            End::Goodbye => CloseReason::ClientClosed.to_string(),
            End::Closed(reason) => reason.to_string(),
            // Nothing tells that a client that polls is gone.
            End::Killed => match via {
                Via::Polling | Via::PollingB64 | Via::Jsonp => {
                    server.engine.session(sid).expect("open").close(CloseReason::PingTimeout);
                    CloseReason::PingTimeout.to_string()
                }
                _ => CloseReason::TransportLost.to_string(),
            },
        }
    }
}

#[tokio::test]
async fn a_call_runs_to_its_end_whatever_becomes_of_its_client() {
    for eio in Eio::ALL {
        for via in Via::ALL {
            for end in End::ALL {
                let (app, mut notes) = slow();
                let limits = Limits { linger: Duration::from_millis(50), ..Limits::default() };
                let server = Setup::limits(limits).start_app(app).await;
                let mut client = Client::join(&server, eio, via).await;
                notes.expect(&["connect"]).await;
                let sid = client.sid.clone();
                client.send("42[\"slow\"]").await;
                client.send("42[\"quick\"]").await;
                notes.expect(&["slow begins"]).await;
                let client = match end {
                    End::Goodbye => {
                        client.send("1").await;
                        Some(client)
                    }
                    End::Killed => {
                        client.kill();
                        None
                    }
                    End::Closed(reason) => {
                        server.engine.session(&sid).unwrap().close(reason);
                        Some(client)
                    }
                };
                let reason = end.reason(via, &server, &sid);
                let over = || server.engine.session(&sid).is_none();
                until("the session is over", over).await;
                notes.quiet();
                notes.gate.add_permits(1);
                // What was taken in before the end is heard before the end.
                let told = ["slow ends", "quick begins", "quick ends"];
                notes.expect(&told).await;
                assert_eq!(notes.next().await, format!("disconnect: {reason}"), "{eio:?} {via:?}");
                // It does not answer close frames.
                client.into_iter().for_each(Client::kill);
                until("nothing is left", || server.engine.task_count() == 0).await;
                notes.quiet();
            }
        }
    }
}

#[tokio::test]
async fn who_is_made_to_leave_and_joins_again_leaves_first() {
    for via in Via::ALL {
        let (app, mut notes) = slow();
        let server = Setup::default().start_app(app).await;
        let mut client = Client::join(&server, Eio::V4, via).await;
        notes.expect(&["connect"]).await;
        // In one breath: the server's wish is not known to who sends this.
        let breath = ["42[\"slow\"]", "42[\"out\"]", "40", "42[\"in\"]"];
        client.send_all(&breath.map(Into::into)).await;
        notes.gate.add_permits(1);
        let told = ["slow begins", "slow ends", "out begins", "out ends"];
        notes.expect(&told).await;
        notes.expect(&["disconnect: server namespace disconnect", "connect"]).await;
        notes.expect(&["in begins", "in ends"]).await;
        client.kill();
    }
}

#[tokio::test]
async fn a_panic_costs_one_session_and_nobody_else() {
    for eio in Eio::ALL {
        for via in Via::ALL {
            let (app, mut notes) = slow();
            let server = Setup::default().start_app(app).await;
            let mut other = Client::join(&server, Eio::V4, Via::WebSocket).await;
            let mut client = Client::join(&server, eio, via).await;
            notes.expect(&["connect", "connect"]).await;
            let sid = client.sid.clone();
            client.send_all(&["42[\"fail\"]", "42[\"after\"]"].map(Into::into)).await;
            // What came with it was taken in before: it is heard, and then the end.
            notes.expect(&["fail begins"]).await;
            let mut told = Vec::new();
            while told.last() != Some(&"disconnect: application error".to_owned()) {
                told.push(notes.next().await);
            }
            assert!(told.len() == 1 || told[..2] == ["after begins", "after ends"], "{told:?}");
            assert!(server.engine.session(&sid).is_none());
            client.assert_closed().await;
            other.emit(json!(["hello"])).await;
            notes.expect(&["hello begins", "hello ends"]).await;
        }
    }
}

#[tokio::test]
async fn back_pressure_reaches_that_client_alone() {
    const MANY: usize = 1000;
    for via in Via::ALL {
        let (app, mut notes) = slow();
        let server = Setup::default().start_app(app).await;
        let mut busy = Client::join(&server, Eio::V4, via).await;
        let mut other = Client::join(&server, Eio::V4, Via::WebSocket).await;
        notes.expect(&["connect", "connect"]).await;
        let gate = Arc::clone(&notes.gate);
        let flood = tokio::spawn(async move {
            let mut all = vec!["42[\"slow\"]".into()];
            all.extend((0..MANY).map(|_| "42[\"x\"]".into()));
            busy.send_all(&all).await;
            busy
        });
        notes.expect(&["slow begins"]).await;
        other.emit(json!(["hello"])).await;
        notes.expect(&["hello begins", "hello ends"]).await;
        if matches!(via, Via::Polling | Via::PollingB64 | Via::Jsonp) {
            assert!(!flood.is_finished(), "a POST is answered when all of it was taken in");
        }
        gate.add_permits(1);
        notes.expect(&["slow ends"]).await;
        for _ in 0..MANY {
            notes.expect(&["x begins", "x ends"]).await;
        }
        drop(flood.await);
    }
}

/// A receiver that notes what it is told, and sleeps over messages.
struct Sleepy(Arc<Mutex<Vec<String>>>);

/// Longer than any client is waited for.
const SLEEP: Duration = Duration::from_secs(200);

impl Handler for Sleepy {
    fn open(&self, _session: &Arc<Session>) -> Box<dyn Receiver> {
        Box::new(Sleepy(Arc::clone(&self.0)))
    }
}

impl Sleepy {
    fn note(&self, text: impl Into<String>) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(text.into());
        Box::pin(std::future::ready(()))
    }
}

impl Receiver for Sleepy {
    fn opened(&mut self) -> BoxFuture<'_, ()> {
        self.note("opened")
    }

    fn message(&mut self, message: Message) -> BoxFuture<'_, ()> {
        let noted = self.note(format!("{message:?}"));
        Box::pin(async move {
            sleep(SLEEP).await;
            noted.await;
        })
    }

    fn nudged(&mut self) -> BoxFuture<'_, ()> {
        self.note("nudged")
    }

    fn closed(&mut self, reason: CloseReason) -> BoxFuture<'_, ()> {
        self.note(format!("closed: {reason}"))
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_do_not_wait_for_calls() {
    for eio in Eio::ALL {
        let notes = Arc::default();
        let engine = Engine::new(Limits::default(), Sleepy(Arc::clone(&notes)));
        let session = open(&engine, eio.dialect(), &SOCKET).await;
        let mut drain = session.attach(&SOCKET).unwrap();
        let start = Instant::now();
        let client = Arc::clone(&session);
        // Messages behind one that takes longer than the server would wait for the client, and its
        // heartbeats among them.
        let talking = tokio::spawn(async move {
            for n in 0..3 {
                client.submit(&SOCKET, [text(&n.to_string())]).await.unwrap();
            }
            while start.elapsed() < SLEEP * 2 {
                sleep(Duration::from_secs(10)).await;
                let beat = match eio {
                    Eio::V4 => Packet::Pong { probe: false },
                    Eio::V3 => Packet::Ping { probe: false },
                };
                client.submit(&SOCKET, [beat]).await.unwrap();
            }
        });
        while !talking.is_finished() {
            tokio::select! {
                (_, drained) = next(&mut drain) => assert_eq!(drained, Drained::Packets, "{eio:?}"),
                () = sleep(Duration::from_secs(1)) => {}
            }
        }
        assert!(session.is_open(), "{eio:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_application_is_not_taken_for_dead() {
    const MANY: usize = 100;
    for eio in Eio::ALL {
        let notes = Arc::default();
        let engine = Engine::new(Limits::default(), Sleepy(Arc::clone(&notes)));
        let session = open(&engine, eio.dialect(), &POLLING).await;
        let client = Arc::clone(&session);
        let messages = (0..MANY).map(|n| text(&n.to_string()));
        let talking =
            tokio::spawn(
                async move { client.submit(&POLLING, messages.collect::<Vec<_>>()).await },
            );
        let start = Instant::now();
        while !talking.is_finished() {
            // It takes what there is for it, and cannot say anything.
            let (_, drained) = poll(&session).await;
            let over = matches!(drained, Drained::Closed(_)) && !talking.is_finished();
            assert!(!over, "{eio:?} {drained:?}");
        }
        talking.await.unwrap().unwrap();
        assert!(start.elapsed() > SLEEP * 50, "most had to wait: {:?}", start.elapsed());
        session.close(CloseReason::ServerClosed);
        drop(session);
        sleep(SLEEP * 20).await;
        let heard = notes.lock().unwrap().clone();
        let mut expected = vec!["opened".to_owned()];
        expected.extend((0..MANY).map(|n| format!("{:?}", Message::Text(n.to_string()))));
        assert_eq!(heard[..=MANY], expected);
        assert!(heard[MANY + 1].starts_with("closed: "), "{eio:?}: {}", heard[MANY + 1]);
    }
}

fn text(content: &str) -> Packet {
    Packet::Message(Message::Text(content.into()))
}

#[tokio::test]
async fn sessions_can_be_nudged_closed_and_told_from_any_thread() {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let engine = Engine::new(Limits::default(), Sleepy(Arc::clone(&notes)));
    let session = open(&engine, Eio::V4.dialect(), &SOCKET).await;
    std::thread::spawn(move || {
        session.nudge();
        session.send(Message::Text("hello".into()));
        session.close(CloseReason::SlowReader);
    })
    .join()
    .unwrap();
    until("all was heard", || notes.lock().unwrap().len() == 3).await;
    assert_eq!(
        *notes.lock().unwrap(),
        ["opened", "nudged", "closed: slow reader: outbound queue full"]
    );
}

#[tokio::test]
async fn who_is_over_before_the_start_is_never_heard_of() {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let engine = Engine::new(Limits::default(), Sleepy(Arc::clone(&notes)));
    let session = engine.reserve(plan(Eio::V4.dialect(), &SOCKET)).unwrap();
    session.close(CloseReason::ClientClosed);
    engine.start(&session, &SOCKET);
    until("nothing is left", || engine.task_count() == 0).await;
    assert_eq!(*notes.lock().unwrap(), [""; 0]);
}
