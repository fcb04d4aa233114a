//! Reports that people send from the diagnostics page: each is logged under a short id that they
//! can name to whoever reads the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use tracing::{Level, enabled, info};
use warp::{Filter, Rejection, Reply};

use crate::engine::Sid;

/// Bytes of one report.
const LARGEST: u64 = 16 * 1024;
/// Reports are rare; a flood of them would drown the log.
const PAUSE: Duration = Duration::from_secs(1);
const BURST: u32 = 10;
/// Characters of an id: easy to read out, hard to mix up among those of a day.
const ID_LENGTH: usize = 8;

/// `POST /diagnostics/report`.
pub(super) fn route() -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
    let gate = Arc::new(Mutex::new(Gate { open_at: Instant::now() }));
    warp::path!("diagnostics" / "report")
        .and(warp::post())
        .and(warp::body::content_length_limit(LARGEST))
        .and(warp::body::bytes())
        .map(move |report: Bytes| {
            let admitted =
                gate.lock().unwrap_or_else(PoisonError::into_inner).admits(Instant::now());
            let (status, answer) = match take(&report, admitted) {
                Ok(id) => (StatusCode::OK, json!({ "id": id })),
                Err((status, reason)) => (status, json!({ "reason": reason })),
            };
            warp::reply::with_status(warp::reply::json(&answer), status)
        })
}

fn take(report: &[u8], admitted: bool) -> Result<String, (StatusCode, &'static str)> {
    if !enabled!(Level::INFO) {
        // No number without a line in the log that it stands for.
        return Err((StatusCode::SERVICE_UNAVAILABLE, "reports are not logged here"));
    }
    if !admitted {
        return Err((StatusCode::TOO_MANY_REQUESTS, "too many reports: try again in a minute"));
    }
    let random = Sid::random().map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "no randomness"))?;
    let letters = random.as_str().chars().filter(char::is_ascii_alphanumeric);
    let id: String = letters.take(ID_LENGTH).collect::<String>().to_lowercase();
    // As debug text, which has no line breaks that could pass for lines of the log.
    info!(id, report = ?String::from_utf8_lossy(report), "diagnostics report");
    Ok(id)
}

struct Gate {
    open_at: Instant,
}

impl Gate {
    fn admits(&mut self, now: Instant) -> bool {
        let next = self.open_at.max(now) + PAUSE;
        let admits = next <= now + PAUSE * BURST;
        if admits {
            self.open_at = next;
        }
        admits
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
        let request = http::Request::post("/diagnostics/report")
            .header("content-length", body.len())
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
        for _ in 0..BURST {
            last = post(&route, "again").await.0;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
        drop(logged);
        assert_eq!(post(&route, "lost").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
