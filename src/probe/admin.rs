//! The administrator's requests, as a client: for `parlance admin`.

mod options;

use std::time::Duration;

use serde_json::Value;

use super::http::Ask;
use super::target::Target;
use super::way::{Way, resolve};

pub use options::{Command, Events, Options, Sessions};

/// How long connecting and an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server waits for an event, and more.
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
        self.ask(Ask::get(format!("{}{below}", self.path))).await
    }

    /// Removes what is below `/admin/`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, below: &str) -> Result<Value, Failed> {
        self.ask(Ask::delete(format!("{}{below}", self.path))).await
    }

    async fn ask(&self, ask: Ask) -> Result<Value, Failed> {
        let ask = ask.with("Authorization", format!("Bearer {}", self.token));
        let answer = self.way.fetch_within(&ask, WATCH).await;
        let answer = answer.map_err(|failure| {
            Failed::Unreached(format!("{} is not reached: {}", self.way.host, failure.text))
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
