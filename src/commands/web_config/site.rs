//! Checks that do not depend on the module: redirects, rewriting, filters, headers, buffers.

use regex::RegexBuilder;

use super::{Checker, ENGINE, El, Module, Severity};

impl<'a, 'input> Checker<'a, 'input> {
    pub(super) fn redirecting(&mut self) {
        let is_on = |node: &El<'_, '_>| {
            node.attribute("enabled").is_some_and(|on| on.eq_ignore_ascii_case("true"))
        };
        if let Some(redirect) = self.first("httpRedirect").filter(is_on) {
            let text = "this sends every request elsewhere, those for /socket.io/ too";
            self.wrong(
                redirect,
                text,
                "enabled=\"false\", or a rewrite rule for what it is meant for",
            );
        }
    }

    pub(super) fn rewriting(&mut self, module: Option<Module>) {
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
            // With conditions, the rule may not apply to requests of the engine.
            match child("conditions") {
                Some(_) => self.advise(rule, format!("{text}, if its conditions hold"), fix),
                None => self.wrong(rule, text, fix),
            }
        }
    }

    /// Whether a rule's pattern matches the engine's path, and no earlier rule exempts that path.
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

    pub(super) fn filtering(&mut self) {
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

    pub(super) fn headers(&mut self) {
        let doubles = |node: &El<'_, '_>| {
            let custom = node.parent().is_some_and(|parent| parent.has_tag_name("customHeaders"));
            let name = node.attribute("name").unwrap_or_default().to_ascii_lowercase();
            custom && name.starts_with("access-control-")
        };
        for node in self.all("add").filter(doubles).collect::<Vec<_>>() {
            let text = "the server says itself which pages may read its answers; browsers take none with a second Access-Control-Allow-Origin or the like";
            self.advise(node, text, "leave this <add> out; the setting is origins");
        }
    }

    pub(super) fn buffering(&mut self, module: Option<Module>) {
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
