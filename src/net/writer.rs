//! One connection and what goes out on it, in order: written at once as far as the connection takes
//! it, and kept from there on.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::scratch::with_scratch;
use super::slots::Slot;
use super::stream::ByteStream;
use crate::memory::Charge;

/// A connection that whoever has something to say may say it on. Whatever is put goes out whole and in
/// order.
#[derive(Debug)]
pub struct ConnWriter {
    stream: ByteStream,
    out: Mutex<Out>,
    /// What was counted for the connection, as long as it is open: whoever has it, whatever it speaks.
    _slot: Option<Slot>,
}

/// How far what was put is out. Most of the time it is, and then this is small.
#[derive(Debug)]
enum Out {
    Clear,
    Pending(Box<Pending>),
    Broken,
}

/// What the connection did not take yet.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// How many of `bytes` the connection has taken since.
    taken: usize,
    /// Bytes that the connection took, but still holds itself.
    held: usize,
    /// What this counts for in the memory of the process.
    charge: Charge,
}

/// The connection is gone.
#[derive(Debug)]
pub struct Broken;

impl ConnWriter {
    /// `slot` is given back when the connection is closed.
    pub fn new(stream: ByteStream, slot: impl Into<Option<Slot>>) -> Self {
        ConnWriter { stream, out: Mutex::new(Out::Clear), _slot: slot.into() }
    }

    /// The bare connection.
    pub fn stream(&self) -> &ByteStream {
        &self.stream
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what `fill` appends. True if all of it is with the system now; if not, somebody has to
    /// [`ConnWriter::flush`] it, or [`ConnWriter::write_on`].
    pub fn write(&self, fill: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut out = self.out();
        match &mut *out {
            Out::Clear => with_scratch(|scratch| {
                fill(scratch);
                *out = match write(&self.stream, scratch, 0) {
                    Ok((written, 0)) if written == scratch.len() => Out::Clear,
                    Ok((written, held)) => {
                        Out::Pending(Box::new(Pending::new(&scratch[written..], held)))
                    }
                    Err(Broken) => Out::Broken,
                };
            }),
            Out::Pending(kept) => {
                fill(&mut kept.bytes);
                kept.count();
            }
            Out::Broken => {}
        }
        matches!(*out, Out::Clear)
    }

    /// Whether all that was put is with the system.
    pub fn is_clear(&self) -> bool {
        matches!(*self.out(), Out::Clear)
    }

    /// Waits until all that was put is with the system.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn flush(&self) -> Result<(), Broken> {
        while !self.write_on()? {
            self.stream.writable().await.map_err(|_| Broken)?;
        }
        Ok(())
    }

    /// Writes what the connection takes without waiting. True if nothing is left.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn write_on(&self) -> Result<bool, Broken> {
        let mut out = self.out();
        *out = match std::mem::replace(&mut *out, Out::Broken) {
            Out::Pending(kept) => kept.write_on(&self.stream),
            rest => rest,
        };
        match *out {
            Out::Clear => Ok(true),
            Out::Pending(_) => Ok(false),
            Out::Broken => Err(Broken),
        }
    }

    /// Says that nothing more will be written, and hears the other side out for at most that many
    /// bytes: closed with something unread, a connection is reset, and what was said last is lost.
    pub async fn hang_up(&self, unread: usize) {
        if self.stream.shut_down().await.is_err() {
            return;
        }
        let mut read = 0;
        while read < unread {
            match self.stream.read(&mut vec![0; unread.min(ROOM)]).await {
                Ok(count) if count > 0 => read += count,
                _ => return,
            }
        }
    }

    /// Bytes of memory that wait here until the connection takes them: 0 if all that was put is with the
    /// system, or if the connection is broken.
    pub fn held(&self) -> usize {
        match &*self.out() {
            Out::Pending(kept) => kept.bytes.len() - kept.taken + kept.held,
            Out::Clear | Out::Broken => 0,
        }
    }

    /// Ends the connection at once: what it did not take is dropped, and whoever waits for it hears that
    /// the connection is broken.
    pub fn cut(&self) {
        *self.out() = Out::Broken;
        self.stream.cut();
    }
}

/// Bytes read at a time of what is dropped.
const ROOM: usize = 4096;

impl Pending {
    fn new(bytes: &[u8], held: usize) -> Self {
        let mut kept = Pending { bytes: bytes.to_vec(), held, ..Pending::default() };
        kept.count();
        kept
    }

    /// Has what is kept here counted.
    fn count(&mut self) {
        self.charge.set(self.bytes.capacity() + self.held);
    }

