//! The pages and the other routes outside of the engine's path, answered by warp.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use futures::future::BoxFuture;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, StatusCode};
use tracing::debug;
use warp::Filter as _;

use super::admin::{self, Admin};
use super::client_script::Reader;
use super::metrics::{self, MetricsPage};
use super::page_files::Source;
use super::{file_service, reports};
use crate::admission::Welcome;
use crate::http::path::Mount;
use crate::http::{self as web, Body, ResponseFuture};
use crate::policy::Scheme;
use crate::server::{self, Outside, redirect};
use crate::transport::Error;

/// The administrator's page as people type it. Its links are relative to the path without the slash.
const ADMIN_WITH_SLASH: &str = "/admin/";

/// The Content-Security-Policy: pages may run and load only what this server sends. For a page that
/// may use only its own scheme, the browser enforces that, too.
fn content_policy(bound_to: Option<Scheme>, of_operator: bool) -> HeaderValue {
    // Pages of the operator may have sounds, fonts, workers and the like, and WebAssembly.
    let loads = match of_operator {
        false => "default-src 'none'; script-src 'self'",
        true => "default-src 'self'; object-src 'none'; script-src 'self' 'wasm-unsafe-eval'",
    };
    // The schemes of allowed WebSockets. `'self'` is not enough, because older browsers do not apply
    // it to WebSockets, and a proxy may have replaced `Host`.
    let sockets = match bound_to {
        None => "ws: wss:",
        Some(Scheme::Http) => "ws:",
        Some(Scheme::Https) => "wss:",
    };
    let policy = format!(
        "{loads}; style-src 'self'; img-src 'self'; connect-src 'self' {sockets}; frame-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Answers all requests outside of the engine's path.
#[derive(Clone)]
pub struct Pages {
    answer: Arc<Handler>,
    /// The pages are the operator's.
    of_operator: bool,
    compressed: bool,
    /// Nobody but administrators is answered.
    for_administrators: bool,
    metrics: Arc<OnceLock<MetricsPage>>,
}

type Handler = dyn Fn(web::Request) -> BoxFuture<'static, web::Response> + Send + Sync;

impl Pages {
    /// `folder` replaces the built-in files, except the client library if the folder has none. `more`
    /// adds the admin API.
    pub fn new(folder: Option<&Path>, more: impl Into<Option<Admin>>) -> Self {
        Pages::with_clients(folder, None, more)
    }

    /// The page and the requests of administrators alone, and the metrics, for an address of their own.
    pub fn for_administrators(admin: Option<Admin>) -> Self {
        Pages { for_administrators: true, ..Pages::new(None, admin) }
    }

    /// [`Pages::new`] with a folder whose files are served as Socket.IO's client, in place of ours.
    pub fn with_clients(
        folder: Option<&Path>,
        clients: Option<&Path>,
        more: impl Into<Option<Admin>>,
    ) -> Self {
        let more = more.into();
        let source = Arc::new(Source::new(folder, clients).with_admin(more.is_some()));
        let service = warp::service(admin::route(more).or(reports::route()));
        let answer = move |request: web::Request| -> BoxFuture<'static, web::Response> {
            let (mut service, source) = (service.clone(), Arc::clone(&source));
            Box::pin(async move {
                let reads = matches!(*request.method(), Method::GET | Method::HEAD);
                if reads && source.has_admin() && request.uri().path() == ADMIN_WITH_SLASH {
                    return without_slash(&request);
                }
                if reads && !admin::is_path(request.uri().path()) {
                    return file(&source, request).await;
                }
                // A filter service is always ready and never fails.
                let Ok(response) = tower_service::Service::call(&mut service, request).await;
                if response.status() == StatusCode::NOT_FOUND && !reads {
                    let mut refusal = web::response(StatusCode::METHOD_NOT_ALLOWED, "", "");
                    refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                    return refusal;
                }
                response.map(Body::coming)
            })
        };
        Pages {
            answer: Arc::new(answer),
            of_operator: folder.is_some(),
            compressed: true,
            for_administrators: false,
            metrics: Arc::default(),
        }
    }

    /// Whether compressed forms of files are sent to clients that accept them: true if not said.
    #[must_use]
    pub fn compressed(self, compressed: bool) -> Self {
        Pages { compressed, ..self }
    }

    /// Answers `/metrics` from now on, on all clones. The first page stays.
    pub fn serve_metrics(&self, page: MetricsPage) {
        let _ = self.metrics.set(page);
    }

    /// Answers a request. `welcome` is the part of the policy that the page gets.
    async fn page(
        &self,
        mut request: web::Request,
        welcome: Welcome,
        mount: &Mount,
    ) -> web::Response {
        let content_policy = content_policy(welcome.bound_to, self.of_operator);
        request.extensions_mut().insert(welcome);
        request.extensions_mut().insert(mount.clone());
        if !self.compressed {
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let progress = request.body().progress();
        let mut answer = (self.answer)(request).await;
        if answer.status() == StatusCode::NOT_FOUND {
            answer = not_found(mount);
        }
        if progress.is_some_and(|progress| progress.late.load(Ordering::Acquire)) {
            answer = Error::Incomplete.json();
        }
        let headers = answer.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, content_policy);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        answer
    }
}

impl Outside for Pages {
    fn answer(&self, request: web::Request, welcome: Welcome, mount: &Mount) -> ResponseFuture {
        if let Some(answer) = self.metrics.get().and_then(|page| metrics::answer(page, &request)) {
            return ResponseFuture::Ready(answer);
        }
        if self.for_administrators && !admin::is_below(request.uri().path()) {
            return ResponseFuture::Ready(admin::nothing_else(mount.base()));
        }
        let (pages, mount) = (self.clone(), mount.clone());
        ResponseFuture::Waiting(Box::pin(async move { pages.page(request, welcome, &mount).await }))
    }
}

/// Redirects a path with a slash at its end to the one without it.
fn without_slash(request: &web::Request) -> web::Response {
    let path = request.uri().path().trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    redirect::relative(request, &format!("../{last}"))
}

/// A 404 that names the existing paths.
fn not_found(mount: &Mount) -> web::Response {
    let (base, engine) = (mount.base(), mount.whole_engine());
    let text = format!("Not found. Pages are at {base}, Socket.IO is at {engine}\n");
    web::response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
}

/// Answers a request for a file; 404 if there is none.
async fn file(source: &Arc<Source>, request: web::Request) -> web::Response {
    let extensions = request.extensions();
    let found = match (extensions.get::<Welcome>(), extensions.get::<Mount>()) {
        (Some(welcome), Some(mount)) => {
            let (welcome, engine) = (welcome.clone(), mount.engine().to_owned());
            let reader = Arc::new(Reader { welcome, engine });
            file_service::answer(source, &request, &reader).await
        }
        _ => Ok(None),
    };
    match found {
        Ok(Some(answer)) => answer,
        Ok(None) => web::response(StatusCode::NOT_FOUND, "", ""),
        Err(reason) => {
            debug!(name = request.uri().path(), reason, "no page for now");
            server::unavailable(&reason, None)
        }
    }
}
