//! One layer of settings, with all keys.

use std::path::PathBuf;

use serde::Deserialize;

use super::room_table::RoomTable;
use super::rules::RuleText;
use super::values::{Size, Time};

/// The settings of one source: the file, the administrator, or flags and environment together. Each is
/// optional. The comments are the help texts of the flags.
#[derive(Debug, Default, Clone, PartialEq, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Layer {
    /// Address or host name to listen on [default: all addresses]
    #[arg(long, env = "PARLANCE_HOST")]
    pub host: Option<String>,
    /// Port to listen on, 0 for any free one [default: 3000] [env: PORT as well]
    #[arg(long, env = "PARLANCE_PORT")]
    pub port: Option<u16>,
    /// Certificates in PEM form, the default one first; `port` then serves https
    #[arg(long, env = "PARLANCE_TLS_CERT", value_delimiter = ',', value_name = "FILE,…")]
    pub tls_cert: Option<Vec<PathBuf>>,
    /// Their keys in PEM form, in the same order
    #[arg(long, env = "PARLANCE_TLS_KEY", value_delimiter = ',', value_name = "FILE,…")]
    pub tls_key: Option<Vec<PathBuf>>,
    /// Port for plain HTTP, which redirects to https [default: none]
    #[arg(long, env = "PARLANCE_REDIRECT_PORT", value_name = "PORT")]
    pub redirect_port: Option<u16>,
    /// Time for which browsers use https only (HSTS), 0 for never [default: 0]
    #[arg(long, env = "PARLANCE_HSTS", value_name = "TIME")]
    pub hsts: Option<Time>,
    /// Path of pages and Socket.IO, such as /chat/ [default: /]
    #[arg(long, env = "PARLANCE_BASE_PATH", value_name = "PATH")]
    pub base_path: Option<String>,
    /// Path of Socket.IO, below base-path [default: /socket.io/]
    #[arg(long, env = "PARLANCE_PATH", value_name = "PATH")]
    pub path: Option<String>,
    /// Whether connections begin with a PROXY header of a trusted proxy [default: false]
    #[arg(long, env = "PARLANCE_PROXY_PROTOCOL", value_name = "BOOL")]
    pub proxy_protocol: Option<bool>,
    /// Allowed transports, preferred first; `polling` means both polling forms [default: all]
    #[arg(long, env = "PARLANCE_TRANSPORTS", value_delimiter = ',', value_name = "NAME,…")]
    pub transports: Option<Vec<String>>,
    /// Form of polls under Engine.IO 3: octets or text [default: octets]
    #[arg(long, env = "PARLANCE_EIO3_POLLS", value_name = "FORM")]
    pub eio3_polls: Option<String>,
    /// Settings for some clients; only in the file
    #[arg(skip)]
    pub rules: Option<Vec<RuleText>>,
    /// Pages that may connect: `*`, `same-host`, origins or host names, `*.` for subdomains [default: *]
    #[arg(long, env = "PARLANCE_ORIGINS", value_delimiter = ',', value_name = "ORIGIN,…")]
    pub origins: Option<Vec<String>>,
    /// Refuse connections whose scheme differs from that of their page [default: false]
    #[arg(long, env = "PARLANCE_MATCH_ORIGIN_PROTOCOL", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub match_origin_protocol: Option<bool>,
    /// Networks of proxies whose headers about clients and schemes are trusted [default: none]
    #[arg(long, env = "PARLANCE_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORK,…")]
    pub trusted_proxies: Option<Vec<String>>,
    /// Headers of trusted proxies that are believed, the first ones first
    /// [default: Forwarded,X-Forwarded-For,X-Forwarded-Proto,X-Forwarded-Host]
    #[arg(long, env = "PARLANCE_PROXY_HEADERS", value_delimiter = ',', value_name = "HEADER,…")]
    pub proxy_headers: Option<Vec<String>>,
    /// Folder to serve instead of the built-in pages
    #[arg(long, env = "PARLANCE_STATIC_DIR", value_name = "DIR")]
    pub static_dir: Option<PathBuf>,
    /// Folder with the client to serve below /socket.io/ instead of Parlance's own
    #[arg(long, env = "PARLANCE_CLIENT_DIR", value_name = "DIR")]
    pub client_dir: Option<PathBuf>,
    /// Log level (error, warn, info, debug, trace) or filter [default: info]
    #[arg(long, env = "PARLANCE_LOG", value_name = "LEVEL")]
    pub log: Option<String>,
    /// Form of the log's lines: text or json [default: text]
    #[arg(long, env = "PARLANCE_LOG_FORMAT", value_name = "FORM")]
    pub log_format: Option<String>,
    /// Folder for log files, a new one each day
    #[arg(long, env = "PARLANCE_LOG_DIR", value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Bytes of all log files together, the oldest are removed first [default: 1024MiB]
    #[arg(long, env = "PARLANCE_LOG_BYTES", value_name = "SIZE")]
    pub log_bytes: Option<Size>,
    /// Time between heartbeats [default: 25s]
    #[arg(long, env = "PARLANCE_PING_INTERVAL", value_name = "TIME")]
    pub ping_interval: Option<Time>,
    /// Time to answer a heartbeat [default: 20s]
    #[arg(long, env = "PARLANCE_PING_TIMEOUT", value_name = "TIME")]
    pub ping_timeout: Option<Time>,
    /// Time that an upgrade may take [default: 10s]
    #[arg(long, env = "PARLANCE_UPGRADE_TIMEOUT", value_name = "TIME")]
    pub upgrade_timeout: Option<Time>,
    /// Time for a client to join a namespace [default: 45s]
    #[arg(long, env = "PARLANCE_CONNECT_TIMEOUT", value_name = "TIME")]
    pub connect_timeout: Option<Time>,
    /// Bytes of one request body or WebSocket message [default: 1MB]
    #[arg(long, env = "PARLANCE_MAX_PAYLOAD", value_name = "SIZE")]
    pub max_payload: Option<Size>,
    /// Bytes that may wait for one client [default: 1MiB]
    #[arg(long, env = "PARLANCE_QUEUE_BYTES", value_name = "SIZE")]
    pub queue_bytes: Option<Size>,
    /// Bytes that may wait for all clients together, 0 for no bound [default: 256MiB]
    #[arg(long, env = "PARLANCE_QUEUE_BYTES_TOTAL", value_name = "SIZE")]
    pub queue_bytes_total: Option<Size>,
    /// Packets that may wait for one client [default: 4096]
    #[arg(long, env = "PARLANCE_QUEUE_MESSAGES", value_name = "N")]
    pub queue_messages: Option<usize>,
    /// Bytes of one streamed response, after which the client requests the next [default: 1MiB]
    #[arg(long, env = "PARLANCE_STREAM_BYTES", value_name = "SIZE")]
    pub stream_bytes: Option<Size>,
    /// Compress pages and polls for clients that accept it [default: true]
    #[arg(long, env = "PARLANCE_HTTP_COMPRESSION", value_name = "BOOL")]
    pub http_compression: Option<bool>,
    /// Sessions at once, 0 for no bound [default: 30000]
    #[arg(long, env = "PARLANCE_MAX_SESSIONS", value_name = "N")]
    pub max_sessions: Option<usize>,
    /// Sessions at once of one address, 0 for no bound [default: 1000]
    #[arg(long, env = "PARLANCE_MAX_SESSIONS_PER_ADDRESS", value_name = "N")]
    pub max_sessions_per_address: Option<usize>,
    /// WebSockets at once, 0 for no bound; beyond it clients stay on polling [default: 0]
    #[arg(long, env = "PARLANCE_MAX_WEBSOCKETS", value_name = "N")]
    pub max_websockets: Option<usize>,
    /// Handshakes per second of one address, ten seconds' worth at once, 0 for no bound [default: 100]
    #[arg(long, env = "PARLANCE_HANDSHAKE_RATE", value_name = "N")]
    pub handshake_rate: Option<u32>,
    /// Clients of one network whose WebSockets fail before its circuit breaker opens, 0 for never [default: 5]
    #[arg(long, env = "PARLANCE_BREAKER_FAILURES", value_name = "N")]
    pub breaker_failures: Option<usize>,
    /// Time for which a circuit breaker opens first; it doubles with each failed test [default: 10m]
    #[arg(long, env = "PARLANCE_BREAKER_REST", value_name = "TIME")]
    pub breaker_rest: Option<Time>,
    /// Longest time for which a circuit breaker is open [default: 1h]
    #[arg(long, env = "PARLANCE_BREAKER_LONGEST", value_name = "TIME")]
    pub breaker_longest: Option<Time>,
    /// Secret for changing the policy over HTTP [default: none]
    #[arg(long, env = "PARLANCE_ADMIN_TOKEN", value_name = "TEXT", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// What the Socket.IO Admin UI sees in the namespace /admin, with admin-token: off, production or development
    /// [default: production]
    #[arg(long, env = "PARLANCE_ADMIN_UI", value_name = "MODE")]
    pub admin_ui: Option<String>,
    /// Secret for reading /metrics [default: none]
    #[arg(long, env = "PARLANCE_METRICS_TOKEN", value_name = "TEXT", hide_env_values = true)]
    pub metrics_token: Option<String>,
    /// Address and port of their own for /admin and /metrics [default: on the port of all]
    #[arg(long, env = "PARLANCE_ADMIN_ADDRESS", value_name = "HOST:PORT")]
    pub admin_address: Option<String>,
    /// Cookie with the id of the session, for balancers that stick by it [default: none]
    #[arg(long, env = "PARLANCE_COOKIE", value_name = "NAME")]
    pub cookie: Option<String>,
    /// Secret that the nodes of a cluster share [default: none]
    #[arg(long, env = "PARLANCE_CLUSTER_KEY", value_name = "TEXT", hide_env_values = true)]
    pub cluster_key: Option<String>,
    /// Address and port where other nodes pass on requests of this one's sessions [default: none]
    #[arg(long, env = "PARLANCE_NODE_LISTEN", value_name = "HOST:PORT")]
    pub node_listen: Option<String>,
    /// Where the other nodes reach node-listen [default: node-listen]
    #[arg(long, env = "PARLANCE_NODE_ADDRESS", value_name = "HOST:PORT")]
    pub node_address: Option<String>,
    /// The node-address of each node, of this one too
    #[arg(long, env = "PARLANCE_NODES", value_delimiter = ',', value_name = "HOST:PORT,…")]
    pub nodes: Option<Vec<String>>,
    /// Connections to other nodes at once, and as many from them [default: 10000]
    #[arg(long, env = "PARLANCE_NODE_CONNECTIONS", value_name = "N")]
    pub node_connections: Option<usize>,
    /// This node's certificate in PEM form; nodes then speak TLS with each other
    #[arg(long, env = "PARLANCE_NODE_TLS_CERT", value_name = "FILE")]
    pub node_tls_cert: Option<PathBuf>,
    /// Its key in PEM form
    #[arg(long, env = "PARLANCE_NODE_TLS_KEY", value_name = "FILE")]
    pub node_tls_key: Option<PathBuf>,
    /// The authority of the other nodes' certificates in PEM form
    #[arg(long, env = "PARLANCE_NODE_TLS_CA", value_name = "FILE")]
    pub node_tls_ca: Option<PathBuf>,
    /// Connections at once; a further one waits up to 2 s and is then refused [default: 100000]
    #[arg(long, env = "PARLANCE_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Connections at once of one address, 0 for no bound; never more than half of all [default: 4000]
    #[arg(long, env = "PARLANCE_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<usize>,
    /// Time for a request's headers [default: 10s]
    #[arg(long, env = "PARLANCE_HEADER_TIMEOUT", value_name = "TIME")]
    pub header_timeout: Option<Time>,
    /// Time that a connection stays open between two requests [default: 130s]
    #[arg(long, env = "PARLANCE_KEEP_ALIVE_TIMEOUT", value_name = "TIME")]
    pub keep_alive_timeout: Option<Time>,
    /// Time for a request's body [default: 30s]
    #[arg(long, env = "PARLANCE_BODY_TIMEOUT", value_name = "TIME")]
    pub body_timeout: Option<Time>,
    /// Headers of one request [default: 64]
    #[arg(long, env = "PARLANCE_MAX_HEADERS", value_name = "N")]
    pub max_headers: Option<usize>,
    /// Bytes of all headers of one request [default: 16KiB]
    #[arg(long, env = "PARLANCE_MAX_HEADER_BYTES", value_name = "SIZE")]
    pub max_header_bytes: Option<Size>,
    /// Time to go on after the signal to stop, while /readyz says no [default: 0]
    #[arg(long, env = "PARLANCE_DRAIN_DELAY", value_name = "TIME")]
    pub drain_delay: Option<Time>,
    /// Time to close all sessions when the server stops [default: 10s]
    #[arg(long, env = "PARLANCE_SHUTDOWN_TIMEOUT", value_name = "TIME")]
    pub shutdown_timeout: Option<Time>,
    /// Bytes of one chat message [default: 64KiB]
    #[arg(long, env = "PARLANCE_MESSAGE_MAX", value_name = "SIZE")]
    pub message_max: Option<Size>,
    /// Chat messages per second and person, two seconds' worth at once, 0 for no bound [default: 50]
    #[arg(long, env = "PARLANCE_MESSAGE_RATE", value_name = "N")]
    pub message_rate: Option<u32>,
    /// Bytes of chat messages per second and person, two seconds' worth at once, 0 for no bound [default: 64KiB]
    #[arg(long, env = "PARLANCE_BYTE_RATE", value_name = "SIZE")]
    pub byte_rate: Option<Size>,
    /// Whether several people may have the same name, or names that look the same [default: false]
    #[arg(long, env = "PARLANCE_DUPLICATE_NAMES", value_name = "BOOL")]
    pub duplicate_names: Option<bool>,
    /// Names that nobody may have, nor any that could be read as one of them [default: admin, server and others]
    #[arg(long, env = "PARLANCE_RESERVED_NAMES", value_name = "NAME,…", value_delimiter = ',')]
    pub reserved_names: Option<Vec<String>>,
    /// Who may come in: none, optional or required: with a token of an identity provider [default: none]
    #[arg(long, env = "PARLANCE_AUTH", value_name = "MODE")]
    pub auth: Option<String>,
    /// Secret that signs the tokens (HS256), 32 characters at least [default: none]
    #[arg(long, env = "PARLANCE_AUTH_SECRET", value_name = "TEXT", hide_env_values = true)]
    pub auth_secret: Option<String>,
    /// File or URL with the public keys that sign the tokens, PEM or JWKS (RS256, ES256, EdDSA) [default: none]
    #[arg(long, env = "PARLANCE_AUTH_KEYS", value_name = "FILE|URL")]
    pub auth_keys: Option<String>,
    /// Who has to have given the tokens: their claim iss [default: none]
    #[arg(long, env = "PARLANCE_AUTH_ISSUER", value_name = "TEXT")]
    pub auth_issuer: Option<String>,
    /// For whom tokens may be: their claim aud has one of these [default: none]
    #[arg(long, env = "PARLANCE_AUTH_AUDIENCE", value_delimiter = ',', value_name = "TEXT,…")]
    pub auth_audience: Option<Vec<String>>,
    /// Cookie in which tokens come as well; needs origins [default: none]
    #[arg(long, env = "PARLANCE_AUTH_COOKIE", value_name = "NAME")]
    pub auth_cookie: Option<String>,
    /// Claim with the name of the person [default: name]
    #[arg(long, env = "PARLANCE_AUTH_NAME_CLAIM", value_name = "NAME")]
    pub auth_name_claim: Option<String>,
    /// Claim with the roles, such as moderator and admin [default: roles]
    #[arg(long, env = "PARLANCE_AUTH_ROLES_CLAIM", value_name = "NAME")]
    pub auth_roles_claim: Option<String>,
    /// Claim with the rooms that the person may enter; without it all [default: rooms]
    #[arg(long, env = "PARLANCE_AUTH_ROOMS_CLAIM", value_name = "NAME")]
    pub auth_rooms_claim: Option<String>,
    /// How long a lost connection is not told of to others, in case it comes back [default: 3s]
    #[arg(long, env = "PARLANCE_LEAVE_DELAY", value_name = "TIME")]
    pub leave_delay: Option<Time>,
    /// Folder where what is said is kept, or none to keep it in memory [default: data]
    #[arg(long, env = "PARLANCE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// When a message is acknowledged: commit, when the disk has it, or relaxed, at once [default: commit]
    #[arg(long, env = "PARLANCE_DURABILITY", value_name = "WHEN")]
    pub durability: Option<String>,
    /// Messages that are kept of each room, 0 for none [default: 100000]
    #[arg(long, env = "PARLANCE_HISTORY", value_name = "N")]
    pub history: Option<usize>,
    /// How long they are kept, 0 for no bound [default: 0]
    #[arg(long, env = "PARLANCE_HISTORY_AGE", value_name = "TIME")]
    pub history_age: Option<Time>,
    /// Bytes of them that are kept of each room [default: 64MiB]
    #[arg(long, env = "PARLANCE_HISTORY_BYTES", value_name = "SIZE")]
    pub history_bytes: Option<Size>,
    /// Rooms that there may be besides the lobby, as names, or patterns with * [default: *]
    #[arg(long, env = "PARLANCE_ROOMS", value_delimiter = ',', value_name = "ROOM,…")]
    pub rooms: Option<Vec<String>>,
    /// Rooms at once besides the lobby [default: 1000]
    #[arg(long, env = "PARLANCE_MAX_ROOMS", value_name = "N")]
    pub max_rooms: Option<usize>,
    /// What holds in some rooms.
    #[arg(skip)]
    pub room: Option<Vec<RoomTable>>,
    /// Earlier messages that a page gets as it comes if it cannot ask for them [default: 0]
    #[arg(long, env = "PARLANCE_REPLAY", value_name = "N")]
    pub replay: Option<usize>,
    /// How long stock clients of 4.6 and later may be away and have their session back, 0 for not at all [default: 0]
    #[arg(long, env = "PARLANCE_RECOVERY", value_name = "TIME")]
    pub recovery: Option<Time>,
    /// Where several nodes meet: redis://, rediss://, redis+sentinel://, redis+cluster:// or unix:// [default: none]
    #[arg(long, env = "PARLANCE_CLUSTER", value_name = "URL", hide_env_values = true)]
    pub cluster: Option<String>,
    /// How they meet there: redis, redis-sharded or redis-streams [default: redis]
    #[arg(long, env = "PARLANCE_CLUSTER_ADAPTER", value_name = "NAME")]
    pub cluster_adapter: Option<String>,
    /// With what the names of all channels begin [default: socket.io]
    #[arg(long, env = "PARLANCE_CLUSTER_PREFIX", value_name = "TEXT")]
    pub cluster_prefix: Option<String>,
    /// Oldest version of socket.io-redis, or of its successor, among the servers of Node [default: 7]
    #[arg(long, env = "PARLANCE_CLUSTER_OLDEST", value_name = "VERSION")]
    pub cluster_oldest: Option<String>,
    /// With redis-streams: entries that a stream keeps, about [default: 10000]
    #[arg(long, env = "PARLANCE_CLUSTER_STREAM_LENGTH", value_name = "N")]
    pub cluster_stream_length: Option<usize>,
    /// With redis-streams: how many streams there are, one for each namespace [default: 1]
    #[arg(long, env = "PARLANCE_CLUSTER_STREAM_COUNT", value_name = "N")]
    pub cluster_stream_count: Option<usize>,
    /// Authority of Redis' certificate in PEM form [default: those of the system]
    #[arg(long, env = "PARLANCE_CLUSTER_CA", value_name = "FILE")]
    pub cluster_ca: Option<PathBuf>,
    /// Time of silence after which the people of another node of the cluster leave [default: 15s]
    #[arg(long, env = "PARLANCE_NODE_TIMEOUT", value_name = "TIME")]
    pub node_timeout: Option<Time>,
    /// Whether /readyz says yes while other nodes of the cluster cannot be reached [default: true]
    #[arg(long, env = "PARLANCE_READY_ALONE", value_name = "BOOL")]
    pub ready_alone: Option<bool>,
}

