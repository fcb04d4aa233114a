//! Families of namespaces: those whose names a function allows.

use std::ops::Deref;
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use serde_json::Value;

use super::handlers::Handlers;
use super::io::Inner as Io;
use super::namespace::Namespace;
use super::socket::writable;
use super::values::IntoArgs;

/// The namespaces that a function allows: see [`Io::of_family`](super::Io::of_family). It has all methods
/// of [`Handlers`]; a new namespace begins with what is registered here by then.
#[derive(Clone)]
pub struct Family(Arc<Inner>);

struct Inner {
    allows: Box<Allows>,
    /// Whether a namespace that the application asks for by name is one of them.
    matches: Option<Box<Matches>>,
    handlers: Handlers,
    io: Weak<Io>,
}

pub(super) type Matches = dyn Fn(&str) -> bool + Send + Sync;
type Allows = dyn Fn(String, Value) -> BoxFuture<'static, bool> + Send + Sync;

impl std::fmt::Debug for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Family").field(&self.0.handlers).finish()
    }
}

impl Deref for Family {
    type Target = Handlers;

    fn deref(&self) -> &Handlers {
        &self.0.handlers
    }
}

impl Family {
    pub(super) fn new<Called>(
        io: Weak<Io>,
        allows: impl Fn(String, Value) -> Called + Send + Sync + 'static,
        matches: Option<Box<Matches>>,
    ) -> Self
    where
        Called: Future<Output = bool> + Send + 'static,
    {
        let allows =
            Box::new(move |name, auth| Box::pin(allows(name, auth)) as BoxFuture<'static, _>);
        Family(Arc::new(Inner { allows, matches, handlers: Handlers::default(), io }))
    }

    /// Its namespaces that there are on this node.
    pub fn namespaces(&self) -> Vec<Namespace> {
        let Some(io) = self.0.io.upgrade() else { return Vec::new() };
        io.namespaces().into_iter().filter(|it| it.family() == Some(self)).collect()
    }

    /// Sends an event to all sockets of all its namespaces that there are on this node. For some of them,
    /// go through [`Family::namespaces`].
    ///
    /// ```
    /// # let io = parlance::socketio::Io::new();
    /// let rooms = io.of_pattern(r"^/room-\d+$")?;
    /// rooms.emit("closing soon", 5);
    /// for namespace in rooms.namespaces() {
    ///     namespace.to("moderators").emit("please tidy up", ());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn emit(&self, name: &str, args: impl IntoArgs) {
        if let Some(args) = writable(name, args) {
            self.namespaces().iter().for_each(|namespace| namespace.emit(name, args.clone()));
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.matches.as_ref().is_some_and(|matches| matches(name))
    }

    pub(super) async fn allows(&self, name: &str, auth: &Value) -> bool {
        (self.0.allows)(name.to_owned(), auth.clone()).await
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
