//! The elements of a file: which of them apply to a path, and what they say together.

use std::time::Duration;

use roxmltree::{Attribute, Document, Node};

use super::collection::{Entries, Order, collect};

/// An element.
pub type El<'a> = Node<'a, 'a>;

/// Where an element begins.
pub fn at(el: El<'_>) -> usize {
    el.range().start
}

pub fn child<'a>(el: El<'a>, name: &str) -> Option<El<'a>> {
    el.children().find(|child| child.has_tag_name(name))
}

pub fn children<'a>(el: El<'a>, name: &'static str) -> impl Iterator<Item = El<'a>> {
    el.children().filter(move |child| child.has_tag_name(name))
}

/// Whether an attribute is `true`; `default` if it is missing or neither.
pub fn flag(el: El<'_>, name: &str, default: bool) -> bool {
    truth(el.attribute(name), default)
}

pub fn truth(value: Option<&str>, default: bool) -> bool {
    match value.map(str::trim) {
        Some(value) if value.eq_ignore_ascii_case("true") => true,
        Some(value) if value.eq_ignore_ascii_case("false") => false,
        _ => default,
    }
}

/// Parses `hh:mm:ss` or `d.hh:mm:ss`.
pub fn span(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('.').unwrap_or(("0", text));
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    let days: u64 = days.parse().ok()?;
    let total = days.checked_mul(86_400)?.checked_add(hours.checked_mul(3600)?)?;
    Some(Duration::from_secs(total.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds)?))
}

/// The segments of a path, in small letters.
pub fn segments(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.map(str::to_ascii_lowercase).collect()
}

/// A `<system.webServer>`, and the folder that its `<location>` names.
struct Level<'a> {
    folder: Vec<String>,
    server: El<'a>,
}

/// All of a file that concerns the web server.
pub struct Site<'a> {
    document: &'a Document<'a>,
    /// From the outermost folder to the innermost.
    levels: Vec<Level<'a>>,
}

impl<'a> Site<'a> {
    pub fn read(document: &'a Document<'a>) -> Self {
        let servers = document.descendants().filter(|el| el.has_tag_name("system.webServer"));
        let mut levels: Vec<Level<'a>> = servers
            .map(|server| {
                let location = server.ancestors().find(|el| el.has_tag_name("location"));
                let path = location.and_then(|el| el.attribute("path")).unwrap_or_default();
                Level { folder: segments(path), server }
            })
            .collect();
        levels.sort_by_key(|level| level.folder.len());
        Site { document, levels }
    }

    pub fn root(&self) -> El<'a> {
        self.document.root_element()
    }

    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// The part of the file that applies to a path.
    pub fn for_path(&self, path: &str) -> Part<'a> {
        let asked = segments(path);
        let applies = |level: &&Level<'a>| asked.starts_with(&level.folder);
        let levels = self.levels.iter().filter(applies);
        let levels = levels.map(|level| (level.folder.len(), level.server)).collect();
        Part { root: self.root(), levels }
    }
}

/// What applies to a path, from the outermost folder to the innermost.
pub struct Part<'a> {
    root: El<'a>,
    /// With the number of segments of the folder.
    levels: Vec<(usize, El<'a>)>,
}

impl<'a> Part<'a> {
    /// The innermost `<system.webServer>`, or the root.
    pub fn server(&self) -> El<'a> {
        self.levels.first().map_or(self.root, |(_, server)| *server)
    }

    /// All elements at a place such as `security/requestFiltering`, each with the depth of its folder.
    pub fn deep(&self, place: &str) -> Vec<(usize, El<'a>)> {
        let mut found = self.levels.clone();
        for name in place.split('/') {
            let step = |(depth, el): (usize, El<'a>)| {
                let named = el.children().filter(|el| el.tag_name().name() == name);
                named.map(move |el| (depth, el)).collect::<Vec<_>>()
            };
            found = found.into_iter().flat_map(step).collect();
        }
        found
    }

    pub fn sections(&self, place: &str) -> Vec<El<'a>> {
        self.deep(place).into_iter().map(|(_, el)| el).collect()
    }

    /// The innermost element of a place.
    pub fn last(&self, place: &str) -> Option<El<'a>> {
        self.sections(place).pop()
    }

    /// The value of an attribute in force: the innermost.
    pub fn value(&self, place: &str, name: &str) -> Option<Attribute<'a, 'a>> {
        self.sections(place).into_iter().rev().find_map(|el| el.attribute_node(name))
    }

    /// The entries of a collection, in which inner folders can remove what outer ones add.
    pub fn entries(&self, place: &str, key: &str) -> Entries<'a> {
        collect(&self.sections(place), "add", key, Order::OuterFirst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        assert_eq!(span("00:02:00"), Some(Duration::from_secs(120)));
        assert_eq!(span("1.00:00:01"), Some(Duration::from_secs(86_401)));
        for wrong in ["", "120", "00:02", "a:b:c", "99999999999999999999:0:0", "0:0:0:0"] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
    }
}
