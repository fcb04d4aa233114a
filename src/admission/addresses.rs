//! A bounded table of facts about client networks. Entries that hold no facts any more are swept out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// The most networks that [`AddressTable::entry`] keeps.
pub(super) const MAX_NETWORKS: usize = 100_000;
/// The table size at which the first sweep runs. After a sweep, the next one runs at twice the size
/// that was left.
const FIRST_SWEEP: usize = 1024;
/// The shortest time between two sweeps of a full table.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);

/// The facts about one network.
pub(crate) trait Expires: Default {
    /// Whether they can be dropped without any effect on later decisions.
    fn is_expired(&mut self, now: Instant) -> bool;
}

/// Facts by network. The key is the rate-limit key: an IPv4 address, or an IPv6 /64.
#[derive(Debug, Default)]
pub(crate) struct AddressTable<T> {
    entries: HashMap<IpAddr, T>,
    sweep_at: usize,
    last_sweep: Option<Instant>,
}

impl<T: Expires> AddressTable<T> {
    pub fn get_mut(&mut self, network: IpAddr) -> Option<&mut T> {
        self.entries.get_mut(&network)
    }

    /// The entry of a network, made if there is none. `None` if the table is full.
    pub fn entry(&mut self, network: IpAddr, now: Instant) -> Option<&mut T> {
        if !self.entries.contains_key(&network) {
            self.sweep_if_large(now);
            if self.entries.len() >= MAX_NETWORKS {
                return None;
            }
        }
        Some(self.entries.entry(network).or_default())
    }

    /// Like [`AddressTable::entry`], but ignores [`MAX_NETWORKS`]. Callers bound the number of entries
    /// by other means.
    pub fn entry_beyond_max(&mut self, network: IpAddr, now: Instant) -> &mut T {
        if !self.entries.contains_key(&network) {
            self.sweep_if_large(now);
        }
        self.entries.entry(network).or_default()
    }

    pub fn remove_if_expired(&mut self, network: IpAddr, now: Instant) {
        if self.entries.get_mut(&network).is_some_and(|entry| entry.is_expired(now)) {
            self.entries.remove(&network);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &T)> {
        self.entries.iter().map(|(network, entry)| (*network, entry))
    }

    /// Removes expired entries, unless the last sweep was less than [`SWEEP_PAUSE`] ago. Returns
    /// whether it swept.
    pub fn sweep(&mut self, now: Instant) -> bool {
        let due = self.last_sweep.is_none_or(|last| now - last > SWEEP_PAUSE);
        if due {
            self.entries.retain(|_, entry| !entry.is_expired(now));
            self.sweep_at = self.entries.len() * 2;
            self.last_sweep = Some(now);
        }
        due
    }

    fn sweep_if_large(&mut self, now: Instant) {
        let grown = (self.sweep_at.max(FIRST_SWEEP)..MAX_NETWORKS).contains(&self.entries.len());
        if grown {
            // The table doubled since the last sweep, so the cost of another one is spread over many
            // inserts: it need not wait.
            self.last_sweep = None;
        }
        if grown || self.entries.len() >= MAX_NETWORKS {
            self.sweep(now);
        }
    }
}

#[cfg(test)]
impl<T> AddressTable<T> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}
