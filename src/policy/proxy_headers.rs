//! The headers in which proxies tell of their clients, and which of them are believed.

use std::fmt;

use super::Scheme;

/// A header in which a proxy tells of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named like the headers")]
pub enum ProxyHeader {
    Forwarded,
    XForwardedFor,
    XForwardedProto,
    XForwardedHost,
    XForwardedPort,
    XForwardedSsl,
    FrontEndHttps,
    XArrSsl,
    CfVisitor,
    XRealIp,
    CfConnectingIp,
    TrueClientIp,
}

/// What a header tells. `Forwarded` tells everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// The client's address.
    Address,
    /// How the client reached the proxy.
    Scheme,
    /// The host and port that the client asked for, or one of them.
    Place,
    /// All of it.
    All,
}

/// The longest `CF-Visitor` that is read.
const LONGEST_VISITOR: usize = 256;

impl ProxyHeader {
    /// All, with their names.
    pub const ALL: [(&'static str, ProxyHeader); 12] = [
        ("Forwarded", ProxyHeader::Forwarded),
        ("X-Forwarded-For", ProxyHeader::XForwardedFor),
        ("X-Forwarded-Proto", ProxyHeader::XForwardedProto),
        ("X-Forwarded-Host", ProxyHeader::XForwardedHost),
        ("X-Forwarded-Port", ProxyHeader::XForwardedPort),
        ("X-Forwarded-Ssl", ProxyHeader::XForwardedSsl),
        ("Front-End-Https", ProxyHeader::FrontEndHttps),
        ("X-ARR-SSL", ProxyHeader::XArrSsl),
        ("CF-Visitor", ProxyHeader::CfVisitor),
        ("X-Real-IP", ProxyHeader::XRealIp),
        ("CF-Connecting-IP", ProxyHeader::CfConnectingIp),
        ("True-Client-IP", ProxyHeader::TrueClientIp),
    ];

    /// The header of that name, in any case.
    pub fn of(name: &str) -> Option<Self> {
        let named = Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, header)| *header)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, header)| *header == self).map_or("", |(name, _)| name)
    }

    /// What it tells.
    pub fn tells(self) -> Tells {
        match self {
            ProxyHeader::Forwarded => Tells::All,
            ProxyHeader::XForwardedFor
            | ProxyHeader::XRealIp
            | ProxyHeader::CfConnectingIp
            | ProxyHeader::TrueClientIp => Tells::Address,
            ProxyHeader::XForwardedProto
            | ProxyHeader::XForwardedSsl
            | ProxyHeader::FrontEndHttps
            | ProxyHeader::XArrSsl
            | ProxyHeader::CfVisitor => Tells::Scheme,
            ProxyHeader::XForwardedHost | ProxyHeader::XForwardedPort => Tells::Place,
        }
    }

    /// The scheme that a value of a header besides `Forwarded` and `X-Forwarded-Proto` tells. `None` if
    /// it cannot be read.
    pub fn scheme(self, value: &str) -> Option<Scheme> {
        // Where a proxy appends, its own item is the last.
        let last = value.rsplit(',').next().unwrap_or_default().trim();
        match self {
            ProxyHeader::XForwardedSsl | ProxyHeader::FrontEndHttps => {
                let is_on = last.eq_ignore_ascii_case("on");
                (is_on || last.eq_ignore_ascii_case("off")).then(|| scheme(is_on))
            }
            // IIS sends it over TLS only, with words about the certificate.
            ProxyHeader::XArrSsl => (!value.trim().is_empty()).then_some(Scheme::Https),
            ProxyHeader::CfVisitor if value.len() <= LONGEST_VISITOR => {
                let visitor: serde_json::Value = serde_json::from_str(value).ok()?;
                let name = visitor.get("scheme")?.as_str()?;
                (name == "https" || name == "http").then(|| scheme(name == "https"))
            }
            _ => None,
        }
    }
}

fn scheme(is_https: bool) -> Scheme {
    if is_https { Scheme::Https } else { Scheme::Http }
}

/// The headers of trusted proxies that are believed. Of those that tell the same, the first counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Believed(Vec<ProxyHeader>);

/// A name that is no header of proxies.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no header of proxies, expected some of {}", ProxyHeader::ALL.map(|(name, _)| name).join(", "))]
pub struct UnknownHeader {
    name: String,
}

