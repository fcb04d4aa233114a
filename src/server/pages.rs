//! The pages and the other routes outside of the engine's path, answered by warp.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tracing::debug;
use warp::Filter as _;
use warp::path::FullPath;

use super::admin::{self, Admin};
use super::folder::{Lack, Sending};
use super::page_files::{FileRequest, Source};
use super::{no_slot, reports};
use crate::admission::Welcome;
use crate::http::fallback::{Answer, to_hyper};
use crate::http::path::Mount;
use crate::http::{self as web, Body, HyperBody};
use crate::policy::Scheme;
use crate::transport::Error;

/// The Content-Security-Policy: pages may run and load only what this server sends. `sockets` are
/// the schemes of allowed WebSockets. `'self'` is not enough, because older browsers do not apply
/// it to WebSockets, and a proxy may have replaced `Host`.
macro_rules! content_policy {
    ($sockets:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self' ",
            $sockets,
            "; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
        )
    };
}

/// For a page that may use only its own scheme, the browser enforces that, too.
fn content_policy(bound_to: Option<Scheme>) -> HeaderValue {
    HeaderValue::from_static(match bound_to {
        None => content_policy!("ws: wss:"),
        Some(Scheme::Http) => content_policy!("ws:"),
        Some(Scheme::Https) => content_policy!("wss:"),
    })
}

/// Answers all requests outside of the engine's path.
#[derive(Clone)]
pub struct Pages {
    answer: Arc<Handler>,
}

type Handler = dyn Fn(http::Request<HyperBody>) -> BoxFuture<'static, Answer> + Send + Sync;

impl Pages {
    /// `folder` replaces the built-in files, except the client library if the folder has none. `more`
    /// adds the admin API.
    pub fn new(folder: Option<&Path>, more: impl Into<Option<Admin>>) -> Self {
        let source = Arc::new(Source::new(folder));
        let file = warp::path::full()
            .and(warp::method())
            .and(warp::header::optional::<String>(IF_NONE_MATCH.as_str()))
            .and(warp::ext::get::<Welcome>())
            .and(warp::ext::get::<Mount>())
            .and_then(move |path: FullPath, method, known, welcome, mount: Mount| {
                let source = Arc::clone(&source);
                async move {
                    let (head_only, engine) = (method == Method::HEAD, mount.engine().to_owned());
                    let asked = FileRequest { head_only, known, welcome, engine };
                    match source.find(path.as_str(), &asked).await {
                        Ok(file) => Ok(file.answer()),
                        Err(Lack::Busy(reason)) => Ok(busy(path.as_str(), reason)),
                        Err(Lack::Nothing) => Err(warp::reject::not_found()),
                    }
                }
            });
        let files = warp::get().or(warp::head()).unify().and(file);
        let routes = admin::route(more.into()).or(files).or(reports::route());
        let service = warp::service(routes);
        let answer = move |request| -> BoxFuture<'static, Answer> {
            let mut service = service.clone();
            Box::pin(async move {
                // A filter service is always ready and never fails.
                let Ok(mut response) = tower_service::Service::call(&mut service, request).await;
                if let Some(sending) = response.extensions_mut().remove::<Sending>() {
                    let pieces = sending.pieces().map_ok(Frame::data).map_err(Into::into);
                    return response.map(|_| StreamBody::new(pieces).boxed_unsync());
                }
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            })
        };
        Pages { answer: Arc::new(answer) }
    }

    /// Answers a request. `welcome` is the part of the policy that the page gets.
    pub async fn answer(
        &self,
        mut request: http::Request<HyperBody>,
        welcome: Welcome,
        mount: &Mount,
    ) -> Answer {
        let content_policy = content_policy(welcome.bound_to);
        request.extensions_mut().insert(welcome);
        request.extensions_mut().insert(mount.clone());
        let late = request.body().late();
        let mut answer = (self.answer)(request).await;
        if answer.status() == StatusCode::NOT_FOUND {
            answer = to_hyper(not_found(mount));
        }
        if late.load(Ordering::Acquire) {
            answer = to_hyper(Error::Incomplete.json());
        }
        let headers = answer.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, content_policy);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        answer
    }
}

/// A 404 that names the existing paths.
pub(super) fn not_found(mount: &Mount) -> web::Response {
    let (base, engine) = (mount.base(), mount.whole_engine());
    let text = format!("Not found. Pages are at {base}, Socket.IO is at {engine}\n");
    web::response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
}

fn busy(path: &str, reason: &'static str) -> Response<Bytes> {
    debug!(name = path, reason, "no page for now");
    no_slot::unavailable(reason).map(|body| match body {
        Body::Whole(bytes) => bytes,
        _ => Bytes::new(),
    })
}
