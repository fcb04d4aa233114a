//! The way of one request through IIS: rewrite rules in their order, then redirects, handlers, the module that hosts the
//! server, and what arrives there.

use std::cell::Cell;

use super::arrival;
use super::handlers::{self, Choice};
use super::module::Module;
use super::pattern::Captures;
use super::redirect;
use super::report::Trouble;
use super::request::Request;
use super::rule::{Action, Rule, Takes, Why};
use super::template::{Address, Maps, Scope, fill};
use super::tree::{El, Entries, Part, at};
use super::web_socket;

/// Rules and handlers that are tried for one request: conditions that may hold or not make several ways.
const MOST_STEPS: usize = 20_000;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub struct End {
    /// In words.
    pub becomes: String,
    /// Who hosts the server, if the request comes that far.
    pub module: Option<Module>,
    /// Why the server does not get it as it should.
    pub trouble: Option<Trouble>,
    /// What could happen instead.
    pub perhaps: Vec<Trouble>,
}

impl End {
    pub fn arrives(&self) -> bool {
        self.trouble.is_none()
    }

    fn stopped(becomes: impl Into<String>, trouble: Trouble) -> Self {
        End { becomes: becomes.into(), module: None, trouble: Some(trouble), perhaps: Vec::new() }
    }
}

/// What a walk goes by.
pub struct Walk<'a, 'b> {
    pub part: &'b Part<'a>,
    pub rules: &'b [Rule<'a>],
    pub handlers: &'b Entries<'a>,
    pub maps: &'b Maps,
    /// The folder of the file, such as `/`.
    pub folder: &'b str,
    /// The server's base path.
    pub base: &'b str,
    pub request: &'b Request,
    /// Whether the client comes by https.
    pub secure: bool,
    steps: Cell<usize>,
}

/// Where a request is on its way through the rules.
#[derive(Clone)]
struct State {
    address: Address,
    /// The last rule that changed the address.
    changed_by: Option<usize>,
}

