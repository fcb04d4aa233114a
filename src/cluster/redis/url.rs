//! Where Redis is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use redis::{RedisConnectionInfo, RedisResult, TlsMode};

/// Where Redis is, as a URL:
///
/// - `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, and `rediss://` for TLS
/// - `redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT],…/SERVICE[/DATABASE]`, and `rediss+sentinel://`: the
///   hosts are sentinels. They get no password, unless `?sentinel-password=` gives one
/// - `redis+cluster://[[USER]:PASSWORD@]HOST[:PORT],…`, and `rediss+cluster://`: a Redis Cluster. One host that
///   is there is enough to find the others
/// - `unix:///PATH[?db=DATABASE&user=USER&pass=PASSWORD]`
///
/// A password may be written as it is, or percent-encoded. What is shown of a URL has none.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    kind: Kind,
    tls: bool,
    hosts: Vec<(String, u16)>,
    path: Option<PathBuf>,
    user: Option<String>,
    password: Option<String>,
    database: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    One,
    Sentinel { service: String, password: Option<String> },
    Cluster,
}

/// What the addresses of a URL are of.
pub(super) enum Servers {
    One(ConnectionInfo),
    Sentinels(Sentinels),
    Cluster(Vec<ConnectionInfo>),
}

/// Servers that know which one is in charge.
pub(super) struct Sentinels {
    pub addresses: Vec<ConnectionAddr>,
    pub password: Option<String>,
    pub service: String,
    /// For the one that is in charge.
    pub login: RedisConnectionInfo,
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Why a URL is none. It does not say what the URL is, which has a password.
const FORMS: &str = "expected redis://HOST:PORT, rediss:// for TLS, unix:///PATH, redis+sentinel:// or redis+cluster://";

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or(FORMS)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if matches!(scheme, "unix" | "redis+unix") {
            return unix(rest, query);
        }
        let (tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis").ok_or(FORMS)?),
        };
        // Passwords that machines make often have a slash.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut path = path.trim_end_matches('/').split('/').filter(|part| !part.is_empty());
        let (kind, port) = match kind {
            "" => (Kind::One, PORT),
            "+sentinel" => {
                let service = path.next().ok_or("expected the service's name after the hosts")?;
                let mut password = None;
                for (key, value) in form_urlencoded::parse(query.as_bytes()) {
                    match &*key {
                        "sentinel-password" => password = Some(value.into_owned()),
                        _ => return Err("the query may have sentinel-password alone".into()),
                    }
                }
                (Kind::Sentinel { service: decoded(service)?, password }, SENTINEL_PORT)
            }
            "+cluster" => (Kind::Cluster, PORT),
            _ => return Err(FORMS.into()),
        };
        if !query.is_empty() && !matches!(kind, Kind::Sentinel { .. }) {
            return Err("expected no query".into());
        }
        let database = path.next().map_or(Ok(0), database)?;
        if path.next().is_some() || (kind == Kind::Cluster && database != 0) {
            return Err("expected nothing more after the address".into());
        }
        let hosts: Vec<_> = hosts.split(',').map(|it| host(it, port)).collect::<Result<_, _>>()?;
        if kind == Kind::One && hosts.len() > 1 {
            return Err("one host, or the scheme redis+cluster or redis+sentinel".into());
        }
        let (user, password) = match login {
            None => (None, None),
            Some(login) => {
                let parts = login.split_once(':');
                let (user, password) = parts.ok_or("expected a password: redis://:PASSWORD@…")?;
                let user = Some(decoded(user)?).filter(|user| !user.is_empty());
                (user, Some(decoded(password)?))
            }
        };
        Ok(RedisUrl { kind, tls, hosts, path: None, user, password, database })
    }
}

fn unix(path: &str, query: &str) -> Result<RedisUrl, String> {
    if !cfg!(unix) || !path.starts_with('/') {
        return Err("expected a path: unix:///PATH".into());
    }
    let (mut user, mut password, mut number) = (None, None, 0);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "db" => number = database(&value)?,
            "user" => user = Some(value.into_owned()),
            "pass" => password = Some(value.into_owned()),
            _ => return Err("the query may have db, user and pass alone".into()),
        }
    }
    let path = Some(PathBuf::from(decoded(path)?));
    let (kind, hosts) = (Kind::One, Vec::new());
    Ok(RedisUrl { kind, tls: false, hosts, path, user, password, database: number })
}

fn database(text: &str) -> Result<i64, String> {
    let number = text.parse::<u16>().map_err(|_| "expected the number of a database")?;
    Ok(number.into())
}

fn host(text: &str, standard: u16) -> Result<(String, u16), String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name = bare.unwrap_or(name);
    if name.is_empty() || (bare.is_none() && name.contains([':', '/', ' '])) {
        return Err("expected a host's name or address".into());
    }
    let port = port.map_or(Ok(standard), |port| port.parse().map_err(|_| "expected a port"))?;
    Ok((name.to_owned(), port))
}

/// Text whose `%xx` are bytes.
fn decoded(text: &str) -> Result<String, String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        let byte = digits.and_then(|it| u8::from_str_radix(it, 16).ok()).filter(|_| *first == b'%');
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_err(|_| "expected text in UTF-8".into())
}

