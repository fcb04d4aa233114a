//! Several nodes as one, by a real Redis.

mod connection;
mod directory;
mod lost;
mod pubsub;
mod settings;
mod stream_faults;
mod streams;
mod tls;
