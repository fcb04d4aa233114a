//! How much may be said: by a person, and from an address.
//!
//! Each message takes tokens from two token buckets: that of the session that sends it, and that of the
//! address which the session came from. Buckets are kept by session and by address, not by login or
//! membership, so leaving and coming back does not refill them. A bucket is forgotten only once it is full
//! again, when it is no different from a new one.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::ChatSettings;
use super::rate::{Bucket, Rate};
use crate::engine::{Session, Sid};

/// A bucket holds what its rate gives in this many seconds: so much may be sent at once.
const BURST_SECONDS: u64 = 2;
/// The smallest bucket, in messages or notices. With less, a client that may send one a second could not
/// log in and ask for the list of people one after the other.
const SMALLEST_BURST: u64 = 10;
/// The rate of an address, as a multiple of the rate of a person: messages and notices.
const PEOPLE_OF_AN_ADDRESS: u64 = 10;
/// The same for bytes of text. Less, because what an address may send at once has to fit into the queue of
/// one reader.
const WORDY_PEOPLE_OF_AN_ADDRESS: u64 = 5;

/// Sessions, or addresses, that have a bucket of their own at once; any more share one.
const KNOWN: usize = 100_000;
/// How often full buckets are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Messages,
    /// Of messages, as they wait for readers.
    Bytes,
    /// All that is no message: logins, typing notices, questions.
    Notices,
}

const KINDS: usize = 3;

impl Kind {
    /// The setting of its rate.
    pub fn setting(self) -> &'static str {
        match self {
            Kind::Messages | Kind::Notices => "message-rate",
            Kind::Bytes => "byte-rate",
        }
    }
}

/// Who said too much has to wait.
#[derive(Debug, PartialEq, Eq)]
pub struct TooFast {
    pub kind: Kind,
    /// Others of the same address have said the most of it.
    pub shared: bool,
    pub wait: Duration,
}

/// Counts what the rates have refused since the process started.
#[derive(Debug, Default)]
pub struct RateLimitStats {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl RateLimitStats {
    fn note(&self, kind: Kind) {
        let of = match kind {
            Kind::Messages | Kind::Notices => &self.messages,
            Kind::Bytes => &self.bytes,
        };
        of.fetch_add(1, Ordering::Relaxed);
    }

    /// Refusals of each rate, under the name of its setting.
    pub fn counts(&self) -> [(&'static str, u64); 2] {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        [("message-rate", count(&self.messages)), ("byte-rate", count(&self.bytes))]
    }
}

/// The buckets of all who have spoken of late.
#[derive(Debug)]
pub struct Allowances {
    people: Ledger<Sid>,
    addresses: Ledger<IpAddr>,
    rate_limit_stats: Arc<RateLimitStats>,
}

impl Allowances {
    pub fn new(settings: &ChatSettings, rate_limit_stats: Arc<RateLimitStats>) -> Self {
        let count = u64::from(settings.message_rate);
        let count = Rate::new(count, (count * BURST_SECONDS).max(SMALLEST_BURST));
        let bytes = u64::try_from(settings.byte_rate).unwrap_or(u64::MAX);
        let bytes = Rate::new(bytes, bytes.saturating_mul(BURST_SECONDS));
        let rates = [count, bytes, count];
        let count = count.times(PEOPLE_OF_AN_ADDRESS);
        let bytes = bytes.times(WORDY_PEOPLE_OF_AN_ADDRESS);
        Allowances {
            people: Ledger::new(rates),
            addresses: Ledger::new([count, bytes, count]),
            rate_limit_stats,
        }
    }

