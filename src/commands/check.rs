//! `parlance check`: prints the settings in force, and warns of those that do not fit each other. They are
//! already read and validated when a command runs, so only files and folders are checked here.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::cluster::Cluster;
use super::hosting;
use super::nodes::{self, Nodes};
use crate::config::{self, Layer, Layers, Settings, Warning};
use crate::files;
use crate::server::tls::{Pair, Tls};
use crate::server::{self, HttpLimits};
use crate::web_config::{self, Needs};

/// Checks the files and folders that the settings name, and prints the settings. Warns of settings that
/// contradict each other. `hosting` are configuration files of proxies and of the service manager: warns of
/// times and limits in them that contradict the settings.
///
/// # Errors
/// If a file or folder is missing or invalid; with `strict`, if there is a warning.
pub fn run(settings: &Settings, hosting: &[PathBuf], strict: bool) -> Result<()> {
    pages_are_there(settings)?;
    if let Some(folder) = settings.log_dir.as_ref().filter(|path| path.exists() && !path.is_dir()) {
        bail!("log-dir: {} is no folder", folder.display());
    }
    let tls = tls(settings)?;
    let nodes = Nodes::of(settings)?;
    nodes::cookie(settings)?;
    let cluster = Cluster::of(settings)?;
    let host = settings.host.as_deref().unwrap_or("all addresses");
    println!("settings are valid");
    println!("listen on   {host}, port {}", settings.port);
    if let Some(tls) = tls {
        println!("https for   {}", tls.names().join(", "));
    }
    if let Some(port) = settings.redirect_port {
        println!("redirect    from port {port}");
    }
    if let Some(address) = &settings.admin_address {
        println!("admin       {address}, with the metrics");
    }
    if let Some((own, _)) = settings.own_node().zip(nodes) {
        let form = if settings.node_tls_cert.is_some() { "with TLS" } else { "without TLS" };
        let others = match settings.nodes.len() {
            0 => "others by cluster".to_owned(),
            count => format!("{count} in all"),
        };
        println!("node        {own}, {others}, {form}");
    }
    if settings.proxy_protocol {
        println!("behind      proxies that speak the PROXY protocol");
    }
    if settings.base_path != "/" {
        println!("base path   {}", settings.base_path);
    }
    println!("path        {}", settings.path);
    if let Some(cluster) = cluster {
        println!("cluster     {}", cluster.url());
    }
    println!("transports  {}", settings.policy.transports.names().join(", "));
    for rule in &settings.policy.rules {
        println!("  rule {}  {}", rule.name, rule.effects().join(", "));
    }
    println!("origins     {}", settings.policy.origins.names().join(", "));
    match &settings.static_dir {
        Some(folder) => println!("pages       {}", folder.display()),
        None => println!("pages       built in"),
    }
    if let Some(folder) = &settings.client_dir {
        println!("client      {}", folder.display());
    }
    for name in config::unknown_variables() {
        println!("ignored     {name}: no setting has that name");
    }
    let warnings = warnings(settings);
    for warning in &warnings {
        println!("warning     {warning}");
    }
    let mut count = warnings.len();
    for path in hosting {
        count += warn_of_hosting(settings, path)?;
    }
    match count {
        1 if strict => bail!("strict: 1 warning"),
        count @ 2.. if strict => bail!("strict: {count} warnings"),
        _ => Ok(()),
    }
}

/// Prints what in a file of a proxy, or of systemd, contradicts the settings. Returns how much.
fn warn_of_hosting(settings: &Settings, path: &Path) -> Result<usize> {
    let text = files::read_text(path, hosting::LARGEST)
        .with_context(|| format!("hosting: {} cannot be read", path.display()))?;
    let Some(kind) = hosting::Kind::of(&text) else {
        bail!(
            "hosting: {} is no file of nginx, HAProxy, Apache, Caddy or systemd that is known",
            path.display()
        );
    };
    let base = settings.base_path.trim_end_matches('/');
    let needs = hosting::Needs {
        ping_interval: settings.ping_interval,
        ping_timeout: settings.ping_timeout,
        keep_alive: settings.keep_alive_timeout,
        stop: settings.drain_delay + settings.shutdown_timeout,
        files: server::open_files_for(
            settings.max_connections.saturating_add(settings.all_node_connections()),
        ),
        path: format!("{base}{}/", settings.path.trim_end_matches('/')),
    };
    let findings = hosting::inspect(kind, &text, &needs);
    match findings.len() {
        0 => println!("{}: {kind}, fits the settings", path.display()),
        _ => println!("{}: {kind}", path.display()),
    }
    for finding in &findings {
        println!("{}:{finding}", path.display());
    }
    Ok(findings.len())
}

/// What does not fit, on this system.
fn warnings(settings: &Settings) -> Vec<Warning> {
    let wanted = settings.max_connections;
    let connections = server::raise_file_limit_beside(wanted, settings.all_node_connections());
    let mut warnings = config::warnings(settings, connections);
    if connections < wanted && wanted != HttpLimits::default().max_connections {
        warnings.push(Warning {
            key: "max-connections",
            problem: server::TOO_FEW_FILES,
            values: format!("{connections} of {wanted}"),
            fix: "raise the hard limit of open files, or lower it",
        });
    }
    warnings
}

/// Checks that `static-dir` and `client-dir` exist, if they are set.
///
/// # Errors
/// If one is no folder.
pub(super) fn pages_are_there(settings: &Settings) -> Result<()> {
    for (key, folder) in
        [("static-dir", &settings.static_dir), ("client-dir", &settings.client_dir)]
    {
        if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
            bail!("{key}: {} is no folder", folder.display());
        }
    }
    Ok(())
}

/// Follows requests through a `web.config` of IIS, and prints what becomes of each, and each finding with its line.
/// `parse` reads the command line of the server that the file starts.
///
/// # Errors
/// If the file cannot be read, or has errors that keep clients from the server.
pub fn web_config(
    layers: &Layers,
    parse: fn(&[String]) -> Result<Layer, String>,
    path: &Path,
) -> Result<()> {
    let bytes = files::read(path, web_config::LARGEST)
        .with_context(|| format!("web-config: {} cannot be read", path.display()))?;
    let hosted =
        |words: &[String]| layers.with_flags(parse(words)?).map_err(|error| error.to_string());
    let settings = layers.settings()?;
    let report = web_config::inspect(&bytes, &Needs { settings: &settings, hosted: &hosted });
    let file = path.display();
    match report.module {
        Some(module) => println!("{file}: hosted by {module}"),
        None => println!("{file}: hosted by nothing that is known"),
    }
    if report.folder != "/" {
        println!("{file}: taken for the file of {}", report.folder);
    }
    for line in &report.lines {
        println!("  {line}");
    }
    for finding in &report.findings {
        println!("{file}:{finding}");
    }
    match report.errors() {
        0 => println!("nothing keeps clients from the server"),
        1 => bail!("web-config: 1 error"),
        errors => bail!("web-config: {errors} errors"),
    }
    Ok(())
}

/// Loads the certificates that the settings name; `None` if they name none.
///
/// # Errors
/// If one cannot be used.
pub(super) fn tls(settings: &Settings) -> Result<Option<Tls>> {
    let files = settings.tls_cert.iter().zip(&settings.tls_key);
    let pairs: Vec<Pair> =
        files.map(|(cert, key)| Pair { cert: cert.clone(), key: key.clone() }).collect();
    if pairs.is_empty() { Ok(None) } else { Ok(Some(Tls::load(pairs)?)) }
}
