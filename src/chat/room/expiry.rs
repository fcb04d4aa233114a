//! Tokens that expire while their people are there: the page is asked for a new one in time, and whose token is
//! not renewed is disconnected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::time::Instant;

use super::enforcement::send_out;
use super::{Room, answer, log_refused};
use crate::accounts::Refusal;
use crate::chat::account::Verified;
use crate::chat::error::ChatError;
use crate::engine::Sid;
use crate::socketio::Ack;

/// How long before the end the page is asked.
const NOTICE: Duration = Duration::from_secs(30);

/// When somebody's token is to be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    at: Instant,
    /// The page was asked.
    asked: bool,
}

/// Whose token is to be looked at, in the order of time: each member at most once.
#[derive(Debug, Default)]
pub(super) struct Expiries(BTreeSet<(Instant, Sid)>);

impl Expiries {
    pub fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    pub fn forget(&mut self, sid: Sid, due: Option<Due>) {
        if let Some(due) = due {
            self.0.remove(&(due.at, sid));
        }
    }

    /// `None` if the token is good for longer than any process runs.
    fn put(&mut self, sid: Sid, expires: SystemTime, before: Duration, asked: bool) -> Option<Due> {
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        let at = Instant::now().checked_add(left.saturating_sub(before))?;
        self.0.insert((at, sid));
        Some(Due { at, asked })
    }
}

impl Room {
    /// Somebody has a token: the page is asked in time for another.
    pub(super) fn expect_expiry(&mut self, sid: Sid) {
        let Some(member) = self.members.get_mut(&sid) else { return };
        self.expiries.forget(sid, member.due.take());
        if let Some(account) = &member.account {
            member.due = self.expiries.put(sid, account.expires, NOTICE, false);
        }
    }

    /// Looks at tokens whose time has come.
    pub(super) fn look_for_expired(&mut self) {
        let now = Instant::now();
        while let Some((_, sid)) = self.expiries.0.first().copied().filter(|(at, _)| *at <= now) {
            self.expiries.0.pop_first();
            let Some(member) = self.members.get_mut(&sid) else { continue };
            let (due, account) = (member.due.take(), member.account.clone());
            let (Some(due), Some(account)) = (due, account) else { continue };
            if due.asked {
                self.expired(&sid);
                continue;
            }
            let left = account.expires.duration_since(SystemTime::now()).unwrap_or_default();
            member.socket.emit("token expires", json!({ "in": left.as_millis() as u64 }));
            member.due = self.expiries.put(sid, account.expires, Duration::ZERO, true);
        }
    }

    fn expired(&mut self, sid: &Sid) {
        let Some(member) = self.members.get(sid) else { return };
        let error = refused(Refusal::Expired);
        log_refused(&member.socket, "token", &error);
        send_out(&member.socket, member.chat_protocol, &error);
    }

    /// Who a member is by its token; `None` for a guest, and for whom asks too often.
    pub(super) fn who_is(&mut self, sid: &Sid) -> Option<Arc<Verified>> {
        let member = self.members.get(sid)?;
        let (socket, account) = (member.socket.clone(), member.account.clone());
        self.allow_notice(&socket, "many tokens").ok()?;
        account
    }

    /// A page has sent another token.
    pub(super) fn renewed(&mut self, sid: &Sid, new: Result<Arc<Verified>, Refusal>, ack: Ack) {
        let Some(member) = self.members.get_mut(sid) else { return };
        match new {
            Ok(new) => {
                // The name stays as it is: others know the person by it.
                let has_another_rank = member.roles.rank() != new.roles.rank();
                member.roles = new.roles.clone();
                let left = new.expires.duration_since(SystemTime::now()).unwrap_or_default();
                member.account = Some(new);
                let has_name = member.name.is_some();
                self.expect_expiry(*sid);
                if has_another_rank && has_name {
                    self.say_name(sid);
                }
                answer(ack, || vec![json!({ "ok": true, "in": left.as_millis() as u64 })]);
            }
            Err(refusal) => {
                let error = refused(refusal);
                log_refused(&member.socket, "token", &error);
                answer(ack, || vec![error.ack_arg()]);
            }
        }
    }
}

fn refused(refusal: Refusal) -> ChatError {
    ChatError::new(refusal.reason(), refusal.to_string())
}
