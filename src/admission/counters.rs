//! Counts the sessions and WebSockets that exist, the sessions and handshakes of each address, and the
//! refusals.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::addresses::{AddressTable, Expires};
use crate::policy::{Client, Counts, LABELS, Refusal};
use crate::token_bucket::{Bucket, Rate};

/// An address that was idle may send the handshakes of this many seconds at once.
const BURST_SECONDS: u64 = 10;

/// Counts by permit: each session and each WebSocket holds one, and dropping it counts down. No other lock
/// is taken while `addresses` is locked.
#[derive(Debug, Default)]
pub struct ConnectionCounters {
    sessions: AtomicUsize,
    websockets: AtomicUsize,
    addresses: Mutex<AddressTable<Address>>,
    refusals: [AtomicU64; LABELS.len()],
}

#[derive(Debug, Default)]
struct Address {
    sessions: usize,
    handshakes: Bucket,
}

impl Expires for Address {
    fn is_expired(&mut self, now: Instant) -> bool {
        self.sessions == 0 && self.handshakes.is_full(now)
    }
}

impl Address {
    /// Takes a handshake from the rate limit. If none is left, returns how long to wait. `per_second` of 0
    /// sets no limit.
    fn take_handshake(&mut self, per_second: u32, now: Instant) -> Option<Duration> {
        let per_second = u64::from(per_second);
        let rate = Rate::per_second(per_second, per_second * BURST_SECONDS);
        match rate.take(self.handshakes, 1, now) {
            Ok(left) => {
                self.handshakes = left;
                None
            }
            Err(wait) => Some(wait),
        }
    }
}

impl ConnectionCounters {
    fn addresses(&self) -> MutexGuard<'_, AddressTable<Address>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit for a session, and returns the counts without it. `rate` bounds the handshakes per
    /// second and address; 0 sets no bound. An address that the full table has no room for is not
    /// bounded.
    pub fn permit(self: &Arc<Self>, client: Client, rate: u32) -> (SessionPermit, Counts) {
        let (now, address) = (Instant::now(), client.bucket());
        let sessions = self.sessions.fetch_add(1, Ordering::Relaxed);
        let mut addresses = self.addresses();
        let entry = addresses.entry(address, now);
        let counted = entry.is_some();
        let (of_address, wait) = match entry {
            Some(entry) => {
                entry.sessions += 1;
                (entry.sessions - 1, entry.take_handshake(rate, now))
            }
            None => (0, None),
        };
        drop(addresses);
        let websockets = self.websockets.load(Ordering::Relaxed);
        let address = counted.then_some(address);
        let permit = SessionPermit { counters: Arc::clone(self), address };
        (permit, Counts { sessions, of_address, websockets, wait, breaker: None })
    }

    /// Takes a permit for a WebSocket, and returns how many there were before.
    pub(super) fn websocket_permit(self: &Arc<Self>) -> (WebSocketPermit, usize) {
        let before = self.websockets.fetch_add(1, Ordering::Relaxed);
        (WebSocketPermit(Arc::clone(self)), before)
    }

    pub(super) fn count_refusal(&self, refusal: &Refusal) {
        let label = refusal.label();
        if let Some(at) = LABELS.iter().position(|known| *known == label) {
            self.refusals[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of refusals since the start, by label.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        LABELS.iter().copied().zip(self.refusals.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// The number of open WebSockets.
    pub fn websockets(&self) -> usize {
        self.websockets.load(Ordering::Relaxed)
    }
}

/// Counts a session until it is dropped.
#[derive(Debug)]
pub struct SessionPermit {
    counters: Arc<ConnectionCounters>,
    /// `None` if the table had no room for the address.
    address: Option<IpAddr>,
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        self.counters.sessions.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut addresses = self.counters.addresses();
        let Some(entry) = addresses.get_mut(address) else { return };
        entry.sessions = entry.sessions.saturating_sub(1);
        addresses.remove_if_expired(address, Instant::now());
    }
}

/// Counts a WebSocket until it is dropped.
#[derive(Debug)]
pub struct WebSocketPermit(Arc<ConnectionCounters>);

impl Drop for WebSocketPermit {
    fn drop(&mut self) {
        self.0.websockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::addresses::MAX_NETWORKS;
    use super::*;

    fn ip(text: &str) -> Client {
        Client::Address(text.parse().unwrap())
    }

    #[test]
    fn seats_are_counted_and_given_back() {
        let counters = Arc::new(ConnectionCounters::default());
        let (first, counts) = counters.permit(ip("2001:db8::1"), 0);
        assert_eq!((counts.sessions, counts.of_address), (0, 0));
        let (second, counts) = counters.permit(ip("2001:db8::2"), 0);
        assert_eq!((counts.sessions, counts.of_address), (1, 1), "one /64 is one address");
        let (third, counts) = counters.permit(ip("192.0.2.1"), 0);
        assert_eq!((counts.sessions, counts.of_address), (2, 0));
        drop((first, second, third));
        assert_eq!(counters.addresses().len(), 0, "nothing is remembered of who left");
        let (_fourth, counts) = counters.permit(ip("2001:db8::1"), 0);
        assert_eq!((counts.sessions, counts.of_address), (0, 0));
        let (permit, before) = counters.websocket_permit();
        assert_eq!((before, counters.websockets()), (0, 1));
        drop(permit);
        assert_eq!(counters.websockets(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn handshakes_have_a_rate() {
        let counters = Arc::new(ConnectionCounters::default());
        let here = ip("192.0.2.1");
        for _ in 0..20 {
            assert_eq!(counters.permit(here, 2).1.wait, None);
        }
        assert_eq!(counters.permit(here, 2).1.wait, Some(Duration::from_millis(500)));
        assert_eq!(counters.permit(ip("192.0.2.2"), 2).1.wait, None);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(counters.permit(here, 2).1.wait, None);
        assert!(counters.permit(here, 2).1.wait.is_some());
        tokio::time::advance(Duration::from_secs(60)).await;
        drop(counters.permit(here, 0));
        assert!(counters.addresses().len() <= 1);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let counters = Arc::new(ConnectionCounters::default());
        for n in 0..200_000_u32 {
            let address = Client::Address(n.to_be_bytes().into());
            drop(counters.permit(address, 1));
        }
        assert!(counters.addresses().len() <= MAX_NETWORKS);
        let (_permit, counts) = counters.permit(ip("203.0.113.1"), 1);
        assert_eq!((counts.of_address, counts.wait), (0, None), "who is not remembered is let in");
        tokio::time::advance(Duration::from_secs(2 * 24 * 3600)).await;
        let (_permit, _) = counters.permit(ip("203.0.113.2"), 1);
        assert!(counters.addresses().len() < 10, "the old are forgotten");
    }
}
