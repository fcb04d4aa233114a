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
        let scheme_is_valid = scheme.is_none_or(|scheme| {
            !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        });
        let (host, port) = split_port(authority)?;
        let is_null = scheme.is_none() && host.eq_ignore_ascii_case("null");
        (text.len() <= MAX_LENGTH && scheme_is_valid && is_host(host) && !is_null)
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

/// Splits `host[:port]`, with an IPv6 host in brackets. `None` if the port is not 1–65535.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
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
        "`{0}` is no origin, expected *, same-host, null, https://host[:port], *.example.com or a host name"
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
    /// names, `null` the pages without an origin. Everything else is a pattern
    /// `[scheme://][*.]host[:port]`. A pattern without a scheme allows any scheme and, if it has no port,
    /// any port. A pattern with a scheme and without a port allows the default port of the scheme.
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
            (Rule::Null, None) => origin == "null",
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
        match Origins::parse([origin]) {
            Ok(rule) if rule.allow(origin, None) => names.extend(rule.names()),
            _ => names = vec!["*".into()],
        }
        format!("origins = {names:?}")
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
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for (rules, origin, allowed) in [
            (&["*"][..], "null", true),
            (&["*"], "not an origin at all", true),
            (&["null"], "null", true),
            (&["Same-Host"], "http://chat.example:8080", true),
            (&["NULL"], "null", true),
            (&["null"], "http://null", false),
            (&["same-host"], "http://Chat.example:8080", true),
            (&["self"], "https://chat.example:8080", true),
            (&["same-host"], "http://chat.example", false),
            (&["same-host"], "http://evil.example:8080", false),
            (&["same-host"], "null", false),
            (&["https://a.example/"], "https://A.example", true),
            (&["https://a.example"], "https://a.example:443", true),
            (&["https://a.example"], "https://a.example:8443", false),
            (&["https://a.example:8443"], "https://a.example:8443", true),
            (&["https://a.example"], "http://a.example", false),
            (&["https://a.example"], "https://a.example.evil", false),
            (&["a.example"], "http://a.example:81", true),
            (&["a.example"], "a.example:81", true),
            (&["a.example:80"], "http://a.example", true),
            (&["a.example"], "http://xa.example", false),
            (&["*.example.com"], "http://a.b.example.com:9", true),
            (&["*.example.com"], "http://example.com", false),
            (&["*.example.com"], "http://evilexample.com", false),
            (&["*.example.com"], "http://.example.com", false),
            (&["https://*.example.com"], "http://a.example.com", false),
            (&["https://*.example.com:444"], "https://a.example.com:444", true),
            (&["https://*.example.com:444"], "https://a.example.com", false),
            (&["http://[::1]:3000"], "http://[::1]:3000", true),
            (&["http://[::1]"], "http://[::1]:80", true),
            (&["http://[::1]:80"], "http://[::1]", true),
            (&["app://local"], "app://local", true),
            (&[], "http://a.example", false),
            (&["b.example", "a.example"], "http://a.example", true),
        ] {
            let origins = Origins::parse(rules.iter().copied()).unwrap();
            let got = origins.allow(origin, Some("chat.example:8080"));
            assert_eq!(got, allowed, "{rules:?} {origin}");
        }
    }

    #[test]
    fn the_same_host_on_its_default_port() {
        let origins = Origins::parse(["same-host"]).unwrap();
        assert!(origins.allow("https://chat.example", Some("chat.example")));
        assert!(origins.allow("https://chat.example", Some("chat.example:443")));
        assert!(!origins.allow("https://chat.example:444", Some("chat.example")));
        assert!(!origins.allow("https://chat.example", None));
    }

    #[test]
    fn what_is_no_rule() {
        for (wrong, meant) in [
            ("", ""),
            ("http://", ""),
            ("a b", ""),
            ("*.", ""),
            ("a.*.b", ""),
            ("a..b", ""),
            (".a", ""),
            ("http://a:99999", ""),
            ("https://a/path", ""),
            ("https://a.example:8:443", ""),
            ("a.example:8:443", ""),
            ("https://a.example:", ""),
            ("a.example:+80", ""),
            ("a.example:0", ""),
            ("https://[::1", ""),
            ("https://[a.example]", ""),
            ("https://::1", ""),
            ("*.[::1]", ""),
            ("https://a%41", ""),
            ("https://bücher.example", ""),
            ("https://user@a.example", ""),
            ("https:/a.example", ""),
            ("same-host/", "write same-host"),
            ("SELF/", "write self"),
            ("*/", "write *"),
            ("null/", "write null"),
            ("wss://a.example", "write https://a.example"),
            ("WS://*.a.example:81", "write http://*.a.example:81"),
        ] {
            let error = Origins::parse([wrong]).unwrap_err().to_string();
            assert!(error.contains("is no origin"), "{wrong}: {error}");
            assert!(error.ends_with(meant), "{wrong}: {error}");
        }
    }

    #[test]
    fn odd_origins_are_none() {
        let long = format!("http://{}", "a".repeat(MAX_LENGTH));
        for odd in [
            "null",
            "",
            "http://",
            "://a",
            "http://a b",
            "http://a:b",
            "http://a:+1",
            "http://a:1:2",
            "http://é",
            "http://a%00b",
            "http://[]",
            &long,
        ] {
            assert_eq!(Origin::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn origins_of_urls() {
        assert_eq!(of_url(b"https://a.example:8/x?y#z"), Some("https://a.example:8"));
        assert_eq!(of_url(b"https://a.example?y"), Some("https://a.example"));
        assert_eq!(of_url(b"https://a.example/caf\xe9"), Some("https://a.example"));
        assert_eq!(of_url(b"https://caf\xe9/"), None);
        assert_eq!(of_url(b"about:blank"), None);
    }

    #[test]
    fn what_would_allow_it() {
        let origins = Origins::parse(["same-host", "HTTPS://b.example:443/"]).unwrap();
        let setting = origins.setting_with("https://a.example");
        assert_eq!(setting, r#"origins = ["same-host", "https://b.example", "https://a.example"]"#);
        let rules: Vec<String> =
            toml::from_str::<toml::Table>(&setting).unwrap()["origins"].clone().try_into().unwrap();
        let rules = Origins::parse(rules.iter().map(String::as_str)).unwrap();
        assert!(rules.allow("https://a.example", None));
        let none = Origins::parse([]).unwrap();
        assert_eq!(none.setting_with("null"), r#"origins = ["null"]"#);
        let long = format!("http://{}", "a".repeat(MAX_LENGTH));
        for odd in [
            "no origin at all",
            "(no text)",
            "",
            "http://a\"b",
            "wss://a.example",
            "same-host",
            &long,
        ] {
            assert_eq!(origins.setting_with(odd), r#"origins = ["*"]"#, "{odd}");
        }
    }
}
