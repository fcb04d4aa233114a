//! Refuses connections that get no slot, and raises the limit of open files for the slots.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{info, warn};

use super::HttpLimits;
use super::listen::ListenerConfig;
use crate::admission::{Gate, Named};
use crate::http::write::{After, write_end, write_head};
use crate::http::{Body, Response};
use crate::net::slots::{NoSlot, open_files};
use crate::transport::Error;

/// Open files besides the slots: waiting connections, listeners, logs, settings, certificates,
/// pages.
const RESERVE: usize = 256;
/// The `Retry-After` header.
const RETRY_SECONDS: u16 = 10;
/// The minimum time between two lines in the log for one reason.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counts refused connections, by reason.
#[derive(Default)]
pub(super) struct Refusals([Mutex<RefusalCount>; 2]);

/// Connections refused for one reason.
#[derive(Default)]
struct RefusalCount {
    last_logged: Option<Instant>,
    /// Refusals since then.
    count: u64,
    /// Refusals since the start.
    total: u64,
}

impl Refusals {
    /// Refuses a connection that cannot even wait, without a task for it. Only plain HTTP gets an
    /// answer, as far as that is possible without waiting.
    pub fn refuse_at_once(
        &self,
        tcp: &TcpStream,
        remote: IpAddr,
        why: NoSlot,
        config: &ListenerConfig,
        gate: &Gate,
    ) {
        let response = self.refuse(why, remote, gate);
        if let (Body::Whole(body), true) = (response.body(), config.acceptor.is_plain()) {
            let mut bytes = Vec::new();
            write_head(&mut bytes, response.status(), response.headers(), After::Close);
            write_end(&mut bytes, "", body);
            // Closing with unread input would reset the connection, and the answer could be lost.
            let socket = SockRef::from(tcp);
            let _ = (&*socket).read(&mut [0; 4096]);
            let _ = (&*socket).write(&bytes);
        }
    }

    /// Counts a refusal and returns its response.
    pub fn refuse(&self, why: NoSlot, remote: IpAddr, gate: &Gate) -> Response {
        self.count(why, remote, gate);
        unavailable(why.reason(), Some(why.setting()))
    }

    /// The refusals since the start, by the setting that is their reason.
    pub fn totals(&self) -> [(&'static str, u64); 2] {
        [NoSlot::AllTaken, NoSlot::Share].map(|why| {
            let refused = self.0[why as usize].lock().unwrap_or_else(PoisonError::into_inner);
            (why.setting(), refused.total)
        })
    }

    /// Counts a refusal, logs it at most once per [`LOG_INTERVAL`], and tells the gate then.
    pub fn count(&self, why: NoSlot, remote: IpAddr, gate: &Gate) {
        let refused = &self.0[why as usize];
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.count += 1;
        refused.total += 1;
        if refused.last_logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
            let count = refused.count;
            refused.last_logged = Some(Instant::now());
            refused.count = 0;
            drop(refused);
            // All have taken them together, so that nobody in particular is to blame.
            let share_of = (why == NoSlot::Share).then_some(remote);
            let told = gate.connections_refused(why.setting(), why.reason(), share_of, count);
            let (cause, certainty) = (told.map(|it| it.cause), told.map(|it| it.certainty));
            match why {
                NoSlot::AllTaken => warn!(
                    refused = count,
                    cause,
                    certainty,
                    "all connections are taken: more are refused (max-connections)"
                ),
                NoSlot::Share => warn!(
                    %remote, refused = count, cause, certainty,
                    "an address has its share of connections: more of it are refused \
                     (max-connections-per-address)"
                ),
            }
        }
    }
}

/// The cause of an error of accept, if it is that there are no more open files.
pub(super) fn named(error: &io::Error, gate: &Gate) -> Option<Named> {
    use rustix::io::Errno;
    let is_known = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
    let told = || gate.connections_refused("open-files", &error.to_string(), None, 1);
    is_known.contains(&error.raw_os_error()).then(told).flatten()
}

/// A 503 with `Retry-After`. `setting` is the one that is the reason.
pub(crate) fn unavailable(reason: &str, setting: Option<&'static str>) -> Response {
    let mut response = Error::Unavailable { reason: reason.to_owned(), setting }.json();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    response
}

/// What is said if the limit of open files is below what `max-connections` needs.
pub const TOO_FEW_FILES: &str =
    "the system allows fewer open files than max-connections needs: there are fewer connections";

/// Open files that so many connections need, with all else that the process opens.
pub fn open_files_for(connections: usize) -> usize {
    connections.saturating_add(RESERVE)
}

/// Raises the process's limit of open files to what `connections` need. Returns how many
/// connections fit into the limit that the system grants.
pub fn raise_file_limit(connections: usize) -> usize {
    raise_file_limit_beside(connections, 0)
}

/// As [`raise_file_limit`], where `others` connections are there beside: those with other nodes.
pub fn raise_file_limit_beside(connections: usize, others: usize) -> usize {
    let wanted = open_files_for(connections.saturating_add(others));
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let limit = rlimit::increase_nofile_limit(wanted).or_else(|error| {
        warn!(%error, "cannot raise the limit of open files");
        open_files()
    });
    let fit = fitting(connections, others, &limit);
    if fit < connections {
        let limit = limit.unwrap_or_default();
        // Most systems grant less than the default needs. That is no reason for a warning unless
        // the operator has set the number.
        if connections == HttpLimits::default().max_connections {
            info!(limit, max_connections = fit, "{TOO_FEW_FILES}");
        } else {
            warn!(limit, wanted, max_connections = fit, "{TOO_FEW_FILES}");
        }
    }
    fit
}

/// How many of `connections` fit into a limit of open files beside the others; all, if the limit is unknown.
fn fitting(connections: usize, others: usize, limit: &io::Result<u64>) -> usize {
    let Ok(limit) = limit else { return connections };
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    connections.min(limit.saturating_sub(RESERVE.saturating_add(others)).max(limit / 2)).max(1)
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
            assert_eq!(fitting(connections, 0, &Ok(limit)), fit, "{connections} in {limit}");
        }
        for (others, fit) in [(100, 644), (500, 500), (usize::MAX, 500)] {
            assert_eq!(fitting(1000, others, &Ok(1000)), fit, "beside {others}");
        }
        assert_eq!(fitting(1000, 0, &Err(io::Error::other("unknown"))), 1000);
    }
}
