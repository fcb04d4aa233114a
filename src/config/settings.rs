//! The settings that result from all layers. Long because each setting has a line in every list of them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::host::HostPort;
use super::values::{RESERVED_NAMES, Size, Time};
use super::{
    AdminUi, Auth, ClusterAdapter, ClusterOldest, ConfigError, DataDir, Durability, Layer,
    room_table, rules,
};
use crate::policy::proxy_headers::Believed;
use crate::policy::{
    BreakerSettings, Caps, Networks, Origins, Policy, RoomNames, RoomRule, RoomRules, Transports,
};
use crate::telemetry::Format;

/// The most bytes of a message's packet besides its text: the names of event and namespace, ids,
/// punctuation.
const FRAMING: usize = 1024;

/// The largest burst of the chat's rate of bytes, in seconds of that rate.
const BURST_SECONDS: usize = 2;

/// All settings. See the reference in docs/configuration.md.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `None` for all addresses.
    pub host: Option<String>,
    /// The TCP port; 0 lets the system choose.
    pub port: u16,
    /// What changes without a restart: transports, rules, origins, proxies, caps, the breaker.
    pub policy: Policy,
    /// The token of the administrator's requests; `None` switches them off.
    pub admin_token: Option<String>,
    /// What the Admin UI sees, if there is a token for it.
    pub admin_ui: AdminUi,
    /// A token that reads the metrics and nothing else; `None` for none.
    pub metrics_token: Option<String>,
    /// Where administrators and metrics are served, and nowhere else; `None` for beside all others.
    pub admin_address: Option<HostPort>,
    /// Files of certificates; none for plain HTTP.
    pub tls_cert: Vec<PathBuf>,
    /// As many as [`Settings::tls_cert`].
    pub tls_key: Vec<PathBuf>,
    /// A port whose requests are redirected to https.
    pub redirect_port: Option<u16>,
    /// `None` to send no HSTS header.
    pub hsts: Option<Duration>,
    /// The path of pages and engine.
    pub base_path: String,
    /// The path of the engine below [`Settings::base_path`].
    pub path: String,
    /// Whether connections of trusted proxies begin with a PROXY header.
    pub proxy_protocol: bool,
    /// A folder to serve in place of the built-in pages.
    pub static_dir: Option<PathBuf>,
    /// A folder with the client that pages load, in place of ours.
    pub client_dir: Option<PathBuf>,
    /// The level or the filter of the log.
    pub log: String,
    /// The form of the log's lines.
    pub log_format: Format,
    /// A folder for log files; `None` for none.
    pub log_dir: Option<PathBuf>,
    /// For all log files together.
    pub log_bytes: usize,
    /// The time between two heartbeats.
    pub ping_interval: Duration,
    /// How long the answer to a heartbeat may take.
    pub ping_timeout: Duration,
    /// How long an upgrade may take.
    pub upgrade_timeout: Duration,
    /// How long a client of 3.x or 4.x may take to join a namespace.
    pub connect_timeout: Duration,
    /// Bytes of one packet or one request body.
    pub max_payload: usize,
    /// Bytes that may wait for one client.
    pub queue_bytes: usize,
    /// For all queues together; 0 for no bound.
    pub queue_bytes_total: usize,
    /// Packets that may wait for one client.
    pub queue_messages: usize,
    /// Bytes of one streamed response, after which the client opens the next.
    pub stream_bytes: usize,
    /// Pages and polls are compressed for clients that accept it.
    pub http_compression: bool,
    /// The name of the cookie that balancers stick by; `None` to send none.
    pub cookie: Option<String>,
    /// The secret of the cluster; `None` for a server alone.
    pub cluster_key: Option<String>,
    /// Where other nodes pass on requests of this one's sessions.
    pub node_listen: Option<HostPort>,
    /// Where the other nodes reach [`Settings::node_listen`], if that is not it.
    pub node_address: Option<HostPort>,
    /// All nodes, this one included.
    pub nodes: Vec<HostPort>,
    /// Connections to other nodes, and as many from them.
    pub node_connections: usize,
    /// This node's certificate; `None` for plain connections between nodes.
    pub node_tls_cert: Option<PathBuf>,
    /// Its key.
    pub node_tls_key: Option<PathBuf>,
    /// The authority of the other nodes' certificates.
    pub node_tls_ca: Option<PathBuf>,
    /// Open connections, WebSockets included.
    pub max_connections: usize,
    /// Open connections of one address; 0 for no bound.
    pub max_connections_per_address: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// Time that a connection stays open between two requests.
    pub keep_alive_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// Headers of one request.
    pub max_headers: usize,
    /// Bytes of the head of one request.
    pub max_header_bytes: usize,
    /// How long all goes on after the signal to stop, but for what `/readyz` says.
    pub drain_delay: Duration,
    /// How long a shutdown waits for clients.
    pub shutdown_timeout: Duration,
    /// Bytes of one chat message.
    pub message_max: usize,
    /// Messages a second of one person; 0 for no bound.
    pub message_rate: u32,
    /// Bytes of messages a second of one person; 0 for no bound.
    pub byte_rate: usize,
    /// Whether several people may have the same name, or names that look the same.
    pub duplicate_names: bool,
    /// Names that nobody may have.
    pub reserved_names: Vec<String>,
    /// Who may come in.
    pub auth: Auth,
    /// The secret that signs tokens.
    pub auth_secret: Option<String>,
    /// The file or URL with the keys that sign tokens.
    pub auth_keys: Option<String>,
    /// Who has to have given tokens; `None` for anybody with the key.
    pub auth_issuer: Option<String>,
    /// For whom they may be; if empty, they are for nobody in particular.
    pub auth_audience: Vec<String>,
    /// The cookie in which they come as well.
    pub auth_cookie: Option<String>,
    /// Their claim with the person's name.
    pub auth_name_claim: String,
    /// That with the roles.
    pub auth_roles_claim: String,
    /// That with the rooms.
    pub auth_rooms_claim: String,
    /// How long a lost connection is not told of to others.
    pub leave_delay: Duration,
    /// Where what is said is kept.
    pub data_dir: DataDir,
    /// When a message is acknowledged.
    pub durability: Durability,
    /// Messages that are kept of each room.
    pub history: usize,
    /// How long they are kept; zero for no bound.
    pub history_age: Duration,
    /// Bytes of them that are kept of each room.
    pub history_bytes: usize,
    /// Which rooms there may be besides the lobby.
    pub rooms: RoomNames,
    /// How many at once.
    pub max_rooms: usize,
    /// What holds in some rooms: `[[room]]`.
    pub room: Vec<RoomRule>,
    /// Earlier messages that a page gets as it comes if it cannot ask for them.
    pub replay: usize,
    /// How long stock clients may be away and have their session back; zero for not at all.
    pub recovery: Duration,
    /// Where several nodes meet, as a URL with a password; `None` for a server alone.
    pub cluster: Option<String>,
    /// How they meet there.
    pub cluster_adapter: ClusterAdapter,
    /// With what the names of all channels begin.
    pub cluster_prefix: String,
    /// The oldest adapter of Node's servers in the cluster.
    pub cluster_oldest: ClusterOldest,
    /// Entries that a stream keeps, about.
    pub cluster_stream_length: usize,
    /// How many streams there are.
    pub cluster_stream_count: usize,
    /// A file with the authority of Redis' certificate; `None` for those that the system trusts.
    pub cluster_ca: Option<PathBuf>,
    /// People of another node leave when nothing was heard of the node for so long.
    pub node_timeout: Duration,
    /// Whether `/readyz` says yes while other nodes of the cluster cannot be reached.
    pub ready_alone: bool,
}

