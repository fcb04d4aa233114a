//! The packets of an upgrade, and what the log says of each step.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::event::{SessionEvent, UpgradeFailure};
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
        let probed = state.candidate.as_ref().map_or("", |candidate| candidate.info.name);
        let transport = state.transport.name;
        drop(state);
        match step {
            ProbeStep::Answered => self.tell(&SessionEvent::ProbeAnswered { transport: probed }),
            ProbeStep::Upgraded { former, after } => {
                self.tell(&SessionEvent::Upgraded { from: former, to: transport, after });
            }
            ProbeStep::Failed => {
                if let Some(candidate) = &candidate {
                    self.tell_upgrade_failed(candidate, UpgradeFailure::WrongPacket, now);
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

    pub(super) fn tell_upgrade_failed(
        &self,
        candidate: &Candidate,
        reason: UpgradeFailure,
        now: Instant,
    ) {
        self.tell(&SessionEvent::UpgradeFailed {
            tried: candidate.info.name,
            stays: self.transport(),
            after: now - candidate.since,
            reason,
        });
    }
}
