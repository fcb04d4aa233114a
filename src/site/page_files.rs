//! The files of the pages: built into the binary, or from `static-dir`, and the client library.

use std::collections::HashMap;
use std::io::{self, Cursor, ErrorKind};
use std::path::Path;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};

use super::client_script::{ClientScripts, Reader};
use super::copies::Copies;
use super::file_version::FileVersion;
use super::folder::{Folder, SMALL};
use super::large_file::LargeFile;

/// Files that are built in, by their path below `/`, compressed ones as well: `build/pages.rs` makes them.
#[allow(clippy::unreadable_literal, reason = "nobody reads these")]
static BUILT_IN: LazyLock<HashMap<&str, (u64, Bytes)>> = LazyLock::new(|| {
    let files: &[(&str, u64, &[u8])] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));
    files.iter().map(|&(name, hash, bytes)| (name, (hash, Bytes::from_static(bytes)))).collect()
});

/// The client library. The server writes the policy's list of transports and its path into it.
pub(super) const CLIENT: &str = "parlance.js";
const CLIENT_GZIP: &str = "parlance.js.gz";

/// The reader of the table of causes. Pages of the operator load it, too.
const CAUSES: &str = "parlance-causes.js";

/// Paths that stand for a file of another name, if there is none of their own.
const ALIASES: &[(&str, &str)] =
    &[("diagnostics", "diagnostics.html"), ("favicon.ico", "icon.svg")];

/// The administrator's page, and what its files' names begin with.
const ADMIN_PAGE: &str = "admin/admin.html";
const ADMIN: &str = "admin/";

/// Where pages load Socket.IO's client from: the modern one is in files of these names.
const CLIENTS: &str = "socket.io/";

/// Whether pages load a client from this path that may be an old one: `socket.io.js`, for 1.x to 3.x
/// `socket.io.slim.js`, and for 0.9 `socket.io.v0.9.17.js` and `socket.io+websocket+xhr-polling.js`.
fn is_client(path: &str) -> bool {
    let name = path.strip_prefix(CLIENTS).and_then(|name| name.strip_prefix("socket.io"));
    name.and_then(|name| name.strip_suffix(".js")).is_some_and(|kind| {
        matches!(kind, "" | ".slim" | ".slim.min")
            || kind.starts_with(".v0.9.")
            || kind.starts_with('+')
    })
}

/// Where files come from.
pub(super) struct Source {
    folder: Option<Folder>,
    /// The operator's clients, in place of ours.
    clients: Option<Folder>,
    /// Whether there is an administrator's page, which is always the built-in one.
    admin: bool,
    /// Contents of the responses in flight.
    copies: Copies,
    scripts: ClientScripts,
}

/// A file that was found, and is read from here on.
pub(super) enum OpenFile {
    Whole(Cursor<Bytes>, FileVersion),
    Large(LargeFile),
}

impl Source {
    /// `folder` has the pages, and `clients` the files below [`CLIENTS`]; what is not given is built
    /// in.
    pub fn new(folder: Option<&Path>, clients: Option<&Path>) -> Self {
        let (copies, scripts) = (Copies::default(), ClientScripts::default());
        let [folder, clients] = [folder, clients].map(|path| path.map(Folder::new));
        Source { folder, clients, admin: false, copies, scripts }
    }

    /// With the administrator's page, or without it.
    pub fn with_admin(self, admin: bool) -> Self {
        Source { admin, ..self }
    }

    /// Whether it has the administrator's page.
    pub fn has_admin(&self) -> bool {
        self.admin
    }

