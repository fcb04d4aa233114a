//! Answers requests for files: `ServeDir` of tower-http does so for what [`Source`] finds. Here is
//! what it does not do itself.

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE, VARY,
};
use http::{Method, Request, Response, StatusCode, Uri};
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, File, ServeFileSystemResponseBody};
use tracing::debug;

use super::client_script::Reader;
use super::file_version::FileVersion;
use super::page_files::{self, OpenFile, Source};
use crate::http::{self as web, Body};

/// Bytes of a file that are on their way to one reader.
const PIECE: usize = 8 * 1024;
/// Headers that make the answer depend on the version that the client has.
const CONDITIONS: [http::HeaderName; 5] =
    [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE];

/// Answers a request for a file by GET or HEAD. `None` if there is no such file.
///
/// # Errors
/// If it cannot be sent now, the reason.
pub(super) async fn answer(
    source: &Arc<Source>,
    request: &Request<impl Sized>,
    reader: &Arc<Reader>,
) -> Result<Option<web::Response>, String> {
    let uri = request.uri();
    let path =
        uri.path().strip_prefix('/').filter(|path| !path.starts_with('/') && !path.contains("//"));
    let Some(path) = path else { return Ok(None) };
    let (name, alias) = source.names_of(path);
    for name in std::iter::once(name).chain(alias) {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let Ok(uri) = Uri::try_from(format!("/{name}{query}")) else { return Ok(None) };
        let mut asked = Request::new(());
        *asked.method_mut() = request.method().clone();
        *asked.headers_mut() = request.headers().clone();
        *asked.uri_mut() = uri;
        let files = Files { source: Arc::clone(source), reader: Arc::clone(reader) };
        match files.serve(asked, name).await {
            Ok(response) if response.status() != StatusCode::NOT_FOUND => {
                return Ok(Some(finish(response, source, name, request.uri())));
            }
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                return Err(error.to_string());
            }
            Ok(_) => {}
            Err(error) => debug!(name, %error, "no file of static-dir"),
        }
    }
    Ok(None)
}

type Served = Response<ServeFileSystemResponseBody>;

/// The files as `ServeDir` sees them, for one client.
#[derive(Clone)]
struct Files {
    source: Arc<Source>,
    reader: Arc<Reader>,
}

impl Files {
    async fn serve(self, mut request: Request<()>, name: &str) -> io::Result<Served> {
        let hashed = self.source.is_hashed(name);
        let headers = request.headers_mut();
        if hashed {
            // The time of such a version is none.
            headers.remove(IF_MODIFIED_SINCE);
            headers.remove(IF_UNMODIFIED_SINCE);
        }
        // Units that are not known are passed over (RFC 9110, 14.2).
        if headers.get(RANGE).is_some_and(|range| !range.as_bytes().starts_with(b"bytes=")) {
            headers.remove(RANGE);
        }
        let mut service = ServeDir::with_backend("", self)
            .with_buf_chunk_size(PIECE)
            .ignore_multi_range_requests(true)
            .precompressed_br()
            .precompressed_gzip();
        let conditional = CONDITIONS.iter().any(|name| request.headers().contains_key(name));
        if conditional && request.method() == Method::GET {
            // First without the file itself, which need not be opened if the client has it.
            let mut head = request.clone();
            *head.method_mut() = Method::HEAD;
            let head = service.try_call(head).await?;
            if matches!(head.status(), StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED) {
                return Ok(head);
            }
            let headers = request.headers_mut();
            if headers.remove(IF_RANGE).is_some_and(|asked| !is_current(&asked, head.headers())) {
                headers.remove(RANGE);
            }
        }
        service.try_call(request).await
    }
}

/// Whether `If-Range` names the version of a response: only then a range of it is of use.
fn is_current(if_range: &HeaderValue, version: &HeaderMap) -> bool {
    [ETAG, LAST_MODIFIED].iter().any(|name| version.get(name) == Some(if_range))
}

/// Adds what `ServeDir` leaves out of an answer.
fn finish(response: Served, source: &Source, name: &str, uri: &Uri) -> web::Response {
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    let forever = source.is_hashed(name) && page_files::is_version(name, uri.query());
    let caching =
        if forever { "public, max-age=31536000, immutable" } else { "private, max-age=0" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if source.is_hashed(name) {
        headers.remove(LAST_MODIFIED);
    }
    if let Some(text) = headers.get(CONTENT_TYPE).and_then(with_charset) {
        headers.insert(CONTENT_TYPE, text);
    }
    if let Some(location) = headers.get_mut(LOCATION)
        && let Some(relative) = below_itself(uri)
    {
        *location = relative;
    }
    Response::from_parts(parts, Body::coming(body))
}

/// Text is UTF-8 here, which `ServeDir` does not say.
fn with_charset(content_type: &HeaderValue) -> Option<HeaderValue> {
    let kind = content_type.to_str().ok()?;
    let text = kind.starts_with("text/") || kind == "application/javascript";
    HeaderValue::from_str(&format!("{kind}; charset=utf-8")).ok().filter(|_| text)
}

/// The location of a folder, from its path without the slash at the end. It is relative, because a
/// proxy may have removed a part of the path.
fn below_itself(uri: &Uri) -> Option<HeaderValue> {
    let (_, last) = uri.path().rsplit_once('/')?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_str(&format!("./{last}/{query}")).ok()
}

impl File for OpenFile {
    type Metadata = FileVersion;
    type MetadataFuture<'a> = std::future::Ready<io::Result<FileVersion>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        std::future::ready(Ok(self.version()))
    }
}

impl Backend for Files {
    type File = OpenFile;
    type Metadata = FileVersion;
    type OpenFuture = BoxFuture<'static, io::Result<OpenFile>>;
    type MetadataFuture = BoxFuture<'static, io::Result<FileVersion>>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let Files { source, reader } = self.clone();
        Box::pin(async move { source.open(&name_of(&path)?, &reader).await.map_err(missing) })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let Files { source, reader } = self.clone();
        Box::pin(async move { source.find(&name_of(&path)?, &reader).await.map_err(missing) })
    }
}

/// The name of a file below the folder, from the path that `ServeDir` made of the request's.
fn name_of(path: &Path) -> io::Result<String> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let parts = parts.map(|part| part.as_os_str().to_str().ok_or(ErrorKind::NotFound.into()));
    Ok(parts.collect::<io::Result<Vec<_>>>()?.join("/"))
}

/// `ServeDir` looks for another form of a file if one is not found. So is what must not be sent.
fn missing(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::ResourceBusy | ErrorKind::NotFound => error,
        _ => io::Error::new(ErrorKind::NotFound, error),
    }
}

#[cfg(test)]
mod tests;
