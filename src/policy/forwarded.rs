//! Finds the client behind trusted proxies, by `Forwarded` (RFC 7239) and the `X-Forwarded-…` headers.
//!
//! Everything that the nearest proxy did not write may be the client's own text. So each header is read
//! from its end, where the nearest proxy writes. If an entry cannot be read, or the headers contradict
//! each other, the client is unknown: it is not taken for the proxy, and cannot choose an address.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::{Client, Networks, Scheme};

/// The most hops that are followed. A longer chain is a loop or forged.
const MAX_HOPS: usize = 16;

/// The lines of each header in the order of the request. Invalid UTF-8 is replaced, not left out.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    /// Each `Forwarded`, in order.
    pub forwarded: Vec<Cow<'a, str>>,
    /// Each `X-Forwarded-For`, in order.
    pub x_for: Vec<Cow<'a, str>>,
    /// Each `X-Forwarded-Proto`, in order.
    pub x_proto: Vec<Cow<'a, str>>,
    /// Each `X-Forwarded-Host`, in order.
    pub x_host: Vec<Cow<'a, str>>,
    /// The client's address as a header tells it that names nobody else, and comes before those above.
    pub client: Option<Cow<'a, str>>,
    /// The scheme as a header tells it that comes before those above.
    pub scheme: Option<Scheme>,
    /// The port that the client asked for.
    pub port: Option<u16>,
    /// The `Host` of the request, if there is a `port` to put after it.
    pub request_host: Option<Cow<'a, str>>,
}

/// The origin of a request, behind the trusted proxies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    /// Who sent the request.
    pub client: Client,
    /// How the client reached the outermost trusted proxy, or this server.
    pub scheme: Scheme,
    /// The host that the client asked for, if a proxy names it.
    pub host: Option<Cow<'a, str>>,
    /// Why the client is unknown, if it is.
    pub doubt: Option<Doubt>,
}

/// Why trusted proxies leave a client unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// `Forwarded` and `X-Forwarded-…` differ, so the client wrote one of them.
    Contradiction,
    /// The headers give no readable address.
    NoAddress,
}

impl Source<'_> {
    fn unknown(self, doubt: Doubt) -> Self {
        Source { client: Client::Unknown, doubt: Some(doubt), ..self }
    }
}

/// Finds the client of a request whose connection came from `peer` by `scheme`.
///
/// Each trusted proxy is believed about the hop before it, and about nothing else. So the client is the
/// last address in the list that is not trusted, and the scheme is the one by which it reached the proxy
/// that names it. A proxy that knows one kind of headers passes the other on as the client wrote it.
/// Therefore both kinds have to agree if both are present; a host that only one of them names is
/// dropped.
pub fn source<'a>(
    peer: IpAddr,
    scheme: Scheme,
    headers: &'a Headers<'_>,
    trusted: &Networks,
) -> Source<'a> {
    let direct = Source { client: Client::Address(peer), scheme, host: None, doubt: None };
    if trusted.is_empty() || !trusted.contains(peer) {
        return direct;
    }
    let mut found = by_lists(direct, headers, trusted);
    if let Some(client) = &headers.client {
        let client = address(client.trim());
        found.doubt = if client.is_none() { Some(Doubt::NoAddress) } else { None };
        found.client = client.map_or(Client::Unknown, Client::Address);
    }
    found.scheme = headers.scheme.unwrap_or(found.scheme);
    if let Some(port) = headers.port {
        found.host = with_port(found.host, headers.request_host.as_deref(), port);
    }
    found
}

/// The host of a proxy with a port, if it has none; else that of the request, with the port in place of
/// its own.
fn with_port<'a>(
    host: Option<Cow<'a, str>>,
    request_host: Option<&str>,
    port: u16,
) -> Option<Cow<'a, str>> {
    let (given, is_proxys) = match &host {
        Some(host) => (&**host, true),
        None => (request_host?, false),
    };
    match super::origin::split_port(given) {
        Some((_, Some(_))) if is_proxys => host,
        Some((name, _)) => Some(Cow::Owned(format!("{name}:{port}"))),
        None => host,
    }
}

/// Finds the client by `Forwarded` and the lists of `X-Forwarded-…`.
fn by_lists<'a>(direct: Source<'a>, headers: &'a Headers<'_>, trusted: &Networks) -> Source<'a> {
    if headers.forwarded.is_empty() {
        return by_x_forwarded(direct, headers, trusted);
    }
    let standard = by_forwarded(direct.clone(), &headers.forwarded, trusted);
    if headers.x_for.is_empty() && headers.x_proto.is_empty() {
        return standard;
    }
    let customary = by_x_forwarded(direct.clone(), headers, trusted);
    match (customary.client, customary.scheme) == (standard.client, standard.scheme) {
        true => {
            let host = standard.host.filter(|host| customary.host.as_ref() == Some(host));
            Source { host, ..standard }
        }
        false => direct.unknown(Doubt::Contradiction),
    }
}

