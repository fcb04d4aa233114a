//! Paths of requests: which part of the server each is for.
//!
//! Proxies that join two paths double a slash or lose one, and some take the base path away. So
//! repeated slashes count as one, the engine and the base path may lack their last one, and a path
//! without the base path is taken as well. All that comes after the routing sees one form of a
//! path: below the base path, without repeated slashes.

use std::borrow::Cow;
use std::sync::Arc;

use http::Uri;
use http::uri::PathAndQuery;

/// Where pages find the client library, whatever the path of the engine is.
const CLIENT: &str = "/socket.io/";

/// Operators may keep strangers from this path at a proxy, which may compare it byte by byte. So its
/// slashes are not folded.
const GUARDED: &str = "/admin";

/// Where the parts of the server are.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Of pages and engine together: `/`, or such as `/chat/`.
    base: Arc<str>,
    /// Of the engine, below `base`: such as `/socket.io/`.
    engine: Arc<str>,
}

/// The part of the server that a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The engine.
    Engine,
    /// Pages, and all others.
    Page,
    /// None: the last slash of the base path is missing.
    Base,
}

impl From<&str> for Mount {
    /// The engine at this path, and pages at `/`.
    fn from(engine: &str) -> Self {
        Mount::new("/", engine)
    }
}

impl Mount {
    /// `base` is the path of everything, `engine` that of the engine below it. Slashes at their
    /// ends may be missing.
    pub fn new(base: &str, engine: &str) -> Self {
        let whole = |path: &str| fold(&format!("/{path}/")).into();
        Mount { base: whole(base), engine: whole(engine) }
    }

    /// The path of pages and engine, with a slash at both ends.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The path of the engine below [`Mount::base`], with a slash at both ends.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The path of the engine, with the base path.
    pub(crate) fn whole_engine(&self) -> String {
        format!("{}{}", self.base, &self.engine[1..])
    }

    /// Finds the part that a request is for, and gives its path the one form.
    pub(crate) fn enter(&self, uri: &mut Uri) -> Part {
        let (part, path) = self.part(uri.path());
        if part != Part::Base && path != uri.path() {
            let path = path.into_owned();
            set_path(uri, &path);
        }
        part
    }

    /// Whether a path is the engine's.
    pub(crate) fn is_engine(&self, path: &str) -> bool {
        self.part(path).0 == Part::Engine
    }

    /// The part that a path is for, and the path below the base path.
    fn part<'a>(&'a self, path: &'a str) -> (Part, Cow<'a, str>) {
        let folded = fold(path);
        let is_folded = matches!(folded, Cow::Owned(_));
        let asked = path;
        let path = self.below_base(folded);
        match self.below_engine(&path) {
            _ if path.is_empty() => (Part::Base, path),
            _ if is_folded && path.starts_with(GUARDED) => (Part::Page, asked.into()),
            Some("") => (Part::Engine, Cow::Borrowed(&self.engine)),
            // Clients of 0.9 append their protocol number; no page there starts with a digit.
            Some(below) if below.starts_with(|c: char| c.is_ascii_digit()) => (Part::Engine, path),
            Some("echo") => (Part::Engine, path),
            // The client library, whose files have one path for the pages.
            Some(file) if file.starts_with("socket.io") && *self.engine != *CLIENT => {
                let path = format!("{CLIENT}{file}");
                (Part::Page, path.into())
            }
            _ => (Part::Page, path),
        }
    }

    /// What follows the engine's path in a path below the base path; `None` if it is not there.
    pub(crate) fn below_engine<'a>(&self, path: &'a str) -> Option<&'a str> {
        let below = path.strip_prefix(self.engine.trim_end_matches('/'))?;
        if below.is_empty() { Some(below) } else { below.strip_prefix('/') }
    }

    /// Takes the base path away, if it is there; leaves nothing of one without its last slash.
    fn below_base<'a>(&self, path: Cow<'a, str>) -> Cow<'a, str> {
        let base = self.base.trim_end_matches('/');
        let is_below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        if base.is_empty() || !path.strip_prefix(base).is_some_and(is_below) {
            return path;
        }
        match path {
            Cow::Borrowed(path) => Cow::Borrowed(&path[base.len()..]),
            Cow::Owned(mut path) => Cow::Owned(path.split_off(base.len())),
        }
    }
}

/// Replaces repeated slashes by one.
fn fold(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut folded = String::with_capacity(path.len());
    for char in path.chars() {
        if char != '/' || !folded.ends_with('/') {
            folded.push(char);
        }
    }
    Cow::Owned(folded)
}

