//! The first steps of a way: its name, TCP, TLS.

use std::time::{SystemTime, UNIX_EPOCH};

use super::check::{Check, Outcome, millis};
use super::target::Target;
use super::tls::{Certificate, Trust};
use super::way::{Way, resolve};
use super::{GROUP_WAY, Progress};

/// A certificate that ends within this time is a warning.
const SOON: u64 = 14 * DAY;
const DAY: u64 = 24 * 3600;

/// Walks to the server. Without a way, there is nothing to diagnose.
pub(super) async fn reach(
    target: &Target,
    public: &Target,
    patience: std::time::Duration,
    progress: &Progress<'_>,
    checks: &mut Vec<Check>,
) -> Option<Way> {
    let check = |name: &str, outcome, text: String| Check::new(GROUP_WAY, name, outcome, text);
    progress(&format!("looking up {}", target.host));
    let addresses = match resolve(target, patience).await {
        Ok(addresses) => addresses,
        Err(failure) => {
            let text = format!("{} has no address: {}", target.host, failure.text);
            let check = check("dns", Outcome::Fail, text.clone()).fact("connect", "no-name");
            checks.push(check.fact("connect-text", text));
            return None;
        }
    };
    let list: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    checks.push(check("dns", Outcome::Ok, list.join(", ")).with("addresses", list));
    let mut way = Way::new(target, public, addresses, patience);
    progress("opening a connection");
    let mut reached = Vec::new();
    let (mut missed, mut why) = (Vec::new(), "refused");
    for address in way.addresses().to_vec() {
        match way.tcp(address).await {
            Ok((tcp, took)) => reached.push((address, tcp, took)),
            Err(failure) => {
                missed.push(format!("{address}: {}", failure.text));
                why = failure.connect();
            }
        }
    }
    let Some((address, tcp, took)) = reached.into_iter().next() else {
        let text = missed.join("; ");
        let check = check("tcp", Outcome::Fail, text.clone()).fact("connect", why);
        checks.push(check.fact("connect-text", text));
        return None;
    };
    let mut text = format!("{address} in {} ms", millis(took));
    let outcome = if missed.is_empty() { Outcome::Ok } else { Outcome::Warn };
    if !missed.is_empty() {
        text.push_str(&format!("; not {}", missed.join("; not ")));
    }
    checks.push(check("tcp", outcome, text).with("ms", millis(took)));
    way.settle_on(address);
    if !target.secure {
        return Some(way);
    }
    progress("shaking hands by TLS");
    // As browsers do, which would then speak HTTP/2.
    let shaken = way.handshake(tcp, &["h2", "http/1.1"]).await;
    let (_, seen) = match shaken {
        Ok(shaken) => shaken,
        Err(failure) => {
            let text = format!("no TLS: {}", failure.text);
            checks.push(check("tls", Outcome::Fail, text));
            return None;
        }
    };
    let alpn = seen.alpn.clone();
    let mut step = match &seen.certificate {
        Some(certificate) => told(certificate, &way.host, &seen.version),
        None => check("tls", Outcome::Ok, seen.version.clone()),
    };
    if let Some(alpn) = &alpn {
        step.text.push_str(&format!("; browsers speak {alpn}"));
        step = step.with("alpn", alpn.as_str());
    }
    checks.push(step.with("version", seen.version).with("ms", millis(seen.took)));
    Some(way)
}

/// What a certificate says, as a step.
fn told(certificate: &Certificate, host: &str, version: &str) -> Check {
    let Certificate { trust, names, not_after, reason } = certificate;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let until = not_after.map(day).unwrap_or_default();
    let list = names.join(", ");
    let soon = not_after.is_some_and(|end| end < now + SOON);
    let (outcome, text) = match trust {
        Trust::Good if soon => {
            (Outcome::Warn, format!("{version}, for {list}, only until {until}"))
        }
        Trust::Good => (Outcome::Ok, format!("{version}, for {list}, until {until}")),
        Trust::Name => (Outcome::Fail, format!("the certificate is for {list}, not for {host}")),
        Trust::Expired => (Outcome::Fail, format!("the certificate ended on {until}")),
        Trust::NotYet => {
            (Outcome::Fail, "the certificate is not valid yet: is a clock wrong?".to_owned())
        }
        Trust::Untrusted => {
            (Outcome::Fail, format!("nobody whom this machine trusts vouches for it: {reason}"))
        }
    };
    let check = Check::new(GROUP_WAY, "tls", outcome, text.clone())
        .with("names", names.clone())
        .with("until", until);
    match trust {
        Trust::Good => check,
        _ => check.fact("tls", trust.fact()).fact("tls-text", text),
    }
}

/// The day of a time since 1970: `2026-11-26`.
fn day(seconds: u64) -> String {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    // `Thu, 26 Nov 2026 12:00:00 GMT`
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    let month = MONTHS.find(&part(8..11)).unwrap_or_default() / 3 + 1;
    format!("{}-{month:02}-{}", part(12..16), part(5..7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_in_one_form() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(1_795_694_400), "2026-11-26");
    }

    #[test]
    fn certificates_are_told_as_browsers_see_them() {
        let certificate = |trust, not_after| Certificate {
            trust,
            names: vec!["a.example".into()],
            not_after: Some(not_after),
            reason: "invalid peer certificate: UnknownIssuer".into(),
        };
        for (trust, end, outcome, words) in [
            (Trust::Good, 4_000_000_000, Outcome::Ok, "until 2096-10-02"),
            (Trust::Good, 0, Outcome::Warn, "only until 1970-01-01"),
            (Trust::Name, 4_000_000_000, Outcome::Fail, "is for a.example, not for b.example"),
            (Trust::Expired, 0, Outcome::Fail, "ended on 1970-01-01"),
            (Trust::Untrusted, 4_000_000_000, Outcome::Fail, "UnknownIssuer"),
        ] {
            let check = told(&certificate(trust, end), "b.example", "TLS 1.3");
            assert_eq!(check.outcome, outcome, "{trust:?}");
            assert!(check.text.contains(words), "{}", check.text);
            assert_eq!(check.facts.contains_key("tls"), outcome == Outcome::Fail);
        }
    }
}
