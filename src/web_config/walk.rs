//! The way of one request through IIS: rewrite rules in their order, then redirects, handlers, the module that hosts the
//! server, and what arrives there.

mod blame;
mod handling;

use std::cell::Cell;

use super::collection::Entries;
use super::end::{End, either};
use super::pattern::Captures;
use super::report::Trouble;
use super::request::Request;
use super::rule::{Action, Rule, Takes, Why};
use super::template::{Address, Maps, Scope, fill};
use super::tree::{Part, at};

/// Rules and handlers that are tried for one request: conditions that may hold or not make several ways.
const MOST_STEPS: usize = 20_000;

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
        let takes = match rule.takes(&self.scope(address, &nothing, &nothing)) {
            // Where it goes to is not known.
            Takes::Yes { rule: found, conditions }
                if rule.action == Action::Rewrite
                    && self.rewritten(rule, address, &found, &conditions).is_none() =>
            {
                Takes::Perhaps { rule: found, conditions }
            }
            takes => takes,
        };
        match (self.spend(1), takes) {
            // Enough ways were tried.
            (false, Takes::Perhaps { .. }) => Takes::No(Why::Condition),
            (_, takes) => takes,
        }
    }

    /// The address after a rule. `None` if it depends on the client.
    fn rewritten(
        &self,
        rule: &Rule<'_>,
        address: &Address,
        found: &Captures,
        conditions: &Captures,
    ) -> Option<Address> {
        let (_, below) = rule.target();
        let below = fill(below, &self.scope(address, found, conditions))?;
        let (path, own) = below.split_once('?').unwrap_or((&below, ""));
        let query = match (own, rule.append_query, &*address.query) {
            ("", true, query) => query.to_owned(),
            (own, true, query) if !query.is_empty() => format!("{own}&{query}"),
            (own, ..) => own.to_owned(),
        };
        Some(Address { path: path.trim_start_matches('/').to_owned(), query })
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
                let Some(address) = self.rewritten(rule, &state.address, found, conditions) else {
                    let text = format!(
                        "the rule {name} rewrites requests to {}, which depends on the client",
                        rule.url
                    );
                    let becomes = format!("rewritten by the rule {name}, nobody knows to what");
                    return stop(becomes, text, &exempt);
                };
                state.address = address;
                state.changed_by = Some(at_rule);
                if rule.forwards() {
                    return Next::End(Box::new(self.forwarded(rule, state)));
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
}

/// Where a request goes after a rule.
enum Next {
    Rules,
    Handlers,
    End(Box<End>),
}
