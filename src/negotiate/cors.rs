//! Completes answers for browsers: CORS headers, and the form of errors.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, HeaderValue, ORIGIN, UPGRADE, USER_AGENT, VARY,
};
use http::{HeaderMap, StatusCode};

use crate::http::headers::header;
use crate::http::{Response, response};
use crate::policy::proxy_headers::ProxyHeader;
use crate::transport::Error;

/// The facts of a request that the form of its answer depends on.
pub(super) struct AnswerForm {
    pub cors: Cors,
    /// Errors are text, not JSON.
    is_upgrade: bool,
    /// Internet Explorer, whose XSS filter is switched off, as the reference servers do.
    is_old_ie: bool,
}

impl AnswerForm {
    pub fn of(headers: &HeaderMap) -> Self {
        AnswerForm {
            cors: Cors::of(headers),
            is_upgrade: headers.contains_key(UPGRADE),
            is_old_ie: header(headers, USER_AGENT)
                .is_some_and(|agent| agent.contains(";MSIE") || agent.contains("Trident/")),
        }
    }

    /// Turns an error into a response, and adds the headers that browsers need.
    pub fn complete(&self, answer: Result<Response, Error>) -> Response {
        let mut response = answer.unwrap_or_else(|error| match self.is_upgrade {
            true => error.text(),
            false => error.json(),
        });
        self.cors.apply(response.headers_mut());
        if self.is_old_ie {
            let name = HeaderName::from_static("x-xss-protection");
            response.headers_mut().insert(name, HeaderValue::from_static("0"));
        }
        response
    }
}

/// The CORS headers of an answer. Clients before 3.x send credentials, which `*` does not allow, so the
/// origin of the request is repeated. Whether a page may connect is up to the policy, not to CORS.
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    requested_headers: Option<HeaderValue>,
}

impl Cors {
    pub fn of(headers: &HeaderMap) -> Self {
        Cors {
            origin: headers.get(ORIGIN).cloned(),
            requested_headers: headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
        }
    }

    pub fn apply(&self, headers: &mut HeaderMap) {
        match &self.origin {
            Some(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                let yes = HeaderValue::from_static("true");
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
                headers.append(VARY, HeaderValue::from_static("Origin"));
            }
            None => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
        }
    }

    /// The requested headers, without the forwarding headers, which only proxies may set. Otherwise a page
    /// could name another host or client, if a proxy does not remove these headers.
    fn allowed_headers(&self) -> HeaderValue {
        let requested = self.requested_headers.as_ref().and_then(|names| names.to_str().ok());
        let requested = requested.unwrap_or("Content-Type");
        let is_forwarding = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            name.starts_with("x-forwarded-") || ProxyHeader::of(&name).is_some()
        };
        let allowed: Vec<&str> = requested.split(',').filter(|name| !is_forwarding(name)).collect();
        let allowed = HeaderValue::try_from(allowed.join(","));
        allowed.unwrap_or(HeaderValue::from_static("Content-Type"))
    }

    /// The answer to a preflight request.
    pub fn preflight(&self) -> Response {
        let mut response = response(StatusCode::NO_CONTENT, "", Bytes::new());
        let headers = response.headers_mut();
        self.apply(headers);
        let methods = HeaderValue::from_static("GET,POST,OPTIONS");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers());
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }
}