    /// Bytes of a message that a person's bucket can ever hold.
    pub fn longest_message(&self) -> usize {
        let most = self.people.rates[Kind::Bytes as usize].capacity();
        most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Takes all of `costs`, or nothing.
    ///
    /// # Errors
    /// If the session, or those of its address together, have too little left.
    pub fn take(
        &mut self,
        session: &Session,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> Result<(), TooFast> {
        let rates = &self.people.rates;
        if !costs.iter().any(|&(kind, _)| rates[kind as usize].is_bound()) {
            return Ok(());
        }
        let (sid, address) = (session.sid(), session.handshake().bucket);
        let paid = self.take_of(sid, address, costs, now);
        if let Err(TooFast { kind, .. }) = &paid {
            self.rate_limit_stats.note(*kind);
        }
        paid
    }

    fn take_of(
        &mut self,
        sid: Sid,
        address: IpAddr,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> Result<(), TooFast> {
        let too_fast = |shared| move |(kind, wait)| TooFast { kind, shared, wait };
        let (own, left) = self.people.without(sid, costs, now).map_err(too_fast(false))?;
        let (shared, of_all) =
            self.addresses.without(address, costs, now).map_err(too_fast(true))?;
        (*own, *shared) = (left, of_all);
        Ok(())
    }
}

type Buckets = [Bucket; KINDS];

/// The buckets of everybody of whom not all are full.
#[derive(Debug)]
struct Ledger<K> {
    rates: [Rate; KINDS],
    known: HashMap<K, Buckets>,
    others: Buckets,
    swept: Option<Instant>,
}

impl<K: Eq + Hash> Ledger<K> {
    fn new(rates: [Rate; KINDS]) -> Self {
        Ledger { rates, known: HashMap::new(), others: Buckets::default(), swept: None }
    }

    /// The buckets of `key`, and as they are without `costs`.
    fn without(
        &mut self,
        key: K,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> Result<(&mut Buckets, Buckets), (Kind, Duration)> {
        let rates = self.rates;
        let buckets = self.of(key, now);
        let mut left = *buckets;
        for &(kind, count) in costs {
            let (rate, bucket) = (&rates[kind as usize], &mut left[kind as usize]);
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            *bucket = rate.take(*bucket, count, now).map_err(|wait| (kind, wait))?;
        }
        Ok((buckets, left))
    }

    fn of(&mut self, key: K, now: Instant) -> &mut Buckets {
        if !self.known.contains_key(&key) {
            self.sweep(now);
            if self.known.len() >= KNOWN {
                return &mut self.others;
            }
        }
        self.known.entry(key).or_default()
    }

    /// Forgets buckets that are full again; does nothing if the last sweep was less than [`SWEEP`] ago.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|at| now < at + SWEEP) {
            return;
        }
        self.swept = Some(now);
        self.known.retain(|_, buckets| !buckets.iter().all(|bucket| bucket.is_full(now)));
        self.known.shrink_to(2 * self.known.len());
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const ONE: [(Kind, usize); 1] = [(Kind::Messages, 1)];

    fn allowances(message_rate: u32, byte_rate: usize) -> Allowances {
        let settings =
            ChatSettings { message_max: 1000, message_rate, byte_rate, duplicate_names: true };
        Allowances::new(&settings, Arc::default())
    }

    fn sid() -> Sid {
        Sid::random().unwrap()
    }

    /// How often that can be taken, and what is said then.
    fn drain(
        of: &mut Allowances,
        sid: Sid,
        address: IpAddr,
        costs: &[(Kind, usize)],
        now: Instant,
    ) -> (usize, TooFast) {
        for count in 0..100_000 {
            if let Err(too_fast) = of.take_of(sid, address, costs, now) {
                return (count, too_fast);
            }
        }
        panic!("no end of it");
    }

    #[test]
    fn two_seconds_at_once_and_ten_at_least() {
        let now = Instant::now();
        for (rate, burst) in [(1, 10), (5, 10), (6, 12), (50, 100)] {
            for kind in [Kind::Messages, Kind::Notices] {
                let mut all = allowances(rate, 0);
                let (count, told) = drain(&mut all, sid(), HERE, &[(kind, 1)], now);
                let wait = Duration::from_nanos(1_000_000_000 / u64::from(rate));
                assert_eq!((count, told.kind, told.shared), (burst, kind, false));
                assert!(wait.abs_diff(told.wait) < Duration::from_micros(1), "{told:?}");
            }
        }
        let mut all = allowances(0, 500);
        assert_eq!(all.longest_message(), 1000);
        let (count, told) = drain(&mut all, sid(), HERE, &[(Kind::Bytes, 400)], now);
        assert_eq!((count, told.kind), (2, Kind::Bytes));
        assert_eq!(allowances(7, 0).longest_message(), usize::MAX);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let (now, mut all, ann) = (Instant::now(), allowances(5, 500), sid());
        let message = |bytes| [(Kind::Messages, 1), (Kind::Bytes, bytes)];
        assert_eq!(drain(&mut all, ann, HERE, &message(600), now).0, 1);
        let (count, told) = drain(&mut all, ann, HERE, &message(1), now);
        assert_eq!((count, told.kind), (9, Kind::Messages), "ten messages, the large one too");
        // A refusal by the address costs the person nothing either.
        let mut all = allowances(1, 0);
        for _ in 0..10 {
            assert_eq!(drain(&mut all, sid(), HERE, &ONE, now).0, 10);
        }
        let (count, told) = drain(&mut all, ann, HERE, &ONE, now);
        assert_eq!((count, told.shared), (0, true));
        assert_eq!(drain(&mut all, ann, THERE, &ONE, now).0, 10);
    }

    #[test]
    fn an_address_has_what_ten_people_have_or_five_who_have_much_to_say() {
        let (start, mut all) = (Instant::now(), allowances(50, 0));
        let crowd = |all: &mut Allowances, address, now| -> usize {
            (0..100).map(|_| drain(all, sid(), address, &ONE, now).0).sum()
        };
        assert_eq!(crowd(&mut all, HERE, start), 1000);
        assert_eq!(crowd(&mut all, THERE, start), 1000, "nobody else suffers");
        assert_eq!(crowd(&mut all, HERE, start + Duration::from_secs(1)), 500);
        let mut all = allowances(0, 1000);
        let wordy = |all: &mut Allowances, now| -> usize {
            (0..10).map(|_| drain(all, sid(), HERE, &[(Kind::Bytes, 1000)], now).0).sum()
        };
        assert_eq!(wordy(&mut all, start), 10, "two thousand bytes of each of five");
        assert_eq!(wordy(&mut all, start + Duration::from_secs(1)), 5);
    }

    #[test]
    fn who_has_full_buckets_is_forgotten_and_nobody_else() {
        let (start, mut all) = (Instant::now(), allowances(50, 0));
        let ann = sid();
        drain(&mut all, ann, THERE, &ONE, start);
        for _ in 0..500 {
            all.take_of(sid(), HERE, &ONE, start).unwrap();
        }
        assert_eq!((all.people.known.len(), all.addresses.known.len()), (501, 2));
        // The crowd's buckets are full soon, but it is not looked every time.
        all.take_of(sid(), HERE, &ONE, start + SWEEP - Duration::from_millis(1)).unwrap();
        assert_eq!(all.people.known.len(), 502);
        all.take_of(sid(), HERE, &ONE, start + SWEEP).unwrap();
        assert_eq!(all.people.known.len(), 3, "Ann, and two who have just spoken");
        // Ann's take two seconds.
        let later = start + Duration::from_millis(1990);
        assert!(drain(&mut all, ann, THERE, &ONE, later).0 < 100);
        let later = start + SWEEP * 2;
        all.take_of(sid(), HERE, &ONE, later).unwrap();
        assert_eq!(all.people.known.len(), 2);
        assert!(drain(&mut all, ann, THERE, &ONE, later).0 < 100);
        let later = start + Duration::from_secs(60);
        let elsewhere = IpAddr::V4(Ipv4Addr::BROADCAST);
        all.take_of(sid(), elsewhere, &ONE, later).unwrap();
        assert_eq!((all.people.known.len(), all.addresses.known.len()), (1, 1));
        assert!(all.people.known.capacity() < 100, "memory is given back");
    }

    #[test]
    fn more_than_can_be_known_share_a_bucket() {
        let (start, mut all) = (Instant::now(), allowances(50, 0));
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
        for n in 0..KNOWN as u32 {
            let rate = Rate::new(1, 10);
            let bucket = rate.take(Bucket::default(), 5, start).unwrap();
            *all.addresses.of(address(n), start) = [bucket; KINDS];
        }
        let stranger = address(KNOWN as u32);
        let crowd = |all: &mut Allowances, address, now| -> usize {
            (0..20).map(|_| drain(all, sid(), address, &ONE, now).0).sum()
        };
        assert_eq!(crowd(&mut all, stranger, start), 1000);
        assert_eq!(crowd(&mut all, address(u32::MAX), start), 0, "it shares that bucket");
        assert_eq!(all.addresses.known.len(), KNOWN);
        let later = start + Duration::from_secs(6);
        assert_eq!(crowd(&mut all, stranger, later), 1000);
        assert_eq!(all.addresses.known.len(), 1, "there is room again");
    }

    #[test]
    fn each_refusal_is_counted_under_its_setting() {
        let rate_limit_stats = RateLimitStats::default();
        [Kind::Messages, Kind::Notices, Kind::Bytes]
            .iter()
            .for_each(|kind| rate_limit_stats.note(*kind));
        assert_eq!(rate_limit_stats.counts(), [("message-rate", 2), ("byte-rate", 1)]);
        for kind in [Kind::Messages, Kind::Notices, Kind::Bytes] {
            assert!(rate_limit_stats.counts().iter().any(|(name, _)| *name == kind.setting()));
        }
    }
}
