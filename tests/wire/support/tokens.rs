//! Tokens of people with an account (JWT, HS256), made without the code under test.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use serde_json::{Value, json};

/// The secret that signs them.
pub const SECRET: &str = "a secret of thirty-two characters";

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token that says that, for an hour if it names no end.
pub fn token(mut said: Value) -> String {
    if said.get("exp").is_none() {
        said["exp"] = (now() + 3600).into();
    }
    let part = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({ "alg": "HS256" })), part(&said));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{signed}.{}", BASE64.encode(hmac::sign(&key, signed.as_bytes())))
}

/// A token of somebody of that name, with roles.
pub fn person(name: &str, roles: &[&str]) -> String {
    token(json!({ "sub": format!("id of {name}"), "name": name, "roles": roles }))
}
