//! Events of clients, and how their arguments become those of a handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use tracing::error;

use super::Socket;
use super::values::{Args, IntoArgs, ValueError};
use crate::dialect::AckId;

/// An event of a client, as it came.
#[derive(Debug, Clone)]
pub struct Event {
    /// The event's name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
    /// Sends the acknowledgement.
    pub ack: Ack,
}

/// Acknowledges one event. If nothing is sent, the client gets no acknowledgement. Clones stand for the
/// same acknowledgement: the first that is sent counts.
#[derive(Debug, Clone, Default)]
pub struct Ack(Option<Arc<Wanted>>);

#[derive(Debug)]
struct Wanted {
    socket: Socket,
    id: AckId,
    sent: AtomicBool,
}

impl Ack {
    pub(super) fn new(socket: &Socket, id: AckId) -> Self {
        let (socket, sent) = (socket.clone(), AtomicBool::new(false));
        Ack(Some(Arc::new(Wanted { socket, id, sent })))
    }

    /// Whether the client waits for it.
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|wanted| !wanted.sent.load(Ordering::Relaxed))
    }

    /// Sends it; does nothing if the client does not want one, or has it.
    pub fn send(&self, args: impl IntoArgs) {
        let Some(wanted) = &self.0 else { return };
        if wanted.sent.swap(true, Ordering::Relaxed) {
            return;
        }
        match args.into_args() {
            Ok(args) => wanted.socket.send_ack(wanted.id.clone(), args),
            Err(error) => error!(%error, "an acknowledgement cannot be written as JSON"),
        }
    }
}

/// Why no handler got an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventFault {
    /// Its arguments are not those that the handler takes.
    #[error("wrong arguments: {0}")]
    Mistyped(#[from] ValueError),
    /// A middleware refused it.
    #[error("{0}")]
    Refused(String),
}

/// An event that no handler got.
#[derive(Debug)]
pub struct EventError {
    /// The event's name.
    pub name: String,
    /// Why.
    pub fault: EventFault,
    /// The acknowledgement, which nobody has sent.
    pub ack: Ack,
}

/// What a handler can ask for: each parameter takes the event's next argument, but for [`Ack`], which takes
/// none, and [`Args`] and [`Event`], which take all that are left.
pub trait FromEvent: Sized {
    /// Makes it of what is left of the event; `next` counts the arguments that were taken.
    ///
    /// # Errors
    /// If the argument is of another type.
    fn from_event(event: &mut Event, next: &mut usize) -> Result<Self, ValueError>;
}

impl<T: DeserializeOwned> FromEvent for T {
    fn from_event(event: &mut Event, next: &mut usize) -> Result<Self, ValueError> {
        let value = event.args.get(*next);
        *next += 1;
        value
    }
}

impl FromEvent for Ack {
    fn from_event(event: &mut Event, _next: &mut usize) -> Result<Self, ValueError> {
        Ok(event.ack.clone())
    }
}

impl FromEvent for Args {
    fn from_event(event: &mut Event, next: &mut usize) -> Result<Self, ValueError> {
        let mut args = std::mem::take(&mut event.args);
        args.values.drain(..(*next).min(args.values.len()));
        Ok(args)
    }
}

impl FromEvent for Event {
    fn from_event(event: &mut Event, next: &mut usize) -> Result<Self, ValueError> {
        let args = Args::from_event(event, next)?;
        Ok(Event { name: std::mem::take(&mut event.name), args, ack: event.ack.clone() })
    }
}

/// Arguments that a handler of events can take; see [`Handlers::on`](super::Handlers::on).
pub trait EventHandler<Parameters>: Send + Sync + 'static {
    /// Makes the arguments, and calls the handler.
    ///
    /// # Errors
    /// If an argument is of another type.
    fn call(&self, socket: Socket, event: Event) -> Result<BoxFuture<'static, ()>, ValueError>;
}

macro_rules! handlers {
    ($(($($parameter:ident),*);)*) => {
        $(impl<F, Called, $($parameter),*> EventHandler<($($parameter,)*)> for F
        where
            F: Fn(Socket, $($parameter),*) -> Called + Send + Sync + 'static,
            Called: Future<Output = ()> + Send + 'static,
            $($parameter: FromEvent,)*
        {
            #[allow(non_snake_case, unused_mut, unused_variables)]
            fn call(
                &self,
                socket: Socket,
                mut event: Event,
            ) -> Result<BoxFuture<'static, ()>, ValueError> {
                let mut next = 0;
                $(let $parameter = $parameter::from_event(&mut event, &mut next)?;)*
                Ok(Box::pin(self(socket, $($parameter),*)))
            }
        })*
    };
}

handlers! {
    ();
    (A);
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, G);
    (A, B, C, D, E, G, H);
}
