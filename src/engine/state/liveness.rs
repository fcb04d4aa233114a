//! When the client was last heard, and what the heartbeat does about a client that is silent.

use std::time::Duration;

use tokio::time::Instant;

use super::super::limits::Limits;
use super::earliest::Earliest;

/// How lively a client is.
#[derive(Debug)]
pub(in crate::engine) struct Liveness {
    last_heard: Instant,
    /// When the client was last pinged, if it has not answered.
    pinged: Option<Instant>,
    next_ping: Instant,
    /// The client was asked for a sign of life because it gave none by itself.
    asked: bool,
}

/// What to do about a client that is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Beat {
    Nothing,
    /// Send the dialect's heartbeat.
    Ping,
    /// Have the transport ask for a sign of life.
    Ask,
    /// Give the client up.
    Dead,
}

/// How long a silent client is waited for.
pub(in crate::engine) fn patience(limits: &Limits) -> Duration {
    limits.ping_interval + limits.ping_timeout
}

impl Liveness {
    pub fn new(limits: &Limits, now: Instant) -> Self {
        let next_ping = now + limits.ping_interval;
        Liveness { last_heard: now, pinged: None, next_ping, asked: false }
    }

    /// A sign of life.
    pub fn heard(&mut self, now: Instant) {
        (self.last_heard, self.asked) = (now, false);
    }

    /// Since when nothing has been heard.
    pub fn silent(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_heard)
    }

    /// The client answered the heartbeat. Returns how long that took, if one was due an answer.
    pub fn ponged(&mut self, limits: &Limits, now: Instant) -> Option<Duration> {
        let pinged = self.pinged.take()?;
        self.next_ping = now + limits.ping_interval;
        Some(now.saturating_duration_since(pinged))
    }

    /// When the client was last heard. A process that is paused hears no client, so all count as
    /// heard when it `resumed`.
    fn last_heard(&self, resumed: Option<Instant>) -> Instant {
        self.last_heard.max(resumed.unwrap_or(self.last_heard))
    }

    /// Where clients are not pinged and only poll: a poll that is `held` is life enough, and
    /// between polls there is a bound.
    pub fn between_polls(
        &self,
        held: bool,
        limits: &Limits,
        (resumed, now): (Option<Instant>, Instant),
        next: &mut Earliest,
    ) -> Beat {
        let since = if held { now } else { self.last_heard(resumed) };
        if next.is_due(since + patience(limits), now) { Beat::Dead } else { Beat::Nothing }
    }

    /// Where clients ping. `can_ask` says that the transport can ask for a sign of life.
    pub fn client_asks(
        &mut self,
        can_ask: bool,
        limits: &Limits,
        (resumed, now): (Option<Instant>, Instant),
        next: &mut Earliest,
    ) -> Beat {
        let last_heard = self.last_heard(resumed);
        if next.is_due(last_heard + patience(limits), now) {
            return Beat::Dead;
        }
        // The timers of hidden pages run once a minute, but a browser answers for them.
        let ask = last_heard + limits.ping_interval + limits.ping_timeout / 2;
        if can_ask && !self.asked && next.is_due(ask, now) {
            self.asked = true;
            return Beat::Ask;
        }
        Beat::Nothing
    }

    /// Where the server pings.
    pub fn server_asks(
        &mut self,
        limits: &Limits,
        (resumed, now): (Option<Instant>, Instant),
        next: &mut Earliest,
    ) -> Beat {
        let last_heard = self.last_heard(resumed);
        let deadline = |pinged: Instant| pinged.max(last_heard) + limits.ping_timeout;
        if let Some(pinged) = self.pinged
            && next.is_due(deadline(pinged), now)
        {
            return Beat::Dead;
        }
        let mut beat = Beat::Nothing;
        if self.next_ping <= now {
            // A timer that is a little late does not move the deadline. After a long pause of the
            // whole process, clients get their full time.
            let late = now - self.next_ping > limits.ping_timeout / 10;
            let pinged = if late { now } else { self.next_ping };
            let pinged = *self.pinged.get_or_insert(pinged);
            self.next_ping = now + limits.ping_interval;
            next.is_due(deadline(pinged), now);
            beat = Beat::Ping;
        }
        next.is_due(self.next_ping, now);
        beat
    }
}
