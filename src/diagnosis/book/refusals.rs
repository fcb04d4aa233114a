//! What was refused before there was a session, and how much clients may tell and test.

use std::net::IpAddr;

use tokio::time::Instant;

use super::{Book, lock};
use crate::admission::{Expires, Named, RefusalObserver, Refusals, UNKNOWN_SESSION, network_name};
use crate::diagnosis::causes::diagnose;
use crate::diagnosis::facts::Facts;
use crate::engine::{Session, Sid};
use crate::token_bucket::{Bucket, Rate};

/// Clients of one address, which is perhaps that of a school, have together what so many sessions have.
const OF_ADDRESS: u64 = 10;

/// What was taken of two rates.
#[derive(Debug, Default)]
pub(super) struct Taken {
    reports: Bucket,
    tests: Bucket,
}

impl Expires for Taken {
    fn is_expired(&mut self, now: Instant) -> bool {
        self.reports.is_full(now) && self.tests.is_full(now)
    }
}

impl RefusalObserver for Book {
    fn refused(&self, refusals: &Refusals<'_>) -> Named {
        let &Refusals { what, label, reason, network, count } = refusals;
        let mut facts = Facts::default();
        match label {
            UNKNOWN_SESSION => facts.set("sid-unknown", true),
            label => facts.set("refusal", label),
        }
        facts.set("refusal-text", reason);
        let verdict = diagnose(&facts);
        lock(&self.history).found(&verdict, network, &None, count);
        let of = network.map_or_else(|| "several networks".to_owned(), network_name);
        let text = format!("{count} {what} of {of}: {reason}");
        self.tail.push_cause(None, "refused", &text, &verdict);
        Named { cause: verdict.cause, certainty: verdict.certainty.name() }
    }

    fn has_ended(&self, sid: &str) -> bool {
        let Some(sid) = Sid::parse(sid) else { return false };
        lock(&self.ended).iter().rev().any(|ended| ended.sid == sid)
    }
}

impl Book {
    /// Whether the client of an open session may tell something now, at that rate; and those of its
    /// address together.
    pub(in crate::diagnosis) fn may_tell(&self, session: &Session, rate: Rate) -> bool {
        self.takes(session, rate, |taken| &mut taken.reports)
    }

    /// Whether that client may test its way now, at that rate.
    pub(in crate::diagnosis) fn may_test(&self, session: &Session, rate: Rate) -> bool {
        self.takes(session, rate, |taken| &mut taken.tests)
    }

    fn takes(&self, session: &Session, rate: Rate, bucket: fn(&mut Taken) -> &mut Bucket) -> bool {
        let (sid, now) = (session.sid(), Instant::now());
        let mut shard = self.shard(sid);
        let Some(record) = shard.get_mut(&sid) else { return false };
        let own = bucket(&mut record.said.get_or_insert_default().taken);
        let Ok(left) = rate.take(*own, 1, now) else { return false };
        let address: IpAddr = session.handshake().bucket;
        let mut addresses = lock(&self.addresses);
        // Who is not remembered is bounded by its session.
        if let Some(entry) = addresses.entry(address, now) {
            let shared = bucket(entry);
            let Ok(left) = rate.times(OF_ADDRESS).take(*shared, 1, now) else { return false };
            *shared = left;
        }
        *own = left;
        true
    }
}
