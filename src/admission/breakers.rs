//! The WebSocket circuit breakers of all networks, and the log lines when they change state.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::info;

use super::addresses::{AddressTable, Expires};
use super::client::ClientInfo;
use crate::engine::Session;
use crate::policy::breaker::{Answer, Failure, Kind, Network, Opened, Report, Returned};
use crate::policy::{BreakerSettings, Client};

/// The most breakers that are kept. Clients that would need one more have no breaker.
const MAX_BREAKERS: usize = 20_000;

/// The clients that share a breaker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    /// The rate-limit key: an IPv4 address, or an IPv6 /64.
    pub network: IpAddr,
    pub kind: Kind,
}

impl Subject {
    pub fn new(network: IpAddr, generation: &'static str, agent: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        agent.hash(&mut hasher);
        Subject { network, kind: Kind { generation, agent: hasher.finish() } }
    }

    /// Takes them from the handshake of the session, because some clients send no `User-Agent` with a
    /// WebSocket request.
    pub fn of(session: &Session) -> Option<Self> {
        let (handshake, client_info) = (session.handshake(), ClientInfo::of(session)?);
        Some(Subject::new(handshake.bucket, handshake.generation, client_info.visitor().agent))
    }
}

/// A rate-limit key in the usual notation: an address, or an IPv6 prefix with `/64`.
pub(crate) fn network_name(network: IpAddr) -> String {
    match network {
        network if network == Client::Unknown.bucket() => Client::Unknown.to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

/// All breakers, behind one lock. No other lock is taken while it is held.
#[derive(Debug, Default)]
pub struct Breakers {
    table: Mutex<Table>,
    next_client: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    networks: AddressTable<Network>,
    /// The number of breakers in all networks.
    breakers: usize,
}

impl Expires for Network {
    fn is_expired(&mut self, now: Instant) -> bool {
        Network::is_expired(self, now)
    }
}

impl Table {
    /// Calls `act` with the entry of a network, if there is one, and keeps the number of breakers right.
    fn with<R>(&mut self, network: IpAddr, act: impl FnOnce(&mut Network) -> R) -> Option<R> {
        let network = self.networks.get_mut(network)?;
        let before = network.breaker_count();
        let result = act(network);
        self.breakers = self.breakers + network.breaker_count() - before;
        Some(result)
    }

    /// Whether one more breaker can be kept.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.breakers >= MAX_BREAKERS && self.networks.sweep(now) {
            self.breakers = self.networks.iter().map(|(_, network)| network.breaker_count()).sum();
        }
        self.breakers < MAX_BREAKERS
    }
}

impl Breakers {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client may use a WebSocket. With `test`, it is about to open one and accepts a refusal,
    /// so it may serve as the test of a half-open breaker.
    pub(super) fn ask(&self, subject: Subject, test: bool, settings: &BreakerSettings) -> Answer {
        if settings.failures == 0 {
            return Answer::Allowed;
        }
        let (Subject { network, kind }, now) = (subject, Instant::now());
        let answer = self.table().with(network, |network| network.ask(kind, test, now));
        if answer == Some(Answer::Test { first: true }) {
            info!(
                network = %network_name(network),
                generation = kind.generation,
                "WebSocket circuit breaker half-open: one WebSocket is let through as a test"
            );
        }
        answer.unwrap_or(Answer::Allowed)
    }

    /// Reports that a test ended without a result.
    pub(super) fn test_inconclusive(&self, Subject { network, kind }: Subject) {
        self.table().with(network, |network| network.test_inconclusive(kind));
    }

    /// Reports that a WebSocket has started to carry packets in both directions.
    pub(super) fn carrying_started(&self, network: IpAddr) {
        let now = Instant::now();
        let mut table = self.table();
        // The number of these entries is bounded by the number of open WebSockets. A network where
        // WebSockets work must be in the table, or a breaker could open there.
        table.networks.entry_beyond_max(network, now);
        let closed = table.with(network, |network| network.carrying_started(now));
        drop(table);
        for (kind, agent) in closed.into_iter().flatten() {
            info!(
                network = %network_name(network),
                generation = kind.generation,
                agent = &*agent,
                "WebSocket circuit breaker closed: a WebSocket of this network carried packets"
            );
        }
    }

    /// Reports the end of a WebSocket after [`Breakers::carrying_started`].
    pub(super) fn carrying_ended(&self, network: IpAddr) {
        self.table().with(network, |network| network.carrying_ended(Instant::now()));
    }

    /// A new, unique number for a client.
    pub(super) fn new_client(&self) -> u64 {
        self.next_client.fetch_add(1, Ordering::Relaxed)
    }

    /// Reports a failed WebSocket. `agent` is the `User-Agent` of its client.
    pub(super) fn failed(
        &self,
        Subject { network, kind }: Subject,
        agent: &str,
        failure: Failure,
        settings: &BreakerSettings,
    ) {
        let now = Instant::now();
        let mut table = self.table();
        // A test comes from an existing breaker, so it needs no room.
        let has_room =
            failure.test || table.has_room(now) && table.networks.entry(network, now).is_some();
        if !has_room {
            return;
        }
        let opened =
            table.with(network, |network| network.failed(kind, agent, failure, now, settings));
        drop(table);
        log_opened(network, kind, opened.flatten(), now);
    }

