//! How a message is acknowledged that is kept.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::chat::chat_protocol::Place;
use crate::chat::error::ChatError;
use crate::socketio::{Ack, Args};
use crate::store::{Done, RoomLog, StoreError};

pub(super) fn not_saved(error: &StoreError) -> ChatError {
    let message = format!("it could not be saved: {error}");
    ChatError { label: error.reason(), ..ChatError::new("not saved", message) }
}

pub(super) fn failed(error: &StoreError) -> ChatError {
    ChatError { label: error.reason(), ..ChatError::new("history", error.to_string()) }
}

/// Acknowledges a message once it is durable. `tells_place`: the answer has the position in the history, which our page
/// understands and which only a message that is kept has.
pub(super) fn acknowledge(log: &RoomLog, ack: Ack, at: u64, tells_place: bool) -> Done {
    if !ack.is_wanted() {
        return Box::new(|_| {});
    }
    let log = log.clone();
    Box::new(move |durable| {
        ack.send(Args::from(vec![match durable {
            Ok(seq) if tells_place => {
                json!({ "ok": true, "position": log.position(seq), "at": at })
            }
            Ok(_) => json!({ "ok": true }),
            Err(error) => not_saved(&error).ack_arg(),
        }]));
    })
}

/// Has something done after two others: a message is acknowledged when it is durable, and everybody was told.
#[derive(Clone)]
pub(super) struct Both(Arc<Mutex<Halves>>);

struct Halves {
    told: bool,
    durable: Option<Result<u64, StoreError>>,
    done: Option<Done>,
}

impl Both {
    pub fn new(done: Done) -> Self {
        Both(Arc::new(Mutex::new(Halves { told: false, durable: None, done: Some(done) })))
    }

    /// Everybody was told.
    pub fn told(&self) {
        self.note(|halves| halves.told = true);
    }

    /// It is durable, or why it is not.
    pub fn durable(&self, durable: Result<u64, StoreError>) {
        self.note(|halves| halves.durable = Some(durable));
    }

    fn note(&self, half: impl FnOnce(&mut Halves)) {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        half(&mut halves);
        if !halves.told || halves.durable.is_none() {
            return;
        }
        if let (Some(done), Some(durable)) = (halves.done.take(), halves.durable.take()) {
            drop(halves);
            done(durable);
        }
    }
}

/// A message that is kept, and told now.
pub(super) struct Kept {
    /// Its place, if pages know of places.
    pub place: Option<Place>,
    /// What pages know it by until it has one, if it will have one.
    pub mark: Option<String>,
    pub both: Option<Both>,
}

impl Kept {
    /// Everybody was told.
    pub fn told(self) {
        if let Some(both) = self.both {
            both.told();
        }
    }
}
