//! The process that HttpPlatformHandler or the ASP.NET Core Module starts: its port, its command line, its time-outs.

mod limits;

use std::net::IpAddr;

use super::Needs;
use super::collection::{Order, collect};
use super::command_line::{expand, split};
use super::module::Module;
use super::report::Trouble;
use super::tree::{El, Part, at};
use crate::config::Settings;

/// A port for the variable of the module.
const SOME_PORT: u16 = 47_913;

/// How one of the two modules starts a process.
pub struct Start<'a> {
    part: &'a Part<'a>,
    element: El<'a>,
    /// The section's name: `httpPlatform`.
    section: &'static str,
    /// The variable with the port: `%HTTP_PLATFORM_PORT%`.
    port: &'static str,
}

impl<'a> Start<'a> {
    /// The section of a module. `None` if it starts nothing itself.
    ///
    /// # Errors
    /// If the section is missing.
    pub fn of(module: Module, part: &'a Part<'a>) -> Result<Option<Self>, Trouble> {
        let (section, port) = match module {
            Module::HttpPlatform => ("httpPlatform", "%HTTP_PLATFORM_PORT%"),
            Module::AspNetCore => ("aspNetCore", "%ASPNETCORE_PORT%"),
            Module::IisNode | Module::ReverseProxy => return Ok(None),
        };
        match part.last(section) {
            Some(element) => Ok(Some(Start { part, element, section, port })),
            None => {
                let text = format!("there is no <{section}>: nothing says which program to start");
                let fix = format!(
                    "<{section} processPath=\".\\parlance.exe\" arguments=\"--host 127.0.0.1 --port {port}\" />"
                );
                Err(Trouble::error(at(part.server()), text, fix))
            }
        }
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.part.value(self.section, name).map(|value| value.value())
    }

    /// Where to point for an attribute: at it, or at the element.
    fn place(&self, name: &str) -> usize {
        self.part.value(self.section, name).map_or(at(self.element), |value| value.range().start)
    }

    /// Whether the process is Parlance, as far as its name tells.
    fn is_ours(&self) -> bool {
        let path = self.value("processPath").unwrap_or_default();
        let file = path.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        matches!(file.as_str(), "parlance" | "parlance.exe")
    }

