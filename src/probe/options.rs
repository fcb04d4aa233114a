//! What the command is asked for.

#![allow(missing_docs, rustdoc::bare_urls, reason = "doc comments here are the text of --help")]

use std::time::Duration;

use clap::Args;

use super::target::{Target, target};

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Options {
    /// Where clients connect: https://chat.example, with the path if it is not /socket.io/
    #[arg(value_parser = target)]
    pub url: Target,
    /// The same server without the proxies before it: both ways are tested, and compared
    #[arg(long, value_name = "[SCHEME://]HOST:PORT", value_parser = direct)]
    pub direct: Option<Target>,
    /// The page that connects: what a browser would let it read is tested
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub origin: Option<String>,
    /// Search for time-outs on the way, with silences up to this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub idle: Option<u64>,
    /// Seconds that one step may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub timeout: u64,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// How long one step may take.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

fn direct(text: &str) -> Result<Target, String> {
    if text.contains("://") {
        return target(text);
    }
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let found = has_port.then(|| target(&format!("http://{text}"))).and_then(Result::ok);
    found.ok_or_else(|| format!("`{text}` is no address with a port, expected 127.0.0.1:3000"))
}

fn origin(text: &str) -> Result<String, String> {
    let origin = text.trim_end_matches('/');
    let is_web = origin.starts_with("http://") || origin.starts_with("https://");
    match target(origin) {
        Ok(whole) if is_web && whole.path == "/" => Ok(origin.to_owned()),
        _ => Err(format!("`{text}` is no origin, expected https://app.example")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_and_host() {
        assert_eq!(origin("https://a.example/"), Ok("https://a.example".into()));
        assert_eq!(origin("http://a.example:8080"), Ok("http://a.example:8080".into()));
        for wrong in ["a.example", "https://a.example/page", "wss://a.example", "null", ""] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_direct_way_needs_its_port() {
        let way = direct("127.0.0.1:3000").unwrap();
        assert_eq!((way.host.as_str(), way.port, way.secure), ("127.0.0.1", 3000, false));
        assert!(direct("https://10.0.0.7:8443").unwrap().secure);
        for wrong in ["127.0.0.1", ":80", "a:x", "a:0", ""] {
            assert!(direct(wrong).is_err(), "{wrong}");
        }
    }
}
