//! The WebSocket module of IIS: through it upgrades pass, unless iisnode takes them.

use super::module::Module;
use super::report::Trouble;
use super::tree::{Part, at};

/// What keeps upgrades from the module that hosts the server.
pub fn obstacle(part: &Part<'_>, module: Module) -> Option<Trouble> {
    let enabled = part.value("webSocket", "enabled");
    let off = enabled.filter(|value| value.value().trim().eq_ignore_ascii_case("false"));
    if module == Module::IisNode {
        const TAKEN: &str =
            "the WebSocket module of IIS takes every upgrade before iisnode sees it";
        return match (part.last("webSocket"), off) {
            (_, Some(_)) => None,
            (Some(element), None) => Some(Trouble::error(at(element), TAKEN, "enabled=\"false\"")),
            (None, None) => Some(Trouble::error(
                at(part.server()),
                format!("{TAKEN}: it is on unless switched off"),
                "<webSocket enabled=\"false\" /> in <system.webServer>",
            )),
        };
    }
    if let Some(value) = off {
        let text = format!(
            "{module} passes upgrades through the WebSocket module of IIS, which is off here"
        );
        let fix = "enabled=\"true\", or leave <webSocket> out";
        return Some(Trouble::error(value.range().start, text, fix));
    }
    let removed = part.sections("modules/remove").into_iter().find(|el| {
        el.attribute("name").is_some_and(|name| name.trim().eq_ignore_ascii_case("WebSocketModule"))
    });
    removed.map(|el| {
        let text = format!(
            "{module} passes upgrades through the WebSocket module of IIS, which is removed here"
        );
        Trouble::error(at(el), text, "leave this <remove> out")
    })
}
