//! What an application has registered with a namespace.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use futures::future::BoxFuture;

use super::Socket;
use super::event::{Event, EventError, EventFault, EventHandler};
use super::node::RoomEvent;
use super::reason::{ConnectError, DisconnectReason};
use super::server_side::ServerSideEvent;
use super::taken::Taken;
use super::values::{Args, ValueError};

/// What an application has registered: a namespace, and a family of namespaces, have their own.
///
/// All functions that are called for one socket are called one at a time, in the order in which they were
/// registered and in the order of the client's packets. Each call runs to its end, whatever becomes of the
/// connection meanwhile. While it waits, packets of its own client wait, and of no other. Whoever wants
/// things to happen at once spawns a task.
///
/// So a call must not wait for an acknowledgement of its own client: that comes in a later call.
#[derive(Default)]
pub struct Handlers(ArcSwap<Table>);

/// All functions. A change makes a new table; calls under way have the old one.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub guards: Vec<Arc<Middleware>>,
    pub middleware: Vec<Arc<Middleware>>,
    pub connect: Vec<Arc<OnConnect>>,
    pub disconnecting: Vec<Arc<With<DisconnectReason>>>,
    pub disconnect: Vec<Arc<With<DisconnectReason>>>,
    pub event_middleware: Vec<Arc<EventMiddleware>>,
    pub any: Vec<Arc<OnAny>>,
    pub any_outgoing: Vec<Outgoing>,
    pub events: HashMap<Box<str>, Vec<Arc<OnEvent>>>,
    pub fallback: Option<Arc<With<Event>>>,
    pub error: Option<Arc<With<EventError>>>,
    pub server_side: Vec<Arc<OnServerSide>>,
    pub rooms: Vec<Arc<OnRoom>>,
    /// Few: they are looked through for each broadcast.
    pub takers: Vec<(Box<str>, Arc<Taker>)>,
}

/// A function that sees what is sent, while it is wanted.
#[derive(Clone)]
pub(super) struct Outgoing {
    wanted: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    listener: Arc<OnAnyOutgoing>,
}

/// A function that is called for a socket with something.
type With<T, Output = ()> = dyn Fn(Socket, T) -> BoxFuture<'static, Output> + Send + Sync;
pub(super) type EventMiddleware = With<Event, Result<Event, EventFault>>;
type Middleware = dyn Fn(Socket) -> BoxFuture<'static, Result<(), ConnectError>> + Send + Sync;
type OnConnect = dyn Fn(Socket) -> BoxFuture<'static, ()> + Send + Sync;
pub(super) type OnEvent =
    dyn Fn(Socket, Event) -> Result<BoxFuture<'static, ()>, ValueError> + Send + Sync;
type OnAny = dyn Fn(&Socket, &Event) + Send + Sync;
type OnAnyOutgoing = dyn Fn(&Socket, &str, &Args) + Send + Sync;
type OnServerSide = dyn Fn(ServerSideEvent) -> BoxFuture<'static, ()> + Send + Sync;
type OnRoom = dyn Fn(&RoomEvent) + Send + Sync;
pub(super) type Taker = dyn Fn(Taken) + Send + Sync;

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table().events.keys()).finish()
    }
}

impl Handlers {
    /// Those of a new namespace of a family. What is registered with the family later does not reach it.
    pub(super) fn copied(&self) -> Self {
        Handlers(ArcSwap::new(self.table()))
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.0.load_full()
    }

    /// As [`Handlers::table`], for a look that is over at once.
    pub(super) fn peek(&self) -> Guard<Arc<Table>> {
        self.0.load()
    }

    pub(super) fn change(&self, change: impl Fn(&mut Table)) -> &Self {
        self.0.rcu(|table| {
            let mut table = Table::clone(table);
            change(&mut table);
            table
        });
        self
    }

    /// Adds a function that decides whether a client may join. It sees the handshake with the auth payload,
    /// and may have the socket join rooms. The first that refuses decides.
    ///
    /// ```
    /// # use parlance::socketio::{ConnectError, Io, Socket};
    /// # use serde_json::json;
    /// # let io = Io::new();
    /// io.of("/admin").use_middleware(|socket: Socket| async move {
    ///     match socket.auth()["token"] == "secret" {
    ///         true => Ok(()),
    ///         false => Err(ConnectError::new("not you").data(json!({ "code": 7 }))),
    ///     }
    /// });
    /// ```
    pub fn use_middleware<Called>(
        &self,
        middleware: impl Fn(Socket) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let middleware =
            Arc::new(move |socket| Box::pin(middleware(socket)) as BoxFuture<'static, _>);
        self.change(|table| table.middleware.push(middleware.clone()))
    }

    /// As [`Handlers::use_middleware`], for what must never be skipped: it is asked before all middleware,
    /// and about clients as well who come back to a session that was kept.
    pub fn use_guard<Called>(
        &self,
        guard: impl Fn(Socket) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let guard = Arc::new(move |socket| Box::pin(guard(socket)) as BoxFuture<'static, _>);
        self.change(|table| table.guards.push(guard.clone()))
    }

    /// Adds a function that is called when a client has joined, and the packet that says so is queued.
    pub fn on_connect<Called>(
        &self,
        handler: impl Fn(Socket) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket| Box::pin(handler(socket)) as BoxFuture<'static, _>);
        self.change(|table| table.connect.push(handler.clone()))
    }

    /// Adds a function that is called when a client has left, while its socket still has its rooms.
    pub fn on_disconnecting<Called>(
        &self,
        handler: impl Fn(Socket, DisconnectReason) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, reason| {
            Box::pin(handler(socket, reason)) as BoxFuture<'static, _>
        });
        self.change(|table| table.disconnecting.push(handler.clone()))
    }

    /// Adds a function that is called when a client has left: once for each time that it joined.
    pub fn on_disconnect<Called>(
        &self,
        handler: impl Fn(Socket, DisconnectReason) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, reason| {
            Box::pin(handler(socket, reason)) as BoxFuture<'static, _>
        });
        self.change(|table| table.disconnect.push(handler.clone()))
    }

