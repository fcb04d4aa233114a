//! Validation of single settings.

use super::bounds::BOUNDS;
use super::host::HostPort;
use super::room_table;
use super::rules::{self, BadRule};
use super::values::Time;
use super::{
    AdminUi, Auth, ClusterAdapter, ClusterOldest, Durability, Layer, auth, cluster, host, path,
};
use crate::policy::proxy_headers::Believed;
use crate::policy::{Eio3Polls, Networks, Origins, RoomNames, Transports};
use crate::telemetry::{self, Format};

/// An invalid value.
pub(super) struct Invalid {
    pub key: &'static str,
    /// If `key` is a list of tables: the index of the table, and its key with the error.
    pub within: Option<(usize, &'static str)>,
    pub message: String,
}

/// Characters of a token, so that it cannot be guessed.
const SHORTEST_TOKEN: usize = 16;
/// Characters of a token, so that it fits into a header.
const LONGEST_TOKEN: usize = 256;

/// Checks that a secret can neither be guessed nor is changed on its way.
fn check_token(token: &str) -> Result<(), String> {
    if token.len() < SHORTEST_TOKEN {
        return Err(format!("expected {SHORTEST_TOKEN} characters at least"));
    }
    // A header cannot carry other tokens, or not unchanged.
    let printable = token.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    match printable && token.trim() == token && token.len() <= LONGEST_TOKEN {
        true => Ok(()),
        false => Err(format!(
            "expected {LONGEST_TOKEN} characters of ASCII at most, with no space at either end"
        )),
    }
}

impl Layer {
    /// Checks each setting by itself. `known` are the names of the transports.
    pub(super) fn validate(&self, known: &[&'static str]) -> Result<(), Invalid> {
        let invalid = |key, message: String| Err(Invalid { key, within: None, message });
        if let Some(list) = &self.transports
            && let Err(error) = Transports::parse(list.iter().map(String::as_str), known)
        {
            return invalid("transports", error.to_string());
        }
        if let Some(names) = &self.reserved_names
            && let Some(name) = names.iter().find(|name| name.trim().is_empty() || name.len() > 512)
        {
            return invalid("reserved-names", format!("expected names, not {name:?}"));
        }
        if let Some(form) = &self.eio3_polls
            && let Err(error) = form.parse::<Eio3Polls>()
        {
            return invalid("eio3-polls", error.to_string());
        }
        if let Some(rules) = &self.rules
            && let Err(BadRule { at, key, message }) = rules::read(rules, known)
        {
            return Err(Invalid { key: "rules", within: Some((at, key)), message });
        }
        if let Some(list) = &self.origins
            && let Err(error) = Origins::parse(list.iter().map(String::as_str))
        {
            return invalid("origins", error.to_string());
        }
        for (key, token) in
            [("admin-token", &self.admin_token), ("metrics-token", &self.metrics_token)]
        {
            if let Some(Err(message)) = token.as_deref().map(check_token) {
                return invalid(key, message);
            }
        }
        if let Some(mode) = &self.admin_ui
            && let Err(message) = mode.parse::<AdminUi>()
        {
            return invalid("admin-ui", message);
        }
        if let Some(name) = &self.cluster_adapter
            && let Err(message) = name.parse::<ClusterAdapter>()
        {
            return invalid("cluster-adapter", message);
        }
        if let Some(prefix) = &self.cluster_prefix
            && let Err(message) = cluster::check_prefix(prefix)
        {
            return invalid("cluster-prefix", message);
        }
        if let Some(version) = &self.cluster_oldest
            && let Err(message) = version.parse::<ClusterOldest>()
        {
            return invalid("cluster-oldest", message);
        }
        if let Some(host) = &self.host
            && let Err(message) = host::check(host)
        {
            return invalid("host", message);
        }
        for (key, addresses) in [
            ("admin-address", self.admin_address.as_slice()),
            ("node-listen", self.node_listen.as_slice()),
            ("node-address", self.node_address.as_slice()),
            ("nodes", self.nodes.as_deref().unwrap_or_default()),
        ] {
            for address in addresses {
                if let Err(message) = address.parse::<HostPort>() {
                    return invalid(key, message);
                }
            }
        }
        if let Some(mode) = &self.auth
            && let Err(message) = mode.parse::<Auth>()
        {
            return invalid("auth", message);
        }
        if let Some(Err(message)) = self.auth_secret.as_deref().map(auth::check_secret) {
            return invalid("auth-secret", message);
        }
        if let Some(Err(message)) = self.auth_keys.as_deref().map(auth::check_keys) {
            return invalid("auth-keys", message);
        }
        if let Some(Err(message)) = self.auth_cookie.as_deref().map(auth::check_cookie) {
            return invalid("auth-cookie", message);
        }
        for (key, claim) in [
            ("auth-name-claim", &self.auth_name_claim),
            ("auth-roles-claim", &self.auth_roles_claim),
            ("auth-rooms-claim", &self.auth_rooms_claim),
        ] {
            if claim.as_ref().is_some_and(|claim| claim.is_empty() || claim.len() > 256) {
                return invalid(key, "expected the name of a claim".into());
            }
        }
        if let Some(when) = &self.durability
            && let Err(message) = when.parse::<Durability>()
        {
            return invalid("durability", message);
        }
        if let Some(list) = &self.rooms
            && let Err(error) = RoomNames::parse(list.iter().map(String::as_str))
        {
            return invalid("rooms", error.to_string());
        }
        if let Some(tables) = &self.room
            && let Err(BadRule { at, key, message }) = room_table::read(tables)
        {
            return Err(Invalid { key: "room", within: Some((at, key)), message });
        }
        if let Some(path) = &self.base_path
            && let Err(message) = path::check_base(path)
        {
            return invalid("base-path", message);
        }
        if let Some(path) = &self.path
            && let Err(message) = path::check_engine(path)
        {
            return invalid("path", message);
        }
        if self.hsts.is_some_and(|Time(time)| time.subsec_nanos() != 0) {
            return invalid("hsts", "expected whole seconds".into());
        }
        for bounds in BOUNDS {
            if let Err(message) = bounds.check(self) {
                return invalid(bounds.key, message);
            }
        }
        if let Some(list) = &self.trusted_proxies
            && let Err(error) = Networks::parse(list.iter().map(String::as_str))
        {
            return invalid("trusted-proxies", error.to_string());
        }
        if let Some(list) = &self.proxy_headers
            && let Err(error) = Believed::parse(list.iter().map(String::as_str))
        {
            return invalid("proxy-headers", error.to_string());
        }
        if let Some(log) = &self.log
            && let Err(message) = telemetry::filter(log)
        {
            return invalid("log", message);
        }
        if let Some(form) = &self.log_format
            && let Err(message) = form.parse::<Format>()
        {
            return invalid("log-format", message);
        }
        Ok(())
    }
}
