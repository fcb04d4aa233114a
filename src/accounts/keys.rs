//! Keys that sign tokens. Each is good for one algorithm: no token can choose another, such as a public key as the
//! secret of HS256.

use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// Bytes of a secret at least: as many as its signature has (RFC 7518, 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256, by a secret that both sides have.
    Hs256,
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm of that name in the head of a token. `none` is none, and so are all others.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Algorithm::Hs256),
            "RS256" => Some(Algorithm::Rs256),
            "ES256" => Some(Algorithm::Es256),
            "EdDSA" => Some(Algorithm::EdDsa),
            _ => None,
        }
    }
}

/// A key, and its name if it has one.
#[derive(Clone)]
pub struct Key {
    pub id: Option<Box<str>>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Secret(hmac::Key),
    /// The key as DER, without what is around it.
    Rsa(Vec<u8>),
    RsaParts {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of P-256, not compressed.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Not the key itself.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A secret for HS256.
    pub fn secret(secret: &[u8]) -> Self {
        Key { id: None, material: Material::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)) }
    }

    /// A public key for RS256 by its parts. `None` if it has less than 2048 bits, or more than 8192.
    pub fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        let n: Vec<u8> = n.into_iter().skip_while(|byte| *byte == 0).collect();
        (256..=1024)
            .contains(&n.len())
            .then_some(Key { id: None, material: Material::RsaParts { n, e } })
    }

    /// A public key for RS256 as PKCS #1 has it.
    pub fn rsa_der(der: &[u8]) -> Self {
        Key { id: None, material: Material::Rsa(der.to_vec()) }
    }

    /// A public key for ES256: a point, not compressed.
    pub fn p256(point: &[u8]) -> Option<Self> {
        let fits = point.len() == 65 && point[0] == 4;
        fits.then(|| Key { id: None, material: Material::P256(point.to_vec()) })
    }

    /// A public key for EdDSA.
    pub fn ed25519(point: &[u8]) -> Option<Self> {
        (point.len() == 32).then(|| Key { id: None, material: Material::Ed25519(point.to_vec()) })
    }

    /// The same with a name.
    pub fn named(self, id: Option<&str>) -> Self {
        Key { id: id.map(Box::from), ..self }
    }

    /// The one algorithm that the key is good for.
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Rsa(_) | Material::RsaParts { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether it may have signed a token that says so. A key without a name may have signed any.
    pub fn may_fit(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithm() == algorithm
            && (self.id.is_none() || id.is_none() || self.id.as_deref() == id)
    }

    /// Whether it has signed that.
    pub fn has_signed(&self, said: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Secret(key) => hmac::verify(key, said, signature),
            Material::Rsa(der) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).verify(said, signature)
            }
            Material::RsaParts { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, said, signature)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(said, signature)
            }
            Material::Ed25519(point) => {
                UnparsedPublicKey::new(&ED25519, point).verify(said, signature)
            }
        };
        verified.is_ok()
    }
}
