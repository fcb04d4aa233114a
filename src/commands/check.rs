//! `parlance check`: the settings are read and validated before any command runs, so what is left
//! is to say what they come to.

use anyhow::{Result, bail};

use crate::config::Settings;

/// # Errors
/// If the settings name something that is not there.
pub fn run(settings: &Settings) -> Result<()> {
    pages_are_there(settings)?;
    let host = settings.host.as_deref().unwrap_or("all addresses");
    println!("settings are valid");
    println!("listen on   {host}, port {}", settings.port);
    println!("transports  {}", settings.policy.transports.names().join(", "));
    for rule in &settings.policy.rules {
        println!("  rule {}  {}", rule.name, rule.transports.names().join(", "));
    }
    println!("origins     {}", settings.policy.origins.names().join(", "));
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
