//! What an answer carries for the browser that asked.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName, HeaderValue, ORIGIN, UPGRADE, USER_AGENT, VARY,
};
use http::{HeaderMap, StatusCode};

use crate::http::headers::header;
use crate::http::{Response, response};
use crate::transport::Error;

/// What a response has to be like for the one who asked.
pub(super) struct Dress {
    pub cors: Cors,
    upgrading: bool,
    old_ie: bool,
}

impl Dress {
    pub fn of(headers: &HeaderMap) -> Self {
        Dress {
            cors: Cors::of(headers),
            upgrading: headers.contains_key(UPGRADE),
            old_ie: header(headers, USER_AGENT)
                .is_some_and(|agent| agent.contains(";MSIE") || agent.contains("Trident/")),
        }
    }

    pub fn put_on(&self, answer: Result<Response, Error>) -> Response {
        let mut response = answer.unwrap_or_else(|error| match self.upgrading {
            true => error.text(),
            false => error.json(),
        });
        self.cors.apply(response.headers_mut());
        if self.old_ie {
            let name = HeaderName::from_static("x-xss-protection");
            response.headers_mut().insert(name, HeaderValue::from_static("0"));
        }
        response
    }
}

/// What pages of other origins need to read our answers. Clients before 3.x send credentials, which
/// `*` does not allow, so the origin is echoed; whether it may connect at all is policy.
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    asked_headers: Option<HeaderValue>,
}

impl Cors {
    pub fn of(headers: &HeaderMap) -> Self {
        Cors {
            origin: headers.get(ORIGIN).cloned(),
            asked_headers: headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
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

    /// What was asked for, but for what proxies alone have to say: a page could pass for one of
    /// another host, if a proxy does not throw that away.
    fn allowed_headers(&self) -> HeaderValue {
        let asked = self.asked_headers.as_ref().and_then(|asked| asked.to_str().ok());
        let asked = asked.unwrap_or("Content-Type");
        let of_proxies = |name: &str| {
            let name = name.trim().to_ascii_lowercase();
            name == "forwarded" || name.starts_with("x-forwarded-")
        };
        let allowed: Vec<&str> = asked.split(',').filter(|name| !of_proxies(name)).collect();
        let allowed = HeaderValue::try_from(allowed.join(","));
        allowed.unwrap_or(HeaderValue::from_static("Content-Type"))
    }

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
