//! Whoever takes nothing of what another node says, and nodes that take nothing of what clients say: what is held in
//! between for them comes to an end.
//!
//! The other node is one until it has proved that; then the test speaks in its place, so that it can stop at any byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parlance::admission::Gate;
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::policy::{Policy, Transports};
use parlance::relay::{Node, Relay, RelayLimits};
use parlance::server::{self, HttpLimits, Server};
use parlance::transport;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::apps::Echo;
use crate::support::pair::{KEY, relay};
use crate::support::server::MOUNT;
use crate::support::{soon, until};

const UPGRADED: &str = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n";
const LONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";

/// Far more than anything here takes.
const NEVER: Duration = Duration::from_secs(600);
const SOON: Duration = Duration::from_secs(3);

/// Who says much that nobody takes, and what then becomes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// The client takes nothing, and the owner cuts it off, as it does with readers that are too slow.
    OwnerCuts,
    /// The client takes nothing, and nobody ends anything.
    ClientStays,
    /// The owner takes nothing, and the client goes.
    ClientEnds,
    /// The owner takes nothing, and nobody ends anything.
    OwnerStays,
}

/// A request, with the id of the session to be put in, what the owner begins to answer, what becomes of it, and how long
/// a node waits.
const CASES: [(&str, &str, Fate, Duration); 9] = [
    ("WS /socket.io/?EIO=4&transport=websocket&sid=", UPGRADED, Fate::OwnerCuts, NEVER),
    ("WS /socket.io/?EIO=4&transport=websocket&sid=", UPGRADED, Fate::ClientStays, SOON),
    ("WS /socket.io/?EIO=4&transport=websocket&sid=", UPGRADED, Fate::ClientEnds, NEVER),
    ("WS /socket.io/?EIO=4&transport=websocket&sid=", UPGRADED, Fate::OwnerStays, SOON),
    ("GET /socket.io/?EIO=4&transport=eventsource&sid=", CHUNKED, Fate::OwnerCuts, NEVER),
    ("GET /socket.io/1/htmlfile/", CHUNKED, Fate::OwnerCuts, NEVER),
    ("GET /socket.io/?EIO=4&transport=polling&sid=", LONG, Fate::OwnerCuts, NEVER),
    ("POST /socket.io/?EIO=4&transport=polling&sid=", "", Fate::OwnerStays, SOON),
    ("POST /socket.io/1/xhr-polling/", "", Fate::OwnerStays, SOON),
];

#[tokio::test]
async fn what_nobody_takes_is_not_held_for_ever() {
    join_all(CASES.map(|(line, answer, fate, patience)| async move {
        let case = format!("{line} {fate:?}");
        let (told, asked) = oneshot::channel();
        let owner = owner(answer, fate, told).await;
        let limits = RelayLimits { connections: 1, patience };
        let (node, relay) = node_beside(&owner, limits).await;
        let sid = Node::new(KEY, &owner, None).unwrap().new_sid().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = socket.connect(node).await.unwrap();
        client.write_all(&head(line, &sid.to_string())).await.unwrap();
        soon("it is passed on", asked).await.unwrap();
        assert_eq!(relay.connections(), 1, "{case}");
        if matches!(fate, Fate::ClientEnds | Fate::OwnerStays) {
            fill(&mut client).await;
        }
        if fate == Fate::ClientEnds {
            drop(client);
        } else {
            let ended = async { while client.write_all(&[0; 4096]).await.is_ok() {} };
            match fate {
                // It is cut off.
                Fate::OwnerStays if answer.is_empty() => {}
                Fate::OwnerStays => soon(&case, ended).await,
                _ => until(&case, || relay.connections() == 0).await,
            }
        }
        until(&case, || (relay.connections(), relay.counts().open()) == (0, 0)).await;
    }))
    .await;
}

fn head(line: &str, sid: &str) -> Vec<u8> {
    let (method, path) = line.split_once(' ').unwrap();
    let rest = match method {
        "WS" => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        }
        "POST" => "Content-Length: 1000000000\r\n",
        _ => "",
    };
    let method = if method == "WS" { "GET" } else { method };
    format!("{method} {path}{sid} HTTP/1.1\r\nHost: a\r\n{rest}\r\n").into_bytes()
}

/// Writes until nothing more is taken.
async fn fill(stream: &mut TcpStream) {
    let much = vec![b'x'; 1 << 16];
    while let Ok(Ok(1..)) = timeout(SOON / 2, stream.write(&much)).await {}
}

/// A node for clients, whose only other node is at that address.
async fn node_beside(other: &str, limits: RelayLimits) -> (SocketAddr, Relay) {
    let addresses = ["192.0.2.1:1".to_owned(), other.to_owned()];
    let relay = relay(KEY, &addresses[0], &addresses, limits);
    let engine = Engine::new(Limits::default(), Echo);
    let negotiator = Negotiator::new(engine, gate()).relay(relay.clone());
    let server = Server::new(MOUNT, negotiator, None, HttpLimits::default());
    let listener = server::bind(Some("127.0.0.1"), 0).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { server.run(listener).await });
    (address, relay)
}

fn gate() -> Arc<Gate> {
    Gate::new(Policy::open(Transports::all(transport::names())))
}

/// The owner of all sessions, for one request. Says when it has come.
async fn owner(answer: &'static str, fate: Fate, told: oneshot::Sender<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let node = Arc::new(Node::new(KEY, &address, None).unwrap());
    let behind = server::bind(Some("127.0.0.1"), 0).await.unwrap();
    let at = behind.local_addr().unwrap();
    let negotiator = Negotiator::new(Engine::new(Limits::default(), Echo), gate());
    let server = Server::for_nodes(MOUNT, negotiator, HttpLimits::default(), 10);
    tokio::spawn(async move { server.run(behind.for_nodes(node)).await });
    tokio::spawn(async move {
        let (mut asking, _) = listener.accept().await.unwrap();
        let mut proving = TcpStream::connect(at).await.unwrap();
        let (mut said, mut proof) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                count = asking.read(&mut said) => {
                    let count = count.unwrap();
                    if [&b"GET "[..], b"POST "].iter().any(|it| said[..count].starts_with(it)) {
                        break;
                    }
                    proving.write_all(&said[..count]).await.unwrap();
                }
                count = proving.read(&mut proof) => {
                    asking.write_all(&proof[..count.unwrap()]).await.unwrap();
                }
            }
        }
        asking.write_all(answer.as_bytes()).await.unwrap();
        let _ = told.send(());
        if matches!(fate, Fate::OwnerCuts | Fate::ClientStays) {
            fill(&mut asking).await;
        }
        match fate {
            Fate::OwnerCuts => asking.set_zero_linger().unwrap(),
            _ => std::future::pending::<()>().await,
        }
    });
    address
}
