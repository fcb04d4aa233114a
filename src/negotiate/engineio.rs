//! From an Engine.IO request to the transport and the session that it is for.

use std::sync::Arc;

use base64::Engine as _;
use http::header::SEC_WEBSOCKET_KEY;
use http::{HeaderMap, Method};

use super::cors::Dress;
use super::{Negotiator, by_name, log};
use crate::admission::{Admitted, Ask, ClientInfo, Peer};
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{Dialect, StringMode, Strings, Wire};
use crate::engine::{Handshake, NewSession, Session};
use crate::http::headers::header;
use crate::http::{Request, Response, ResponseFuture};
use crate::policy::Step;
use crate::transport::{Error, Query, REGISTRY, Transport};

impl Negotiator {
    /// Answers an Engine.IO request, whatever it is.
    pub fn serve(&self, request: Request, peer: Peer) -> ResponseFuture {
        let dress = Dress::of(request.headers());
        if request.method() == Method::OPTIONS {
            // Before anything is looked up: a preflight carries neither cookie nor body.
            return ResponseFuture::Ready(dress.cors.preflight());
        }
        let remote = self.gate.client(request.headers(), peer);
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => Arc::new(query),
            Err(error) => {
                self.log(&error, remote, "", "");
                return ResponseFuture::Ready(dress.put_on(Err(error)));
            }
        };
        let (gate, asked) = (Arc::clone(&self.gate), Arc::clone(&query));
        let finish = move |answer: Result<Response, Error>| {
            dress.put_on(answer.inspect_err(|error| {
                let (transport, sid) = (asked.transport.as_deref(), asked.sid.as_deref());
                log(&gate, error, remote, transport.unwrap_or_default(), sid.unwrap_or_default());
            }))
        };
        match self.answer(request, query, peer) {
            ResponseFuture::Ready(answer) => ResponseFuture::Ready(finish(answer)),
            ResponseFuture::Waiting(answer) => {
                ResponseFuture::Waiting(Box::pin(async move { finish(answer.await) }))
            }
        }
    }

    fn answer(
        &self,
        request: Request,
        query: Arc<Query>,
        peer: Peer,
    ) -> ResponseFuture<Result<Response, Error>> {
        let transport = match self.transport(&query) {
            Ok(transport) => transport,
            Err(error) => return ResponseFuture::Ready(Err(error)),
        };
        let step = match &query.sid {
            None => Step::Opens,
            Some(_) if transport.info().duplex => Step::Upgrades,
            Some(_) => Step::Continues,
        };
        let session = query.sid.as_deref().and_then(|sid| self.engine.session(sid));
        // Those of 0.9 have URLs of their own.
        let session = session.filter(|session| session.dialect().slot() != SocketIo09.slot());
        let admitted = self.gate.decide(
            request.headers(),
            request.uri().path(),
            peer,
            Ask {
                transport: Some(transport.info()),
                by_element: transport.by_element(),
                step,
                session: session.as_deref(),
                generation: generation(&query),
            },
        );
        let Admitted { client_info, monitor, offered } = match admitted {
            Ok(admitted) => admitted,
            Err(denial) => return ResponseFuture::Ready(Err(denial.into())),
        };
        let Some(client_info) = client_info else {
            let session = session.ok_or(Error::SidUnknown);
            let session = session.and_then(|session| transport.check(&request).map(|()| session));
            return match session {
                Ok(session) => transport.serve(self.exchange(request, query, session, monitor)),
                Err(error) => ResponseFuture::Ready(Err(error)),
            };
        };
        let negotiator = self.clone();
        ResponseFuture::Waiting(Box::pin(async move {
            let dialect = dialect(&query)?;
            if request.method() != Method::GET {
                return Err(Error::BadMethod);
            }
            transport.check(&request)?;
            let opened =
                negotiator.open(transport, dialect, &request, &query, client_info, &offered);
            let session = opened.await?;
            transport.serve(negotiator.exchange(request, query, session, monitor)).wait().await
        }))
    }

    fn transport(&self, query: &Query) -> Result<&'static dyn Transport, Error> {
        let claims = |transport: &&dyn Transport| transport.matches(query);
        REGISTRY.iter().copied().find(claims).ok_or_else(|| self.unknown_transport())
    }

    async fn open(
        &self,
        transport: &'static dyn Transport,
        dialect: &'static dyn Dialect,
        request: &Request,
        query: &Query,
        client_info: ClientInfo,
        offered: &[&'static str],
    ) -> Result<Arc<Session>, Error> {
        let info = transport.info();
        let own_client = query.client.as_deref() == Some("parlance");
        let offers = |name: &&'static str| {
            let other = by_name(name)?;
            let other_info = other.info();
            let better = (other_info.duplex || !info.streams)
                && !info.duplex
                && other_info.wire != info.wire;
            (other.advertised(own_client) && better).then_some(other_info.wire)
        };
        let upgrades: Vec<&'static str> = offered.iter().filter_map(offers).collect();
        let client = client_info.visitor().client;
        let handshake = Handshake {
            remote: client.address(),
            bucket: client.bucket(),
            query: Query::application_part(request.uri().query().unwrap_or_default())?,
            generation: generation(query),
            extensions: Box::new(client_info),
        };
        let wire = wire(query, request.headers());
        let plan = NewSession { dialect, wire, transport: info, upgrades: &upgrades, handshake };
        Ok(self.engine().open(plan)?)
    }
}

