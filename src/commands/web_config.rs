//! Reads a `web.config` of IIS and finds what would keep WebSockets, streams or polls from working.

use std::fmt;
use std::time::Duration;

use regex::RegexBuilder;
use roxmltree::{Attribute, Document, Node};

/// Bytes of a file that is looked at.
pub const LARGEST: u64 = 1 << 20;

/// What hands requests to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    IisNode,
    HttpPlatform,
    AspNetCore,
    /// URL Rewrite and Application Request Routing, to a server that runs by itself.
    ReverseProxy,
}

impl Module {
    /// By the name of a module in a handler.
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

/// What the settings of the server want of the host.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The longest time in which nothing may be sent: a heartbeat and its answer.
    pub silence: Duration,
    /// Bytes of one message.
    pub max_payload: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Advice,
}

/// One thing to mend, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    pub severity: Severity,
    pub problem: String,
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

/// What a file says.
#[derive(Debug)]
pub struct Report {
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
    let mut look = Look { document: &document, needs, findings: Vec::new() };
    let module = look.everything();
    let mut findings = look.findings;
    findings.sort_by_key(|finding| (finding.line, finding.column));
    Report { module, findings }
}

struct Look<'a, 'input> {
    document: &'a Document<'input>,
    needs: &'a Needs,
    findings: Vec<Finding>,
}

type El<'a, 'input> = Node<'a, 'input>;

/// A path that every generation asks for.
const ENGINE: &str = "socket.io/";

impl<'a, 'input> Look<'a, 'input> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = El<'a, 'input>> + use<'a, 'input> {
        self.document.descendants().filter(move |node| node.has_tag_name(name))
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

