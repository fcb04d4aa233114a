//! Connection slots: bounds on open connections, in total and per address, because each one costs
//! an open file and memory. A few connections above the bound wait for a slot, so that they can be
//! refused with a reason if none becomes free.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How many connections above the bound may wait at once, at most.
const MAX_WAITING: usize = 64;
/// How long a connection waits for a slot.
pub const WAIT: Duration = Duration::from_secs(2);

/// Counts connections. Dropping a [`Slot`] frees it.
#[derive(Debug)]
pub struct Slots {
    counts: Arc<Counts>,
    /// The share of connections whose address has no bound or is not known yet.
    unbounded: Arc<Share>,
    waiting: Arc<Semaphore>,
}

/// Why a connection gets no slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSlot {
    /// All slots are taken.
    AllTaken,
    /// The address has as many connections as it may have.
    Share,
}

impl NoSlot {
    /// The setting that bounds it.
    pub fn setting(self) -> &'static str {
        match self {
            NoSlot::AllTaken => "max-connections",
            NoSlot::Share => "max-connections-per-address",
        }
    }

    /// The reason for the client and the log, with the name of the setting.
    pub fn reason(self) -> &'static str {
        match self {
            NoSlot::AllTaken => "all connections are taken (max-connections)",
            NoSlot::Share => {
                "this address has as many connections as it may (max-connections-per-address)"
            }
        }
    }
}

/// The result of [`Slots::admit`].
pub enum Admission {
    /// It has a slot.
    Slot(Slot),
    /// There is no slot, but a permit to wait for one, or to be refused with an answer.
    Wait(OwnedSemaphorePermit, NoSlot),
    /// There is no slot and no permit to wait.
    Full(NoSlot),
}

/// A connection's slot. It counts in total and in the share of the connection's address.
#[derive(Debug)]
pub struct Slot {
    share: Arc<Share>,
}

/// The connections of one address. Their number is the number of references to this.
#[derive(Debug)]
struct Share {
    address: Option<IpAddr>,
    counts: Arc<Counts>,
}

/// The free slots, and the shares of all addresses that have connections.
#[derive(Debug)]
struct Counts {
    free: Semaphore,
    /// The slots, free or not.
    total: usize,
    /// Connections of one address at most; 0 for no bound.
    per_address: usize,
    shares: Mutex<HashMap<IpAddr, Weak<Share>>>,
}

impl Counts {
    fn shares(&self) -> MutexGuard<'_, HashMap<IpAddr, Weak<Share>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut shares = self.counts.shares();
        // A new connection may have inserted a new share after the last reference was dropped.
        if shares.get(&address).is_some_and(|share| share.strong_count() == 0) {
            shares.remove(&address);
        }
    }
}

/// The system's limit of open files.
///
/// # Errors
/// The system's; and everywhere but on Unix, which alone has such a limit.
pub fn open_files() -> io::Result<u64> {
    #[cfg(unix)]
    return rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(soft, _)| soft);
    #[cfg(not(unix))]
    return Err(io::ErrorKind::Unsupported.into());
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.share.counts.free.add_permits(1);
    }
}

impl Slot {
    /// Moves the slot to the share of `address`, for connections through a proxy, whose client
    /// address becomes known only after the slot was taken.
    ///
    /// # Errors
    /// If that address has as many connections as it may have.
    pub fn claim(&mut self, slots: &Slots, address: IpAddr) -> Result<(), NoSlot> {
        self.share = slots.share(Some(address))?;
        Ok(())
    }
}

impl Slots {
    /// `connections` is the bound in total, `per_address` for one address (0 for no bound, and never
    /// more than half of the total). How many connections may wait depends on the process's limit
    /// of open files.
    pub fn new(connections: usize, per_address: usize) -> Self {
        Slots::with(connections, per_address, waiting(connections, &open_files()))
    }