impl<'a, 'b> Walk<'a, 'b> {
    #[allow(clippy::too_many_arguments, reason = "the fields, once")]
    pub fn new(
        part: &'b Part<'a>,
        rules: &'b [Rule<'a>],
        handlers: &'b Entries<'a>,
        maps: &'b Maps,
        folder: &'b str,
        base: &'b str,
        request: &'b Request,
        secure: bool,
    ) -> Self {
        let steps = Cell::new(MOST_STEPS);
        Walk { part, rules, handlers, maps, folder, base, request, secure, steps }
    }

    pub fn go(&self) -> End {
        self.follow(0, State { address: self.asked(), changed_by: None })
    }

    /// The address that the client asked for.
    fn asked(&self) -> Address {
        Address { path: self.request.path.clone(), query: self.request.query.to_owned() }
    }

    /// Goes on with the rules from a place on.
    fn follow(&self, from: usize, mut state: State) -> End {
        for (at, rule) in self.rules.iter().enumerate().skip(from) {
            match self.takes(rule, &state.address) {
                Takes::No(_) => {}
                Takes::Yes { rule: found, conditions } => {
                    match self.act(at, &found, &conditions, &mut state) {
                        Next::Rules => {}
                        Next::Handlers => break,
                        Next::End(end) => return *end,
                    }
                }
                Takes::Perhaps { rule: found, conditions } => {
                    let other = State { ..state.clone() };
                    let without = self.follow(at + 1, state);
                    let with = self.forked(at, &found, &conditions, other);
                    return either(rule, with, without);
                }
            }
        }
        self.handle(&state)
    }

    fn forked(&self, at: usize, rule: &Captures, conditions: &Captures, mut state: State) -> End {
        match self.act(at, rule, conditions, &mut state) {
            Next::Rules => self.follow(at + 1, state),
            Next::Handlers => self.handle(&state),
            Next::End(end) => *end,
        }
    }

    fn takes(&self, rule: &Rule<'_>, address: &Address) -> Takes {
        let nothing = Captures::new();
        let takes = rule.takes(&self.scope(address, &nothing, &nothing));
        match (self.spend(1), takes) {
            // Enough ways were tried.
            (false, Takes::Perhaps { .. }) => Takes::No(Why::Condition),
            (_, takes) => takes,
        }
    }

    fn spend(&self, steps: usize) -> bool {
        let left = self.steps.get();
        self.steps.set(left.saturating_sub(steps));
        left > steps
    }

    fn scope<'s>(
        &'s self,
        address: &'s Address,
        rule: &'s Captures,
        conditions: &'s Captures,
    ) -> Scope<'s> {
        let Walk { request, secure, folder, maps, .. } = self;
        Scope { request, address, secure: *secure, folder, maps, rule, conditions }
    }

    /// What a rule does that takes the request.
    fn act(
        &self,
        at_rule: usize,
        found: &Captures,
        conditions: &Captures,
        state: &mut State,
    ) -> Next {
        let rule = &self.rules[at_rule];
        let name = rule.name;
        let place = at(rule.el);
        let stop = |becomes: String, text: String, fix: &str| {
            Next::End(Box::new(End::stopped(becomes, Trouble::error(place, text, fix))))
        };
        let exempt = self.exemption();
        match rule.action {
            Action::None => {}
            Action::Rewrite => {
                let filled = fill(rule.url, &self.scope(&state.address, found, conditions));
                let Some(url) = filled else {
                    let text = format!(
                        "the rule {name} rewrites requests to {}, which depends on the client",
                        rule.url
                    );
                    return stop(
                        format!(
                            "rewritten by the rule {name} to an address that is not known here"
                        ),
                        text,
                        &exempt,
                    );
                };
                state.address = rewritten(rule, &url, &state.address.query);
                state.changed_by = Some(at_rule);
                if rule.forwards() {
                    return Next::End(Box::new(self.forwarded(rule, &url, state)));
                }
            }
            Action::Redirect => {
                let text = format!(
                    "the rule {name} redirects requests to {}: WebSockets and POSTs do not follow",
                    rule.url
                );
                return stop(
                    format!("redirected by the rule {name} to {}", rule.url),
                    text,
                    &exempt,
                );
            }
            Action::CustomResponse => {
                let status = rule.action_el.attribute("statusCode").unwrap_or("a status");
                let text = format!("the rule {name} answers {status} in place of the server");
                return stop(format!("answered {status} by the rule {name}"), text, &exempt);
            }
            Action::AbortRequest => {
                let text = format!("the rule {name} cuts the connection");
                return stop(format!("cut off by the rule {name}"), text, &exempt);
            }
        }
        if rule.stops { Next::Handlers } else { Next::Rules }
    }

    /// What lets the engine's requests pass before a rule takes them.
    fn exemption(&self) -> String {
        let hosted = self.handlers.here.iter().any(|el| handlers::module(*el).is_some());
        if let Some(rule) = self.rules.iter().find(|rule| rule.forwards() && !hosted) {
            return format!("the rule {} before it, with stopProcessing=\"true\"", rule.name);
        }
        let first = self.request.path.split('/').next().unwrap_or_default().replace('.', "\\.");
        format!(
            "a rule before it: <match url=\"^{first}/\" /> with <action type=\"None\" /> and stopProcessing=\"true\""
        )
    }

    /// A request that a rule passes to another server.
    fn forwarded(&self, rule: &Rule<'a>, url: &str, state: &State) -> End {
        let (_, rest) = url.split_once("://").unwrap_or_default();
        let (host, _) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
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
    fn handle(&self, state: &State) -> End {
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

    /// The rule that led a request astray.
    fn changed(&self, state: &State) -> Option<Trouble> {
        let rule = &self.rules[state.changed_by?];
        let text =
            format!("the rule {} takes requests to {}, away from the server", rule.name, rule.url);
        Some(Trouble::error(at(rule.el), text, self.exemption()))
    }

    /// Why no rule passes a request to another server, if there are such rules.
    fn missed(&self) -> Option<Trouble> {
        let address = self.asked();
        let rule = self.rules.iter().find(|rule| rule.forwards())?;
        let place = at(rule.el);
        let name = rule.name;
        Some(match self.takes(rule, &address) {
            Takes::No(Why::Disabled) => {
                let text = format!("the rule {name} would pass requests on, and is off");
                Trouble::error(place, text, "enabled=\"true\"")
            }
            Takes::No(Why::Pattern) => {
                let pattern = rule.pattern.text();
                let text = match rule.negate {
                    true => format!("the rule {name} passes on all but {pattern}"),
                    false => format!("the rule {name} passes on {pattern} alone"),
                };
                Trouble::error(place, text, "<match url=\"(.*)\" />")
            }
            _ => {
                let text = format!(
                    "the rule {name} would pass requests on, and its conditions do not hold"
                );
                Trouble::error(place, text, "no such conditions")
            }
        })
    }

    fn nothing(&self) -> Trouble {
        let server: El<'_> = self.part.server();
        Trouble::error(
            at(server),
            "no handler passes requests on: IIS looks for files and answers 404",
            "add <handlers><add name=\"parlance\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" resourceType=\"Unspecified\" /></handlers>",
        )
    }
}

/// Where a request goes after a rule.
enum Next {
    Rules,
    Handlers,
    End(Box<End>),
}

/// The address after a rule.
fn rewritten(rule: &Rule<'_>, url: &str, query: &str) -> Address {
    let below = match url.split_once("://") {
        Some((_, rest)) => rest.find(['/', '?']).map_or("", |at| &rest[at..]),
        None => url.strip_prefix('~').unwrap_or(url),
    };
    let (path, own) = below.split_once('?').unwrap_or((below, ""));
    let query = match (own, rule.append_query) {
        ("", true) => query.to_owned(),
        (own, true) if !query.is_empty() => format!("{own}&{query}"),
        (own, _) => own.to_owned(),
    };
    Address { path: path.trim_start_matches('/').to_owned(), query }
}

/// Of two ways, according to a condition that nobody knows here: the one that arrives, and what speaks against it.
fn either(rule: &Rule<'_>, with: End, without: End) -> End {
    if !without.arrives() && with.arrives() {
        let becomes = format!("{}, if the conditions of the rule {} hold", with.becomes, rule.name);
        return End { becomes, ..with };
    }
    let mut end = without;
    if let Some(trouble) = with.trouble.filter(|_| end.trouble.is_none()) {
        let problem = format!("{}, if its conditions hold", trouble.problem);
        end.perhaps.push(Trouble { problem, ..trouble }.softened());
    }
    end.perhaps.extend(with.perhaps);
    end
}

/// The end that says more of two: of a client that comes by https, and one that comes by http.
pub fn better(https: End, http: End) -> End {
    match (https.arrives(), http.arrives()) {
        (true, false) => {
            let becomes = format!("{}; by http: {}", https.becomes, http.becomes);
            End { becomes, ..https }
        }
        (false, true) => {
            let becomes = format!("by http {}; by https: {}", http.becomes, https.becomes);
            End { becomes, ..http }
        }
        _ => https,
    }
}
