//! Advice to the operator about requests, logged once and not for every request.

use std::net::IpAddr;

use tracing::{info, warn};

use crate::logged_names::LoggedNames;
use crate::policy::forwarded::Doubt;
use crate::policy::proxy_headers::{Believed, ProxyHeader};
use crate::policy::{Client, Networks, Refusal, Scheme, Visitor};

/// Remembers the advice that was logged.
#[derive(Debug, Default)]
pub(super) struct LogOnce {
    origins: LoggedNames<1000>,
    unnamed_page: LoggedNames<1>,
    /// Rules by their names.
    left_out: LoggedNames<64>,
    mismatches: LoggedNames<1000>,
    unclear_clients: LoggedNames<1000>,
    /// A proxy makes few; strangers try many.
    wrong_paths: LoggedNames<16>,
    /// Every client can pretend to be a proxy, but a real one is among the first to connect.
    untrusted_proxies: LoggedNames<16>,
    headers: LoggedNames<16>,
}

impl LogOnce {
    /// Lets all advice be logged once more.
    pub fn clear(&self) {
        self.origins.clear();
        self.unnamed_page.clear();
        self.left_out.clear();
        self.mismatches.clear();
        self.unclear_clients.clear();
        self.wrong_paths.clear();
        self.untrusted_proxies.clear();
        self.headers.clear();
    }

    /// Whether nothing has been said yet of WebSocket being left out by that rule.
    pub fn is_left_out_new(&self, rule: &str) -> bool {
        self.left_out.is_new(rule)
    }

    /// Names the setting that would allow a refused page.
    pub fn refusal(&self, refusal: &Refusal, remote: Client) {
        match refusal {
            Refusal::Origin { origin, setting } if self.origins.is_new(origin) => {
                info!(%remote, origin, setting, "origin refused: this setting would allow it");
            }
            Refusal::Unnamed if self.unnamed_page.is_new("") => info!(
                %remote,
                "a script, frame or form that names no page was refused: unless origins is \"*\", it has to \
                 come with Origin or Referer, which a Referrer-Policy or a privacy tool may keep back"
            ),
            _ => {}
        }
    }

    /// Tells where a client looks for the engine, and where it is.
    pub fn wrong_path(&self, path: &str, expected: &str, remote: Client) {
        if self.wrong_paths.is_new(path) {
            info!(
                %remote, path, expected,
                "a client looks for Socket.IO where it is not: its option path, or a proxy that \
                 changes paths, has to lead to the expected one"
            );
        }
    }

    /// Warns of an address that seems to be a proxy, but that trusted-proxies does not name.
    pub fn untrusted_proxy(&self, proxy: IpAddr, trusted: &Networks) {
        if self.untrusted_proxies.is_new(&proxy.to_string()) {
            warn!(
                address = %proxy, setting = trusted.setting_with(proxy),
                "Forwarded or X-Forwarded-… from an address that trusted-proxies does not name: if it is \
                 a proxy of yours, all its clients count as one; this setting would change that"
            );
        }
    }

    /// Names a header of a trusted proxy that proxy-headers does not name.
    pub fn header_not_believed(&self, proxy: IpAddr, header: ProxyHeader, believed: &Believed) {
        if self.headers.is_new(header.name()) {
            info!(
                %proxy, header = header.name(), setting = believed.setting_with(header),
                "this header of a trusted proxy is not believed: this setting would change that; the \
                 proxy has to write the header itself, or clients do"
            );
        }
    }

    /// Advises on a proxy that leaves clients unknown.
    pub fn unclear_client(&self, proxy: IpAddr, doubt: Doubt) {
        if !self.unclear_clients.is_new(&format!("{doubt:?} {proxy}")) {
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

    /// Advises on a page whose scheme differs from that of its connection. `consequence` completes the
    /// message.
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
