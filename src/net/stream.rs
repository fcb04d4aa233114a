//! One connection, plain or encrypted: bytes in and out, by whoever holds it, without waiting.
//!
//! All methods take `&self`, so that a packet can be written by whoever has it while a task waits for
//! what the client says. Reads are meant for one task at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop;

/// A connection. A plain one costs no more than its socket.
#[derive(Debug)]
pub struct ByteStream {
    tcp: TcpStream,
    tls: Option<Box<Mutex<ServerConnection>>>,
}

impl ByteStream {
    pub fn plain(tcp: TcpStream) -> Self {
        ByteStream { tcp, tls: None }
    }

    /// A connection whose handshake is done.
    pub fn encrypted(tcp: TcpStream, tls: ServerConnection) -> Self {
        ByteStream { tcp, tls: Some(Box::new(Mutex::new(tls))) }
    }

    /// Reads what is there. `Ok(0)` is the end.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; wait with [`ByteStream::poll_read_ready`]. Else the connection is broken.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return read(&self.tcp, buffer) };
        let mut tls = lock(tls);
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The connection was cut without a word: no different from the end.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if tls.read_tls(&mut Raw(&self.tcp))? == 0 {
                // The reader tells what kind of end it was.
                continue;
            }
            let processed = tls.process_new_packets();
            // Alerts, tickets, new keys.
            let written = self.write_records(&mut tls);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            match written {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// Writes what the connection takes at the moment, and tells how much of `bytes` that was: never
    /// nothing, if there are any.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing; wait with [`ByteStream::writable`]. Else the connection is broken.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return write(&self.tcp, bytes) };
        let mut tls = lock(tls);
        // What was taken before goes first, so that no more than a record or two ever wait here.
        self.write_records(&mut tls)?;
        let taken = some(tls.writer().write(bytes)?, bytes)?;
        match self.write_records(&mut tls) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Writes what was taken and not yet written.
    ///
    /// # Errors
    /// As [`ByteStream::try_write`].
    pub fn try_flush(&self) -> io::Result<()> {
        match &self.tls {
            Some(tls) => self.write_records(&mut lock(tls)),
            None => Ok(()),
        }
    }

    fn write_records(&self, tls: &mut ServerConnection) -> io::Result<()> {
        while tls.wants_write() {
            some(tls.write_tls(&mut Raw(&self.tcp))?, &[0])?;
        }
        Ok(())
    }

    /// Waits until something may be written.
    ///
    /// # Errors
    /// If the runtime is shutting down.
    pub async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Reads, waiting for it. `Ok(0)` is the end.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of it.
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

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// If the connection is broken.
    pub async fn shut_down(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_shutdown(cx)).await
    }

    /// Waits until there may be something to read: who waits must have read all there was. One task at a
    /// time may wait so.
    ///
    /// # Errors
    /// If the runtime is shutting down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// [`ByteStream::read`] for hand-written futures.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // Who sends without a pause must not have the thread for itself.
        let turn = ready!(coop::poll_proceed(cx));
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.tcp.poll_read_ready(cx))?;
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
                    ready!(self.tcp.poll_write_ready(cx))?;
                }
                written => return Poll::Ready(written),
            }
        }
    }

    /// Sees to it that all that was written is with the system.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.try_flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.tcp.poll_write_ready(cx))?;
                }
                flushed => return Poll::Ready(flushed),
            }
        }
    }

    /// Ends the connection in both directions, without a word to the other side.
    pub fn cut(&self) {
        let socket = SockRef::from(&self.tcp);
        // What the system has is dropped with the connection, in place of waiting for a client that does
        // not take it.
        let _ = socket.set_linger(Some(Duration::ZERO));
        let _ = socket.shutdown(Shutdown::Both);
    }

    /// [`ByteStream::shut_down`] for hand-written futures.
    pub fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(tls) = &self.tls {
            // Said once, however often it is asked for.
            lock(tls).send_close_notify();
            ready!(self.poll_flush(cx))?;
        }
        Poll::Ready(SockRef::from(&self.tcp).shutdown(Shutdown::Write))
    }
}

/// Reads, and remembers from a short read that there is no more: that spares the system call that would
/// tell.
fn read(tcp: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut last = None;
    let read = tcp.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(tcp)).read(buffer)?;
        if count > 0 && count < buffer.len() {
            // Not an error: it is how the runtime learns of it. What comes meanwhile is news to it.
            last = Some(count);
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    last.map_or(read, Ok)
}

/// Writes. The runtime is asked only if the socket is full: most of the time it is not, and what the
/// runtime knows of it is far away in memory.
fn write(tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let written = match (&*SockRef::from(tcp)).write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => tcp.try_write(bytes),
        written => written,
    };
    some(written?, bytes)
}

/// Who writes goes on until all is written, and would do so for ever if nothing were taken and that
/// were no error.
fn some(taken: usize, of: &[u8]) -> io::Result<usize> {
    if taken == 0 && !of.is_empty() { Err(ErrorKind::WriteZero.into()) } else { Ok(taken) }
}

impl Drop for ByteStream {
    /// The other side is told that this is the end, and no cut, as far as that goes without waiting.
    fn drop(&mut self) {
        if let Some(tls) = &self.tls {
            let mut tls = lock(tls);
            tls.send_close_notify();
            let _ = self.write_records(&mut tls);
        }
    }
}

fn lock(tls: &Mutex<ServerConnection>) -> MutexGuard<'_, ServerConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket below, as the TLS library wants it.
struct Raw<'a>(&'a TcpStream);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read(self.0, buffer)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write(self.0, bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
