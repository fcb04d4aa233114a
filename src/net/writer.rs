//! The writing side of one connection: writes are ordered and complete, and bytes that the
//! connection does not accept at once are pending until it does.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::scratch::with_scratch;
use super::slots::Slot;
use super::stream::ByteStream;
use crate::memory::Charge;

/// A connection that any task may write to. Each write goes out whole and in order.
#[derive(Debug)]
pub struct ConnWriter {
    stream: ByteStream,
    /// Third in the lock order (sockets → session → writer → TLS): writes to `stream`, which may
    /// take its TLS lock, happen under this one.
    out: Mutex<Out>,
    /// Counts the connection for as long as it is open, whatever protocol it speaks.
    _slot: Option<Slot>,
}

/// The state of the output. `Pending` is boxed because an idle connection has none.
#[derive(Debug)]
enum Out {
    /// All bytes are with the system.
    Clear,
    Pending(Box<Pending>),
    Broken,
}

/// Bytes that the connection did not accept yet.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// How many of `bytes` the connection has accepted since.
    accepted: usize,
    /// Bytes that the connection has accepted, but that TLS still holds.
    held: usize,
    /// The memory of this, as counted in [`crate::memory`].
    charge: Charge,
}

/// The connection is broken.
#[derive(Debug)]
pub struct Broken;

impl ConnWriter {
    /// Dropping the writer closes the connection and frees `slot`.
    pub fn new(stream: ByteStream, slot: impl Into<Option<Slot>>) -> Self {
        ConnWriter { stream, out: Mutex::new(Out::Clear), _slot: slot.into() }
    }

    /// The underlying connection.
    pub fn stream(&self) -> &ByteStream {
        &self.stream
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the bytes that `fill` appends. Returns true if all of them are with the system. If
    /// not, the caller must call [`ConnWriter::flush`] or [`ConnWriter::try_flush`] later.
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
            Out::Pending(pending) => {
                fill(&mut pending.bytes);
                pending.update_charge();
            }
            Out::Broken => {}
        }
        matches!(*out, Out::Clear)
    }

    /// Whether all written bytes are with the system. False for a broken connection.
    pub fn is_clear(&self) -> bool {
        matches!(*self.out(), Out::Clear)
    }

    /// Waits until all written bytes are with the system. The caller sets the deadline.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn flush(&self) -> Result<(), Broken> {
        while !self.try_flush()? {
            self.stream.writable().await.map_err(|_| Broken)?;
        }
        Ok(())
    }

    /// Writes pending bytes as far as possible without waiting. Returns true if none are left.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn try_flush(&self) -> Result<bool, Broken> {
        let mut out = self.out();
        *out = match std::mem::replace(&mut *out, Out::Broken) {
            Out::Pending(pending) => pending.try_flush(&self.stream),
            rest => rest,
        };
        match *out {
            Out::Clear => Ok(true),
            Out::Pending(_) => Ok(false),
            Out::Broken => Err(Broken),
        }
    }

    /// Ends the connection, and says whether its client did not get all of what was written last.
    /// False if that is not certain. If the client has closed, this waits a moment for the reset by
    /// which its system may answer, without a slot; a few connections at most wait at once.
    pub async fn lost_the_last(self: Arc<Self>) -> bool {
        if !self.is_clear() {
            return true;
        }
        let (true, Ok(_permit)) = (self.stream.has_ended(), WAITING.try_acquire()) else {
            return false;
        };
        // Nobody else writes after the end.
        let Some(ConnWriter { stream, .. }) = Arc::into_inner(self) else { return false };
        timeout(VERDICT, stream.refused()).await.unwrap_or_default()
    }

    /// Closes the writing half, then reads and discards up to `unread` bytes until the client
    /// closes. Closing a socket with unread input would reset the connection, and the client could
    /// lose the last answer. The caller sets the deadline.
    pub async fn hang_up(&self, unread: usize) {
        if self.stream.shut_down().await.is_err() {
            return;
        }
        let mut read = 0;
        while read < unread {
            match self.stream.read(&mut vec![0; unread.min(DISCARD)]).await {
                Ok(count) if count > 0 => read += count,
                _ => return,
            }
        }
    }

    /// Bytes that wait here until the connection accepts them. 0 if all written bytes are with the
    /// system, or if the connection is broken.
    pub fn held(&self) -> usize {
        match &*self.out() {
            Out::Pending(pending) => pending.bytes.len() - pending.accepted + pending.held,
            Out::Clear | Out::Broken => 0,
        }
    }

    /// Resets the connection and drops pending bytes. Tasks that wait for it get an error.
    pub fn cut(&self) {
        *self.out() = Out::Broken;
        self.stream.cut();
    }
}

/// Connections without a slot that wait for the reset of a client.
static WAITING: Semaphore = Semaphore::const_new(64);
/// How long the reset may be on its way.
const VERDICT: Duration = Duration::from_secs(1);

/// Bytes read at a time of input that is discarded.
const DISCARD: usize = 4096;

impl Pending {
    fn new(bytes: &[u8], held: usize) -> Self {
        let mut pending = Pending { bytes: bytes.to_vec(), held, ..Pending::default() };
        pending.update_charge();
        pending
    }

    fn update_charge(&mut self) {
        self.charge.set(self.bytes.capacity() + self.held);
    }

