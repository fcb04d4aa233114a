//! Files of `static-dir`, found anew for each request, and sent in a way that bounds the cost of
//! slow readers.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::task::spawn_blocking;
use tracing::debug;

use super::places::{Place, Places};
use crate::files;

/// Bytes of the largest file that is read whole: its readers share one copy.
pub(super) const SMALL: u64 = 64 * 1024;
/// Bytes of the largest file that is sent.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Bytes of a larger file that are read at a time, and so its memory for each reader.
const PIECE: usize = 64 * 1024;
/// Concurrent accesses to the folder: each takes a thread and an open file.
const TURNS: usize = 32;

/// Why there is no file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lack {
    Nothing,
    /// Not now.
    Busy(&'static str),
}

impl From<io::Error> for Lack {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ResourceBusy => Lack::Busy("the file is being changed"),
            _ => Lack::Nothing,
        }
    }
}

fn changed() -> io::Error {
    io::Error::new(ErrorKind::ResourceBusy, "the file was changed while it was sent")
}

/// Distinguishes versions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub length: u64,
    modified: Option<SystemTime>,
}

impl Version {
    fn of(found: &Metadata) -> io::Result<Self> {
        match found.len() {
            length @ ..=LARGEST => Ok(Version { length, modified: found.modified().ok() }),
            _ => Err(ErrorKind::FileTooLarge.into()),
        }
    }

    /// Weak: two writes of the same length within one tick of the file system's clock look the
    /// same.
    pub fn etag(&self) -> String {
        let since = self.modified.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        format!("W/\"{:x}-{:x}\"", since.unwrap_or_default().as_nanos(), self.length)
    }
}

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

    /// Returns a file's version without opening it.
    pub async fn find(&self, name: &str) -> Result<Version, Lack> {
        self.look(name, |path| Version::of(&files::metadata(path)?)).await
    }

    /// Reads a small file.
    pub async fn read(&self, name: &str) -> Result<(Version, Bytes), Lack> {
        self.look(name, |path| {
            let mut open = Open::new(path)?;
            if open.version.length > SMALL {
                return Err(changed());
            }
            open.read()?;
            Ok((open.version, open.piece.into()))
        })
        .await
    }

    /// Opens a file to send it in pieces, if one of the [`Places`] is free in time.
    pub async fn open(&self, name: &str, client: IpAddr) -> Result<(Version, Sending), Lack> {
        let place = self.places.take(client).await;
        let place = place.ok_or(Lack::Busy("all places for large files are taken"))?;
        let open = self.look(name, Open::new).await?;
        let sent = Sent { open, _place: place };
        Ok((sent.open.version, Sending(Arc::new(tokio::sync::Mutex::new(sent)))))
    }

    /// Calls `then` with a file's path on a blocking thread, at most [`TURNS`] at once. Accepts
    /// only plain names: no `..`, no hidden files, no percent-encoding.
    async fn look<T: Send + 'static>(
        &self,
        name: &str,
        then: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Lack> {
        let plain = |part: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
        };
        if !name.split('/').all(plain) {
            return Err(Lack::Nothing);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Lack::Nothing)?;
        let (folder, name) = (self.path.clone(), name.to_owned());
        let looked = spawn_blocking(move || {
            // Held by the thread, which goes on even if the request is dropped.
            let _turn = turn;
            let looked = within(&folder, &name).and_then(|path| then(&path));
            looked.inspect_err(|error| debug!(name, %error, "no file of static-dir"))
        });
        Ok(looked.await.map_err(|_| Lack::Nothing)??)
    }
}

/// The path of a file in the folder. Symbolic links may point elsewhere in the folder, but not out
/// of it. A link that changes between this check and the open could escape, but only the operator
/// can change the folder.
fn within(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = folder.canonicalize()?;
    let path = folder.join(name).canonicalize()?;
    if !path.starts_with(&folder) {
        return Err(io::Error::new(
            ErrorKind::PermissionDenied,
            "a writer leads out of the folder",
        ));
    }
    Ok(path)
}

/// An open file, and the piece that was read last.
struct Open {
    file: File,
    version: Version,
    left: u64,
    piece: Vec<u8>,
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let file = files::open(path)?;
        let version = Version::of(&file.metadata()?)?;
        Ok(Open { file, version, left: version.length, piece: Vec::new() })
    }

    /// Reads the next piece. Fails if the file has changed, so that all pieces are of one version.
    fn read(&mut self) -> io::Result<()> {
        let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        self.piece.resize(length, 0);
        self.file.read_exact(&mut self.piece).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => changed(),
            _ => error,
        })?;
        if Version::of(&self.file.metadata()?)? != self.version {
            return Err(changed());
        }
        self.left -= length as u64;
        Ok(())
    }
}

/// A file on its way to one reader.
#[derive(Clone)]
pub(super) struct Sending(Arc<tokio::sync::Mutex<Sent>>);

