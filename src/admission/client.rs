//! The client behind a request, as the policy sees it, and the part that is kept as long as its
//! session.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use http::header::{HOST, ORIGIN, REFERER, USER_AGENT};

use super::counters::SessionPermit;
use super::monitor::ReturnWatch;
use crate::engine::Session;
use crate::http::headers::header;
use crate::policy::forwarded::Source;
use crate::policy::{Client, Policy, Refusal, Scheme, Site, Visitor, origin};

/// The other end of a connection: its address, and the scheme of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The address at the other end of the connection, or as a PROXY header says.
    pub remote: IpAddr,
    /// How the connection was made.
    pub scheme: Scheme,
}

/// Bytes of a user agent that are kept, and compared with rules.
const AGENT_MAX: usize = 512;
/// Bytes of a path that are kept, and compared with rules. No URL of the engine is longer.
pub(super) const PATH_MAX: usize = 128;

pub(super) fn visitor<'a>(
    headers: &'a HeaderMap,
    path: &'a str,
    source: &'a Source<'_>,
) -> Visitor<'a> {
    let agent = header(headers, USER_AGENT).unwrap_or_default();
    Visitor {
        client: source.client,
        scheme: source.scheme,
        // A longer host cannot match an origin, because these are not longer either.
        host: source
            .host
            .as_deref()
            .or_else(|| header(headers, HOST))
            .filter(|host| host.len() <= origin::MAX_LENGTH),
        origin: page_origin(headers),
        site: site(headers),
        agent: prefix(agent, AGENT_MAX),
        path: prefix(path, PATH_MAX),
    }
}

/// The origin of the page that made a request, from `Origin` or else from `Referer`. A value that is no
/// origin becomes a placeholder that no rule can match, so that it does not count as absent.
fn page_origin(headers: &HeaderMap) -> Option<&str> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let named = match (origins.next(), origins.next()) {
        (Some(_), Some(_)) => Some("(several)"),
        (Some(origin), None) => Some(origin.to_str().unwrap_or("(no text)")),
        (None, _) => headers.get(REFERER).and_then(|url| origin::of_url(url.as_bytes())),
    };
    named.map(|origin| if origin.len() <= origin::MAX_LENGTH { origin } else { "(too long)" })
}

fn site(headers: &HeaderMap) -> Site {
    match header(headers, "sec-fetch-site") {
        Some("same-origin") => Site::SameOrigin,
        Some("same-site" | "cross-site") => Site::Other,
        // `none`: the user typed the address.
        _ => Site::Unknown,
    }
}

