//! Reports from the diagnostics page. Each is logged with a short id, which the page shows, so that
//! users can refer the operator to it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use tracing::{Level, enabled, info};
use unicode_normalization::char::is_combining_mark;
use warp::{Filter, Rejection, Reply};

use crate::admission::Welcome;
use crate::engine::Sid;
use crate::token_bucket::{Bucket, Rate};

/// Bytes of one report, and of its line in the log.
const LARGEST: usize = 16 * 1024;
/// Reports are rare; a flood of them would drown the log. Of all together,
const OF_ALL: Rate = Rate::one_per(Duration::from_secs(1), 10);
/// and of one address, where several people may sit.
const OF_ADDRESS: Rate = Rate::one_per(Duration::from_secs(60), 5);
/// Addresses that are told apart at once; any more count as one.
const ADDRESSES: usize = 1024;
/// Characters of an id: easy to read out, hard to mix up among those of a day.
const ID_LENGTH: usize = 8;

/// `POST /diagnostics/report`.
pub(super) fn route() -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    let gate = Arc::new(Mutex::new(Gate::default()));
    warp::path!("diagnostics" / "report")
        .and(warp::post())
        .and(warp::body::content_length_limit(LARGEST as u64))
        .and(warp::body::bytes())
        .and(warp::ext::get::<Welcome>())
        .map(move |report: Bytes, welcome: Welcome| {
            let (status, answer) = match take(&report, &gate, welcome.bucket) {
                Ok(id) => (StatusCode::OK, json!({ "id": id })),
                Err((status, reason)) => (status, json!({ "reason": reason })),
            };
            warp::reply::with_status(warp::reply::json(&answer), status)
        })
}

fn take(
    report: &[u8],
    gate: &Mutex<Gate>,
    address: IpAddr,
) -> Result<String, (StatusCode, &'static str)> {
    if !enabled!(Level::INFO) {
        // An id without its line in the log would be useless.
        return Err((StatusCode::SERVICE_UNAVAILABLE, "reports are not logged here"));
    }
    if !gate.lock().unwrap_or_else(PoisonError::into_inner).admits(address, Instant::now()) {
        return Err((StatusCode::TOO_MANY_REQUESTS, "too many reports: try again in a minute"));
    }
    let random = Sid::random().map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "no randomness"))?;
    let letters = random.as_str().chars().filter(char::is_ascii_alphanumeric);
    let id: String = letters.take(ID_LENGTH).collect::<String>().to_lowercase();
    info!(id, report = %quoted(report), "diagnostics report");
    Ok(id)
}

/// Text as it stands in the log, in quotes: on one line, with nothing in it that a terminal acts
/// upon, and of [`LARGEST`] bytes at most.
fn quoted(text: &[u8]) -> String {
    const CUT: &str = "…";
    let mut line = String::from("\"");
    for char in String::from_utf8_lossy(text).chars() {
        let mut shown = String::new();
        match char {
            '\n' | '\r' | '\t' | '"' | '\\' => shown.extend(char.escape_default()),
            // What would have to be escaped is not for people to read.
            _ if char.escape_debug().len() > 1 && !is_combining_mark(char) => {
                shown.push(char::REPLACEMENT_CHARACTER);
            }
            _ => shown.push(char),
        }
        if line.len() + shown.len() + CUT.len() >= LARGEST {
            line.push_str(CUT);
            break;
        }
        line.push_str(&shown);
    }
    line.push('"');
    line
}

/// How many reports may still come: from all, and from each address.
#[derive(Default)]
struct Gate {
    all: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
}

