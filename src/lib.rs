pub mod dialect;
pub mod engine;
pub mod policy;
pub mod socketio;
pub mod transport;
