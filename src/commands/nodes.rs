//! This node of a cluster, from the settings: who it is, where the others are, and what balancers stick by.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::essential::Essential;
use super::signals::ReloadSignal;
use crate::cluster::redis::{Redis, RedisNodes};
use crate::config::{HostPort, Settings};
use crate::engine;
use crate::negotiate::Cookie;
use crate::relay::{Directory, Node, NodeList, NodeTls, Relay, RelayLimits};
use crate::server::{self, Listener};

/// How long a node that says nothing is in the directory at a Redis.
const LEASE: Duration = Duration::from_secs(15);

/// Between two looks whether the other nodes are of this cluster.
const LOOK: Duration = Duration::from_secs(10);

/// This node and the others.
pub(super) struct Nodes {
    node: Arc<Node>,
    /// `None` if they find each other at the Redis of `cluster`.
    list: Option<NodeList>,
    listen: HostPort,
    limits: RelayLimits,
}

impl Nodes {
    /// `None` if there are no others.
    ///
    /// # Errors
    /// If the key, a certificate or the list cannot be used. The error is one line and names the setting.
    pub fn of(settings: &Settings) -> Result<Option<Self>> {
        let Settings { cluster_key: Some(key), node_listen: Some(listen), .. } = settings else {
            return Ok(None);
        };
        let files = (&settings.node_tls_cert, &settings.node_tls_key, &settings.node_tls_ca);
        let tls = match files {
            (Some(cert), Some(key), Some(authority)) => Some(NodeTls::load(cert, key, authority)?),
            _ => None,
        };
        let own = settings.own_node().unwrap_or(listen).to_string();
        let node = Arc::new(Node::new(key, &own, tls).context("cluster-key")?);
        let others: Vec<String> = settings.nodes.iter().map(ToString::to_string).collect();
        let list = match &*others {
            [] => None,
            all => {
                let list = NodeList::new(&node, all.iter().map(String::as_str));
                Some(list.map_err(anyhow::Error::msg).context("nodes")?)
            }
        };
        let limits = RelayLimits {
            connections: settings.node_connections,
            // A poll is parked for less than a heartbeat and its answer take.
            patience: settings.ping_interval + settings.ping_timeout + settings.body_timeout,
        };
        Ok(Some(Nodes { node, list, listen: listen.clone(), limits }))
    }

    /// Where the others pass on requests.
    pub async fn listener(&self) -> Result<Listener> {
        let HostPort { host, port } = &self.listen;
        let listener = server::bind_for("node-listen", Some(host), *port).await?;
        Ok(listener.for_nodes(Arc::clone(&self.node)))
    }

    /// Passes requests on to the others, and takes their common name. Without a list they are found at `redis`, by
    /// keys that begin with `prefix`.
    pub async fn relay(self, redis: Option<&Redis>, prefix: &str) -> Relay {
        let Nodes { node, list, limits, .. } = self;
        engine::name_process(node.cluster_name());
        let directory: Arc<dyn Directory> = match (list, redis) {
            (None, Some(redis)) => {
                let node = Arc::clone(&node);
                Arc::new(RedisNodes::join(redis.clone(), prefix, node, LEASE).await)
            }
            (list, _) => Arc::new(list.unwrap_or_default()),
        };
        Relay::new(node, directory, limits)
    }
}

/// Looks at the other nodes, and at the certificates for them, from now on.
///
/// # Errors
/// If the system gives no signals.
pub(super) fn watch(relay: &Relay, essential: &mut Essential) -> Result<()> {
    if let Some(tls) = relay.node().tls() {
        let (files, tls) = (tls.watch(), tls.clone());
        let watching = ReloadSignal::new()?.follow(files, move |found| tls.take(found));
        essential.spawn("the watcher of the certificates of nodes", watching);
    }
    essential.spawn("the look at other nodes", relay.clone().watch_peers(LOOK));
    Ok(())
}

/// The cookie that balancers stick by, if there is to be one.
///
/// # Errors
/// If it cannot be named like that.
pub(super) fn cookie(settings: &Settings) -> Result<Option<Cookie>> {
    let Some(name) = &settings.cookie else { return Ok(None) };
    let cookie = Cookie::named(name).and_then(|cookie| cookie.path(&settings.base_path));
    Ok(Some(cookie.context("cookie")?.secure(!settings.tls_cert.is_empty())))
}
