//! Settings and their layers: defaults, `transports.toml`, environment, flags.
//!
//! One vocabulary serves all: the key `ping-interval` of the file is the flag `--ping-interval` and
//! the variable `PARLANCE_PING_INTERVAL`. Each layer is validated by itself, so that an error names
//! the place that it came from; the server does not start half-configured.

mod rules;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

pub use rules::RuleText;

use crate::policy::{Caps, Healing, Networks, Origins, Policy, Transports};

/// The file that is read from the working directory unless another is named.
pub const DEFAULT_FILE: &str = "transports.toml";

/// A time with its unit, as in `25s`, `500ms` or `2m`; `0` needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct Time(pub Duration);

/// A number of bytes, as in `1000000`, `64KiB` or `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct Size(pub usize);

/// A value of the file that is written as a string, or as a plain number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a number")]
enum Scalar {
    Text(String),
    Number(u64),
}

impl Scalar {
    fn read<T: FromStr>(&self) -> Result<T, T::Err> {
        match self {
            Scalar::Text(text) => text.parse(),
            Scalar::Number(number) => number.to_string().parse(),
        }
    }
}

impl TryFrom<Scalar> for Time {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        scalar.read()
    }
}

impl TryFrom<Scalar> for Size {
    type Error = String;

    fn try_from(scalar: Scalar) -> Result<Self, String> {
        scalar.read()
    }
}

/// Reads `25s` as 25 times what `s` stands for.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let (_, factor) = units.iter().find(|(unit, _)| *unit == text[end..].trim())?;
    number.checked_mul(*factor)
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 5] =
            [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        let millis = if text.trim() == "0" { Some(0) } else { scaled(text, &UNITS) };
        millis.map(|millis| Time(Duration::from_millis(millis))).ok_or_else(|| {
            format!(
                "`{text}` is no time, expected a whole number with a unit, such as 500ms, 25s or 2m"
            )
        })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 6] =
            [("", 1), ("B", 1), ("kB", 1000), ("KiB", 1024), ("MB", 1_000_000), ("MiB", 1 << 20)];
        let bytes = scaled(text, &UNITS).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Size).ok_or_else(|| {
            format!("`{text}` is no size, expected bytes, such as 1000000, 64KiB or 1MB")
        })
    }
}

