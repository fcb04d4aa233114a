//! `parlance admin`: what an administrator asks a running server for, on a terminal.

mod text;

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use crate::files;
use crate::probe::admin::{Client, Command, Events, Failed, Options, Sessions};

/// Status if the server says no.
const REFUSED: u8 = 1;
/// Status if the server could not be asked.
const NOT_ASKED: u8 = 2;
/// Bytes of a file with a token, at most.
const LONGEST_FILE: u64 = 4096;
/// How long to wait before a server is asked again that did not answer.
const AGAIN: Duration = Duration::from_secs(3);
/// The status of an answer without the right token.
const UNAUTHORIZED: u16 = 401;

/// Why a command ended early.
enum End {
    Failed(Failed),
    /// Nobody reads on.
    Closed,
}

impl From<Failed> for End {
    fn from(failed: Failed) -> Self {
        End::Failed(failed)
    }
}

/// Asks, and prints the answer. `given` is the token of flag or environment.
pub fn run(options: &Options, given: Option<String>) -> ExitCode {
    let outcome = token(options, given).map_err(|why| End::Failed(Failed::Unreached(why)));
    let outcome = outcome.and_then(|token| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failed::Unreached(error.to_string()))?;
        runtime.block_on(answer(options, token))
    });
    let (status, why) = match outcome {
        Ok(()) | Err(End::Closed) => return ExitCode::SUCCESS,
        Err(End::Failed(Failed::Refused { reason, .. })) => (REFUSED, reason),
        Err(End::Failed(Failed::Unreached(why))) => (NOT_ASKED, why),
    };
    eprintln!("parlance: {}", text::clean(&why));
    ExitCode::from(status)
}

/// The token: of the file, or of environment or flag.
fn token(options: &Options, given: Option<String>) -> Result<String, String> {
    if let Some(path) = &options.token_file {
        return read_token(path);
    }
    let token = given.ok_or("no token: set PARLANCE_ADMIN_TOKEN, or --token-file FILE")?;
    if std::env::var("PARLANCE_ADMIN_TOKEN").ok().as_ref() != Some(&token) {
        eprintln!(
            "parlance: everybody on this machine can read the token in the command line: \
             set PARLANCE_ADMIN_TOKEN, or --token-file FILE"
        );
    }
    Ok(token)
}

fn read_token(path: &Path) -> Result<String, String> {
    let text = files::read_text(path, LONGEST_FILE);
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line.is_empty() {
        true => Err(format!("{} has no token in its first line", path.display())),
        false => Ok(line.to_owned()),
    }
}

async fn answer(options: &Options, token: String) -> Result<(), End> {
    let target = &options.url;
    if !target.secure && !is_near(&target.host) {
        eprintln!("parlance: the token travels in the clear to {}: use https", target.host);
    }
    let client = Client::new(target, token).await?;
    let one = |answer: Value, write: fn(&Value) -> String| {
        print(&if options.json { format!("{answer}\n") } else { write(&answer) })
    };
    match &options.command {
        Command::Sessions(asked) => sessions(&client, asked, options.json).await,
        Command::Session { sid } => {
            one(client.get(&format!("sessions/{sid}")).await?, text::session)
        }
        Command::Events(asked) => events(&client, asked, options.json).await,
        Command::Causes => one(client.get("causes").await?, text::causes),
        Command::Policy => one(client.get("policy").await?, text::policy),
        Command::Disconnect { sid } => {
            one(client.delete(&format!("sessions/{sid}")).await?, text::disconnected)
        }
    }
}

/// Whether nothing leaves this machine on the way to a host.
fn is_near(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// One page, or all.
async fn sessions(client: &Client, asked: &Sessions, json: bool) -> Result<(), End> {
    let mut before = asked.before;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &asked.limit.to_string());
        if let Some(text) = &asked.text {
            query.append_pair("text", text);
        }
        if asked.ended {
            query.append_pair("ended", "true");
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        let page = client.get(&format!("sessions?{}", query.finish())).await?;
        before = page["next"].as_u64();
        let more = before.filter(|_| !asked.all);
        print(&if json { format!("{page}\n") } else { text::sessions(&page, more) })?;
        if before.is_none() || !asked.all {
            return Ok(());
        }
    }
}

/// The latest events, and then all others as they happen. A server that does not answer for a while is
/// asked again.
async fn events(client: &Client, asked: &Events, json: bool) -> Result<(), End> {
    let wanted = asked.text.as_deref().unwrap_or_default().to_lowercase();
    let mut page = client.get("events").await?;
    loop {
        if let Some(lost) = page["lost"].as_u64().filter(|lost| *lost > 0) {
            eprintln!("parlance: {lost} events more came than are kept");
        }
        for event in page["events"].as_array().into_iter().flatten() {
            if text::event_has(event, &wanted) {
                print(&if json { format!("{event}\n") } else { text::event(event) })?;
            }
        }
        if asked.no_follow {
            return Ok(());
        }
        let next = format!("events?after={}", page["next"]);
        page = loop {
            match client.watch(&next).await {
                Ok(page) => break page,
                Err(failed @ Failed::Refused { status: UNAUTHORIZED, .. }) => {
                    return Err(failed.into());
                }
                Err(Failed::Refused { reason: why, .. } | Failed::Unreached(why)) => {
                    eprintln!("parlance: {}; trying again", text::clean(&why));
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
    }
}

/// Writes at once: somebody may be watching.
fn print(text: &str) -> Result<(), End> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(End::Closed),
        Err(error) => Err(Failed::Unreached(format!("cannot write: {error}")).into()),
    }
}
