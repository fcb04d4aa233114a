//! What only slows things down, or hides the reasons of refusals: buffers, compression, error pages, headers.

use super::collection::Entries;
use super::handlers::{module, name};
use super::module::Module;
use super::report::Trouble;
use super::tree::{El, Part, at, flag, truth};

const XDT: &str = "http://schemas.microsoft.com/XML-Document-Transform";

/// Advice about a part of the site that a module hosts.
pub fn advice(part: &Part<'_>, host: Option<Module>, handlers: &Entries<'_>) -> Vec<Trouble> {
    let mut found = headers(part);
    found.extend(compression(part));
    if host.is_some() {
        found.extend(error_pages(part));
    }
    let hosts = handlers.here.iter().filter(|el| module(**el) == host && host.is_some());
    found.extend(hosts.filter_map(|el| buffer(*el, host)));
    if host == Some(Module::IisNode) {
        found.extend(node(part));
    }
    found
}

fn headers(part: &Part<'_>) -> Vec<Trouble> {
    let entries = part.entries("httpProtocol/customHeaders", "name").here.into_iter();
    let ours = |el: &El<'_>| {
        el.attribute("name")
            .is_some_and(|name| name.to_ascii_lowercase().starts_with("access-control-"))
    };
    let advise = |el| {
        let text = "the server says itself which pages may read its answers; browsers take none with a second Access-Control-Allow-Origin or the like";
        Trouble::advice(at(el), text, "leave this <add> out; the setting is origins")
    };
    entries.filter(ours).map(advise).collect()
}

fn compression(part: &Part<'_>) -> Option<Trouble> {
    let on = part.value("urlCompression", "doDynamicCompression")?;
    truth(Some(on.value()), false).then(|| {
        let text = "compression holds streams (eventsource, htmlfile) back";
        Trouble::advice(on.range().start, text, "doDynamicCompression=\"false\"")
    })
}

fn error_pages(part: &Part<'_>) -> Option<Trouble> {
    let errors = part.last("httpErrors")?;
    let passes = part.value("httpErrors", "existingResponse");
    let passes = passes.is_some_and(|kind| kind.value().eq_ignore_ascii_case("PassThrough"));
    (!passes).then(|| {
        let text = "IIS replaces error answers by pages of its own: clients cannot read why they are refused";
        Trouble::advice(at(errors), text, "existingResponse=\"PassThrough\"")
    })
}

fn buffer(handler: El<'_>, host: Option<Module>) -> Option<Trouble> {
    let holds = handler.attribute("responseBufferLimit").is_none_or(|limit| limit.trim() != "0");
    (holds && host != Some(Module::IisNode)).then(|| {
        let text = format!(
            "responses may be held back until 4 MB are there (handler {}): streams (eventsource, htmlfile) would not flow",
            name(handler)
        );
        Trouble::advice(at(handler), text, "responseBufferLimit=\"0\" on this handler")
    })
}

fn node(part: &Part<'_>) -> Vec<Trouble> {
    let mut found = vec![Trouble::advice(
        at(part.server()),
        "iisnode runs Node programs; for parlance.exe use HttpPlatformHandler",
        "see Parlance's own web.config",
    )];
    let Some(node) = part.last("iisnode") else { return found };
    if let Some(count) = part.value("iisnode", "nodeProcessCountPerApplication")
        && count.value().trim() != "1"
    {
        let text = "several processes: requests of one session go to any of them";
        let fix = "nodeProcessCountPerApplication=\"1\"";
        found.push(Trouble::error(count.range().start, text, fix));
    }
    if !flag(node, "flushResponse", false) {
        let text =
            "pieces of a response are held back: streams (eventsource, htmlfile) would not flow";
        found.push(Trouble::advice(at(node), text, "flushResponse=\"true\""));
    }
    found
}

/// Parts of a file that are applied before IIS reads it, or lie in another file.
pub fn unread(root: El<'_>) -> Vec<Trouble> {
    let mut found = Vec::new();
    let mut all = root.descendants().filter(|el| el.is_element());
    let transforms = |el: &El<'_>| {
        el.tag_name().namespace() == Some(XDT)
            || el.attributes().any(|value| value.namespace() == Some(XDT))
    };
    if let Some(el) = all.clone().find(transforms) {
        let text =
            "this is a transform (xdt), which is applied when the site is published, and not here";
        found.push(Trouble::advice(at(el), text, "check the web.config that is published"));
    }
    let elsewhere = |el: &El<'_>| {
        el.has_attribute("configSource")
            && el.ancestors().any(|el| el.has_tag_name("system.webServer"))
    };
    if let Some(el) = all.find(elsewhere) {
        let text = format!(
            "<{}> is in the file {}, which is not read here",
            el.tag_name().name(),
            el.attribute("configSource").unwrap_or_default()
        );
        found.push(Trouble::advice(
            at(el),
            text,
            "look there for what takes requests of socket.io/",
        ));
    }
    found
}
