//! The administrator's requests, as a client: for `parlance admin`.

mod options;

use std::time::Duration;

use serde_json::Value;

use super::http::Ask;
use super::target::Target;
use super::way::{Way, resolve};

pub use options::{Command, Events, Options, Sessions};

/// How long connecting and an answer may take. A server without room for connections never answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server waits for an event before it answers, and more.
const WATCH: Duration = Duration::from_secs(25);
/// Below the path of the server.
const PATH: &str = "admin/";

/// A server that is asked as its administrator.
pub struct Client {
    way: Way,
    path: String,
    token: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// The server says no.
    Refused {
        /// The status of the answer.
        status: u16,
        /// The reason, for people.
        reason: String,
    },
    /// The server could not be asked, or what answered is no Parlance.
    Unreached(String),
}

impl Client {
    /// Finds the addresses of a server. The token goes to one alone that this machine trusts, if it speaks
    /// https.
    ///
    /// # Errors
    /// If the name has no address.
    pub async fn new(target: &Target, token: String) -> Result<Self, Failed> {
        let addresses = resolve(target, PATIENCE).await;
        let addresses = addresses.map_err(|failure| {
            Failed::Unreached(format!("{} has no address: {}", target.host, failure.text))
        })?;
        let path = match target.path.ends_with("/admin/") {
            true => target.path.clone(),
            false => format!("{}{PATH}", target.path),
        };
        let way = Way::new(target, target, addresses, PATIENCE).for_secrets();
        Ok(Client { way, path, token })
    }

    /// Reads what is below `/admin/`.
    ///
    /// # Errors
    /// If there is no answer, or it is none.
    pub async fn get(&self, below: &str) -> Result<Value, Failed> {
        self.ask(Ask::get(format!("{}{below}", self.path)), Duration::ZERO).await
    }

    /// Waits for what is below `/admin/`: the server answers when there is something, or after a while.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn watch(&self, below: &str) -> Result<Value, Failed> {
        self.ask(Ask::get(format!("{}{below}", self.path)), WATCH).await
    }

    /// Removes what is below `/admin/`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, below: &str) -> Result<Value, Failed> {
        self.ask(Ask::delete(format!("{}{below}", self.path)), Duration::ZERO).await
    }

    async fn ask(&self, ask: Ask, more: Duration) -> Result<Value, Failed> {
        let ask = ask.with("Authorization", format!("Bearer {}", self.token));
        let answer = self.way.fetch_within(&ask, more).await;
        let answer = answer.map_err(|failure| {
            let hint = if failure.code == "timeout" { "; its log may say why" } else { "" };
            Failed::Unreached(format!("{} is not reached: {}{hint}", self.way.host, failure.text))
        })?;
        match answer.json() {
            Some(json) if answer.status == 200 => Ok(json),
            Some(json) if json["error"].is_string() => {
                let reason = json["reason"].as_str().unwrap_or_default().to_owned();
                Err(Failed::Refused { status: answer.status, reason })
            }
            _ => {
                let (host, words) = (&self.way.host, answer.words());
                let why = format!("{host} has no admin API at {} ({words})", self.path);
                Err(Failed::Unreached(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::{Client, Failed, PATIENCE, WATCH};

    /// The system takes connections for a server that has no room for them.
    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up_soon() {
        let full = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", full.local_addr().unwrap());
        let target = super::super::target::target(&url).unwrap();
        let client = Client::new(&target, "a token".to_owned()).await.unwrap();
        let began = Instant::now();
        let Err(Failed::Unreached(why)) = client.get("causes").await else { panic!("an answer") };
        assert!(why.ends_with("no answer in time; its log may say why"), "{why}");
        assert!(began.elapsed() < PATIENCE + WATCH, "{:?}", began.elapsed());
        let began = Instant::now();
        client.watch("events?after=0").await.unwrap_err();
        assert!(began.elapsed() >= WATCH, "{:?}", began.elapsed());
    }
}