/// One layer: what a file, or flags and environment together, say. Each field is optional; the
/// comments are the help texts of the flags.
#[derive(Debug, Default, Clone, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Layer {
    /// Address or host name to listen on [default: all addresses]
    #[arg(long, env = "PARLANCE_HOST")]
    pub host: Option<String>,
    /// Port to listen on, 0 for any free one [default: 3000] [env: PORT as well]
    #[arg(long, env = "PARLANCE_PORT")]
    pub port: Option<u16>,
    /// Certificates in PEM form, the default first; `port` speaks https then
    #[arg(long, env = "PARLANCE_TLS_CERT", value_delimiter = ',', value_name = "FILE,…")]
    pub tls_cert: Option<Vec<PathBuf>>,
    /// Their keys in PEM form, in the same order
    #[arg(long, env = "PARLANCE_TLS_KEY", value_delimiter = ',', value_name = "FILE,…")]
    pub tls_key: Option<Vec<PathBuf>>,
    /// Plain port whose requests are sent on to https [default: none]
    #[arg(long, env = "PARLANCE_REDIRECT_PORT", value_name = "PORT")]
    pub redirect_port: Option<u16>,
    /// Time for which browsers are told to come by https only, 0 for not at all [default: 0]
    #[arg(long, env = "PARLANCE_HSTS", value_name = "TIME")]
    pub hsts: Option<Time>,
    /// Whether connections begin with a PROXY header of a trusted proxy [default: false]
    #[arg(long, env = "PARLANCE_PROXY_PROTOCOL", value_name = "BOOL")]
    pub proxy_protocol: Option<bool>,
    /// Allowed transports, preferred first; `polling` means both polling forms [default: all]
    #[arg(long, env = "PARLANCE_TRANSPORTS", value_delimiter = ',', value_name = "NAME,…")]
    pub transports: Option<Vec<String>>,
    /// Lists of transports for some visitors; in the file only
    #[arg(skip)]
    pub rules: Option<Vec<RuleText>>,
    /// Pages that may connect: `*`, `same-host`, origins or host names, `*.` for subdomains [default: *]
    #[arg(long, env = "PARLANCE_ORIGINS", value_delimiter = ',', value_name = "ORIGIN,…")]
    pub origins: Option<Vec<String>>,
    /// Refuse connections whose scheme is not that of their page [default: false]
    #[arg(long, env = "PARLANCE_MATCH_ORIGIN_PROTOCOL", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub match_origin_protocol: Option<bool>,
    /// Networks of proxies whose word on clients and schemes is taken [default: none]
    #[arg(long, env = "PARLANCE_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORK,…")]
    pub trusted_proxies: Option<Vec<String>>,
    /// Folder to serve instead of the built-in pages
    #[arg(long, env = "PARLANCE_STATIC_DIR", value_name = "DIR")]
    pub static_dir: Option<PathBuf>,
    /// Log level (error, warn, info, debug, trace) or filter [default: info]
    #[arg(long, env = "PARLANCE_LOG", value_name = "LEVEL")]
    pub log: Option<String>,
    /// Folder for log files, a new one each day
    #[arg(long, env = "PARLANCE_LOG_DIR", value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Time between heartbeats [default: 25s]
    #[arg(long, env = "PARLANCE_PING_INTERVAL", value_name = "TIME")]
    pub ping_interval: Option<Time>,
    /// Time that a heartbeat may go without an answer [default: 20s]
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
    /// Packets that may wait for one client [default: 4096]
    #[arg(long, env = "PARLANCE_QUEUE_MESSAGES", value_name = "N")]
    pub queue_messages: Option<usize>,
    /// Bytes of one streamed response, after which the next is asked for [default: 1MiB]
    #[arg(long, env = "PARLANCE_STREAM_BYTES", value_name = "SIZE")]
    pub stream_bytes: Option<Size>,
    /// Sessions at once, 0 for no bound [default: 0]
    #[arg(long, env = "PARLANCE_MAX_SESSIONS", value_name = "N")]
    pub max_sessions: Option<usize>,
    /// Sessions at once of one address, 0 for no bound [default: 0]
    #[arg(long, env = "PARLANCE_MAX_SESSIONS_PER_ADDRESS", value_name = "N")]
    pub max_sessions_per_address: Option<usize>,
    /// WebSockets at once, 0 for no bound; beyond it clients stay on polling [default: 0]
    #[arg(long, env = "PARLANCE_MAX_WEBSOCKETS", value_name = "N")]
    pub max_websockets: Option<usize>,
    /// Handshakes per second of one address, ten seconds' worth at once, 0 for no bound [default: 0]
    #[arg(long, env = "PARLANCE_HANDSHAKE_RATE", value_name = "N")]
    pub handshake_rate: Option<u32>,
    /// Failed WebSockets in a row of one network until they are withheld from it, 0 for never [default: 5]
    #[arg(long, env = "PARLANCE_HEAL_FAILURES", value_name = "N")]
    pub heal_failures: Option<u32>,
    /// Time for which they are withheld first; it doubles with each failed test [default: 10m]
    #[arg(long, env = "PARLANCE_HEAL_REST", value_name = "TIME")]
    pub heal_rest: Option<Time>,
    /// Longest time for which they are withheld [default: 1h]
    #[arg(long, env = "PARLANCE_HEAL_LONGEST", value_name = "TIME")]
    pub heal_longest: Option<Time>,
    /// Secret that lets its bearer change the policy by HTTP [default: none]
    #[arg(long, env = "PARLANCE_ADMIN_TOKEN", value_name = "TEXT", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// Connections at once; more wait to be accepted [default: 100000]
    #[arg(long, env = "PARLANCE_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Time for a request's headers, and for a connection between requests [default: 10s]
    #[arg(long, env = "PARLANCE_HEADER_TIMEOUT", value_name = "TIME")]
    pub header_timeout: Option<Time>,
    /// Time for a request's body [default: 30s]
    #[arg(long, env = "PARLANCE_BODY_TIMEOUT", value_name = "TIME")]
    pub body_timeout: Option<Time>,
    /// Headers of one request [default: 64]
    #[arg(long, env = "PARLANCE_MAX_HEADERS", value_name = "N")]
    pub max_headers: Option<usize>,
    /// Bytes of all headers of one request [default: 16KiB]
    #[arg(long, env = "PARLANCE_MAX_HEADER_BYTES", value_name = "SIZE")]
    pub max_header_bytes: Option<Size>,
    /// Time for clients to be told when the server stops [default: 10s]
    #[arg(long, env = "PARLANCE_SHUTDOWN_TIMEOUT", value_name = "TIME")]
    pub shutdown_timeout: Option<Time>,
    /// Bytes of one chat message [default: 64KiB]
    #[arg(long, env = "PARLANCE_MESSAGE_MAX", value_name = "SIZE")]
    pub message_max: Option<Size>,
    /// Chat messages per second and person, ten seconds' worth at once, 0 for no bound [default: 50]
    #[arg(long, env = "PARLANCE_MESSAGE_RATE", value_name = "N")]
    pub message_rate: Option<u32>,
    /// Bytes of chat messages per second and person, ten seconds' worth at once, 0 for no bound [default: 64KiB]
    #[arg(long, env = "PARLANCE_BYTE_RATE", value_name = "SIZE")]
    pub byte_rate: Option<Size>,
    /// Whether several people may have the same name [default: true]
    #[arg(long, env = "PARLANCE_DUPLICATE_NAMES", value_name = "BOOL")]
    pub duplicate_names: Option<bool>,
}

