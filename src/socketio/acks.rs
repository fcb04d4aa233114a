//! Acknowledgements that the server waits for.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::answers::Answered;
use super::values::{Args, ValueError};

/// Why there is no acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The client left.
    #[error("the client left without acknowledging")]
    Left,
    /// It did not come in time.
    #[error("no acknowledgement came in time")]
    TimedOut,
    /// As many as may be outstanding are.
    #[error("too many acknowledgements are outstanding")]
    TooMany,
    /// It came, and is of another type.
    #[error("the acknowledgement is of another type: {0}")]
    Mistyped(ValueError),
    /// The event could not be written.
    #[error("the event cannot be written: {0}")]
    Unwritable(ValueError),
}

/// Who waits for an acknowledgement.
#[derive(Debug)]
pub(super) enum Waiter {
    One(oneshot::Sender<Args>),
    /// One of many: its number in the list of those who were asked.
    OfMany(usize, mpsc::UnboundedSender<Answered>),
}

impl Waiter {
    fn is_gone(&self) -> bool {
        match self {
            Waiter::One(sender) => sender.is_closed(),
            Waiter::OfMany(_, sender) => sender.is_closed(),
        }
    }

    fn answer(self, args: Args) {
        match self {
            Waiter::One(sender) => drop(sender.send(args)),
            Waiter::OfMany(number, sender) => drop(sender.send(Answered::Here(number, args))),
        }
    }
}

/// The outstanding acknowledgements of one socket.
#[derive(Debug, Default)]
pub(super) struct Acks(Mutex<Outstanding>);

/// By id. Mostly there is one, and never many: a list is faster than a table.
type Outstanding = Option<Box<Vec<(u64, Waiter)>>>;

/// Acknowledgements that may be outstanding at one socket.
const MAX_OUTSTANDING: usize = 256;

impl Acks {
    /// Notes who waits for the acknowledgement of that id. False if too many are outstanding.
    pub fn register(&self, id: u64, waiter: Waiter) -> bool {
        let mut acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = &mut **acks.get_or_insert_default();
        waiting.retain(|(_, waiter)| !waiter.is_gone());
        if waiting.len() >= MAX_OUTSTANDING {
            return false;
        }
        waiting.push((id, waiter));
        true
    }

    /// Passes an acknowledgement to who waits for it. Like other servers, ignores unknown ids.
    pub fn resolve(&self, id: u64, args: Args) {
        let mut acks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiter = acks.as_mut().and_then(|waiting| {
            let at = waiting.iter().position(|(other, _)| *other == id)?;
            Some(waiting.swap_remove(at))
        });
        drop(acks);
        if let Some((_, waiter)) = waiter {
            waiter.answer(args);
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

    fn one(acks: &Acks, id: u64) -> Option<oneshot::Receiver<Args>> {
        let (sender, receiver) = oneshot::channel();
        acks.register(id, Waiter::One(sender)).then_some(receiver)
    }

    #[test]
    fn answers_reach_who_asked_once() {
        let acks = Acks::default();
        let mut receiver = one(&acks, 1).unwrap();
        let (sender, mut many) = mpsc::unbounded_channel();
        assert!(acks.register(2, Waiter::OfMany(7, sender)));
        acks.resolve(99, Args::default());
        for id in [1, 2, 1, 2] {
            acks.resolve(id, Args::of(&id).unwrap());
        }
        assert_eq!(receiver.try_recv().unwrap(), Args::of(&1).unwrap());
        let Answered::Here(7, args) = many.try_recv().unwrap() else { panic!("another") };
        assert_eq!(args, Args::of(&2).unwrap());
        assert!(many.try_recv().is_err());
    }

    #[test]
    fn outstanding_answers_are_bounded_and_abandoned() {
        let acks = Acks::default();
        let mut all: Vec<_> = (0..).map_while(|id| one(&acks, id)).collect();
        assert_eq!(all.len(), MAX_OUTSTANDING);
        all.pop();
        assert!(one(&acks, 1000).is_some(), "one that nobody waits for makes room");
        acks.cancel_all();
        assert!(all.into_iter().all(|mut receiver| receiver.try_recv().is_err()));
    }
}
