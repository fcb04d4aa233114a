//! The circuit breakers of all networks.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tracing::info;

use super::addresses::{AddressTable, Expires};
use super::client::ClientInfo;
use crate::engine::Session;
use crate::policy::breaker::{Answer, Failure, Kind, Network, Opened, Report, Returns};
use crate::policy::{BreakerSettings, Client};

/// Breakers that are kept at once, each with what it remembers. Who comes beyond has none.
const MOST_BREAKERS: usize = 20_000;

/// Whose WebSockets are judged together.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// What limits count a client by.
    pub network: IpAddr,
    pub kind: Kind,
}

impl Subject {
    pub fn new(network: IpAddr, generation: &'static str, agent: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        agent.hash(&mut hasher);
        Subject { network, kind: Kind { generation, agent: hasher.finish() } }
    }

    /// As its handshake was: not all clients say on a WebSocket who they are.
    pub fn of(session: &Session) -> Option<Self> {
        let (handshake, client_info) = (session.handshake(), ClientInfo::of(session)?);
        Some(Subject::new(handshake.bucket, handshake.generation, client_info.visitor().agent))
    }
}

/// A network as people write it.
pub fn written(network: IpAddr) -> String {
    match network {
        network if network == Client::Unknown.bucket() => Client::Unknown.to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

#[derive(Debug, Default)]
pub struct Breakers {
    known: Mutex<Known>,
    clients: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    networks: AddressTable<Network>,
    /// Breakers of all of them.
    breakers: usize,
}

impl Expires for Network {
    fn is_blank(&mut self, now: Instant) -> bool {
        Network::is_blank(self, now)
    }
}

impl Known {
    /// Does something with what is known of a network, if anything is.
    fn with<R>(&mut self, network: IpAddr, act: impl FnOnce(&mut Network) -> R) -> Option<R> {
        let network = self.networks.get_mut(network)?;
        let before = network.breakers();
        let result = act(network);
        self.breakers = self.breakers + network.breakers() - before;
        Some(result)
    }

    /// Whether one more breaker can be kept.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.breakers >= MOST_BREAKERS && self.networks.sweep(now) {
            self.breakers = self.networks.iter().map(|(_, network)| network.breakers()).sum();
        }
        self.breakers < MOST_BREAKERS
    }
}

impl Breakers {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether such a client may have a WebSocket. `test`: it would open one now, and can be refused.
    pub fn ask(&self, subject: Subject, test: bool, settings: &BreakerSettings) -> Answer {
        if settings.failures == 0 {
            return Answer::Free;
        }
        let (Subject { network, kind }, now) = (subject, Instant::now());
        let answer = self.known().with(network, |network| network.ask(kind, test, now));
        if answer == Some(Answer::Test { first: true }) {
            info!(
                network = %written(network),
                generation = kind.generation,
                "WebSocket circuit breaker half-open: one WebSocket is let through as a test"
            );
        }
        answer.unwrap_or(Answer::Free)
    }

    /// A test ended, and nothing is learned from it.
    pub fn untested(&self, Subject { network, kind }: Subject) {
        self.known().with(network, |network| network.untested(kind));
    }

    /// A WebSocket carries packets both ways.
    pub fn carries(&self, network: IpAddr) {
        let now = Instant::now();
        let mut known = self.known();
        // Bounded by the WebSockets that there are.
        known.networks.must_have(network, now);
        let closed = known.with(network, |network| network.carries(now));
        drop(known);
        for (kind, agent) in closed.into_iter().flatten() {
            info!(
                network = %written(network),
                generation = kind.generation,
                agent = &*agent,
                "WebSocket circuit breaker closed: a WebSocket of this network carried packets"
            );
        }
    }

    /// A WebSocket that carried packets ended.
    pub fn carried(&self, network: IpAddr) {
        self.known().with(network, |network| network.carried(Instant::now()));
    }

    /// A number for a client that others do not have.
    pub fn client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// A WebSocket failed; `agent` is its client's.
    pub fn failed(
        &self,
        Subject { network, kind }: Subject,
        agent: &str,
        failure: Failure,
        settings: &BreakerSettings,
    ) {
        let now = Instant::now();
        let mut known = self.known();
        // A test has a breaker.
        let has_room =
            failure.test || known.has_room(now) && known.networks.entry(network, now).is_some();
        if !has_room {
            return;
        }
        let opened =
            known.with(network, |network| network.failed(kind, agent, failure, now, settings));
        drop(known);
        tell(network, kind, opened.flatten(), now);
    }

