//! Numbers that other rooms count anyway, read when Prometheus asks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::accounts::Accounts;
use crate::admission::Gate;
use crate::chat::ChatStats;
use crate::cluster::redis::Redis;
use crate::diagnosis::{Book, causes};
use crate::memory::{self, WaitTimes};
use crate::relay::{PeerState, Relay};
use crate::server::Connections;
use crate::server::tls::Tls;
use crate::socketio::{Adapter, Io};
use crate::telemetry;
use crate::transport::{self, Direction};

/// Where the numbers are.
pub struct Sources {
    /// Refusals, WebSockets, circuit breakers; the bounds of the policy.
    pub gate: Arc<Gate>,
    /// What the chat refused.
    pub chat_stats: Arc<ChatStats>,
    /// Tokens of people with an account, if there are accounts.
    pub accounts: Option<Arc<Accounts>>,
    /// Rooms, and sessions that clients got back.
    pub io: Io,
    /// The way to other nodes.
    pub adapter: Arc<dyn Adapter>,
    /// Causes.
    pub book: Arc<Book>,
    /// Connections.
    pub connections: Connections,
    /// Reloads of the settings.
    pub reloads: Arc<Reloads>,
    /// The certificates, if it serves TLS.
    pub tls: Option<Tls>,
    /// The connection to the Redis where nodes meet, if there are several.
    pub redis: Option<Redis>,
    /// Passes requests on to other nodes, if there are several.
    pub relay: Option<Relay>,
}

/// Counts changes of the settings while the server runs.
#[derive(Debug, Default)]
pub struct Reloads {
    ok: AtomicU64,
    failed: AtomicU64,
}

impl Reloads {
    /// Counts one.
    pub fn count(&self, ok: bool) {
        if ok { &self.ok } else { &self.failed }.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// A label: name and value.
type Label<'a> = (&'static str, &'a str);
/// A value with labels.
type Value<'a, const N: usize> = ([Label<'a>; N], u64);

/// Writes one metric after the other.
pub(super) struct Writer<'a>(pub DescriptorEncoder<'a>);

impl Writer<'_> {
    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    /// A gauge for each of these labels.
    pub fn gauges<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = Value<'v, N>>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A gauge without labels that is no whole number.
    pub fn decimal(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    /// A counter without labels that counts in fractions.
    pub fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// A histogram without labels.
    pub fn histogram(&mut self, name: &str, help: &str, times: &WaitTimes) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let (sum, count) = (times.seconds(), times.count());
        encoder.encode_histogram::<[Label<'_>; 0]>(sum, count, &times.classes(), None)
    }

    /// A counter for each of these labels.
    pub fn counters<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = Value<'v, N>>,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(encoder);
        self.traffic(&mut to)?;
        self.relay(&mut to)?;
        self.policy(&mut to)?;
        let found = self.book.causes();
        let known = causes().iter().map(|it| (&*it.cause, &*it.place));
        let known = known.chain([("unknown", "unknown")]).map(|(cause, place)| {
            let count = found.iter().find(|(name, _)| *name == cause).map_or(0, |it| it.1);
            ([("cause", cause), ("where", place)], count)
        });
        to.counters("causes", "Fallbacks and losses by their cause", known)?;
        let messages = self.chat_stats.messages();
        to.counters(
            "messages",
            "Messages of the chat, by what became of them",
            messages.iter().map(|(result, count)| ([("result", *result)], *count)),
        )?;
        to.gauge(
            "people",
            "People with a name in the chat, on this node",
            self.chat_stats.people(),
        )?;
        if let Some(accounts) = &self.accounts {
            to.counters(
                "tokens",
                "Tokens of people with an account, by what became of them",
                accounts.counts().map(|(result, count)| ([("result", result)], count)),
            )?;
        }
        self.cluster(&mut to)?;
        to.gauge("rooms", "Rooms that somebody is in", self.io.room_count() as u64)?;
        to.counters(
            "recoveries",
            "Clients that got back the session that they had lost",
            [([], self.io.recoveries())],
        )?;
        let limits = self.chat_stats.counts();
        to.counters(
            "chat_refusals",
            "Messages and notices of the chat over a rate limit",
            limits.iter().map(|(setting, count)| ([("setting", *setting)], *count)),
        )?;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        to.counters(
            "config_reloads",
            "Changes of the settings while the server runs",
            [("ok", load(&self.reloads.ok)), ("failed", load(&self.reloads.failed))]
                .map(|(result, count)| ([("result", result)], count)),
        )?;
        let lost = telemetry::file_log_status().map_or(0, |status| status.lost);
        to.counters(
            "log_lines_lost",
            "Lines that could not be written to the log files",
            [([], lost)],
        )?;
        if let Some(expiry) = self.tls.as_ref().and_then(Tls::expiry) {
            let help = "When the first certificate expires, in seconds since 1970";
            to.gauge("certificate_expiry_seconds", help, expiry)?;
        }
        self.redis(&mut to)?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        let mut info =
            to.0.encode_descriptor("build_info", "The version", None, MetricType::Gauge)?;
        ConstGauge::new(1u64).encode(info.encode_family(&version)?)
    }
}

