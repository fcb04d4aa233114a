//! Slots for connections. Each connection is an open file, and a process may have so many of these and no
//! more. Some are kept back, so that there is always one to hear who comes, and to say that all is taken.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::{info, warn};

use super::HttpLimits;
use super::listen::HouseRules;
use crate::transport::http::{Error, write_end, write_head};
use crate::transport::{self, Body};

/// Files besides the slots: for who waits for one, for listeners, logs, settings, certificates and pages.
const RESERVE: usize = 256;
/// Connections over the bound that are heard at once, at most.
const WAITING: usize = 64;
/// How long a connection over the bound waits for a slot; and how long saying no to it may take.
pub(super) const WAIT: Duration = Duration::from_secs(2);
/// When to come back.
const RETRY_SECONDS: u16 = 10;
/// Between two lines in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Counts connections. What is handed out is given back when it is dropped.
pub(super) struct Slots {
    slots: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    refused: Mutex<Refused>,
}

/// Connections that were refused.
#[derive(Default)]
struct Refused {
    told: Option<Instant>,
    /// Since it was told.
    count: u64,
}

/// What there is for a connection that came.
pub(super) enum Admission {
    Slot(OwnedSemaphorePermit),
    /// No slot, but room to wait for one.
    Wait(OwnedSemaphorePermit),
    /// Neither.
    Full,
}

impl Slots {
    /// So many connections, and room to wait within the limit of open files.
    pub fn new(connections: usize) -> Self {
        let limit = rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(soft, _)| soft);
        Slots::with(connections, waiting(connections, &limit))
    }

    fn with(connections: usize, waiting: usize) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let refused = Mutex::default();
        Slots { slots: semaphore(connections), waiting: semaphore(waiting), refused }
    }

    pub fn admit(&self) -> Admission {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map(Admission::Slot);
        let wait = || Arc::clone(&self.waiting).try_acquire_owned().map(Admission::Wait);
        slot.or_else(|_| wait()).unwrap_or(Admission::Full)
    }

    /// Waits for a slot, but not for long: those who have one may be WebSockets, and stay for hours.
    pub async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        let slot = Arc::clone(&self.slots).acquire_owned();
        tokio::time::timeout(WAIT, slot).await.ok()?.ok()
    }

    /// Refuses a connection that there is not even room for to be heard. Who speaks plain HTTP may still
    /// find the answer.
    pub fn turn_away(&self, tcp: &TcpStream, rules: &HouseRules) {
        let response = self.refuse();
        if let (Body::Whole(body), true) = (response.body(), rules.entrance.is_open()) {
            let mut bytes = Vec::new();
            write_head(&mut bytes, response.status(), response.headers(), true);
            write_end(&mut bytes, "", body);
            // What was sent already would have the connection reset, and the answer lost.
            let socket = SockRef::from(tcp);
            let _ = (&*socket).read(&mut [0; 4096]);
            let _ = (&*socket).write(&bytes);
        }
    }

    /// The answer to a connection for which there is no slot. Leaves a line in the log, not for each.
    pub fn refuse(&self) -> transport::Response {
        self.count();
        let reason = "all connections are taken (max-connections)".into();
        let mut response = Error::Unavailable { reason }.json();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        response
    }

    /// Takes note of one that was refused.
    pub fn count(&self) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.count += 1;
        if refused.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let count = refused.count;
            *refused = Refused { told: Some(Instant::now()), count: 0 };
            warn!(refused = count, "all connections are taken: more are refused (max-connections)");
        }
    }
}

const TOO_FEW_FILES: &str =
    "the system allows fewer open files than max-connections needs: there are fewer connections";

/// Asks the system for as many open files as `connections` need, and returns how many connections there
/// may be with what it gives.
pub fn raise_file_limit(connections: usize) -> usize {
    let wanted = u64::try_from(connections.saturating_add(RESERVE)).unwrap_or(u64::MAX);
    let limit = rlimit::increase_nofile_limit(wanted).or_else(|error| {
        warn!(%error, "cannot raise the limit of open files");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(soft, _)| soft)
    });
    let fit = fitting(connections, &limit);
    if fit < connections {
        let limit = limit.unwrap_or_default();
        // The default asks for more than most systems give, and nobody for it in particular.
        if connections == HttpLimits::default().max_connections {
            info!(limit, max_connections = fit, "{TOO_FEW_FILES}");
        } else {
            warn!(limit, wanted, max_connections = fit, "{TOO_FEW_FILES}");
        }
    }
    fit
}

/// How many connections there may be within a limit of open files, if it is known.
fn fitting(connections: usize, limit: &io::Result<u64>) -> usize {
    let Ok(limit) = limit else { return connections };
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    connections.min(limit.saturating_sub(RESERVE).max(limit / 2)).max(1)
}

/// How many may wait beside them: a part of what is left, so that the rest goes on.
fn waiting(connections: usize, limit: &io::Result<u64>) -> usize {
    let Ok(limit) = limit else { return WAITING };
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    (limit.saturating_sub(connections) / 4).clamp(1, WAITING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_limit_of_files() {
        for (connections, limit, fit) in [
            (1000, 1256, 1000),
            (1000, 1_000_000, 1000),
            (1000, u64::MAX, 1000),
            (1000, 1255, 999),
            (100_000, 20_000, 19_744),
            (1000, 400, 200),
            (1000, 64, 32),
            (10, 64, 10),
            (1000, 0, 1),
        ] {
            assert_eq!(fitting(connections, &Ok(limit)), fit, "{connections} in {limit}");
        }
        assert_eq!(fitting(1000, &Err(io::Error::other("unknown"))), 1000);
        for (connections, limit, room) in
            [(10, 20_000, 64), (19_744, 20_000, 64), (32, 64, 8), (100, 90, 1)]
        {
            assert_eq!(waiting(connections, &Ok(limit)), room, "{connections} in {limit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_late_waits_a_moment() {
        let slots = Slots::with(1, 4);
        let Admission::Slot(slot) = slots.admit() else { panic!("there is a slot") };
        let waiting: Vec<_> = (0..4).map(|_| slots.admit()).collect();
        assert!(waiting.iter().all(|admission| matches!(admission, Admission::Wait(_))));
        assert!(matches!(slots.admit(), Admission::Full));
        assert!(slots.wait().await.is_none());
        drop(slot);
        assert!(slots.wait().await.is_some());
        assert!(matches!(slots.admit(), Admission::Slot(_)));
    }
}
