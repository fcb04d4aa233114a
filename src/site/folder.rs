//! Files of `static-dir`, found anew for each request.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::file_version::FileVersion;
use super::large_file::{Disk, LargeFile, changed};
use super::places::Places;
use crate::files;

/// Bytes of the largest file that is read whole: its readers share one copy.
pub(super) const SMALL: u64 = 64 * 1024;
/// Concurrent accesses to the folder: each takes a thread and an open file.
const TURNS: usize = 32;
/// The one folder whose name begins with a dot and that is served (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

pub(super) struct Folder {
    path: PathBuf,
    turns: Arc<Semaphore>,
    places: Arc<Places>,
}

impl Folder {
    pub fn new(path: &Path) -> Self {
        let turns = Arc::new(Semaphore::new(TURNS));
        Folder { path: path.to_owned(), turns, places: Places::new() }
    }

    /// The version of a file, or that it is a folder, without opening it.
    pub async fn find(&self, name: &str) -> io::Result<FileVersion> {
        self.look(name, |path| match std::fs::metadata(path)? {
            found if found.is_dir() => Ok(FileVersion::folder()),
            _ => FileVersion::of(&files::metadata(path)?),
        })
        .await
    }

    /// Reads a small file.
    pub async fn read(&self, name: &str) -> io::Result<(FileVersion, Bytes)> {
        self.look(name, |path| {
            let mut disk = Disk::open(path)?;
            if disk.version.length > SMALL {
                return Err(changed());
            }
            disk.read(0)?;
            Ok((disk.version, disk.piece.into()))
        })
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::ResourceBusy => busy("the file is being changed"),
            _ => error,
        })
    }

    /// Opens a file to send it in pieces, if one of the [`Places`] is free in time.
    pub async fn open(&self, name: &str, client: IpAddr) -> io::Result<LargeFile> {
        let place = self.places.take(client).await;
        let place = place.ok_or_else(|| busy("all places for large files are taken"))?;
        Ok(LargeFile::new(self.look(name, Disk::open).await?, place))
    }

    /// Calls `then` with the path of a file on a blocking thread, at most [`TURNS`] at once.
    async fn look<T: Send + 'static>(
        &self,
        name: &str,
        then: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if !name.is_empty() && !is_served(name) {
            return Err(ErrorKind::NotFound.into());
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
        let (folder, name) = (self.path.clone(), name.to_owned());
        // The turn ends when the caller has what was found, because that takes memory; and not
        // before the thread is done, which goes on even if the request is dropped.
        let looked =
            spawn_blocking(move || (within(&folder, &name).and_then(|path| then(&path)), turn));
        let (found, _turn) = looked.await.map_err(io::Error::other)?;
        found
    }
}

/// An error that the client is told as 503, with this reason.
pub(super) fn busy(reason: &'static str) -> io::Error {
    io::Error::new(ErrorKind::ResourceBusy, reason)
}

/// Whether a file of this name is served, if there is one: no part of it is hidden.
fn is_served(name: &str) -> bool {
    let shown =
        name.strip_prefix(WELL_KNOWN).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let shown = shown.map_or(name, |rest| rest.trim_start_matches('/'));
    // On Windows a colon names a drive or a hidden stream of a file.
    let plain = |part: &str| !(part.starts_with('.') || cfg!(windows) && part.contains(':'));
    shown.split('/').all(plain)
}

/// The path of a file in the folder. Symbolic links may point elsewhere in the folder, but not out
/// of it. A link that changes between this check and the open could escape, but only the operator
/// can change the folder.
fn within(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = folder.canonicalize()?;
    let path = folder.join(name).canonicalize()?;
    if !path.starts_with(&folder) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "a link leads out of the folder"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::file_version::LARGEST;

    #[tokio::test]
    async fn files_have_a_bound() {
        let path = std::env::temp_dir().join(format!("parlance-folder-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let (folder, here) = (Folder::new(&path), IpAddr::from([127, 0, 0, 1]));
        let file = std::fs::File::create(path.join("file")).unwrap();
        for (length, found) in [(LARGEST, true), (LARGEST + 1, false)] {
            file.set_len(length).unwrap();
            assert_eq!(folder.find("file").await.is_ok(), found, "{length}");
            assert_eq!(folder.open("file", here).await.is_ok(), found, "{length}");
        }
        for (length, fits) in [(0, true), (SMALL, true), (SMALL + 1, false)] {
            file.set_len(length).unwrap();
            match folder.read("file").await {
                Ok((version, bytes)) => {
                    assert!(fits && version.length == length && bytes.len() as u64 == length);
                }
                Err(error) => assert!(!fits && error.kind() == ErrorKind::ResourceBusy),
            }
        }
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn hidden_files_are_not_served() {
        for (name, served) in [
            ("a", true),
            ("a/b.c", true),
            ("a.b/..c", false),
            (".env", false),
            ("a/.git/config", false),
            (".well-known", true),
            (".well-known/security.txt", true),
            (".well-known/acme-challenge/a_b-c", true),
            (".well-known/.secret", false),
            (".well-known/a/.secret", false),
            (".well-known.txt", false),
            ("a/.well-known/b", false),
            ("ä ö~+@&=;,'()!$", true),
        ] {
            assert_eq!(is_served(name), served, "{name}");
        }
    }
}
