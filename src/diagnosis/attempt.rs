//! What the server sees of a client's way to WebSocket.

use std::time::Duration;

use super::facts::Facts;
use crate::engine::{CloseReason, SessionEvent, UpgradeFailure, WebSocketEnd};

/// The transport whose absence is a fallback.
const WEBSOCKET: &str = "websocket";

/// The label of the refusal of a transport that the settings leave out. That is no failure.
const NOT_ALLOWED: &str = "transport";

/// Labels of requests that a proxy has changed: no policy refuses by them.
const FAULTS: [&str; 7] = [
    "upgrade-missing",
    "connection-missing",
    "http10",
    "websocket-version",
    "key-missing",
    "key",
    "body",
];

/// What one session tried last: to move to WebSocket, and since then to move to another transport. A client goes on
/// to the next best at once, and may tell of the first only then.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempts {
    websocket: Attempt,
    other: Option<Box<Attempt>>,
    /// Whether what happened last was of the other.
    is_latest_other: bool,
}

impl Attempts {
    /// Takes an event in. True if it is the end of an attempt, or of the session: time for a verdict.
    pub fn observe(&mut self, event: &SessionEvent<'_>) -> bool {
        let transport = match *event {
            SessionEvent::Probing { transport }
            | SessionEvent::ProbeAnswered { transport }
            | SessionEvent::Upgraded { to: transport, .. }
            | SessionEvent::Confirmed { transport }
            | SessionEvent::UpgradeFailed { tried: transport, .. }
            | SessionEvent::TakenBack { tried: transport, .. }
            | SessionEvent::Closed { transport, .. } => transport,
            _ => WEBSOCKET,
        };
        if let SessionEvent::Probing { transport } = *event {
            let offered = self.websocket.offered;
            self.other = (transport != WEBSOCKET)
                .then(|| Box::new(Attempt { offered, ..Attempt::default() }));
        }
        let other = self.other.as_deref_mut().filter(|_| transport != WEBSOCKET);
        self.is_latest_other = other.is_some();
        other.unwrap_or(&mut self.websocket).observe(event)
    }

    /// That to move to WebSocket, or the life on it.
    pub fn websocket(&self) -> &Attempt {
        &self.websocket
    }

    /// The one of which something happened last.
    pub fn latest(&self) -> &Attempt {
        self.other.as_deref().filter(|_| self.is_latest_other).unwrap_or(&self.websocket)
    }

    /// [`Attempts::latest`] when nothing more will happen.
    pub fn into_latest(self) -> Attempt {
        self.other.filter(|_| self.is_latest_other).map_or(self.websocket, |other| *other)
    }

    /// The last to move to that transport, if the server saw one; of WebSocket also that it saw none.
    pub fn to(&self, transport: &str) -> Option<&Attempt> {
        match transport {
            WEBSOCKET => Some(&self.websocket),
            other => self.other.as_deref().filter(|attempt| attempt.other == Some(other)),
        }
    }
}

/// An attempt to move to a transport.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    /// Whether the handshake offered it.
    offered: bool,
    /// Whether the settings leave it out for this client.
    not_allowed: bool,
    /// Whether a client that changes its transport as it likes has opened one.
    opened: bool,
    /// The other transport that was tried last, if it is not WebSocket.
    other: Option<&'static str>,
    seen: Seen,
    probe: Probe,
    refused: Option<Box<Refused>>,
    /// How its WebSocket ended, and after how many milliseconds.
    end: Option<(WebSocketEnd, u32)>,
    failed: Option<Failed>,
    closed: Option<Box<Closed>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    None,
    Refused,
    Accepted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Probe {
    #[default]
    None,
    Answered,
    Upgraded,
    Confirmed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    Upgrade(UpgradeFailure),
    /// It had been opened, and the client went on by another.
    Left,
}

/// The policy, or the transport because of the request's form, refused it.
#[derive(Debug, Clone)]
struct Refused {
    label: &'static str,
    reason: Box<str>,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    reason: CloseReason,
    transport: &'static str,
    silent: Duration,
}