    /// Names and values of the environment.
    fn variables(&self) -> Vec<(El<'a>, &'a str, &'a str)> {
        let sections = self.part.sections(&format!("{}/environmentVariables", self.section));
        let entries = collect(&sections, "environmentVariable", "name", Order::OuterFirst);
        let read = |el: El<'a>| {
            (
                el,
                el.attribute("name").unwrap_or_default(),
                el.attribute("value").unwrap_or_default(),
            )
        };
        entries.here.into_iter().map(read).collect()
    }

    /// The settings that the process has, and what is wrong with its start.
    pub fn settings(&self, needs: &Needs<'_>) -> (Settings, Vec<Trouble>) {
        let mut found = Vec::new();
        if self.value("processPath").is_none_or(str::is_empty) {
            let fix = "processPath=\".\\parlance.exe\"";
            found.push(Trouble::error(at(self.element), "no program is named", fix));
        }
        let settings = match self.is_ours() {
            true => match (needs.hosted)(&self.words()) {
                Ok(settings) => {
                    found.extend(self.listens(&settings));
                    settings
                }
                Err(error) => {
                    let text = format!("the server does not start with this: {error}");
                    let fix = "a command line that parlance --help has";
                    found.push(Trouble::error(self.place("arguments"), text, fix));
                    needs.settings.clone()
                }
            },
            false => {
                found.extend(self.is_told_its_port());
                needs.settings.clone()
            }
        };
        found.extend(self.unknown_variables());
        found.extend(self.limits(&settings));
        (settings, found)
    }

    /// The arguments, with the environment as further flags: a flag wins over its variable.
    fn words(&self) -> Vec<String> {
        let filled = |text: &str| expand(text, self.port, &SOME_PORT.to_string());
        let mut words: Vec<String> = split(self.value("arguments").unwrap_or_default())
            .iter()
            .map(|word| filled(word))
            .collect();
        let given = |words: &[String], flag: &str| {
            words.iter().any(|word| word.split('=').next() == Some(flag))
        };
        let mut variables = self.variables();
        // `PORT` counts only without `PARLANCE_PORT`.
        variables.sort_by_key(|(_, name, _)| name.eq_ignore_ascii_case("PORT"));
        for (_, name, value) in variables {
            let name = name.to_ascii_uppercase();
            let name = if name == "PORT" { "PARLANCE_PORT" } else { &name };
            let Some(key) = name.strip_prefix("PARLANCE_") else { continue };
            let flag = format!("--{}", key.to_ascii_lowercase().replace('_', "-"));
            if (needs_value(&flag)) && !given(&words, &flag) {
                words.push(format!("{flag}={}", filled(value)));
            }
        }
        words
    }

    fn port_trouble(&self, why: String) -> Trouble {
        let port = self.port;
        let fix = format!("arguments=\"--host 127.0.0.1 --port {port}\"");
        Trouble::error(
            self.place("arguments"),
            format!("the program is not told its port: {why}"),
            fix,
        )
    }

    /// Whether the server listens where the module looks for it, and as it expects.
    fn listens(&self, settings: &Settings) -> Vec<Trouble> {
        let mut found = Vec::new();
        if settings.port != SOME_PORT {
            let has = |text: &str| text.to_ascii_uppercase().contains(self.port);
            let elsewhere = self.variables().into_iter().find(|(_, _, value)| has(value));
            found.push(match elsewhere {
                Some((el, "PORT" | "PARLANCE_PORT", _)) => {
                    let text = format!(
                        "the program is not told its port: --port {} in its arguments comes before the variable",
                        settings.port
                    );
                    Trouble::error(at(el), text, format!("arguments without --port, or with --port {}", self.port))
                }
                Some((el, name, _)) => {
                    let text = format!(
                        "the program is not told its port: {name} is a variable that Parlance does not read"
                    );
                    Trouble::error(at(el), text, "name=\"PARLANCE_PORT\"")
                }
                None => self.port_trouble(format!("it listens on {}, and IIS connects to {}", settings.port, self.port)),
            });
        }
        if settings.host.is_none() {
            let text = "it listens on all addresses: on Windows such a socket may take IPv6 alone, and IIS connects to 127.0.0.1";
            found.push(Trouble::advice(self.place("arguments"), text, "--host 127.0.0.1"));
        }
        let host = settings.host.as_deref().unwrap_or("0.0.0.0");
        let local = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_unspecified(),
            Ok(IpAddr::V6(_)) => false,
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        };
        if !local {
            let text = format!("it listens on {host}, and IIS connects to 127.0.0.1");
            found.push(Trouble::error(self.place("arguments"), text, "--host 127.0.0.1"));
        }
        if !settings.tls_cert.is_empty() {
            let text = "it speaks https, and IIS speaks plain http to it";
            let fix = "no tls-cert and tls-key: the certificate belongs to IIS";
            found.push(Trouble::error(self.place("arguments"), text, fix));
        }
        if settings.proxy_protocol {
            let text = "it waits for PROXY headers, which IIS does not send";
            found.push(Trouble::error(self.place("arguments"), text, "no proxy-protocol"));
        }
        found
    }

    /// Whether the variable stands anywhere, for a program that is not known here.
    fn is_told_its_port(&self) -> Option<Trouble> {
        let arguments = self.value("arguments").into_iter();
        let mut texts = arguments.chain(self.variables().into_iter().map(|(_, _, value)| value));
        let told = texts.any(|text| text.to_ascii_uppercase().contains(self.port));
        (!told).then(|| self.port_trouble(format!("{} stands nowhere", self.port)))
    }

    /// Variables with our prefix that are no setting.
    fn unknown_variables(&self) -> Vec<Trouble> {
        let unknown = |(el, name, _): (El<'a>, &str, &str)| {
            let key = name.to_ascii_uppercase();
            (key.starts_with("PARLANCE_") && !crate::config::is_variable(&key)).then(|| {
                let text = format!("{name}: no setting has that name");
                Trouble::advice(at(el), text, "a name of docs/configuration.md")
            })
        };
        self.variables().into_iter().filter_map(unknown).collect()
    }
}

/// Whether a flag comes from a variable: one of a setting, or of the file with settings.
fn needs_value(flag: &str) -> bool {
    let name = flag.trim_start_matches('-').replace('-', "_").to_ascii_uppercase();
    crate::config::is_variable(&format!("PARLANCE_{name}"))
}
