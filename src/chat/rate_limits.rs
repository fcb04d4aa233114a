//! Rate limits of a session, and of all sessions of an address.
//!
//! Each message takes tokens from two sets of token buckets: those of the session that sends it, and those
//! of the session's address. Buckets belong to sessions and addresses, not to logins or members, so leaving
//! the room and coming back does not refill them. A set of buckets is dropped only when all of it is full
//! again: from then on it equals a new one.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ChatSettings;
use super::stats::ChatStats;
use crate::engine::{Session, Sid};
use crate::token_bucket::{Bucket, Rate};

/// A bucket holds the tokens of this many seconds. This is the largest burst.
const BURST_SECONDS: u64 = 2;
/// The smallest capacity of a bucket for messages or notices. Otherwise, at a rate of one a second, a
/// client could not log in and ask for the list of names right after.
const SMALLEST_BURST: u64 = 10;
/// The rate of an address for messages and notices, as a multiple of the rate of a session.
const ADDRESS_FACTOR: u64 = 10;
/// The same for bytes. It is smaller because the burst of an address has to fit into the queue of one
/// reader.
const ADDRESS_FACTOR_BYTES: u64 = 5;

/// Sessions, or addresses, with buckets of their own at a time. All others share one set of buckets.
const MAX_KEYS: usize = 100_000;
/// The shortest time between two searches for full buckets.
const SWEEP: Duration = Duration::from_secs(1);

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Messages,
    /// Bytes of messages, counted as they are queued for readers.
    Bytes,
    /// Everything but messages: logins, typing notices, questions.
    Notices,
}

const KINDS: usize = 3;

impl Kind {
    /// The name of the setting that limits it.
    pub fn setting(self) -> &'static str {
        match self {
            Kind::Messages | Kind::Notices => "message-rate",
            Kind::Bytes => "byte-rate",
        }
    }
}

/// A rate limit is exceeded.
#[derive(Debug, PartialEq, Eq)]
pub struct RateLimited {
    pub kind: Kind,
    /// Whether the address exceeds its limit, and not the session.
    pub shared: bool,
    /// The time after which the same can be sent.
    pub wait: Duration,
}

/// The buckets of all sessions and addresses.
#[derive(Debug)]
pub struct RateLimits {
    sessions: BucketMap<Sid>,
    addresses: BucketMap<IpAddr>,
    stats: Arc<ChatStats>,
}

impl RateLimits {
    pub fn new(settings: &ChatSettings, stats: Arc<ChatStats>) -> Self {
        let count = u64::from(settings.message_rate);
        let count = Rate::per_second(count, (count * BURST_SECONDS).max(SMALLEST_BURST));
        let bytes = u64::try_from(settings.byte_rate).unwrap_or(u64::MAX);
        let bytes = Rate::per_second(bytes, bytes.saturating_mul(BURST_SECONDS));
        let rates = [count, bytes, count];
        let count = count.times(ADDRESS_FACTOR);
        let bytes = bytes.times(ADDRESS_FACTOR_BYTES);
        RateLimits {
            sessions: BucketMap::new(rates),
            addresses: BucketMap::new([count, bytes, count]),
            stats,
        }
    }