    fn with(connections: usize, per_address: usize, waiting: usize) -> Self {
        let semaphore = |permits: usize| Semaphore::new(permits.min(Semaphore::MAX_PERMITS));
        let (free, shares) = (semaphore(connections), Mutex::default());
        let per_address = per_address.min((connections / 2).max(1));
        let total = connections.min(Semaphore::MAX_PERMITS);
        let counts = Arc::new(Counts { free, total, per_address, shares });
        let unbounded = Arc::new(Share { address: None, counts: Arc::clone(&counts) });
        Slots { counts, unbounded, waiting: Arc::new(semaphore(waiting)) }
    }

    /// How many connections have a slot.
    pub fn taken(&self) -> usize {
        self.counts.total.saturating_sub(self.counts.free.available_permits())
    }

    /// How many slots there are.
    pub fn total(&self) -> usize {
        self.counts.total
    }

    /// Takes a slot for a new connection, in the share of `address` if there is one. `address` is
    /// the client's rate-limit key: see [`Client::bucket`](crate::policy::Client::bucket).
    pub fn admit(&self, address: Option<IpAddr>) -> Admission {
        let permit = self.counts.free.try_acquire().map_err(|_| NoSlot::AllTaken);
        match permit.and_then(|permit| self.slot(permit, address)) {
            Ok(slot) => Admission::Slot(slot),
            Err(why) => match Arc::clone(&self.waiting).try_acquire_owned() {
                Ok(permit) => Admission::Wait(permit, why),
                Err(_) => Admission::Full(why),
            },
        }
    }

    /// Waits up to [`WAIT`] for a slot. The wait is short because the connections that hold slots
    /// may be WebSockets that stay open for hours. It fails at once if the address is at its bound.
    ///
    /// # Errors
    /// Why the connection gets no slot.
    pub async fn wait(&self, address: Option<IpAddr>) -> Result<Slot, NoSlot> {
        let permit = tokio::time::timeout(WAIT, self.counts.free.acquire()).await;
        self.slot(permit.ok().and_then(Result::ok).ok_or(NoSlot::AllTaken)?, address)
    }

    /// Makes a slot of a permit. From here on, [`Slot::drop`] returns the permit.
    fn slot(&self, permit: SemaphorePermit<'_>, of: Option<IpAddr>) -> Result<Slot, NoSlot> {
        let share = self.share(of)?;
        permit.forget();
        Ok(Slot { share })
    }

    /// Adds a connection to an address's share.
    fn share(&self, of: Option<IpAddr>) -> Result<Arc<Share>, NoSlot> {
        let most = self.counts.per_address;
        let Some(address) = of.filter(|_| most > 0) else { return Ok(Arc::clone(&self.unbounded)) };
        let mut shares = self.counts.shares();
        let Some(share) = shares.get(&address).and_then(Weak::upgrade) else {
            let share = Arc::new(Share { address: of, counts: Arc::clone(&self.counts) });
            shares.insert(address, Arc::downgrade(&share));
            return Ok(share);
        };
        // The count includes the reference that `upgrade` just made.
        let full = Arc::strong_count(&share) > most;
        // Unlock before `share` may be dropped: dropping the last reference takes this lock.
        drop(shares);
        if full { Err(NoSlot::Share) } else { Ok(share) }
    }
}

