//! Families of namespaces: those whose names a function allows.

use std::ops::Deref;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::handlers::Handlers;

/// The namespaces that a function allows: see [`Io::of_family`](super::Io::of_family). It has all methods
/// of [`Handlers`]; a new namespace begins with what is registered here by then.
#[derive(Clone)]
pub struct Family(Arc<Inner>);

struct Inner {
    allows: Box<Allows>,
    handlers: Handlers,
}

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
        allows: impl Fn(String, Value) -> Called + Send + Sync + 'static,
    ) -> Self
    where
        Called: Future<Output = bool> + Send + 'static,
    {
        let allows =
            Box::new(move |name, auth| Box::pin(allows(name, auth)) as BoxFuture<'static, _>);
        Family(Arc::new(Inner { allows, handlers: Handlers::default() }))
    }

    pub(super) async fn allows(&self, name: &str, auth: &Value) -> bool {
        (self.0.allows)(name.to_owned(), auth.clone()).await
    }
}
