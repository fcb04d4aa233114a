//! Who may come in: who asks, what there is at the moment, what the policy says to it, and what comes of that.
//! A refusal is data here ([`Denial`]); how it is said is for others.

mod addresses;
mod breakers;
mod client;
mod counters;
mod gate;
mod log_once;
mod monitor;
mod namespace_guard;

pub use breakers::{Breakers, written};
pub use client::{ClientInfo, Peer};
pub use counters::ConnectionCounters;
pub(crate) use gate::cut;
pub use gate::{Admitted, Ask, Denial, Gate, Welcome};
pub use monitor::{Ended, WebSocketMonitor};
pub use namespace_guard::PolicyLayer;
