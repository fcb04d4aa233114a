//! Acknowledgements that the server waits for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;

/// The content of an acknowledgement.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The arguments that the client sent.
    pub args: Vec<Value>,
    /// Binary parts of the arguments, in order.
    pub attachments: Vec<Bytes>,
}

/// No acknowledgement will come: the client left, or too many are outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client left without acknowledging")]
pub struct AckError;

/// The outstanding acknowledgements of one socket.
#[derive(Debug, Default)]
pub(super) struct Acks(Mutex<Option<Box<Outstanding>>>);

#[derive(Debug, Default)]
struct Outstanding {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
}

/// Acknowledgements that may be outstanding at one socket.
const MAX_OUTSTANDING: usize = 256;

impl Acks {
    /// Makes an id, and the receiver of its acknowledgement. `None` if too many are outstanding.
    pub fn register(&self) -> Option<(u64, oneshot::Receiver<Answer>)> {
        let mut acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let acks = acks.get_or_insert_default();
        acks.waiting.retain(|_, sender| !sender.is_closed());
        if acks.waiting.len() >= MAX_OUTSTANDING {
            return None;
        }
        // The first id is 1: old clients take 0 for no id.
        acks.last_id += 1;
        let (sender, receiver) = oneshot::channel();
        acks.waiting.insert(acks.last_id, sender);
        Some((acks.last_id, receiver))
    }

    /// Passes an acknowledgement to its receiver. Like other servers, ignores unknown ids.
    pub fn resolve(&self, id: u64, answer: Answer) {
        let mut acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = acks.as_mut().and_then(|acks| acks.waiting.remove(&id));
        drop(acks);
        if let Some(sender) = waiting {
            let _ = sender.send(answer);
        }
    }

    /// Ends the wait for all acknowledgements.
    pub fn cancel_all(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer { args: vec![Value::Null], attachments: Vec::new() }
    }

    #[test]
    fn answers_reach_who_asked_once() {
        let acks = Acks::default();
        let (id, mut receiver) = acks.register().unwrap();
        assert_eq!(id, 1);
        acks.resolve(99, answer());
        acks.resolve(id, answer());
        acks.resolve(id, answer());
        assert_eq!(receiver.try_recv().unwrap(), answer());
    }

    #[test]
    fn outstanding_answers_are_bounded_and_abandoned() {
        let acks = Acks::default();
        let mut all: Vec<_> = std::iter::from_fn(|| acks.register()).collect();
        assert_eq!(all.len(), MAX_OUTSTANDING);
        all.pop();
        assert!(acks.register().is_some(), "one that nobody waits for makes room");
        acks.cancel_all();
        assert!(all.into_iter().all(|(_, mut receiver)| receiver.try_recv().is_err()));
    }
}
