//! Fetches keys from a URL.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::key_files::MAX_BYTES;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether keys may be fetched from there: by https, or by http from this machine alone, since whoever can change
/// the answer can be anybody.
///
/// # Errors
/// What is wrong, for the operator.
pub fn check(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| format!("{url:?} is no URL"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        _ if host.is_empty() => Err(format!("{url:?} names no host")),
        Some("https") => Ok(uri),
        Some("http") if is_here => Ok(uri),
        _ => Err("expected https://, since whoever can change the keys can be anybody".to_owned()),
    }
}

/// The body of the answer, of 256 KiB at most, within 5 s. It does not follow redirects.
///
/// # Errors
/// Why there is none.
pub async fn get(url: &Uri) -> Result<Bytes, String> {
    match tokio::time::timeout(PATIENCE, exchange(url)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

async fn exchange(url: &Uri) -> Result<Bytes, String> {
    let is_https = url.scheme_str() == Some("https");
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    let tcp = TcpStream::connect((&*host, port)).await.map_err(|error| error.to_string())?;
    if !is_https {
        return ask(url, tcp).await;
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    ask(url, connected.map_err(|error| error.to_string())?).await
}

async fn ask<S>(url: &Uri, stream: S) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let path = url.path_and_query().map_or("/", |it| it.as_str());
    let request = Request::get(path)
        .header(HOST, url.authority().map_or("", |it| it.as_str()))
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("parlance/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let talk = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    };
    tokio::pin!(talk, connection);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        // What came before its end is still to be read.
        _ = &mut connection => talk.await,
    }
}
