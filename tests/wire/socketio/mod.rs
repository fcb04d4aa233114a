//! Socket.IO protocols 4 and 5 on every transport (reference: socketio.md).

mod connecting;
mod events;
mod evidence;
mod leaving;
mod malformed;
mod numbers;
