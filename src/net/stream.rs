//! One connection, plain or TLS, with non-blocking reads and writes.
//!
//! All methods take `&self`, so that any task can write a packet while another waits for input.
//! Only one task may read at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::Connection;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop;

use super::pipe::{self, FarEnd, Pipe};

/// A connection. A plain one has no state besides its socket.
#[derive(Debug)]
pub struct ByteStream {
    io: Io,
    /// The TLS lock is the last in the lock order (sockets → session → writer → TLS): no method
    /// takes another lock while it holds this one.
    tls: Option<Box<Mutex<Connection>>>,
}

/// What the bytes travel on.
#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Pipe(Pipe),
}

impl Io {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(tcp) => tcp.poll_read_ready(cx),
            Io::Pipe(pipe) => pipe.poll_read_ready(cx).map(Ok),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Tcp(tcp) => tcp.poll_write_ready(cx),
            Io::Pipe(pipe) => pipe.poll_write_ready(cx).map(Ok),
        }
    }
}

impl ByteStream {
    /// A connection without TLS.
    pub fn plain(tcp: TcpStream) -> Self {
        ByteStream { io: Io::Tcp(tcp), tls: None }
    }

    /// A connection in memory, and its other side.
    pub fn pipe() -> (Self, FarEnd) {
        let (near, far) = pipe::pipe();
        (ByteStream { io: Io::Pipe(near), tls: None }, far)
    }

    /// A TLS connection after its handshake, of either side.
    pub fn encrypted(tcp: TcpStream, tls: impl Into<Connection>) -> Self {
        ByteStream { io: Io::Tcp(tcp), tls: Some(Box::new(Mutex::new(tls.into()))) }
    }

    /// Reads the bytes that have arrived. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` if there are none; wait with [`ByteStream::poll_read_ready`]. Any other error
    /// means that the connection is broken.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return read(&self.io, buffer) };
        let mut tls = lock(tls);
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The peer closed TCP without a TLS close_notify. Treat it as the end of the
                // stream.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if tls.read_tls(&mut Socket(&self.io))? == 0 {
                // TCP has ended. The next `reader().read` says whether with or without
                // close_notify.
                continue;
            }
            let processed = tls.process_new_packets();
            // Processing may have produced records: alerts, session tickets, key updates.
            let written = self.write_records(&mut tls);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            match written {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// Writes as much as the connection accepts now. Returns the number of bytes accepted, which is
    /// at least 1 unless `bytes` is empty. TLS may still hold accepted bytes: see
    /// [`ByteStream::try_flush`].
    ///
    /// # Errors
    /// `WouldBlock` if the connection accepts nothing; wait with [`ByteStream::writable`]. Any other
    /// error means that the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return write(&self.io, bytes) };
        let mut tls = lock(tls);
        // Flush earlier records first, so that at most the records of one write wait here.
        self.write_records(&mut tls)?;
        let accepted = nonzero(tls.writer().write(bytes)?, bytes)?;
        match self.write_records(&mut tls) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(accepted),
        }
    }

    /// Passes accepted bytes that TLS still holds to the system.
    ///
    /// # Errors
    /// As [`ByteStream::try_write`].
    pub fn try_flush(&self) -> io::Result<()> {
        match &self.tls {
            Some(tls) => self.write_records(&mut lock(tls)),
            None => Ok(()),
        }
    }

    fn write_records(&self, tls: &mut Connection) -> io::Result<()> {
        while tls.wants_write() {
            nonzero(tls.write_tls(&mut Socket(&self.io))?, &[0])?;
        }
        Ok(())
    }

    /// Whether the client has closed the connection, in good order or not, as far as the system knows
    /// at this moment; input may still wait. Only Linux says this: elsewhere it is always false.
    pub fn has_ended(&self) -> bool {
        let tcp = match &self.io {
            Io::Tcp(tcp) => tcp,
            Io::Pipe(pipe) => return pipe.has_ended(),
        };
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            let mut sockets = [PollFd::new(tcp, PollFlags::RDHUP)];
            poll(&mut sockets, Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = tcp;
            false
        }
    }

    /// For a connection that the client has closed: waits for the system's verdict on what was written
    /// last. True if the client had closed before that reached it, so that its system has answered with
    /// a reset.
    ///
    /// Linux tells such a reset (`EPIPE`) from one by which a client breaks a connection
    /// (`ECONNRESET`): after the latter, the client may have read everything.
    pub async fn refused(&self) -> bool {
        let Io::Tcp(tcp) = &self.io else { return false };
        let _ = tcp.ready(Interest::ERROR).await;
        let error = tcp.take_error().ok().flatten();
        error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    }

    /// Waits until the socket is writable.
    ///
    /// # Errors
    /// If the runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.io {
            Io::Tcp(tcp) => tcp.writable().await,
            Io::Pipe(pipe) => std::future::poll_fn(|cx| pipe.poll_write_ready(cx).map(Ok)).await,
        }
    }

    /// Waits for input and reads it. `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of `bytes` and flushes.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::future::poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        std::future::poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Closes the writing half: sends close_notify (TLS), flushes, and sends FIN.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn shut_down(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_shutdown(cx)).await
    }

    /// Waits until there may be input. The caller must have read until `WouldBlock` before, or it
    /// may wait for ever. Only one task at a time may wait.
    ///
    /// # Errors
    /// If the runtime is shutting down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read_ready(cx)
    }

    /// [`ByteStream::read`] for hand-written futures.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // Yield to other tasks even if this client sends without a pause.
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.io.poll_read_ready(cx))?;
                }
                read => {
                    turn.made_progress();
                    return Poll::Ready(read);
                }
            }
        }
    }

    /// Writes some of it.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.io.poll_write_ready(cx))?;
                }
                written => return Poll::Ready(written),
            }
        }
    }

    /// [`ByteStream::try_flush`], waiting until all bytes are with the system.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.try_flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.io.poll_write_ready(cx))?;
                }
                flushed => return Poll::Ready(flushed),
            }
        }
    }

    /// Resets the connection (RST) and discards unsent bytes.
    pub fn cut(&self) {
        let tcp = match &self.io {
            Io::Tcp(tcp) => tcp,
            Io::Pipe(pipe) => return pipe.cut(),
        };
        let socket = SockRef::from(tcp);
        // Without a linger time, the system would keep unsent bytes for a client that does not
        // read.
        let _ = socket.set_linger(Some(Duration::ZERO));
        let _ = socket.shutdown(Shutdown::Both);
    }

    /// [`ByteStream::shut_down`] for hand-written futures.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &self.tls {
            // rustls sends close_notify only once, so polling again is harmless.
            lock(tls).send_close_notify();
            ready!(self.poll_flush(cx))?;
        }
        Poll::Ready(match &self.io {
            Io::Tcp(tcp) => SockRef::from(tcp).shutdown(Shutdown::Write),
            Io::Pipe(pipe) => {
                pipe.end_writing();
                Ok(())
            }
        })
    }
}

