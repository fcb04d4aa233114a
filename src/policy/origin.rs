//! Origins of pages (scheme, host and port), and the rules for which of them may connect.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::Scheme;

/// The greatest length in bytes of an origin. More than the longest host name needs; longer text is no
/// origin, and is cut where answers and logs repeat it.
pub const MAX_LENGTH: usize = 300;

/// The origin of a page, as in an `Origin` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `None` if old Node clients sent host and port alone.
    pub scheme: Option<&'a str>,
    /// The host's name or address.
    pub host: &'a str,
    /// The port, if the header names one.
    pub port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Reads `scheme://host[:port]` or `host[:port]`. `None` for `null` and for all other text.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme, authority)) => (Some(scheme), authority),
            None => (None, text),
        };
        let (host, port) = split_port(authority)?;
        let is_null = scheme.is_none() && host.eq_ignore_ascii_case("null");
        (text.len() <= MAX_LENGTH && scheme.is_none_or(is_scheme) && is_host(host) && !is_null)
            .then_some(Origin { scheme, host, port })
    }

    /// The scheme, if it is `http` or `https`.
    pub fn web_scheme(&self) -> Option<Scheme> {
        match self.scheme? {
            scheme if scheme.eq_ignore_ascii_case("http") => Some(Scheme::Http),
            scheme if scheme.eq_ignore_ascii_case("https") => Some(Scheme::Https),
            _ => None,
        }
    }

    fn effective_port(&self) -> Option<u16> {
        self.port.or_else(|| self.web_scheme().map(Scheme::port))
    }
}

/// The origin of a URL. Path, query and fragment may contain any bytes. The result is not checked
/// further: [`Origin::parse`] does that.
pub fn of_url(url: &[u8]) -> Option<&str> {
    let scheme = url.windows(3).position(|window| window == b"://")?;
    let rest = &url[scheme + 3..];
    let end = rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len());
    std::str::from_utf8(&url[..scheme + 3 + end]).ok()
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Whether an origin is of a scheme, whatever follows: pages of an app may have no host (`file://`), or one
/// that is no DNS name (`app://.`).
fn is_of_scheme(origin: &str, scheme: &str) -> bool {
    origin.split_once("://").is_some_and(|(own, _)| own.eq_ignore_ascii_case(scheme))
}

/// Splits `host[:port]`, with an IPv6 host in brackets. `None` if the port is not 1–65535.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            Some((host, Some(port.parse().ok().filter(|port| digits && *port > 0)?)))
        }
        _ => Some((authority, None)),
    }
}

/// Whether a text is a DNS name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    labels.into_iter().all(|label| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        !label.is_empty() && label.bytes().all(plain)
    })
}

/// The origins that may open sessions from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Any,
    /// Pages of the host and port in the request's `Host`.
    SameHost,
    /// Pages without an origin of their own: sandboxed frames, files.
    Null,
    /// All pages of a scheme of apps, files or extensions.
    Scheme(String),
    Pattern {
        scheme: Option<String>,
        /// The host, or what follows `*.`.
        host: String,
        subdomains: bool,
        port: Option<u16>,
    },
}

/// A rule that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum InvalidOrigin {
    #[error(
        "`{0}` is no origin, expected *, same-host, null, https://host[:port], *.example.com, a host name or a scheme of apps such as file://"
    )]
    Other(String),
    #[error("`{0}` is no origin: write {1}")]
    Keyword(String, &'static str),
    #[error("`{0}` is no origin: pages come by http or https, whatever they connect by; write {1}")]
    OfSocket(String, String),
}

/// The rules that are keywords.
const KEYWORDS: [(&str, Rule); 4] = [
    ("*", Rule::Any),
    ("same-host", Rule::SameHost),
    ("self", Rule::SameHost),
    ("null", Rule::Null),
];

/// The schemes whose pages come from a host, which a rule has to name.
const WEB_SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

