//! Who a request comes from, as the policy wants to know it; and what stays of that for the life of
//! a session.

use std::borrow::Cow;
use std::sync::{Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use http::header::{AsHeaderName, FORWARDED, HOST, ORIGIN, REFERER, USER_AGENT};

use super::census::Seat;
use super::http::header;
use super::monitor::Witness;
use super::negotiate::Peer;
use crate::engine::Session;
use crate::policy::forwarded::{Headers, Source};
use crate::policy::{Client, Networks, Policy, Refusal, Scheme, Visitor, origin};

/// Bytes of a user agent that rules are about.
const AGENT_MAX: usize = 512;

/// What the proxies on the way say; nothing if the connection is not from one that is trusted.
pub(super) fn said<'a>(headers: &'a HeaderMap, peer: Peer, trusted: &Networks) -> Headers<'a> {
    if trusted.is_empty() || !trusted.contains(peer.remote) {
        return Headers::default();
    }
    Headers {
        forwarded: lines(headers, FORWARDED),
        x_for: lines(headers, "x-forwarded-for"),
        x_proto: lines(headers, "x-forwarded-proto"),
        x_host: lines(headers, "x-forwarded-host"),
    }
}

/// The lines of one header, whatever bytes are in them: a client's own must not hide the proxy's.
fn lines(headers: &HeaderMap, name: impl AsHeaderName) -> Vec<Cow<'_, str>> {
    let lines = headers.get_all(name).iter();
    lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect()
}

/// Who asks.
pub(super) fn visitor<'a>(
    headers: &'a HeaderMap,
    path: &'a str,
    source: &'a Source<'_>,
) -> Visitor<'a> {
    let agent = header(headers, USER_AGENT).unwrap_or_default();
    Visitor {
        client: source.client,
        scheme: source.scheme,
        host: source.host.as_deref().or_else(|| header(headers, HOST)),
        origin: match headers.get(ORIGIN) {
            // One that is no text is still an origin, only none that any rule names.
            Some(value) => Some(value.to_str().unwrap_or("(no text)")),
            None => header(headers, REFERER).and_then(origin::of_url),
        },
        agent: agent.get(..AGENT_MAX).unwrap_or(agent),
        path,
    }
}

/// What is known of who opened a session. It takes up a place as long as it is kept.
#[derive(Debug)]
pub struct Guest {
    client: Client,
    scheme: Scheme,
    host: Option<Box<str>>,
    origin: Option<Box<str>>,
    agent: Box<str>,
    path: Box<str>,
    joined: Mutex<Joined>,
    /// There once a WebSocket of the session has failed.
    witness: OnceLock<Box<Witness>>,
    _seat: Seat,
}

/// The namespaces that a session is in. Nearly all are in `/` alone.
#[derive(Debug, Default)]
struct Joined {
    root: bool,
    others: Vec<Box<str>>,
}

impl Guest {
    pub(super) fn new(visitor: &Visitor<'_>, seat: Seat) -> Self {
        Guest {
            client: visitor.client,
            scheme: visitor.scheme,
            host: visitor.host.map(Box::from),
            origin: visitor.origin.map(Box::from),
            agent: visitor.agent.into(),
            path: visitor.path.into(),
            joined: Mutex::default(),
            witness: OnceLock::new(),
            _seat: seat,
        }
    }

    /// The guest that opened a session.
    pub fn of(session: &Session) -> Option<&Self> {
        session.handshake().companion.downcast_ref()
    }

    /// What its client's coming back is told to.
    pub(super) fn witness(&self, new: impl FnOnce() -> Witness) -> &Witness {
        self.witness.get_or_init(|| Box::new(new()))
    }

    /// A request goes on with the session, and is no WebSocket.
    pub(super) fn goes_on(&self) {
        if let Some(witness) = self.witness.get() {
            witness.returns();
        }
    }

    /// Takes note that the session is in a namespace, or not any more.
    pub(super) fn is_in(&self, namespace: &str, is_in: bool) {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        match (namespace, is_in) {
            ("/", _) => joined.root = is_in,
            (name, true) => joined.others.push(name.into()),
            (name, false) => joined.others.retain(|known| **known != *name),
        }
    }

    /// Whether the session may go on as it is, on that transport and in its namespaces.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) fn may_stay(&self, policy: &Policy, transport: &'static str) -> Result<(), Refusal> {
        policy.keeps(&self.visitor(), transport)?;
        match policy.rules.is_empty() {
            true => Ok(()),
            false => self.namespaces_allow(policy, transport),
        }
    }

    /// Whether the session may be on that transport with the namespaces that it is in.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) fn namespaces_allow(
        &self,
        policy: &Policy,
        transport: &'static str,
    ) -> Result<(), Refusal> {
        let visitor = self.visitor();
        let joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let root = joined.root.then_some("/");
        let mut names = root.into_iter().chain(joined.others.iter().map(|name| &**name));
        names.try_for_each(|name| policy.admits(&visitor, transport, name))
    }

    pub fn visitor(&self) -> Visitor<'_> {
        Visitor {
            client: self.client,
            scheme: self.scheme,
            host: self.host.as_deref(),
            origin: self.origin.as_deref(),
            agent: &self.agent,
            path: &self.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::forwarded;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn lines_of_a_proxy_are_one_list() {
        let peer = Peer { remote: "10.0.0.1".parse().unwrap(), scheme: Scheme::Http };
        let trusted = Networks::parse(["10.0.0.1"]).unwrap();
        // A line of the client's own, and one that the proxy added after it.
        let headers = headers(&[
            ("x-forwarded-for", "\u{f6}, 1.2.3.4"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("host", "inner"),
            ("origin", "https://a.example"),
            ("user-agent", "Old"),
        ]);
        let who = |peer: Peer| {
            let said = said(&headers, peer, &trusted);
            let source = forwarded::source(peer.remote, peer.scheme, &said, &trusted);
            let who = visitor(&headers, "/socket.io/", &source);
            assert_eq!((who.host, who.agent), (Some("inner"), "Old"));
            (who.client.to_string(), who.scheme)
        };
        assert_eq!(who(peer), ("192.0.2.7".into(), Scheme::Https));
        let stranger = Peer { remote: "10.0.0.2".parse().unwrap(), ..peer };
        assert_eq!(who(stranger), ("10.0.0.2".into(), Scheme::Http));
    }
}
