//! What holds for any adapter, with one, two and three nodes. An adapter is a way to make a cluster: see
//! [`CLUSTERS`].

use std::sync::{Arc, Mutex};
use std::time::Duration;

use parlance::cluster::InProcess;
use parlance::cluster::redis::{
    PubSubSettings, Redis, RedisPubSub, RedisSharded, RedisStreams, RedisUrl, ShardedSettings,
    StreamSettings,
};
use parlance::socketio::{Answers, ClusterLink, Io, RoomEvent, ServerSideEvent, Taken};
use serde_json::json;

use super::client;
use crate::support::client::Client;
use crate::support::packets::Eio;
use crate::support::redis::RedisServer;
use crate::support::server::{Setup, TestServer};
use crate::support::{soon, until};

/// A way to make a cluster.
struct Cluster {
    name: &'static str,
    /// The largest that is tried.
    most: usize,
    make: fn(&str) -> MakeNode,
    on_redis: bool,
}

/// Makes the Socket.IO of one node more.
type MakeNode = Box<dyn Fn() -> Io>;

/// Each with what its nodes meet at: the URL of a Redis, if they need one.
const CLUSTERS: [Cluster; 5] = [
    Cluster { name: "local", most: 1, make: |_| Box::new(Io::new), on_redis: false },
    Cluster {
        name: "in process",
        most: 3,
        make: |_| {
            let cluster = InProcess::new();
            Box::new(move || {
                let cluster = cluster.clone();
                Io::builder().adapter(move |node| cluster.adapter(node)).build()
            })
        },
        on_redis: false,
    },
    Cluster {
        name: "redis",
        most: 3,
        make: |url| {
            let url: RedisUrl = url.parse().unwrap();
            Box::new(move || {
                let redis = Redis::connect(url.clone());
                let cluster = RedisPubSub::new(redis, PubSubSettings::default());
                Io::builder().adapter(move |node| cluster.adapter(node)).build()
            })
        },
        on_redis: true,
    },
    Cluster {
        name: "redis-sharded",
        most: 3,
        make: |url| {
            let url: RedisUrl = url.parse().unwrap();
            Box::new(move || {
                let redis = Redis::connect(url.clone());
                let sharded = RedisSharded::new(redis, ShardedSettings::default());
                Io::builder().adapter(move |node| sharded.adapter(node)).build()
            })
        },
        on_redis: true,
    },
    Cluster {
        name: "redis-streams",
        most: 3,
        make: |url| {
            let url: RedisUrl = url.parse().unwrap();
            Box::new(move || {
                let redis = Redis::connect(url.clone());
                let streams = RedisStreams::new(redis, StreamSettings::default());
                Io::builder().adapter(move |node| streams.adapter(node)).build()
            })
        },
        on_redis: true,
    },
];

/// A node, with a client of each protocol, and their sockets' ids.
struct Node {
    _server: TestServer,
    io: Io,
    clients: Vec<(Client, String)>,
}

/// Runs a test with each adapter and each number of nodes.
async fn everywhere(serve: impl Fn(&Io, usize), test: impl AsyncFn(Vec<Node>)) {
    for Cluster { name, most, make, on_redis } in CLUSTERS {
        for count in 1..=most {
            let redis = match on_redis {
                true => Some(RedisServer::start().await),
                false => None,
            };
            let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
            let make = make(&url);
            let mut nodes = Vec::new();
            for number in 0..count {
                let io = make();
                io.of("/");
                serve(&io, number);
                let server = Setup::default().start_io(io.clone(), |_| ()).await;
                let clients = vec![client(&server, Eio::V4).await, client(&server, Eio::V3).await];
                nodes.push(Node { _server: server, io, clients });
            }
            for Node { io, .. } in &nodes {
                let root = io.of("/");
                let known = async || {
                    while root.server_count().await < count {
                        tokio::task::yield_now().await;
                    }
                };
                soon("the nodes know each other", known()).await;
                until("they can be reached", || !root.adapter().status().is_alone()).await;
                let reads = || name != "redis-streams" || root.adapter().place().is_some();
                until("it reads", reads).await;
            }
            eprintln!("{name}, {count} nodes");
            test(nodes).await;
        }
    }
}

fn all(nodes: &mut [Node]) -> impl Iterator<Item = &mut (Client, String)> {
    nodes.iter_mut().flat_map(|node| node.clients.iter_mut())
}

