//! Checks a `web.config` of IIS for settings that keep WebSockets, streams or polls from working.

mod site;

use std::fmt;
use std::time::Duration;

use roxmltree::{Attribute, Document, Node};

/// Bytes of the largest file that is read.
pub const LARGEST: u64 = 1 << 20;

/// The IIS module that passes requests to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// iisnode, which runs Node.
    IisNode,
    /// HttpPlatformHandler.
    HttpPlatform,
    /// The ASP.NET Core Module.
    AspNetCore,
    /// URL Rewrite and Application Request Routing, to a server that IIS does not start.
    ReverseProxy,
}

impl Module {
    /// The module with this name in a handler.
    fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "iisnode" => Some(Module::IisNode),
            "httpplatformhandler" => Some(Module::HttpPlatform),
            _ if name.starts_with("aspnetcoremodule") => Some(Module::AspNetCore),
            _ => None,
        }
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Module::IisNode => "iisnode",
            Module::HttpPlatform => "HttpPlatformHandler",
            Module::AspNetCore => "ASP.NET Core Module",
            Module::ReverseProxy => "URL Rewrite and ARR (reverse proxy)",
        })
    }
}

/// What the server's settings need from the host.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The longest silence on a healthy connection: a heartbeat and its answer.
    pub silence: Duration,
    /// Bytes of one message.
    pub max_payload: usize,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something works less well than it could.
    Advice,
}

/// One problem, and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { line, column, severity, problem, fix } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Advice => "advice",
        };
        write!(f, "{line}:{column}: {severity}: {problem}; fix: {fix}")
    }
}

/// The result of a check.
#[derive(Debug)]
pub struct Report {
    /// What passes requests on; `None` if nothing does.
    pub module: Option<Module>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing keeps WebSockets from working.
    pub fn passes(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Advice)
    }
}

/// Reads the text of a `web.config`.
pub fn inspect(text: &str, needs: &Needs) -> Report {
    let document = match Document::parse(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(document) => document,
        Err(error) => {
            let at = error.pos();
            let finding = Finding {
                line: at.row,
                column: at.col,
                severity: Severity::Error,
                problem: format!("this is no XML that can be read: {error}"),
                fix: "write it as XML; IIS answers everything with 500.19 until then".into(),
            };
            return Report { module: None, findings: vec![finding] };
        }
    };
    let mut checker = Checker { document: &document, needs, findings: Vec::new() };
    let module = checker.check();
    let mut findings = checker.findings;
    findings.sort_by_key(|finding| (finding.line, finding.column));
    Report { module, findings }
}

struct Checker<'a, 'input> {
    document: &'a Document<'input>,
    needs: &'a Needs,
    findings: Vec<Finding>,
}

type El<'a, 'input> = Node<'a, 'input>;

/// The path that clients of every protocol generation request.
const ENGINE: &str = "socket.io/";