    fn everything(&mut self) -> Option<Module> {
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
        self.rewriting(module);
        self.filtering();
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

    /// iisnode maps one file; a rewrite rule has to send everything else there.
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

    /// What both modules have that start a program and forward to its port.
    fn process(&mut self, element: El<'a, 'input>, port: &str) {
        if element.attribute("processPath").is_none_or(str::is_empty) {
            self.wrong(element, "no program is named", "processPath=\".\\parlance.exe\"");
        }
        let arguments = element.attribute("arguments").into_iter();
        let variables = self.all("environmentVariable").filter_map(|node| node.attribute("value"));
        let told = arguments.chain(variables).any(|text| text.to_ascii_uppercase().contains(port));
        if !told {
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

    fn rewriting(&mut self, module: Option<Module>) {
        for rule in self.all("rule").collect::<Vec<_>>() {
            if rule.attribute("enabled").is_some_and(|on| on.eq_ignore_ascii_case("false")) {
                continue;
            }
            let child = |name: &str| rule.children().find(|node| node.has_tag_name(name));
            let (Some(matched), Some(action)) = (child("match"), child("action")) else { continue };
            let kind = action.attribute("type").unwrap_or_default().to_ascii_lowercase();
            let url = action.attribute("url").unwrap_or_default();
            let to_server =
                url.contains("://") && kind == "rewrite" || module == Some(Module::IisNode);
            let to_https = kind == "redirect" && url.starts_with("https://");
            if kind == "none" || kind.is_empty() || to_server || to_https {
                continue;
            }
            if !self.catches(rule, matched) {
                continue;
            }
            let name = rule.attribute("name").unwrap_or("without a name");
            let text =
                format!("the rule {name} takes requests for /socket.io/ away from the server");
            let fix = "a rule before it: <match url=\"^socket\\.io/\" /> with <action type=\"None\" /> and stopProcessing=\"true\"";
            // With conditions it may be meant for other requests.
            match child("conditions") {
                Some(_) => self.advise(rule, format!("{text}, if its conditions hold"), fix),
                None => self.wrong(rule, text, fix),
            }
        }
    }

    /// Whether a rule's pattern fits the engine's path, and no rule before it lets that pass.
    fn catches(&mut self, rule: El<'a, 'input>, matched: El<'a, 'input>) -> bool {
        let fits = |matched: El<'_, '_>| {
            let pattern = matched.attribute("url").unwrap_or(".*");
            let built =
                RegexBuilder::new(pattern).case_insensitive(true).size_limit(1 << 20).build();
            let negated =
                matched.attribute("negate").is_some_and(|on| on.eq_ignore_ascii_case("true"));
            built.map(|pattern| pattern.is_match(ENGINE) != negated).ok()
        };
        let lets_pass = |before: El<'_, '_>| {
            let child = |name: &str| before.children().find(|node| node.has_tag_name(name));
            let none = child("action").is_some_and(|action| {
                action.attribute("type").is_some_and(|kind| kind.eq_ignore_ascii_case("none"))
            });
            let stops = before
                .attribute("stopProcessing")
                .is_some_and(|on| on.eq_ignore_ascii_case("true"));
            none && stops
                && child("conditions").is_none()
                && child("match").and_then(fits) == Some(true)
        };
        if rule.prev_siblings().skip(1).filter(|node| node.has_tag_name("rule")).any(lets_pass) {
            return false;
        }
        match fits(matched) {
            Some(fits) => fits,
            None => {
                let text =
                    "this pattern cannot be read here: whether it catches /socket.io/ is not known";
                self.advise(matched, text, "look whether it fits socket.io/");
                false
            }
        }
    }

    fn filtering(&mut self) {
        let payload = self.needs.max_payload;
        if let Some(limit) = self
            .first("requestLimits")
            .and_then(|node| node.attribute_node("maxAllowedContentLength"))
            && let Ok(bytes) = limit.value().parse::<usize>()
        {
            let fix =
                format!("maxAllowedContentLength=\"{}\"", payload.saturating_mul(3).max(payload));
            if bytes < payload {
                let text =
                    format!("bodies over {bytes} bytes are refused, and max-payload is {payload}");
                self.wrong_value(limit, text, &fix);
            } else if bytes < payload.saturating_mul(3) {
                let text = format!(
                    "forms of jsonp-polling can be three times as long as max-payload ({payload})"
                );
                self.say(limit.range().start, Severity::Advice, text, &fix);
            }
        }
        let blocks = |node: &El<'_, '_>| {
            let parent = node.parent().map_or("", |parent| parent.tag_name().name());
            let text = match parent {
                "hiddenSegments" => node.attribute("segment"),
                "denyUrlSequences" => node.attribute("sequence"),
                _ => None,
            };
            text.is_some_and(|text| "/socket.io/".contains(&text.to_ascii_lowercase()))
        };
        for node in self.all("add").filter(|node| blocks(node)).collect::<Vec<_>>() {
            self.wrong(node, "request filtering refuses /socket.io/", "leave this <add> out");
        }
        let denies = |node: &El<'_, '_>| {
            let verbs = node.parent().is_some_and(|parent| parent.has_tag_name("verbs"));
            let verb = node.attribute("verb").unwrap_or_default();
            let wanted =
                ["GET", "POST", "OPTIONS"].iter().any(|known| known.eq_ignore_ascii_case(verb));
            let denied =
                node.attribute("allowed").is_some_and(|on| on.eq_ignore_ascii_case("false"));
            verbs && wanted && denied
        };
        for node in self.all("add").filter(|node| denies(node)).collect::<Vec<_>>() {
            self.wrong(
                node,
                "request filtering refuses a method that clients use",
                "allowed=\"true\"",
            );
        }
    }

    fn buffering(&mut self, module: Option<Module>) {
        if let Some(compression) = self.first("urlCompression")
            && compression
                .attribute("doDynamicCompression")
                .is_some_and(|on| on.eq_ignore_ascii_case("true"))
        {
            let text = "compression holds streams (eventsource, htmlfile) back";
            self.advise(compression, text, "doDynamicCompression=\"false\"");
        }
        let replaces = self.first("httpErrors").filter(|errors| {
            let passes = errors.attribute("existingResponse");
            !passes.is_some_and(|kind| kind.eq_ignore_ascii_case("PassThrough"))
        });
        if let Some(errors) = replaces.filter(|_| module.is_some()) {
            let text = "IIS replaces error answers by pages of its own: clients cannot read why they are refused";
            self.advise(errors, text, "existingResponse=\"PassThrough\"");
        }
    }
}

/// `hh:mm:ss`, perhaps with days before it.
fn span(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('.').unwrap_or(("0", text));
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    let days: u64 = days.parse().ok()?;
    let total = days.checked_mul(86_400)?.checked_add(hours.checked_mul(3600)?)?;
    Some(Duration::from_secs(total.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs { silence: Duration::from_secs(45), max_payload: 1_000_000 };

    fn inside(content: &str) -> Report {
        let text = format!(
            "<configuration>\n<system.webServer>\n{content}\n</system.webServer>\n</configuration>"
        );
        inspect(&text, &NEEDS)
    }

    const PLATFORM: &str = r#"<handlers><add name="p" path="*" verb="*" modules="httpPlatformHandler" responseBufferLimit="0" /></handlers>
        <httpPlatform processPath=".\parlance.exe" arguments="--port %HTTP_PLATFORM_PORT%" />"#;
    const CORE: &str = r#"<handlers><add name="p" path="*" verb="*" modules="AspNetCoreModuleV2" responseBufferLimit="0" /></handlers>
        <aspNetCore processPath=".\parlance.exe" arguments="--port %ASPNETCORE_PORT%" />"#;
    const NODE: &str = r#"<handlers><add name="iisnode" path="app.js" verb="*" modules="iisnode"/></handlers>
        <rewrite><rules><rule name="all"><match url=".*"/><action type="Rewrite" url="app.js"/></rule></rules></rewrite>"#;

    /// The findings of one severity, as text.
    fn of(report: &Report, severity: Severity) -> Vec<String> {
        let findings = report.findings.iter().filter(|finding| finding.severity == severity);
        findings.map(ToString::to_string).collect()
    }

    #[test]
    fn the_shipped_file_passes_without_advice() {
        let report = inspect(include_str!("../../web.config"), &NEEDS);
        assert_eq!(report.module, Some(Module::HttpPlatform));
        assert_eq!(report.findings, []);
    }

    #[test]
    fn correct_files_pass() {
        for (content, module) in [
            (PLATFORM.to_owned(), Module::HttpPlatform),
            (CORE.to_owned(), Module::AspNetCore),
            (format!("{NODE}<webSocket enabled=\"false\"/>"), Module::IisNode),
            (
                r#"<rewrite><rules><rule name="to"><match url="(.*)"/><action type="Rewrite" url="http://localhost:3000/{R:1}"/></rule></rules></rewrite>"#.to_owned(),
                Module::ReverseProxy,
            ),
            (format!("{PLATFORM}<webSocket enabled=\"true\"/>"), Module::HttpPlatform),
            (
                format!(r#"{PLATFORM}<rewrite><rules><rule name="https"><match url="(.*)"/><conditions><add input="{{HTTPS}}" pattern="off"/></conditions><action type="Redirect" url="https://{{HTTP_HOST}}/{{R:1}}"/></rule></rules></rewrite>"#),
                Module::HttpPlatform,
            ),
            (
                format!(r#"{PLATFORM}<rewrite><rules><rule name="io" stopProcessing="true"><match url="^socket\.io/"/><action type="None"/></rule><rule name="spa"><match url=".*"/><action type="Rewrite" url="/index.html"/></rule></rules></rewrite>"#),
                Module::HttpPlatform,
            ),
        ] {
            let report = inside(&content);
            assert_eq!(report.module, Some(module), "{content}");
            assert!(report.passes(), "{content}: {:?}", report.findings);
        }
    }

    #[test]
    fn what_keeps_websockets_from_working() {
        let platform = |from: &str, to: &str| PLATFORM.replace(from, to);
        for (case, content, at, problem) in [
            ("iisnode, module on by default", NODE.to_owned(), 2, "takes every upgrade"),
            ("iisnode, module on", format!("{NODE}\n<webSocket enabled=\"true\"/>"), 5, "takes every upgrade"),
            ("iisnode, no rule", r#"<handlers><add name="i" path="app.js" verb="*" modules="iisnode"/></handlers><webSocket enabled="false"/>"#.to_owned(), 3, "nothing sends /socket.io/"),
            ("iisnode, processes", format!("{NODE}<webSocket enabled=\"false\"/>\n<iisnode nodeProcessCountPerApplication=\"0\" flushResponse=\"true\"/>"), 5, "several processes"),
            ("platform, module off", format!("{PLATFORM}\n<webSocket enabled=\"false\"/>"), 5, "which is off here"),
            ("core, module off", format!("{CORE}\n<webSocket enabled=\"False\"/>"), 5, "which is off here"),
            ("platform, module removed", format!("{PLATFORM}\n<modules><remove name=\"WebSocketModule\"/></modules>"), 5, "which is removed here"),
            ("path", platform("path=\"*\"", "path=\"/chat\""), 3, "/socket.io/ is not passed on"),
            ("verbs", platform("verb=\"*\"", "verb=\"GET,HEAD\""), 3, "does not take POST, OPTIONS"),
            ("port", platform("--port %HTTP_PLATFORM_PORT%", "--port 3000"), 4, "is not told its port"),
            ("no program", platform("processPath=\".\\parlance.exe\"", ""), 4, "no program is named"),
            ("no platform", r#"<handlers><add path="*" verb="*" modules="httpPlatformHandler"/></handlers>"#.to_owned(), 2, "there is no <httpPlatform>"),
            ("time", platform("arguments", "requestTimeout=\"00:00:30\" arguments"), 4, "given up after 30 s, and may be silent for 45 s"),
            ("no time", platform("arguments", "requestTimeout=\"30\" arguments"), 4, "is no time of the form hh:mm:ss"),
            ("processes", platform("arguments", "processesPerApplication=\"4\" arguments"), 4, "several processes"),
            ("in process", CORE.replace("arguments", "hostingModel=\"InProcess\" arguments"), 4, "only .NET programs"),
            ("two modules", format!("{PLATFORM}\n<handlers><add path=\"*\" modules=\"iisnode\"/></handlers>"), 5, "two modules"),
            ("none", "<defaultDocument/>".to_owned(), 2, "no handler passes requests on"),
            ("rewrite", format!(r#"{PLATFORM}<rewrite><rules>{}<rule name="spa"><match url=".*"/><action type="Rewrite" url="/index.html"/></rule></rules></rewrite>"#, "\n"), 5, "the rule spa takes requests"),
            ("limits", format!("{PLATFORM}\n<security><requestFiltering><requestLimits maxAllowedContentLength=\"1000\"/></requestFiltering></security>"), 5, "bodies over 1000 bytes are refused"),
            ("segments", format!("{PLATFORM}\n<security><requestFiltering><hiddenSegments><add segment=\"socket.io\"/></hiddenSegments></requestFiltering></security>"), 5, "request filtering refuses /socket.io/"),
            ("verbs of the filter", format!("{PLATFORM}\n<security><requestFiltering><verbs><add verb=\"POST\" allowed=\"false\"/></verbs></requestFiltering></security>"), 5, "a method that clients use"),
        ] {
            let report = inside(&content);
            let errors = of(&report, Severity::Error);
            assert_eq!(errors.len(), 1, "{case}: {errors:?}");
            assert!(errors[0].starts_with(&format!("{at}:")), "{case}: line {at} in {errors:?}");
            assert!(errors[0].contains(problem) && errors[0].contains("; fix: "), "{case}: {errors:?}");
            assert!(!report.passes());
        }
    }

    #[test]
    fn advice_lets_pass() {
        for (content, problem) in [
            (PLATFORM.replace(" responseBufferLimit=\"0\"", ""), "held back until 4 MB"),
            (
                format!("{PLATFORM}<urlCompression doDynamicCompression=\"true\"/>"),
                "compression holds streams",
            ),
            (format!("{PLATFORM}<httpErrors errorMode=\"Custom\"/>"), "pages of its own"),
            (
                format!(
                    r#"{PLATFORM}<rewrite><rules><rule name="files"><match url=".*"/><conditions><add input="{{REQUEST_FILENAME}}" matchType="IsFile" negate="true"/></conditions><action type="Rewrite" url="/index.html"/></rule></rules></rewrite>"#
                ),
                "if its conditions hold",
            ),
            (
                format!(
                    r#"{PLATFORM}<rewrite><rules><rule name="odd"><match url="(?!x)y"/><action type="Rewrite" url="/z"/></rule></rules></rewrite>"#
                ),
                "cannot be read here",
            ),
            (
                format!(
                    "{PLATFORM}<security><requestFiltering><requestLimits maxAllowedContentLength=\"1500000\"/></requestFiltering></security>"
                ),
                "three times as long",
            ),
        ] {
            let report = inside(&content);
            assert!(report.passes(), "{:?}", report.findings);
            let advice = of(&report, Severity::Advice);
            assert!(advice.iter().any(|advice| advice.contains(problem)), "{problem}: {advice:?}");
        }
    }

    #[test]
    fn what_is_no_web_config() {
        for (text, at) in [
            ("<configuration>\n  <system.webServer>\n</configuration>", "3:"),
            ("", "1:1: "),
            ("not XML", "1:1: "),
            ("<other/>", "1:1: "),
            ("<configuration/>", "1:1: "),
            ("<!DOCTYPE x [<!ENTITY a \"aa\">]><x>&a;</x>", "1:"),
        ] {
            let report = inspect(text, &NEEDS);
            assert!(!report.passes());
            assert!(report.findings[0].to_string().starts_with(at), "{:?}", report.findings);
        }
    }

    #[test]
    fn spans() {
        assert_eq!(span("00:02:00"), Some(Duration::from_secs(120)));
        assert_eq!(span("1.00:00:01"), Some(Duration::from_secs(86_401)));
        for wrong in ["", "120", "00:02", "a:b:c", "99999999999999999999:0:0", "0:0:0:0"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
