//! What a session keeps of the request that opened it, if the application asked for that: URL and headers.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::engine::KeptRequest;
use crate::http::Request;
use crate::transport::Error;

/// The greatest size of what a session keeps: the bytes of the URL and of the headers' values, and
/// [`PER_HEADER`] for each header.
const MOST: usize = 16 * 1024;
/// What a header counts beside its value: its name, and its place in the map.
const PER_HEADER: usize = 128;

/// Which headers are kept, and the URL with them.
#[derive(Debug, Clone, Default)]
pub(super) enum Keep {
    #[default]
    Nothing,
    These(Vec<HeaderName>),
    All,
}

/// The URL of a request as it came, before its path got its one form.
#[derive(Clone)]
struct Asked(Uri);

/// Notes the URL of a request as it came.
pub(super) fn note_url(request: &mut Request) {
    let asked = Asked(request.uri().clone());
    request.extensions_mut().insert(asked);
}

/// Path and query of a request, as they came.
pub(super) fn url(request: &Request) -> &str {
    let uri = request.extensions().get().map_or(request.uri(), |Asked(uri)| uri);
    uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

impl Keep {
    /// What a session keeps of its request.
    ///
    /// # Errors
    /// If that is more than [`MOST`].
    pub fn of(&self, request: &Request) -> Result<Option<Box<KeptRequest>>, Error> {
        let all = request.headers();
        let headers = match self {
            Keep::Nothing => return Ok(None),
            Keep::All => copy(all.iter()),
            Keep::These(names) => copy(
                names.iter().flat_map(|name| all.get_all(name).iter().map(move |it| (name, it))),
            ),
        };
        let url = url(request);
        let values = headers.values().map(|value| value.len() + PER_HEADER);
        match url.len() + values.sum::<usize>() <= MOST {
            true => Ok(Some(Box::new(KeptRequest { url: url.into(), headers }))),
            false => Err(Error::TooLong { what: "what is kept of the request", limit: MOST }),
        }
    }
}

/// Copies headers. As they come, they are parts of the bytes that the connection read, and would hold all of
/// these.
fn copy<'a>(headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> HeaderMap {
    let mut copied = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        // They were a name and a value before.
        if let (Ok(name), Ok(value)) = (name, value) {
            copied.append(name, value);
        }
    }
    copied
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::http::Incoming;

    #[test]
    fn what_is_kept_holds_nothing_of_the_request() {
        let body = Incoming::Whole("".into());
        let request = http::Request::get("/socket.io/?EIO=4").header("Cookie", "a=1").body(body);
        let request = request.unwrap();
        for keep in [Keep::All, Keep::These(vec![COOKIE])] {
            let kept = keep.of(&request).unwrap().unwrap();
            assert_eq!(&*kept.url, "/socket.io/?EIO=4");
            assert_eq!(kept.headers[COOKIE], "a=1");
            let at = |headers: &HeaderMap| headers[COOKIE].as_bytes().as_ptr();
            assert_ne!(at(&kept.headers), at(request.headers()));
        }
        assert!(Keep::Nothing.of(&request).unwrap().is_none());
    }
}