/// Replaces the path of a URI.
fn set_path(uri: &mut Uri, path: &str) {
    let whole = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = std::mem::take(uri).into_parts();
    // It cannot fail: all its parts were of a URI before.
    parts.path_and_query = whole.ok().or(parts.path_and_query);
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(path: &str) -> (Part, Cow<'_, str>) {
        (Part::Engine, path.into())
    }

    fn page(path: &str) -> (Part, Cow<'_, str>) {
        (Part::Page, path.into())
    }

    #[test]
    fn slashes_of_the_engine_are_folded() {
        let mount = Mount::from("/socket.io/");
        for path in ["/socket.io/", "/socket.io", "/socket.io//", "//socket.io/", "///socket.io"] {
            assert_eq!(mount.part(path), engine("/socket.io/"), "{path}");
        }
        for (path, folded) in [
            ("/socket.io/1", "/socket.io/1"),
            ("//socket.io//1/", "/socket.io/1/"),
            ("/socket.io//1/xhr-polling//abc/", "/socket.io/1/xhr-polling/abc/"),
            ("/socket.io/1//abc/", "/socket.io/1/abc/"),
            ("/socket.io/2/", "/socket.io/2/"),
        ] {
            assert_eq!(mount.part(path), engine(folded), "{path}");
        }
        for (path, folded) in [
            ("/", "/"),
            ("//", "/"),
            ("*", "*"),
            ("/socket.io/socket.io.js", "/socket.io/socket.io.js"),
            ("/socket.io//socket.io.js", "/socket.io/socket.io.js"),
            ("/socket.iox", "/socket.iox"),
            ("/socket.io1/", "/socket.io1/"),
            ("/chat/socket.io/", "/chat/socket.io/"),
            ("//evil.example/socket.io/", "/evil.example/socket.io/"),
            ("/socket.io%2F", "/socket.io%2F"),
            ("/socket.io/../socket.io/", "/socket.io/../socket.io/"),
            ("/é//", "/é/"),
            ("/admin/policy", "/admin/policy"),
            ("//admin/policy", "//admin/policy"),
            ("/admin//policy", "/admin//policy"),
        ] {
            assert_eq!(mount.part(path), page(folded), "{path}");
        }
    }

    #[test]
    fn a_base_path_may_be_taken_away() {
        for base in ["/chat/", "chat", "/chat", "//chat//"] {
            let mount = Mount::new(base, "socket.io");
            assert_eq!((mount.base(), mount.engine()), ("/chat/", "/socket.io/"));
            for prefix in ["", "/", "/chat", "/chat/", "//chat//"] {
                for path in ["/socket.io/", "/socket.io"] {
                    let path = format!("{prefix}{path}");
                    assert_eq!(mount.part(&path), engine("/socket.io/"), "{path}");
                }
                let path = format!("{prefix}/socket.io/1/");
                assert_eq!(mount.part(&path), engine("/socket.io/1/"), "{path}");
                let path = format!("{prefix}/style.css");
                assert_eq!(mount.part(&path), page("/style.css"), "{path}");
                assert_eq!(mount.part(&format!("{prefix}/")), page("/"), "{prefix}");
            }
            for path in ["/chat", "//chat"] {
                assert_eq!(mount.part(path).0, Part::Base, "{path}");
            }
            for path in ["/chats", "/chats/socket.io/", "/other/chat/"] {
                assert_eq!(mount.part(path), page(path), "{path}");
            }
        }
        let deep = Mount::new("/a/b/", "/c/d/");
        assert_eq!(deep.part("/a/b/c/d"), engine("/c/d/"));
        assert_eq!(deep.part("/a/b/c/d/1/"), engine("/c/d/1/"));
        assert_eq!(deep.part("/a/b").0, Part::Base);
        assert_eq!(deep.part("/a"), page("/a"));
        for path in ["/a/b/c/d/socket.io.js", "/c/d//socket.io.js", "/a/b/socket.io/socket.io.js"] {
            assert_eq!(deep.part(path), page("/socket.io/socket.io.js"), "{path}");
        }
        assert_eq!(deep.part("/a/b/c/d/style.css"), page("/c/d/style.css"));
    }

    #[test]
    fn only_the_path_of_a_uri_changes() {
        for (uri, path, expected) in [
            ("//socket.io?a=b//c", "/socket.io/", "/socket.io/?a=b//c"),
            ("/a?", "/b", "/b?"),
            ("/a", "/b", "/b"),
            ("http://h:1//a?b", "/a", "http://h:1/a?b"),
            ("/same", "/same", "/same"),
        ] {
            let mut uri: Uri = uri.parse().unwrap();
            set_path(&mut uri, path);
            assert_eq!(uri, expected);
        }
    }
}