    /// Reports that a client sent a request after its WebSocket failed.
    pub(super) fn client_returned(
        &self,
        Subject { network, kind }: Subject,
        who: Returned,
        settings: &BreakerSettings,
    ) {
        let now = Instant::now();
        let opened =
            self.table().with(network, |network| network.client_returned(kind, who, now, settings));
        log_opened(network, kind, opened.flatten(), now);
    }

    /// Reports that the session of a client is over.
    pub(super) fn client_left(&self, Subject { network, kind }: Subject, client: u64) {
        self.table().with(network, |network| network.client_left(kind, client, Instant::now()));
    }

    /// Calls `show` for at most `max` breakers that are not closed, under the lock. Returns the number of
    /// all such breakers.
    pub fn report(&self, max: usize, mut show: impl FnMut(IpAddr, &Report<'_>)) -> usize {
        let (now, table) = (Instant::now(), self.table());
        let networks = table.networks.iter();
        let all = networks.flat_map(|(at, network)| network.reports(now).map(move |it| (at, it)));
        let mut count = 0;
        for (network, report) in all {
            if count < max {
                show(network, &report);
            }
            count += 1;
        }
        count
    }

    /// The number of breakers that are not closed.
    pub fn count(&self) -> usize {
        self.report(0, |_, _| {})
    }
}

fn log_opened(network: IpAddr, kind: Kind, opened: Option<Opened>, now: Instant) {
    let Some(Opened { cause, agent, rest, again }) = opened else { return };
    info!(
        network = %network_name(network),
        generation = kind.generation,
        agent = &*agent,
        clients = cause.clients,
        silent = cause.silent,
        dropped = cause.clients - cause.silent,
        since_seconds = (now - cause.since).as_secs(),
        seconds = rest.as_secs(),
        "{}",
        match again {
            true => "WebSocket circuit breaker open again: the test failed",
            false =>
                "WebSocket circuit breaker open: WebSockets of such clients of this network open \
                 and carry nothing, so they are not offered any for a while; breaker-failures = 0 \
                 switches all breakers off",
        }
    );
}

#[cfg(test)]
mod tests {
    use super::super::addresses::MAX_NETWORKS;
    use super::*;
    use crate::policy::breaker::{Evidence, Proof};
    use std::time::Duration;

    fn fail(breakers: &Breakers, network: u32, agent: &str) {
        let subject = Subject::new(IpAddr::from(network.to_be_bytes()), "3.x-4.x", agent);
        let (client, opened) = (breakers.new_client(), Instant::now());
        let (evidence, proof) = (Evidence::Silent, Proof::Given);
        let failure = Failure { client, opened, evidence, proof, test: false };
        breakers.failed(subject, agent, failure, &BreakerSettings::default());
        breakers.client_left(subject, client);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let breakers = Breakers::default();
        for network in 0..150_000 {
            fail(&breakers, network, "a");
        }
        assert_eq!(breakers.table().breakers, MAX_BREAKERS);
        // Networks where WebSockets work are kept beyond the bound: no breaker may open there.
        for network in 200_000..300_000_u32 {
            breakers.carrying_started(IpAddr::from(network.to_be_bytes()));
        }
        assert!(breakers.table().networks.len() <= MAX_NETWORKS + MAX_BREAKERS);
        let first = IpAddr::from(200_000_u32.to_be_bytes());
        assert!(breakers.table().networks.get_mut(first).is_some());
        for network in 200_000..300_000_u32 {
            breakers.carrying_ended(IpAddr::from(network.to_be_bytes()));
        }
        tokio::time::advance(Duration::from_secs(3600)).await;
        fail(&breakers, 400_000, "a");
        let table = breakers.table();
        assert_eq!((table.breakers, table.networks.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_report_shows_so_many_and_counts_all() {
        let breakers = Breakers::default();
        let settings = BreakerSettings { failures: 1, ..BreakerSettings::default() };
        for network in 0..3_u32 {
            let subject = Subject::new(IpAddr::from(network.to_be_bytes()), "3.x-4.x", "a");
            let (client, opened) = (breakers.new_client(), Instant::now());
            let (evidence, proof) = (Evidence::Silent, Proof::Given);
            let failure = Failure { client, opened, evidence, proof, test: false };
            breakers.failed(subject, "a", failure, &settings);
        }
        for (most, expected) in [(0, 0), (2, 2), (3, 3), (9, 3)] {
            let mut shown = 0;
            assert_eq!(breakers.report(most, |_, _| shown += 1), 3);
            assert_eq!(shown, expected, "{most}");
        }
    }

    #[test]
    fn networks_are_written_as_people_write_them() {
        let name = |client: Client| network_name(client.bucket());
        let at = |text: &str| Client::Address(text.parse().unwrap());
        assert_eq!(name(at("192.0.2.7")), "192.0.2.7");
        assert_eq!(name(at("2001:db8:1:2:3::4")), "2001:db8:1:2::/64");
        assert_eq!(name(Client::Unknown), "unknown");
    }
}
