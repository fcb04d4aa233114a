//! Requests of generation 0.9: handshakes, and the URLs of a session (reference: socketio-0.9.md §1, §2,
//! §8).

use std::sync::Arc;

use http::header::UPGRADE;
use http::{Method, StatusCode};

use super::cors::Cors;
use super::{EngineRequest, Negotiator, by_name, tell_refused, tell_withheld};
use crate::admission::{AccessRequest, Admitted, Peer};
use crate::dialect::socketio09::{self, SocketIo09, UNKNOWN_SID, UNKNOWN_SID_ON_SOCKET, Url};
use crate::dialect::{Dialect, Wire};
use crate::engine::{CloseReason, NewSession, Session, Sid};
use crate::http::{Request, Response, response};
use crate::policy::Step;
use crate::transport::{Error, Query};

static DIALECT: SocketIo09 = SocketIo09;
const GENERATION: &str = "0.9";

/// The answer to a handshake that fails: the phrase of 0.9, and the reason. The client tries again after
/// all of them but those with 403, at which it stops (§11.4).
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("handshake bad origin: {0}")]
    BadOrigin(String),
    /// The application does not let the session open: nothing more, or a colon and why.
    #[error("handshake unauthorized{0}")]
    Unauthorized(String),
    #[error("handshake error: {0}")]
    Unavailable(String),
    /// The same request would fail again.
    #[error("handshake error: {0}")]
    Malformed(String),
}

impl Negotiator {
    /// Answers a request with the path `path` below the engine's path. `None` if it is not of this
    /// generation.
    pub async fn serve_0_9(&self, request: Request, path: &str, peer: Peer) -> Option<Response> {
        let raw_query = request.uri().query().unwrap_or_default().to_owned();
        let url = Url::parse(path, &raw_query)?;
        let cors = Cors::of(request.headers());
        if request.method() == Method::OPTIONS {
            return Some(cors.preflight());
        }
        let mut response = match url {
            Url::OtherProtocol => {
                let text = "Protocol version not supported.";
                response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", text)
            }
            Url::Handshake => self.answer_handshake_0_9(&request, &raw_query, peer).await,
            Url::Disconnect { .. } if request.headers().contains_key(UPGRADE) => {
                Error::bad_request("to leave needs no upgrade").text()
            }
            Url::Disconnect { sid } => {
                if let Some(session) = self.session_0_9(sid) {
                    session.close(CloseReason::ClientClosed);
                }
                response(StatusCode::OK, "text/plain", "")
            }
            Url::Open { transport, sid } => {
                let remote = self.gate().client(request.headers(), peer);
                let session = self.session_0_9(sid);
                let is_upgrade = request.headers().contains_key(UPGRADE);
                let answer = self.open_0_9(request, transport, sid, &raw_query, peer).await;
                answer.unwrap_or_else(|error| {
                    self.log(&error, remote, transport, sid);
                    tell_refused(session.as_deref(), &error, transport);
                    if is_upgrade { error.text() } else { error.json() }
                })
            }
        };
        cors.apply(response.headers_mut());
        Some(response)
    }

    /// Answers a handshake as text, or as a script if the query has a JSONP index.
    async fn answer_handshake_0_9(
        &self,
        request: &Request,
        raw_query: &str,
        peer: Peer,
    ) -> Response {
        // If the index is repeated, no script is sent: it is not known which callback waits.
        let index = socketio09::jsonp_index(raw_query)
            .filter(|_| Query::single(raw_query, "jsonp").is_ok());
        let asked = self.asked(request, peer, GENERATION, None, true);
        let reserved = self.reserve_0_9(request, raw_query, peer, asked.as_ref()).await;
        let opened = reserved.as_ref().ok().map(|(sid, _)| *sid);
        let answer = reserved.map(|(_, body)| body).map_err(|error| {
            self.log(&error, self.gate().client(request.headers(), peer), "", "");
            HandshakeError::from(error)
        });
        let response = match (answer, index) {
            (Ok(body), None) => response(StatusCode::OK, "text/plain", body),
            (Err(error), None) => response(error.status(), "text/plain", error.to_string()),
            (answer, Some(index)) => {
                let message = answer.as_ref().map_err(ToString::to_string);
                let outcome = message.as_ref().map(|body| body.as_str()).map_err(String::as_str);
                let script = socketio09::jsonp_handshake(index, outcome);
                response(StatusCode::OK, "application/javascript", script)
            }
        };
        match opened {
            Some(_) => self.hooks.add_headers(response, opened, asked.as_ref()),
            None => response,
        }
    }

