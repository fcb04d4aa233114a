//! What has come to this node and waits for the room: broadcasts, and what other nodes tell.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::socketio::Taken;

/// What may wait of other nodes. This node's own is as much as the room has sent itself.
const MAX_COUNT: usize = 16_384;
/// The same in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// So many broadcasts may wait for the next look at the clock while nobody is in the room: waking the room for each would
/// cost most of what taking them costs.
const MAX_UNHEARD: usize = 256;

#[derive(Debug)]
pub enum Arrival {
    /// A broadcast of this node or of another.
    Broadcast(Taken),
    /// An event between nodes, which is for nobody else.
    Told(Value),
}

/// The queue. It is filled wherever adapters deliver, and emptied by the room.
#[derive(Debug, Default)]
pub struct Arrivals(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    all: VecDeque<(Arrival, usize)>,
    /// What those of other nodes take.
    bytes: usize,
    foreign: usize,
    /// A broadcast of another node was lost, and no other has come since.
    has_lost: bool,
    /// Nobody is in the room.
    unheard: bool,
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether nobody is in the room. The room is not woken for each broadcast then; as soon as somebody comes, it has to
    /// take out all that waits here.
    pub fn set_unheard(&self, unheard: bool) {
        self.lock().unheard = unheard;
    }

    /// Adds something of this node.
    pub fn push_own(&self, mut taken: Taken) {
        let mut waiting = self.lock();
        taken.after_gap |= std::mem::take(&mut waiting.has_lost);
        waiting.all.push_back((Arrival::Broadcast(taken), 0));
    }

    /// Adds something of another node. Returns whether the room is to be woken; `None` if there is no room.
    pub fn push(&self, mut arrival: Arrival) -> Option<bool> {
        let bytes = 256
            + match &arrival {
                Arrival::Broadcast(taken) => taken.packet.args.values.iter().map(weight).sum(),
                Arrival::Told(value) => weight(value),
            };
        let mut waiting = self.lock();
        if waiting.foreign >= MAX_COUNT || waiting.bytes + bytes > MAX_BYTES {
            waiting.has_lost |= matches!(arrival, Arrival::Broadcast(_));
            return None;
        }
        if let Arrival::Broadcast(taken) = &mut arrival {
            taken.after_gap |= std::mem::take(&mut waiting.has_lost);
        }
        let can_wait = waiting.unheard && matches!(arrival, Arrival::Broadcast(_));
        waiting.foreign += 1;
        waiting.bytes += bytes;
        waiting.all.push_back((arrival, bytes));
        Some(match waiting.unheard {
            false => waiting.all.len() == 1,
            true => !can_wait || waiting.all.len() == MAX_UNHEARD,
        })
    }

    pub fn pop(&self) -> Option<Arrival> {
        let mut waiting = self.lock();
        let (arrival, bytes) = waiting.all.pop_front()?;
        waiting.bytes -= bytes;
        waiting.foreign -= usize::from(bytes > 0);
        Some(arrival)
    }
}

/// About how much memory a value takes.
fn weight(value: &Value) -> usize {
    64 + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| 64 + key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_waits_of_others_has_a_bound_and_keeps_its_order() {
        let arrivals = Arrivals::default();
        for number in 0..MAX_COUNT {
            assert_eq!(arrivals.push(Arrival::Told(json!(number))), Some(number == 0));
        }
        assert_eq!(arrivals.push(Arrival::Told(json!(0))), None);
        assert!(matches!(arrivals.pop(), Some(Arrival::Told(first)) if first == json!(0)));
        assert_eq!(arrivals.push(Arrival::Told(json!(0))), Some(false));
        while arrivals.pop().is_some() {}
        // While nobody is in the room, it is woken for questions of other nodes, and for many messages.
        let message = || {
            let (name, args) = ("m".to_owned(), crate::socketio::Args::default());
            let packet = crate::socketio::Packet { name, args };
            let (selector, flags) = Default::default();
            Arrival::Broadcast(Taken::new(packet, selector, flags, Some("node".into())))
        };
        arrivals.set_unheard(true);
        for number in 1..=MAX_UNHEARD + 1 {
            assert_eq!(arrivals.push(message()), Some(number == MAX_UNHEARD), "{number}");
        }
        assert_eq!(arrivals.push(Arrival::Told(json!(0))), Some(true));
        arrivals.set_unheard(false);
        assert_eq!(arrivals.push(message()), Some(false), "others wait: it is awake");
        while arrivals.pop().is_some() {}
        assert_eq!(arrivals.push(message()), Some(true));
        assert!(arrivals.pop().is_some());
        let large = || Arrival::Told(json!(["x".repeat(MAX_BYTES / 2), {}]));
        assert_eq!(arrivals.push(large()), Some(true));
        assert_eq!(arrivals.push(large()), None);
        assert!(arrivals.pop().is_some() && arrivals.pop().is_none());
        assert_eq!(arrivals.push(large()), Some(true), "its bytes are free again");
    }
}
