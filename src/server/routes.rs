//! Routing: which part of the server answers a request.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use tracing::debug;

use super::listen::ListenerConfig;
use super::{Server, Shared, health, pages, redirect};
use crate::admission::Peer;
use crate::http::fallback::{self, Answer};
use crate::http::path::Part;
use crate::http::{HyperBody, Incoming, Request, ResponseFuture, host};
use crate::net::ConnWriter;
use crate::transport::{Error, Query};

impl Server {
    /// Answers a request for the engine.
    pub(super) fn route_engine(&self, mut request: Request, peer: Peer) -> ResponseFuture {
        self.shared.mount.enter(request.uri_mut());
        self.answer_engine(request, peer)
    }

    /// Answers a request for the engine, whose path has its one form.
    fn answer_engine(&self, request: Request, peer: Peer) -> ResponseFuture {
        let Shared { mount, negotiator, .. } = &*self.shared;
        let below = mount.below_engine(request.uri().path()).unwrap_or_default();
        // The query wins over the path: some clients of Engine.IO ask at the URLs of 0.9.
        if below.is_empty() || Query::is_engineio(request.uri().query().unwrap_or_default()) {
            return negotiator.serve(request, peer);
        }
        let (below, mount, negotiator) = (below.to_owned(), mount.clone(), negotiator.clone());
        ResponseFuture::Waiting(Box::pin(async move {
            let response = negotiator.serve_0_9(request, &below, peer).await;
            response.unwrap_or_else(|| pages::not_found(&mount))
        }))
    }

    /// Answers a request that hyper has read: for the engine, for pages, or to be redirected.
    /// `writer` is its connection.
    pub(super) async fn route(
        &self,
        mut request: http::Request<HyperBody>,
        writer: &Arc<ConnWriter>,
        peer: Peer,
        config: &ListenerConfig,
    ) -> Answer {
        if let Err(reason) = host::check(request.headers(), request.version()) {
            debug!(remote = %peer.remote, reason, "request refused");
            let mut refusal = Error::bad_request(reason).json();
            refusal.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return fallback::to_hyper(refusal);
        }
        if let Some(port) = config.redirect_to {
            return redirect::answer(&request, port);
        }
        let Shared { mount, negotiator, pages, .. } = &*self.shared;
        let astray = negotiator.astray(&request, peer);
        match mount.enter(request.uri_mut()) {
            Part::Engine => {
                let response = self.answer_engine(request.map(Incoming::Hyper), peer).wait().await;
                return fallback::to_hyper(fallback::wait_for_poll(response, writer).await);
            }
            Part::Base if !astray.is_client => {
                return fallback::to_hyper(redirect::to_base(&request, mount));
            }
            Part::Base | Part::Page => {}
        }
        let path = request.uri().path();
        let at_once = health::answer(request.method(), path, self.is_ready());
        if let Some(response) = at_once.or_else(|| astray.preflight()) {
            return fallback::to_hyper(response);
        }
        let mut answer = match pages {
            Some(pages) if !astray.is_client => {
                let welcome = negotiator.gate().welcome(request.headers(), path, peer);
                pages.answer(request, welcome, mount).await
            }
            _ => fallback::to_hyper(pages::not_found(mount)),
        };
        if answer.status() == StatusCode::NOT_FOUND {
            negotiator.lost(&astray, &mount.whole_engine(), answer.headers_mut());
        }
        answer
    }
}
