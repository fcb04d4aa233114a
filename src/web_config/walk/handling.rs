//! The way after the rules: redirects, handlers, the module that hosts the server.

use super::super::end::End;
use super::super::handlers::{self, Choice};
use super::super::module::Module;
use super::super::report::Trouble;
use super::super::rule::Rule;
use super::super::tree::at;
use super::super::{arrival, redirect, web_socket};
use super::{State, Walk};

impl<'a> Walk<'a, '_> {
    /// A request that a rule passes to another server.
    pub(super) fn forwarded(&self, rule: &Rule<'a>, state: &State) -> End {
        let (host, _) = rule.target();
        let off = self.part.value("proxy", "enabled");
        if let Some(off) = off.filter(|off| off.value().trim().eq_ignore_ascii_case("false")) {
            let text = format!("the rule {} needs the proxy of ARR, which is off here", rule.name);
            let trouble = Trouble::error(off.range().start, text, "enabled=\"true\"");
            return End::stopped("passed on by nobody: the proxy is off", trouble);
        }
        let becomes = format!("passed to {host} by the rule {}", rule.name);
        self.arrive(Module::ReverseProxy, becomes, state)
    }

    /// A request that is through the rules.
    pub(super) fn handle(&self, state: &State) -> End {
        self.spend(self.handlers.here.len());
        if let Some((becomes, trouble)) = redirect::redirects(self.part, &state.address) {
            return End::stopped(becomes, trouble);
        }
        match handlers::choose(self.handlers, self.request, &state.address) {
            Choice::Hosted(module, handler) => {
                if let Some(trouble) = handlers::forbidden(self.part, handler) {
                    return End::stopped("refused with 403 by accessPolicy", trouble);
                }
                let becomes = format!("passed on by {module}, handler {}", handlers::name(handler));
                self.arrive(module, becomes, state)
            }
            Choice::Other(handler) => {
                let modules = handler.attribute("modules").unwrap_or("no module");
                let name = handlers::name(handler);
                let becomes = format!("answered by IIS, handler {name} ({modules})");
                // If it takes the address that the client asked for as well, no rule is to blame.
                let as_asked = handlers::misfit(handler, self.request, &self.asked()).is_none();
                let trouble = self.changed(state).filter(|_| !as_asked).unwrap_or_else(|| {
                    let text = format!(
                        "the handler {name} ({modules}) takes requests before they are passed on"
                    );
                    let fix = "the handler that hosts the server before it, or no such <add>";
                    Trouble::error(at(handler), text, fix)
                });
                End::stopped(becomes, trouble)
            }
            Choice::Nobody => {
                let becomes = "answered by IIS, which looks for a file: 404";
                let hosted = self.handlers.here.iter().any(|el| handlers::module(*el).is_some());
                let blame = || handlers::blame(self.handlers, self.request, &state.address);
                let trouble = match hosted {
                    true => self.changed(state).or_else(blame),
                    false => self.changed(state).or_else(|| self.missed()).or_else(blame),
                };
                End::stopped(becomes, trouble.unwrap_or_else(|| self.nothing()))
            }
        }
    }

    /// A request that a module passes on.
    fn arrive(&self, module: Module, becomes: String, state: &State) -> End {
        let mut end = End { becomes, module: Some(module), trouble: None, perhaps: Vec::new() };
        if let Some(trouble) = handlers::module_removed(self.part, module) {
            return End {
                trouble: Some(trouble),
                becomes: "answered with an error: the module is removed".into(),
                ..end
            };
        }
        if let Some(trouble) =
            web_socket::obstacle(self.part, module).filter(|_| self.request.is_upgrade())
        {
            end.becomes += ", without its Upgrade";
            return End { trouble: Some(trouble), ..end };
        }
        // iisnode passes the address on that the client asked for.
        let changed = state.changed_by.filter(|_| module != Module::IisNode);
        if let Some(at) = changed {
            let arrival = arrival::of(self.request, self.base, self.folder, module, &state.address);
            end.becomes += &format!(", as {}", arrival::shown(&state.address, module, self.folder));
            end.trouble = arrival::trouble(&self.rules[at], arrival, &self.exemption());
        }
        end
    }
}
