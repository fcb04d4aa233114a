//! Tests of the answers to requests for files.

mod compressed;
mod conditions;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderName,
};

use super::super::folder::SMALL;
use super::super::page_files::CLIENT;
use super::*;
use crate::admission::Welcome;

/// A folder that goes away with this value.
struct TestFolder(PathBuf);

impl TestFolder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parlance-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        TestFolder(path)
    }

    /// Writes a file, so many seconds after the epoch.
    fn write(&self, name: &str, content: impl AsRef<[u8]>, second: u64) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }

    fn source(&self) -> Arc<Source> {
        Arc::new(Source::new(Some(&self.0), None))
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn reader(transports: &[&'static str]) -> Arc<Reader> {
    let bucket = std::net::IpAddr::from([192, 0, 2, 1]);
    let welcome = Welcome { transports: transports.to_vec(), bound_to: None, bucket };
    Arc::new(Reader { welcome, engine: "/socket.io/".into() })
}

/// What was answered.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn request(method: Method, target: &str, headers: &[(HeaderName, &str)]) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = target.parse().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

async fn got(answered: Result<Option<web::Response>, String>) -> Option<Got> {
    let (parts, body) = answered.unwrap()?.into_parts();
    let body = pieces(body).await.concat().into();
    Some(Got { status: parts.status.as_u16(), headers: parts.headers, body })
}

async fn pieces(body: Body) -> Vec<Bytes> {
    match body {
        Body::Whole(bytes) => vec![bytes],
        Body::Stream(stream) => stream.collect().await,
        Body::Parked(_) | Body::Takeover(_) => panic!("no file"),
    }
}

/// The answer to a GET; `None` if there is no file.
async fn get(source: &Arc<Source>, target: &str, headers: &[(HeaderName, &str)]) -> Option<Got> {
    let request = request(Method::GET, target, headers);
    got(answer(source, &request, &reader(&["websocket"])).await).await
}

async fn head(source: &Arc<Source>, target: &str, headers: &[(HeaderName, &str)]) -> Option<Got> {
    let request = request(Method::HEAD, target, headers);
    got(answer(source, &request, &reader(&["websocket"])).await).await
}

fn built_in() -> Arc<Source> {
    Arc::new(Source::new(None, None))
}

#[tokio::test]
async fn pages_of_any_making_can_load_the_client() {
    for source in [built_in(), Arc::new(Source::new(Some(Path::new("docs")), None))] {
        for path in [
            "/parlance.js",
            "/socket.io/socket.io.js",
            "/socket.io/socket.io.slim.js",
            "/socket.io/socket.io.v0.9.17.js",
            "/socket.io/socket.io+websocket+xhr-polling.js",
        ] {
            let file = get(&source, path, &[]).await.expect(path);
            assert_eq!(file.header(&CONTENT_TYPE), "text/javascript; charset=utf-8", "{path}");
            assert!(file.body.windows(14).any(|part| part == b"[\"websocket\"]/"), "{path}");
        }
        for build in ["min.js", "esm.min.js", "msgpack.min.js"] {
            let path = format!("/socket.io/socket.io.{build}");
            let file = get(&source, &path, &[]).await.expect(&path);
            assert_eq!(file.header(&CONTENT_TYPE), "text/javascript; charset=utf-8", "{path}");
            let map = format!("\n//# sourceMappingURL=socket.io.{build}.map\n");
            assert!(file.body.ends_with(map.as_bytes()), "{path}");
            let map = get(&source, &format!("{path}.map"), &[]).await.expect(&path);
            assert!(map.body.starts_with(b"{"), "{path}");
            let packed = get(&source, &path, &[(ACCEPT_ENCODING, "br")]).await.expect(&path);
            assert_eq!(packed.header(&CONTENT_ENCODING), "br", "{path}");
        }
        // Of another kind.
        for file in ["js.map", "v0.9.17", "node.mjs", "node.cjs"] {
            let path = format!("/socket.io/socket.io.{file}");
            assert!(get(&source, &path, &[]).await.is_none(), "{path}");
        }
    }
    let docs = Arc::new(Source::new(Some(Path::new("docs")), None));
    assert!(get(&docs, "/README.md", &[]).await.is_some());
    assert!(get(&docs, "/", &[]).await.is_none(), "the pages themselves are replaced");
    assert!(get(&docs, "/diagnostics", &[]).await.is_none());
}

#[tokio::test]
async fn the_operators_client_takes_the_place_of_ours() {
    let folder = TestFolder::new("clients");
    for name in ["socket.io.js", "socket.io.min.js"] {
        folder.write(name, format!("theirs: {name}"), 1);
    }
    for pages in [None, Some(Path::new("docs"))] {
        let source = Arc::new(Source::new(pages, Some(&folder.0)));
        for name in ["socket.io.js", "socket.io.min.js"] {
            let file = get(&source, &format!("/socket.io/{name}"), &[]).await.expect(name);
            assert_eq!(file.body, format!("theirs: {name}"));
            let hashed = format!("/socket.io/{name}?v=0000000000000000");
            let file = get(&source, &hashed, &[]).await.expect(name);
            assert_eq!(file.header(&CACHE_CONTROL), "private, max-age=0");
        }
        for name in ["socket.io.esm.min.js", "socket.io.v0.9.17.js", "../Cargo.toml"] {
            assert!(get(&source, &format!("/socket.io/{name}"), &[]).await.is_none(), "{name}");
        }
        let ours = get(&source, "/parlance.js", &[]).await.expect("ours");
        assert!(ours.body.windows(14).any(|part| part == b"[\"websocket\"]/"));
    }
}

/// Old browsers run no script of a type that they do not know, and no browser guesses under `nosniff`.
#[tokio::test]
async fn files_have_the_types_that_browsers_ask_for() {
    let folder = TestFolder::new("types");
    let source = folder.source();
    for (name, expected) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "application/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.ico", "image/x-icon"),
        ("a.mp3", "audio/mpeg"),
        ("a.m4a", "audio/m4a"),
        ("a.ogg", "audio/ogg"),
        ("a.opus", "audio/ogg"),
        ("a.wav", "audio/wav"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.woff2", "font/woff2"),
        ("a.pdf", "application/pdf"),
        ("a.unheard-of", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ] {
        folder.write(name, "content", 1);
        let file = get(&source, &format!("/{name}"), &[]).await.expect(name);
        assert_eq!(file.header(&CONTENT_TYPE), expected, "{name}");
    }
}

#[tokio::test]
async fn names_are_what_the_url_says() {
    let folder = TestFolder::new("names");
    let source = folder.source();
    for name in [
        "index.html",
        "docs/index.html",
        "docs/a b.txt",
        "~user+x@y,z;(1)!$&'=.txt",
        "grüße/日本.txt",
        ".well-known/security.txt",
        ".well-known/.hidden",
        ".env",
        "docs/.git",
        "empty/file",
        "100%.txt",
    ] {
        folder.write(name, name, 1);
    }
    for (target, expected) in [
        ("/", Some("index.html")),
        ("/?x=1", Some("index.html")),
        ("/index.html", Some("index.html")),
        ("/docs/", Some("docs/index.html")),
        ("/docs/a%20b.txt", Some("docs/a b.txt")),
        ("/docs/%61%20b.txt", Some("docs/a b.txt")),
        ("/docs%2Findex.html", Some("docs/index.html")),
        ("/./docs/index.html", Some("docs/index.html")),
        ("/~user+x@y,z;(1)!$&'=.txt", Some("~user+x@y,z;(1)!$&'=.txt")),
        ("/%7Euser%2Bx%40y%2Cz%3B%281%29%21%24%26%27%3D.txt", Some("~user+x@y,z;(1)!$&'=.txt")),
        ("/gr%C3%BC%C3%9Fe/%E6%97%A5%E6%9C%AC.txt", Some("grüße/日本.txt")),
        ("/100%25.txt", Some("100%.txt")),
        ("/.well-known/security.txt", Some(".well-known/security.txt")),
        ("/%2Ewell-known/security.txt", Some(".well-known/security.txt")),
        ("/.well-known/.hidden", None),
        ("/.env", None),
        ("/%2eenv", None),
        ("/docs/.git", None),
        ("/docs/a+b.txt", None),
        ("/index.html/", None),
        ("/index.html/x", None),
        ("/empty/", None),
        ("/nothing", None),
        ("/INDEX.HTML", None),
        ("//index.html", None),
        ("/docs//index.html", None),
        ("/../Cargo.toml", None),
        ("/docs/../index.html", None),
        ("/docs/%2e%2e/index.html", None),
        ("/docs/..%2findex.html", None),
        ("/docs%5c..%5cindex.html", None),
        ("/%00", None),
        ("/index.html%00.txt", None),
        ("/%ff", None),
        ("/%", None),
        ("*", None),
    ] {
        let body = get(&source, target, &[]).await.map(|got| got.body);
        assert_eq!(body.as_deref(), expected.map(str::as_bytes), "{target}");
        let exists = head(&source, target, &[]).await.is_some();
        assert_eq!(exists, expected.is_some(), "HEAD {target}");
    }
    for (target, location) in [
        ("/docs", "./docs/"),
        ("/docs?a=b", "./docs/?a=b"),
        ("/gr%C3%BC%C3%9Fe", "./gr%C3%BC%C3%9Fe/"),
        ("/.well-known", "./.well-known/"),
    ] {
        let got = get(&source, target, &[]).await.expect(target);
        assert_eq!((got.status, got.header(&LOCATION)), (307, location), "{target}");
    }
}

#[tokio::test]
async fn an_own_file_comes_before_the_one_that_a_name_stands_for() {
    let folder = TestFolder::new("aliases");
    let source = folder.source();
    folder.write("diagnostics.html", "page", 1);
    folder.write("icon.svg", "svg", 1);
    assert_eq!(get(&source, "/diagnostics", &[]).await.unwrap().body, "page");
    assert_eq!(get(&source, "/favicon.ico", &[]).await.unwrap().body, "svg");
    folder.write("favicon.ico", "ico", 1);
    folder.write("diagnostics/index.html", "other page", 1);
    assert_eq!(get(&source, "/favicon.ico", &[]).await.unwrap().body, "ico");
    assert_eq!(get(&source, "/diagnostics", &[]).await.unwrap().status, 307);
}

#[tokio::test]
async fn small_files_are_shared_and_large_ones_have_places() {
    let folder = TestFolder::new("sizes");
    let (source, reader) = (folder.source(), reader(&[]));
    for (length, small) in [(0, true), (SMALL, true), (SMALL + 1, false)] {
        folder.write("page.html", vec![0; length as usize], 1);
        let file = source.open("page.html", &reader).await.unwrap();
        assert_eq!(matches!(file, OpenFile::Whole(..)), small, "{length}");
    }
    let address = |file: &OpenFile| match file {
        OpenFile::Whole(content, _) => content.get_ref().as_ptr(),
        OpenFile::Large(_) => panic!("it is small"),
    };
    folder.write("page.html", "text", 1);
    let one = source.open("page.html", &reader).await.unwrap();
    let other = source.open("page.html", &reader).await.unwrap();
    assert_eq!(address(&one), address(&other), "all who are sent it share it");
    drop((one, other));
    // Of many different ones, too, no more are in memory than there is room for.
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    for number in 0..300 {
        let name = format!("{number}.html");
        folder.write(&name, "text", 1);
        match source.open(&name, &reader).await {
            Ok(file @ OpenFile::Whole(..)) => whole.push(file),
            Ok(file @ OpenFile::Large(_)) => pieces.push(file),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ResourceBusy);
                assert_eq!(error.to_string(), "all places for large files are taken");
                break;
            }
        }
    }
    assert_eq!((whole.len(), pieces.len()), (256, 16));
    folder.write(CLIENT, "/*transports*//*end*/", 1);
    let client = source.open(CLIENT, &reader).await.unwrap();
    assert!(matches!(client, OpenFile::Whole(..)), "it is always made for who asks");
}