impl Default for Believed {
    /// Those that proxies in common use write themselves, or that a contradiction gives away.
    fn default() -> Self {
        use ProxyHeader::{Forwarded, XForwardedFor, XForwardedHost, XForwardedProto};
        Believed(vec![Forwarded, XForwardedFor, XForwardedProto, XForwardedHost])
    }
}

impl Believed {
    /// Reads a list of names.
    ///
    /// # Errors
    /// If a name is not known.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownHeader> {
        let mut headers = Vec::new();
        for name in names {
            let unknown = || UnknownHeader { name: name.to_owned() };
            let header = ProxyHeader::of(name.trim()).ok_or_else(unknown)?;
            if !headers.contains(&header) {
                headers.push(header);
            }
        }
        Ok(Believed(headers))
    }

    /// Whether a header is believed.
    pub fn has(&self, header: ProxyHeader) -> bool {
        self.0.contains(&header)
    }

    /// The believed headers, in order.
    pub fn iter(&self) -> impl Iterator<Item = ProxyHeader> {
        self.0.iter().copied()
    }

    /// Whether one of them tells that.
    pub fn tell(&self, what: Tells) -> bool {
        self.iter().any(|header| header.tells() == what || header.tells() == Tells::All)
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(ProxyHeader::name).collect()
    }

    /// The line `proxy-headers = […]` with this header added, for the configuration file.
    pub fn setting_with(&self, header: ProxyHeader) -> String {
        let mut names = self.names();
        names.push(header.name());
        format!("proxy-headers = {names:?}")
    }
}

impl fmt::Display for Believed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProxyHeader::{CfVisitor, FrontEndHttps, XArrSsl, XForwardedSsl};
    use Scheme::{Http, Https};

    #[test]
    fn schemes_in_all_the_forms_that_proxies_write() {
        for (header, value, expected) in [
            (XForwardedSsl, "on", Some(Https)),
            (XForwardedSsl, "On", Some(Https)),
            (XForwardedSsl, "off", Some(Http)),
            (XForwardedSsl, "off, on", Some(Https)),
            (XForwardedSsl, "on, off", Some(Http)),
            (XForwardedSsl, "yes", None),
            (XForwardedSsl, "", None),
            (FrontEndHttps, "on", Some(Https)),
            (FrontEndHttps, "OFF", Some(Http)),
            (FrontEndHttps, "on,", None),
            (XArrSsl, "2048|256|C=US, O=x|CN=chat.example", Some(Https)),
            (XArrSsl, " ", None),
            (CfVisitor, r#"{"scheme":"https"}"#, Some(Https)),
            (CfVisitor, r#"{"scheme":"http"}"#, Some(Http)),
            (CfVisitor, r#"{ "scheme": "https", "more": 1 }"#, Some(Https)),
            (CfVisitor, r#"{"scheme":"gopher"}"#, None),
            (CfVisitor, r#"{"scheme":1}"#, None),
            (CfVisitor, r#"{"scheme":"https"}, {"scheme":"https"}"#, None),
            (CfVisitor, "https", None),
            (CfVisitor, "", None),
            (ProxyHeader::XRealIp, "on", None),
        ] {
            assert_eq!(header.scheme(value), expected, "{header:?} {value}");
        }
        let long = format!(r#"{{"scheme":"https","x":"{}"}}"#, "x".repeat(LONGEST_VISITOR));
        assert_eq!(CfVisitor.scheme(&long), None);
    }

    #[test]
    fn lists_of_names() {
        let believed = Believed::parse(["x-real-ip", " X-Real-IP", "FORWARDED"]).unwrap();
        assert_eq!(believed.names(), ["X-Real-IP", "Forwarded"]);
        assert_eq!(
            believed.setting_with(CfVisitor),
            r#"proxy-headers = ["X-Real-IP", "Forwarded", "CF-Visitor"]"#
        );
        let error = Believed::parse(["X-Client"]).unwrap_err().to_string();
        assert!(
            error.starts_with("`X-Client` is no header of proxies, expected some of Forwarded, ")
        );
        assert_eq!(Believed::parse([]).unwrap().names(), [""; 0]);
        assert!(ProxyHeader::ALL.iter().all(|(name, header)| header.name() == *name));
    }
}