impl Sources {
    /// Other nodes; without a cluster there are none.
    fn cluster(&self, to: &mut Writer<'_>) -> fmt::Result {
        let (status, chat) = (self.adapter.status(), &self.chat_stats);
        to.gauge("cluster_nodes", "Other nodes that are known", chat.nodes_elsewhere())?;
        to.gauge("cluster_people", "People with a name on other nodes", chat.people_elsewhere())?;
        let alone = u64::from(status.is_alone());
        to.gauge("cluster_alone", "1 while other nodes cannot be reached", alone)?;
        let lost = [([], status.lost)];
        to.counters(
            "cluster_lost",
            "Messages between nodes that were lost, as far as known",
            lost,
        )?;
        let missed = [([], chat.messages_missed())];
        to.counters(
            "cluster_missed",
            "Messages of people on other nodes that did not come",
            missed,
        )?;
        to.counters(
            "cluster_left_out",
            "What came from other nodes and the chat did not take in, by why",
            chat.left_out().map(|(why, count)| ([("why", why)], count)),
        )
    }

    fn traffic(&self, to: &mut Writer<'_>) -> fmt::Result {
        let all = || {
            [(Direction::In, "in"), (Direction::Out, "out")].into_iter().flat_map(|(way, name)| {
                transport::traffic().map(move |(transport, traffic)| {
                    ([("direction", name), ("transport", transport)], traffic.total(way))
                })
            })
        };
        let packets = all().map(|(labels, (packets, _))| (labels, packets));
        to.counters("packets", "Packets of the engine", packets)?;
        let bytes = all().map(|(labels, (_, bytes))| (labels, bytes));
        to.counters("bytes", "Bytes of these packets", bytes)?;
        to.gauge("queue_bytes", "Bytes that wait for clients", memory::held() as u64)?;
        to.decimal(
            "queue_oldest_seconds",
            "Age of the oldest message to several clients that one of them has not taken",
            memory::oldest_wait().as_secs_f64(),
        )?;
        to.histogram(
            "delivery_seconds",
            "Time from a message to several clients until the last of them took it",
            &memory::wait_times(),
        )
    }

    fn redis(&self, to: &mut Writer<'_>) -> fmt::Result {
        let Some(redis) = &self.redis else { return Ok(()) };
        let counts = redis.counts();
        let ways = [("in", counts.received()), ("out", counts.published())];
        let messages = ways.map(|(way, count)| ([("direction", way)], count));
        to.counters("cluster_messages", "Messages between nodes, by Redis", messages)?;
        let ignored = [([], counts.ignored())];
        to.counters("cluster_ignored", "Messages of Redis that are not understood", ignored)?;
        let outages = [([], counts.outages())];
        to.counters("cluster_outages", "How often the connection to Redis was lost", outages)
    }

    fn relay(&self, to: &mut Writer<'_>) -> fmt::Result {
        let Some(relay) = &self.relay else { return Ok(()) };
        let counts = relay.counts();
        let requests = counts.requests().map(|(result, count)| ([("result", result)], count));
        to.counters("relayed_requests", "Requests passed on to other nodes", requests)?;
        let open = counts.open() as u64;
        to.gauge("relayed_open", "WebSockets and streams passed on to other nodes", open)?;
        let (up, down) = counts.bytes();
        let bytes = [("in", up), ("out", down)].map(|(way, count)| ([("direction", way)], count));
        to.counters("relayed_bytes", "Bytes passed on to other nodes and to clients", bytes)?;
        let connections = relay.connections() as u64;
        to.gauge("relay_connections", "Open connections to other nodes", connections)?;
        let peers = relay.peers().all();
        let count = |state| peers.iter().filter(|(_, it)| *it == state).count() as u64;
        let states = PeerState::ALL.map(|state| ([("state", state.name())], count(state)));
        to.gauges("peers", "Other nodes, by what they are to this one", states)
    }

    fn policy(&self, to: &mut Writer<'_>) -> fmt::Result {
        let counters = self.gate.counters();
        to.counters(
            "refusals",
            "Requests that the policy refused",
            counters.refusals().map(|(reason, count)| ([("reason", reason)], count)),
        )?;
        to.gauge("websockets", "Open WebSockets", counters.websockets() as u64)?;
        let breakers = self.gate.breakers().count() as u64;
        to.gauge("breakers", "WebSocket circuit breakers that are not closed", breakers)?;
        let caps = self.gate.policy().caps;
        to.gauge("max_sessions", "The setting; 0 for no bound", caps.sessions as u64)?;
        to.gauge("connections", "Open connections", self.connections.open() as u64)?;
        to.gauge(
            "max_connections",
            "Connections that may be open",
            self.connections.most() as u64,
        )?;
        to.counters(
            "connections_refused",
            "Connections that got no slot",
            self.connections.refused().map(|(setting, count)| ([("setting", setting)], count)),
        )
    }
}