    /// Reserves a session, and returns its id and the body of the handshake.
    async fn reserve_0_9(
        &self,
        request: &Request,
        raw_query: &str,
        peer: Peer,
        asked: Option<&EngineRequest>,
    ) -> Result<(Sid, String), Error> {
        Query::single(raw_query, "jsonp")?;
        let is_in_0_9 =
            |name: &&'static str| by_name(name).is_some_and(|known| known.supports_v09());
        let access = AccessRequest {
            transport: None,
            by_element: socketio09::jsonp_index(raw_query).is_some(),
            step: Step::Opens,
            session: None,
            generation: GENERATION,
        };
        let admitted = self.gate().decide(request.headers(), request.uri().path(), peer, access)?;
        let Admitted { client_info, offered, withheld, .. } = admitted;
        let client_info = client_info.ok_or(Error::bad_request("it opens no session"))?;
        let transports: Vec<&'static str> = offered.iter().copied().filter(is_in_0_9).collect();
        let Some(transport) = transports.first().and_then(|name| by_name(name)) else {
            return Err(self.gate().deny_no_common_transport("of generation 0.9", offered).into());
        };
        let plan = NewSession {
            dialect: &DIALECT,
            wire: Wire { base64: true, ..Wire::default() },
            // A placeholder, until the client opens a transport.
            transport: transport.info(),
            upgrades: &[],
            handshake: self.handshake(request, client_info, GENERATION)?,
        };
        self.hooks.allow(asked).await?;
        let session = self.engine().reserve(plan)?;
        tell_withheld(&session, withheld.as_ref());
        let limits = self.engine().limits();
        let silence = limits.ping_interval + limits.ping_timeout;
        let sid = session.sid();
        Ok((sid, socketio09::handshake(sid.as_str(), silence, &transports)))
    }

    /// The open session with this sid, if it is of 0.9. These URLs must not reach sessions of other
    /// generations.
    fn session_0_9(&self, sid: &str) -> Option<Arc<Session>> {
        let session = self.engine().session(sid)?;
        (session.dialect().slot() == DIALECT.slot()).then_some(session)
    }

    /// Serves a request on a session. `name` is the transport in the URL.
    async fn open_0_9(
        &self,
        request: Request,
        name: &str,
        sid: &str,
        raw_query: &str,
        peer: Peer,
    ) -> Result<Response, Error> {
        let transport = by_name(name).filter(|transport| transport.supports_v09());
        let Some(transport) = transport else { return Err(self.unknown_transport()) };
        let step = if transport.info().duplex { Step::Starts } else { Step::Continues };
        let session = self.session_0_9(sid);
        let access = AccessRequest {
            transport: Some(transport.info()),
            by_element: transport.by_element(),
            step,
            session: session.as_deref(),
            generation: GENERATION,
        };
        let admitted = self.gate().decide(request.headers(), request.uri().path(), peer, access)?;
        let headers = request.headers();
        if headers.contains_key(UPGRADE) && !transport.info().duplex {
            return Err(Error::bad_request("this transport has no upgrade"));
        }
        transport.check(&request)?;
        let j = Query::single(raw_query, "i")?;
        let query = Arc::new(Query { j, ..Query::default() });
        let Some(session) = session else {
            // The session has ended, or was on another server. The answer has the client make a new
            // handshake (§7).
            if request.method() == Method::POST {
                let (content_type, body) = DIALECT.post_answer();
                return Ok(response(StatusCode::OK, content_type, body));
            }
            let packets = match transport.info().duplex {
                true => &UNKNOWN_SID_ON_SOCKET[..],
                false => &UNKNOWN_SID,
            };
            return Ok(transport.respond_once(&request, &query, &DIALECT, packets));
        };
        self.engine().start(&session, transport.info());
        let asked = self.asked(&request, peer, GENERATION, Some(transport.info().name), false);
        let exchange = self.exchange(request, query, session, admitted.monitor);
        let response = transport.serve(exchange).wait().await?;
        Ok(self.hooks.add_headers(response, None, asked.as_ref()))
    }
}

impl From<Error> for HandshakeError {
    fn from(error: Error) -> Self {
        if let Error::Forbidden { message } = error {
            let why = if message.is_empty() { String::new() } else { format!(": {message}") };
            return HandshakeError::Unauthorized(why);
        }
        let why = match &error {
            Error::Refused { refusal, allowed } => refusal.with_allowed(allowed),
            error => error.reason().unwrap_or_default().into_owned(),
        };
        match error.status() {
            StatusCode::FORBIDDEN => HandshakeError::BadOrigin(why),
            StatusCode::BAD_REQUEST if !matches!(error, Error::Refused { .. }) => {
                HandshakeError::Malformed(why)
            }
            _ => HandshakeError::Unavailable(why),
        }
    }
}

impl HandshakeError {
    fn status(&self) -> StatusCode {
        match self {
            HandshakeError::BadOrigin(_) | HandshakeError::Unauthorized(_) => StatusCode::FORBIDDEN,
            HandshakeError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            HandshakeError::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }
}