impl Settings {
    /// The keys that differ in `new` and need a restart, which are all but those of the policy.
    pub fn fixed_differences(&self, new: &Settings) -> Vec<String> {
        macro_rules! differing {
            ($($field:ident)*) => {{
                // Does not compile if a field is missing.
                let Settings { policy: _, $($field),* } = self;
                let all = [$((stringify!($field), *$field != new.$field)),*];
                let names = all.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name);
                names.map(|name| name.replace('_', "-")).collect()
            }};
        }
        differing!(host port admin_token admin_ui metrics_token admin_address tls_cert tls_key redirect_port hsts base_path path proxy_protocol static_dir client_dir log
            log_format log_dir log_bytes ping_interval ping_timeout upgrade_timeout connect_timeout max_payload queue_bytes
            queue_bytes_total queue_messages stream_bytes http_compression max_connections max_connections_per_address header_timeout keep_alive_timeout body_timeout max_headers
            cookie cluster_key node_listen node_address nodes node_connections node_tls_cert node_tls_key node_tls_ca
            max_header_bytes drain_delay shutdown_timeout message_max message_rate byte_rate duplicate_names reserved_names auth auth_secret auth_keys auth_issuer auth_audience auth_cookie
            auth_name_claim auth_roles_claim auth_rooms_claim leave_delay data_dir durability history history_age history_bytes rooms max_rooms room replay recovery
            cluster cluster_adapter cluster_prefix cluster_oldest cluster_stream_length cluster_stream_count cluster_ca node_timeout ready_alone)
    }

    /// What holds in each room.
    pub fn room_rules(&self) -> RoomRules {
        let rest = RoomRule {
            history: Some(self.history as u64),
            history_age: Some(self.history_age),
            history_bytes: Some(self.history_bytes as u64),
            replay: Some(self.replay),
            ..RoomRule::default()
        };
        RoomRules::new(self.room.clone(), rest)
    }

    /// Checks that settings do not contradict each other. No layer can check this by itself.
    pub(crate) fn check_consistency(&self) -> Result<(), ConfigError> {
        let wrong = |key, message: String| Err(ConfigError::Contradiction { key, message });
        let (certs, keys) = (self.tls_cert.len(), self.tls_key.len());
        if certs != keys {
            let message = format!("{certs} of them, but {keys} of tls-key: each needs its own key");
            return wrong("tls-cert", message);
        }
        if self.redirect_port.is_some() && certs == 0 {
            return wrong("redirect-port", "there is no https here without tls-cert".into());
        }
        if self.redirect_port == Some(self.port) && self.port != 0 {
            return wrong("redirect-port", format!("{} is the port for https already", self.port));
        }
        if let Some(HostPort { port, .. }) = self.admin_address {
            if self.admin_token.is_none() && self.metrics_token.is_none() {
                let message =
                    "nobody could ask anything there without admin-token or metrics-token";
                return wrong("admin-address", message.into());
            }
            let taken = [("port", Some(self.port)), ("redirect-port", self.redirect_port)];
            let mut taken =
                taken.into_iter().filter(|(_, other)| port != 0 && *other == Some(port));
            if let Some((other, _)) = taken.next() {
                return wrong("admin-address", format!("{port} is {other} already"));
            }
        }
        if self.proxy_protocol && self.policy.trusted_proxies.is_empty() {
            let message = "nobody could connect, because trusted-proxies is empty".into();
            return wrong("proxy-protocol", message);
        }
        self.check_auth()?;
        self.check_cluster()?;
        if self.cluster_oldest != ClusterOldest::default()
            && self.cluster_adapter != ClusterAdapter::Redis
        {
            let message = "servers that old have none but the adapter redis".into();
            return wrong("cluster-oldest", message);
        }
        if self.cluster_ca.is_some() && self.cluster.is_none() {
            return wrong("cluster-ca", "there is no cluster: set cluster as well".into());
        }
        let BreakerSettings { rest, longest, .. } = self.policy.breaker;
        if rest > longest {
            let message = format!("{rest:?} is more than breaker-longest, which is {longest:?}");
            return wrong("breaker-rest", message);
        }
        let (message, payload) = (self.message_max, self.max_payload);
        if payload - payload.min(FRAMING) < message {
            let message = format!(
                "{message} bytes of a message do not come in by a max-payload of {payload}, \
                 of which {FRAMING} are for what is around it"
            );
            return wrong("message-max", message);
        }
        if self.queue_bytes < message {
            let message = format!(
                "{message} bytes of a message do not fit into the {} that queue-bytes lets wait for one client",
                self.queue_bytes
            );
            return wrong("message-max", message);
        }
        let burst = self.byte_rate.saturating_mul(BURST_SECONDS);
        if self.byte_rate > 0 && burst < message {
            let message = format!(
                "{message} bytes of a message are more than the {burst} that a byte-rate of {} lets through at once",
                self.byte_rate
            );
            return wrong("message-max", message);
        }
        let (queue, total) = (self.queue_bytes, self.queue_bytes_total);
        if total > 0 && total < queue {
            let message = format!(
                "{total} bytes for all clients are less than the {queue} that queue-bytes lets wait for one"
            );
            return wrong("queue-bytes-total", message);
        }
        Ok(())
    }

    /// Where the other nodes reach this one, if there are any.
    pub fn own_node(&self) -> Option<&HostPort> {
        self.node_address.as_ref().or(self.node_listen.as_ref())
    }

    /// Connections with other nodes, in both directions.
    pub fn all_node_connections(&self) -> usize {
        if self.node_listen.is_some() { self.node_connections.saturating_mul(2) } else { 0 }
    }

    /// Checks what belongs to accounts.
    fn check_auth(&self) -> Result<(), ConfigError> {
        let wrong =
            |key, message: &str| Err(ConfigError::Contradiction { key, message: message.into() });
        let (secret, keys) = (self.auth_secret.is_some(), self.auth_keys.is_some());
        if self.auth != Auth::None && !secret && !keys {
            return wrong("auth", "no token could be checked: set auth-keys, or auth-secret");
        }
        if secret && keys {
            return wrong("auth-secret", "there is auth-keys already: one of both says who is who");
        }
        // A page of any site could speak with the cookie of who looks at it.
        if self.auth_cookie.is_some() && self.policy.origins.allow_all() {
            return wrong("auth-cookie", "set origins, or any page could use it");
        }
        Ok(())
    }

    /// Checks what belongs to other nodes.
    fn check_cluster(&self) -> Result<(), ConfigError> {
        let wrong =
            |key, message: &str| Err(ConfigError::Contradiction { key, message: message.into() });
        let files = [&self.node_tls_cert, &self.node_tls_key, &self.node_tls_ca];
        let files = files.map(Option::is_some);
        let Some(listen) = &self.node_listen else {
            let with = |key| wrong(key, "without node-listen nobody could reach this node");
            return match self {
                Settings { nodes, .. } if !nodes.is_empty() => with("nodes"),
                Settings { node_address: Some(_), .. } => with("node-address"),
                _ if files.contains(&true) => with("node-tls-cert"),
                _ => Ok(()),
            };
        };
        if self.cluster_key.is_none() {
            return wrong("node-listen", "without cluster-key anybody could pass for a node");
        }
        if files.contains(&true) && files.contains(&false) {
            return wrong(
                "node-tls-cert",
                "it takes all three: node-tls-cert, node-tls-key, node-tls-ca",
            );
        }
        let taken = [("port", Some(self.port)), ("redirect-port", self.redirect_port)];
        let admin = ("admin-address", self.admin_address.as_ref().map(|admin| admin.port));
        let mut taken = taken.into_iter().chain([admin]);
        if let Some((other, _)) = taken.find(|(_, port)| *port == Some(listen.port)) {
            return wrong("node-listen", &format!("{} is {other} already", listen.port));
        }
        let own = self.node_address.as_ref().unwrap_or(listen);
        if own.is_unspecified() {
            return wrong("node-listen", "other nodes need an address: set node-address");
        }
        if self.nodes.is_empty() && self.cluster.is_none() {
            return wrong("nodes", "it takes a list of all nodes, with this one, or cluster");
        }
        if !self.nodes.is_empty() && !self.nodes.contains(own) {
            let message = format!("{own}, which is this node (node-address), is not in the list");
            return wrong("nodes", &message);
        }
        Ok(())
    }

    /// Completes a validated layer with the defaults.
    pub(crate) fn complete(layer: Layer, known: &[&'static str]) -> Self {
        let time = |time: Option<Time>, default: u64| {
            time.map_or(Duration::from_secs(default), |Time(time)| time)
        };
        let size = |size: Option<Size>, default: usize| size.map_or(default, |Size(size)| size);
        let address = |address: Option<String>| address.and_then(|address| address.parse().ok());
        let policy = policy(&layer, known);
        Settings {
            host: layer.host.map(|host| super::host::bare(&host).to_owned()),
            port: layer.port.unwrap_or(3000),
            policy,
            admin_token: layer.admin_token,
            admin_ui: layer
                .admin_ui
                .as_ref()
                .and_then(|mode| mode.parse().ok())
                .unwrap_or_default(),
            metrics_token: layer.metrics_token,
            admin_address: address(layer.admin_address),
            tls_cert: layer.tls_cert.unwrap_or_default(),
            tls_key: layer.tls_key.unwrap_or_default(),
            redirect_port: layer.redirect_port,
            hsts: layer.hsts.map(|Time(time)| time).filter(|time| !time.is_zero()),
            base_path: layer.base_path.unwrap_or_else(|| "/".into()),
            path: layer.path.unwrap_or_else(|| "/socket.io/".into()),
            proxy_protocol: layer.proxy_protocol.unwrap_or(false),
            static_dir: layer.static_dir,
            client_dir: layer.client_dir,
            log: layer.log.unwrap_or_else(|| "info".into()),
            log_format: layer
                .log_format
                .as_ref()
                .and_then(|form| form.parse().ok())
                .unwrap_or_default(),
            log_dir: layer.log_dir,
            log_bytes: size(layer.log_bytes, 1 << 30),
            ping_interval: time(layer.ping_interval, 25),
            ping_timeout: time(layer.ping_timeout, 20),
            upgrade_timeout: time(layer.upgrade_timeout, 10),
            connect_timeout: time(layer.connect_timeout, 45),
            max_payload: size(layer.max_payload, 1_000_000),
            queue_bytes: size(layer.queue_bytes, 1 << 20),
            queue_bytes_total: size(layer.queue_bytes_total, 256 << 20),
            queue_messages: layer.queue_messages.unwrap_or(4096),
            stream_bytes: size(layer.stream_bytes, 1 << 20),
            http_compression: layer.http_compression.unwrap_or(true),
            cookie: layer.cookie,
            cluster_key: layer.cluster_key,
            node_listen: address(layer.node_listen),
            node_address: address(layer.node_address),
            nodes: layer
                .nodes
                .into_iter()
                .flatten()
                .filter_map(|node| address(Some(node)))
                .collect(),
            node_connections: layer.node_connections.unwrap_or(10_000),
            node_tls_cert: layer.node_tls_cert,
            node_tls_key: layer.node_tls_key,
            node_tls_ca: layer.node_tls_ca,
            max_connections: layer.max_connections.unwrap_or(100_000),
            max_connections_per_address: layer.max_connections_per_address.unwrap_or(4000),
            header_timeout: time(layer.header_timeout, 10),
            keep_alive_timeout: time(layer.keep_alive_timeout, 130),
            body_timeout: time(layer.body_timeout, 30),
            max_headers: layer.max_headers.unwrap_or(64),
            max_header_bytes: size(layer.max_header_bytes, 16 * 1024),
            drain_delay: time(layer.drain_delay, 0),
            shutdown_timeout: time(layer.shutdown_timeout, 10),
            message_max: size(layer.message_max, 64 * 1024),
            message_rate: layer.message_rate.unwrap_or(50),
            byte_rate: size(layer.byte_rate, 64 * 1024),
            duplicate_names: layer.duplicate_names.unwrap_or(false),
            reserved_names: layer
                .reserved_names
                .unwrap_or_else(|| RESERVED_NAMES.map(str::to_owned).to_vec()),
            auth: parsed(layer.auth.as_deref()),
            auth_secret: layer.auth_secret,
            auth_keys: layer.auth_keys,
            auth_issuer: layer.auth_issuer,
            auth_audience: layer.auth_audience.unwrap_or_default(),
            auth_cookie: layer.auth_cookie,
            auth_name_claim: layer.auth_name_claim.unwrap_or_else(|| "name".into()),
            auth_roles_claim: layer.auth_roles_claim.unwrap_or_else(|| "roles".into()),
            auth_rooms_claim: layer.auth_rooms_claim.unwrap_or_else(|| "rooms".into()),
            leave_delay: time(layer.leave_delay, 3),
            data_dir: DataDir::of(layer.data_dir),
            durability: layer
                .durability
                .as_ref()
                .and_then(|when| when.parse().ok())
                .unwrap_or_default(),
            history: layer.history.unwrap_or(100_000),
            history_age: time(layer.history_age, 0),
            history_bytes: size(layer.history_bytes, 64 << 20),
            rooms: layer
                .rooms
                .as_ref()
                .and_then(|list| RoomNames::parse(list.iter().map(String::as_str)).ok())
                .unwrap_or_default(),
            max_rooms: layer.max_rooms.unwrap_or(1000),
            room: layer
                .room
                .as_ref()
                .and_then(|tables| room_table::read(tables).ok())
                .unwrap_or_default(),
            replay: layer.replay.unwrap_or(0),
            recovery: time(layer.recovery, 0),
            cluster: layer.cluster.filter(|url| !url.is_empty()),
            cluster_adapter: parsed(layer.cluster_adapter.as_deref()),
            cluster_prefix: layer.cluster_prefix.unwrap_or_else(|| "socket.io".into()),
            cluster_oldest: parsed(layer.cluster_oldest.as_deref()),
            cluster_stream_length: layer.cluster_stream_length.unwrap_or(10_000),
            cluster_stream_count: layer.cluster_stream_count.unwrap_or(1),
            cluster_ca: layer.cluster_ca,
            node_timeout: time(layer.node_timeout, 15),
            ready_alone: layer.ready_alone.unwrap_or(true),
        }
    }
}

