//! One connection and what goes out on it, in order: written at once as far as the connection takes
//! it, and kept from there on.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Pipe;
use super::scratch::with_scratch;

/// A connection that whoever has something to say may say it on. Whatever is put goes out whole and in
/// order.
#[derive(Debug)]
pub struct Link {
    pipe: Pipe,
    kept: Mutex<Kept>,
}

/// What the connection did not take yet.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The connection has what it was given, but still holds it.
    held: bool,
    broken: bool,
}

/// The connection is gone.
#[derive(Debug)]
pub struct Broken;

impl Link {
    pub fn new(pipe: Pipe) -> Self {
        Link { pipe, kept: Mutex::default() }
    }

    /// The bare connection.
    pub fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what `fill` appends. True if all of it is with the system now; if not, somebody has to
    /// [`Link::flush`].
    pub fn put(&self, fill: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut kept = self.kept();
        if kept.broken {
            return false;
        }
        if !kept.bytes.is_empty() || kept.held {
            fill(&mut kept.bytes);
            return false;
        }
        with_scratch(|scratch| {
            fill(scratch);
            kept.write(&self.pipe, scratch);
        });
        kept.is_clear()
    }

    /// Whether all that was put is with the system.
    pub fn is_clear(&self) -> bool {
        self.kept().is_clear()
    }

    /// Waits until all that was put is with the system.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn flush(&self) -> Result<(), Broken> {
        while !self.flush_some().await? {}
        Ok(())
    }

    /// Writes what the connection takes, and waits until it takes more. True if nothing is left.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn flush_some(&self) -> Result<bool, Broken> {
        {
            let mut kept = self.kept();
            let bytes = std::mem::take(&mut kept.bytes);
            kept.held = false;
            kept.write(&self.pipe, &bytes);
            if kept.broken {
                return Err(Broken);
            }
            if kept.is_clear() {
                return Ok(true);
            }
        }
        self.pipe.writable().await.map_err(|_| Broken)?;
        Ok(false)
    }

    /// Says that nothing more will be written, and hears the other side out for at most that many
    /// bytes: closed with something unread, a connection is reset, and what was said last is lost.
    pub async fn hang_up(&self, unread: usize) {
        if self.pipe.shut_down().await.is_err() {
            return;
        }
        let mut read = 0;
        while read < unread {
            match self.pipe.read(&mut vec![0; unread.min(ROOM)]).await {
                Ok(count) if count > 0 => read += count,
                _ => return,
            }
        }
    }
}

/// Bytes read at a time of what is dropped.
const ROOM: usize = 4096;

impl Kept {
    fn is_clear(&self) -> bool {
        self.bytes.is_empty() && !self.held && !self.broken
    }

    /// Writes `bytes` as far as that goes, and keeps the rest. Nothing was kept before.
    fn write(&mut self, pipe: &Pipe, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match pipe.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) => {
                    self.bytes = bytes.to_vec();
                    return self.note(&error);
                }
            }
        }
        if let Err(error) = pipe.try_flush() {
            self.held = true;
            self.note(&error);
        }
    }

    fn note(&mut self, error: &io::Error) {
        if error.kind() != ErrorKind::WouldBlock {
            *self = Kept { broken: true, ..Kept::default() };
        }
    }
}
