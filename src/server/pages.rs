//! The pages: built into the binary, or served from a folder.
//!
//! Long because a third of it are its tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tracing::debug;
use warp::Filter as _;
use warp::path::FullPath;

use super::admin::{self, Admin};
use super::folder::{Copies, Folder, Lack, SMALL, Sending, Version};
use super::{no_slot, reports};
use crate::admission::Welcome;
use crate::http::fallback::{Answer, to_hyper};
use crate::http::{self as web, Body, HyperBody};
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

/// The client library. The server inserts the policy's list of transports into it.
const CLIENT: &str = "parlance.js";

/// Paths that stand for a file of another name.
const ALIASES: &[(&str, &str)] =
    &[("", "index.html"), ("diagnostics", "diagnostics.html"), ("favicon.ico", "icon.svg")];

/// The name of the file for a path below `/`.
fn name_of(path: &str) -> &str {
    if is_client(path) {
        return CLIENT;
    }
    ALIASES.iter().find(|(alias, _)| *alias == path).map_or(path, |(_, name)| name)
}

/// Whether pages load the Socket.IO client from this path: `socket.io.js`, `socket.io.min.js`, and
/// for 0.9 `socket.io.v0.9.17.js` and `socket.io+websocket+xhr-polling.js`.
fn is_client(path: &str) -> bool {
    let kind = path.strip_prefix("socket.io/socket.io").and_then(|rest| rest.strip_suffix(".js"));
    kind.is_some_and(|kind| {
        matches!(kind, "" | ".min") || kind.starts_with(".v0.9.") || kind.starts_with('+')
    })
}

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
            .and_then(move |path: FullPath, method, known, welcome| {
                let source = Arc::clone(&source);
                async move {
                    let asked = Asked { bare: method == Method::HEAD, known, welcome };
                    match source.find(path.as_str(), &asked).await {
                        Ok(file) => Ok(file.answer()),
                        Err(Lack::Busy(reason)) => Ok(busy(path.as_str(), reason)),
                        Err(Lack::Nothing) => Err(warp::reject::not_found()),
                    }
                }
            });
        let files = warp::get().or(warp::head()).unify().and(file);
        let routes = admin::route(more.into()).or(files).or(reports::route());
        let service = warp::service(routes.with(warp::reply::with::headers(security_headers())));
        let answer = move |request| -> BoxFuture<'static, Answer> {
            let mut service = service.clone();
            Box::pin(async move {
                // A filter service is always ready and never fails.
                let Ok(mut response) = tower_service::Service::call(&mut service, request).await;
                if let Some(sending) = response.extensions_mut().remove::<Sending>() {
                    let pieces = sending.pieces().map_ok(Frame::data).map_err(Into::into);
                    return response.map(|_| StreamBody::new(pieces).boxed_unsync());
                }
                if response.status() == StatusCode::NOT_FOUND {
                    return to_hyper(not_found("/socket.io/"));
                }
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            })
        };
        Pages { answer: Arc::new(answer) }
    }

    /// Answers a request. `welcome` is the part of the policy that the page gets.
    pub async fn answer(&self, mut request: http::Request<HyperBody>, welcome: Welcome) -> Answer {
        let content_policy = content_policy(welcome.bound_to);
        request.extensions_mut().insert(welcome);
        let late = request.body().late();
        let mut answer = (self.answer)(request).await;
        if late.load(Ordering::Acquire) {
            answer = to_hyper(Error::Incomplete.json());
        }
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, content_policy);
        answer
    }
}

/// A 404 that names the existing paths.
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

/// The parts of a request for a file that matter here.
struct Asked {
    /// A HEAD request.
    bare: bool,
    /// `If-None-Match`: the ETags of the client's cached versions.
    known: Option<String>,
    welcome: Welcome,
}

impl Asked {
    fn knows(&self, etag: &str) -> bool {
        let plain = |etag: &str| etag.trim().trim_start_matches("W/").to_owned();
        let mut known = self.known.iter().flat_map(|known| known.split(','));
        known.any(|known| plain(known) == plain(etag))
    }

    /// The list of transports for the client library, as JSON.
    fn list(&self) -> String {
        serde_json::to_string(&self.welcome.transports).unwrap_or_default()
    }
}

fn busy(path: &str, reason: &'static str) -> Response<Bytes> {
    debug!(name = path, reason, "no page for now");
    no_slot::unavailable(reason).map(|body| match body {
        Body::Whole(bytes) => bytes,
        _ => Bytes::new(),
    })
}

/// Where files come from.
struct Source {
    folder: Option<Folder>,
    /// Contents of the responses in flight.
    copies: Copies,
}

struct File {
    content_type: &'static str,
    etag: String,
    content: Content,
}

enum Content {
    Whole(Bytes),
    Sending(u64, Sending),
    /// The length is what was asked for.
    Length(u64),
    /// The client's cached version is current.
    Known,
}

impl Source {
    fn new(folder: Option<&Path>) -> Self {
        Source { folder: folder.map(Folder::new), copies: Copies::default() }
    }