impl Gate {
    fn admits(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.addresses.len() >= ADDRESSES {
            self.addresses.retain(|_, bucket| !bucket.is_full(now));
        }
        let known = self.addresses.contains_key(&address) || self.addresses.len() < ADDRESSES;
        let address = if known { address } else { Ipv4Addr::UNSPECIFIED.into() };
        let bucket = self.addresses.get(&address).copied().unwrap_or_default();
        let left = OF_ADDRESS.take(bucket, 1, now);
        let (Ok(of_all), Ok(of_address)) = (OF_ALL.take(self.all, 1, now), left) else {
            return false;
        };
        self.all = of_all;
        self.addresses.insert(address, of_address);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn post(
        route: &(
             impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone + Send + Sync + 'static
         ),
        body: &str,
    ) -> (StatusCode, String) {
        use http_body_util::BodyExt as _;
        let bucket = Ipv4Addr::LOCALHOST.into();
        let welcome = Welcome { transports: Vec::new(), bound_to: None, bucket };
        let request = http::Request::post("/diagnostics/report")
            .header("content-length", body.len())
            .extension(welcome)
            .body(http_body_util::Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let Ok(response) =
            tower_service::Service::call(&mut warp::service(route.clone()), request).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn reports_get_ids_and_are_bounded() {
        let log = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        let logged = tracing::subscriber::set_default(log);
        let route = route();
        let (status, body) = post(&route, "websocket: works").await;
        assert_eq!(status, StatusCode::OK);
        let id =
            serde_json::from_str::<serde_json::Value>(&body).unwrap()["id"].as_str().unwrap().len();
        assert_eq!(id, ID_LENGTH);
        assert_eq!(post(&route, &"x".repeat(17_000)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let mut last = status;
        for _ in 0..OF_ADDRESS.capacity().unwrap() {
            last = post(&route, "again").await.0;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
        drop(logged);
        assert_eq!(post(&route, "lost").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn one_address_keeps_nobody_from_reporting() {
        let (mut gate, mut now) = (Gate::default(), Instant::now());
        let address = |number: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + number));
        let flood =
            |gate: &mut Gate, address, now| (0..100).filter(|_| gate.admits(address, now)).count();
        assert_eq!(flood(&mut gate, address(1), now), 5);
        assert_eq!(flood(&mut gate, address(2), now), 5);
        assert_eq!(flood(&mut gate, address(3), now), 0, "ten of all at once");
        now += Duration::from_secs(60);
        assert_eq!(flood(&mut gate, address(1), now), 1);
        assert!(gate.admits(address(3), now));
        // What is remembered is bounded, and who does not fit in waits with others.
        let hours = Rate::one_per(Duration::from_secs(3600), 1);
        let bucket = hours.take(Bucket::default(), 1, now).unwrap();
        gate.addresses =
            (0..ADDRESSES as u32).map(|number| (address(number + 10), bucket)).collect();
        let mut admitted = 0;
        for number in 20_000..20_100 {
            now += Duration::from_secs(1);
            admitted += usize::from(gate.admits(address(number), now));
        }
        assert_eq!(admitted, 5 + 1);
        assert!(gate.addresses.len() <= ADDRESSES + 1);
        now += Duration::from_secs(3600);
        assert!(gate.admits(address(4), now));
        assert_eq!(gate.addresses.len(), 1, "the others have paid");
    }

    #[test]
    fn reports_are_printable_and_bounded_as_they_are_logged() {
        for (text, expected) in [
            ("a\nb\t\"c\" \\ d\r\n", r#""a\nb\t\"c\" \\ d\r\n""#),
            ("안녕 é e\u{301} 🙂", "\"안녕 é e\u{301} 🙂\""),
            ("\u{1b}[31m\u{0}\u{7f}\u{85}", "\"\u{fffd}[31m\u{fffd}\u{fffd}\u{fffd}\""),
            ("a\u{202e}b\u{2028}c\u{feff}", "\"a\u{fffd}b\u{fffd}c\u{fffd}\""),
        ] {
            assert_eq!(quoted(text.as_bytes()), expected);
        }
        for byte in [b'x', 1, b'\n', b'"', 0xff, b' '] {
            let line = quoted(&[byte; LARGEST]);
            assert!(line.len() <= LARGEST, "{byte}: {}", line.len());
            assert!(line.ends_with("…\""), "{byte}");
        }
        assert!(!quoted(&[b'x'; 16_000]).contains('…'));
    }
}