impl Layer {
    /// Fills in the settings that `self` lacks from `lower`.
    pub(super) fn over(self, lower: Layer) -> Layer {
        macro_rules! layered {
            ($($field:ident)*) => { Layer { $($field: self.$field.or(lower.$field)),* } };
        }
        layered!(host port tls_cert tls_key redirect_port hsts base_path path proxy_protocol transports eio3_polls rules origins match_origin_protocol trusted_proxies proxy_headers
            max_sessions_per_address max_websockets handshake_rate breaker_failures breaker_rest
            breaker_longest admin_token admin_ui metrics_token admin_address byte_rate static_dir client_dir log log_format log_dir log_bytes ping_interval ping_timeout
            upgrade_timeout connect_timeout max_payload queue_bytes queue_bytes_total queue_messages stream_bytes http_compression max_sessions
            max_connections max_connections_per_address header_timeout keep_alive_timeout body_timeout max_headers max_header_bytes
            cookie cluster_key node_listen node_address nodes node_connections node_tls_cert node_tls_key node_tls_ca
            drain_delay shutdown_timeout message_max message_rate duplicate_names reserved_names auth auth_secret auth_keys auth_issuer auth_audience auth_cookie
            auth_name_claim auth_roles_claim auth_rooms_claim leave_delay data_dir durability history history_age history_bytes rooms max_rooms room replay recovery
            cluster cluster_adapter cluster_prefix cluster_oldest cluster_stream_length cluster_stream_count cluster_ca node_timeout ready_alone)
    }
}

/// Environment variables whose names begin like those of settings, but are not. Most likely they are
/// mistyped. They are no error, because some platforms set such variables by themselves.
pub fn unknown_variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| name.starts_with("PARLANCE_") && !is_variable(name)).collect()
}

/// Whether an environment variable is a setting, or names the file with the settings.
pub fn is_variable(name: &str) -> bool {
    let flags = <Layer as clap::Args>::augment_args(clap::Command::new("parlance"));
    let mut known = flags.get_arguments().filter_map(|flag| flag.get_env());
    name == "PARLANCE_CONFIG" || known.any(|known| known == name)
}
