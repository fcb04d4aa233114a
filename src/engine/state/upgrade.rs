//! The steps of an upgrade: a transport probes its way, takes over, and is confirmed.

use std::time::Duration;

use tokio::time::Instant;

use super::super::handshake::TransportInfo;
use super::super::limits::PER_PACKET;
use super::outlet::Outlet;
use crate::dialect::Frame;

/// How soon a poll is released for an upgrade. Doubles up to [`SLOWEST_RELEASE`], so that a client
/// whose probe stalls does not poll in a hot loop.
const FIRST_RELEASE: Duration = Duration::from_millis(100);
const SLOWEST_RELEASE: Duration = Duration::from_secs(1);

/// A transport that is being probed.
#[derive(Debug)]
pub(in crate::engine) struct Candidate {
    pub outlet: Outlet,
    pub info: &'static TransportInfo,
    /// Answers to the probe that the transport has not taken yet.
    pub answers: Vec<Frame>,
    pub since: Instant,
    /// Once the probe came: when polls of the transport in use are released.
    pub probed: Option<Release>,
}

impl Candidate {
    pub fn new(outlet: Outlet, info: &'static TransportInfo, now: Instant) -> Self {
        Candidate { outlet, info, answers: Vec::new(), since: now, probed: None }
    }
}

/// When a parked poll is next answered with nothing, so that the client can leave its transport.
#[derive(Debug)]
pub(in crate::engine) struct Release {
    pub at: Instant,
    pause: Duration,
}

impl Release {
    pub fn first(now: Instant) -> Self {
        Release { at: now + FIRST_RELEASE, pause: FIRST_RELEASE }
    }

    /// Whether it is time, in which case the next release comes after a longer pause.
    pub fn is_due(&mut self, now: Instant) -> bool {
        if now < self.at {
            return false;
        }
        self.pause = (self.pause * 2).min(SLOWEST_RELEASE);
        self.at = now + self.pause;
        true
    }
}

/// An upgrade that no packet of the client has confirmed since. Until then what was sent on the new
/// transport is kept, and the old one can take the session back.
#[derive(Debug)]
pub(in crate::engine) struct Unconfirmed {
    pub sent: Vec<Frame>,
    /// Bytes of memory that these stand for.
    pub bytes: usize,
    pub former: &'static TransportInfo,
    pub deadline: Instant,
}

impl Unconfirmed {
    pub fn new(former: &'static TransportInfo, deadline: Instant) -> Self {
        Unconfirmed { sent: Vec::new(), bytes: 0, former, deadline }
    }

    /// Keeps what was sent just now.
    pub fn keep(&mut self, sent: &[Frame]) {
        self.bytes += sent.iter().map(|frame| frame.len() + PER_PACKET).sum::<usize>();
        self.sent.extend_from_slice(sent);
    }
}

/// What a packet of a probing transport led to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum ProbeStep {
    Answered,
    Upgraded { former: &'static str, after: Duration },
    Failed,
}
