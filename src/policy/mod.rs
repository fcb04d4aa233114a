//! The operator's policy: pure functions from facts to decisions.
//!
//! [`Policy::decide`] answers whether a request may open or use a session, and which transports its
//! visitor may use. A [`Refusal`] carries its reason as data, so the same value becomes the HTTP
//! answer, the log line and the count.

pub mod breaker;
mod client;
pub mod forwarded;
pub mod network;
pub mod origin;
pub mod payloads;
pub mod proxy_headers;
mod refusal;
mod room_names;
mod room_rules;
pub mod rules;
pub mod transports;

use std::time::Duration;

use self::proxy_headers::Believed;
pub use breaker::BreakerSettings;
pub use client::Client;
pub use network::Networks;
pub use origin::{Origin, Origins};
pub use payloads::Eio3Polls;
pub use refusal::{LABELS, Refusal};
pub use room_names::{BadRoomName, RoomNames};
pub use room_rules::{ACCOUNT, RoomRule, RoomRules};
pub use rules::{Pattern, Rule};
pub use transports::{Transports, UnknownTransport};

/// The settings that decide about requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The transports where no rule gives another list.
    pub transports: Transports,
    /// The form of polls of Engine.IO 3 where no rule gives another.
    pub eio3_polls: Eio3Polls,
    /// Exceptions for some visitors. For each of the settings above, the first counts that matches and gives
    /// it.
    pub rules: Vec<Rule>,
    /// The origins of pages that may connect.
    pub origins: Origins,
    /// Pages that were loaded by https may connect by https only, and pages loaded by http by http only.
    pub match_origin_protocol: bool,
    /// The proxies whose forwarding headers are believed.
    pub trusted_proxies: Networks,
    /// Which of these headers are believed.
    pub proxy_headers: Believed,
    /// Bounds on sessions and WebSockets.
    pub caps: Caps,
    /// When WebSockets are withheld from a network.
    pub breaker: BreakerSettings,
}

/// Bounds on numbers. 0 sets no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caps {
    /// Sessions at once.
    pub sessions: usize,
    /// Sessions at once of one IPv4 address or IPv6 /64.
    pub sessions_per_address: usize,
    /// WebSockets at once. Above it, no more are offered, and clients stay on their other transports.
    pub websockets: usize,
    /// Handshakes per second of one address. Those of ten seconds may come at once.
    pub handshakes_per_address: u32,
}

impl Caps {
    /// The defaults. They fit a machine with 1 GB of memory: an idle session takes 7 kB, or 17 kB over
    /// TLS, and 30,000 sessions leave room for outbound queues. One address may be a school, or many
    /// clients of a mobile carrier, and all of them may reconnect at the same moment.
    pub const STANDARD: Caps = Caps {
        sessions: 30_000,
        sessions_per_address: 1_000,
        websockets: 0,
        handshakes_per_address: 100,
    };
}

/// How a request reached this server, or the trusted proxy in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The default port of the scheme.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// The client behind a request, and its page.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    /// Who asks.
    pub client: Client,
    /// How the client reached this server, or the proxy in front of it.
    pub scheme: Scheme,
    /// The `Host` header, or the host that a trusted proxy names.
    pub host: Option<&'a str>,
    /// The `Origin` header, or else the origin of the `Referer`: scripts and frames send only that.
    pub origin: Option<&'a str>,
    /// Where the page is from, as the browser says.
    pub site: Site,
    /// The `User-Agent`; empty if there is none.
    pub agent: &'a str,
    /// The path of the request.
    pub path: &'a str,
}

/// How the page of a request relates to the server, by `Sec-Fetch-Site`. Browsers send it even where they
/// do not name the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Site {
    /// No header: no browser, an old one, or a request by plain http.
    #[default]
    Unknown,
    /// From this very origin.
    SameOrigin,
    /// Another origin, of the same site or not.
    Other,
}

/// The effect of a request on sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opens a session.
    Opens,
    /// Uses a session on its transport.
    Continues,
    /// Moves a session to this transport.
    Upgrades,
    /// Uses a session of 0.9 on a WebSocket, for the first time or again. The handshake of 0.9 names no
    /// transport.
    Starts,
}

/// The facts for a decision.
#[derive(Debug, Clone, Copy)]
pub struct PolicyInput<'a> {
    /// Who asks, and from where.
    pub visitor: Visitor<'a>,
    /// The transport of the request, if it names one.
    pub transport: Option<&'static str>,
    /// What the request is to a session.
    pub step: Step,
    /// An element of any page (a script, a frame, a form) can send this request, and the answer runs in
    /// that page.
    pub by_element: bool,
    /// What there is at the moment.
    pub counts: Counts,
}

