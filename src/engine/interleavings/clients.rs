//! Clients that are told what is pushed: one that polls, one on a stream, one that upgrades.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use shuttle::future::{self, yield_now};
use shuttle::sync::mpsc::channel;
use shuttle::sync::{Condvar, Mutex as Place};
use shuttle::thread::{self, JoinHandle};

use super::*;
use crate::dialect::{Dialect, Frame, Packet, Wire};

fn texts(frames: &[Frame]) -> Vec<String> {
    let text = |frame: &Frame| match frame {
        Frame::Text(bytes) | Frame::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    frames.iter().map(text).collect()
}

/// The last word of an answer: the session is over.
const OVER: &str = "over";

/// Between what came by the poll and by the socket.
pub const UPGRADED: &str = "upgraded";

/// What a client has been told.
#[derive(Debug, Default)]
pub struct Told {
    pub texts: Place<Vec<String>>,
    more: Condvar,
}

impl Told {
    fn extend(&self, more: Vec<String>) {
        self.texts.lock().unwrap().extend(more);
        self.more.notify_all();
    }

    /// Waits until it was told enough.
    pub fn wait(&self, enough: impl Fn(&[String]) -> bool) {
        let mut texts = self.texts.lock().unwrap();
        while !enough(&texts) {
            texts = self.more.wait(texts).unwrap();
        }
    }
}

/// A connection with polls on it, between its client and its server.
#[derive(Debug, Default)]
struct Line {
    state: Place<LineState>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct LineState {
    /// Polls that the server has not read.
    asked: usize,
    /// The client has left.
    ended: bool,
    reader: Option<Waker>,
    answers: VecDeque<Vec<String>>,
}

impl Line {
    /// Polls so many times, or leaves.
    fn say(&self, polls: Option<usize>) {
        let mut state = self.state.lock().unwrap();
        match polls {
            Some(polls) => state.asked += polls,
            None => state.ended = true,
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Reads how often the client has polled since: 0 at the end.
    fn poll_read(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.state.lock().unwrap();
        match std::mem::take(&mut state.asked) {
            0 if state.ended => Poll::Ready(0),
            0 => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            polls => Poll::Ready(polls),
        }
    }

    fn put(&self, answer: Vec<String>) {
        self.state.lock().unwrap().answers.push_back(answer);
        self.answered.notify_one();
    }

    fn next_answer(&self) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        loop {
            match state.answers.pop_front() {
                Some(answer) => return answer,
                None => state = self.answered.wait(state).unwrap(),
            }
        }
    }
}

/// As a parked poll has one on its connection.
#[derive(Debug)]
struct Seat {
    line: Arc<Line>,
    answer: Answer,
}

impl Seat {
    fn put(&self, texts: Vec<String>) -> SendOutcome {
        self.line.put(texts);
        self.answer.give(!chance(4))
    }
}

impl DirectWriter for Seat {
    fn try_send(&self, frames: &[Frame], _dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
        self.put(texts(frames))
    }
}

/// Serves the polls of a connection, as `http/conn.rs` does.
async fn serve(session: Arc<Session>, line: Arc<Line>) {
    let mut kept = 0;
    loop {
        while kept == 0 {
            match poll_fn(|cx| line.poll_read(cx)).await {
                0 => return,
                polls => kept += polls,
            }
        }
        kept -= 1;
        let mut drain = match session.attach(&POLLING) {
            Ok(drain) => drain,
            Err(error) => {
                assert_ne!(error, SessionError::Overlap);
                line.put(vec![OVER.into()]);
                continue;
            }
        };
        let seat = Arc::new(Seat { line: Arc::clone(&line), answer: Answer::default() });
        drain.set_direct_writer(Arc::clone(&seat) as Arc<dyn DirectWriter>);
        if kept > 0 {
            seat.answer.set_pipelined();
        }
        let mut late = pin!(late());
        let mut batch = Vec::new();
        let waited = poll_fn(|cx| {
            let ahead = |cx: &mut Context<'_>| {
                line.poll_read(cx).map(|polls| {
                    kept += polls;
                    polls > 0
                })
            };
            match seat.answer.poll_outcome(cx, &mut drain, &mut batch, ahead) {
                Poll::Pending => {
                    late.as_mut().poll(cx).map(|()| PollOutcome::Drained(Drained::Released))
                }
                waited => waited,
            }
        });
        match waited.await {
            PollOutcome::Drained(drained) => {
                if seat.answer.claim(drain) {
                    let mut answer = texts(&batch);
                    if matches!(drained, Drained::Closed(_)) {
                        answer.push(OVER.into());
                    }
                    seat.put(answer);
                } else {
                    assert!(batch.is_empty(), "taken, and nobody is told");
                }
            }
            PollOutcome::Answered => drop(drain),
            PollOutcome::Lost => return,
        }
    }
}

/// The time is up for a poll, some time or never.
async fn late() {
    if chance(2) {
        std::future::pending::<()>().await;
    }
    while !chance(4) {
        yield_now().await;
    }
}

/// Polls until the session is over.
fn client(line: &Line, told: &Told) {
    let mut asked = 0;
    loop {
        if asked == 0 {
            // Some do not wait for the answer before they ask again, and not always at once.
            line.say(Some(1));
            asked += 1;
            if chance(4) {
                line.say(Some(1));
                asked += 1;
            }
        }
        let answer = line.next_answer();
        asked -= 1;
        let over = answer.last().is_some_and(|text| text == OVER);
        told.extend(answer);
        if over {
            break;
        }
    }
    for _ in 0..asked {
        assert_eq!(line.next_answer(), [OVER]);
    }
    line.say(None);
}

/// A client that polls, and the connection that it does so by, until the session is over.
pub fn poller(session: &Arc<Session>, told: Arc<Told>) -> JoinHandle<()> {
    let line = Arc::new(Line::default());
    let serving = future::spawn(serve(Arc::clone(session), Arc::clone(&line)));
    thread::spawn(move || {
        client(&line, &told);
        block_on(serving).unwrap();
        assert!(line.state.lock().unwrap().answers.is_empty(), "one answer for each poll");
    })
}

/// A connection that is written to from all threads, and sometimes does not take all of it.
#[derive(Debug)]
struct Stream {
    told: Arc<Told>,
    /// Written to the stream, and not sent: nothing may go past it.
    held: Place<Vec<String>>,
}

impl Stream {
    fn flush(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        self.told.extend(held);
    }

    fn write(&self, texts: Vec<String>) {
        assert!(self.held.lock().unwrap().is_empty(), "written to while it was stuck");
        self.told.extend(texts);
    }
}

impl DirectWriter for Stream {
    fn try_send(&self, frames: &[Frame], _dialect: &dyn Dialect, _wire: &Wire) -> SendOutcome {
        if chance(4) {
            self.held.lock().unwrap().extend(texts(frames));
            return SendOutcome::Stuck;
        }
        self.write(texts(frames));
        SendOutcome::Sent
    }
}

/// A client that reads a stream, until the session is over.
pub fn streamer(session: &Arc<Session>, told: Arc<Told>) -> JoinHandle<()> {
    let session = Arc::clone(session);
    thread::spawn(move || {
        // It may be over before it is here.
        let Ok(mut drain) = session.attach(&SOCKET) else { return };
        let stream = Arc::new(Stream { told, held: Place::default() });
        drain.set_direct_writer(Arc::clone(&stream) as Arc<dyn DirectWriter>);
        let mut batch = Vec::new();
        loop {
            let drained = block_on(drain.next(&mut batch));
            stream.flush();
            stream.write(texts(&batch));
            batch.clear();
            match drained {
                Drained::Packets | Drained::Stuck => {}
                Drained::Closed(_) => break,
                other => panic!("{other:?}"),
            }
        }
        drain.finish();
    })
}

/// A client that goes from polling to a socket, and reads that until the session is over.
pub fn upgrader(session: &Arc<Session>, told: Arc<Told>) -> JoinHandle<()> {
    let session = Arc::clone(session);
    thread::spawn(move || {
        let Ok(mut drain) = session.attach_candidate(&SOCKET) else { return };
        let stream = Arc::new(Stream { told, held: Place::default() });
        drain.set_direct_writer(Arc::clone(&stream) as Arc<dyn DirectWriter>);
        let (says, said) = channel();
        let submitting = thread::spawn(move || {
            for packet in said {
                // What is refused was too late.
                let _ = block_on(session.submit(&SOCKET, [packet]));
            }
        });
        let say = |packet| says.send(packet).unwrap();
        say(Packet::Ping { probe: true });
        let mut batch = Vec::new();
        loop {
            let drained = block_on(drain.next(&mut batch));
            stream.flush();
            let texts = texts(&batch);
            batch.clear();
            match drained {
                Drained::Packets if texts == ["3probe"] => say(Packet::Upgrade),
                Drained::Promoted => {
                    say(Packet::Noop);
                    stream.write(vec![UPGRADED.into()]);
                }
                Drained::Packets | Drained::Stuck | Drained::Closed(_) => {}
                // The session was over before.
                Drained::Superseded => break,
                Drained::Released | Drained::Asks => panic!("{drained:?}"),
            }
            stream.write(texts);
            if let Drained::Closed(_) = drained {
                break;
            }
        }
        drain.finish();
        drop(says);
        submitting.join().unwrap();
    })
}