/// The first `max` bytes of a text, or a few less where a character would be split.
pub(super) fn prefix(text: &str, max: usize) -> &str {
    let end = max.min(text.len());
    (0..=end).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// The client that opened a session. Holds the permit of the session.
#[derive(Debug)]
pub struct ClientInfo {
    client: Client,
    scheme: Scheme,
    host: Option<Box<str>>,
    origin: Option<Box<str>>,
    site: Site,
    agent: Box<str>,
    path: Box<str>,
    joined: Mutex<Joined>,
    /// Set when a WebSocket of the session has failed.
    return_watch: OnceLock<Box<ReturnWatch>>,
    /// The proxy in front of it, until the session has it.
    pub(crate) proxy: Option<Arc<str>>,
    _permit: SessionPermit,
}

/// The namespaces that a session has joined. Nearly all sessions join `/` alone.
#[derive(Debug, Default)]
struct Joined {
    root: bool,
    others: Vec<Box<str>>,
}

impl ClientInfo {
    pub(super) fn new(visitor: &Visitor<'_>, permit: SessionPermit) -> Self {
        ClientInfo {
            client: visitor.client,
            scheme: visitor.scheme,
            host: visitor.host.map(Box::from),
            origin: visitor.origin.map(Box::from),
            site: visitor.site,
            agent: visitor.agent.into(),
            path: visitor.path.into(),
            joined: Mutex::default(),
            return_watch: OnceLock::new(),
            proxy: None,
            _permit: permit,
        }
    }

    /// The client that opened a session.
    pub(crate) fn of(session: &Session) -> Option<&Self> {
        session.handshake().extensions.downcast_ref()
    }

    /// The watch for the client's next request after a failed WebSocket, made by `new` the first time.
    pub(super) fn return_watch(&self, new: impl FnOnce() -> ReturnWatch) -> &ReturnWatch {
        self.return_watch.get_or_init(|| Box::new(new()))
    }

    /// The client sent a request on this session by another transport than WebSocket.
    pub(super) fn client_returned(&self) {
        if let Some(return_watch) = self.return_watch.get() {
            return_watch.client_returned();
        }
    }

    /// Remembers that the session has joined or left a namespace.
    pub(super) fn set_joined(&self, namespace: &str, is_joined: bool) {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        match (namespace, is_joined) {
            ("/", _) => joined.root = is_joined,
            (name, true) => joined.others.push(name.into()),
            (name, false) => joined.others.retain(|known| **known != *name),
        }
    }

    /// Whether a policy allows the session as it is, on its `transport` and with its namespaces.
    ///
    /// # Errors
    /// The policy's refusal.
    pub(super) fn check(&self, policy: &Policy, transport: &'static str) -> Result<(), Refusal> {
        policy.check_session(&self.visitor(), transport)?;
        match policy.rules.is_empty() {
            true => Ok(()),
            false => self.check_namespaces(policy, transport),
        }
    }

    /// Whether a policy allows all namespaces of the session on a transport.
    ///
    /// # Errors
    /// The policy's refusal.
    pub(super) fn check_namespaces(
        &self,
        policy: &Policy,
        transport: &'static str,
    ) -> Result<(), Refusal> {
        let visitor = self.visitor();
        let joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let root = joined.root.then_some("/");
        let mut names = root.into_iter().chain(joined.others.iter().map(|name| &**name));
        names.try_for_each(|name| policy.check_namespace(&visitor, transport, name))
    }

    pub(crate) fn visitor(&self) -> Visitor<'_> {
        Visitor {
            client: self.client,
            scheme: self.scheme,
            host: self.host.as_deref(),
            origin: self.origin.as_deref(),
            site: self.site,
            agent: &self.agent,
            path: &self.path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::forwarded::{self, Headers};
    use crate::policy::{Networks, Transports};
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = |text: &str| HeaderValue::from_str(&text.repeat(14_000)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, long("o"));
        headers.insert(HOST, long("h"));
        headers.insert(USER_AGENT, long("a"));
        let peer = Peer { remote: "192.0.2.1".parse().unwrap(), scheme: Scheme::Http };
        let trusted = Networks::default();
        let path = format!("/{}", "é".repeat(7_000));
        let nothing = Headers::default();
        let source = forwarded::source(peer.remote, peer.scheme, &nothing, &trusted);
        let visitor_of_long = visitor(&headers, &path, &source);
        let Visitor { path: kept_path, agent, origin, host, .. } = visitor_of_long;
        let lengths = (kept_path.len(), agent.len(), origin, host);
        assert_eq!(lengths, (PATH_MAX - 1, AGENT_MAX, Some("(too long)"), None));
        // Values of the greatest length that is kept.
        let host = "h".repeat(origin::MAX_LENGTH);
        headers.insert(HOST, HeaderValue::from_str(&host).unwrap());
        headers.insert(ORIGIN, HeaderValue::from_str(&host).unwrap());
        let counters = std::sync::Arc::new(super::super::ConnectionCounters::default());
        let client_info = ClientInfo::new(
            &visitor(&headers, &path, &source),
            counters.permit(source.client, 0).0,
        );
        let boxes =
            [&client_info.agent, &client_info.path].map(|text| text.len()).iter().sum::<usize>()
                + [&client_info.host, &client_info.origin]
                    .iter()
                    .flat_map(|text| *text)
                    .map(|text| text.len())
                    .sum::<usize>();
        assert!(size_of::<ClientInfo>() + boxes <= 1536, "{} + {boxes}", size_of::<ClientInfo>());
    }

    #[test]
    fn pages_are_named_by_what_cannot_be_misread() {
        let own = "https://own.example";
        for (origins, referer, named) in [
            (&[&b"https://own.example"[..]][..], None, Some(own)),
            (&[], Some(&b"https://own.example/x"[..]), Some(own)),
            (&[], Some(b"https://own.example/caf\xe9"), Some(own)),
            (&[], Some(b"caf\xe9"), None),
            (&[], None, None),
            (&[b"null"], Some(b"https://own.example/x"), Some("null")),
            (&[b"\xe9"], Some(b"https://own.example/x"), Some("(no text)")),
            (&[b"https://own.example", b"https://evil.example"], None, Some("(several)")),
        ] {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(ORIGIN, HeaderValue::from_bytes(origin).unwrap());
            }
            if let Some(referer) = referer {
                headers.insert(REFERER, HeaderValue::from_bytes(referer).unwrap());
            }
            assert_eq!(page_origin(&headers), named, "{origins:?} {referer:?}");
        }
    }

    #[test]
    fn lines_of_a_proxy_are_one_list() {
        let peer = Peer { remote: "10.0.0.1".parse().unwrap(), scheme: Scheme::Http };
        let mut policy = Policy::open(Transports::all(vec!["websocket"]));
        policy.trusted_proxies = Networks::parse(["10.0.0.1"]).unwrap();
        // The first line is the client's own; the proxy added the second.
        let headers = headers(&[
            ("x-forwarded-for", "\u{f6}, 1.2.3.4"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("host", "inner"),
            ("origin", "https://a.example"),
            ("user-agent", "Old"),
        ]);
        let who = |peer: Peer| {
            let told = super::super::proxy_headers::of(&headers, peer, &policy);
            let source =
                forwarded::source(peer.remote, peer.scheme, &told, &policy.trusted_proxies);
            let who = visitor(&headers, "/socket.io/", &source);
            assert_eq!((who.host, who.agent), (Some("inner"), "Old"));
            (who.client.to_string(), who.scheme)
        };
        assert_eq!(who(peer), ("192.0.2.7".into(), Scheme::Https));
        let stranger = Peer { remote: "10.0.0.2".parse().unwrap(), ..peer };
        assert_eq!(who(stranger), ("10.0.0.2".into(), Scheme::Http));
    }
}
