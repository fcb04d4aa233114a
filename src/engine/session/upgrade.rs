//! The packets of an upgrade, and what the log says of each step.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::debug;

use super::super::handshake::TransportInfo;
use super::super::state::State;
use super::super::state::upgrade::{Candidate, ProbeStep};
use super::super::sync::MutexGuard;
use super::Session;
use crate::dialect::Packet;

impl Session {
    /// Takes a packet of the transport that is being probed. False if it ends the probe.
    pub(super) fn probe(
        self: &Arc<Self>,
        packet: Packet,
        mut state: MutexGuard<'_, State>,
    ) -> bool {
        let now = Instant::now();
        let (step, parked, other) = match packet {
            Packet::Ping { probe: true } => {
                let (step, waker) = state.probe(self.dialect, now);
                (step, waker, None)
            }
            Packet::Upgrade => state.upgrade(self.limits(), now),
            _ => (ProbeStep::Failed, None, None),
        };
        let failed = step == ProbeStep::Failed;
        let candidate = if failed { state.candidate.take() } else { None };
        let transport = state.transport.name;
        drop(state);
        match step {
            ProbeStep::Answered => self.span.in_scope(|| debug!("upgrade: probe answered")),
            ProbeStep::Upgraded { former, after } => self.span.in_scope(|| {
                debug!(from = former, to = transport, ms = after.as_millis() as u64, "upgraded");
            }),
            ProbeStep::Failed => {
                if let Some(candidate) = &candidate {
                    let reason = "not the packet that the upgrade waits for";
                    self.log_upgrade_failed(candidate, reason, now);
                }
            }
        }
        let failed_waker = candidate.and_then(|mut candidate| candidate.outlet.take_waker());
        for waker in [parked, other, failed_waker].into_iter().flatten() {
            waker.wake();
        }
        self.reschedule();
        !failed
    }

    pub(super) fn log_upgrade_failed(&self, candidate: &Candidate, reason: &str, now: Instant) {
        let (tried, stays) = (candidate.info.name, self.transport());
        let ms = (now - candidate.since).as_millis() as u64;
        self.span.in_scope(|| debug!(tried, stays, ms, reason, "upgrade: failed"));
    }

    pub(super) fn log_fallback(&self, to: &str, reason: &str) {
        self.span.in_scope(|| debug!(to, reason, "upgrade: taken back, fallback"));
    }

    pub(super) fn log_confirmed(&self, info: &TransportInfo) {
        self.span.in_scope(|| debug!(transport = info.name, "upgrade: confirmed"));
    }
}
