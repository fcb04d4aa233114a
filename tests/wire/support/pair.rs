//! Two nodes, and a proxy before them that sends each request for a session to the node that does not have it.

use std::net::SocketAddr;
use std::sync::Arc;

use parlance::admission::Gate;
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::policy::Policy;
use parlance::relay::{Node, NodeList, Relay, RelayLimits};
use parlance::server::{self, HttpLimits, Listener, Mount, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::apps::Echo;

/// What the nodes of tests share.
pub const KEY: &str = "a secret that the nodes of tests share";

/// A node that can be joined by others.
pub struct TestNode {
    listener: Listener,
    relay: Relay,
}

/// A node that is to be the owner of all sessions, and the address of one that has none.
pub struct Pair {
    pub owner: TestNode,
    pub other: SocketAddr,
}

impl TestNode {
    /// Nodes on free ports, which all know each other.
    pub async fn several<const N: usize>(limits: RelayLimits) -> [TestNode; N] {
        let mut listeners = Vec::new();
        for _ in 0..N {
            listeners.push(server::bind(Some("127.0.0.1"), 0).await.expect("a free port"));
        }
        let address = |listener: &Listener| listener.local_addr().expect("an address").to_string();
        let addresses: Vec<String> = listeners.iter().map(address).collect();
        let mut own = addresses.iter();
        let mut listeners = listeners.into_iter();
        std::array::from_fn(|_| {
            let listener = listeners.next().expect("one for each");
            let relay = relay(KEY, own.next().expect("one for each"), &addresses, limits);
            TestNode { listener, relay }
        })
    }

    /// The relay to the others.
    pub fn relay(&self) -> Relay {
        self.relay.clone()
    }

    /// Makes a negotiator that of this node, and has it listen for others.
    pub fn join(
        self,
        engine: &Engine,
        negotiator: Negotiator,
        mount: &Mount,
        http: &HttpLimits,
    ) -> Negotiator {
        let node = Arc::clone(self.relay.node());
        let named = Arc::clone(&node);
        engine.name_sessions(move || named.new_sid());
        let negotiator = negotiator.relay(self.relay);
        let accepting = Server::for_nodes(mount.clone(), negotiator.clone(), http.clone(), 1000);
        tokio::spawn(async move { accepting.run(self.listener.for_nodes(node)).await });
        negotiator
    }

    /// Serves clients as this node, without sessions of its own: it passes on what it gets for those of others.
    /// Returns its address for clients.
    pub async fn serve(
        self,
        policy: Policy,
        limits: &Limits,
        mount: &Mount,
        http: &HttpLimits,
    ) -> SocketAddr {
        let engine = Engine::new(limits.clone(), Echo);
        let negotiator = Negotiator::new(engine.clone(), Gate::new(policy));
        let negotiator = self.join(&engine, negotiator, mount, http);
        let server = Server::new(mount.clone(), negotiator, None, http.clone());
        let listener = server::bind(Some("127.0.0.1"), 0).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { server.run(listener).await });
        address
    }
}

impl Pair {
    pub async fn new(policy: Policy, limits: &Limits, mount: &Mount, http: &HttpLimits) -> Self {
        let [owner, other] = TestNode::several(RelayLimits::default()).await;
        Pair { owner, other: other.serve(policy, limits, mount, http).await }
    }
}

/// A relay of the node at `own`.
pub fn relay(key: &str, own: &str, addresses: &[String], limits: RelayLimits) -> Relay {
    let node = Arc::new(Node::new(key, own, None).expect("a key"));
    let list = NodeList::new(&node, addresses.iter().map(String::as_str)).expect("a list");
    Relay::new(node, Arc::new(list), limits)
}

/// A proxy that sends requests for sessions to `other`, and the rest to `owner`. Returns its address.
pub async fn proxy(owner: SocketAddr, other: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, owner, other));
        }
    });
    address
}

/// Whether a request is one of a session, as far as a balancer could see.
fn has_sid(head: &str) -> bool {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.contains("sid=") || target.matches('/').count() > 3
}

type ToClient = Arc<Mutex<OwnedWriteHalf>>;

async fn carry(client: TcpStream, owner: SocketAddr, other: SocketAddr) {
    let _ = client.set_nodelay(true);
    let (mut from, to) = client.into_split();
    let to: ToClient = Arc::new(Mutex::new(to));
    let mut upstreams: [Option<OwnedWriteHalf>; 2] = [None, None];
    let mut input = Vec::new();
    loop {
        let end = input.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4);
        let Some(end) = end else {
            match from.read_buf(&mut input).await {
                Ok(count) if count > 0 => continue,
                Ok(_) => {}
                // As the client ended it.
                Err(_) => return,
            }
            // Such as a head that is not finished.
            if !input.is_empty() {
                raw(&mut from, upstream(&mut upstreams[0], owner, &to).await, &input).await;
            }
            for upstream in upstreams.iter_mut().flatten() {
                let _ = upstream.shutdown().await;
            }
            return;
        };
        let head = String::from_utf8_lossy(&input[..end]).into_owned();
        let lower = head.to_ascii_lowercase();
        let to_other = usize::from(has_sid(&head));
        let address = [owner, other][to_other];
        let upstream = upstream(&mut upstreams[to_other], address, &to).await;
        if lower.contains("\r\nupgrade:") || lower.contains("\r\ntransfer-encoding:") {
            return raw(&mut from, upstream, &input).await;
        }
        let length = lower.split("\r\ncontent-length:").nth(1);
        let length = length.and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
        let mut left = end + length.unwrap_or(0_usize);
        while left > 0 {
            let now = left.min(input.len());
            if upstream.write_all(&input[..now]).await.is_err() {
                return;
            }
            input.drain(..now);
            left -= now;
            if left > 0 && !matches!(from.read_buf(&mut input).await, Ok(1..)) {
                return;
            }
        }
    }
}

async fn upstream<'a>(
    slot: &'a mut Option<OwnedWriteHalf>,
    address: SocketAddr,
    to: &ToClient,
) -> &'a mut OwnedWriteHalf {
    if slot.is_none() {
        let stream = TcpStream::connect(address).await.expect("the node accepts");
        let _ = stream.set_nodelay(true);
        let (mut from, write) = stream.into_split();
        let to = Arc::clone(to);
        tokio::spawn(async move {
            let mut bytes = vec![0; 16 * 1024];
            while let Ok(count @ 1..) = from.read(&mut bytes).await {
                if to.lock().await.write_all(&bytes[..count]).await.is_err() {
                    return;
                }
            }
            let _ = to.lock().await.shutdown().await;
        });
        *slot = Some(write);
    }
    slot.as_mut().expect("it was filled")
}

/// Carries all that is left of a connection.
async fn raw(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, first: &[u8]) {
    if to.write_all(first).await.is_ok() && tokio::io::copy(from, to).await.is_ok() {
        let _ = to.shutdown().await;
    }
}
