//! Several nodes as one server: what they tell each other, and how it gets from one to another.
//!
//! [`ClusterAdapter`] has the message model of Node's adapters for Postgres, Redis Streams, Service Bus and
//! others. A [`Bus`] carries its messages; [`InProcess`] is one between servers of one process.

mod adapter;
mod bus;
mod in_process;
mod message;
pub mod node_format;
mod peers;
#[cfg(feature = "redis")]
pub mod redis;
mod requests;

pub use adapter::ClusterAdapter;
pub use bus::Bus;
pub use in_process::InProcess;
pub use message::{Content, Message};
