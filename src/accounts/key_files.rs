//! Reads keys: PEM, or a set of keys as identity providers publish it (JWKS, RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde_json::Value;

use super::keys::Key;

/// Bytes of a file or an answer with keys.
pub const MAX_BYTES: usize = 256 * 1024;
/// Keys that are looked at.
const MAX_KEYS: usize = 64;

/// Reads all keys of a text, which is JSON or PEM. Those of a set that are for something else are left out.
///
/// # Errors
/// What is wrong, for the operator: it has no key that could be used, or something that is none.
pub fn read(text: &[u8]) -> Result<Vec<Key>, String> {
    let keys = match text.trim_ascii_start().first() {
        Some(b'{') => key_set(text)?,
        _ => pem(text)?,
    };
    match keys.is_empty() {
        true => Err("there is no key for RS256, ES256 or EdDSA".to_owned()),
        false => Ok(keys),
    }
}

fn key_set(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let keys = set["keys"].as_array().ok_or("a key set has a list \"keys\"")?;
    Ok(keys.iter().take(MAX_KEYS).filter_map(of_set).collect())
}

/// A key of a set; `None` if it is for something else, or not understood. Secrets have no place in a set.
fn of_set(key: &Value) -> Option<Key> {
    let text = |name: &str| key[name].as_str();
    let bytes = |name: &str| BASE64.decode(text(name)?.trim_end_matches('=')).ok();
    if text("use").is_some_and(|it| it != "sig") {
        return None;
    }
    let (made, alg) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (Key::rsa(bytes("n")?, bytes("e")?)?, "RS256"),
        ("EC", Some("P-256")) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (Key::p256(&[&[4], &x[..], &y[..]].concat())?, "ES256")
        }
        ("OKP", Some("Ed25519")) => (Key::ed25519(&bytes("x")?)?, "EdDSA"),
        _ => return None,
    };
    let fits = text("alg").is_none_or(|it| it == alg);
    fits.then(|| made.named(text("kid")))
}

fn pem(text: &[u8]) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text).take(MAX_KEYS) {
        let (kind, der) = section.map_err(|error| format!("it is no PEM: {error:?}"))?;
        let key = match kind {
            SectionKind::PublicKey => public_key(&der),
            SectionKind::Certificate => {
                let certificate = CertificateDer::from(der);
                let read = webpki::EndEntityCert::try_from(&certificate);
                read.ok().and_then(|it| public_key(&it.subject_public_key_info()))
            }
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                return Err(
                    "it has a private key: who only reads tokens needs the public one".into()
                );
            }
            _ => None,
        };
        keys.push(key.ok_or("it has a key that is none for RS256, ES256 or EdDSA")?);
    }
    Ok(keys)
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// With its head.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A public key as X.509 has it (SubjectPublicKeyInfo).
fn public_key(der: &[u8]) -> Option<Key> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT: u8 = 0x06;
    const BITS: u8 = 0x03;
    let (body, _) = element(der, SEQUENCE)?;
    let (algorithm, rest) = element(body, SEQUENCE)?;
    let (name, parameters) = element(algorithm, OBJECT)?;
    let (bits, _) = element(rest, BITS)?;
    // No bits of the last byte are unused.
    let bits = bits.strip_prefix(&[0])?;
    match name {
        RSA => Some(Key::rsa_der(bits)),
        EC if parameters == P256 => Key::p256(bits),
        ED25519 => Key::ed25519(bits),
        _ => None,
    }
}

/// The contents of an element of DER with that tag, and what is after it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