#[tokio::test]
async fn broadcasts_reach_whom_they_are_for() {
    everywhere(
        |_, _| (),
        async |mut nodes| {
            let first = nodes[0].io.of("/");
            let one = nodes.last().unwrap().clients[1].1.clone();
            let sender = nodes[0].clients[0].1.clone();
            first.to(&one).sockets_join("r");
            // In the order in which one node sends, everybody hears it.
            first.emit("all", bytes::Bytes::from_static(&[1]));
            first.to("r").emit("room", (1, "x"));
            first.except("r").emit("others", ());
            first.to(&one).emit("one", ());
            first.socket(&sender).unwrap().broadcast().emit("from one", ());
            first.local().emit("here", ());
            first.emit("end", json!({ "a": [null, 1.5] }));
            let count = nodes.len();
            for (number, (client, id)) in all(&mut nodes).enumerate() {
                assert!(client.text().await.starts_with("451-[\"all\","));
                client.next().await;
                let mut expected = vec![];
                match *id == one {
                    true => expected.extend(["42[\"room\",1,\"x\"]", "42[\"one\"]"]),
                    false => expected.push("42[\"others\"]"),
                }
                expected.extend((*id != sender).then_some("42[\"from one\"]"));
                expected.extend((number < 2).then_some("42[\"here\"]"));
                expected.push("42[\"end\",{\"a\":[null,1.5]}]");
                for expected in expected {
                    assert_eq!(client.text().await, expected, "{number} of {count} nodes");
                }
            }
        },
    )
    .await;
}

#[tokio::test]
async fn clients_of_all_nodes_acknowledge() {
    everywhere(
        |_, _| (),
        async |mut nodes| {
            let first = nodes[0].io.of("/");
            let asked = first.emit_with_ack::<String>("q", 7);
            for (client, id) in all(&mut nodes) {
                let text = client.text().await;
                let ack = text.strip_prefix("42").unwrap().strip_suffix("[\"q\",7]").unwrap();
                client.send(&format!("43{ack}[\"{id}\"]")).await;
            }
            let answers = soon("all answers", asked).await.unwrap();
            assert_eq!((answers.missing.len(), answers.missing_elsewhere), (0, 0));
            let mut given = answers.answers;
            let mut ids: Vec<_> = all(&mut nodes).map(|(_, id)| id.clone()).collect();
            given.sort();
            ids.sort();
            assert_eq!(given, ids);
            let elsewhere = 2 * (nodes.len() - 1);
            let patient = first.timeout(Duration::from_secs(3));
            let Answers { answers, missing, missing_elsewhere, .. } =
                soon("the time is over", patient.emit_with_ack::<u8>("q", ())).await.unwrap();
            assert_eq!((answers.len(), missing.len(), missing_elsewhere), (0, 2, elsewhere));
            let nobody = first.to("nobody's").emit_with_ack::<u8>("q", ());
            assert_eq!(soon("at once", nobody).await.unwrap().missing_elsewhere, 0);
        },
    )
    .await;
}

#[tokio::test]
async fn sockets_of_all_nodes_are_fetched_and_moved_and_sent_away() {
    everywhere(
        |_, _| (),
        async |mut nodes| {
            let (first, count) = (nodes[0].io.of("/"), nodes.len());
            let last = nodes.last().unwrap();
            last.io.of("/").socket(&last.clients[0].1).unwrap().set_data(json!({ "name": "zed" }));
            let id = last.clients[0].1.clone();
            assert_eq!(first.fetch_sockets().await.unwrap().len(), 2 * count);
            assert_eq!(first.local().fetch_sockets().await.unwrap().len(), 2);
            first.to(&id).sockets_join(["r", "s"]);
            let found = first.in_("r").fetch_sockets().await.unwrap();
            assert_eq!(found.len(), 1, "a question comes after what was said before");
            assert_eq!((found[0].id(), found[0].data()), (&*id, &json!({ "name": "zed" })));
            assert_eq!(found[0].rooms(), [Arc::<str>::from(id.clone()), "r".into(), "s".into()]);
            found[0].leave("r");
            assert!(first.in_("r").fetch_sockets().await.unwrap().is_empty());
            found[0].emit("you", ());
            first.except("s").disconnect_sockets(false);
            for (client, of) in all(&mut nodes) {
                let expected = if *of == id { "42[\"you\"]" } else { "41" };
                assert_eq!(client.text().await, expected);
            }
            assert_eq!(first.fetch_sockets().await.unwrap().len(), 1);
        },
    )
    .await;
}

#[tokio::test]
async fn nodes_send_each_other_events() {
    let heard = Arc::<Mutex<Vec<(usize, String)>>>::default();
    everywhere(
        |io, number| {
            let heard = Arc::clone(&heard);
            io.of("/").on_server_side(move |event: ServerSideEvent| {
                heard.lock().unwrap().push((number, event.name.clone()));
                // Nodes answer with one value.
                async move { event.answer(json!([number, event.args.get::<u8>(0).unwrap_or(0)])) }
            });
        },
        async |nodes| {
            heard.lock().unwrap().clear();
            let (first, others) = (nodes[0].io.of("/"), nodes.len() - 1);
            first.server_side_emit("plain", ());
            until("all others heard it", || heard.lock().unwrap().len() == others).await;
            let answers = first.server_side_emit_with_ack("asked", 7).await.unwrap();
            let mut answers: Vec<(usize, u8)> =
                answers.iter().map(|args| args.get(0).unwrap()).collect();
            answers.sort_unstable();
            assert_eq!(answers, (1..=others).map(|number| (number, 7)).collect::<Vec<_>>());
            assert!(heard.lock().unwrap().iter().all(|(number, _)| *number > 0), "not the sender");
        },
    )
    .await;
}

