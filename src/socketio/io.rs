//! The Socket.IO server: its namespaces.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::adapter::{Adapter, Local};
use super::connection::Connection;
use super::family::Family;
use super::handlers::Handlers;
use super::namespace::Namespace;
use super::node::LocalNode;
use super::recovery::RecoverySettings;
use crate::engine::{CloseReason, Handler, Receiver, Session};

/// A Socket.IO server; clones share it. An [`Engine`](crate::engine::Engine) runs it on its sessions.
///
/// ```
/// use parlance::engine::{Engine, Limits};
/// use parlance::socketio::{Io, Socket};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let io = Io::new();
/// io.of("/").on("chat message", |socket: Socket, text: String| async move {
///     socket.namespace().emit("chat message", text);
/// });
/// let engine = Engine::new(Limits::default(), io);
/// # }
/// ```
#[derive(Clone)]
pub struct Io(Arc<Inner>);

pub(super) struct Inner {
    namespaces: RwLock<HashMap<Arc<str>, Namespace>>,
    families: RwLock<Vec<Family>>,
    on_namespace: RwLock<Vec<Arc<OnNamespace>>>,
    connect_timeout: Duration,
    adapter: Box<MakeAdapter>,
    forgets_empty: bool,
    mistyped: AtomicU64,
    recoveries: AtomicU64,
    rooms: Arc<AtomicUsize>,
}

type OnNamespace = dyn Fn(&Namespace) + Send + Sync;
type MakeAdapter = dyn Fn(&Arc<LocalNode>) -> Arc<dyn Adapter> + Send + Sync;

/// See [`Io::builder`].
pub struct IoBuilder {
    connect_timeout: Duration,
    adapter: Box<MakeAdapter>,
    forgets_empty: bool,
}

/// How long a new session may take to join a namespace, if nobody says.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(45);

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.lock_namespaces().keys()).finish()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}

impl fmt::Debug for IoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IoBuilder").field(&self.connect_timeout).finish()
    }
}

impl Default for Io {
    fn default() -> Self {
        Io::new()
    }
}

impl IoBuilder {
    /// A new session of a client that has to ask for a namespace is closed if it has joined none within
    /// this time: 45 seconds, if nobody says.
    #[must_use]
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// Sets what makes the adapter of each namespace; [`Local`] is the default.
    #[must_use]
    pub fn adapter(
        mut self,
        make: impl Fn(&Arc<LocalNode>) -> Arc<dyn Adapter> + Send + Sync + 'static,
    ) -> Self {
        self.adapter = Box::new(make);
        self
    }

    /// Turns connection state recovery on, in memory: a client of Socket.IO 4.6 or later that lost its
    /// connection gets its session back, with its rooms, and what it missed. Sets the adapter.
    ///
    /// ```
    /// use parlance::socketio::{Io, RecoverySettings};
    ///
    /// let io = Io::builder().recovery(RecoverySettings::default()).build();
    /// ```
    #[must_use]
    pub fn recovery(self, settings: RecoverySettings) -> Self {
        self.adapter(move |node| Arc::new(Local::recovering(node, settings)))
    }

    /// Whether a namespace of a family is forgotten with its last client; it is, if nobody says. If not,
    /// clients decide how many there are: [`Io::of_family`] should allow few names only.
    #[must_use]
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.forgets_empty = cleanup;
        self
    }

    /// Makes the server.
    pub fn build(self) -> Io {
        Io(Arc::new(Inner {
            namespaces: RwLock::default(),
            families: RwLock::default(),
            on_namespace: RwLock::default(),
            connect_timeout: self.connect_timeout,
            adapter: self.adapter,
            forgets_empty: self.forgets_empty,
            mistyped: AtomicU64::new(0),
            recoveries: AtomicU64::new(0),
            rooms: Arc::default(),
        }))
    }
}

impl Io {
    /// A server for one node, with the default namespace alone.
    pub fn new() -> Self {
        Io::builder().build()
    }

    /// For a server with settings of its own.
    pub fn builder() -> IoBuilder {
        let adapter: Box<MakeAdapter> = Box::new(|node| Arc::new(Local::new(node)));
        IoBuilder { connect_timeout: CONNECT_TIMEOUT, adapter, forgets_empty: true }
    }

    /// The namespace of that name, which clients may join from now on. A slash is put before a name
    /// that has none; the default namespace is `/`, which clients may join in any case. If the pattern
    /// of [`Io::of_pattern`] matches the name, it begins as one of that family.
    pub fn of(&self, name: &str) -> Namespace {
        let name: Arc<str> = match name.starts_with('/') {
            true => name.into(),
            false => format!("/{name}").into(),
        };
        let namespace = self.get_or_make(&name, self.family_of(&name), false);
        namespace.keep();
        namespace
    }

    fn family_of(&self, name: &str) -> Option<Family> {
        let families = self.0.families.read().unwrap_or_else(PoisonError::into_inner);
        families.iter().find(|family| family.matches(name)).cloned()
    }

    /// Lets clients join each namespace whose name a function allows; it sees the auth payload as well.
    /// Those of [`Io::of`] come first, then families in the order in which they were made. A namespace of
    /// a family is forgotten when its last client has gone, unless [`Io::of`] was called for it.
    ///
    /// ```
    /// # use parlance::socketio::{Io, Socket};
    /// # use serde_json::Value;
    /// # let io = Io::new();
    /// let rooms = io.of_family(|name: String, _auth: Value| async move {
    ///     name.strip_prefix("/room-").is_some_and(|number| number.parse::<u16>().is_ok())
    /// });
    /// rooms.on_connect(|socket: Socket| async move {
    ///     socket.namespace().emit("somebody came", socket.id());
    /// });
    /// ```
    pub fn of_family<Called>(
        &self,
        allows: impl Fn(String, Value) -> Called + Send + Sync + 'static,
    ) -> Family
    where
        Called: Future<Output = bool> + Send + 'static,
    {
        self.add_family(Family::new(Arc::downgrade(&self.0), allows, None))
    }