    /// Writes it, as far as that goes, and gives back the memory of what is out.
    fn write_on(mut self: Box<Self>, stream: &ByteStream) -> Out {
        let Ok((written, held)) = write(stream, &self.bytes[self.taken..], self.held) else {
            return Out::Broken;
        };
        (self.taken, self.held) = (self.taken + written, held);
        if self.taken == self.bytes.len() && held == 0 {
            return Out::Clear;
        }
        // As rarely as that costs no more than writing does.
        if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.bytes.shrink_to_fit();
            self.taken = 0;
        }
        self.count();
        Out::Pending(self)
    }
}

/// Writes `bytes`, as far as that goes. Tells how many of them the connection took, and how many it still
/// holds itself, which was `held` before.
fn write(stream: &ByteStream, bytes: &[u8], mut held: usize) -> Result<(usize, usize), Broken> {
    let waits = |error: io::Error| match error.kind() {
        ErrorKind::WouldBlock => Ok(()),
        _ => Err(Broken),
    };
    let mut written = 0;
    while written < bytes.len() {
        match stream.try_write(&bytes[written..]) {
            // Before it takes anything, it lets go of all that it held.
            Ok(count) => (written, held) = (written + count, count),
            Err(error) => {
                waits(error)?;
                break;
            }
        }
    }
    match stream.try_flush() {
        Ok(()) => held = 0,
        Err(error) => waits(error)?,
    }
    Ok((written, held))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_the_connection_does_not_take_is_kept_counted_and_given_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client =
            TcpStream::connect(listener.local_addr().expect("bound")).await.expect("open");
        let writer = ConnWriter::new(
            ByteStream::plain(listener.accept().await.expect("a connection").0),
            None,
        );
        let piece = |number: usize| format!("{number:07}\n").repeat(1024);
        let mut pieces = 0;
        while writer.held() < 1 << 20 {
            writer.write(|out| out.extend_from_slice(piece(pieces).as_bytes()));
            pieces += 1;
        }
        assert!(!writer.is_clear());
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.expect("all of it");
            all
        });
        let before = writer.held();
        while !writer.write_on().expect("it is open") {
            assert!(writer.held() <= before);
            {
                let out = writer.out();
                let Out::Pending(kept) = &*out else { panic!("something is left") };
                assert!(kept.bytes.capacity() <= 4 * (kept.bytes.len() - kept.taken));
                assert!(kept.taken <= kept.bytes.len() / 2, "what is out is given back");
            }
            writer.stream().writable().await.expect("it is open");
        }
        assert!(writer.is_clear());
        assert_eq!(writer.held(), 0);
        drop(writer);
        let all = reading.await.expect("no panic");
        assert!(
            all == (0..pieces).map(piece).collect::<String>().into_bytes(),
            "in order, and whole"
        );
    }

    #[tokio::test]
    async fn what_is_kept_counts_with_what_the_connection_holds() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("bound")).await;
        let writer = ConnWriter::new(
            ByteStream::plain(listener.accept().await.expect("a connection").0),
            None,
        );
        let mut kept = Pending::new(&[0; 10], 5);
        assert_eq!(kept.charge.bytes(), kept.bytes.capacity() + 5);
        kept.taken = 3;
        *writer.out() = Out::Pending(Box::new(kept));
        assert_eq!(writer.held(), 10 - 3 + 5);
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_holds_nothing_and_ends_for_both() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client =
            TcpStream::connect(listener.local_addr().expect("bound")).await.expect("open");
        let writer = ConnWriter::new(
            ByteStream::plain(listener.accept().await.expect("a connection").0),
            None,
        );
        while writer.write(|out| out.resize(1 << 16, b'x')) {}
        let flushed = writer.flush();
        writer.cut();
        assert!(flushed.await.is_err());
        assert!(matches!(*writer.out(), Out::Broken));
        assert_eq!(writer.held(), 0);
        assert_eq!(writer.stream().read(&mut [0; 8]).await.expect("the end"), 0);
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.expect("the end");
    }

    #[test]
    fn a_connection_that_keeps_nothing_is_small() {
        // There is one for each client that waits.
        assert!(size_of::<ConnWriter>() <= 80, "{}", size_of::<ConnWriter>());
    }

    #[tokio::test]
    async fn a_broken_connection_holds_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("open");
        let writer = ConnWriter::new(
            ByteStream::plain(listener.accept().await.expect("a connection").0),
            None,
        );
        while writer.write(|out| out.resize(1 << 16, b'x')) {}
        assert!(writer.held() > 0);
        drop(client);
        assert!(writer.flush().await.is_err());
        assert!(!writer.write(|out| out.push(b'x')));
        assert_eq!(writer.held(), 0);
    }
}
