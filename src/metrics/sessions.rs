//! What happens to sessions, counted.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::engine::{Observer, Session, SessionError, SessionEvent, UpgradeFailure, WebSocketEnd};

/// A label: name and value.
type Label = (&'static str, &'static str);
type Counters<const N: usize> = Family<[Label; N], Counter>;
type Histograms = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// Seconds that sessions last: from a moment to a day.
const LASTED: [f64; 10] = [0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28_800.0, 86_400.0];
/// Seconds that an answer to a heartbeat, or an upgrade, takes.
const TOOK: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];

/// Counts what happens to sessions. Clones count together.
#[derive(Debug, Clone)]
pub struct SessionMetrics {
    sessions: Family<[Label; 2], Gauge>,
    handshakes: Counters<2>,
    attempts: Counters<2>,
    upgrades: Counters<3>,
    upgrade_time: Histograms,
    withheld: Counters<1>,
    refused: Counters<1>,
    moves: Counters<2>,
    websocket_ends: Counters<1>,
    ends: Counters<2>,
    lasted: Histograms,
    heartbeats: Histograms,
}

impl Default for SessionMetrics {
    fn default() -> Self {
        let lasted: fn() -> Histogram = || Histogram::new(LASTED);
        let took: fn() -> Histogram = || Histogram::new(TOOK);
        SessionMetrics {
            sessions: Family::default(),
            handshakes: Counters::default(),
            attempts: Counters::default(),
            upgrades: Counters::default(),
            upgrade_time: Family::new_with_constructor(took),
            withheld: Counters::default(),
            refused: Counters::default(),
            moves: Counters::default(),
            websocket_ends: Counters::default(),
            ends: Counters::default(),
            lasted: Family::new_with_constructor(lasted),
            heartbeats: Family::new_with_constructor(took),
        }
    }
}

impl SessionMetrics {
    /// Puts all families into a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        macro_rules! register {
            ($($name:literal $field:ident $help:literal;)*) => {
                $(registry.register($name, $help, self.$field.clone());)*
            };
        }
        register! {
            "sessions" sessions "Open sessions by the transport in use";
            "handshakes" handshakes "Sessions opened, by their first transport";
            "upgrade_attempts" attempts "Transports that came to take a session over";
            "upgrades" upgrades "Ends of these attempts";
            "upgrade_seconds" upgrade_time "Time of upgrades that succeeded";
            "withheld" withheld "Sessions that WebSocket was not offered to, by the refusal";
            "session_refusals" refused "Requests of sessions refused before the session saw them";
            "moves" moves "Changes of transport by clients that need no upgrade";
            "websocket_ends" websocket_ends "Ends of WebSockets";
            "session_ends" ends "Ends of sessions, by the transport in use";
            "session_seconds" lasted "Time that sessions lasted";
            "ping_seconds" heartbeats "Time from a heartbeat of the server to its answer";
        }
    }

    fn moved(&self, session: &Session, from: &'static str, to: &'static str) {
        self.sessions_of(session, from, -1);
        self.sessions_of(session, to, 1);
    }

    fn sessions_of(&self, session: &Session, transport: &'static str, by: i64) {
        let labels = [("transport", transport), generation(session)];
        self.sessions.get_or_create(&labels).inc_by(by);
    }

    fn upgrade(&self, from: &'static str, to: &'static str, result: &'static str) {
        self.upgrades.get_or_create(&[("from", from), ("to", to), ("result", result)]).inc();
    }
}

fn generation(session: &Session) -> Label {
    ("generation", session.handshake().generation)
}

impl Observer<Session> for SessionMetrics {
    fn observe(&self, session: &Session, event: &SessionEvent<'_>) {
        if cfg!(feature = "unmetered") {
            return;
        }
        match *event {
            SessionEvent::Handshake { transport, .. } => {
                self.sessions_of(session, transport, 1);
                let labels = [("transport", transport), generation(session)];
                self.handshakes.get_or_create(&labels).inc();
            }
            SessionEvent::Withheld { label, .. } => {
                self.withheld.get_or_create(&[("reason", label)]).inc();
            }
            // The transport in it is the client's own text.
            SessionEvent::Refused { label, .. } => {
                self.refused.get_or_create(&[("reason", label)]).inc();
            }
            SessionEvent::Moved { from, to } => {
                self.moved(session, from, to);
                if from != to {
                    self.moves.get_or_create(&[("from", from), ("to", to)]).inc();
                }
            }
            SessionEvent::Probing { transport } => {
                let labels = [("from", session.transport()), ("to", transport)];
                self.attempts.get_or_create(&labels).inc();
            }
            SessionEvent::UpgradeRefused { transport, reason } => {
                let result = match reason {
                    SessionError::Gone => "gone",
                    SessionError::WrongTransport => "wrong-transport",
                    SessionError::Overlap => "overlap",
                    SessionError::AlreadyUpgrading => "already-upgrading",
                };
                self.upgrade(session.transport(), transport, result);
            }
            SessionEvent::Upgraded { from, to, after } => {
                self.moved(session, from, to);
                self.upgrade(from, to, "ok");
                self.upgrade_time.get_or_create(&[("to", to)]).observe(after.as_secs_f64());
            }
            SessionEvent::UpgradeFailed { tried, stays, reason, .. } => {
                self.upgrade(stays, tried, failure(reason));
            }
            SessionEvent::TakenBack { tried, to, reason } => {
                self.moved(session, tried, to);
                self.upgrade(to, tried, failure(reason));
            }
            SessionEvent::ProbeAnswered { .. } | SessionEvent::Confirmed { .. } => {}
            SessionEvent::WebSocketEnded { end, .. } => {
                let end = match end {
                    WebSocketEnd::Closed => "closed",
                    WebSocketEnd::Cut => "cut",
                    WebSocketEnd::Garbled => "garbled",
                    WebSocketEnd::ByServer => "by-server",
                };
                self.websocket_ends.get_or_create(&[("end", end)]).inc();
            }
            SessionEvent::Closed { reason, transport, .. } => {
                self.sessions_of(session, transport, -1);
                let labels = [("transport", transport), ("reason", reason.label())];
                self.ends.get_or_create(&labels).inc();
                let lasted = session.opened().elapsed().as_secs_f64();
                self.lasted.get_or_create(&[("transport", transport)]).observe(lasted);
            }
        }
    }

    fn heartbeat(&self, transport: &'static str, took: Duration) {
        self.heartbeats.get_or_create(&[("transport", transport)]).observe(took.as_secs_f64());
    }
}

/// How an upgrade failed, in a word.
fn failure(reason: UpgradeFailure) -> &'static str {
    match reason {
        UpgradeFailure::NoProbe => "no-probe",
        UpgradeFailure::NotSettled => "not-settled",
        UpgradeFailure::WrongPacket => "wrong-packet",
        UpgradeFailure::Ended => "ended",
        UpgradeFailure::UnconfirmedEnded => "unconfirmed-ended",
        UpgradeFailure::UnconfirmedSilent => "unconfirmed-silent",
    }
}