    fn add_family(&self, family: Family) -> Family {
        let mut families = self.0.families.write().unwrap_or_else(PoisonError::into_inner);
        families.push(family.clone());
        family
    }

    /// Lets clients join each namespace whose name a regular expression matches.
    ///
    /// # Errors
    /// If it is no regular expression.
    pub fn of_pattern(&self, pattern: &str) -> Result<Family, fancy_regex::Error> {
        let pattern = fancy_regex::Regex::new(pattern)?;
        let matches = Arc::new(move |name: &str| pattern.is_match(name).unwrap_or(false));
        let matched = Box::new({
            let matches = Arc::clone(&matches);
            move |name: &str| matches(name)
        });
        let allows = move |name: String, _auth| std::future::ready(matches(&name));
        Ok(self.add_family(Family::new(Arc::downgrade(&self.0), allows, Some(matched))))
    }

    /// Has a function called with each new namespace, whoever asked for it.
    pub fn on_namespace(&self, listener: impl Fn(&Namespace) + Send + Sync + 'static) -> &Self {
        let mut listeners = self.0.on_namespace.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(Arc::new(listener));
        self
    }

    /// The namespaces that there are: the default one from when somebody asks for it.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.0.namespaces()
    }

    /// How many events had arguments that their handler does not take.
    pub fn mistyped_events(&self) -> u64 {
        self.0.mistyped.load(Ordering::Relaxed)
    }

    /// How many clients got back the session that they had lost: see [`IoBuilder::recovery`].
    pub fn recoveries(&self) -> u64 {
        self.0.recoveries.load(Ordering::Relaxed)
    }

    /// How many rooms there are on this node, in all namespaces. Those of socket ids do not count.
    pub fn room_count(&self) -> usize {
        self.0.rooms.load(Ordering::Relaxed)
    }

    pub(super) fn count_recovery(&self) {
        self.0.recoveries.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_mistyped(&self) {
        self.0.mistyped.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the other nodes of a cluster that this one leaves.
    pub async fn close(&self) {
        for namespace in self.namespaces() {
            namespace.adapter().close().await;
        }
    }

    /// The namespace that a client asks for, with a place in it; `None` if there is none for it.
    pub(super) async fn enter(&self, name: &Arc<str>, auth: &Value) -> Option<Namespace> {
        let enter = |name: &Arc<str>| {
            // Under the lock, so that it is not forgotten meanwhile.
            let namespaces = self.0.lock_namespaces();
            let open = namespaces.get(name).filter(|namespace| !namespace.is_passing());
            open.inspect(|namespace| namespace.enter()).cloned()
        };
        if let Some(namespace) = enter(name) {
            return Some(namespace);
        }
        // Each client is asked about, even if another is there already.
        let families = self.0.families.read().unwrap_or_else(PoisonError::into_inner).clone();
        for family in families {
            if family.allows(name, auth).await {
                return Some(self.get_or_make(name, Some(family), true));
            }
        }
        if **name != *"/" {
            return None;
        }
        // Older clients are in it before they join another.
        let root = self.get_or_make(name, None, true);
        root.keep();
        Some(root)
    }

    /// The namespace of that name. With `entered`, it has one guest more.
    fn get_or_make(&self, name: &Arc<str>, family: Option<Family>, entered: bool) -> Namespace {
        let mut namespaces = self.0.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        let (namespace, new) = match namespaces.entry(Arc::clone(name)) {
            Entry::Occupied(entry) => (entry.get().clone(), false),
            Entry::Vacant(entry) => {
                let io = Arc::downgrade(&self.0);
                let handlers = family.as_ref().map_or_else(Handlers::default, |it| it.copied());
                let node = LocalNode::new(Arc::clone(name), handlers, Arc::clone(&self.0.rooms));
                let namespace = Namespace::new(node, family, io, entered);
                (entry.insert(namespace).clone(), true)
            }
        };
        if entered {
            namespace.enter();
        }
        drop(namespaces);
        if new {
            // Other nodes are to know of it from the start.
            namespace.adapter();
            let listeners =
                self.0.on_namespace.read().unwrap_or_else(PoisonError::into_inner).clone();
            listeners.iter().for_each(|listener| listener(&namespace));
        }
        namespace
    }
}

impl Inner {
    fn lock_namespaces(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Arc<str>, Namespace>> {
        self.namespaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn namespaces(&self) -> Vec<Namespace> {
        self.lock_namespaces().values().cloned().collect()
    }

    pub fn make_adapter(&self, node: &Arc<LocalNode>) -> Arc<dyn Adapter> {
        (self.adapter)(node)
    }

    /// Forgets the namespace, if that is still right when nobody can enter.
    pub fn forget_if(&self, name: &Arc<str>, abandoned: impl Fn() -> bool) {
        let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        if self.forgets_empty && abandoned() {
            namespaces.remove(name);
        }
    }
}

impl Handler for Io {
    fn open(&self, session: &Arc<Session>) -> Box<dyn Receiver> {
        if !session.dialect().rules().joins_by_itself {
            let deadline = Instant::now() + self.0.connect_timeout;
            session.expire(Some((deadline, CloseReason::ConnectTimeout)));
        }
        Box::new(Connection::new(self.clone(), Arc::clone(session)))
    }
}
