//! Engine.IO requests: finds the transport and the session of each, or opens a session.

use std::sync::Arc;

use base64::Engine as _;
use http::header::SEC_WEBSOCKET_KEY;
use http::{HeaderMap, Method};

use super::cors::AnswerForm;
use super::{Negotiator, by_name, log, tell_refused, tell_withheld};
use crate::admission::{AccessRequest, Admitted, ClientInfo, Peer};
use crate::dialect::engineio3::EngineIo3;
use crate::dialect::engineio4::EngineIo4;
use crate::dialect::socketio09::SocketIo09;
use crate::dialect::{Dialect, StringMode, Strings, Wire};
use crate::engine::{NewSession, Session};
use crate::http::headers::header;
use crate::http::{Request, Response, ResponseFuture};
use crate::policy::{Eio3Polls, Step};
use crate::transport::{Error, Query, REGISTRY, Transport};

impl Negotiator {
    /// Answers an Engine.IO request (engineio.md). Errors become answers.
    pub fn serve(&self, request: Request, peer: Peer) -> ResponseFuture {
        let form = AnswerForm::of(request.headers());
        if request.method() == Method::OPTIONS {
            // A preflight request carries neither cookie nor body, so it needs no session.
            return ResponseFuture::Ready(form.cors.preflight());
        }
        let remote = self.gate.client(request.headers(), peer);
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => Arc::new(query),
            Err(error) => {
                self.log(&error, remote, "", "");
                return ResponseFuture::Ready(form.complete(Err(error)));
            }
        };
        let (negotiator, sent) = (self.clone(), Arc::clone(&query));
        let finish = move |answer: Result<Response, Error>| {
            form.complete(answer.inspect_err(|error| {
                let (transport, sid) = (sent.transport.as_deref(), sent.sid.as_deref());
                let (transport, sid) = (transport.unwrap_or_default(), sid.unwrap_or_default());
                log(&negotiator.gate, error, remote, transport, sid);
                tell_refused(negotiator.session(sid).as_deref(), error, transport);
            }))
        };
        self.answer(request, query, peer).map(finish)
    }

    /// Decides about a request, and passes it to its transport.
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
        let session = query.sid.as_deref().and_then(|sid| self.session(sid));
        let generation = generation(&query);
        let admitted = self.gate.decide(
            request.headers(),
            request.uri().path(),
            peer,
            AccessRequest {
                transport: Some(transport.info()),
                by_element: transport.by_element(),
                step,
                session: session.as_deref(),
                generation,
            },
        );
        let Admitted { client_info, monitor, offered, withheld } = match admitted {
            Ok(admitted) => admitted,
            Err(denial) => return ResponseFuture::Ready(Err(denial.into())),
        };
        let Some(client_info) = client_info else {
            let session = session.ok_or(Error::SidUnknown).and_then(|session| {
                self.check_version(&query, &session)?;
                transport.check(&request).map(|()| session)
            });
            let session = match session {
                Ok(session) => session,
                Err(error) => return ResponseFuture::Ready(Err(error)),
            };
            let asked = self.asked(&request, peer, generation, Some(transport.info().name), false);
            let answer = transport.serve(self.exchange(request, query, session, monitor));
            let Some(asked) = asked else { return answer };
            let hooks = Arc::clone(&self.hooks);
            return answer.map(move |answer| {
                answer.map(|response| hooks.add_headers(response, None, Some(&asked)))
            });
        };
        let asked = self.asked(&request, peer, generation, Some(transport.info().name), true);
        let negotiator = self.clone();
        ResponseFuture::Waiting(Box::pin(async move {
            let dialect = negotiator.dialect(&query)?;
            if request.method() != Method::GET {
                return Err(Error::BadMethod);
            }
            transport.check(&request)?;
            negotiator.hooks.allow(asked.as_ref()).await?;
            let session =
                negotiator.open(transport, dialect, &request, &query, client_info, &offered)?;
            tell_withheld(&session, withheld.as_ref());
            let opened = Some(session.sid());
            let exchange = negotiator.exchange(request, query, session, monitor);
            let response = transport.serve(exchange).wait().await?;
            Ok(negotiator.hooks.add_headers(response, opened, asked.as_ref()))
        }))
    }

    /// The session of that sid. One of 0.9 has URLs of its own, and cannot be reached by these.
    fn session(&self, sid: &str) -> Option<Arc<Session>> {
        let session = self.engine.session(sid)?;
        (session.dialect().slot() != SocketIo09.slot()).then_some(session)
    }

    /// `4` is protocol 4; `3` and `2`, which 1.0 clients send, are protocol 3 (engineio.md §1).
    fn dialect(&self, query: &Query) -> Result<&'static dyn Dialect, Error> {
        match query.version() {
            "4" => Ok(&EngineIo4),
            "3" | "2" if self.eio3 => Ok(&EngineIo3),
            _ => Err(Error::BadProtocol { known: if self.eio3 { "4, 3 or 2" } else { "4" } }),
        }
    }

    /// A client that speaks another version than its session would misread all that it gets.
    fn check_version(&self, query: &Query, session: &Session) -> Result<(), Error> {
        match self.dialect(query)?.slot() == session.dialect().slot() {
            true => Ok(()),
            false => Err(Error::bad_request("the session was opened with another EIO")),
        }
    }

    /// The transport that the query names.
    fn transport(&self, query: &Query) -> Result<&'static dyn Transport, Error> {
        let is_named = |transport: &&dyn Transport| transport.matches(query);
        REGISTRY.iter().copied().find(is_named).ok_or_else(|| self.unknown_transport())
    }

    /// Opens a session. `offered` are the transports that the policy allows to offer.
    fn open(
        &self,
        transport: &'static dyn Transport,
        dialect: &'static dyn Dialect,
        request: &Request,
        query: &Query,
        client_info: ClientInfo,
        offered: &[&'static str],
    ) -> Result<Arc<Session>, Error> {
        let info = transport.info();
        let is_own_client = query.client.as_deref() == Some("parlance");
        let as_upgrade = |name: &&'static str| {
            let other = by_name(name)?;
            let other_info = other.info();
            let is_better = (other_info.duplex || !info.streams)
                && !info.duplex
                && other_info.wire != info.wire;
            (other.advertised(is_own_client) && is_better).then_some(other_info.wire)
        };
        let upgrades: Vec<&'static str> = offered.iter().filter_map(as_upgrade).collect();
        let polls = self.gate.policy().eio3_polls_for(&client_info.visitor());
        let handshake = self.handshake(request, client_info, generation(query))?;
        let text_polls = polls == Eio3Polls::Text;
        let wire = Wire { text_polls, ..wire(query, request.headers()) };
        let plan = NewSession { dialect, wire, transport: info, upgrades: &upgrades, handshake };
        Ok(self.engine().open(plan)?)
    }
}