    async fn find(&self, path: &str, asked: &Asked) -> Result<File, Lack> {
        let name = name_of(path.strip_prefix('/').ok_or(Lack::Nothing)?);
        let (etag, content) = match &self.folder {
            None => self.built_in(name, asked)?,
            Some(folder) => match self.of_folder(folder, name, asked).await {
                // Pages of the operator load the client, too.
                Err(Lack::Nothing) if name == CLIENT => self.built_in(name, asked)?,
                found => found?,
            },
        };
        Ok(File { content_type: content_type(name), etag, content })
    }

    fn built_in(&self, name: &str, asked: &Asked) -> Result<(String, Content), Lack> {
        let known = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
        let mut content = known.map(|(_, bytes)| Bytes::from_static(bytes)).ok_or(Lack::Nothing)?;
        if name == CLIENT {
            content = with_policy(&content, &asked.list());
        }
        let etag = format!("\"{:016x}\"", fingerprint(&content));
        if asked.knows(&etag) {
            return Ok((etag, Content::Known));
        }
        if name == CLIENT
            && let Some(shared) = self.copies.put(format!("{name} {etag}"), content.clone(), true)
        {
            content = shared;
        }
        Ok((etag, Content::Whole(content)))
    }

    /// Reads a file only if its content is sent. The exception is the client library: its length
    /// depends on the inserted list.
    async fn of_folder(
        &self,
        folder: &Folder,
        name: &str,
        asked: &Asked,
    ) -> Result<(String, Content), Lack> {
        let list = (name == CLIENT).then(|| asked.list());
        let etag = |version: Version| match &list {
            None => version.etag(),
            Some(list) => {
                let etag = version.etag();
                format!("{}-{:x}\"", etag.trim_end_matches('"'), fingerprint(list.as_bytes()))
            }
        };
        let version = folder.find(name).await?;
        let current = etag(version);
        if asked.knows(&current) {
            return Ok((current, Content::Known));
        }
        let small = version.length <= SMALL;
        if asked.bare && !(small && list.is_some()) {
            return Ok((current, Content::Length(version.length)));
        }
        if small {
            if let Some(copy) = self.copies.get(&format!("{name} {current}")) {
                return Ok((current, Content::Whole(copy)));
            }
            let (version, mut content) = folder.read(name).await?;
            if let Some(list) = &list {
                content = with_policy(&content, list);
            }
            let current = etag(version);
            let key = format!("{name} {current}");
            if let Some(copy) = self.copies.put(key, content, list.is_some()) {
                return Ok((current, Content::Whole(copy)));
            }
        }
        let (version, sending) = folder.open(name, asked.welcome.bucket).await?;
        Ok((etag(version), Content::Sending(version.length, sending)))
    }
}

impl File {
    fn answer(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let mut length = None;
        match self.content {
            Content::Whole(bytes) => *response.body_mut() = bytes,
            Content::Sending(bytes, sending) => {
                length = Some(bytes);
                response.extensions_mut().insert(sending);
            }
            Content::Length(bytes) => length = Some(bytes),
            Content::Known => *response.status_mut() = StatusCode::NOT_MODIFIED,
        }
        let headers = response.headers_mut();
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=0"));
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(ETAG, etag);
        }
        response
    }
}

/// Inserts the policy's list between the two marks in the client library.
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