    /// Adds a handler of an event. Its first parameter is the socket; those that follow take the event's
    /// arguments, one each, in their types: see [`FromEvent`](super::FromEvent). If the types are others,
    /// the handler is not called, and [`Handlers::on_error`] hears of it.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use parlance::socketio::{Ack, Io, Socket};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Upload {
    ///     name: String,
    ///     content: Bytes,
    /// }
    ///
    /// let io = Io::new();
    /// let root = io.of("/");
    /// root.on("new message", |socket: Socket, text: String| async move {
    ///     socket.broadcast().emit("new message", (socket.id(), text));
    /// });
    /// root.on("upload", |socket: Socket, upload: Upload, public: Option<bool>, ack: Ack| async move {
    ///     ack.send(upload.content.len());
    ///     if public == Some(true) {
    ///         socket.to("readers").emit("uploaded", upload);
    ///     }
    /// });
    /// ```
    pub fn on<Parameters>(&self, event: &str, handler: impl EventHandler<Parameters>) -> &Self {
        let handler = boxed_handler(handler);
        self.change(|table| {
            let handlers = table.events.entry(event.into()).or_default();
            handlers.push(Arc::clone(&handler));
        })
    }

    /// Removes all handlers of an event, but for those of single sockets: see [`Socket::off`]. Calls that
    /// have begun go on.
    pub fn off(&self, event: &str) -> &Self {
        self.change(|table| drop(table.events.remove(event)))
    }

    /// Sets the handler of events that have no other.
    pub fn on_fallback<Called>(
        &self,
        handler: impl Fn(Socket, Event) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, event| {
            Box::pin(handler(socket, event)) as BoxFuture<'static, _>
        });
        self.change(|table| table.fallback = Some(handler.clone()))
    }

    /// Adds a function that sees each event of a client before its handlers.
    pub fn on_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> &Self {
        let listener = Arc::new(listener);
        self.change(|table| table.any.push(listener.clone()))
    }

    /// [`Handlers::on_any`] for a function that is called before those that are there.
    pub fn prepend_any(&self, listener: impl Fn(&Socket, &Event) + Send + Sync + 'static) -> &Self {
        let listener = Arc::new(listener);
        self.change(|table| table.any.insert(0, listener.clone()))
    }

    /// Removes all functions of [`Handlers::on_any`].
    pub fn off_any(&self) -> &Self {
        self.change(|table| table.any.clear())
    }

    /// Adds a function that sees each event that is sent to a client, for each client, and is called before
    /// it is sent. It may send, too, and is called for that as well.
    pub fn on_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &str, &Args) + Send + Sync + 'static,
    ) -> &Self {
        let outgoing = Outgoing { wanted: None, listener: Arc::new(listener) };
        self.change(|table| table.any_outgoing.push(outgoing.clone()))
    }

    /// As [`Handlers::on_any_outgoing`], at times when the function is wanted: at others nothing is made
    /// ready for it.
    pub(crate) fn on_any_outgoing_if(
        &self,
        wanted: impl Fn() -> bool + Send + Sync + 'static,
        listener: impl Fn(&Socket, &str, &Args) + Send + Sync + 'static,
    ) -> &Self {
        let outgoing = Outgoing { wanted: Some(Arc::new(wanted)), listener: Arc::new(listener) };
        self.change(|table| table.any_outgoing.push(outgoing.clone()))
    }

    /// [`Handlers::on_any_outgoing`] for a function that is called before those that are there.
    pub fn prepend_any_outgoing(
        &self,
        listener: impl Fn(&Socket, &str, &Args) + Send + Sync + 'static,
    ) -> &Self {
        let outgoing = Outgoing { wanted: None, listener: Arc::new(listener) };
        self.change(|table| table.any_outgoing.insert(0, outgoing.clone()))
    }

    /// Removes all functions of [`Handlers::on_any_outgoing`].
    pub fn off_any_outgoing(&self) -> &Self {
        self.change(|table| table.any_outgoing.retain(|it| it.wanted.is_some()))
    }

    /// Adds a function that each event of a client goes through before its handlers. It may change the
    /// event, or refuse it, of which [`Handlers::on_error`] hears. See also [`Socket::use_events`].
    pub fn use_events<Called>(
        &self,
        middleware: impl Fn(Socket, Event) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = Result<Event, EventFault>> + Send + 'static,
    {
        let middleware = boxed_middleware(middleware);
        self.change(|table| table.event_middleware.push(Arc::clone(&middleware)))
    }

    /// Sets the function that hears of events that no handler got, because their arguments are of another
    /// type, or a middleware refused them. It may send the acknowledgement. Without it, a client that
    /// waits for an acknowledgement gets an object whose `error` says what is wrong.
    pub fn on_error<Called>(
        &self,
        handler: impl Fn(Socket, EventError) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, error| {
            Box::pin(handler(socket, error)) as BoxFuture<'static, _>
        });
        self.change(|table| table.error = Some(handler.clone()))
    }

    /// Adds a function that gets the events that other nodes of a cluster send to this namespace by
    /// [`Namespace::server_side_emit`](super::Namespace::server_side_emit). It is called in the order in
    /// which they came; what its future does is in a task of its own.
    pub fn on_server_side<Called>(
        &self,
        handler: impl Fn(ServerSideEvent) -> Called + Send + Sync + 'static,
    ) -> &Self
    where
        Called: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |event| Box::pin(handler(event)) as BoxFuture<'static, _>);
        self.change(|table| table.server_side.push(handler.clone()))
    }

    /// Adds a function that hears of rooms on this node: that they come and go, and who joins and leaves.
    /// It is called while no lock is held.
    pub fn on_room(&self, listener: impl Fn(&RoomEvent) + Send + Sync + 'static) -> &Self {
        let listener = Arc::new(listener);
        self.change(|table| table.rooms.push(listener.clone()))
    }
}