/// The policy of a validated layer. Parsing cannot fail here, because validation has parsed the same texts.
fn policy(layer: &Layer, known: &[&'static str]) -> Policy {
    fn strs(list: &Option<Vec<String>>) -> Option<impl Iterator<Item = &str>> {
        list.as_ref().map(|list| list.iter().map(String::as_str))
    }
    let standard = BreakerSettings::default();
    let time = |time: Option<Time>, default| time.map_or(default, |Time(time)| time);
    Policy {
        transports: strs(&layer.transports)
            .and_then(|list| Transports::parse(list, known).ok())
            .unwrap_or_else(|| Transports::all(known.to_vec())),
        eio3_polls: layer
            .eio3_polls
            .as_ref()
            .and_then(|form| form.parse().ok())
            .unwrap_or_default(),
        rules: layer
            .rules
            .as_ref()
            .and_then(|rules| rules::read(rules, known).ok())
            .unwrap_or_default(),
        origins: strs(&layer.origins)
            .and_then(|list| Origins::parse(list).ok())
            .unwrap_or_else(Origins::any),
        match_origin_protocol: layer.match_origin_protocol.unwrap_or(false),
        trusted_proxies: strs(&layer.trusted_proxies)
            .and_then(|list| Networks::parse(list).ok())
            .unwrap_or_default(),
        proxy_headers: strs(&layer.proxy_headers)
            .and_then(|list| Believed::parse(list).ok())
            .unwrap_or_default(),
        caps: Caps {
            sessions: layer.max_sessions.unwrap_or(Caps::STANDARD.sessions),
            sessions_per_address: layer
                .max_sessions_per_address
                .unwrap_or(Caps::STANDARD.sessions_per_address),
            websockets: layer.max_websockets.unwrap_or(Caps::STANDARD.websockets),
            handshakes_per_address: layer
                .handshake_rate
                .unwrap_or(Caps::STANDARD.handshakes_per_address),
        },
        breaker: BreakerSettings {
            failures: layer.breaker_failures.unwrap_or(standard.failures),
            rest: time(layer.breaker_rest, standard.rest),
            longest: time(layer.breaker_longest, standard.longest),
        },
    }
}

/// What a validated text means, or the default.
fn parsed<T: FromStr + Default>(text: Option<&str>) -> T {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
