//! A server in the test's own process, and clients that talk to it in bytes of their own.
//!
//! Nothing here uses the code under test to read or write the wire: a mistake must not be made on
//! both sides. Tests run on one thread, where the server handles bytes in the order in which they
//! were written; [`server::TestServer::settle`] builds on that.

pub mod apps;
pub mod client;
pub mod http;
pub mod packets;
pub mod pair;
pub mod polls;
pub mod process;
pub mod redis;
pub mod server;
pub mod session;
pub mod tokens;
pub mod v09;
pub mod ws;

use std::time::Duration;

/// How long anything may take that is bound to happen. Far above what it needs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits what is bound to happen.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("still waiting after {PATIENCE:?}: {what}"),
    }
}

/// Waits for a condition that no event tells of.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            // A pause between two looks, within the bound of `soon`.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, wait).await;
}

/// The machine, for tests that take all of it: some may do so together, others want it for themselves.
pub static MACHINE: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());