impl Attempt {
    /// Takes an event in. True if it is the end of an attempt, or of the session: time for a verdict.
    pub fn observe(&mut self, event: &SessionEvent<'_>) -> bool {
        match *event {
            SessionEvent::Handshake { transport, offered } => {
                self.offered = offered.contains(&WEBSOCKET) || transport == WEBSOCKET;
                if transport == WEBSOCKET {
                    (self.seen, self.probe) = (Seen::Accepted, Probe::Confirmed);
                }
                false
            }
            SessionEvent::Withheld { label: NOT_ALLOWED, .. } => {
                self.not_allowed = true;
                false
            }
            SessionEvent::Withheld { label, reason, .. } => {
                self.refused = Some(Box::new(Refused { label, reason: reason.into() }));
                true
            }
            SessionEvent::Moved { to, .. } => {
                let was_open = std::mem::replace(&mut self.opened, true);
                let fell_back = to != WEBSOCKET && was_open && self.is_on_websocket();
                if to == WEBSOCKET {
                    *self = self.anew();
                    (self.seen, self.probe) = (Seen::Accepted, Probe::Confirmed);
                } else if fell_back {
                    self.failed = Some(Failed::Left);
                } else if !was_open {
                    // Its handshake named what it would open first, and it opened another.
                    (self.seen, self.probe) = (Seen::None, Probe::None);
                }
                fell_back
            }
            SessionEvent::Refused { transport, label, reason } if transport == WEBSOCKET => {
                self.refused = Some(Box::new(Refused { label, reason: reason.into() }));
                if self.seen == Seen::None {
                    self.seen = Seen::Refused;
                }
                true
            }
            SessionEvent::Refused { .. } | SessionEvent::UpgradeRefused { .. } => false,
            SessionEvent::Probing { transport } => {
                *self = self.anew();
                self.seen = Seen::Accepted;
                self.other = (transport != WEBSOCKET).then_some(transport);
                false
            }
            SessionEvent::ProbeAnswered { .. } => {
                self.probe = Probe::Answered;
                false
            }
            SessionEvent::Upgraded { .. } => {
                self.probe = Probe::Upgraded;
                false
            }
            SessionEvent::Confirmed { .. } => {
                self.probe = Probe::Confirmed;
                false
            }
            SessionEvent::UpgradeFailed { reason, .. } | SessionEvent::TakenBack { reason, .. } => {
                self.failed = Some(Failed::Upgrade(reason));
                true
            }
            SessionEvent::WebSocketEnded { end, after } => {
                self.end = Some((end, u32::try_from(after.as_millis()).unwrap_or(u32::MAX)));
                false
            }
            SessionEvent::Closed { reason, transport, silent } => {
                self.closed = Some(Box::new(Closed { reason, transport, silent }));
                true
            }
        }
    }

    /// The next attempt of the same client.
    fn anew(&self) -> Self {
        let &Attempt { offered, not_allowed, opened, .. } = self;
        Attempt { offered, not_allowed, opened, ..Attempt::default() }
    }

    /// How long nothing had been heard when the connection of the session was lost, if it was.
    pub fn lost_after_silence(&self) -> Option<Duration> {
        let lost =
            self.closed.as_deref().filter(|closed| closed.reason == CloseReason::TransportLost)?;
        (lost.transport == WEBSOCKET).then_some(lost.silent)
    }

    /// Whether something went wrong that a fallback or a loss follows from.
    pub fn has_failed(&self) -> bool {
        let lost =
            self.closed.as_deref().is_some_and(|closed| closed.reason != CloseReason::ClientClosed);
        self.failed.is_some() || self.refused.is_some() || lost
    }

    /// Whether WebSocket carries the session.
    pub fn is_on_websocket(&self) -> bool {
        self.other.is_none()
            && matches!(self.probe, Probe::Upgraded | Probe::Confirmed)
            && self.failed.is_none()
    }

    /// Whether the last that happened to the attempt is that the policy refused it.
    pub fn is_refused_by_policy(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| !FAULTS.contains(&refused.label))
    }

    /// What the server knows, at `age` of the session.
    pub fn facts(&self, age: Duration) -> Facts {
        let mut facts = Facts::default();
        facts.set("transport", self.other.unwrap_or(WEBSOCKET));
        facts.set("offered", self.offered);
        facts.set("age-ms", age);
        facts.set(
            "upgrade-seen",
            match self.seen {
                Seen::None => "none",
                Seen::Refused => "refused",
                Seen::Accepted => "accepted",
            },
        );
        facts.set(
            "probe-seen",
            match self.probe {
                Probe::None => "none",
                Probe::Answered => "answered",
                Probe::Upgraded => "upgraded",
                Probe::Confirmed => "confirmed",
            },
        );
        if let Some(Refused { label, reason }) = self.refused.as_deref() {
            let is_fault = FAULTS.contains(label);
            facts.set(if is_fault { "upgrade-fault" } else { "refusal" }, *label);
            facts.set(if is_fault { "refused-by-server" } else { "refusal-text" }, &**reason);
        }
        // It explains why there is no WebSocket, and not why a session ended.
        if self.not_allowed && self.refused.is_none() && self.closed.is_none() {
            facts.set("refusal", NOT_ALLOWED);
            facts.set("refusal-text", "the settings leave WebSocket out for this client");
        }
        if let Some((end, after)) = self.end {
            facts.set("websocket-end", end.name());
            facts.set("websocket-ms", u64::from(after));
        }
        if let Some(failed) = self.failed {
            facts.set(
                "upgrade-failed",
                match failed {
                    Failed::Upgrade(UpgradeFailure::NoProbe | UpgradeFailure::NotSettled) => {
                        "timeout"
                    }
                    Failed::Upgrade(UpgradeFailure::Ended) => "ended",
                    Failed::Upgrade(UpgradeFailure::WrongPacket) => "wrong-packet",
                    Failed::Upgrade(UpgradeFailure::UnconfirmedEnded) => "unconfirmed-ended",
                    Failed::Upgrade(UpgradeFailure::UnconfirmedSilent) => "unconfirmed-silent",
                    Failed::Left if matches!(self.end, Some((WebSocketEnd::Cut, _))) => "ended",
                    Failed::Left => "left",
                },
            );
        }
        match self.closed.as_deref() {
            Some(&Closed { reason, transport, silent }) => {
                facts.set("closed", reason.label());
                facts.set("closed-text", reason.to_string().as_str());
                facts.set("transport", transport);
                facts.set("silent-ms", silent);
            }
            None => facts.set("closed", "open"),
        }
        facts
    }
}
