//! Signals to end the process and to reload its files.

use std::hash::Hash;
use std::io;

use crate::files::Watch;

#[cfg(unix)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// # Errors
    /// If the system does not let us listen.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Signals { terminate, interrupt })
    }

    /// Waits for the next request to end; says which it was.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

#[cfg(windows)]
pub struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    /// # Errors
    /// If the system does not let us listen.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Signals { interrupt: ctrl_c()?, close: ctrl_close()?, shutdown: ctrl_shutdown()? })
    }

    /// Waits for the next request to end; says which it was.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.close.recv() => "console closed",
            _ = self.shutdown.recv() => "system shutdown",
        }
    }
}

/// The signal to reload files: SIGHUP on Unix, none on Windows.
#[cfg(unix)]
pub struct ReloadSignal(tokio::signal::unix::Signal);

#[cfg(unix)]
impl ReloadSignal {
    /// Installs the handler. From now on, the signal does not end the process.
    ///
    /// # Errors
    /// If the handler cannot be installed.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(ReloadSignal)
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(windows)]
pub struct ReloadSignal;

#[cfg(windows)]
impl ReloadSignal {
    /// # Errors
    /// Never; the type is that of other systems.
    pub fn new() -> io::Result<Self> {
        Ok(ReloadSignal)
    }

    /// Waits for ever.
    pub async fn next(&mut self) {
        std::future::pending().await
    }
}

impl ReloadSignal {
    /// Gives `take` what is in files whenever they change, and at each signal. Never ends.
    pub async fn follow<F: Hash + Send + 'static>(mut self, mut files: Watch<F>, take: impl Fn(F)) {
        loop {
            let found = tokio::select! {
                found = files.changed() => Some(found),
                () = self.next() => files.now().await,
            };
            found.into_iter().for_each(&take);
        }
    }
}