/// `4` is protocol 4; `3` and `2`, which 1.0 clients send, are protocol 3 (engineio.md §1).
fn dialect(query: &Query) -> Result<&'static dyn Dialect, Error> {
    match query.eio.as_deref() {
        Some("4") => Ok(&EngineIo4),
        Some("3" | "2") => Ok(&EngineIo3),
        _ => Err(Error::BadProtocol),
    }
}

/// The cache buster of 1.0.5–1.3.7: milliseconds, a dash, a counter.
fn has_early_buster(query: &Query) -> bool {
    let parts = query.t.as_deref().and_then(|t| t.split_once('-'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(millis, n)| millis.len() == 13 && digits(millis) && digits(n))
}

/// Which clients speak like this, for logs.
fn generation(query: &Query) -> &'static str {
    match query.eio.as_deref() {
        Some("4") => "3.x-4.x",
        Some("2") => "1.0.x",
        _ if has_early_buster(query) => "1.0.5-1.3.x",
        _ if query.t.is_some() => "1.4-2.x",
        _ => "1.x-2.x",
    }
}

/// What the handshake tells of the strings to come (engineio.md §4.1.3).
fn wire(query: &Query, headers: &HeaderMap) -> Wire {
    let early = has_early_buster(query);
    let (polling, socket) = match query.eio.as_deref() {
        Some("2") => (Strings::Double, Strings::Double),
        Some("3") if early => (Strings::Double, Strings::Sniff),
        Some("3") if query.t.is_some() => (Strings::Sniff, Strings::Plain),
        // No polling seen. The WebSocket library of the first Node clients gives itself away.
        Some("3") if has_early_key(headers) => (Strings::Sniff, Strings::Sniff),
        Some("3") => (Strings::Sniff, Strings::Plain),
        _ => (Strings::Plain, Strings::Plain),
    };
    Wire {
        base64: query.b64 || query.j.is_some(),
        polling_strings: StringMode::new(polling),
        socket_strings: StringMode::new(socket),
        ..Wire::default()
    }
}

/// Early Node clients make their key of the version and the clock: base64 of `13-<ms>`.
fn has_early_key(headers: &HeaderMap) -> bool {
    let key = header(headers, SEC_WEBSOCKET_KEY).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.decode(key).is_ok_and(|key| {
        key.strip_prefix(b"13-").is_some_and(|clock| clock.iter().all(u8::is_ascii_digit))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn generations_are_told_apart() {
        let of = |raw: &str| generation(&Query::parse(raw).unwrap());
        assert_eq!(of("EIO=4&t=jca3zgf3"), "3.x-4.x");
        assert_eq!(of("EIO=2&t=1395000000000-0"), "1.0.x");
        assert_eq!(of("EIO=3&t=1395000000000-12"), "1.0.5-1.3.x");
        assert_eq!(of("EIO=3&t=Q85qr0d"), "1.4-2.x");
        assert_eq!(of("EIO=3"), "1.x-2.x");
    }

    #[test]
    fn early_keys() {
        let headers = |key: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(key));
            headers
        };
        assert!(has_early_key(&headers("MTMtMTc5NTM5MDc5NDAwMA==")));
        assert!(!has_early_key(&headers("dGhlIHNhbXBsZSBub25jZQ==")));
        assert!(!has_early_key(&HeaderMap::new()));
    }

    #[test]
    fn protocols() {
        for (eio, known) in [
            ("EIO=4", true),
            ("EIO=3", true),
            ("EIO=2", true),
            ("EIO=1", false),
            ("EIO=abc", false),
            ("", false),
        ] {
            assert_eq!(dialect(&Query::parse(eio).unwrap()).is_ok(), known, "{eio}");
        }
    }
}
