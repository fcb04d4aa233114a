//! The check as a whole: reads the file, follows each request, and puts the findings together.

use roxmltree::{Document, TextPos};

use super::end::{End, better};
use super::handlers;
use super::process::Start;
use super::report::{Finding, Line, Report, Severity, Trouble};
use super::request::{Purpose, Request, samples};
use super::template::Maps;
use super::tree::{Site, at};
use super::walk::Walk;
use super::{Needs, access, advice, filtering, rules, text};
use crate::config::Settings;

/// Checks the bytes of a `web.config`.
pub fn inspect(bytes: &[u8], needs: &Needs<'_>) -> Report {
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err(why) => return unreadable(TextPos::new(1, 1), why.into()),
    };
    let document = match Document::parse(&text) {
        Ok(document) => document,
        Err(error) => {
            return unreadable(error.pos(), format!("this is no XML that can be read: {error}"));
        }
    };
    let mut report = check(&document, needs);
    if text::says_utf16(bytes) {
        let text = "the file says that it is UTF-16, and is not: IIS may refuse it";
        report
            .findings
            .insert(0, finding(TextPos::new(1, 1), Trouble::advice(0, text, "encoding=\"utf-8\"")));
    }
    report
}

fn unreadable(place: TextPos, problem: String) -> Report {
    let fix = "write it as XML; IIS answers everything with 500.19 until then";
    let findings = vec![finding(place, Trouble::error(0, problem, fix))];
    Report { module: None, folder: "/".into(), lines: Vec::new(), findings }
}

fn finding(place: TextPos, trouble: Trouble) -> Finding {
    let Trouble { severity, problem, fix, .. } = trouble;
    Finding { line: place.row, column: place.col, severity, problem, requests: Vec::new(), fix }
}

fn check(document: &Document<'_>, needs: &Needs<'_>) -> Report {
    let site = Site::read(document);
    let root = site.root();
    let wrong = if !root.has_tag_name("configuration") {
        Some(("the root element is not <configuration>", "begin with <configuration>"))
    } else if site.is_empty() {
        Some((
            "there is no <system.webServer>: nothing passes requests on",
            "add <system.webServer> with a handler, as in Parlance's own web.config",
        ))
    } else {
        None
    };
    if let Some((text, fix)) = wrong {
        let place = document.text_pos_at(at(root));
        let findings = vec![finding(place, Trouble::error(0, text, fix))];
        return Report { module: None, folder: "/".into(), lines: Vec::new(), findings };
    }
    // With a base path, the file may lie in the root of the site or in the folder of the application.
    let base = format!("{}/", needs.settings.base_path.trim_end_matches('/'));
    let of_root = in_folder(document, &site, needs, "/");
    if base == "/" || of_root.errors() == 0 {
        return of_root;
    }
    let of_application = in_folder(document, &site, needs, &base);
    if of_application.errors() == 0 { of_application } else { of_root }
}