#[tokio::test]
async fn files_come_in_small_pieces() {
    let folder = TestFolder::new("pieces");
    let source = folder.source();
    for length in [PIECE, 3 * PIECE + 5, 300_000] {
        folder.write("file", vec![7; length], 1);
        let asked = request(Method::GET, "/file", &[]);
        let answered = answer(&source, &asked, &reader(&[])).await;
        let Ok(Some(answered)) = answered else { panic!("no answer") };
        let pieces = pieces(answered.into_body()).await;
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), length);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_of_the_folder_is_not_served_and_blocks_nobody() {
    use std::os::unix::fs::symlink;
    let root = TestFolder::new("pages");
    for name in ["pages/page.html", "pages/sub/..data", "pages-of-others/secret"] {
        root.write(name, "text", 1);
    }
    let (folder, outside) = (root.0.join("pages"), root.0.join("pages-of-others"));
    for (target, name) in [
        ("page.html", "link.html"),
        ("sub/..data", "mounted.html"),
        ("../pages/page.html", "round.html"),
        ("../pages-of-others/secret", "out.html"),
        ("../pages-of-others/secret", "page.html.gz"),
        ("../pages-of-others", "folder"),
        ("/dev/zero", "zero"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
    ] {
        symlink(target, folder.join(name)).unwrap();
    }
    symlink(outside.join("secret"), folder.join("absolute.html")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(folder.join("fifo")).status();
    assert!(fifo.unwrap().success());
    symlink("fifo", folder.join("fifo.html")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    // The folder itself may be a link, and lead somewhere else later.
    symlink(&folder, root.0.join("current")).unwrap();
    for folder in [&folder, &root.0.join("current")] {
        let source = Arc::new(Source::new(Some(folder), None));
        for (name, served) in [
            ("page.html", true),
            ("link.html", true),
            ("mounted.html", true),
            ("round.html", true),
            ("out.html", false),
            ("absolute.html", false),
            ("folder", false),
            ("folder/", false),
            ("folder/secret", false),
            ("sub/", false),
            ("zero", false),
            ("fifo", false),
            ("fifo.html", false),
            ("socket", false),
            ("loop", false),
            ("dangling", false),
            ("page.html/x", false),
        ] {
            let target = format!("/{name}");
            for accept in ["gzip, br", "identity"] {
                let got = get(&source, &target, &[(ACCEPT_ENCODING, accept)]).await;
                assert_eq!(got.is_some_and(|got| got.body == "text"), served, "{name}");
            }
        }
        let crowd = (0..600).map(|_| get(&source, "/fifo", &[]));
        let found = futures::future::join_all(crowd).await;
        assert!(found.iter().all(Option::is_none));
    }
}
