//! A large file on its way to one reader, in a way that bounds what a slow one costs.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

use super::file_version::FileVersion;
use super::folder::busy;
use super::places::Place;
use crate::files;

/// Bytes that are read at a time, and so its memory for each reader.
const PIECE: usize = 64 * 1024;

pub(super) fn changed() -> io::Error {
    busy("the file was changed while it was sent")
}

/// An open file, and the piece that was read last.
pub(super) struct Disk {
    file: File,
    pub version: FileVersion,
    pub piece: Vec<u8>,
}

impl Disk {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = files::open(path)?;
        let version = FileVersion::of(&file.metadata()?)?;
        Ok(Disk { file, version, piece: Vec::new() })
    }

    /// Reads the piece that begins at `from`. Fails if the file has changed, so that all pieces are
    /// of one version.
    pub fn read(&mut self, from: u64) -> io::Result<()> {
        let left = self.version.length.saturating_sub(from);
        self.piece.resize(usize::try_from(left).map_or(PIECE, |left| left.min(PIECE)), 0);
        self.file.seek(SeekFrom::Start(from))?;
        self.file.read_exact(&mut self.piece).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => changed(),
            _ => error,
        })?;
        match FileVersion::of(&self.file.metadata()?) {
            Ok(version) if version == self.version => Ok(()),
            _ => Err(changed()),
        }
    }
}

/// A file that is read as its reader takes it. The next piece is read when the last one was taken.
pub(super) struct LargeFile {
    pub version: FileVersion,
    state: State,
    /// Where the piece begins in the file, and what was taken of it.
    from: u64,
    taken: usize,
    _place: Place,
}

enum State {
    Here(Disk),
    /// On a thread that may block.
    Reading(JoinHandle<io::Result<Disk>>),
    Broken,
}

impl LargeFile {
    pub fn new(disk: Disk, place: Place) -> Self {
        let version = disk.version;
        LargeFile { version, state: State::Here(disk), from: 0, taken: 0, _place: place }
    }
}

impl AsyncRead for LargeFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.state, State::Broken) {
                State::Here(disk) if this.taken < disk.piece.len() => {
                    let rest = &disk.piece[this.taken..];
                    let count = rest.len().min(out.remaining());
                    out.put_slice(&rest[..count]);
                    this.taken += count;
                    this.state = State::Here(disk);
                    return Poll::Ready(Ok(()));
                }
                State::Here(mut disk) => {
                    this.from += std::mem::take(&mut this.taken) as u64;
                    if this.from >= this.version.length {
                        this.state = State::Here(Disk { piece: Vec::new(), ..disk });
                        return Poll::Ready(Ok(()));
                    }
                    let from = this.from;
                    let read = move || disk.read(from).map(|()| disk);
                    this.state = State::Reading(spawn_blocking(read));
                }
                State::Reading(mut reading) => match Pin::new(&mut reading).poll(cx) {
                    Poll::Ready(read) => {
                        this.state = State::Here(read.map_err(io::Error::other)??);
                    }
                    Poll::Pending => {
                        this.state = State::Reading(reading);
                        return Poll::Pending;
                    }
                },
                State::Broken => return Poll::Ready(Err(changed())),
            }
        }
    }
}

/// `ServeDir` seeks once, to the begin of a range, before it reads.
impl AsyncSeek for LargeFile {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let (SeekFrom::Start(from), State::Here(disk)) = (to, &mut self.state) else {
            return Err(ErrorKind::Unsupported.into());
        };
        disk.piece.clear();
        (self.from, self.taken) = (from, 0);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.from))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::IpAddr;
    use std::path::PathBuf;
    use std::time::UNIX_EPOCH;

    use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

    use super::super::folder::Folder;
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A folder of files that goes away with this value.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let name = format!("parlance-large-{name}-{}", std::process::id());
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
    async fn a_large_file_is_read_whole_and_from_anywhere() {
        let files = Files::new("pieces");
        let folder = Folder::new(&files.0);
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5] {
            let all = files.write("file", length, 0);
            for from in [0, 1, length / 2, length.saturating_sub(1), length] {
                let mut file = folder.open("file", HERE).await.unwrap();
                assert_eq!(file.version.length, length as u64);
                file.seek(SeekFrom::Start(from as u64)).await.unwrap();
                let mut taken = Vec::new();
                let mut room = vec![0; 10_000];
                loop {
                    let count = file.read(&mut room).await.unwrap();
                    if count == 0 {
                        break;
                    }
                    taken.extend_from_slice(&room[..count]);
                    let State::Here(disk) = &file.state else { panic!("it reads ahead") };
                    assert!(disk.piece.capacity() <= PIECE);
                }
                assert!(taken == all[from.min(length)..], "{length} from {from}");
            }
        }
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
            let mut file = folder.open("file", HERE).await.unwrap();
            let mut taken = vec![0; 100];
            file.read_exact(&mut taken).await.unwrap();
            change(&files);
            let rest = file.read_to_end(&mut taken).await;
            assert!(taken == all[..taken.len()], "{what}");
            assert_eq!(taken.len() == long, whole, "{what}");
            let expected = (!whole).then(|| changed().to_string());
            assert_eq!(rest.err().map(|error| error.to_string()), expected, "{what}");
        }
    }
}
