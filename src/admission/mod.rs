//! Admission: gathers the facts about a request (client, counters, circuit breakers), asks the policy,
//! and applies its decision. The policy's refusals are data here ([`Denial`]); other rooms turn them
//! into answers.

mod addresses;
mod breakers;
mod client;
mod counters;
mod gate;
mod log_once;
mod monitor;
mod namespace_guard;
mod proxy_headers;
mod refusal_log;
mod request;
mod wrong_passwords;

pub(crate) use addresses::{AddressTable, Expires};
pub use breakers::Breakers;
pub(crate) use breakers::network_name;
pub use client::{ClientInfo, Peer};
pub use counters::ConnectionCounters;
pub use gate::{Gate, Welcome};
pub use monitor::WebSocketMonitor;
pub use namespace_guard::guard;
pub use refusal_log::{Named, RefusalObserver, Refusals, UNKNOWN_SESSION};
pub(crate) use request::{AccessRequest, Admitted, Denial};