/// All settings, complete.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `None` for all addresses.
    pub host: Option<String>,
    pub port: u16,
    pub policy: Policy,
    pub admin_token: Option<String>,
    pub tls_cert: Vec<PathBuf>,
    /// As many as [`Settings::tls_cert`].
    pub tls_key: Vec<PathBuf>,
    pub redirect_port: Option<u16>,
    /// `None` for not at all.
    pub hsts: Option<Duration>,
    pub proxy_protocol: bool,
    pub static_dir: Option<PathBuf>,
    pub log: String,
    pub log_dir: Option<PathBuf>,
    pub ping_interval: Duration,
    pub ping_timeout: Duration,
    pub upgrade_timeout: Duration,
    pub connect_timeout: Duration,
    pub max_payload: usize,
    pub queue_bytes: usize,
    pub queue_messages: usize,
    pub stream_bytes: usize,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub max_headers: usize,
    pub max_header_bytes: usize,
    pub shutdown_timeout: Duration,
    pub message_max: usize,
    pub message_rate: u32,
    pub byte_rate: usize,
    pub duplicate_names: bool,
}

/// What is wrong with the settings, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{} cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}:{line}:{column}: {message}", .path.display())]
    File { path: PathBuf, line: usize, column: usize, message: String },
    #[error("--{key} (or PARLANCE_{}): {message}", .key.to_uppercase().replace('-', "_"))]
    Flag { key: &'static str, message: String },
    #[error("PORT: `{value}` is no port number")]
    Port { value: String },
    /// Each is right by itself; the layers may differ in where they come from.
    #[error("{key}: {message}")]
    Together { key: &'static str, message: String },
}

/// A value that cannot be.
struct Invalid {
    key: &'static str,
    message: String,
}

/// Longer times than this overflow the timers of old clients.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A secret that is not guessed.
const SHORTEST_TOKEN: usize = 16;

/// As long as anybody lets a browser remember to come by https.
const LONGEST_HSTS: Duration = Duration::from_secs(3650 * 24 * 3600);

impl Layer {
    fn validate(&self, known: &[&'static str]) -> Result<(), Invalid> {
        let invalid = |key, message: String| Err(Invalid { key, message });
        if let Some(list) = &self.transports
            && let Err(error) = Transports::parse(list.iter().map(String::as_str), known)
        {
            return invalid("transports", error.to_string());
        }
        if let Some(rules) = &self.rules
            && let Err(message) = rules::read(rules, known)
        {
            return invalid("rules", message);
        }
        if let Some(list) = &self.origins
            && let Err(error) = Origins::parse(list.iter().map(String::as_str))
        {
            return invalid("origins", error.to_string());
        }
        if self.admin_token.as_ref().is_some_and(|token| token.len() < SHORTEST_TOKEN) {
            return invalid(
                "admin-token",
                format!("expected {SHORTEST_TOKEN} characters at least"),
            );
        }
        let times = [
            ("ping-interval", self.ping_interval),
            ("ping-timeout", self.ping_timeout),
            ("upgrade-timeout", self.upgrade_timeout),
            ("connect-timeout", self.connect_timeout),
            ("header-timeout", self.header_timeout),
            ("body-timeout", self.body_timeout),
            ("shutdown-timeout", self.shutdown_timeout),
            ("heal-rest", self.heal_rest),
            ("heal-longest", self.heal_longest),
        ];
        for (key, time) in times {
            if time.is_some_and(|Time(time)| time.is_zero() || time > LONGEST) {
                return invalid(key, "expected more than 0 and at most 24h".into());
            }
        }
        let sound = |Time(time): Time| time.subsec_nanos() == 0 && time <= LONGEST_HSTS;
        if self.hsts.is_some_and(|hsts| !sound(hsts)) {
            return invalid("hsts", "expected whole seconds and at most 3650d".into());
        }
        if let Some(list) = &self.trusted_proxies
            && let Err(error) = Networks::parse(list.iter().map(String::as_str))
        {
            return invalid("trusted-proxies", error.to_string());
        }
        let counts = [
            ("max-payload", self.max_payload.map(|size| size.0), 1024),
            ("queue-bytes", self.queue_bytes.map(|size| size.0), 1024),
            ("queue-messages", self.queue_messages, 16),
            ("stream-bytes", self.stream_bytes.map(|size| size.0), 4096),
            ("max-connections", self.max_connections, 1),
            ("max-headers", self.max_headers, 8),
            ("max-header-bytes", self.max_header_bytes.map(|size| size.0), 8192),
            ("message-max", self.message_max.map(|size| size.0), 1),
        ];
        for (key, count, least) in counts {
            if count.is_some_and(|count| count < least) {
                return invalid(key, format!("expected {least} at least"));
            }
        }
        if let Some(log) = &self.log
            && let Err(message) = crate::telemetry::filter(log)
        {
            return invalid("log", message);
        }
        Ok(())
    }

    /// Lets `self` win over `lower`.
    fn over(self, lower: Layer) -> Layer {
        macro_rules! layered {
            ($($field:ident)*) => { Layer { $($field: self.$field.or(lower.$field)),* } };
        }
        layered!(host port tls_cert tls_key redirect_port hsts proxy_protocol transports rules origins match_origin_protocol trusted_proxies
            max_sessions_per_address max_websockets handshake_rate heal_failures heal_rest
            heal_longest admin_token byte_rate static_dir log log_dir ping_interval ping_timeout
            upgrade_timeout connect_timeout max_payload queue_bytes queue_messages stream_bytes max_sessions
            max_connections header_timeout body_timeout max_headers max_header_bytes
            shutdown_timeout message_max message_rate duplicate_names)
    }

    /// Reads the file's layer.
    ///
    /// # Errors
    /// With line and column, if a key or a value is wrong.
    pub fn from_file(path: &Path, known: &[&'static str]) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::from_text(&text, path, known)
    }

    fn from_text(text: &str, path: &Path, known: &[&'static str]) -> Result<Self, ConfigError> {
        let at = |offset: usize, message: String| {
            let (line, column) = position(text, offset);
            ConfigError::File { path: path.to_owned(), line, column, message }
        };
        let layer: Layer = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            at(offset, error.message().replace('\n', ", "))
        })?;
        layer.validate(known).map_err(|Invalid { key, message }| {
            let table = toml::de::DeTable::parse(text).ok();
            let span = table.and_then(|table| {
                let value = table.get_ref().get(key)?;
                Some(value.span().start)
            });
            at(span.unwrap_or(0), format!("{key}: {message}"))
        })?;
        Ok(layer)
    }
}

/// Where the settings come from; read again for each change.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Flags, which hold the environment too.
    pub flags: Layer,
    /// The file that was named. Without one, [`DEFAULT_FILE`] is read if it is there.
    pub file: Option<PathBuf>,
    /// `PORT`, as hosting platforms set it.
    pub port: Option<String>,
}

/// Keys that can change while the server runs.
const LIVE: [&str; 12] = [
    "transports",
    "rules",
    "origins",
    "match-origin-protocol",
    "trusted-proxies",
    "max-sessions",
    "max-sessions-per-address",
    "max-websockets",
    "handshake-rate",
    "heal-failures",
    "heal-rest",
    "heal-longest",
];

impl Sources {
    /// The file that is looked at, whether it is there or not.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// Puts the layers together: flags over the file over the defaults.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(&self, known: &[&'static str]) -> Result<Settings, ConfigError> {
        let settings = Settings::complete(self.layers(known)?, known);
        settings.agree()?;
        Ok(settings)
    }

    /// The policy that comes of a text with live keys, which wins over flags and file.
    ///
    /// # Errors
    /// The first thing that is wrong. Keys that are not live are an error.
    pub fn policy_with(&self, text: &str, known: &[&'static str]) -> Result<Policy, ConfigError> {
        let path = Path::new("body");
        let top = Layer::from_text(text, path, known)?;
        let table = toml::de::DeTable::parse(text).ok();
        let fixed = table.iter().flat_map(|table| table.get_ref().iter());
        if let Some((key, _)) = fixed.into_iter().find(|(key, _)| !LIVE.contains(&&**key.get_ref()))
        {
            let message = format!("{}: it changes with a restart only", key.get_ref());
            let (line, column) = position(text, key.span().start);
            return Err(ConfigError::File { path: path.to_owned(), line, column, message });
        }
        Ok(Settings::complete(top.over(self.layers(known)?), known).policy)
    }

    fn layers(&self, known: &[&'static str]) -> Result<Layer, ConfigError> {
        let flags = self.flags.clone();
        flags
            .validate(known)
            .map_err(|Invalid { key, message }| ConfigError::Flag { key, message })?;
        let port = match self.port.as_deref().filter(|value| !value.is_empty()) {
            Some(value) => match value.parse() {
                Ok(port) => Some(port),
                Err(_) => return Err(ConfigError::Port { value: value.to_owned() }),
            },
            None => None,
        };
        let file = match self.file.is_some() || self.path().exists() {
            true => Layer::from_file(self.path(), known)?,
            false => Layer::default(),
        };
        Ok(flags.over(Layer { port, ..Layer::default() }.over(file)))
    }
}

impl Settings {
    /// Checks what no layer can tell by itself.
    fn agree(&self) -> Result<(), ConfigError> {
        let wrong = |key, message: String| Err(ConfigError::Together { key, message });
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
        if self.proxy_protocol && self.policy.trusted_proxies.is_empty() {
            let message = "nobody could connect, because trusted-proxies is empty".into();
            return wrong("proxy-protocol", message);
        }
        Ok(())
    }
}

impl Settings {
    fn complete(layer: Layer, known: &[&'static str]) -> Self {
        let time = |time: Option<Time>, default: u64| {
            time.map_or(Duration::from_secs(default), |Time(time)| time)
        };
        let size = |size: Option<Size>, default: usize| size.map_or(default, |Size(size)| size);
        let policy = policy(&layer, known);
        Settings {
            host: layer.host,
            port: layer.port.unwrap_or(3000),
            policy,
            admin_token: layer.admin_token,
            tls_cert: layer.tls_cert.unwrap_or_default(),
            tls_key: layer.tls_key.unwrap_or_default(),
            redirect_port: layer.redirect_port,
            hsts: layer.hsts.map(|Time(time)| time).filter(|time| !time.is_zero()),
            proxy_protocol: layer.proxy_protocol.unwrap_or(false),
            static_dir: layer.static_dir,
            log: layer.log.unwrap_or_else(|| "info".into()),
            log_dir: layer.log_dir,
            ping_interval: time(layer.ping_interval, 25),
            ping_timeout: time(layer.ping_timeout, 20),
            upgrade_timeout: time(layer.upgrade_timeout, 10),
            connect_timeout: time(layer.connect_timeout, 45),
            max_payload: size(layer.max_payload, 1_000_000),
            queue_bytes: size(layer.queue_bytes, 1 << 20),
            queue_messages: layer.queue_messages.unwrap_or(4096),
            stream_bytes: size(layer.stream_bytes, 1 << 20),
            max_connections: layer.max_connections.unwrap_or(100_000),
            header_timeout: time(layer.header_timeout, 10),
            body_timeout: time(layer.body_timeout, 30),
            max_headers: layer.max_headers.unwrap_or(64),
            max_header_bytes: size(layer.max_header_bytes, 16 * 1024),
            shutdown_timeout: time(layer.shutdown_timeout, 10),
            message_max: size(layer.message_max, 64 * 1024),
            message_rate: layer.message_rate.unwrap_or(50),
            byte_rate: size(layer.byte_rate, 64 * 1024),
            duplicate_names: layer.duplicate_names.unwrap_or(true),
        }
    }
}

/// The policy of a layer that was validated: what could not be read was refused with it.
fn policy(layer: &Layer, known: &[&'static str]) -> Policy {
    fn strs(list: &Option<Vec<String>>) -> Option<impl Iterator<Item = &str>> {
        list.as_ref().map(|list| list.iter().map(String::as_str))
    }
    let standard = Healing::default();
    let time = |time: Option<Time>, default| time.map_or(default, |Time(time)| time);
    let rest = time(layer.heal_rest, standard.rest);
    Policy {
        transports: strs(&layer.transports)
            .and_then(|list| Transports::parse(list, known).ok())
            .unwrap_or_else(|| Transports::all(known.to_vec())),
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
        caps: Caps {
            sessions: layer.max_sessions.unwrap_or(0),
            sessions_per_address: layer.max_sessions_per_address.unwrap_or(0),
            websockets: layer.max_websockets.unwrap_or(0),
            handshakes_per_address: layer.handshake_rate.unwrap_or(0),
        },
        healing: Healing {
            failures: layer.heal_failures.unwrap_or(standard.failures),
            rest,
            longest: time(layer.heal_longest, standard.longest).max(rest),
        },
    }
}

/// Line and column of a place in a text, both from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["websocket", "xhr-polling", "jsonp-polling"];

    fn file(text: &str) -> Result<Layer, String> {
        Layer::from_text(text, Path::new("t.toml"), &KNOWN).map_err(|error| error.to_string())
    }

    #[test]
    fn units() {
        assert_eq!("500ms".parse(), Ok(Time(Duration::from_millis(500))));
        assert_eq!("2m".parse(), Ok(Time(Duration::from_secs(120))));
        assert_eq!("365d".parse(), Ok(Time(Duration::from_secs(365 * 86_400))));
        assert_eq!("0".parse(), Ok(Time(Duration::ZERO)));
        assert_eq!("64KiB".parse(), Ok(Size(65536)));
        assert_eq!("1 MB".parse(), Ok(Size(1_000_000)));
        for bad in ["", "25", "s", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
        for bad in ["", "MB", "1GB", "-1"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let error = file("port = 3000\n\nping-intervall = \"25s\"\n").unwrap_err();
        assert!(
            error.starts_with(
                "t.toml:3:1: unknown field `ping-intervall`, expected one of `host`, "
            ),
            "{error}"
        );
        let error = file("ping-interval = \"25\"").unwrap_err();
        assert_eq!(
            error,
            "t.toml:1:17: `25` is no time, expected a whole number with a unit, such as 500ms, 25s or 2m"
        );
        let error = file("\ntransports = [\"websocket\", \"flash\"]").unwrap_err();
        assert_eq!(
            error,
            "t.toml:2:14: transports: unknown transport \"flash\": known are websocket, xhr-polling, jsonp-polling, polling (both polling forms)"
        );
        let error = file("port = \"x\"").unwrap_err();
        assert!(
            error.starts_with("t.toml:1:8: invalid type: string \"x\", expected u16"),
            "{error}"
        );
        assert_eq!(
            file("max-payload = 10").unwrap_err(),
            "t.toml:1:15: max-payload: expected 1024 at least"
        );
        assert!(file("port = ").unwrap_err().starts_with("t.toml:1:8: "));
    }

    #[test]
    fn errors_of_listening() {
        for (text, expected) in [
            ("hsts = \"500ms\"", "t.toml:1:8: hsts: expected whole seconds and at most 3650d"),
            ("hsts = \"3651d\"", "t.toml:1:8: hsts: expected whole seconds and at most 3650d"),
            (
                "trusted-proxies = [\"private\", \"proxy.example\"]",
                "t.toml:1:19: trusted-proxies: `proxy.example` is no network, expected an address or a range such as 10.0.0.0/8 or 2001:db8::/32",
            ),
        ] {
            assert_eq!(file(text).unwrap_err(), expected);
        }
        let agree = |text: &str| {
            let settings = Settings::complete(file(text).unwrap(), &KNOWN);
            settings.agree().map_err(|error| error.to_string())
        };
        for (text, expected) in [
            (
                "tls-cert = [\"a\", \"b\"]\ntls-key = [\"a\"]",
                "tls-cert: 2 of them, but 1 of tls-key: each needs its own key",
            ),
            ("redirect-port = 80", "redirect-port: there is no https here without tls-cert"),
            (
                "port = 443\nredirect-port = 443\ntls-cert = [\"a\"]\ntls-key = [\"a\"]",
                "redirect-port: 443 is the port for https already",
            ),
            (
                "proxy-protocol = true",
                "proxy-protocol: nobody could connect, because trusted-proxies is empty",
            ),
        ] {
            assert_eq!(agree(text), Err(expected.into()));
        }
        let sound = "port = 443\nredirect-port = 80\ntls-cert = [\"a\"]\ntls-key = [\"a\"]\n\
            proxy-protocol = true\ntrusted-proxies = [\"private\"]\nhsts = \"1d\"";
        assert_eq!(agree(sound), Ok(()));
        let off = Settings::complete(file("hsts = 0").unwrap(), &KNOWN);
        assert_eq!(off.hsts, None);
    }

    #[test]
    fn later_layers_win() {
        let low = file("port = 1\nping-interval = \"1s\"\nmax-payload = 5000").unwrap();
        let high = Layer { port: Some(2), ..Layer::default() };
        let settings = Settings::complete(high.over(low), &KNOWN);
        assert_eq!(
            (settings.port, settings.ping_interval, settings.max_payload),
            (2, Duration::from_secs(1), 5000)
        );
        assert_eq!(settings.policy.transports.names(), KNOWN);
        assert_eq!(settings.queue_bytes, 1 << 20);
    }

    #[test]
    fn the_shipped_file_says_nothing_but_the_defaults() {
        let shipped = include_str!("../transports.toml");
        let known = crate::transport::names();
        let layer = Layer::from_text(shipped, Path::new(DEFAULT_FILE), &known).unwrap();
        let with = Settings::complete(layer, &known);
        assert_eq!(
            format!("{with:?}"),
            format!("{:?}", Settings::complete(Layer::default(), &known))
        );
        // Every key is in it, if only as a comment.
        for key in known_keys() {
            let there =
                shipped.contains(&format!("{key} = ")) || shipped.contains(&format!("[[{key}]]"));
            assert!(there, "{key} is missing");
        }
    }

    /// Rows of the reference in docs/configuration.md: what clap and the shipped file know.
    fn reference() -> Vec<String> {
        let shipped = include_str!("../transports.toml");
        let example = |key: &str| {
            let lines = shipped.lines().map(|line| line.trim_start_matches("# "));
            let line = lines.into_iter().find(|line| line.starts_with(&format!("{key} = ")));
            line.map_or_else(|| format!("[[{key}]]"), str::to_owned)
        };
        let flags = <Layer as clap::Args>::augment_args(clap::Command::new("parlance"));
        let row = |key: String| {
            let flag = flags.get_arguments().find(|flag| flag.get_long() == Some(&key));
            let Some(flag) = flag else {
                return format!(
                    "| `{key}` | none | tables | in the file only | | `{}` |",
                    example(&key)
                );
            };
            let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
            let default = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
            let default = default.map_or("none", |(default, _)| default);
            let unit = flag.get_value_names().map_or("text", |names| match &*names[0] {
                "TIME" => "time",
                "SIZE" => "size",
                "N" => "count",
                "BOOL" => "true, false",
                name if name.ends_with(",…") => "list",
                _ if key.ends_with("port") => "count",
                _ => "text",
            });
            let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned());
            let variable = variable.unwrap_or_default();
            format!(
                "| `{key}` | {default} | {unit} | `--{key}` | `{variable}` | `{}` |",
                example(&key)
            )
        };
        known_keys().into_iter().map(row).collect()
    }

    #[test]
    fn the_reference_names_every_setting() {
        let docs = include_str!("../docs/configuration.md");
        let missing: Vec<String> =
            reference().into_iter().filter(|row| !docs.contains(row.as_str())).collect();
        assert!(missing.is_empty(), "docs/configuration.md lacks:\n{}", missing.join("\n"));
        let (_, table) = docs.split_once("## Reference").expect("a reference");
        let rows = table.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, known_keys().len(), "and none that there is not");
        for key in known_keys() {
            let told = docs.matches(&format!("| `{key}`")).count();
            assert!(told >= 2, "{key}: one row with its meaning, one in the reference, not {told}");
        }
    }

    fn known_keys() -> Vec<String> {
        let error = file("no-such-key = 1").unwrap_err();
        let keys: Vec<_> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        assert!(keys.len() > 20, "{error}");
        keys
    }
}
