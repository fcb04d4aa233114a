//! What the log tells an operator about requests, once and not for each of them.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use crate::policy::forwarded::Doubt;
use crate::policy::{Client, Networks, Refusal, Scheme, Visitor};

/// What was told.
#[derive(Debug, Default)]
pub(super) struct LogOnce {
    origins: Told<1000>,
    unnamed: Told<1>,
    mismatches: Told<1000>,
    proxies: Told<1000>,
    /// Anybody can pretend to be a proxy, but a real one is among the first to come.
    strangers: Told<16>,
}

/// Names of which something was told. Beyond `MOST` nothing is new.
#[derive(Debug, Default)]
struct Told<const MOST: usize>(Mutex<HashSet<Box<str>>>);

impl<const MOST: usize> Told<MOST> {
    fn known(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_new(&self, name: &str) -> bool {
        let mut known = self.known();
        known.len() < MOST && !known.contains(name) && known.insert(name.into())
    }
}

impl LogOnce {
    pub fn forget(&self) {
        let LogOnce { origins, unnamed, mismatches, proxies, strangers } = self;
        for told in [origins, mismatches, proxies] {
            told.known().clear();
        }
        unnamed.known().clear();
        strangers.known().clear();
    }

    /// Says what would allow a page that was refused.
    pub fn refused(&self, refusal: &Refusal, remote: Client) {
        match refusal {
            Refusal::Origin { origin, setting } if self.origins.is_new(origin) => {
                info!(%remote, origin, setting, "origin refused: this setting would allow it");
            }
            Refusal::Unnamed if self.unnamed.is_new("") => info!(
                %remote,
                "a script, frame or form that names no page was refused: unless origins is \"*\", it has to \
                 come with Origin or Referer, which a Referrer-Policy or a privacy tool may keep back"
            ),
            _ => {}
        }
    }

    /// Warns of what seems to be a proxy that nobody has named.
    pub fn stranger(&self, proxy: IpAddr, trusted: &Networks) {
        if self.strangers.is_new(&proxy.to_string()) {
            warn!(
                address = %proxy, setting = trusted.with(proxy),
                "Forwarded or X-Forwarded-… from an address that trusted-proxies does not name: if it is \
                 a proxy of yours, all its clients count as one; this setting would change that"
            );
        }
    }

    /// Advises on a proxy that leaves clients unknown.
    pub fn doubt(&self, proxy: IpAddr, doubt: Doubt) {
        if !self.proxies.is_new(&format!("{doubt:?} {proxy}")) {
            return;
        }
        match doubt {
            Doubt::Contradiction => info!(
                %proxy,
                "Forwarded and X-Forwarded-… of this proxy contradict each other: neither is \
                 believed, and the client is unknown; it has to throw away those that clients write"
            ),
            Doubt::NoAddress => info!(
                %proxy,
                "what this proxy says of a client is no address: such clients are unknown, and share \
                 the bounds of one address"
            ),
        }
    }

    /// Advises on a page whose scheme is not that of its connection.
    pub fn mismatch(&self, visitor: &Visitor<'_>, page: Scheme, consequence: &str) {
        let origin = visitor.origin.unwrap_or_default();
        if self.mismatches.is_new(origin) {
            info!(
                origin,
                page = page.name(),
                reached = visitor.scheme.name(),
                "page and connection differ in scheme: {consequence}; behind a proxy that ends \
                 TLS, trusted-proxies has to name it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_new_once_and_so_many_are() {
        let told = Told::<2>::default();
        for (name, new) in [("a", true), ("a", false), ("b", true), ("b", false), ("c", false)] {
            assert_eq!(told.is_new(name), new, "{name}");
        }
        assert_eq!(told.known().len(), 2);
        told.known().clear();
        assert!(told.is_new("c"));
    }
}