impl FromStr for Rule {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let text = text.trim();
        let quoted = || text.chars().take(MAX_LENGTH).collect::<String>();
        let bare = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        if let Some((word, rule)) = KEYWORDS.iter().find(|(word, _)| *word == bare) {
            return match text.ends_with('/') {
                true => Err(InvalidOrigin::Keyword(quoted(), word)),
                false => Ok(rule.clone()),
            };
        }
        let scheme_alone = text.strip_suffix("://").or_else(|| text.strip_suffix(":///"));
        if let Some(scheme) = scheme_alone.map(str::to_ascii_lowercase)
            && is_scheme(&scheme)
            && scheme.len() <= MAX_LENGTH
            && !WEB_SCHEMES.contains(&&*scheme)
        {
            return Ok(Rule::Scheme(scheme));
        }
        let invalid = || InvalidOrigin::Other(quoted());
        let (scheme, authority) = match bare.split_once("://") {
            Some((scheme, authority)) => (Some(scheme), authority),
            None => (None, bare.as_str()),
        };
        let (subdomains, authority) = match authority.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, authority),
        };
        let whole = format!("{}://{authority}", scheme.unwrap_or("any"));
        let Origin { host, port, .. } = Origin::parse(&whole).ok_or_else(invalid)?;
        // An address has no subdomains.
        if subdomains && host.starts_with('[') {
            return Err(invalid());
        }
        let page_scheme = match scheme {
            Some("ws") => Some("http"),
            Some("wss") => Some("https"),
            _ => None,
        };
        if let (Some(page_scheme), Some(scheme)) = (page_scheme, scheme) {
            let meant =
                format!("{page_scheme}{}", quoted().get(scheme.len()..).unwrap_or_default());
            return Err(InvalidOrigin::OfSocket(quoted(), meant));
        }
        Ok(Rule::Pattern {
            scheme: scheme.map(str::to_owned),
            host: host.to_owned(),
            subdomains,
            port: port.or(match scheme {
                Some("http") => Some(80),
                Some("https") => Some(443),
                _ => None,
            }),
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Any => f.write_str("*"),
            Rule::SameHost => f.write_str("same-host"),
            Rule::Null => f.write_str("null"),
            Rule::Scheme(scheme) => write!(f, "{scheme}://"),
            Rule::Pattern { scheme, host, subdomains, port } => {
                if let Some(scheme) = scheme {
                    write!(f, "{scheme}://")?;
                }
                f.write_str(if *subdomains { "*." } else { "" })?;
                f.write_str(host)?;
                match (scheme.as_deref(), port) {
                    (Some("http"), Some(80)) | (Some("https"), Some(443)) | (_, None) => Ok(()),
                    (_, Some(port)) => write!(f, ":{port}"),
                }
            }
        }
    }
}

impl Origins {
    /// Reads rules. `*` allows all pages, `same-host` (or `self`) the pages of the host that the request
    /// names, `null` the pages without an origin, `scheme://` all pages of a scheme that is not http or
    /// https. Everything else is a pattern `[scheme://][*.]host[:port]`. A pattern without a scheme allows
    /// any scheme and, if it has no port, any port. A pattern with a scheme and without a port allows the
    /// default port of the scheme.
    ///
    /// # Errors
    /// The first rule that is not valid.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        rules.into_iter().map(str::parse).collect::<Result<_, _>>().map(Origins)
    }

    /// Allows every origin.
    pub fn any() -> Self {
        Origins(vec![Rule::Any])
    }

    /// Whether every page may connect, even one that a request does not name.
    pub fn allow_all(&self) -> bool {
        self.0.contains(&Rule::Any)
    }

    /// Whether a page of an origin may connect. `host` is the `Host` of its request.
    pub fn allow(&self, origin: &str, host: Option<&str>) -> bool {
        let page = Origin::parse(origin);
        self.0.iter().any(|rule| match (rule, &page) {
            (Rule::Any, _) => true,
            // Browsers write `null` for a file, most views of apps and some devices `file://`.
            (Rule::Null, _) => origin == "null" || is_of_scheme(origin, "file"),
            (Rule::Scheme(scheme), _) => is_of_scheme(origin, scheme),
            (Rule::SameHost, Some(page)) => same_host(page, host),
            (Rule::Pattern { scheme, host, subdomains, port }, Some(page)) => {
                let name = page.host;
                let host_matches = match subdomains {
                    true => name.len().checked_sub(host.len() + 1).is_some_and(|at| {
                        at > 0
                            && name.as_bytes()[at] == b'.'
                            && name.as_bytes()[at + 1..].eq_ignore_ascii_case(host.as_bytes())
                    }),
                    false => name.eq_ignore_ascii_case(host),
                };
                host_matches
                    && scheme.as_deref().is_none_or(|scheme| {
                        page.scheme.is_some_and(|own| own.eq_ignore_ascii_case(scheme))
                    })
                    && port.is_none_or(|port| page.effective_port() == Some(port))
            }
            _ => false,
        })
    }

    /// The line `origins = […]` that would allow a refused origin, for the configuration file. Only `*`
    /// allows text that is no origin.
    pub fn setting_with(&self, origin: &str) -> String {
        let mut names = self.names();
        let scheme = origin.split_once("://").map_or("", |(scheme, _)| scheme);
        let candidates = [origin, &format!("{scheme}://")];
        let mut rules = candidates.into_iter().filter_map(|text| Origins::parse([text]).ok());
        match rules.find(|rule| rule.allow(origin, None)) {
            Some(rule) => names.extend(rule.names()),
            None => names = vec!["*".into()],
        }
        format!("origins = {names:?}")
    }

    /// Whether all of `other` are among them.
    pub fn include(&self, other: &Origins) -> bool {
        self.allow_all() || other.0.iter().all(|rule| self.0.contains(rule))
    }

    /// As they are written in the settings.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

/// Whether a page came from the host that its request names. The scheme of the connection does not count,
/// because a proxy may end TLS.
fn same_host(page: &Origin<'_>, host: Option<&str>) -> bool {
    let Some((name, port)) = host.and_then(split_port) else { return false };
    let port_matches = match port {
        Some(port) => page.effective_port().is_none_or(|own| own == port),
        // Browsers leave out the default port of the page's scheme.
        None => page.port.is_none(),
    };
    name.eq_ignore_ascii_case(page.host) && port_matches
}

#[cfg(test)]
mod tests;