    /// Writes as much as possible without waiting, and frees the memory of written bytes.
    fn try_flush(mut self: Box<Self>, stream: &ByteStream) -> Out {
        let Ok((written, held)) = write(stream, &self.bytes[self.accepted..], self.held) else {
            return Out::Broken;
        };
        (self.accepted, self.held) = (self.accepted + written, held);
        if self.accepted == self.bytes.len() && held == 0 {
            return Out::Clear;
        }
        // Move the rest only when it is the smaller half, so that each byte moves once on average.
        if self.accepted > self.bytes.len() / 2 {
            self.bytes.drain(..self.accepted);
            self.bytes.shrink_to_fit();
            self.accepted = 0;
        }
        self.update_charge();
        Out::Pending(self)
    }
}

/// Writes as much of `bytes` as possible without waiting. Returns how many bytes the connection
/// accepted, and how many of the accepted bytes TLS still holds; `held` is that number before.
fn write(stream: &ByteStream, bytes: &[u8], mut held: usize) -> Result<(usize, usize), Broken> {
    let unless_broken = |error: io::Error| match error.kind() {
        ErrorKind::WouldBlock => Ok(()),
        _ => Err(Broken),
    };
    let mut written = 0;
    while written < bytes.len() {
        match stream.try_write(&bytes[written..]) {
            // TLS accepts bytes only after it has passed on all that it held.
            Ok(count) => (written, held) = (written + count, count),
            Err(error) => {
                unless_broken(error)?;
                break;
            }
        }
    }
    match stream.try_flush() {
        Ok(()) => held = 0,
        Err(error) => unless_broken(error)?,
    }
    Ok((written, held))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection from both ends.
    async fn connection() -> (ConnWriter, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let client = TcpStream::connect(address).await.expect("open");
        let server = ByteStream::plain(listener.accept().await.expect("a connection").0);
        (ConnWriter::new(server, None), client)
    }

    #[tokio::test]
    async fn what_the_connection_does_not_take_is_kept_counted_and_given_back() {
        let (writer, mut client) = connection().await;
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
        while !writer.try_flush().expect("it is open") {
            assert!(writer.held() <= before);
            {
                let out = writer.out();
                let Out::Pending(pending) = &*out else { panic!("something is left") };
                assert!(pending.bytes.capacity() <= 4 * (pending.bytes.len() - pending.accepted));
                assert!(pending.accepted <= pending.bytes.len() / 2, "what is out is given back");
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
        let mut pending = Pending::new(&[0; 10], 5);
        assert_eq!(pending.charge.bytes(), pending.bytes.capacity() + 5);
        pending.accepted = 3;
        *writer.out() = Out::Pending(Box::new(pending));
        assert_eq!(writer.held(), 10 - 3 + 5);
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_holds_nothing_and_ends_for_both() {
        let (writer, mut client) = connection().await;
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

    /// What a client does with an answer.
    #[derive(Debug, Clone, Copy)]
    enum Reads {
        All,
        /// The system has it, the client does not.
        Nothing,
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_reached_nobody_is_known_and_what_may_have_is_not_taken_for_it() {
        const ANSWER: &[u8] = b"an answer";
        let answer = |writer: &ConnWriter| writer.write(|out| out.extend_from_slice(ANSWER));
        // The client had closed.
        let (writer, client) = connection().await;
        drop(client);
        assert!(writer.stream().has_ended() && answer(&writer));
        assert!(Arc::new(writer).lost_the_last().await);

        // The client had closed its half of the connection, and reads on.
        let (writer, mut client) = connection().await;
        client.shutdown().await.expect("open");
        assert!(writer.stream().has_ended() && answer(&writer));
        let mut all = [0; ANSWER.len()];
        client.read_exact(&mut all).await.expect("the answer");
        drop(client);
        assert!(!Arc::new(writer).lost_the_last().await);

        for (reads, resets) in [
            (Reads::All, false),
            (Reads::All, true),
            (Reads::Nothing, false),
            (Reads::Nothing, true),
        ] {
            let (writer, mut client) = connection().await;
            assert!(!writer.stream().has_ended() && answer(&writer));
            match reads {
                Reads::All => drop(client.read_exact(&mut all).await.expect("the answer")),
                Reads::Nothing => client.readable().await.expect("the answer"),
            }
            if resets {
                client.set_zero_linger().expect("a TCP stream");
            }
            drop(client);
            assert!(writer.stream().has_ended());
            assert!(!Arc::new(writer).lost_the_last().await, "{reads:?}, {resets}");
        }

        // The system did not take all of it.
        let (writer, client) = connection().await;
        while writer.write(|out| out.resize(1 << 16, b'x')) {}
        assert!(Arc::new(writer).lost_the_last().await);
        drop(client);

        // Nobody closed.
        let (writer, _client) = connection().await;
        assert!(answer(&writer) && !Arc::new(writer).lost_the_last().await);
    }

    #[test]
    fn a_connection_that_keeps_nothing_is_small() {
        // There is one for each connection, idle ones included.
        assert!(size_of::<ConnWriter>() <= 80, "{}", size_of::<ConnWriter>());
    }

    #[tokio::test]
    async fn a_broken_connection_holds_nothing() {
        let (writer, client) = connection().await;
        while writer.write(|out| out.resize(1 << 16, b'x')) {}
        assert!(writer.held() > 0);
        drop(client);
        assert!(writer.flush().await.is_err());
        assert!(!writer.write(|out| out.push(b'x')));
        assert_eq!(writer.held(), 0);
    }
}
