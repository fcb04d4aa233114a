//! Who is behind a proxy: what `Forwarded` (RFC 7239) and the `X-Forwarded-…` headers say, as far
//! as they were written by proxies that are trusted.
//!
//! Everything that the nearest proxy did not write may be the client's own text. So each header is read
//! from its near end, and what cannot be read, or is said in two ways, makes the client unknown: never
//! the proxy, and never whoever it would like to be.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::{Client, Networks, Scheme};

/// Hops that are looked at. A chain that is longer is a loop, or a lie.
const MOST_HOPS: usize = 16;

/// The lines of each header in the order in which they came, empty if there is none. Bytes that are no
/// UTF-8 are replaced, not left out.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    pub forwarded: Vec<Cow<'a, str>>,
    pub x_for: Vec<Cow<'a, str>>,
    pub x_proto: Vec<Cow<'a, str>>,
    pub x_host: Vec<Cow<'a, str>>,
}

/// Where a request really came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    pub client: Client,
    pub scheme: Scheme,
    /// The host that the client asked for, where a proxy says so.
    pub host: Option<Cow<'a, str>>,
    /// Why the client is unknown, if it is.
    pub doubt: Option<Doubt>,
}

/// Why trusted proxies leave a client unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Both kinds of headers are there and tell different stories: one of them is the client's own.
    Contradiction,
    /// What is said of the client is no address.
    NoAddress,
}

impl Source<'_> {
    fn unknown(self, doubt: Doubt) -> Self {
        Source { client: Client::Unknown, doubt: Some(doubt), ..self }
    }
}

/// Finds the client of a request whose connection came from `peer`. Each trusted proxy is believed
/// in what it says of the one before it, and nothing further: the first address, from the near end,
/// that is not trusted is the client, and how it reached that proxy is the scheme. What anybody
/// else wrote does not count. A proxy that knows one kind of headers passes the other on as the
/// client wrote it, so where both are there they have to agree; a host that only one names is not known.
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
    if headers.forwarded.is_empty() {
        return customary(direct, headers, trusted);
    }
    let standard = standard(direct.clone(), &headers.forwarded, trusted);
    if headers.x_for.is_empty() && headers.x_proto.is_empty() {
        return standard;
    }
    let customary = customary(direct.clone(), headers, trusted);
    match (customary.client, customary.scheme) == (standard.client, standard.scheme) {
        true => {
            let host = standard.host.filter(|host| customary.host.as_ref() == Some(host));
            Source { host, ..standard }
        }
        false => direct.unknown(Doubt::Contradiction),
    }
}

fn standard<'a>(direct: Source<'a>, lines: &'a [Cow<'_, str>], trusted: &Networks) -> Source<'a> {
    let (mut found, mut hops) = (direct, 0);
    // A proxy adds to the last line, or a line of its own behind it.
    for line in lines.iter().rev() {
        let Some(elements) = split(line, ',') else { return found.unknown(Doubt::NoAddress) };
        for element in elements.iter().rev() {
            hops += 1;
            let said = Element::read(element).filter(|_| hops <= MOST_HOPS);
            let Some(Element { client, proto, host }) = said else {
                return found.unknown(Doubt::NoAddress);
            };
            found.scheme = proto.as_deref().and_then(scheme).unwrap_or(found.scheme);
            found.host = host.or(found.host);
            // It says nothing of its client, which may be itself.
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

/// What one proxy says, in the terms of RFC 7239.
#[derive(Default)]
struct Element<'a> {
    client: Option<Cow<'a, str>>,
    proto: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
}

impl<'a> Element<'a> {
    /// `None` if it is not as the standard has it, says something twice, or nothing.
    fn read(text: &'a str) -> Option<Self> {
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

/// Splits where `separator` stands outside of quoted strings. `None` if one of these does not end: it
/// could hide anything that follows.
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
                // Those at the near end are the ones that count.
                if parts.len() > 2 * MOST_HOPS {
                    parts.drain(..MOST_HOPS);
                }
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (!quoted).then_some(parts)
}

/// A value without its quotes. `None` if these are not around all of it.
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

/// The items of a comma-separated list, the nearest hop first.
fn hops<'a>(lines: &'a [Cow<'_, str>]) -> impl Iterator<Item = &'a str> {
    lines.iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim)
}

fn customary<'a>(direct: Source<'a>, headers: &'a Headers<'_>, trusted: &Networks) -> Source<'a> {
    let (mut found, mut walked) = (direct, 0);
    for hop in hops(&headers.x_for) {
        walked += 1;
        let Some(client) = address(hop).filter(|_| walked <= MOST_HOPS) else {
            found = found.unknown(Doubt::NoAddress);
            break;
        };
        found.client = Client::Address(client);
        if !trusted.contains(client) {
            break;
        }
    }
    // Some proxies add to these lists and some replace them: of a shorter one the far end counts.
    let at = |lines: &'a [Cow<'_, str>]| {
        let items = hops(lines).take(walked.clamp(1, MOST_HOPS));
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

/// An address with or without a port, IPv6 with or without brackets. One that nobody can have is none.
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
