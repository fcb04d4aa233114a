//! One of several nodes that meet at a Redis, together with Node's servers that have
//! `@socket.io/redis-adapter`: what a client asks for by `do` is done in all of the cluster.
//!
//! Run some with `PORT=3001 cargo run --example socketio_cluster`, each with another port. They meet at the
//! Redis in the variable `REDIS_URL`, or at `redis://localhost`. With `CLUSTER_ADAPTER=redis-sharded` or
//! `redis-streams` they meet as Node's servers with the adapter for that. `RECOVERY=1` brings clients back to their
//! sessions; streams alone can do that. `CLUSTER_OLDEST=0.1`, `0.2`, `3` or `6` is for old servers of Node with
//! `socket.io-redis`.

use std::time::Duration;

use parlance::cluster::redis::{
    OldestAdapter, PubSubSettings, Redis, RedisPubSub, RedisSharded, RedisStreams, RedisUrl,
    ShardedSettings, StreamSettings,
};
use parlance::engine::{Engine, Limits};
use parlance::negotiate::Negotiator;
use parlance::server::{self, HttpLimits, Server};
use parlance::socketio::{
    Ack, Args, BroadcastOperator, Io, Namespace, RecoverySettings, ServerSideEvent, Socket,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a client asks for.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Order {
    /// What is to be done.
    act: String,
    /// In which namespace.
    of: String,
    /// For whom.
    to: Vec<String>,
    except: Vec<String>,
    /// Rooms to join or leave.
    rooms: Vec<String>,
    /// An event, for those that send one.
    event: String,
    /// Only on this node.
    local: bool,
    /// Milliseconds for acknowledgements.
    timeout: u64,
}

impl Default for Order {
    fn default() -> Self {
        let (act, of, event) = (String::new(), "/".to_owned(), "event".to_owned());
        let (to, except, rooms) = (Vec::new(), Vec::new(), Vec::new());
        Order { act, of, to, except, rooms, event, local: false, timeout: 2000 }
    }
}

impl Order {
    fn whom(&self, namespace: &Namespace) -> BroadcastOperator {
        let all = namespace.to(self.to.clone()).except(self.except.clone());
        let all = if self.local { all.local() } else { all };
        all.timeout(Duration::from_millis(self.timeout))
    }
}

/// Does what a client asks for, with these arguments of an event. Returns what is to be said of it.
async fn carry_out(io: Io, socket: Socket, order: Order, args: Args) -> Value {
    let namespace = io.of(&order.of);
    let whom = order.whom(&namespace);
    match &*order.act {
        "emit" => whom.emit(&order.event, args),
        // To all but the one who asks.
        "broadcast" => socket.broadcast().emit(&order.event, args),
        "ask" => {
            return match whom.emit_with_ack::<Value>(&order.event, args).await {
                Ok(all) => json!({ "answers": all.answers, "missing": all.missing_elsewhere }),
                Err(error) => json!({ "error": error.to_string() }),
            };
        }
        "join" => whom.sockets_join(order.rooms),
        "leave" => whom.sockets_leave(order.rooms),
        "disconnect" => whom.disconnect_sockets(false),
        "fetch" => {
            let found = whom.fetch_sockets().await;
            let found = found.unwrap_or_else(|error| error.answers);
            let facts = found.iter().map(|it| {
                let rooms: Vec<&str> = it.rooms().iter().map(|room| &**room).collect();
                let (data, handshake) = (it.data(), it.handshake());
                json!({ "id": it.id(), "rooms": rooms, "data": data, "handshake": handshake })
            });
            return facts.collect();
        }
        "enter" => order.rooms.into_iter().for_each(|room| socket.join(room)),
        "server side" => namespace.server_side_emit(&order.event, args),
        "ask servers" => {
            let answers = namespace.server_side_emit_with_ack(&order.event, args).await;
            return match answers {
                Ok(all) => all.iter().map(|it| it.get::<Value>(0).unwrap_or_default()).collect(),
                Err(error) => json!({ "error": error.to_string() }),
            };
        }
        "count" => return namespace.server_count().await.into(),
        "id" => return socket.id().into(),
        "data" => socket.set_data(args.get::<Value>(0).unwrap_or_default()),
        other => return json!({ "error": format!("nobody can {other}") }),
    }
    Value::Null
}

fn serve(io: &Io, namespace: &Namespace) {
    let known = io.clone();
    namespace.on("do", move |socket: Socket, order: Order, args: Vec<Value>, ack: Ack| {
        let io = known.clone();
        async move {
            // In a task of its own, so that this client's acknowledgements come in meanwhile.
            tokio::spawn(async move { ack.send(carry_out(io, socket, order, args.into()).await) });
        }
    });
    // So that bytes can be sent: they are not part of an order.
    namespace.on("bytes", |socket: Socket, room: String, bytes: bytes::Bytes| async move {
        socket.namespace().to(room).emit("bytes", bytes);
    });
    let here = namespace.clone();
    namespace.on_server_side(move |event: ServerSideEvent| {
        here.local().emit("server side", (&event.name, &event.args.values));
        async move { event.answer(json!(["parlance", event.name, event.args.values])) }
    });
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".to_owned());
    let url: RedisUrl = url.parse().map_err(anyhow::Error::msg)?;
    let redis = Redis::connect(url);
    redis.until(true).await;
    let io = match std::env::var("CLUSTER_ADAPTER").as_deref() {
        Ok("redis-sharded") => {
            let cluster = RedisSharded::new(redis, ShardedSettings::default());
            Io::builder().adapter(move |node| cluster.adapter(node)).build()
        }
        Ok("redis-streams") => {
            let recovery = std::env::var("RECOVERY").is_ok().then(RecoverySettings::default);
            let settings = StreamSettings { recovery, ..StreamSettings::default() };
            let cluster = RedisStreams::new(redis, settings);
            Io::builder().adapter(move |node| cluster.adapter(node)).build()
        }
        _ => {
            let oldest = match std::env::var("CLUSTER_OLDEST").as_deref() {
                Ok("0.1") => OldestAdapter::V0_1,
                Ok("0.2") => OldestAdapter::V0_2,
                Ok("3") => OldestAdapter::V3,
                Ok("6") => OldestAdapter::V6,
                _ => OldestAdapter::V7,
            };
            let settings = PubSubSettings { oldest, ..PubSubSettings::default() };
            let cluster = RedisPubSub::new(redis, settings);
            Io::builder().adapter(move |node| cluster.adapter(node)).build()
        }
    };
    serve(&io, &io.of("/"));
    serve(&io, &io.of("/chat"));
    let negotiator = Negotiator::allow_all(Engine::new(Limits::default(), io));
    let server = Server::new("/socket.io/", negotiator, None, HttpLimits::default());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = server::bind(Some("127.0.0.1"), port).await?;
    eprintln!("listening on {}", listener.url(Some("127.0.0.1"))?);
    server.run(listener).await;
    Ok(())
}
