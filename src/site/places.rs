//! Bounds large files that are open for readers: each stays open until its reader has it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::net::slots::WAIT;

/// Larger files that are sent at once: each stays open meanwhile.
pub(super) const PLACES: usize = 64;
/// Those of one client's address, so that a client that does not read leaves the rest to others.
const PLACES_OF_ADDRESS: usize = 16;

/// Bounds files that are open for readers.
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// For each address: its places, and the number of requests that hold or await one.
    of_addresses: Mutex<HashMap<IpAddr, (Arc<Semaphore>, usize)>>,
}

/// A place; freed when it is dropped.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_address: OwnedSemaphorePermit,
    _share: Share,
}

impl Places {
    pub fn new() -> Arc<Self> {
        let all = Arc::new(Semaphore::new(PLACES));
        Arc::new(Places { all, of_addresses: Mutex::default() })
    }

    fn of_addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, (Arc<Semaphore>, usize)>> {
        self.of_addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place, at most for [`WAIT`].
    pub async fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let (share, own) = Share::new(Arc::clone(self), address);
        let take = async {
            // First the address's own place: waiting for it must not occupy one of all.
            let of_address = own.acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Place { _of_all: of_all, _of_address: of_address, _share: share })
        };
        timeout(WAIT, take).await.ok()?
    }
}

/// Keeps the entry of an address in [`Places`] while one of its requests holds or awaits a place.
struct Share {
    places: Arc<Places>,
    address: IpAddr,
}

impl Share {
    fn new(places: Arc<Places>, address: IpAddr) -> (Self, Arc<Semaphore>) {
        let own = {
            let mut known = places.of_addresses();
            let new = || (Arc::new(Semaphore::new(PLACES_OF_ADDRESS)), 0);
            let (own, count) = known.entry(address).or_insert_with(new);
            *count += 1;
            Arc::clone(own)
        };
        (Share { places, address }, own)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut known = self.places.of_addresses();
        if let Some((_, count)) = known.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                known.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_have_a_bound_of_each_address_and_of_all() {
        let places = Places::new();
        let address = |number: u8| IpAddr::from([192, 0, 2, number]);
        let mut taken = Vec::new();
        for number in 0..4 {
            for _ in 0..PLACES_OF_ADDRESS {
                taken.push(places.take(address(number)).now_or_never().flatten().expect("one"));
            }
            let start = tokio::time::Instant::now();
            assert!(places.take(address(number)).await.is_none());
            assert_eq!(start.elapsed(), WAIT);
        }
        assert!(places.take(address(9)).await.is_none(), "all are taken");
        // Who waits gets the next, whoever it is from.
        let waits = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take(address(9)).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(taken.pop());
        taken.push(waits.await.unwrap().expect("a place"));
        assert_eq!(places.of_addresses().len(), 5);
        taken.clear();
        assert!(places.of_addresses().is_empty());
        assert_eq!(places.all.available_permits(), PLACES);
    }
}