struct Sent {
    open: Open,
    _place: Place,
}

/// A piece that is being sent. It locks the file, so the next piece is read only after it is
/// dropped.
struct Piece(OwnedMutexGuard<Sent>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0.open.piece
    }
}

impl Sending {
    /// The pieces. Each is read only when the one before has been sent.
    pub fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures::stream::unfold(Some(self), |sending| async move {
            let sending = sending?;
            let mut sent = Arc::clone(&sending.0).lock_owned().await;
            if sent.open.left == 0 {
                return None;
            }
            let read = spawn_blocking(move || sent.open.read().map(|()| Piece(sent)));
            match read.await.map_err(io::Error::other).and_then(|read| read) {
                Ok(piece) => Some((Ok(Bytes::from_owner(piece)), Some(sending))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::{FutureExt as _, StreamExt as _};

    use super::super::places::PLACES;
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A folder of files that goes away with this value.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let name = format!("parlance-folder-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Files(path)
        }

        /// Writes a file whose bytes tell where they stand and which version they are of.
        fn write(&self, name: &str, length: usize, version: u8) -> Vec<u8> {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 1000) as u8 ^ version).collect();
            std::fs::write(self.0.join(name), &bytes).unwrap();
            bytes
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn a_large_file_comes_in_pieces_one_at_a_time() {
        let files = Files::new("pieces");
        let folder = Folder::new(&files.0);
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5] {
            let all = files.write("file", length, 0);
            let (version, sending) = folder.open("file", HERE).await.unwrap();
            assert_eq!(version.length, length as u64);
            let mut pieces = pin!(sending.pieces());
            let mut taken = Vec::new();
            while taken.len() < length {
                let piece = pieces.next().await.unwrap().unwrap();
                assert_eq!(piece.len(), PIECE.min(length - taken.len()));
                let next = pieces.next().now_or_never();
                assert!(next.is_none(), "none comes before the last is out");
                taken.extend_from_slice(&piece);
                assert_eq!(folder.places.free(), PLACES - 1);
            }
            assert!(taken == all, "{length}");
            assert!(pieces.next().await.is_none());
        }
        assert_eq!(folder.places.free(), PLACES);
    }

    #[tokio::test]
    async fn an_answer_is_of_one_version_or_has_no_end() {
        let files = Files::new("versions");
        let folder = Folder::new(&files.0);
        let long = 3 * PIECE;
        type Change = fn(&Files);
        let changes: [(&str, bool, Change); 6] = [
            ("nothing", true, |_| {}),
            ("cut", false, |files| drop(files.write("file", 10, 1))),
            ("longer", false, |files| drop(files.write("file", 4 * PIECE, 1))),
            ("another of that length", false, |files| {
                files.write("file", 3 * PIECE, 1);
                let file = File::options().write(true).open(files.0.join("file")).unwrap();
                file.set_modified(UNIX_EPOCH).unwrap();
            }),
            ("another in its place", true, |files| {
                files.write("new", 3 * PIECE, 1);
                std::fs::rename(files.0.join("new"), files.0.join("file")).unwrap();
            }),
            ("removed", true, |files| std::fs::remove_file(files.0.join("file")).unwrap()),
        ];
        for (what, whole, change) in changes {
            let all = files.write("file", long, 0);
            let (_, sending) = folder.open("file", HERE).await.unwrap();
            let mut pieces = pin!(sending.pieces());
            let mut taken = pieces.next().await.unwrap().unwrap().to_vec();
            change(&files);
            let mut broken = None;
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(piece) => taken.extend_from_slice(&piece),
                    Err(error) => broken = Some(error.to_string()),
                }
            }
            assert!(taken == all[..taken.len()], "{what}");
            assert_eq!(taken.len() == long, whole, "{what}");
            let expected = (!whole).then(|| changed().to_string());
            assert_eq!(broken, expected, "{what}");
            assert_eq!(folder.places.free(), PLACES, "{what}");
        }
    }

    #[tokio::test]
    async fn files_have_a_bound() {
        let files = Files::new("lengths");
        let folder = Folder::new(&files.0);
        let file = File::create(files.0.join("file")).unwrap();
        for (length, found) in [(LARGEST, true), (LARGEST + 1, false)] {
            file.set_len(length).unwrap();
            assert_eq!(folder.find("file").await.is_ok(), found, "{length}");
            let opened = folder.open("file", HERE).await;
            assert_eq!(opened.err(), (!found).then_some(Lack::Nothing), "{length}");
        }
        let changing = Lack::Busy("the file is being changed");
        for (length, lack) in [(0, None), (SMALL, None), (SMALL + 1, Some(changing))] {
            file.set_len(length).unwrap();
            let read = folder.read("file").await;
            if let Ok((version, bytes)) = &read {
                assert_eq!((version.length, bytes.len() as u64), (length, length));
            }
            assert_eq!(read.err(), lack, "{length}");
        }
    }
}
