//! The pages: built into the binary, or served from a folder.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tracing::debug;
use warp::Filter as _;
use warp::path::FullPath;

use super::admin::{self, Admin};
use super::reports;
use crate::admission::Welcome;
use crate::files;
use crate::http::fallback::{Answer, dressed};
use crate::http::{self as web, Foreign};
use crate::policy::Scheme;
use crate::transport::Error;

/// Files that are built in, by their path below `/`.
const BUILT_IN: &[(&str, &[u8])] = &[
    ("index.html", include_bytes!("../../static/index.html")),
    ("diagnostics.html", include_bytes!("../../static/diagnostics.html")),
    ("style.css", include_bytes!("../../static/style.css")),
    ("icon.svg", include_bytes!("../../static/icon.svg")),
    ("parlance.js", include_bytes!(concat!(env!("OUT_DIR"), "/parlance.js"))),
    ("texts.js", include_bytes!("../../static/texts.js")),
    ("page.js", include_bytes!("../../static/page.js")),
    ("message.js", include_bytes!("../../static/message.js")),
    ("people.js", include_bytes!("../../static/people.js")),
    ("log.js", include_bytes!("../../static/log.js")),
    ("chat.js", include_bytes!("../../static/chat.js")),
    ("panel.js", include_bytes!("../../static/panel.js")),
    ("diagnostics.js", include_bytes!("../../static/diagnostics.js")),
];

/// The client library, whose list of transports is the policy's.
const CLIENT: &str = "parlance.js";

/// Paths that stand for a file of another name.
const ALIASES: &[(&str, &str)] =
    &[("", "index.html"), ("diagnostics", "diagnostics.html"), ("favicon.ico", "icon.svg")];

/// The file that a path below `/` stands for.
fn name_of(path: &str) -> &str {
    if is_client(path) {
        return CLIENT;
    }
    ALIASES.iter().find(|(alias, _)| *alias == path).map_or(path, |(_, name)| name)
}

/// Whether pages of any generation load the client from there: `socket.io.js`, `socket.io.min.js`, and
/// of 0.9 `socket.io.v0.9.17.js` and `socket.io+websocket+xhr-polling.js`.
fn is_client(path: &str) -> bool {
    let kind = path.strip_prefix("socket.io/socket.io").and_then(|rest| rest.strip_suffix(".js"));
    kind.is_some_and(|kind| {
        matches!(kind, "" | ".min") || kind.starts_with(".v0.9.") || kind.starts_with('+')
    })
}

/// Nothing runs or loads in our pages but what this server gave them. `sockets` are the schemes by
/// which they may open WebSockets: they are named because to older browsers 'self' is no WebSocket, and a
/// proxy may have put its own name into `Host`.
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

/// A page that is bound to its scheme is kept to it by the browser, too.
fn content_policy(bound_to: Option<Scheme>) -> HeaderValue {
    HeaderValue::from_static(match bound_to {
        None => content_policy!("ws: wss:"),
        Some(Scheme::Http) => content_policy!("ws:"),
        Some(Scheme::Https) => content_policy!("wss:"),
    })
}

/// Answers everything outside of the engine's path.
#[derive(Clone)]
pub struct Pages {
    answer: Arc<Handler>,
}

type Handler = dyn Fn(http::Request<Foreign>) -> BoxFuture<'static, Answer> + Send + Sync;

impl Pages {
    /// `folder` replaces the built-in files but for the client library; `more` are routes that somebody
    /// else answers.
    pub fn new(folder: Option<&Path>, more: impl Into<Option<Admin>>) -> Self {
        let source = Arc::new(Source::new(folder));
        let file = warp::path::full()
            .and(warp::header::optional::<String>(IF_NONE_MATCH.as_str()))
            .and(warp::ext::get::<Welcome>())
            .and_then(move |path: FullPath, etag: Option<String>, welcome: Welcome| {
                let source = Arc::clone(&source);
                async move {
                    let found = source.find(path.as_str(), &welcome.transports).await;
                    found
                        .map(|file| file.answer(etag.as_deref()))
                        .ok_or_else(warp::reject::not_found)
                }
            });
        let files = warp::get().or(warp::head()).unify().and(file);
        let routes = admin::route(more.into()).or(files).or(reports::route());
        let service = warp::service(routes.with(warp::reply::with::headers(security_headers())));
        let answer = move |request| -> BoxFuture<'static, Answer> {
            let mut service = service.clone();
            Box::pin(async move {
                // A filter service is always ready and never fails.
                let Ok(response) = tower_service::Service::call(&mut service, request).await;
                if response.status() == StatusCode::NOT_FOUND {
                    return dressed(not_found("/socket.io/")).await;
                }
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            })
        };
        Pages { answer: Arc::new(answer) }
    }

    /// `welcome` is what the page is told of the policy.
    pub async fn answer(&self, mut request: http::Request<Foreign>, welcome: Welcome) -> Answer {
        let content_policy = content_policy(welcome.bound_to);
        request.extensions_mut().insert(welcome);
        let late = request.body().late();
        let mut answer = (self.answer)(request).await;
        if late.load(Ordering::Acquire) {
            answer = dressed(Error::Incomplete.json()).await;
        }
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, content_policy);
        answer
    }
}