impl<'a, 'input> Checker<'a, 'input> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = El<'a, 'input>> + use<'a, 'input> {
        let named = self.document.descendants().filter(move |node| node.has_tag_name(name));
        named.filter(|node| !is_elsewhere(node))
    }

    fn first(&self, name: &'static str) -> Option<El<'a, 'input>> {
        self.all(name).next()
    }

    fn say(&mut self, at: usize, severity: Severity, problem: impl Into<String>, fix: &str) {
        let at = self.document.text_pos_at(at);
        self.findings.push(Finding {
            line: at.row,
            column: at.col,
            severity,
            problem: problem.into(),
            fix: fix.into(),
        });
    }

    fn wrong(&mut self, node: El<'a, 'input>, problem: impl Into<String>, fix: &str) {
        self.say(node.range().start, Severity::Error, problem, fix);
    }

    fn wrong_value(&mut self, value: Attribute<'a, 'input>, problem: impl Into<String>, fix: &str) {
        self.say(value.range().start, Severity::Error, problem, fix);
    }

    fn advise(&mut self, node: El<'a, 'input>, problem: impl Into<String>, fix: &str) {
        self.say(node.range().start, Severity::Advice, problem, fix);
    }

    fn check(&mut self) -> Option<Module> {
        let root = self.document.root_element();
        if !root.has_tag_name("configuration") {
            self.wrong(
                root,
                "the root element is not <configuration>",
                "begin with <configuration>",
            );
            return None;
        }
        let Some(server) = self.first("system.webServer") else {
            self.wrong(
                root,
                "there is no <system.webServer>: nothing passes requests on",
                "add <system.webServer> with a handler, as in Parlance's own web.config",
            );
            return None;
        };
        let module = self.module(server);
        self.web_socket(server, module);
        match module {
            Some(Module::HttpPlatform) => self.platform(server),
            Some(Module::AspNetCore) => self.asp_net_core(server),
            Some(Module::IisNode) => self.iis_node(server),
            Some(Module::ReverseProxy) | None => {}
        }
        self.redirecting();
        self.rewriting(module);
        self.filtering();
        self.headers();
        self.buffering(module);
        module
    }

    fn module(&mut self, server: El<'a, 'input>) -> Option<Module> {
        let handlers = self
            .all("add")
            .filter(|add| add.parent().is_some_and(|parent| parent.has_tag_name("handlers")));
        let mut found: Option<(Module, El<'a, 'input>)> = None;
        for handler in handlers.collect::<Vec<_>>() {
            let modules = handler.attribute("modules").unwrap_or_default();
            let Some(module) = modules.split(',').find_map(|name| Module::named(name.trim()))
            else {
                continue;
            };
            if let Some((other, _)) = found.filter(|(other, _)| *other != module) {
                self.wrong(
                    handler,
                    format!("two modules want the same requests: {other} and {module}"),
                    "keep the handler of the one that runs the server",
                );
                continue;
            }
            found = Some((module, handler));
            self.handler(handler, module);
        }
        if let Some((module, _)) = found {
            return Some(module);
        }
        let proxies = |action: &El<'_, '_>| {
            let url = action.attribute("url").unwrap_or_default();
            let kind = action.attribute("type").unwrap_or_default();
            kind.eq_ignore_ascii_case("rewrite") && url.contains("://")
        };
        if self.all("action").any(|action| proxies(&action)) {
            return Some(Module::ReverseProxy);
        }
        self.wrong(
            server,
            "no handler passes requests on: IIS looks for files and answers 404",
            "add <handlers><add name=\"parlance\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" resourceType=\"Unspecified\" /></handlers>",
        );
        None
    }

    fn handler(&mut self, handler: El<'a, 'input>, module: Module) {
        let path = handler.attribute("path").unwrap_or_default();
        if module == Module::IisNode {
            self.entry(handler, path);
        } else if path != "*" {
            let text =
                format!("the handler takes path=\"{path}\" alone: /socket.io/ is not passed on");
            self.wrong(handler, text, "path=\"*\"");
        }
        if let Some(verbs) = handler.attribute_node("verb").filter(|verbs| verbs.value() != "*") {
            let has = |verb: &str| {
                verbs.value().split(',').any(|known| known.trim().eq_ignore_ascii_case(verb))
            };
            let missing: Vec<&str> =
                ["GET", "POST", "OPTIONS"].into_iter().filter(|verb| !has(verb)).collect();
            if !missing.is_empty() {
                let text = format!("the handler does not take {}", missing.join(", "));
                self.wrong_value(verbs, text, "verb=\"*\"");
            }
        }
        let holds = handler.attribute("responseBufferLimit").is_none_or(|limit| limit != "0");
        if holds && module != Module::IisNode {
            self.advise(
                handler,
                "responses may be held back until 4 MB are there: streams (eventsource, htmlfile) would not flow",
                "responseBufferLimit=\"0\" on this handler",
            );
        }
    }

    /// iisnode handles one file, so a rewrite rule must send all other requests to it.
    fn entry(&mut self, handler: El<'a, 'input>, path: &str) {
        let leads = |action: &El<'_, '_>| {
            action.attribute("url").is_some_and(|url| url.trim_start_matches('/') == path)
        };
        if path != "*" && !self.all("action").any(|action| leads(&action)) {
            self.wrong(
                handler,
                format!("only {path} itself is passed on: nothing sends /socket.io/ to it"),
                "a rewrite rule with <match url=\".*\" /> whose <action type=\"Rewrite\"> has the url of this path",
            );
        }
    }

    fn web_socket(&mut self, server: El<'a, 'input>, module: Option<Module>) {
        let element = self.first("webSocket");
        let enabled = element.and_then(|element| element.attribute_node("enabled"));
        let off = enabled.is_some_and(|value| value.value().eq_ignore_ascii_case("false"));
        match (module, element) {
            (Some(Module::IisNode), None) => self.wrong(
                server,
                "the WebSocket module of IIS takes every upgrade before iisnode sees it: it is on unless switched off",
                "<webSocket enabled=\"false\" /> in <system.webServer>",
            ),
            (Some(Module::IisNode), Some(element)) if !off => self.wrong(
                element,
                "the WebSocket module of IIS takes every upgrade before iisnode sees it",
                "enabled=\"false\"",
            ),
            (Some(Module::IisNode) | None, _) => {}
            (Some(module), _) => {
                if let Some(value) = enabled.filter(|_| off) {
                    let text = format!("{module} passes upgrades through the WebSocket module of IIS, which is off here");
                    self.wrong_value(value, text, "enabled=\"true\", or leave <webSocket> out");
                }
                let removed = self.all("remove").find(|node| {
                    node.attribute("name").is_some_and(|name| name.eq_ignore_ascii_case("WebSocketModule"))
                });
                if let Some(node) = removed {
                    let text = format!("{module} passes upgrades through the WebSocket module of IIS, which is removed here");
                    self.wrong(node, text, "leave this <remove> out");
                }
            }
        }
    }

    fn platform(&mut self, server: El<'a, 'input>) {
        let Some(platform) = self.first("httpPlatform") else {
            let fix = "<httpPlatform processPath=\".\\parlance.exe\" arguments=\"--host 127.0.0.1 --port %HTTP_PLATFORM_PORT%\" />";
            self.wrong(
                server,
                "there is no <httpPlatform>: nothing says which program to start",
                fix,
            );
            return;
        };
        self.process(platform, "%HTTP_PLATFORM_PORT%");
    }

    fn asp_net_core(&mut self, server: El<'a, 'input>) {
        let Some(core) = self.first("aspNetCore") else {
            let fix = "<aspNetCore processPath=\".\\parlance.exe\" arguments=\"--host 127.0.0.1 --port %ASPNETCORE_PORT%\" />";
            self.wrong(
                server,
                "there is no <aspNetCore>: nothing says which program to start",
                fix,
            );
            return;
        };
        if let Some(model) = core.attribute_node("hostingModel")
            && model.value().eq_ignore_ascii_case("inprocess")
        {
            let text = "only .NET programs run inside the process of IIS";
            self.wrong_value(model, text, "hostingModel=\"OutOfProcess\"");
        }
        self.process(core, "%ASPNETCORE_PORT%");
    }

    /// Checks the element of a module that starts a program and forwards requests to its port.
    fn process(&mut self, element: El<'a, 'input>, port: &str) {
        if element.attribute("processPath").is_none_or(str::is_empty) {
            self.wrong(element, "no program is named", "processPath=\".\\parlance.exe\"");
        }
        let arguments = element.attribute("arguments").into_iter();
        let variables = self.all("environmentVariable").filter_map(|node| node.attribute("value"));
        let passes_port =
            arguments.chain(variables).any(|text| text.to_ascii_uppercase().contains(port));
        if !passes_port {
            self.wrong(
                element,
                format!("the program is not told its port: {port} stands nowhere"),
                &format!("arguments=\"--host 127.0.0.1 --port {port}\""),
            );
        }
        if let Some(count) = element.attribute_node("processesPerApplication")
            && count.value() != "1"
        {
            let text = "several processes: each has its own room and its own sessions, and requests of one session go to any of them";
            self.wrong_value(count, text, "processesPerApplication=\"1\"");
        }
        let Some(timeout) = element.attribute_node("requestTimeout") else { return };
        match span(timeout.value()) {
            None => {
                let text = format!("`{}` is no time of the form hh:mm:ss", timeout.value());
                self.wrong_value(timeout, text, "requestTimeout=\"00:02:00\"");
            }
            Some(time) if time < self.needs.silence => {
                let text = format!(
                    "an idle connection is given up after {} s, and may be silent for {} s (ping-interval and ping-timeout)",
                    time.as_secs(),
                    self.needs.silence.as_secs()
                );
                self.wrong_value(timeout, text, "requestTimeout=\"00:02:00\"");
            }
            Some(_) => {}
        }
    }

    fn iis_node(&mut self, server: El<'a, 'input>) {
        self.advise(
            server,
            "iisnode runs Node programs; for parlance.exe use HttpPlatformHandler",
            "see Parlance's own web.config",
        );
        let Some(node) = self.first("iisnode") else { return };
        if let Some(count) = node.attribute_node("nodeProcessCountPerApplication")
            && count.value() != "1"
        {
            let text = "several processes: requests of one session go to any of them";
            self.wrong_value(count, text, "nodeProcessCountPerApplication=\"1\"");
        }
        if node.attribute("flushResponse").is_none_or(|flush| !flush.eq_ignore_ascii_case("true")) {
            let text = "pieces of a response are held back: streams (eventsource, htmlfile) would not flow";
            self.advise(node, text, "flushResponse=\"true\"");
        }
    }
}

/// Whether an element applies only to a part of the site without the engine.
fn is_elsewhere(node: &El<'_, '_>) -> bool {
    let location = node.ancestors().find(|node| node.has_tag_name("location"));
    location.and_then(|location| location.attribute("path")).is_some_and(|path| {
        let path = path.trim_matches('/').to_ascii_lowercase();
        !matches!(path.as_str(), "" | "." | "socket.io")
    })
}

/// Parses `hh:mm:ss` or `d.hh:mm:ss`.
fn span(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('.').unwrap_or(("0", text));
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    let days: u64 = days.parse().ok()?;
    let total = days.checked_mul(86_400)?.checked_add(hours.checked_mul(3600)?)?;
    Some(Duration::from_secs(total.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?))
}

#[cfg(test)]
mod tests;
