//! `parlance check`: the settings are read and validated before any command runs, so what is left
//! is to say what they come to.

use crate::config::Settings;

pub fn run(settings: &Settings) {
    let host = settings.host.as_deref().unwrap_or("all addresses");
    println!("settings are valid");
    println!("listen on   {host}, port {}", settings.port);
    println!("transports  {}", settings.transports.names().join(", "));
    println!("origins     {}", settings.origins.join(", "));
    match &settings.static_dir {
        Some(folder) if folder.is_dir() => println!("pages       {}", folder.display()),
        Some(folder) => println!("pages       {} (there is no such folder)", folder.display()),
        None => println!("pages       built in"),
    }
}
