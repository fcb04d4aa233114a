//! What is remembered of each network, within a bound: what has nothing in it any more is swept out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Networks that are remembered at once.
pub(super) const MOST: usize = 100_000;
/// The first sweep for networks of which nothing is left to know.
const FIRST_SWEEP: usize = 1024;
/// A full memory is not swept more often than this.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);

/// What may be remembered of a network.
pub(super) trait Expires: Default {
    /// Whether there is nothing worth remembering.
    fn is_blank(&mut self, now: Instant) -> bool;
}

/// By the address that a network is counted by.
#[derive(Debug, Default)]
pub(super) struct AddressTable<T> {
    known: HashMap<IpAddr, T>,
    sweep_at: usize,
    /// When it was last worth while to sweep a full memory.
    swept: Option<Instant>,
}

impl<T: Expires> AddressTable<T> {
    pub fn get_mut(&mut self, network: IpAddr) -> Option<&mut T> {
        self.known.get_mut(&network)
    }

    /// What is known of a network, which may be nothing yet. `None` if no more can be remembered.
    pub fn entry(&mut self, network: IpAddr, now: Instant) -> Option<&mut T> {
        if !self.known.contains_key(&network) {
            self.make_room(now);
            if self.known.len() >= MOST {
                return None;
            }
        }
        Some(self.known.entry(network).or_default())
    }

    /// [`AddressTable::entry`] for what has to be remembered, because something else bounds it.
    pub fn must_have(&mut self, network: IpAddr, now: Instant) -> &mut T {
        if !self.known.contains_key(&network) {
            self.make_room(now);
        }
        self.known.entry(network).or_default()
    }

    pub fn remove_blank(&mut self, network: IpAddr, now: Instant) {
        if self.known.get_mut(&network).is_some_and(|known| known.is_blank(now)) {
            self.known.remove(&network);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &T)> {
        self.known.iter().map(|(network, known)| (*network, known))
    }

    /// Sweeps, if that was not done a moment ago. Returns whether it was done.
    pub fn sweep(&mut self, now: Instant) -> bool {
        let due = self.swept.is_none_or(|last| now - last > SWEEP_PAUSE);
        if due {
            self.known.retain(|_, known| !known.is_blank(now));
            self.sweep_at = self.known.len() * 2;
            self.swept = Some(now);
        }
        due
    }

    fn make_room(&mut self, now: Instant) {
        let grown = (self.sweep_at.max(FIRST_SWEEP)..MOST).contains(&self.known.len());
        if grown {
            self.swept = None;
        }
        if grown || self.known.len() >= MOST {
            self.sweep(now);
        }
    }
}

#[cfg(test)]
impl<T> AddressTable<T> {
    pub fn len(&self) -> usize {
        self.known.len()
    }
}