#[tokio::test]
async fn who_leaves_is_not_waited_for() {
    everywhere(
        |_, _| (),
        async |mut nodes| {
            let (first, count) = (nodes[0].io.of("/"), nodes.len());
            if count == 1 {
                return first.adapter().close().await;
            }
            nodes.pop().unwrap().io.close().await;
            let gone = async || {
                while first.server_count().await == count {
                    tokio::task::yield_now().await;
                }
            };
            soon("it is known", gone()).await;
            let rest = soon("at once", first.fetch_sockets()).await.unwrap();
            assert_eq!(rest.len(), 2 * (count - 1));
        },
    )
    .await;
}

#[tokio::test]
async fn a_namespace_that_others_do_not_have_is_this_nodes_alone() {
    everywhere(
        |io, number| {
            if number == 0 {
                io.of("/alone");
            }
        },
        async |nodes| {
            let alone = nodes[0].io.of("/alone");
            assert_eq!(alone.server_count().await, 1);
            assert!(alone.fetch_sockets().await.unwrap().is_empty());
        },
    )
    .await;
}

#[tokio::test]
async fn each_node_knows_its_own_rooms() {
    let events = Arc::<Mutex<Vec<(usize, RoomEvent)>>>::default();
    everywhere(
        |io, number| {
            let events = Arc::clone(&events);
            io.of("/").on_room(move |event| events.lock().unwrap().push((number, event.clone())));
        },
        async |nodes| {
            events.lock().unwrap().clear();
            nodes[0].io.of("/").sockets_join("r");
            let created = |number| {
                let created = (number, RoomEvent::Created("r".into()));
                events.lock().unwrap().contains(&created)
            };
            for number in 0..nodes.len() {
                until("its room is there", || created(number)).await;
            }
        },
    )
    .await;
}

#[tokio::test]
async fn what_an_application_takes_no_client_gets_and_each_node_takes_it_in_one_order() {
    let taken = Arc::<Mutex<Vec<(usize, Taken)>>>::default();
    everywhere(
        |io, number| {
            let taken = Arc::clone(&taken);
            io.of("/")
                .take_broadcasts("said", move |said| taken.lock().unwrap().push((number, said)));
        },
        async |mut nodes| {
            taken.lock().unwrap().clear();
            let (first, count) = (nodes[0].io.of("/"), nodes.len());
            let speaker = nodes[0].clients[0].1.clone();
            for number in 0..50 {
                first.except(&*speaker).emit("said", number);
            }
            first.local().emit("said", "here");
            first.emit("end", ());
            for (client, _) in all(&mut nodes) {
                assert_eq!(client.text().await, "42[\"end\"]", "nothing else");
            }
            let taken = taken.lock().unwrap();
            let mut origins = Vec::new();
            for node in 0..count {
                let of_node = taken.iter().filter(|(number, _)| *number == node);
                let of_node: Vec<&Taken> = of_node.map(|(_, taken)| taken).collect();
                assert_eq!(of_node.len(), 50 + usize::from(node == 0));
                for (number, said) in of_node.iter().take(50).enumerate() {
                    assert_eq!(said.packet.args.values, [json!(number)], "in order");
                    assert_eq!(said.selector.except, [Arc::<str>::from(speaker.clone())]);
                    assert_eq!(said.origin.is_none(), node == 0, "own ones are told from others");
                    origins.extend(said.origin.clone());
                }
            }
            origins.dedup();
            assert!(origins.len() <= 1, "all know the sender by one name: {origins:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn events_between_nodes_are_handed_over_in_order() {
    let heard = Arc::<Mutex<Vec<(usize, usize)>>>::default();
    everywhere(
        |io, node| {
            let heard = Arc::clone(&heard);
            io.of("/").on_server_side(move |event: ServerSideEvent| {
                heard.lock().unwrap().push((node, event.args.get(0).unwrap_or(usize::MAX)));
                async {}
            });
        },
        async |nodes| {
            heard.lock().unwrap().clear();
            let others = nodes.len() - 1;
            (0..100).for_each(|number| nodes[0].io.of("/").server_side_emit("n", number));
            until("all is heard", || heard.lock().unwrap().len() == 100 * others).await;
            for node in 1..=others {
                let heard = heard.lock().unwrap();
                let of_node = heard.iter().filter(|(heard_by, _)| *heard_by == node);
                assert!(of_node.map(|(_, number)| *number).eq(0..100));
            }
        },
    )
    .await;
}

#[tokio::test]
async fn an_adapter_says_whether_there_is_a_cluster() {
    everywhere(
        |_, _| (),
        async |nodes| {
            for Node { io, .. } in &nodes {
                let status = io.of("/").adapter().status();
                assert!(!status.is_alone() && status.lost == 0);
                assert_eq!(status.link == ClusterLink::Up, status.is_clustered());
                assert!(nodes.len() == 1 || status.is_clustered());
            }
        },
    )
    .await;
}
