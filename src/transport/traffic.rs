//! What travels by each transport, counted: packets and bytes, each way.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::REGISTRY;
use crate::engine::TransportInfo;

/// Threads share a cell only if there are more of them: counting in a cell of its own costs a thread a
/// few nanoseconds, in one that others write to ten times as much.
const CELLS: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CELL: usize = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
}

/// In the order of [`REGISTRY`].
static ALL: LazyLock<Vec<Traffic>> =
    LazyLock::new(|| REGISTRY.iter().map(|_| Traffic::default()).collect());

/// The traffic of one transport since the process started.
#[derive(Debug, Default)]
pub struct Traffic([Cell; CELLS]);

/// Which way packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients.
    In,
    /// To clients.
    Out,
}

/// Alone in its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell([Counts; 2]);

#[derive(Debug, Default)]
struct Counts {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// That of one transport.
    pub(super) fn of(info: &TransportInfo) -> &'static Traffic {
        let at = REGISTRY.iter().position(|transport| transport.info().name == info.name);
        // All that exist are in the registry.
        &ALL[at.unwrap_or_default()]
    }

    /// Counts packets, and the bytes that they took.
    pub(super) fn count(&self, direction: Direction, packets: usize, bytes: usize) {
        if cfg!(feature = "unmetered") {
            return;
        }
        let counts = &self.0[CELL.with(|cell| *cell)].0[direction as usize];
        counts.packets.fetch_add(packets as u64, Ordering::Relaxed);
        counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Packets and bytes so far.
    pub fn total(&self, direction: Direction) -> (u64, u64) {
        self.0.iter().fold((0, 0), |(packets, bytes), cell| {
            let counts = &cell.0[direction as usize];
            let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
            (packets + load(&counts.packets), bytes + load(&counts.bytes))
        })
    }
}

/// The traffic of all transports, with their names.
pub fn traffic() -> impl Iterator<Item = (&'static str, &'static Traffic)> {
    REGISTRY.iter().zip(ALL.iter()).map(|(transport, traffic)| (transport.info().name, traffic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_threads_count_is_added_up() {
        let traffic = Traffic::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * CELLS {
                scope.spawn(|| (0..100).for_each(|_| traffic.count(Direction::Out, 2, 30)));
            }
        });
        traffic.count(Direction::In, 1, 5);
        let packets = 2 * CELLS as u64 * 200;
        assert_eq!(traffic.total(Direction::Out), (packets, packets * 15));
        assert_eq!(traffic.total(Direction::In), (1, 5));
    }

    #[test]
    fn each_transport_has_its_own() {
        for (transport, (name, traffic)) in REGISTRY.iter().zip(super::traffic()) {
            assert_eq!(transport.info().name, name);
            assert!(std::ptr::eq(Traffic::of(transport.info()), traffic), "{name}");
        }
    }
}
