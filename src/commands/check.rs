//! `parlance check`: the settings are read and validated before any command runs, so what is left
//! is to say what they come to.

use anyhow::{Result, bail};

use crate::config::Settings;
use crate::server::tls::{Pair, Tls};

/// # Errors
/// If the settings name something that is not there.
pub fn run(settings: &Settings) -> Result<()> {
    pages_are_there(settings)?;
    let tls = tls(settings)?;
    let host = settings.host.as_deref().unwrap_or("all addresses");
    println!("settings are valid");
    println!("listen on   {host}, port {}", settings.port);
    if let Some(tls) = tls {
        println!("https for   {}", tls.names().join(", "));
    }
    if let Some(port) = settings.redirect_port {
        println!("redirect    from port {port}");
    }
    if settings.proxy_protocol {
        println!("behind      proxies that speak the PROXY protocol");
    }
    println!("transports  {}", settings.transports.names().join(", "));
    println!("origins     {}", settings.origins.join(", "));
    match &settings.static_dir {
        Some(folder) => println!("pages       {}", folder.display()),
        None => println!("pages       built in"),
    }
    Ok(())
}

/// # Errors
/// If the pages are to come from a folder that there is not.
pub(super) fn pages_are_there(settings: &Settings) -> Result<()> {
    match &settings.static_dir {
        Some(folder) if !folder.is_dir() => bail!("static-dir: {} is no folder", folder.display()),
        _ => Ok(()),
    }
}

/// Reads the certificates, if there are to be some.
///
/// # Errors
/// If one of them cannot be used.
pub(super) fn tls(settings: &Settings) -> Result<Option<Tls>> {
    let files = settings.tls_cert.iter().zip(&settings.tls_key);
    let pairs: Vec<Pair> =
        files.map(|(cert, key)| Pair { cert: cert.clone(), key: key.clone() }).collect();
    if pairs.is_empty() { Ok(None) } else { Ok(Some(Tls::load(pairs)?)) }
}