/// The numbers before this request is admitted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Open sessions.
    pub sessions: usize,
    /// Sessions of the visitor's address.
    pub of_address: usize,
    /// Open WebSockets.
    pub websockets: usize,
    /// The time until the visitor's address may send its next handshake, if it has to wait.
    pub wait: Option<Duration>,
    /// The time for which the circuit breaker of such clients stays open, if it is open.
    pub breaker: Option<Duration>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The transports that this visitor may use. Refusals name them.
    pub allowed: &'a Transports,
    /// The settings leave WebSocket out for this visitor, who opens a session.
    pub(crate) left_out: Option<Refusal>,
    /// Why no WebSocket is to be had: the circuit breaker is open, or as many as allowed are.
    no_websocket: Option<Refusal>,
    /// Whether it is allowed.
    pub verdict: Result<(), Refusal>,
}

impl Decision<'_> {
    /// The transports to offer to this visitor, preferred first.
    pub(crate) fn offered(&self) -> Vec<&'static str> {
        let names = self.allowed.names();
        let others = names.iter().copied().filter(|name| *name != WEBSOCKET);
        if self.withheld().is_some() { others.collect() } else { names.to_vec() }
    }

    /// Why WebSocket is left out of the offer, if it is. A list with `websocket` alone is offered in any
    /// case: there is nothing else to try.
    pub(crate) fn withheld(&self) -> Option<&Refusal> {
        let names = self.allowed.names();
        let is_one_of_many = names.contains(&WEBSOCKET) && names != [WEBSOCKET];
        self.no_websocket.as_ref().filter(|_| is_one_of_many)
    }
}

/// The transport that has circuit breakers, and a bound on its number.
pub const WEBSOCKET: &str = "websocket";

impl Policy {
    /// Allows everything to everybody: no bounds, and no circuit breaker that would withhold WebSockets.
    pub fn open(transports: Transports) -> Self {
        Policy {
            transports,
            eio3_polls: Eio3Polls::default(),
            rules: Vec::new(),
            origins: Origins::any(),
            match_origin_protocol: false,
            trusted_proxies: Networks::default(),
            proxy_headers: Believed::default(),
            caps: Caps::default(),
            breaker: BreakerSettings { failures: 0, ..BreakerSettings::default() },
        }
    }

    /// Decides about a request.
    pub(crate) fn decide(&self, input: &PolicyInput<'_>) -> Decision<'_> {
        let PolicyInput { visitor, counts, .. } = input;
        let limit = self.caps.websockets;
        let is_full = limit > 0 && counts.websockets >= limit;
        let full = is_full.then_some(Refusal::WebSockets { limit });
        let (allowed, rule) = self.transports_and_rule(visitor);
        let is_left_out = input.step == Step::Opens && !allowed.allows(WEBSOCKET);
        Decision {
            allowed,
            left_out: is_left_out.then(|| Refusal::transport(WEBSOCKET, allowed, rule)),
            no_websocket: full.or(counts.breaker.map(|left| Refusal::Breaker { left })),
            verdict: self.verdict(input),
        }
    }

    /// Whether a session is allowed on a transport. Numbers and circuit breakers do not count here.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn check_session(
        &self,
        visitor: &Visitor<'_>,
        transport: &'static str,
    ) -> Result<(), Refusal> {
        let (transports, rule) = self.transports_and_rule(visitor);
        match transports.allows(transport) {
            true => self.check_page(visitor),
            false => Err(Refusal::transport(transport, transports, rule)),
        }
    }

    /// Whether the visitor's page may connect.
    fn check_page(&self, visitor: &Visitor<'_>) -> Result<(), Refusal> {
        match visitor.origin {
            Some(origin) if !self.origins.allow(origin, visitor.host) => {
                return Err(Refusal::origin(origin, &self.origins));
            }
            None if visitor.site == Site::Other && !self.origins.allow_all() => {
                return Err(Refusal::Unnamed);
            }
            _ => {}
        }
        match self.scheme_mismatch(visitor).filter(|_| self.match_origin_protocol) {
            Some(page) => Err(Refusal::Scheme { page, reached: visitor.scheme }),
            None => Ok(()),
        }
    }

    /// Whether a page may connect by an element. CORS does not keep the page from such an answer, so the
    /// page must be known: by name, or as a page of this server.
    fn check_element_page(&self, visitor: &Visitor<'_>) -> Result<(), Refusal> {
        if visitor.origin.is_some() || self.origins.allow_all() {
            return Ok(());
        }
        let host =
            visitor.host.filter(|_| visitor.site == Site::SameOrigin).ok_or(Refusal::Unnamed)?;
        let own_origin = format!("{}://{host}", visitor.scheme.name());
        match self.origins.allow(&own_origin, Some(host)) {
            true => Ok(()),
            false => Err(Refusal::origin(&own_origin, &self.origins)),
        }
    }