/// Says what there is instead.
pub fn not_found(mount: &str) -> web::Response {
    let text = format!("Not found. Pages are at /, Socket.IO is at {mount}\n");
    web::response(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", text)
}

fn security_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers
}

/// Where files come from.
struct Source {
    folder: Option<PathBuf>,
    /// Turns to read one from the folder: each takes a thread and an open file.
    turns: Semaphore,
}

/// Files that are read at once.
const TURNS: usize = 32;
/// Bytes of a file that is served from a folder.
const LARGEST: u64 = 64 * 1024 * 1024;

#[derive(Clone)]
struct File {
    content_type: &'static str,
    body: Bytes,
    etag: Box<str>,
}

impl Source {
    fn new(folder: Option<&Path>) -> Self {
        Source { folder: folder.map(Path::to_owned), turns: Semaphore::new(TURNS) }
    }

    async fn find(&self, path: &str, allowed: &[&'static str]) -> Option<File> {
        let name = name_of(path.strip_prefix('/')?);
        let content = match &self.folder {
            None => built_in(name)?,
            Some(folder) => match self.read(folder, name).await {
                Some(content) => content,
                // Pages of any making load it.
                None if name == CLIENT => built_in(name)?,
                None => return None,
            },
        };
        Some(File::new(name, content, allowed))
    }

    /// Plain names only: no way out of the folder, no hidden files, nothing encoded.
    async fn read(&self, folder: &Path, name: &str) -> Option<Bytes> {
        let plain = |part: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
        };
        if !name.split('/').all(plain) {
            return None;
        }
        let _turn = self.turns.acquire().await.ok()?;
        let (folder, name) = (folder.to_owned(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let read = read_within(&folder, &name);
            read.inspect_err(|error| debug!(name, %error, "no file of static-dir"))
        });
        read.await.ok()?.ok().map(Bytes::from)
    }
}

/// Reads a regular file of the folder; links may lead to another place in it, but not out of it. Whoever can
/// change names in there between two looks can read what we can: that is the operator.
fn read_within(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    let folder = folder.canonicalize()?;
    let path = folder.join(name).canonicalize()?;
    if !path.starts_with(&folder) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "a link leads out of the folder"));
    }
    files::read(&path, LARGEST)
}

fn built_in(name: &str) -> Option<Bytes> {
    let (_, content) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name)?;
    Some(Bytes::from_static(content))
}

impl File {
    fn new(name: &str, content: Bytes, allowed: &[&'static str]) -> Self {
        let body = match name {
            CLIENT => with_policy(&content, &serde_json::to_string(allowed).unwrap_or_default()),
            _ => content,
        };
        let etag = format!("\"{:016x}\"", fingerprint(&body)).into();
        File { content_type: content_type(name), body, etag }
    }

    fn answer(self, known: Option<&str>) -> Response<Bytes> {
        let current =
            known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == &*self.etag));
        let mut response = Response::new(if current { Bytes::new() } else { self.body });
        if current {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=0"));
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(ETAG, etag);
        }
        response
    }
}

/// Puts the policy's list between the marks that the client file has for it.
fn with_policy(content: &Bytes, policy: &str) -> Bytes {
    const OPEN: &str = "/*transports*/";
    const CLOSE: &str = "/*end*/";
    let marked = std::str::from_utf8(content).ok().and_then(|text| {
        let (before, rest) = text.split_once(OPEN)?;
        let (_, after) = rest.split_once(CLOSE)?;
        Some(format!("{before}{OPEN}{policy}{CLOSE}{after}"))
    });
    marked.map_or_else(|| content.clone(), Bytes::from)
}

