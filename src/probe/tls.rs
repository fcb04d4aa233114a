//! TLS as a client: what the certificate says, and whether browsers would believe it. A wrong one is
//! noted, and the connection goes on, so that the rest can be tested, too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::SignatureScheme;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore};

/// Names of a certificate that are shown, with those that are counted.
const NAMES: usize = 8;

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Good,
    /// It is for other names.
    Name,
    Expired,
    NotYet,
    /// No authority that this machine trusts vouches for it.
    Untrusted,
}

impl Trust {
    /// The value of the fact `tls`.
    pub fn fact(self) -> &'static str {
        match self {
            Trust::Good => "ok",
            Trust::Name => "name",
            Trust::Expired => "expired",
            Trust::NotYet => "not-yet",
            Trust::Untrusted => "untrusted",
        }
    }
}

/// What a certificate says.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub trust: Trust,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub not_after: Option<u64>,
    /// More about what is wrong.
    pub reason: String,
}

/// Where the certificate of a connection is left.
pub(super) type Sight = Arc<Mutex<Option<Certificate>>>;

/// Takes every certificate, and keeps what the last one said.
#[derive(Debug)]
struct Witness {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Sight,
}

impl Witness {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

/// A client, and where it leaves what it sees.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    inner: Option<Arc<WebPkiServerVerifier>>,
}

impl Tls {
    /// Trusts whom this machine trusts; `SSL_CERT_FILE` names others.
    pub fn new() -> Self {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let build =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        Tls { inner: build.build().ok(), provider }
    }

    /// A configuration that offers these protocols, and where the certificate will be.
    pub fn config(&self, alpn: &[&str]) -> Option<(Arc<ClientConfig>, Sight)> {
        let seen = Arc::new(Mutex::new(None));
        let witness = Witness {
            inner: self.inner.clone(),
            provider: Arc::clone(&self.provider),
            seen: Arc::clone(&seen),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let mut config = builder
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(witness))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Some((Arc::new(config), seen))
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let check = |time: UnixTime| match &self.inner {
            Some(inner) => inner.verify_server_cert(end, chain, name, stapled, time).err(),
            None => Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let certificate = judge(end, name, now, check);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

/// What a certificate says. `check` verifies it at a time: the error of one far away names its end.
fn judge(
    end: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
    check: impl Fn(UnixTime) -> Option<Error>,
) -> Certificate {
    const YEAR_9999: u64 = 253_000_000_000;
    let not_after = match check(UnixTime::since_unix_epoch(Duration::from_secs(YEAR_9999))) {
        Some(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
        _ => None,
    };
    let parsed = webpki::EndEntityCert::try_from(end);
    let named = parsed.as_ref().map(|parsed| parsed.verify_is_valid_for_subject_name(name));
    let mut names = match &named {
        Ok(Err(webpki::Error::CertNotValidForName(context))) => context.presented.clone(),
        _ => Vec::new(),
    };
    if names.is_empty()
        && let Ok(parsed) = &parsed
    {
        names = parsed.valid_dns_names().map(str::to_owned).collect();
    }
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let error = check(now);
    let trust = match &error {
        None => Trust::Good,
        Some(Error::InvalidCertificate(error)) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Trust::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Trust::NotYet
            }
            // It ends before it begins.
            error if format!("{error:?}").contains("InvalidCertValidity") => Trust::Expired,
            // The one that people can mend at once, and its authority may be good.
            _ if matches!(named, Ok(Err(_))) => Trust::Name,
            _ => Trust::Untrusted,
        },
        Some(_) => Trust::Untrusted,
    };
    let reason = error.map(|error| error.to_string()).unwrap_or_default();
    Certificate { trust, names, not_after, reason }
}