    /// Whether a namespace may be joined on a transport.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn check_namespace(
        &self,
        visitor: &Visitor<'_>,
        transport: &'static str,
        namespace: &str,
    ) -> Result<(), Refusal> {
        match self.rule_for(visitor, Some(namespace), |rule| rule.transports.as_ref()) {
            Some((transports, rule)) if !transports.allows(transport) => {
                Err(Refusal::transport(transport, transports, Some(rule)))
            }
            _ => Ok(()),
        }
    }

    /// The first rule that matches a visitor and gives a setting, with its value.
    fn rule_for<'a, T>(
        &'a self,
        visitor: &Visitor<'_>,
        namespace: Option<&str>,
        setting: impl Fn(&'a Rule) -> Option<T>,
    ) -> Option<(T, &'a Rule)> {
        let matching = self.rules.iter().filter(|rule| rule.matches(visitor, namespace));
        matching.into_iter().find_map(|rule| Some((setting(rule)?, rule)))
    }

    /// The transports for a visitor, and the rule that gives them, if one does.
    fn transports_and_rule(&self, visitor: &Visitor<'_>) -> (&Transports, Option<&Rule>) {
        match self.rule_for(visitor, None, |rule| rule.transports.as_ref()) {
            Some((transports, rule)) => (transports, Some(rule)),
            None => (&self.transports, None),
        }
    }

    /// The form of a visitor's polls, if it speaks Engine.IO 3.
    pub(crate) fn eio3_polls_for(&self, visitor: &Visitor<'_>) -> Eio3Polls {
        let of_rule = self.rule_for(visitor, None, |rule| rule.eio3_polls);
        of_rule.map_or(self.eio3_polls, |(polls, _)| polls)
    }

    /// The transports for a visitor, preferred first.
    pub(crate) fn transports_for(&self, visitor: &Visitor<'_>) -> &Transports {
        self.transports_and_rule(visitor).0
    }

    /// The scheme of the visitor's page, if it differs from that of the request.
    pub(crate) fn scheme_mismatch(&self, visitor: &Visitor<'_>) -> Option<Scheme> {
        let page = Origin::parse(visitor.origin?)?;
        page.web_scheme().filter(|scheme| *scheme != visitor.scheme)
    }

    fn verdict(&self, input: &PolicyInput<'_>) -> Result<(), Refusal> {
        let PolicyInput { visitor, transport, step, by_element, counts } = input;
        match transport {
            Some(transport) => self.check_session(visitor, transport)?,
            None => self.check_page(visitor)?,
        }
        if *by_element {
            self.check_element_page(visitor)?;
        }
        let Caps { sessions, sessions_per_address, websockets, .. } = self.caps;
        if *step == Step::Opens {
            if let Some(wait) = counts.wait {
                return Err(Refusal::Handshakes { wait });
            }
            if sessions > 0 && counts.sessions >= sessions {
                return Err(Refusal::Sessions { limit: sessions });
            }
            if sessions_per_address > 0 && counts.of_address >= sessions_per_address {
                return Err(Refusal::SessionsOfAddress { limit: sessions_per_address });
            }
        }
        if *transport != Some(WEBSOCKET) || *step == Step::Continues {
            return Ok(());
        }
        if websockets > 0 && counts.websockets >= websockets {
            return Err(Refusal::WebSockets { limit: websockets });
        }
        match counts.breaker {
            Some(left) if *step == Step::Upgrades => Err(Refusal::Breaker { left }),
            _ => Ok(()),
        }
    }

    /// The differences from this policy to a new one: `setting: old -> new`, one line for each.
    pub(crate) fn difference(&self, new: &Policy) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |key: &str, old: String, new: String| {
            if old != new {
                lines.push(format!("{key}: {old} -> {new}"));
            }
        };
        let list = |transports: &Transports| transports.names().join(",");
        compare("transports", list(&self.transports), list(&new.transports));
        compare("origins", self.origins.names().join(","), new.origins.names().join(","));
        compare("eio3-polls", self.eio3_polls.to_string(), new.eio3_polls.to_string());
        let rules = |policy: &Policy| {
            let text = |rule: &Rule| format!("{}={}", rule.name, rule.effects().join(","));
            policy.rules.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        match rules(self) == rules(new) && self.rules != new.rules {
            true => compare("rules", "other conditions".into(), "these".into()),
            false => compare("rules", rules(self), rules(new)),
        }
        let matching = |policy: &Policy| policy.match_origin_protocol.to_string();
        compare("match-origin-protocol", matching(self), matching(new));
        let proxies = |policy: &Policy| policy.trusted_proxies.to_string();
        compare("trusted-proxies", proxies(self), proxies(new));
        compare("proxy-headers", self.proxy_headers.to_string(), new.proxy_headers.to_string());
        for (key, of) in [
            ("max-sessions", (|caps| caps.sessions) as fn(&Caps) -> usize),
            ("max-sessions-per-address", |caps| caps.sessions_per_address),
            ("max-websockets", |caps| caps.websockets),
            ("handshake-rate", |caps| caps.handshakes_per_address as usize),
        ] {
            compare(key, of(&self.caps).to_string(), of(&new.caps).to_string());
        }
        let (old, new) = (self.breaker, new.breaker);
        compare("breaker-failures", old.failures.to_string(), new.failures.to_string());
        compare("breaker-rest", format!("{:?}", old.rest), format!("{:?}", new.rest));
        compare("breaker-longest", format!("{:?}", old.longest), format!("{:?}", new.longest));
        lines
    }
}

#[cfg(test)]
mod tests;
