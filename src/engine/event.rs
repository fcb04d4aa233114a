//! What happens to sessions, as data: for the log, and for an [`Observer`].

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::reason::{CloseReason, SessionError};

/// Something that happened to a session. Transports go by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent<'a> {
    /// It was made. A session of 0.9 has opened no transport yet; `transport` is what it would.
    Handshake {
        /// What it begins on.
        transport: &'static str,
        /// The upgrades that the client was told of.
        offered: &'a [&'static str],
    },
    /// The policy kept a transport out of what was offered, for the time being.
    Withheld {
        /// The transport.
        transport: &'static str,
        /// The label of the refusal.
        label: &'static str,
        /// The refusal in words.
        reason: &'a str,
    },
    /// A client that changes its transport as it likes opened one.
    Moved {
        /// The former one; the same, if it begins as its handshake said.
        from: &'static str,
        /// The new one.
        to: &'static str,
    },
    /// A request of the session was refused before the session saw it.
    Refused {
        /// The transport that it asked for; the client's own text.
        transport: &'a str,
        /// A word for the reason: the label of the policy's refusal, or one of the protocol.
        label: &'static str,
        /// The reason in words.
        reason: &'a str,
    },
    /// A transport came to take over.
    Probing {
        /// The new one.
        transport: &'static str,
    },
    /// A transport came to take over, and may not.
    UpgradeRefused {
        /// The new one.
        transport: &'static str,
        /// Why not.
        reason: SessionError,
    },
    /// The probe came, and is being answered.
    ProbeAnswered {
        /// The new transport.
        transport: &'static str,
    },
    /// The client settled on the new transport.
    Upgraded {
        /// The former transport.
        from: &'static str,
        /// The new one.
        to: &'static str,
        /// Since the new one came.
        after: Duration,
    },
    /// A packet came over the new transport.
    Confirmed {
        /// The new transport.
        transport: &'static str,
    },
    /// The session stays where it is.
    UpgradeFailed {
        /// The transport that failed.
        tried: &'static str,
        /// The one in use.
        stays: &'static str,
        /// Since it came.
        after: Duration,
        /// What was seen.
        reason: UpgradeFailure,
    },
    /// The session went back to its former transport.
    TakenBack {
        /// The transport that failed.
        tried: &'static str,
        /// The former one.
        to: &'static str,
        /// What was seen.
        reason: UpgradeFailure,
    },
    /// A WebSocket of the session ended, whether it carried the session or not.
    WebSocketEnded {
        /// How.
        end: WebSocketEnd,
        /// Since its 101.
        after: Duration,
    },
    /// The session is over, or is about to be.
    Closed {
        /// Why.
        reason: CloseReason,
        /// The transport in use.
        transport: &'static str,
        /// Since the client was last heard.
        silent: Duration,
    },
}

/// How an upgrade failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UpgradeFailure {
    #[error("no probe came in time")]
    NoProbe,
    #[error("the client did not settle on the probed transport in time")]
    NotSettled,
    #[error("not the packet that the upgrade waits for")]
    WrongPacket,
    #[error("the probing connection ended")]
    Ended,
    #[error("the connection ended before it was confirmed")]
    UnconfirmedEnded,
    #[error("nothing came over the upgraded connection")]
    UnconfirmedSilent,
}

/// How a WebSocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSocketEnd {
    /// The client sent a close frame.
    Closed,
    /// The connection was reset, or ended without a close frame.
    Cut,
    /// Something came that is no frame of WebSocket.
    Garbled,
    /// The server closed it.
    ByServer,
}

impl WebSocketEnd {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            WebSocketEnd::Closed => "closed",
            WebSocketEnd::Cut => "cut",
            WebSocketEnd::Garbled => "garbled",
            WebSocketEnd::ByServer => "by the server",
        }
    }
}

/// Sees what happens to all sessions of an engine. `S` is its session.
///
/// It is called in the task where it happened, while no lock of the session is held, and must not
/// wait, nor send: a session may end while an event is being sent to it. Events of one session may come from several threads; they are in order as far as their
/// causes are.
pub trait Observer<S>: std::fmt::Debug + Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, session: &S, event: &SessionEvent<'_>);

    /// The client answered a heartbeat of the server, after that long.
    fn heartbeat(&self, transport: &'static str, took: Duration) {
        let _ = (transport, took);
    }
}

/// Two observers, one after the other.
impl<S, A: Observer<S>, B: Observer<S>> Observer<S> for (Arc<A>, Arc<B>) {
    fn observe(&self, session: &S, event: &SessionEvent<'_>) {
        self.0.observe(session, event);
        self.1.observe(session, event);
    }

    fn heartbeat(&self, transport: &'static str, took: Duration) {
        self.0.heartbeat(transport, took);
        self.1.heartbeat(transport, took);
    }
}

impl SessionEvent<'_> {
    /// A line of the log, at `debug`. To be called in the session's span.
    pub(super) fn log(&self) {
        match *self {
            SessionEvent::Handshake { transport, offered } => {
                debug!(transport, offered = offered.join(","), "handshake");
            }
            SessionEvent::Withheld { transport, label, reason } => {
                debug!(transport, label, reason, "not offered");
            }
            SessionEvent::Moved { to, .. } => debug!(transport = to, "opened"),
            // Who refuses a request logs that, whether it has a session or not.
            SessionEvent::Refused { .. } => {}
            SessionEvent::Probing { transport } => debug!(transport, "upgrade: probing"),
            SessionEvent::UpgradeRefused { transport, reason } => {
                debug!(transport, %reason, "upgrade: refused");
            }
            SessionEvent::ProbeAnswered { .. } => debug!("upgrade: probe answered"),
            SessionEvent::Upgraded { from, to, after } => {
                debug!(from, to, ms = ms(after), "upgraded")
            }
            SessionEvent::Confirmed { transport } => debug!(transport, "upgrade: confirmed"),
            SessionEvent::UpgradeFailed { tried, stays, after, reason } => {
                debug!(tried, stays, ms = ms(after), %reason, "upgrade: failed");
            }
            SessionEvent::TakenBack { tried, to, reason } => {
                debug!(tried, to, %reason, "upgrade: taken back, fallback");
            }
            SessionEvent::WebSocketEnded { end, after } => {
                debug!(end = end.name(), ms = ms(after), "WebSocket ended");
            }
            SessionEvent::Closed { reason, .. } => debug!(%reason, "closed"),
        }
    }
}

fn ms(time: Duration) -> u64 {
    time.as_millis() as u64
}