    /// The name of the file for a path below `/`, and of another if that is not there.
    pub fn names_of<'a>(&self, path: &'a str) -> (&'a str, Option<&'static str>) {
        if self.admin && path == "admin" {
            return (ADMIN_PAGE, None);
        }
        let alias = ALIASES.iter().find(|(alias, _)| *alias == path).map(|(_, name)| *name);
        (if self.clients.is_none() && is_client(path) { CLIENT } else { path }, alias)
    }

    /// The folder that a file is in, and its name there; `None` if it is built in.
    fn folder_of<'a>(&self, name: &'a str) -> Option<(&Folder, &'a str)> {
        let client = name.strip_prefix(CLIENTS);
        if self.admin && name.starts_with(ADMIN) {
            return None;
        }
        match (&self.clients, client) {
            (Some(clients), Some(client)) => Some((clients, client)),
            _ if name.starts_with(CAUSES) => None,
            (None, Some(_)) if BUILT_IN.contains_key(name) => None,
            _ => self.folder.as_ref().map(|folder| (folder, name)),
        }
    }

    /// Whether the version of a file tells its content, not when it was written.
    pub fn is_hashed(&self, name: &str) -> bool {
        name == CLIENT || self.folder_of(name).is_none()
    }

    /// The version of a file without its content.
    pub async fn find(&self, name: &str, reader: &Reader) -> io::Result<FileVersion> {
        if let Some(file) = self.client(name, reader).await? {
            return Ok(file.version());
        }
        match self.folder_of(name) {
            None if name.is_empty() => Ok(FileVersion::folder()),
            None => self.built_in(name).map(|file| file.version()),
            Some((folder, name)) => folder.find(name).await,
        }
    }

    fn built_in(&self, name: &str) -> io::Result<OpenFile> {
        if name.starts_with(ADMIN) && !self.admin {
            return Err(ErrorKind::NotFound.into());
        }
        built_in(name)
    }

    pub async fn open(&self, name: &str, reader: &Reader) -> io::Result<OpenFile> {
        if let Some(file) = self.client(name, reader).await? {
            return Ok(file);
        }
        let key = |version| format!("{name} {version:?}");
        let Some((folder, name)) = self.folder_of(name) else { return self.built_in(name) };
        let version = folder.find(name).await?;
        if version.length <= SMALL {
            if let Some(copy) = self.copies.get(&key(version)) {
                return Ok(OpenFile::Whole(Cursor::new(copy), version));
            }
            let (version, content) = folder.read(name).await?;
            if let Some(copy) = self.copies.put(key(version), content) {
                return Ok(OpenFile::Whole(Cursor::new(copy), version));
            }
        }
        folder.open(name, reader.welcome.bucket).await.map(OpenFile::Large)
    }

    /// The client library; `None` for other files, and for one of the operator's that is too large.
    async fn client(&self, name: &str, reader: &Reader) -> io::Result<Option<OpenFile>> {
        if name != CLIENT && name != CLIENT_GZIP {
            return Ok(None);
        }
        let own = match &self.folder {
            Some(folder) => folder.find(CLIENT).await.ok(),
            None => None,
        };
        let library = match (&self.folder, own) {
            (Some(_), Some(own)) if own.length > SMALL => return Ok(None),
            (Some(folder), Some(_)) => folder.read(CLIENT).await?.1,
            // Pages of the operator load the client, too.
            _ => BUILT_IN.get(CLIENT).ok_or(ErrorKind::NotFound)?.1.clone(),
        };
        let script = self.scripts.get(&library, reader);
        let content = if name == CLIENT { script.plain.clone() } else { script.gzip() };
        let version = FileVersion::hashed(&content);
        Ok(Some(OpenFile::Whole(Cursor::new(content), version)))
    }
}

fn built_in(name: &str) -> io::Result<OpenFile> {
    let (hash, content) = BUILT_IN.get(name).ok_or(ErrorKind::NotFound)?;
    let version = FileVersion::of_content(content, *hash);
    Ok(OpenFile::Whole(Cursor::new(content.clone()), version))
}

/// Whether `query` names the version of a built-in file, as the pages do: what it names never
/// changes.
pub(super) fn is_version(name: &str, query: Option<&str>) -> bool {
    let hash = BUILT_IN.get(name).filter(|_| name != CLIENT).map(|(hash, _)| hash);
    hash.is_some_and(|hash| query == Some(format!("v={hash:016x}").as_str()))
}

impl OpenFile {
    pub fn version(&self) -> FileVersion {
        match self {
            OpenFile::Whole(_, version) => *version,
            OpenFile::Large(file) => file.version,
        }
    }
}

impl AsyncRead for OpenFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            OpenFile::Whole(content, _) => Pin::new(content).poll_read(cx, out),
            OpenFile::Large(file) => Pin::new(file).poll_read(cx, out),
        }
    }
}

impl AsyncSeek for OpenFile {
    fn start_seek(mut self: Pin<&mut Self>, to: io::SeekFrom) -> io::Result<()> {
        match &mut *self {
            OpenFile::Whole(content, _) => Pin::new(content).start_seek(to),
            OpenFile::Large(file) => Pin::new(file).start_seek(to),
        }
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match &mut *self {
            OpenFile::Whole(content, _) => Pin::new(content).poll_complete(cx),
            OpenFile::Large(file) => Pin::new(file).poll_complete(cx),
        }
    }
}