/// Follows `Forwarded` from the nearest proxy to the client.
fn by_forwarded<'a>(
    direct: Source<'a>,
    lines: &'a [Cow<'_, str>],
    trusted: &Networks,
) -> Source<'a> {
    let (mut found, mut hops) = (direct, 0);
    // A proxy appends to the last line, or adds a line after it.
    for line in lines.iter().rev() {
        let Some(elements) = split(line, ',') else { return found.unknown(Doubt::NoAddress) };
        for element in elements.iter().rev() {
            hops += 1;
            let element = Element::parse(element).filter(|_| hops <= MAX_HOPS);
            let Some(Element { client, proto, host }) = element else {
                return found.unknown(Doubt::NoAddress);
            };
            found.scheme = proto.as_deref().and_then(scheme).unwrap_or(found.scheme);
            found.host = host.or(found.host);
            // A proxy that names no client may have sent the request itself.
            let Some(client) = client else { return found };
            let Some(client) = address(&client) else { return found.unknown(Doubt::NoAddress) };
            found.client = Client::Address(client);
            if !trusted.contains(client) {
                return found;
            }
        }
    }
    found
}

/// One element of `Forwarded`: the part that one proxy wrote.
#[derive(Default)]
struct Element<'a> {
    client: Option<Cow<'a, str>>,
    proto: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
}

impl<'a> Element<'a> {
    /// `None` if it is malformed, empty, or repeats a parameter.
    fn parse(text: &'a str) -> Option<Self> {
        let mut element = Element::default();
        let pairs = split(text, ';')?;
        let mut pairs = pairs.into_iter().map(str::trim).filter(|pair| !pair.is_empty()).peekable();
        pairs.peek()?;
        for pair in pairs {
            let (key, value) = pair.split_once('=')?;
            let value = unquoted(value.trim())?;
            let slot = match key.trim() {
                key if key.eq_ignore_ascii_case("for") => &mut element.client,
                key if key.eq_ignore_ascii_case("proto") => &mut element.proto,
                key if key.eq_ignore_ascii_case("host") => &mut element.host,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(element)
    }
}

/// Splits at each `separator` outside of quoted strings. `None` if a quoted string does not end, because
/// it could hide the entries that follow. Of a long list, only the last parts are returned.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
                // Only the last `MAX_HOPS` parts are used.
                if parts.len() > 2 * MAX_HOPS {
                    parts.drain(..MAX_HOPS);
                }
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (!quoted).then_some(parts)
}

/// A value without its quotes and escapes. `None` if it is empty without quotes, or quoted in part.
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.is_empty() && !value.contains('"')).then_some(Cow::Borrowed(value));
    };
    let inner = rest.strip_suffix('"')?;
    if !inner.contains(['\\', '"']) {
        return Some(Cow::Borrowed(inner));
    }
    let (mut plain, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return None,
            c => {
                plain.push(c);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(Cow::Owned(plain))
}

/// The items of comma-separated lines, from the nearest hop to the farthest.
fn hops<'a>(lines: &'a [Cow<'_, str>]) -> impl Iterator<Item = &'a str> {
    lines.iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim)
}

/// Follows the `X-Forwarded-…` headers from the nearest proxy to the client.
fn by_x_forwarded<'a>(
    direct: Source<'a>,
    headers: &'a Headers<'_>,
    trusted: &Networks,
) -> Source<'a> {
    let (mut found, mut walked) = (direct, 0);
    for hop in hops(&headers.x_for) {
        walked += 1;
        let Some(client) = address(hop).filter(|_| walked <= MAX_HOPS) else {
            found = found.unknown(Doubt::NoAddress);
            break;
        };
        found.client = Client::Address(client);
        if !trusted.contains(client) {
            break;
        }
    }
    // Some proxies append to these lists and some replace them. If a list is shorter than the list of
    // addresses, its farthest item counts.
    let at = |lines: &'a [Cow<'_, str>]| {
        let items = hops(lines).take(walked.clamp(1, MAX_HOPS));
        items.last().filter(|item| !item.is_empty())
    };
    found.scheme = at(&headers.x_proto).and_then(scheme).unwrap_or(found.scheme);
    found.host = at(&headers.x_host).map(Cow::Borrowed);
    found
}

fn scheme(text: &str) -> Option<Scheme> {
    match text {
        _ if text.eq_ignore_ascii_case("https") || text.eq_ignore_ascii_case("wss") => {
            Some(Scheme::Https)
        }
        _ if text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("ws") => {
            Some(Scheme::Http)
        }
        _ => None,
    }
}

/// Reads an address with or without a port, IPv6 with or without brackets. `None` for the unspecified
/// address, which no client can have.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
        .filter(|address| !address.is_unspecified())
}

#[cfg(test)]
mod tests;
