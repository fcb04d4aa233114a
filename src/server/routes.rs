//! Routing: which part of the server answers a request.

use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use tracing::debug;

use super::listen::ListenerConfig;
use super::outside::not_found;
use super::{Server, Shared, echo, health, redirect};
use crate::admission::Peer;
use crate::http::path::{Mount, Part};
use crate::http::{Request, Response, ResponseFuture, host};
use crate::negotiate::astray::Astray;
use crate::negotiate::{Negotiator, is_engineio};
use crate::relay::{ClientFacts, Relayed};
use crate::transport::Error;

impl Server {
    /// Answers a request: for the engine, for what is outside of it, or to be redirected.
    pub(super) fn route(
        &self,
        mut request: Request,
        peer: Peer,
        config: &ListenerConfig,
    ) -> ResponseFuture {
        if config.acceptor.nodes.is_some() {
            return relayed(&self.shared.mount, &self.shared.negotiator, request);
        }
        if let Err(reason) = host::check(request.headers(), request.version()) {
            debug!(remote = %peer.remote, reason, "request refused");
            let mut refusal = Error::bad_request(reason).json();
            refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return ResponseFuture::Ready(refusal);
        }
        if let Some(port) = config.redirect_to {
            let host = self.shared.negotiator.gate().named_host(request.headers(), peer);
            return ResponseFuture::Ready(redirect::answer(&request, host.as_deref(), port));
        }
        let Shared { mount, negotiator, .. } = &*self.shared;
        if self.shared.is_without_engine {
            mount.enter(request.uri_mut());
            return self.answer_outside(request, peer);
        }
        if mount.is_engine(request.uri().path()) {
            return to_engine(mount, negotiator, request, peer);
        }
        let astray = negotiator.astray(&request, peer);
        if mount.enter(request.uri_mut()) == Part::Base && !astray.is_client {
            return ResponseFuture::Ready(redirect::to_base(&request, mount));
        }
        let path = request.uri().path();
        let at_once = health::answer(request.method(), path, self.readiness());
        if let Some(response) = at_once.or_else(|| astray.preflight()) {
            return ResponseFuture::Ready(response);
        }
        if astray.is_client {
            return ResponseFuture::Ready(self.complete(&astray, not_found(mount)));
        }
        let server = self.clone();
        self.answer_outside(request, peer).map(move |answer| server.complete(&astray, answer))
    }

    /// Answers a request that is not for the engine.
    fn answer_outside(&self, request: Request, peer: Peer) -> ResponseFuture {
        let Shared { mount, negotiator, outside, .. } = &*self.shared;
        let Some(outside) = outside else { return ResponseFuture::Ready(not_found(mount)) };
        let welcome = negotiator.gate().welcome(request.headers(), request.uri().path(), peer);
        outside.answer(request, welcome, mount)
    }

    /// Completes a 404, in case that a client of the engine has got a wrong path.
    fn complete(&self, astray: &Astray, mut answer: Response) -> Response {
        let Shared { mount, negotiator, .. } = &*self.shared;
        if answer.status() == StatusCode::NOT_FOUND {
            negotiator.lost(astray, &mount.whole_engine(), answer.headers_mut());
        }
        answer
    }
}

/// Answers a request for the engine.
pub(super) fn to_engine(
    mount: &Mount,
    negotiator: &Negotiator,
    mut request: Request,
    peer: Peer,
) -> ResponseFuture {
    negotiator.note_url(&mut request);
    mount.enter(request.uri_mut());
    let below = mount.below_engine(request.uri().path()).unwrap_or_default();
    let Some(elsewhere) = negotiator.elsewhere(&request, below) else {
        return here(mount, negotiator, request, peer);
    };
    let (mount, negotiator) = (mount.clone(), negotiator.clone());
    ResponseFuture::WhileWanted(Box::pin(async move {
        match elsewhere.answer(request, peer).await {
            Ok(response) => response,
            Err(head) => here(&mount, &negotiator, head, peer).wait().await,
        }
    }))
}

/// Answers a request that another node has passed on. Its path has the one form.
fn relayed(mount: &Mount, negotiator: &Negotiator, mut request: Request) -> ResponseFuture {
    let facts = ClientFacts::take(request.headers_mut());
    let Some(ClientFacts { remote, scheme }) = facts.filter(|_| is_for_engine(mount, &request))
    else {
        let mut refusal = Error::bad_request("no request that a node passes on").json();
        refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return ResponseFuture::Ready(refusal);
    };
    request.extensions_mut().insert(Relayed);
    here(mount, negotiator, request, Peer { remote, scheme })
}

fn is_for_engine(mount: &Mount, request: &Request) -> bool {
    mount.below_engine(request.uri().path()).is_some()
}

/// Answers a request for the engine by this node's sessions. Its path has the one form.
fn here(mount: &Mount, negotiator: &Negotiator, request: Request, peer: Peer) -> ResponseFuture {
    let below = mount.below_engine(request.uri().path()).unwrap_or_default();
    if is_engineio(below, request.uri().query().unwrap_or_default()) {
        return negotiator.serve(request, peer);
    }
    if below == echo::PATH {
        let (client, scheme) = negotiator.gate().source(request.headers(), peer);
        return ResponseFuture::Ready(echo::answer(&request, client, scheme));
    }
    let (below, mount, negotiator) = (below.to_owned(), mount.clone(), negotiator.clone());
    ResponseFuture::Waiting(Box::pin(async move {
        let response = negotiator.serve_0_9(request, &below, peer).await;
        response.unwrap_or_else(|| not_found(&mount))
    }))
}
