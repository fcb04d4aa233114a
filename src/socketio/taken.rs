//! Broadcasts that the application takes instead of the clients.

use std::sync::Arc;

use super::adapter::Packet;
use super::handlers::{Handlers, Taker};
use super::selector::{Flags, Selector};

/// A broadcast as it came to this node, for the function that takes it: see
/// [`Handlers::take_broadcasts`].
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The event.
    pub packet: Packet,
    /// For whom it is.
    pub selector: Selector,
    /// How it was to be sent.
    pub flags: Flags,
    /// The other node that sends it, by its name in the messages of adapters; `None` if it is this one.
    pub origin: Option<Arc<str>>,
    /// Its position, if it is kept for clients that miss it: see [`Broadcast::offset`](super::Broadcast::offset).
    pub offset: Option<Arc<str>>,
    /// Its place among all broadcasts of the namespace, if all nodes know that: see
    /// [`Adapter::common_order`](super::Adapter::common_order).
    pub place: Option<Place>,
    /// What is to be done with it.
    pub part: Part,
    /// Some that came before it were lost to this node: [`Adapter::replay`](super::Adapter::replay) may have
    /// them.
    pub after_gap: bool,
}

impl Taken {
    /// A broadcast that comes once.
    pub fn new(packet: Packet, selector: Selector, flags: Flags, origin: Option<Arc<str>>) -> Self {
        let (offset, place, part, after_gap) = (None, None, Part::Whole, false);
        Taken { packet, selector, flags, origin, offset, place, part, after_gap }
    }
}

/// A place in the order of all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number, below 2^53: they rise, with gaps.
    pub number: u64,
    /// When it was put there, in milliseconds since 1970, by the clock of who gives the order.
    pub at: u64,
}

/// Why a broadcast comes: once for both, or, if it is told at another moment than the order of places has it,
/// once for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To be told, and to be kept if it has a place.
    Whole,
    /// To be told alone. One of this node has no place yet, one of another was to be kept before.
    Told,
    /// To be kept alone: it was told before, or will be.
    Kept,
}

/// What was broadcast in a namespace after a place.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replay {
    /// In order of their places; each is [`Part::Kept`].
    pub taken: Vec<Taken>,
    /// All up to this place is among them.
    pub until: u64,
    /// Whether there was no more.
    pub is_end: bool,
    /// What comes after this place comes by itself as well, or has come.
    pub live_from: u64,
    /// Some up to this place, where the rest begins, may be gone.
    pub gap: Option<u64>,
}

impl Handlers {
    /// Has a function take broadcasts of an event instead of this node's clients: those of this node, once
    /// the adapter gives them their place, and those of others, in one order. What the clients get is up to
    /// the function: see
    /// [`Socket::emit_shared`](super::Socket::emit_shared). It is called at once, possibly under a lock of the
    /// adapter's: it must not wait, nor send. Broadcasts that want acknowledgements are not taken.
    ///
    /// ```
    /// # use parlance::socketio::{Io, Taken};
    /// # let io = Io::new();
    /// let (sender, messages) = std::sync::mpsc::sync_channel::<Taken>(1000);
    /// // Whoever reads `messages` gives each client what it is to get.
    /// io.of("/").take_broadcasts("message", move |taken| drop(sender.try_send(taken)));
    /// ```
    pub fn take_broadcasts(
        &self,
        event: &str,
        taker: impl Fn(Taken) + Send + Sync + 'static,
    ) -> &Self {
        let told = move |taken: Taken| {
            if taken.part != Part::Kept {
                taker(taken)
            }
        };
        self.take_broadcasts_and_places(event, told)
    }

    /// As [`take_broadcasts`](Self::take_broadcasts), for who keeps what is broadcast in the order of all nodes: a
    /// broadcast that is told at another moment comes once more, as [`Part::Kept`], when it has its place.
    pub fn take_broadcasts_and_places(
        &self,
        event: &str,
        taker: impl Fn(Taken) + Send + Sync + 'static,
    ) -> &Self {
        let taker: Arc<Taker> = Arc::new(taker);
        self.change(|table| {
            table.takers.retain(|(taken, _)| **taken != *event);
            table.takers.push((event.into(), Arc::clone(&taker)));
        })
    }
}