/// FNV-1a: tells versions of a file apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "application/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_the_policys_list() {
        let file = Bytes::from_static(b"var A = /*transports*/[\"x\"]/*end*/;");
        assert_eq!(with_policy(&file, "[\"y\"]"), "var A = /*transports*/[\"y\"]/*end*/;");
        let plain = Bytes::from_static(b"nothing marked");
        assert_eq!(with_policy(&plain, "[]"), plain);
        let shipped = BUILT_IN.iter().find(|(name, _)| *name == CLIENT).unwrap().1;
        assert_ne!(with_policy(&Bytes::from_static(shipped), "[]"), shipped, "the marks are there");
    }

    #[tokio::test]
    async fn pages_of_any_making_can_load_the_client() {
        let allowed = ["websocket"];
        for folder in [None, Some(Path::new("docs"))] {
            let source = Source::new(folder);
            for path in [
                "/parlance.js",
                "/socket.io/socket.io.js",
                "/socket.io/socket.io.min.js",
                "/socket.io/socket.io.v0.9.17.js",
                "/socket.io/socket.io+websocket+xhr-polling.js",
            ] {
                let file = source.find(path, &allowed).await.expect(path);
                assert!(file.body.windows(14).any(|part| part == b"[\"websocket\"]/"), "{path}");
                assert_eq!(file.content_type, "application/javascript; charset=utf-8", "{path}");
            }
            // Of another kind.
            for file in ["esm.min.js", "msgpack.min.js", "min.js.map", "js.map", "v0.9.17"] {
                let path = format!("/socket.io/socket.io.{file}");
                assert!(source.find(&path, &allowed).await.is_none(), "{path}");
            }
        }
        let source = Source::new(Some(Path::new("docs")));
        assert!(source.find("/README.md", &allowed).await.is_some());
        assert!(source.find("/", &allowed).await.is_none(), "the pages themselves are replaced");
        assert!(source.find("/diagnostics", &allowed).await.is_none());
    }

    #[tokio::test]
    async fn no_way_out_of_the_folder() {
        let source = Source::new(Some(Path::new("static")));
        let allowed = ["websocket"];
        assert!(source.find("/", &allowed).await.is_some());
        for path in [
            "/../Cargo.toml",
            "/./index.html",
            "//etc/passwd",
            "/.gitignore",
            "/%2e%2e/x",
            "/a/../../Cargo.toml",
        ] {
            assert!(source.find(path, &allowed).await.is_none(), "{path}");
        }
    }
    #[cfg(unix)]
    #[tokio::test]
    async fn what_is_no_file_of_the_folder_is_not_served_and_blocks_nobody() {
        use std::os::unix::fs::symlink;
        let root = std::env::temp_dir().join(format!("parlance-pages-{}", std::process::id()));
        let (folder, outside) = (root.join("pages"), root.join("pages-of-others"));
        for path in [folder.join("sub"), outside.clone()] {
            std::fs::create_dir_all(path).unwrap();
        }
        for path in [folder.join("page.html"), folder.join("sub/..data"), outside.join("secret")] {
            std::fs::write(path, "text").unwrap();
        }
        for (target, name) in [
            ("page.html", "link.html"),
            ("sub/..data", "mounted.html"),
            ("../pages/page.html", "round.html"),
            ("../pages-of-others/secret", "out.html"),
            ("../pages-of-others", "folder"),
            ("/dev/zero", "zero"),
            ("loop", "loop"),
            ("nowhere", "dangling"),
        ] {
            symlink(target, folder.join(name)).unwrap();
        }
        let absolute = outside.join("secret");
        symlink(absolute, folder.join("absolute.html")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(folder.join("fifo")).status();
        assert!(fifo.unwrap().success());
        symlink("fifo", folder.join("fifo.html")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        // The folder itself may be a link, and lead somewhere else later.
        symlink(&folder, root.join("current")).unwrap();
        for folder in [&folder, &root.join("current")] {
            let source = Source::new(Some(folder));
            for (name, served) in [
                ("page.html", true),
                ("link.html", true),
                ("mounted.html", true),
                ("round.html", true),
                ("out.html", false),
                ("absolute.html", false),
                ("folder/secret", false),
                ("folder", false),
                ("sub", false),
                ("zero", false),
                ("fifo", false),
                ("fifo.html", false),
                ("socket", false),
                ("loop", false),
                ("dangling", false),
                ("page.html/x", false),
            ] {
                let file = source.find(&format!("/{name}"), &[]).await;
                assert_eq!(file.is_some(), served, "{name}");
            }
            let crowd = (0..600).map(|_| source.find("/fifo", &[]));
            let found = futures::future::join_all(crowd).await;
            assert!(found.iter().all(Option::is_none));
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