/// How many connections may wait: a quarter of the open files that are left, so that log files,
/// pages and listeners keep the rest.
fn waiting(connections: usize, limit: &io::Result<u64>) -> usize {
    let Ok(limit) = limit else { return MAX_WAITING };
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    (limit.saturating_sub(connections) / 4).clamp(1, MAX_WAITING)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const UNBOUND: usize = 0;

    fn address(last: u8) -> Option<IpAddr> {
        Some([192, 0, 2, last].into())
    }

    fn slot(admission: Admission) -> Slot {
        match admission {
            Admission::Slot(slot) => slot,
            _ => panic!("there is a slot"),
        }
    }

    fn refusal(admission: &Admission) -> Option<NoSlot> {
        match admission {
            Admission::Slot(_) => None,
            Admission::Wait(_, why) | Admission::Full(why) => Some(*why),
        }
    }

    #[test]
    fn few_wait_and_the_rest_of_the_files_is_kept_back() {
        for (connections, limit, room) in
            [(10, 20_000, 64), (19_744, 20_000, 64), (32, 64, 8), (100, 90, 1)]
        {
            assert_eq!(waiting(connections, &Ok(limit)), room, "{connections} in {limit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_late_waits_a_moment() {
        let slots = Slots::with(1, UNBOUND, 4);
        let first = slot(slots.admit(None));
        let waiting: Vec<_> = (0..4).map(|_| slots.admit(None)).collect();
        assert!(waiting.iter().all(|a| matches!(a, Admission::Wait(_, NoSlot::AllTaken))));
        assert!(matches!(slots.admit(None), Admission::Full(NoSlot::AllTaken)));
        assert_eq!((slots.taken(), slots.total()), (1, 1), "who waits has none");
        let began = tokio::time::Instant::now();
        assert_eq!(slots.wait(None).await.unwrap_err(), NoSlot::AllTaken);
        assert_eq!(began.elapsed(), WAIT);
        drop(first);
        let second = slots.wait(None).await.unwrap();
        assert!(matches!(slots.admit(None), Admission::Full(_)));
        drop(second);
        assert_eq!(slots.taken(), 0);
        slot(slots.admit(None));
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        for (connections, per_address, share) in [
            (10, 3, 3),
            (10, 5, 5),
            (10, 6, 5),
            (10, 4000, 5),
            (10, UNBOUND, 10),
            (3, 4000, 1),
            (1, 4000, 1),
        ] {
            let case = format!("{per_address} of {connections}");
            let slots = Slots::with(connections, per_address, 1);
            let mut held: Vec<_> = (0..share).map(|_| slot(slots.admit(address(1)))).collect();
            let more = refusal(&slots.admit(address(1)));
            let all_taken = share == connections;
            let why = if all_taken { NoSlot::AllTaken } else { NoSlot::Share };
            assert_eq!(more, Some(why), "{case}");
            // The slots that one address cannot have are left for others.
            if !all_taken {
                held.push(slot(slots.admit(address(2))));
            }
            held.swap_remove(0);
            held.push(slot(slots.admit(address(1))));
            assert_eq!(refusal(&slots.admit(address(1))), Some(why), "{case}");
            drop(held);
            assert_eq!(slots.counts.shares().len(), 0, "nothing is remembered of who left");
            assert_eq!(slots.counts.free.available_permits(), connections, "{case}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_is_taken_where_the_address_becomes_known() {
        let slots = Slots::with(10, 1, 1);
        let known = address(1).unwrap();
        let (mut first, mut second) = (slot(slots.admit(None)), slot(slots.admit(None)));
        first.claim(&slots, known).unwrap();
        assert_eq!(second.claim(&slots, known).unwrap_err(), NoSlot::Share);
        // At its address's bound, a connection does not wait.
        assert_eq!(slots.wait(Some(known)).await.unwrap_err(), NoSlot::Share);
        drop(first);
        second.claim(&slots, known).unwrap();
        drop(second);
        slots.wait(Some(known)).await.unwrap();
    }

    #[test]
    fn shares_are_counted_right_by_many_threads() {
        let slots = Slots::with(1000, 2, 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..2000_u32 {
                        let slot = slots.admit(address(u8::try_from(round % 3).unwrap()));
                        assert_ne!(refusal(&slot), Some(NoSlot::AllTaken));
                    }
                });
            }
        });
        assert_eq!(slots.counts.shares().len(), 0);
        assert_eq!(slots.counts.free.available_permits(), 1000);
    }

    #[test]
    fn each_reason_names_its_setting() {
        let reasons = [NoSlot::AllTaken, NoSlot::Share].map(NoSlot::reason);
        assert!(reasons[0].contains("(max-connections)"));
        assert!(reasons[1].contains("(max-connections-per-address)"));
        assert_eq!(reasons.iter().collect::<HashSet<_>>().len(), 2);
    }
}
