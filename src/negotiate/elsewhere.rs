//! Requests for sessions that other nodes have.

use http::Method;

use super::Negotiator;
use super::cors::AnswerForm;
use crate::admission::Peer;
use crate::dialect::socketio09::Url;
use crate::http::{Request, Response};
use crate::relay::{ClientFacts, Owner, Relay, RelayFailed, Relayed, head_of};
use crate::transport::{Error, Query};

/// A request for a session that another node has.
pub(crate) struct Elsewhere {
    relay: Relay,
    owner: Owner,
}

impl Negotiator {
    /// Passes requests for sessions of other nodes on to these. Off by default.
    #[must_use]
    pub fn relay(self, relay: Relay) -> Self {
        Negotiator { relay: Some(relay), ..self }
    }

    /// Whether another node has the session of a request. `below` is its path below the engine's. Never of a
    /// request that another node has passed on, so that none goes round in circles.
    pub(crate) fn elsewhere(&self, request: &Request, below: &str) -> Option<Elsewhere> {
        let relay = self.relay.as_ref()?;
        let is_passed_on = matches!(*request.method(), Method::GET | Method::POST);
        if !is_passed_on || request.extensions().get::<Relayed>().is_some() {
            return None;
        }
        let query = request.uri().query().unwrap_or_default();
        let owner = if is_engineio(below, query) {
            relay.owner(&Query::single(query, "sid").ok()??)
        } else {
            match Url::parse(below, query)? {
                Url::Open { sid, .. } | Url::Disconnect { sid } => relay.owner(sid),
                Url::Handshake | Url::OtherProtocol => None,
            }
        };
        owner.map(|owner| Elsewhere { relay: relay.clone(), owner })
    }
}

/// Whether a request is one of Engine.IO. The query wins over the path: some clients of Engine.IO ask at the URLs
/// of 0.9.
pub(crate) fn is_engineio(below: &str, query: &str) -> bool {
    below.is_empty() || Query::is_engineio(query)
}

impl Elsewhere {
    /// The owner's answer. If there is none, the request is given back, without its body, to be answered as one
    /// for a session that is not known.
    pub(crate) async fn answer(self, request: Request, peer: Peer) -> Result<Response, Request> {
        let facts = ClientFacts { remote: peer.remote, scheme: peer.scheme };
        let mut head = head_of(&request);
        match self.relay.pass_on(request, self.owner, facts).await {
            Ok(response) => Ok(response),
            Err(full @ RelayFailed::AllTaken) => {
                let (reason, setting) = (full.to_string(), Some("node-connections"));
                let form = AnswerForm::of(head.headers());
                Ok(form.complete(Err(Error::Unavailable { reason, setting })))
            }
            Err(RelayFailed::Incomplete) => {
                Ok(AnswerForm::of(head.headers()).complete(Err(Error::Incomplete)))
            }
            Err(RelayFailed::Gone) => {
                head.extensions_mut().insert(Relayed);
                Err(head)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Engine, Handler, Limits, Receiver, Session};
    use crate::http::Incoming;
    use crate::relay::{Node, NodeList, RelayLimits};

    struct Nothing;

    impl Handler for Nothing {
        fn open(&self, _: &Arc<Session>) -> Box<dyn Receiver> {
            unreachable!("no session is opened")
        }
    }

    /// A request that was passed on is answered where it comes to, though it names a third node.
    #[tokio::test]
    async fn a_request_is_passed_on_once() {
        let node = |own| Node::new("a key of the cluster for its tests", own, None).unwrap();
        let (here, there) = (Arc::new(node("a.example:1")), node("b.example:1"));
        let list = NodeList::new(&here, ["b.example:1"]).unwrap();
        let relay = Relay::new(here, Arc::new(list), RelayLimits::default());
        let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), Nothing));
        let alone = negotiator.clone();
        let negotiator = negotiator.relay(relay);
        let sid = there.new_sid().unwrap();
        let of_engine_io = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let of_0_9 = format!("/socket.io/1/xhr-polling/{sid}?t=1");
        let leaving = format!("/socket.io/1//{sid}?disconnect");
        for (method, target, below, expected) in [
            ("GET", &of_engine_io, "", true),
            ("POST", &of_engine_io, "", true),
            ("OPTIONS", &of_engine_io, "", false),
            ("GET", &of_0_9, &of_0_9[11..of_0_9.len() - 4], true),
            ("GET", &leaving, &leaving[11..leaving.len() - 11], true),
            ("GET", &format!("{of_engine_io}&sid={sid}"), "", false),
            ("GET", &"/socket.io/?EIO=4&transport=polling".into(), "", false),
            ("GET", &"/socket.io/1/".into(), "1/", false),
        ] {
            let request = http::Request::builder().method(method).uri(target);
            let mut request = request.body(Incoming::Whole("".into())).unwrap();
            let found = negotiator.elsewhere(&request, below).is_some();
            assert_eq!(found, expected, "{method} {target}");
            assert!(alone.elsewhere(&request, below).is_none());
            request.extensions_mut().insert(Relayed);
            assert!(negotiator.elsewhere(&request, below).is_none(), "{method} {target}");
        }
    }
}