/// FNV-1a, to distinguish versions of a file.
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

    fn asked() -> Asked {
        let client = std::net::IpAddr::from([192, 0, 2, 1]);
        let welcome = Welcome { transports: vec!["websocket"], bound_to: None, bucket: client };
        Asked { bare: false, known: None, welcome }
    }

    fn whole(file: File) -> Bytes {
        match file.content {
            Content::Whole(bytes) => bytes,
            _ => panic!("no content"),
        }
    }

    #[tokio::test]
    async fn pages_of_any_making_can_load_the_client() {
        let asked = asked();
        for folder in [None, Some(Path::new("docs"))] {
            let source = Source::new(folder);
            for path in [
                "/parlance.js",
                "/socket.io/socket.io.js",
                "/socket.io/socket.io.min.js",
                "/socket.io/socket.io.v0.9.17.js",
                "/socket.io/socket.io+websocket+xhr-polling.js",
            ] {
                let file = source.find(path, &asked).await.expect(path);
                assert_eq!(file.content_type, "application/javascript; charset=utf-8", "{path}");
                let body = whole(file);
                assert!(body.windows(14).any(|part| part == b"[\"websocket\"]/"), "{path}");
            }
            // Of another kind.
            for file in ["esm.min.js", "msgpack.min.js", "min.js.map", "js.map", "v0.9.17"] {
                let path = format!("/socket.io/socket.io.{file}");
                assert!(source.find(&path, &asked).await.is_err(), "{path}");
            }
        }
        let source = Source::new(Some(Path::new("docs")));
        assert!(source.find("/README.md", &asked).await.is_ok());
        assert!(source.find("/", &asked).await.is_err(), "the pages themselves are replaced");
        assert!(source.find("/diagnostics", &asked).await.is_err());
    }

    #[tokio::test]
    async fn no_way_out_of_the_folder() {
        let source = Source::new(Some(Path::new("static")));
        let asked = asked();
        assert!(source.find("/", &asked).await.is_ok());
        for path in [
            "/../Cargo.toml",
            "/./index.html",
            "//etc/passwd",
            "/.gitignore",
            "/%2e%2e/x",
            "/a/../../Cargo.toml",
        ] {
            assert!(source.find(path, &asked).await.is_err(), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_known_or_only_asked_about_is_not_read() {
        let name = format!("parlance-versions-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let source = Source::new(Some(&folder));
        let versions = ["one", "two", "three, which is longer"];
        for name in ["page.html", CLIENT] {
            let (path, mut known) = (format!("/{name}"), Vec::new());
            for (version, text) in versions.iter().enumerate() {
                let text = format!("{text} /*transports*//*end*/");
                std::fs::write(folder.join(name), &text).unwrap();
                let file = std::fs::File::options().write(true).open(folder.join(name)).unwrap();
                let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(version as u64);
                file.set_modified(at).unwrap();

                let bare = Asked { bare: true, ..asked() };
                let bare = source.find(&path, &bare).await.unwrap();
                assert!(bare.etag.starts_with("W/\"") && bare.etag.ends_with('"'), "{}", bare.etag);
                let length = text.len() as u64;
                let is_bare = matches!(bare.content, Content::Length(it) if it == length);
                assert_eq!(is_bare, name != CLIENT);
                drop(bare.content);

                let file = source.find(&path, &asked()).await.unwrap();
                let etag = file.etag.clone();
                assert_eq!(etag, bare.etag);
                let one = whole(file);
                let other = source.find(&path, &asked()).await.unwrap();
                assert_eq!(whole(other).as_ptr(), one.as_ptr(), "all who are sent it share it");
                drop(one);

                let strong = etag.trim_start_matches("W/").to_owned();
                for (known, has) in [
                    (etag.clone(), true),
                    (strong.clone(), true),
                    (format!("\"x\", {etag}"), true),
                    (format!("\"x\",{strong} "), true),
                    (known.join(", "), false),
                    (strong.replace('"', ""), false),
                ] {
                    let asked = Asked { known: Some(known.clone()), ..asked() };
                    let file = source.find(&path, &asked).await.unwrap();
                    assert_eq!(file.etag, etag);
                    assert_eq!(matches!(file.content, Content::Known), has, "{known}");
                }
                known.push(etag);
            }
            let mut other = asked();
            other.welcome.transports = vec!["polling"];
            let file = source.find(&path, &other).await.unwrap();
            assert_eq!(known.contains(&file.etag), name != CLIENT, "its list is part of it");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn small_files_are_shared_and_large_ones_come_in_pieces() {
        let name = format!("parlance-sizes-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let source = Source::new(Some(&folder));
        let sizes = [(0, true), (SMALL, true), (SMALL + 1, false)];
        for (length, small) in sizes {
            for name in ["page.html", CLIENT] {
                let file = std::fs::File::create(folder.join(name)).unwrap();
                file.set_len(length).unwrap();
                let file = source.find(&format!("/{name}"), &asked()).await.unwrap();
                assert_eq!(matches!(file.content, Content::Whole(_)), small, "{name} {length}");
                let sent = matches!(file.content, Content::Sending(it, _) if it == length);
                assert_eq!(sent, !small, "{name} {length}");
            }
        }
        // Of many different ones, too, no more are in memory than there is room for.
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        for number in 0..300 {
            let name = format!("{number}.html");
            std::fs::write(folder.join(&name), "text").unwrap();
            match source.find(&format!("/{name}"), &asked()).await {
                Ok(File { content: Content::Whole(bytes), .. }) => whole.push(bytes),
                Ok(File { content: Content::Sending(4, sending), .. }) => pieces.push(sending),
                Err(Lack::Busy(reason)) => {
                    assert_eq!(reason, "all places for large files are taken");
                    break;
                }
                _ => panic!("{name}"),
            }
        }
        assert_eq!((whole.len(), pieces.len()), (256, 16));
        std::fs::write(folder.join(CLIENT), "/*transports*//*end*/").unwrap();
        let client = source.find("/parlance.js", &asked()).await.unwrap();
        assert!(matches!(client.content, Content::Whole(_)), "it is always made for who asks");
        std::fs::remove_dir_all(&folder).unwrap();
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
            ("page.html", "writer.html"),
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
        // The folder itself may be a writer, and lead somewhere else later.
        symlink(&folder, root.join("current")).unwrap();
        for folder in [&folder, &root.join("current")] {
            let (source, asked) = (Source::new(Some(folder)), asked());
            for (name, served) in [
                ("page.html", true),
                ("writer.html", true),
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
                let file = source.find(&format!("/{name}"), &asked).await;
                assert_eq!(file.is_ok(), served, "{name}");
            }
            let crowd = (0..600).map(|_| source.find("/fifo", &asked));
            let found = futures::future::join_all(crowd).await;
            assert!(found.iter().all(Result::is_err));
        }
        std::fs::remove_dir_all(&root).unwrap();
    }
}
