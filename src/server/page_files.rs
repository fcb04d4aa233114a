//! The files of the pages: built into the binary, or from `static-dir`. The client library gets the
//! policy's list of transports and the path of the engine.

use std::path::Path;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use http::{Response, StatusCode};

use super::copies::Copies;
use super::folder::{Folder, Lack, SMALL, Sending, Version};
use crate::admission::Welcome;

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

/// The parts of a request for a file that matter here.
pub(super) struct FileRequest {
    /// A HEAD request.
    pub head_only: bool,
    /// `If-None-Match`: the ETags of the client's cached versions.
    pub known: Option<String>,
    pub welcome: Welcome,
    /// The path of the engine, below that of the pages.
    pub engine: String,
}

/// Marks in the client library, and what the server writes behind each.
type Marked = [(&'static str, String); 2];

impl FileRequest {
    fn knows(&self, etag: &str) -> bool {
        let plain = |etag: &str| etag.trim().trim_start_matches("W/").to_owned();
        let mut known = self.known.iter().flat_map(|known| known.split(','));
        known.any(|known| plain(known) == plain(etag))
    }

    /// What the client library is told, as JSON between its marks.
    fn marked(&self) -> Marked {
        let json = |value: serde_json::Value| value.to_string();
        let list = self.welcome.transports.as_slice();
        [("/*transports*/", json(list.into())), ("/*path*/", json(self.engine.as_str().into()))]
    }
}

/// Where files come from.
pub(super) struct Source {
    folder: Option<Folder>,
    /// Contents of the responses in flight.
    copies: Copies,
}

pub(super) struct File {
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
    pub fn new(folder: Option<&Path>) -> Self {
        Source { folder: folder.map(Folder::new), copies: Copies::default() }
    }

    pub async fn find(&self, path: &str, asked: &FileRequest) -> Result<File, Lack> {
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

    fn built_in(&self, name: &str, asked: &FileRequest) -> Result<(String, Content), Lack> {
        let known = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
        let mut content = known.map(|(_, bytes)| Bytes::from_static(bytes)).ok_or(Lack::Nothing)?;
        if name == CLIENT {
            content = with_marked(&content, &asked.marked());
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
        asked: &FileRequest,
    ) -> Result<(String, Content), Lack> {
        let marked = (name == CLIENT).then(|| asked.marked());
        let etag = |version: Version| match &marked {
            None => version.etag(),
            Some(marked) => {
                let (etag, told) = (version.etag(), format!("{marked:?}"));
                format!("{}-{:x}\"", etag.trim_end_matches('"'), fingerprint(told.as_bytes()))
            }
        };
        let version = folder.find(name).await?;
        let current = etag(version);
        if asked.knows(&current) {
            return Ok((current, Content::Known));
        }
        let small = version.length <= SMALL;
        if asked.head_only && !(small && marked.is_some()) {
            return Ok((current, Content::Length(version.length)));
        }
        if small {
            if let Some(copy) = self.copies.get(&format!("{name} {current}")) {
                return Ok((current, Content::Whole(copy)));
            }
            let (version, mut content) = folder.read(name).await?;
            if let Some(marked) = &marked {
                content = with_marked(&content, marked);
            }
            let current = etag(version);
            let key = format!("{name} {current}");
            if let Some(copy) = self.copies.put(key, content, marked.is_some()) {
                return Ok((current, Content::Whole(copy)));
            }
        }
        let (version, sending) = folder.open(name, asked.welcome.bucket).await?;
        Ok((etag(version), Content::Sending(version.length, sending)))
    }
}

impl File {
    pub fn answer(self) -> Response<Bytes> {
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

/// Writes what the client library is told behind each mark, up to the mark of its end.
fn with_marked(content: &Bytes, marked: &Marked) -> Bytes {
    const END: &str = "/*end*/";
    let Ok(text) = std::str::from_utf8(content) else { return content.clone() };
    let text = marked.iter().fold(text.to_owned(), |text, (mark, told)| {
        let written = text.split_once(mark).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some(format!("{before}{mark}{told}{END}{after}"))
        });
        written.unwrap_or(text)
    });
    text.into()
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
mod tests;