/// All that is found, with the names of the requests that it concerns.
#[derive(Default)]
struct Found(Vec<(Trouble, Vec<&'static str>)>);

impl Found {
    fn add(&mut self, trouble: Trouble, request: Option<&'static str>) {
        match self.0.iter_mut().find(|(other, _)| *other == trouble) {
            Some((_, requests)) => {
                requests.extend(request.filter(|name| !requests.contains(name)));
            }
            None => self.0.push((trouble, request.into_iter().collect())),
        }
    }

    /// Without advice that an error says as well.
    fn finished(mut self) -> Vec<(Trouble, Vec<&'static str>)> {
        let errors = self.0.iter().filter(|(trouble, _)| trouble.severity == Severity::Error);
        let errors: Vec<Trouble> = errors.map(|(trouble, _)| trouble.clone().softened()).collect();
        self.0.retain(|(trouble, _)| !errors.contains(trouble));
        self.0
    }

    fn extend(&mut self, troubles: impl IntoIterator<Item = Trouble>) {
        troubles.into_iter().for_each(|trouble| self.add(trouble, None));
    }
}

fn in_folder(document: &Document<'_>, site: &Site<'_>, needs: &Needs<'_>, folder: &str) -> Report {
    let mut found = Found::default();
    found.extend(advice::unread(site.root()));
    let settings = hosted(site, needs, folder, &mut found);
    let requests = samples(&settings, folder);
    let mut lines = Vec::new();
    let mut module = None;
    for request in &requests {
        let end = follow(site, &settings, folder, request, &mut found);
        module = module.or(end.module.filter(|_| request.is_essential()));
        lines.push(Line {
            request: request.shown(folder),
            arrives: end.arrives(),
            becomes: end.becomes,
        });
    }
    let engine = requests.first().map(|request| request.path.clone()).unwrap_or_default();
    let part = site.for_path(&engine);
    let entries = handlers::entries(&part);
    found.extend(advice::advice(&part, module, &entries));
    found.extend(access::restrictions(&part));
    found.extend(filtering::bodies(&part, settings.max_payload));
    let all = requests.iter().filter(|request| request.is_essential()).count();
    let mut findings: Vec<Finding> = found
        .finished()
        .into_iter()
        .map(|(trouble, mut names)| {
            if names.len() >= all {
                names.clear();
            }
            Finding { requests: names, ..finding(document.text_pos_at(trouble.at), trouble) }
        })
        .collect();
    findings.sort_by_key(|finding| {
        (finding.line, finding.column, finding.severity == Severity::Advice)
    });
    Report { module, folder: folder.to_owned(), lines, findings }
}

/// The settings of the server that the file starts, and what is wrong with its start.
fn hosted(site: &Site<'_>, needs: &Needs<'_>, folder: &str, found: &mut Found) -> Settings {
    let engine = samples(needs.settings, folder).remove(0);
    let part = site.for_path(&engine.path);
    let entries = handlers::entries(&part);
    for el in &entries.twice {
        let text = format!(
            "there is a handler {} already: IIS answers everything with 500.19",
            handlers::name(*el)
        );
        found.add(Trouble::error(at(*el), text, "another name"), None);
    }
    let module = entries.here.iter().find_map(|el| handlers::module(*el));
    let Some(module) = module else { return needs.settings.clone() };
    match Start::of(module, &part) {
        Ok(Some(start)) => {
            let (settings, troubles) = start.settings(needs);
            found.extend(troubles);
            settings
        }
        Ok(None) => needs.settings.clone(),
        Err(trouble) => {
            found.add(trouble, None);
            needs.settings.clone()
        }
    }
}

/// Follows one request, of a client that comes by https and of one that comes by http.
fn follow(
    site: &Site<'_>,
    settings: &Settings,
    folder: &str,
    request: &Request,
    found: &mut Found,
) -> End {
    let part = site.for_path(&request.path);
    let essential = request.is_essential();
    let (rules, troubles) = rules::read(&part);
    if essential {
        found.extend(troubles);
    }
    let entries = handlers::entries(&part);
    let maps = Maps::read(&part);
    let walk = |secure| {
        let base = &settings.base_path;
        Walk::new(&part, &rules, &entries, &maps, folder, base, request, secure).go()
    };
    let mut end = better(walk(true), walk(false));
    let tell = |trouble: Trouble| {
        // A page may lie elsewhere, and so may the library: that is the operator's choice.
        match request.purpose {
            Purpose::Engine | Purpose::WebSocket => Some(trouble),
            Purpose::Library => Some(trouble.softened()),
            Purpose::Page => None,
        }
    };
    if essential {
        found.extend(rules::broken(&rules));
    }
    let url = format!("{folder}{}", request.path);
    let refusals = filtering::refusals(&part, request, &url);
    if let Some(refusal) = refusals.first() {
        end.becomes = format!("refused: {}", refusal.problem);
        end.trouble.get_or_insert_with(|| refusal.clone());
    }
    let troubles = refusals.into_iter().chain(end.trouble.clone()).chain(end.perhaps.clone());
    for trouble in troubles.filter_map(tell) {
        found.add(trouble, Some(request.name));
    }
    end
}