/// Whether `t` has the form of 1.0.5–1.3.7: 13 digits of milliseconds, a dash, a counter.
fn has_early_buster(query: &Query) -> bool {
    let parts = query.t.as_deref().and_then(|t| t.split_once('-'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(millis, n)| millis.len() == 13 && digits(millis) && digits(n))
}

/// The generation of the client, as far as its query shows it. For logs and circuit breakers.
fn generation(query: &Query) -> &'static str {
    match query.version() {
        "4" => "3.x-4.x",
        "2" => "1.0.x",
        _ if has_early_buster(query) => "1.0.5-1.3.x",
        _ if query.t.is_some() => "1.4-2.x",
        _ => "1.x-2.x",
    }
}

/// How the client encodes strings, by its handshake (engineio.md §4.1.3).
fn wire(query: &Query, headers: &HeaderMap) -> Wire {
    let early = has_early_buster(query);
    let (polling, socket) = match query.version() {
        "2" => (Strings::Double, Strings::Double),
        "3" if early => (Strings::Double, Strings::Sniff),
        "3" if query.t.is_some() => (Strings::Sniff, Strings::Plain),
        // A WebSocket handshake without `t`. The first Node clients are known by their key.
        "3" if has_early_key(headers) => (Strings::Sniff, Strings::Sniff),
        "3" => (Strings::Sniff, Strings::Plain),
        _ => (Strings::Plain, Strings::Plain),
    };
    Wire {
        base64: query.b64 || query.j.is_some(),
        polling_strings: StringMode::new(polling),
        socket_strings: StringMode::new(socket),
        ..Wire::default()
    }
}

/// Whether `Sec-WebSocket-Key` is that of early Node clients: base64 of `13-<milliseconds>`.
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
}