pub(super) fn boxed_handler<Parameters>(handler: impl EventHandler<Parameters>) -> Arc<OnEvent> {
    Arc::new(move |socket, event| handler.call(socket, event))
}

pub(super) fn boxed_middleware<Called>(
    middleware: impl Fn(Socket, Event) -> Called + Send + Sync + 'static,
) -> Arc<EventMiddleware>
where
    Called: Future<Output = Result<Event, EventFault>> + Send + 'static,
{
    Arc::new(move |socket, event| Box::pin(middleware(socket, event)))
}

impl Table {
    /// Calls what wants to see an event that is sent. `event` gives it, if there is such a function.
    pub fn tell_outgoing<'a, E: Borrow<Args>>(
        &self,
        socket: &Socket,
        event: impl FnOnce() -> Option<(&'a str, E)>,
    ) {
        let mut listeners = self.listening().peekable();
        if listeners.peek().is_some()
            && let Some((name, args)) = event()
        {
            listeners.for_each(|listener| listener(socket, name, args.borrow()));
        }
    }

    /// Whether something wants to see now what is sent.
    pub fn is_overheard(&self) -> bool {
        self.listening().next().is_some()
    }

    /// What wants to see now what is sent.
    fn listening(&self) -> impl Iterator<Item = &OnAnyOutgoing> {
        let is_wanted = |it: &&Outgoing| it.wanted.as_ref().is_none_or(|wanted| wanted());
        self.any_outgoing.iter().filter(is_wanted).map(|it| &*it.listener)
    }

    /// Calls what is there for an event of a client.
    pub async fn dispatch(&self, socket: &Socket, mut event: Event) -> Result<(), EventError> {
        self.any.iter().for_each(|listener| listener(socket, &event));
        let own = socket.event_middleware();
        for middleware in self.event_middleware.iter().chain(own.iter()) {
            let (name, ack) = (event.name.clone(), event.ack.clone());
            match middleware(socket.clone(), event).await {
                Ok(passed) => event = passed,
                Err(fault) => return Err(EventError { name, fault, ack }),
            }
        }
        let shared = self.events.get(&*event.name).map_or(&[][..], Vec::as_slice);
        let own = socket.take_handlers(&event.name).into_boxed_slice();
        if shared.is_empty() && own.is_empty() {
            if let Some(fallback) = &self.fallback {
                fallback(socket.clone(), event).await;
            }
            return Ok(());
        }
        let (mut event, mut at) = (Some(event), 0);
        while let Some(handler) = shared.get(at).or_else(|| own.get(at - shared.len())) {
            at += 1;
            let last = at == shared.len() + own.len();
            // Nothing but the call is kept while it waits: the future stays small.
            let called = {
                let Some(event) = (if last { event.take() } else { event.clone() }) else { break };
                let (name, ack) = (event.name.clone(), event.ack.clone());
                handler(socket.clone(), event).map_err(|error| EventError {
                    name,
                    fault: error.into(),
                    ack,
                })?
            };
            called.await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
