//! Several nodes as one, by a real Redis.

mod connection;
mod directory;
mod streams;
