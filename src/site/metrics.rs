//! `/metrics`: numbers for Prometheus. Requests need a token.

use std::sync::Arc;

use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};

use super::admin::has_token;
use crate::http::{Request, Response, response};

const PATH: &str = "/metrics";

/// The forms of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Prometheus's own, 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// Who may read the metrics, and what writes them.
pub struct MetricsPage {
    /// Secrets, each of which is enough. Never empty.
    pub tokens: Vec<Arc<str>>,
    /// Writes all metrics. Called for each request.
    pub write: Box<dyn Fn(Form) -> String + Send + Sync>,
}

/// Answers a request for the metrics; `None` for all other requests.
pub(super) fn answer(page: &MetricsPage, request: &Request) -> Option<Response> {
    if request.uri().path() != PATH {
        return None;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, "", "");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(refusal);
    }
    if !page.tokens.iter().any(|token| has_token(request.headers(), token)) {
        let reason = "the header Authorization: Bearer … is missing, or its token is wrong\n";
        let plain = "text/plain; charset=utf-8";
        let mut refusal = response(StatusCode::UNAUTHORIZED, plain, reason);
        refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return Some(refusal);
    }
    let form = form(request.headers());
    let content_type = match form {
        Form::Text => "text/plain; version=0.0.4; charset=utf-8",
        Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    let mut answer = response(StatusCode::OK, content_type, (page.write)(form));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(answer)
}

/// The form that the client prefers; Prometheus's own if it says nothing.
fn form(headers: &HeaderMap) -> Form {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut open, mut text) = (0.0_f32, 0.0_f32);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        let quality = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        match () {
            () if kind.eq_ignore_ascii_case("application/openmetrics-text") => {
                open = open.max(quality)
            }
            () if kind.eq_ignore_ascii_case("text/plain") => text = text.max(quality),
            () => {}
        }
    }
    if open > 0.0 && open >= text { Form::OpenMetrics } else { Form::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_asked_for() {
        for (accept, form) in [
            (None, Form::Text),
            (Some("*/*"), Form::Text),
            (Some("text/html, */*;q=0.1"), Form::Text),
            (Some("application/openmetrics-text"), Form::OpenMetrics),
            (Some("application/openmetrics-text;q=0"), Form::Text),
            (
                Some("text/plain;q=0.8, application/openmetrics-text; version=1.0.0; q=0.5"),
                Form::Text,
            ),
            // Prometheus 2.42.
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                Form::OpenMetrics,
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(super::form(&headers), form, "{accept:?}");
        }
    }
}
