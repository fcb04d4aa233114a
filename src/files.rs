//! Reads files that the operator names. Accepts only regular files, because opening or reading
//! others (FIFOs, devices) can block for ever.

mod watch;

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

pub use watch::{Watch, fingerprint};

/// Reads a regular file of at most `most` bytes. Follows symbolic links.
///
/// # Errors
/// If the file cannot be read, is no regular file, or is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {most} bytes"),
        )),
        false => Ok(bytes),
    }
}

/// Returns the metadata of a regular file. Follows symbolic links.
///
/// # Errors
/// If the file cannot be accessed, or is no regular file.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    std::fs::metadata(path).and_then(regular)
}

/// Opens a regular file. Follows symbolic links.
///
/// # Errors
/// As [`metadata`].
pub fn open(path: &Path) -> io::Result<File> {
    // Check before opening, because opening blocks on a FIFO and has side effects on some devices.
    metadata(path)?;
    let file = File::open(path)?;
    file.metadata().and_then(regular)?;
    Ok(file)
}

/// Reads a text file, as [`read`] does.
///
/// # Errors
/// As [`read`], and if it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read(path, most)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

fn regular(found: Metadata) -> io::Result<Metadata> {
    match (found.is_file(), found.is_dir()) {
        (true, _) => Ok(found),
        (_, true) => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn regular_files_alone_are_read_and_as_much_as_may_be() {
        let folder = std::env::temp_dir().join(format!("parlance-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name);
        std::fs::write(at("text"), "1234").unwrap();
        std::fs::write(at("bytes"), [0xff]).unwrap();
        std::os::unix::fs::symlink("text", at("link")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(at("fifo")).status();
        assert!(fifo.expect("mkfifo").success());
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        for (path, expected) in [
            (at("text"), Ok("1234")),
            (at("link"), Ok("1234")),
            (at("bytes"), Err("it is no text in UTF-8")),
            (at("fifo"), Err("it is no regular file")),
            (at("socket"), Err("it is no regular file")),
            ("/dev/zero".into(), Err("it is no regular file")),
            (folder.clone(), Err("it is a folder")),
        ] {
            let read = read_text(&path, 4).map_err(|error| error.to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read, expected, "{}", path.display());
        }
        let error = read(&at("text"), 3).unwrap_err();
        assert_eq!(error.to_string(), "it is longer than 3 bytes");
        assert_eq!(read(&at("nothing"), 3).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
