//! Refuses connections for which there is no slot, and asks the system for the files that slots need.

use std::io::{self, Read as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{info, warn};

use super::HttpLimits;
use super::listen::ListenerConfig;
use crate::http::write::{write_end, write_head};
use crate::http::{Body, Response};
use crate::net::slots::{NoSlot, open_files};
use crate::transport::Error;

/// Files besides the slots: for who waits for one, for listeners, logs, settings, certificates and pages.
const RESERVE: usize = 256;
/// When to come back.
const RETRY_SECONDS: u16 = 10;
/// Between two lines in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Connections that were refused, by reason.
#[derive(Default)]
pub(super) struct Refusals([Mutex<RefusalCount>; 2]);

/// Connections that were refused for one reason.
#[derive(Default)]
struct RefusalCount {
    told: Option<Instant>,
    /// Since it was told.
    count: u64,
}

impl Refusals {
    /// Refuses a connection that there is not even room for to be heard. Who speaks plain HTTP may still
    /// find the answer.
    pub fn turn_away(&self, tcp: &TcpStream, why: NoSlot, config: &ListenerConfig) {
        let response = self.refuse(why);
        if let (Body::Whole(body), true) = (response.body(), config.acceptor.is_open()) {
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
    pub fn refuse(&self, why: NoSlot) -> Response {
        self.count(why);
        unavailable(why.reason())
    }

    /// Takes note of one that was refused.
    pub fn count(&self, why: NoSlot) {
        let refused = &self.0[why as usize];
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.count += 1;
        if refused.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let count = refused.count;
            *refused = RefusalCount { told: Some(Instant::now()), count: 0 };
            match why {
                NoSlot::AllTaken => warn!(
                    refused = count,
                    "all connections are taken: more are refused (max-connections)"
                ),
                NoSlot::Share => warn!(
                    refused = count,
                    "an address has its share of connections: more of it are refused \
                     (max-connections-per-address)"
                ),
            }
        }
    }
}

/// Says to come back in a moment.
pub(super) fn unavailable(reason: &str) -> Response {
    let mut response = Error::Unavailable { reason: reason.to_owned() }.json();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

const TOO_FEW_FILES: &str =
    "the system allows fewer open files than max-connections needs: there are fewer connections";

/// Asks the system for as many open files as `connections` need, and returns how many connections there
/// may be with what it gives.
pub fn raise_file_limit(connections: usize) -> usize {
    let wanted = u64::try_from(connections.saturating_add(RESERVE)).unwrap_or(u64::MAX);
    let limit = rlimit::increase_nofile_limit(wanted).or_else(|error| {
        warn!(%error, "cannot raise the limit of open files");
        open_files()
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
    }
}
