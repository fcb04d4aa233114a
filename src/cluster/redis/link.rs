//! One connection to Redis, be it one server or a cluster of them.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, Pipeline, ProtocolVersion, PushInfo,
    RedisFuture, RedisResult, TlsCertificates, Value, cmd,
};

use super::RedisSettings;
use super::keeper::keeper;
use super::outbox::{Outgoing, Worth};
use super::topics::Topic;
use super::url::{Sentinels, Servers};

/// For a connection to be there, its login included.
const CONNECT: Duration = Duration::from_secs(5);

/// An open connection. Commands may be sent before earlier ones are answered.
#[derive(Clone)]
pub enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To the servers of a Redis Cluster.
    Cluster(ClusterConnection),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Link::One(_) => "Link::One",
            Link::Cluster(_) => "Link::Cluster",
        })
    }
}

impl Link {
    /// Connects. An answer may take as long as `patience`; `None` for ever. `push` gets what the server
    /// sends by itself.
    pub(super) async fn open(
        settings: &RedisSettings,
        patience: Option<Duration>,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<Self> {
        let push = move |info| {
            push(info);
            Ok::<(), ()>(())
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(patience);
        let certificates = certificates(settings);
        if settings.url.is_tls() {
            // If another crate of the application has chosen one already, that one is fine.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let connecting = async {
            match settings.url.servers() {
                Servers::One(info) => one(info, certificates, &config.set_push_sender(push)).await,
                Servers::Sentinels(sentinels) => {
                    let mut client = sentinel_client(settings, sentinels, certificates)?.build()?;
                    let config = config.set_push_sender(push);
                    client.get_async_connection_with_config(&config).await.map(Link::One)
                }
                Servers::Cluster(nodes) => {
                    let mut client = ClusterClientBuilder::new(nodes)
                        .use_protocol(ProtocolVersion::RESP3)
                        .connection_timeout(CONNECT)
                        .retries(2)
                        .overall_response_timeout(patience)
                        .push_sender(push);
                    if let Some(patience) = patience {
                        client = client.response_timeout(patience);
                    }
                    if let Some(certificates) = certificates {
                        client = client.certs(certificates);
                    }
                    client.build()?.get_async_connection().await.map(Link::Cluster)
                }
            }
        };
        // A sentinel is asked before.
        match tokio::time::timeout(2 * CONNECT, connecting).await {
            Ok(link) => link,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// Connects to the server of a Redis Cluster that has a key, on which an answer may take for ever. `self` is a
    /// connection to all of them.
    pub(super) async fn open_keeper(
        &self,
        settings: &RedisSettings,
        key: &str,
    ) -> RedisResult<Self> {
        let Link::Cluster(link) = self else { return Link::open(settings, None, |_| ()).await };
        let connecting = async {
            let (host, port) = keeper(&mut link.clone(), key).await?;
            let info = settings.url.server(host, port)?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(None);
            one(info, certificates(settings), &config).await
        };
        match tokio::time::timeout(2 * CONNECT, connecting).await {
            Ok(link) => link,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// Subscribes to some topics, or the opposite.
    pub(super) async fn listen(&mut self, topics: &[Topic], on: bool) -> RedisResult<()> {
        if topics.is_empty() {
            return Ok(());
        }
        match self {
            // One topic for each command, because each command gets one answer.
            Link::One(link) => {
                let mut pipe = Pipeline::with_capacity(topics.len());
                for topic in topics {
                    pipe.cmd(topic.command(on)).arg(topic.name());
                }
                let answers = link.req_packed_commands(&pipe, 0, topics.len()).await?;
                // The rules of its user may keep a channel from it: who did not hear all would not know.
                answers.into_iter().try_for_each(|answer| answer.extract_error().map(drop))?;
            }
            Link::Cluster(link) => {
                for topic in topics {
                    match (topic, on) {
                        (Topic::Channel(name), true) => link.subscribe(&**name).await?,
                        (Topic::Channel(name), false) => link.unsubscribe(&**name).await?,
                        (Topic::Pattern(name), true) => link.psubscribe(&**name).await?,
                        (Topic::Pattern(name), false) => link.punsubscribe(&**name).await?,
                        (Topic::Shard(name), true) => link.ssubscribe(&**name).await?,
                        (Topic::Shard(name), false) => link.sunsubscribe(&**name).await?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Publishes messages in this order.
    pub(super) async fn publish(&mut self, messages: &[Outgoing]) -> RedisResult<Refused> {
        match self {
            Link::One(link) => {
                let pipe = pipeline(messages.iter());
                let answers = link.req_packed_commands(&pipe, 0, messages.len()).await?;
                Ok(Refused::of(messages.iter(), &answers))
            }
            Link::Cluster(link) => by_servers(link, messages).await,
        }
    }

    /// How many connections listen to a channel. On a Redis Cluster, each server is asked that is no
    /// replica.
    pub(super) async fn listeners(&mut self, topic: &Topic) -> RedisResult<usize> {
        let mut command = cmd("PUBSUB");
        command.arg(topic.count()).arg(topic.name());
        let answer = match self {
            Link::One(link) => link.req_packed_command(&command).await?,
            Link::Cluster(link) => {
                let masters = (MultipleNodeRoutingInfo::AllMasters, None);
                link.route_command(command, RoutingInfo::MultiNode(masters)).await?
            }
        };
        Ok(sum(&answer))
    }
}

/// How many messages a server did not take.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Refused {
    pub all: usize,
    /// Those of which something is lost.
    pub counted: usize,
}

impl Refused {
    fn of<'a>(messages: impl Iterator<Item = &'a Outgoing>, answers: &[Value]) -> Self {
        let mut refused = Refused::default();
        for (message, answer) in messages.zip(answers) {
            if matches!(answer, Value::ServerError(_)) {
                refused.all += 1;
                refused.counted += usize::from(message.worth == Worth::Counted);
            }
        }
        refused
    }
}

/// To one server.
async fn one(
    info: ConnectionInfo,
    certificates: Option<TlsCertificates>,
    config: &AsyncConnectionConfig,
) -> RedisResult<Link> {
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates)?,
        None => Client::open(info)?,
    };
    client.get_multiplexed_async_connection_with_config(config).await.map(Link::One)
}

fn certificates(settings: &RedisSettings) -> Option<TlsCertificates> {
    let ca = settings.ca.as_ref().filter(|_| settings.url.is_tls())?;
    Some(TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) })
}

fn pipeline<'a>(messages: impl Iterator<Item = &'a Outgoing>) -> Pipeline {
    let mut pipe = Pipeline::new();
    for Outgoing { topic, payload, .. } in messages {
        pipe.cmd(topic.publish()).arg(topic.name()).arg(&payload[..]);
    }
    pipe.ignore_errors();
    pipe
}

/// Publishes by the servers of a cluster. A message to a channel goes to all of them, whoever gets it: all by
/// one, they keep their order. A message to a shard goes to the server of the shard.
async fn by_servers(link: &ClusterConnection, messages: &[Outgoing]) -> RedisResult<Refused> {
    let mut groups = HashMap::<Option<&str>, Vec<&Outgoing>>::new();
    for message in messages {
        let shard = matches!(message.topic, Topic::Shard(_)).then(|| message.topic.name());
        groups.entry(shard).or_default().push(message);
    }
    let sent = groups.into_iter().map(|(shard, messages)| {
        let mut link = link.clone();
        async move {
            let (pipe, count) = (pipeline(messages.iter().copied()), messages.len());
            let answers = match shard {
                Some(_) => link.req_packed_commands(&pipe, 0, count).await,
                None => {
                    let first =
                        SingleNodeRoutingInfo::SpecificNode(Route::new(0, SlotAddr::Master));
                    link.route_pipeline(pipe, 0, count, first).await
                }
            };
            Ok(Refused::of(messages.into_iter(), &answers?))
        }
    });
    let answers = futures::future::join_all(sent).await;
    let answers = answers.into_iter().collect::<RedisResult<Vec<_>>>()?;
    Ok(answers.into_iter().fold(Refused::default(), |sum, refused| Refused {
        all: sum.all + refused.all,
        counted: sum.counted + refused.counted,
    }))
}

/// All integers in an answer.
fn sum(answer: &Value) -> usize {
    match answer {
        Value::Int(number) => usize::try_from(*number).unwrap_or(0),
        Value::Array(values) => values.iter().map(sum).sum(),
        Value::Map(entries) => entries.iter().map(|(_, value)| sum(value)).sum(),
        _ => 0,
    }
}

fn sentinel_client(
    settings: &RedisSettings,
    sentinels: Sentinels,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClientBuilder> {
    let Sentinels { addresses, password, service, login } = sentinels;
    let mut client = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_db(login.db());
    if let Some(user) = login.username() {
        client = client.set_client_to_redis_username(user);
    }
    if let Some(password) = login.password() {
        client = client.set_client_to_redis_password(password);
    }
    if let Some(password) = password {
        client = client.set_client_to_sentinel_password(password);
    }
    if let Some(mode) = settings.url.tls_mode() {
        client = client.set_client_to_redis_tls_mode(mode).set_client_to_sentinel_tls_mode(mode);
    }
    Ok(match certificates {
        Some(certificates) => client
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates),
        None => client,
    })
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Link::One(link) => link.req_packed_command(cmd),
            Link::Cluster(link) => link.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Link::One(link) => link.req_packed_commands(cmd, offset, count),
            Link::Cluster(link) => link.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Link::One(link) => link.get_db(),
            Link::Cluster(link) => link.get_db(),
        }
    }
}