    /// Bytes of the longest message that a session's bucket lets through.
    pub fn longest_message(&self) -> usize {
        let capacity = self.sessions.rates[Kind::Bytes as usize].capacity();
        capacity.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Takes all of `costs` from the buckets of the session and of its address, or nothing.
    ///
    /// # Errors
    /// If one of the buckets has too few tokens.
    pub fn take(
        &mut self,
        session: &Session,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> Result<(), RateLimited> {
        let rates = &self.sessions.rates;
        if !costs.iter().any(|&(kind, _)| rates[kind as usize].is_limited()) {
            return Ok(());
        }
        let (sid, address) = (session.sid(), session.handshake().bucket);
        let taken = self.take_for(sid, address, costs, now);
        if let Err(RateLimited { kind, .. }) = &taken {
            self.stats.refused(*kind);
        }
        taken
    }

    fn take_for(
        &mut self,
        sid: Sid,
        address: IpAddr,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> Result<(), RateLimited> {
        let limited = |shared| move |(kind, wait)| RateLimited { kind, shared, wait };
        let (own, own_after) = self.sessions.minus(sid, costs, now).map_err(limited(false))?;
        let (shared, shared_after) =
            self.addresses.minus(address, costs, now).map_err(limited(true))?;
        // Both have enough; only now is anything taken.
        (*own, *shared) = (own_after, shared_after);
        Ok(())
    }
}

type Buckets = [Bucket; KINDS];

/// Buckets by session or address, without those that are full.
#[derive(Debug)]
struct BucketMap<K> {
    rates: [Rate; KINDS],
    buckets: HashMap<K, Buckets>,
    /// Shared by all keys beyond [`MAX_KEYS`].
    overflow: Buckets,
    swept: Option<Instant>,
}

impl<K: Eq + Hash> BucketMap<K> {
    fn new(rates: [Rate; KINDS]) -> Self {
        BucketMap { rates, buckets: HashMap::new(), overflow: Buckets::default(), swept: None }
    }

    /// Returns the buckets of `key`, unchanged, and the levels that they have without `costs`.
    fn minus(
        &mut self,
        key: K,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> Result<(&mut Buckets, Buckets), (Kind, Duration)> {
        let rates = self.rates;
        let buckets = self.get(key, now);
        let mut left = *buckets;
        for &(kind, count) in costs {
            let (rate, bucket) = (&rates[kind as usize], &mut left[kind as usize]);
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            *bucket = rate.take(*bucket, count, now).map_err(|wait| (kind, wait))?;
        }
        Ok((buckets, left))
    }

    fn get(&mut self, key: K, now: Instant) -> &mut Buckets {
        if !self.buckets.contains_key(&key) {
            self.sweep(now);
            if self.buckets.len() >= MAX_KEYS {
                return &mut self.overflow;
            }
        }
        self.buckets.entry(key).or_default()
    }

    /// Drops buckets that are full again, at most once in [`SWEEP`].
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|at| now < at + SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, buckets| !buckets.iter().all(|bucket| bucket.is_full(now)));
        self.buckets.shrink_to(2 * self.buckets.len());
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const ONE: [(Kind, usize); 1] = [(Kind::Messages, 1)];

    fn limits(message_rate: u32, byte_rate: usize) -> RateLimits {
        let settings = ChatSettings {
            message_max: 1000,
            message_rate,
            byte_rate,
            duplicate_names: true,
            reserved_names: Vec::new(),
            leave_delay: Duration::ZERO,
            resume_key: None,
            node_timeout: crate::chat::NODE_TIMEOUT,
            rooms: crate::policy::RoomNames::default(),
            max_rooms: crate::chat::MAX_ROOMS,
            ..ChatSettings::default()
        };
        RateLimits::new(&settings, Arc::default())
    }

    fn sid() -> Sid {
        Sid::random().unwrap()
    }

    /// How often `costs` can be taken, and the error then.
    fn drain(
        limits: &mut RateLimits,
        sid: Sid,
        address: IpAddr,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> (usize, RateLimited) {
        for count in 0..100_000 {
            if let Err(limited) = limits.take_for(sid, address, costs, now) {
                return (count, limited);
            }
        }
        panic!("no end of it");
    }

    #[test]
    fn two_seconds_at_once_and_ten_at_least() {
        let now = Instant::now();
        for (rate, burst) in [(1, 10), (5, 10), (6, 12), (50, 100)] {
            for kind in [Kind::Messages, Kind::Notices] {
                let mut all = limits(rate, 0);
                let (count, limited) = drain(&mut all, sid(), HERE, &[(kind, 1)], now);
                let wait = Duration::from_nanos(1_000_000_000 / u64::from(rate));
                assert_eq!((count, limited.kind, limited.shared), (burst, kind, false));
                assert!(wait.abs_diff(limited.wait) < Duration::from_micros(1), "{limited:?}");
            }
        }
        let mut all = limits(0, 500);
        assert_eq!(all.longest_message(), 1000);
        let (count, limited) = drain(&mut all, sid(), HERE, &[(Kind::Bytes, 400)], now);
        assert_eq!((count, limited.kind), (2, Kind::Bytes));
        assert_eq!(limits(7, 0).longest_message(), usize::MAX);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let (now, mut all, ann) = (Instant::now(), limits(5, 500), sid());
        let message = |bytes| [(Kind::Messages, 1), (Kind::Bytes, bytes)];
        assert_eq!(drain(&mut all, ann, HERE, &message(600), now).0, 1);
        let (count, limited) = drain(&mut all, ann, HERE, &message(1), now);
        assert_eq!((count, limited.kind), (9, Kind::Messages), "ten messages, the large one too");
        // A refusal by the address costs the person nothing either.
        let mut all = limits(1, 0);
        for _ in 0..10 {
            assert_eq!(drain(&mut all, sid(), HERE, &ONE, now).0, 10);
        }
        let (count, limited) = drain(&mut all, ann, HERE, &ONE, now);
        assert_eq!((count, limited.shared), (0, true));
        assert_eq!(drain(&mut all, ann, THERE, &ONE, now).0, 10);
    }

    #[test]
    fn an_address_has_what_ten_people_have_or_five_who_have_much_to_say() {
        let (start, mut all) = (Instant::now(), limits(50, 0));
        let crowd = |all: &mut RateLimits, address, now| -> usize {
            (0..100).map(|_| drain(all, sid(), address, &ONE, now).0).sum()
        };
        assert_eq!(crowd(&mut all, HERE, start), 1000);
        assert_eq!(crowd(&mut all, THERE, start), 1000, "nobody else suffers");
        assert_eq!(crowd(&mut all, HERE, start + Duration::from_secs(1)), 500);
        let mut all = limits(0, 1000);
        let wordy = |all: &mut RateLimits, now| -> usize {
            (0..10).map(|_| drain(all, sid(), HERE, &[(Kind::Bytes, 1000)], now).0).sum()
        };
        assert_eq!(wordy(&mut all, start), 10, "two thousand bytes of each of five");
        assert_eq!(wordy(&mut all, start + Duration::from_secs(1)), 5);
    }

    #[test]
    fn who_has_full_buckets_is_forgotten_and_nobody_else() {
        let (start, mut all) = (Instant::now(), limits(50, 0));
        let ann = sid();
        drain(&mut all, ann, THERE, &ONE, start);
        for _ in 0..500 {
            all.take_for(sid(), HERE, &ONE, start).unwrap();
        }
        assert_eq!((all.sessions.buckets.len(), all.addresses.buckets.len()), (501, 2));
        // The crowd's buckets are full soon, but it is not looked every time.
        all.take_for(sid(), HERE, &ONE, start + SWEEP - Duration::from_millis(1)).unwrap();
        assert_eq!(all.sessions.buckets.len(), 502);
        all.take_for(sid(), HERE, &ONE, start + SWEEP).unwrap();
        assert_eq!(all.sessions.buckets.len(), 3, "Ann, and two who have just spoken");
        // Ann's take two seconds.
        let later = start + Duration::from_millis(1990);
        assert!(drain(&mut all, ann, THERE, &ONE, later).0 < 100);
        let later = start + SWEEP * 2;
        all.take_for(sid(), HERE, &ONE, later).unwrap();
        assert_eq!(all.sessions.buckets.len(), 2);
        assert!(drain(&mut all, ann, THERE, &ONE, later).0 < 100);
        let later = start + Duration::from_secs(60);
        let elsewhere = IpAddr::V4(Ipv4Addr::BROADCAST);
        all.take_for(sid(), elsewhere, &ONE, later).unwrap();
        assert_eq!((all.sessions.buckets.len(), all.addresses.buckets.len()), (1, 1));
        assert!(all.sessions.buckets.capacity() < 100, "memory is given back");
    }

    #[test]
    fn more_than_can_be_known_share_a_bucket() {
        let (start, mut all) = (Instant::now(), limits(50, 0));
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
        for n in 0..MAX_KEYS as u32 {
            let rate = Rate::per_second(1, 10);
            let bucket = rate.take(Bucket::default(), 5, start).unwrap();
            *all.addresses.get(address(n), start) = [bucket; KINDS];
        }
        let stranger = address(MAX_KEYS as u32);
        let crowd = |all: &mut RateLimits, address, now| -> usize {
            (0..20).map(|_| drain(all, sid(), address, &ONE, now).0).sum()
        };
        assert_eq!(crowd(&mut all, stranger, start), 1000);
        assert_eq!(crowd(&mut all, address(u32::MAX), start), 0, "it shares that bucket");
        assert_eq!(all.addresses.buckets.len(), MAX_KEYS);
        let later = start + Duration::from_secs(6);
        assert_eq!(crowd(&mut all, stranger, later), 1000);
        assert_eq!(all.addresses.buckets.len(), 1, "there is room again");
    }
}
