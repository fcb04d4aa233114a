//! Query strings and paths of both generations.

use super::input::Input;
use crate::dialect::socketio09::{Url, jsonp_index};
use crate::transport::query::Query;

/// The protocol's parameters and the application's are separated, and none is in both parts.
pub fn query(data: &[u8]) {
    let mut input = Input(data);
    let path = String::from_utf8_lossy(input.line());
    let raw = input.text();
    assert!(
        Query::parse(&raw).is_ok_and(|query| query.callback() < 1_000_000_000) || raw.contains('&')
    );
    if let Ok(own) = Query::application_part(&raw) {
        assert_eq!(Query::parse(&own), Ok(Query::default()), "{own:?} is the application's");
        assert_eq!(Query::application_part(&own).as_ref(), Ok(&own));
        assert!(own.len() <= (4 * raw.len() + 1).min(2048), "grew without reason");
        assert_eq!(jsonp_index(&own), None);
    }
    if let Some(Url::Open { sid, .. } | Url::Disconnect { sid }) = Url::parse(&path, &raw) {
        assert!(!sid.contains('/') && path.contains(sid));
    }
}