    /// A client is there without the WebSocket that it had.
    pub fn returns(
        &self,
        Subject { network, kind }: Subject,
        who: Returns,
        settings: &BreakerSettings,
    ) {
        let now = Instant::now();
        let opened =
            self.known().with(network, |network| network.returns(kind, who, now, settings));
        tell(network, kind, opened.flatten(), now);
    }

    /// The session of that client is over.
    pub fn left(&self, Subject { network, kind }: Subject, client: u64) {
        self.known().with(network, |network| network.left(kind, client, Instant::now()));
    }

    /// Breakers that are not closed: calls `show` for `most` of them, and returns how many there are.
    pub fn report(&self, most: usize, mut show: impl FnMut(IpAddr, &Report<'_>)) -> usize {
        let (now, known) = (Instant::now(), self.known());
        let networks = known.networks.iter();
        let all = networks.flat_map(|(at, network)| network.reports(now).map(move |one| (at, one)));
        let mut count = 0;
        for (network, report) in all {
            if count < most {
                show(network, &report);
            }
            count += 1;
        }
        count
    }

    /// How many breakers are not closed.
    pub fn count(&self) -> usize {
        self.report(0, |_, _| {})
    }
}

fn tell(network: IpAddr, kind: Kind, opened: Option<Opened>, now: Instant) {
    let Some(Opened { seen, agent, rest, again }) = opened else { return };
    info!(
        network = %written(network),
        generation = kind.generation,
        agent = &*agent,
        clients = seen.clients,
        silent = seen.silent,
        dropped = seen.clients - seen.silent,
        since_seconds = (now - seen.since).as_secs(),
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
    use super::super::addresses as memory;
    use super::*;
    use crate::policy::breaker::{Evidence, Proof};
    use std::time::Duration;

    fn fail(breakers: &Breakers, network: u32, agent: &str) {
        let subject = Subject::new(IpAddr::from(network.to_be_bytes()), "3.x-4.x", agent);
        let (client, opened) = (breakers.client(), Instant::now());
        let (evidence, proof) = (Evidence::Silent, Proof::Given);
        let failure = Failure { client, opened, evidence, proof, test: false };
        breakers.failed(subject, agent, failure, &BreakerSettings::default());
        breakers.left(subject, client);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let breakers = Breakers::default();
        for network in 0..150_000 {
            fail(&breakers, network, "a");
        }
        assert_eq!(breakers.known().breakers, MOST_BREAKERS);
        // Who does well is remembered all the same: nothing may be withheld from them.
        for network in 200_000..300_000_u32 {
            breakers.carries(IpAddr::from(network.to_be_bytes()));
        }
        assert!(breakers.known().networks.len() <= memory::MOST + MOST_BREAKERS);
        let first = IpAddr::from(200_000_u32.to_be_bytes());
        assert!(breakers.known().networks.get_mut(first).is_some());
        for network in 200_000..300_000_u32 {
            breakers.carried(IpAddr::from(network.to_be_bytes()));
        }
        tokio::time::advance(Duration::from_secs(3600)).await;
        fail(&breakers, 400_000, "a");
        let known = breakers.known();
        assert_eq!((known.breakers, known.networks.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_report_shows_so_many_and_counts_all() {
        let breakers = Breakers::default();
        let settings = BreakerSettings { failures: 1, ..BreakerSettings::default() };
        for network in 0..3_u32 {
            let subject = Subject::new(IpAddr::from(network.to_be_bytes()), "3.x-4.x", "a");
            let (client, opened) = (breakers.client(), Instant::now());
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
        let written = |client: Client| written(client.bucket());
        let at = |text: &str| Client::Address(text.parse().unwrap());
        assert_eq!(written(at("192.0.2.7")), "192.0.2.7");
        assert_eq!(written(at("2001:db8:1:2:3::4")), "2001:db8:1:2::/64");
        assert_eq!(written(Client::Unknown), "unknown");
    }
}
