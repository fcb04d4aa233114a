//! Where the engine is, and which generations it speaks.

use super::check::{self, Check, Outcome};
use super::failure::Failure;
use super::generation::{Generation, Transport};
use super::http::{Answer, Ask};
use super::session::Place;
use super::way::Way;
use super::{GROUP_WAY, Target};

/// What answers.
#[derive(Debug)]
pub(super) struct Engine {
    pub path: String,
    /// The generation that is tested in depth: the newest that is spoken.
    pub main: Generation,
    /// Something answers as a server of Socket.IO does.
    pub found: bool,
}

/// Looks for the engine at each path where it may be.
pub(super) async fn find(way: &Way, target: &Target, checks: &mut Vec<Check>) -> Option<Engine> {
    let paths = target.paths();
    let mut first: Option<Result<Answer, Failure>> = None;
    for path in &paths {
        for generation in Generation::ALL {
            let place = Place { way, path, generation, origin: None };
            let target = generation.opening(path, Transport::Xhr, false);
            let answer = way.fetch(&place.get(target)).await;
            if let Ok(answer) = &answer
                && speaks(generation, answer)
            {
                checks.push(told(path, answer));
                return Some(Engine { path: path.clone(), main: generation, found: true });
            }
            let silent = answer.is_err();
            first.get_or_insert(answer);
            if silent {
                break;
            }
        }
    }
    let path = paths.into_iter().next()?;
    match first? {
        Ok(answer) => {
            let by =
                answer.header("server").map(|name| format!(" by {}", super::http::shown(name)));
            let text = format!(
                "no Socket.IO at {path}: the answer is {}{}",
                answer.words(),
                by.unwrap_or_default()
            );
            let mut check = Check::new(GROUP_WAY, "engine", Outcome::Fail, text);
            check.facts = check::failed(Transport::Xhr, "session", "refused");
            check::answered(&mut check.facts, Some(&answer), false);
            checks.push(check);
        }
        Err(failure) => {
            let text = format!("no answer to HTTP: {}", failure.text);
            let mut check = Check::new(GROUP_WAY, "engine", Outcome::Fail, text);
            check.facts = check::failed(Transport::Xhr, "session", failure.code);
            check::answered(&mut check.facts, None, false);
            checks.push(check);
        }
    }
    Some(Engine { path, main: Generation::Eio4, found: false })
}

/// Whether an answer is that of an engine that speaks this generation, even if it refuses.
fn speaks(generation: Generation, answer: &Answer) -> bool {
    if answer.status == 200 {
        let text = answer.text();
        let packets = generation.packets(&text).unwrap_or_default();
        return packets.first().is_some_and(|first| generation.handshake(first).is_ok());
    }
    match generation {
        Generation::V09 => answer.text().starts_with("handshake "),
        _ => answer.is_engine() && !matches!(answer.engine_code(), Some(5)),
    }
}

fn told(path: &str, answer: &Answer) -> Check {
    let http = if answer.old { "HTTP/1.0" } else { "HTTP/1.1" };
    let named = |name: &str| answer.header(name).map(super::http::shown);
    let mut text = format!("{path} answers by {http}");
    let mut check = Check::new(GROUP_WAY, "http", Outcome::Ok, "").with("version", http);
    for (name, words) in [("server", "server"), ("via", "via"), ("alt-svc", "alt-svc")] {
        if let Some(value) = named(name) {
            text.push_str(&format!(", {words} {value}"));
            check = check.with(name, value);
        }
    }
    if answer.old {
        check.outcome = Outcome::Warn;
        text.push_str(": WebSockets need HTTP/1.1");
    }
    check.text = text;
    check
}

/// What reached the server of a request: the answer of its echo.
#[derive(Debug, Clone)]
pub(super) struct Echo {
    pub instance: String,
    pub headers: Vec<(String, String)>,
    pub version: String,
    pub client: String,
    pub scheme: String,
}

impl Echo {
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Asks the server what reaches it of an upgrade request; `None` if it has no such answer.
pub(super) async fn echo(place: Place<'_>) -> Option<Echo> {
    let (ask, _) = place.upgrade(format!("{}echo", place.path));
    read_echo(&place.way.fetch(&ask).await.ok()?)
}

/// The same of a plain request.
pub(super) async fn plain_echo(place: Place<'_>) -> Option<Echo> {
    read_echo(&place.way.fetch(&Ask::get(format!("{}echo", place.path))).await.ok()?)
}

fn read_echo(answer: &Answer) -> Option<Echo> {
    let json: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    if answer.status != 200 || json.get("by")?.as_str()? != "parlance" {
        return None;
    }
    let text = |key: &str| Some(super::http::shown(json.get(key)?.as_str()?));
    let headers = json.get("headers")?.as_array()?.iter().take(64).filter_map(|line| {
        let part = |at: usize| Some(super::http::shown(line.get(at)?.as_str()?));
        Some((part(0)?, part(1)?))
    });
    Some(Echo {
        instance: text("instance")?,
        headers: headers.collect(),
        version: text("version")?,
        client: text("client")?,
        scheme: text("scheme")?,
    })
}
