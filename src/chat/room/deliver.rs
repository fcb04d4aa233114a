//! What members get.

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Member, Room};
use crate::chat::chat_protocol::{CHAT_PROTOCOLS, CLUSTER, ChatProtocol, NICKNAMES, Notice};
use crate::socketio::Broadcast;

impl Room {
    /// Sends a notice to all members but the one at the place `except`, to each in its chat protocol, or in `default` if that
    /// is not known yet. The event of each protocol is made once, and encoded once for each dialect.
    pub(super) fn deliver(
        &self,
        except: Option<usize>,
        default: ChatProtocol,
        notice: &Notice<'_>,
        offset: Option<&Arc<str>>,
    ) {
        self.deliver_to(except, default, notice, offset, |_| true);
    }

    /// The same, to some of them.
    pub(super) fn deliver_to(
        &self,
        except: Option<usize>,
        default: ChatProtocol,
        notice: &Notice<'_>,
        offset: Option<&Arc<str>>,
        to: impl Fn(&Member) -> bool,
    ) {
        let broadcasts: [OnceCell<Option<Broadcast>>; CHAT_PROTOCOLS] = Default::default();
        let own = OnceCell::new();
        let except = except.unwrap_or(usize::MAX);
        let is_message = matches!(notice, Notice::Message { .. });
        let offset = offset.cloned().or_else(|| self.offset());
        for (place, member) in self.members.values().enumerate() {
            if place == except || (is_message && member.waits) || !to(member) {
                continue;
            }
            let chat_protocol = member.chat_protocol.unwrap_or(default);
            let is_own = member.is_page() && notice.author().is_some_and(|it| member.is(it));
            let broadcast = if is_own { &own } else { &broadcasts[chat_protocol as usize] };
            let broadcast = broadcast.get_or_init(|| {
                let (event, mut args) = chat_protocol.render(notice)?;
                if is_own {
                    args[0]["own"] = true.into();
                }
                let broadcast = Broadcast::new(Arc::clone(&self.namespace), event, args);
                let delivery = notice.delivery(&self.name_hasher);
                Some(broadcast.delivery(delivery).offset(offset.clone()))
            });
            if let Some(broadcast) = broadcast {
                member.socket.emit_shared(broadcast);
            }
        }
    }

    /// Sends a notice to our own pages alone.
    pub(super) fn deliver_to_pages(&self, notice: &Notice<'_>) {
        self.deliver_to(None, ChatProtocol::Bare, notice, None, Member::is_page);
    }

    /// Sends the list of nicknames to the pages that keep one, if it has changed.
    pub(super) fn send_nicknames(&mut self) {
        if !std::mem::take(&mut self.nicknames_due) {
            return;
        }
        let list = OnceCell::new();
        for member in self.members.values() {
            if member.chat_protocol != Some(ChatProtocol::Nicknames) {
                continue;
            }
            member.socket.emit_shared(list.get_or_init(|| {
                let names = self.listed_names().into_iter();
                let all: Map<String, Value> =
                    names.map(|name| (name.to_owned(), name.into())).collect();
                let broadcast =
                    Broadcast::new(Arc::clone(&self.namespace), "nicknames", vec![all.into()]);
                broadcast.delivery(NICKNAMES)
            }));
        }
    }

    /// Tells the pages that show it whether other nodes can be reached.
    pub(super) fn send_status(&self) {
        let status = self.status();
        for member in self.members.values() {
            if matches!(member.chat_protocol, Some(ChatProtocol::Users | ChatProtocol::Page)) {
                member.socket.emit_shared(&status);
            }
        }
    }

    /// Whether other nodes can be reached, for a page.
    pub(super) fn status(&self) -> Broadcast {
        let args = vec![json!({ "alone": self.alone })];
        Broadcast::new(Arc::clone(&self.namespace), "cluster", args).delivery(CLUSTER)
    }
}
