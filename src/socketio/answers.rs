//! Acknowledgements of many clients.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::Socket;
use super::acks::Waiter;
use super::values::{Args, FromArgs, ValueError};

/// What many clients answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers<T> {
    /// What they answered, in the order in which it came.
    pub answers: Vec<T>,
    /// The ids of those on this node who did not answer: too late, or they left.
    pub missing: Vec<String>,
    /// How many on other nodes did not, as far as their nodes have said how many they asked.
    pub missing_elsewhere: usize,
    /// Whether the time was over while answers were still to come. A node of the cluster that said nothing at
    /// all shows here alone: whom it would have asked is not known.
    pub timed_out: bool,
    /// Answers of another type than `T`: these clients answered, but not what was asked.
    pub mistyped: Vec<ValueError>,
}

/// Takes answers of many clients, as [`Adapter`](super::Adapter)s bring them. The wait ends when all clones
/// are dropped.
#[derive(Debug, Clone)]
pub struct AnswerSink {
    sender: UnboundedSender<Answered>,
    asked: Arc<Mutex<Vec<Socket>>>,
}

/// Something that comes to a sink.
#[derive(Debug)]
pub(super) enum Answered {
    /// So many clients of another node were asked.
    Expected(usize),
    /// One of them answered.
    Elsewhere(Args),
    /// The client of that number on this node answered.
    Here(usize, Args),
}

impl AnswerSink {
    /// So many clients were asked on another node.
    pub fn expect(&self, count: usize) {
        let _ = self.sender.send(Answered::Expected(count));
    }

    /// A client of another node answered.
    pub fn answer(&self, args: Args) {
        let _ = self.sender.send(Answered::Elsewhere(args));
    }

    /// Whether nobody waits for answers any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Asks clients of this node: `ask` gets each with who waits for its answer, and says whether it was
    /// asked. Returns how many were.
    pub(super) fn ask<'a>(
        &self,
        sockets: impl Iterator<Item = &'a Socket>,
        ask: impl Fn(&Socket, Waiter) -> bool,
    ) -> usize {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.len();
        for socket in sockets {
            let waiter = Waiter::OfMany(asked.len(), self.sender.clone());
            asked.push(socket.clone());
            // Who cannot be asked does not answer.
            ask(socket, waiter);
        }
        asked.len() - before
    }
}

/// What comes to a sink.
#[derive(Debug)]
pub struct Collector {
    receiver: UnboundedReceiver<Answered>,
    asked: Arc<Mutex<Vec<Socket>>>,
}

/// A sink, and what comes to it.
pub fn answers() -> (AnswerSink, Collector) {
    let (sender, receiver) = unbounded_channel();
    let asked = Arc::<Mutex<Vec<Socket>>>::default();
    (AnswerSink { sender, asked: Arc::clone(&asked) }, Collector { receiver, asked })
}

impl Collector {
    /// The next answer of a client, here or elsewhere. `None` when no more will come. For adapters, which
    /// pass them on.
    pub async fn next(&mut self) -> Option<Args> {
        loop {
            match self.receiver.recv().await? {
                Answered::Expected(_) => {}
                Answered::Elsewhere(args) | Answered::Here(_, args) => return Some(args),
            }
        }
    }

    /// Waits until all have answered or left, at most until `deadline`.
    pub(super) async fn collect<T: FromArgs>(mut self, deadline: Instant) -> Answers<T> {
        let (mut answers, mut mistyped) = (Vec::new(), Vec::new());
        let (mut here, mut elsewhere) = (HashSet::new(), 0_usize);
        let timed_out = loop {
            let answered = match timeout_at(deadline, self.receiver.recv()).await {
                Ok(Some(answered)) => answered,
                Ok(None) => break false,
                Err(_) => break true,
            };
            let args = match answered {
                Answered::Expected(count) => {
                    elsewhere += count;
                    continue;
                }
                Answered::Elsewhere(args) => {
                    elsewhere = elsewhere.saturating_sub(1);
                    args
                }
                Answered::Here(number, args) => {
                    here.insert(number);
                    args
                }
            };
            match T::from_args(args) {
                Ok(answer) => answers.push(answer),
                Err(error) => mistyped.push(error),
            }
        };
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = asked.iter().enumerate().filter(|(number, _)| !here.contains(number));
        let missing = missing.map(|(_, socket)| socket.id()).collect();
        Answers { answers, missing, missing_elsewhere: elsewhere, timed_out, mistyped }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_sink_knows_that_nobody_waits_any_more() {
        let (sink, collector) = answers();
        assert!(!sink.is_closed());
        drop(collector);
        assert!(sink.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_says_nothing_shows_as_a_time_that_is_over() {
        let soon = || Instant::now() + Duration::from_secs(5);
        let (silent, collector) = answers();
        let all = collector.collect::<u8>(soon()).await;
        assert_eq!((all.missing_elsewhere, all.timed_out), (0, true));
        drop(silent);
        let (sink, collector) = answers();
        sink.expect(2);
        sink.answer(Args::from(vec![7.into()]));
        drop(sink);
        let all = collector.collect::<u8>(soon()).await;
        assert_eq!((all.answers, all.missing_elsewhere, all.timed_out), (vec![7], 1, false));
    }
}