/// Reads from the socket. A short read means that the socket is empty, so the runtime is told to
/// wait for new input without another system call.
fn read(io: &Io, buffer: &mut [u8]) -> io::Result<usize> {
    let tcp = match io {
        Io::Tcp(tcp) => tcp,
        Io::Pipe(pipe) => return pipe.try_read(buffer),
    };
    let mut last = None;
    let read = tcp.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(tcp)).read(buffer)?;
        if count > 0 && count < buffer.len() {
            // Not an error: `WouldBlock` clears the runtime's readiness. Epoll is edge-triggered,
            // so input that arrives now sets it again.
            last = Some(count);
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    last.map_or(read, Ok)
}

/// Writes to the socket. Asks the runtime only if the socket is full: that is rare, and the
/// runtime's readiness flag costs a cache miss.
fn write(io: &Io, bytes: &[u8]) -> io::Result<usize> {
    let tcp = match io {
        Io::Tcp(tcp) => tcp,
        Io::Pipe(pipe) => return pipe.try_write(bytes),
    };
    let written = match (&*SockRef::from(tcp)).write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => tcp.try_write(bytes),
        written => written,
    };
    nonzero(written?, bytes)
}

/// Turns a write of 0 bytes into an error. Otherwise, a loop that writes all bytes would never end.
fn nonzero(written: usize, bytes: &[u8]) -> io::Result<usize> {
    if written == 0 && !bytes.is_empty() { Err(ErrorKind::WriteZero.into()) } else { Ok(written) }
}

impl Drop for ByteStream {
    /// Sends close_notify if that is possible without waiting, so that the peer can tell the end of
    /// the stream from a truncation.
    fn drop(&mut self) {
        if let Some(tls) = &self.tls {
            let mut tls = lock(tls);
            tls.send_close_notify();
            let _ = self.write_records(&mut tls);
        }
    }
}

fn lock(tls: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket as rustls reads and writes it.
struct Socket<'a>(&'a Io);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read(self.0, buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(self.0, bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {
            Io::Tcp(tcp) => tcp.try_write_vectored(slices),
            Io::Pipe(pipe) => pipe.try_write(slices.first().map_or(&[][..], |slice| slice)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