impl RedisUrl {
    /// Whether connections are encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub(super) fn servers(&self) -> Servers {
        let hosts = || self.hosts.iter().map(|host| self.address(host));
        let login = self.login();
        // An address is always information enough.
        let with = |addr: ConnectionAddr, login: &RedisConnectionInfo| with(addr, login).ok();
        match &self.kind {
            Kind::One => {
                let path = self.path.clone().map(ConnectionAddr::Unix);
                let addr = path.or_else(|| hosts().next());
                let addr = addr.unwrap_or_else(|| ConnectionAddr::Tcp(String::new(), PORT));
                match with(addr, &login) {
                    Some(info) => Servers::One(info),
                    None => Servers::Cluster(Vec::new()),
                }
            }
            Kind::Cluster => {
                Servers::Cluster(hosts().filter_map(|addr| with(addr, &login)).collect())
            }
            Kind::Sentinel { service, password } => Servers::Sentinels(Sentinels {
                addresses: hosts().collect(),
                password: password.clone(),
                service: service.clone(),
                login,
            }),
        }
    }

    /// One more server, which is reached as those are that the URL names.
    pub(super) fn server(&self, host: String, port: u16) -> RedisResult<ConnectionInfo> {
        with(self.address(&(host, port)), &self.login())
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.kind == Kind::Cluster
    }

    pub(super) fn is_sentinel(&self) -> bool {
        matches!(self.kind, Kind::Sentinel { .. })
    }

    pub(super) fn tls_mode(&self) -> Option<TlsMode> {
        self.tls.then_some(TlsMode::Secure)
    }

    fn address(&self, (host, port): &(String, u16)) -> ConnectionAddr {
        let (host, port) = (host.clone(), *port);
        match self.tls {
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, port),
        }
    }

    fn login(&self) -> RedisConnectionInfo {
        let mut login = RedisConnectionInfo::default()
            .set_db(self.database)
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("parlance", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &self.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.password {
            login = login.set_password(password);
        }
        login
    }
}

fn with(addr: ConnectionAddr, login: &RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
    Ok(addr.into_connection_info()?.set_redis_settings(login.clone()))
}

/// As it may be shown: without passwords.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            return write!(f, "unix://{}?db={}", path.display(), self.database);
        }
        let kind = match self.kind {
            Kind::One => "",
            Kind::Sentinel { .. } => "+sentinel",
            Kind::Cluster => "+cluster",
        };
        write!(f, "redis{}{kind}://", if self.tls { "s" } else { "" })?;
        if self.password.is_some() {
            write!(f, "{}:…@", self.user.as_deref().unwrap_or_default())?;
        }
        for (number, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            match host.contains(':') {
                true => write!(f, "{comma}[{host}]:{port}")?,
                false => write!(f, "{comma}{host}:{port}")?,
            }
        }
        if let Kind::Sentinel { service, .. } = &self.kind {
            write!(f, "/{service}")?;
        }
        if self.database != 0 { write!(f, "/{}", self.database) } else { Ok(()) }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_what_is_shown_of_them() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://[::1]:7000/2", "redis://[::1]:7000/2"),
            ("redis://[::1]", "redis://[::1]:6379"),
            ("rediss://:aB/c+d=@n.example:6380", "rediss://:…@n.example:6380"),
            ("redis://ann:p%40ss@h/1", "redis://ann:…@h:6379/1"),
            ("unix:///run/redis.sock?db=3&pass=secret", "unix:///run/redis.sock?db=3"),
            (
                "rediss+sentinel://:x@a,b:27000/mymaster/4?sentinel-password=secret",
                "rediss+sentinel://:…@a:26379,b:27000/mymaster/4",
            ),
            ("redis+cluster://u:x@a,b:7001", "redis+cluster://u:…@a:6379,b:7001"),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            let debug = format!("{url:?}");
            assert!(["secret", "aB/c", "ss@h"].iter().all(|it| !debug.contains(it)), "{debug}");
        }
        let url: RedisUrl = "redis://ann:p%40s%s+@h/1".parse().unwrap();
        let Servers::One(info) = url.servers() else { panic!() };
        let redis = info.redis_settings();
        assert_eq!((redis.username(), redis.password()), (Some("ann"), Some("p@s%s+")));
        assert_eq!((redis.db(), redis.protocol()), (1, ProtocolVersion::RESP3));
    }

    #[test]
    fn what_is_no_url_is_not_repeated() {
        for bad in [
            "localhost:6379",
            "http://secret@h",
            "redis://secret@h",
            "redis://:secret@",
            "redis://:secret@h:70000",
            "redis://:secret@h/x",
            "redis://:secret@h/1/2",
            "redis://:secret@h?db=1",
            "redis://:secret@a,b",
            "redis+cluster://:secret@a/1",
            "redis+sentinel://:secret@a",
            "redis+sentinel://:secret@a/m?password=secret",
            "redis+other://:secret@a",
            "unix://secret",
            "unix:///x?pass=secret&db=-1",
        ] {
            let error = bad.parse::<RedisUrl>().unwrap_err();
            assert!(!error.contains("secret"), "{bad}: {error}");
        }
    }
}
