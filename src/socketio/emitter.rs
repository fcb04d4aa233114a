//! Sending to one client.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Socket;
use super::acks::{AckError, Waiter};
use super::adapter::Packet;
use super::selector::{Flags, Selector};
use super::socket::{checked, writable};
use super::values::{Args, FromArgs, IntoArgs};
use crate::dialect::{AckRequest, Body};
use crate::engine::Delivery;

/// How long an acknowledgement may take, if nobody says.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends to one client in a way of its own: [`Socket::volatile`], [`Socket::timeout`].
#[derive(Debug, Clone)]
#[must_use = "nothing is sent yet"]
pub struct Emitter {
    socket: Socket,
    flags: Flags,
}

impl Emitter {
    pub(super) fn new(socket: Socket) -> Self {
        Emitter { socket, flags: Flags::default() }
    }

    /// Does not send if the connection cannot take the event at this moment: there is no request to
    /// answer, or something still waits for the client.
    pub fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// As [`BroadcastOperator::compress`](super::BroadcastOperator::compress).
    pub fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = Some(compress);
        self
    }

    /// How long the acknowledgement may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flags.timeout = Some(timeout);
        self
    }

    /// See [`Socket::emit`].
    pub fn emit(self, name: &str, args: impl IntoArgs) {
        let Some(args) = writable(name, args) else { return };
        let Emitter { socket, flags } = self;
        if socket.recovery().is_some() && socket.is_connected() {
            // What a client may miss is kept with what its rooms get.
            let selector = Selector { rooms: vec![socket.id().into()], except: Vec::new() };
            let flags = Flags { local: true, ..flags };
            let packet = Packet { name: name.to_owned(), args };
            return socket.namespace().adapter().broadcast(packet, selector, flags);
        }
        send(&socket, name, args, None, flags);
    }

    /// See [`Socket::emit_with_ack`].
    ///
    /// # Errors
    /// If no acknowledgement of that type comes in time.
    pub fn emit_with_ack<T: FromArgs + Send + 'static>(
        self,
        name: &str,
        args: impl IntoArgs,
    ) -> BoxFuture<'static, Result<T, AckError>> {
        let Emitter { socket, flags } = self;
        let asked = checked(name, args).map_err(AckError::Unwritable).and_then(|args| {
            let (sender, answer) = oneshot::channel();
            let id = socket.namespace().node().ack_id();
            if socket.has_left() {
                return Err(AckError::Left);
            }
            if !socket.acks().register(id, Waiter::One(sender)) {
                return Err(AckError::TooMany);
            }
            send(&socket, name, args, Some(AckRequest::ByApp(id.into())), flags);
            Ok(answer)
        });
        Box::pin(async move {
            let wait = flags.timeout.unwrap_or(ACK_TIMEOUT);
            let answer = timeout(wait, asked?).await.map_err(|_| AckError::TimedOut)?;
            T::from_args(answer.map_err(|_| AckError::Left)?).map_err(AckError::Mistyped)
        })
    }
}

fn send(socket: &Socket, name: &str, args: Args, ack: Option<AckRequest>, flags: Flags) {
    let Args { values, attachments } = args;
    let body = Body::Event { name: name.to_owned(), args: values, ack };
    let rest = Args { values: Vec::new(), attachments };
    match flags.volatile {
        false => socket.send_as(body, rest, Delivery::Reliable),
        true if socket.session().is_idle() => socket.send_as(body, rest, Delivery::Volatile),
        true => {}
    }
}
