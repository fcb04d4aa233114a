//! Collections of a configuration file: `add`, `remove` and `clear`, over several folders.

use std::collections::HashSet;

use roxmltree::Node;

use super::tree::El;

/// Whether the entries of outer folders come before those of inner ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    OuterFirst,
    InnerFirst,
}

/// A collection after all of its `add`, `remove` and `clear`.
pub struct Entries<'a> {
    pub here: Vec<El<'a>>,
    /// Entries that are gone, with what removed them.
    pub gone: Vec<(El<'a>, El<'a>)>,
    /// Entries with the name of another: IIS refuses the file.
    pub twice: Vec<El<'a>>,
    /// Keys that were removed without an entry of this file, in small letters; and whether all were.
    pub inherited_gone: Vec<String>,
    pub cleared: bool,
}

pub fn collect<'a>(sections: &[El<'a>], entry: &str, key: &str, order: Order) -> Entries<'a> {
    let mut all = Entries {
        here: Vec::new(),
        gone: Vec::new(),
        twice: Vec::new(),
        inherited_gone: Vec::new(),
        cleared: false,
    };
    let key_of = |el: &El<'_>| el.attribute(key).map(|name| name.trim().to_ascii_lowercase());
    // Entries without a key are never the same as others.
    let mut known: HashSet<String> = HashSet::new();
    for section in sections {
        let mut new: Vec<El<'a>> = Vec::new();
        for el in section.children().filter(Node::is_element) {
            match (el.tag_name().name(), key_of(&el)) {
                (tag, name) if tag == entry => match name.is_some_and(|name| !known.insert(name)) {
                    true => all.twice.push(el),
                    false => new.push(el),
                },
                ("clear", _) => {
                    let gone = new.drain(..).chain(all.here.drain(..));
                    all.gone.extend(gone.map(|added| (added, el)));
                    known.clear();
                    all.cleared = true;
                }
                ("remove", Some(name)) => {
                    if !known.remove(&name) {
                        all.inherited_gone.push(name);
                        continue;
                    }
                    for list in [&mut new, &mut all.here] {
                        let is = |added: &El<'a>| key_of(added).as_ref() == Some(&name);
                        all.gone.extend(
                            list.iter().filter(|added| is(added)).map(|added| (*added, el)),
                        );
                        list.retain(|added| !is(added));
                    }
                }
                _ => {}
            }
        }
        match order {
            Order::OuterFirst => all.here.append(&mut new),
            Order::InnerFirst => all.here.splice(0..0, new).for_each(drop),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::super::tree::Site;
    use super::*;

    fn names(text: &str, path: &str, order: Order) -> Vec<String> {
        let document = Document::parse(text).unwrap();
        let part = Site::read(&document).for_path(path);
        let entries = collect(&part.sections("handlers"), "add", "name", order);
        entries.here.iter().map(|el| el.attribute("name").unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn locations_and_collections() {
        let text = r#"<configuration>
            <location path="Socket.IO/"><system.webServer><handlers>
                <remove name="B"/><add name="c"/>
            </handlers></system.webServer></location>
            <location path="other"><system.webServer><handlers><clear/></handlers></system.webServer></location>
            <system.webServer><handlers><add name="a"/><add name="b"/></handlers></system.webServer>
        </configuration>"#;
        assert_eq!(names(text, "", Order::OuterFirst), ["a", "b"]);
        assert_eq!(names(text, "socket.io/1/", Order::OuterFirst), ["a", "c"]);
        assert_eq!(names(text, "socket.io/1/", Order::InnerFirst), ["c", "a"]);
        assert_eq!(names(text, "socket.iox/", Order::OuterFirst), ["a", "b"]);
        assert!(names(text, "other/x", Order::OuterFirst).is_empty());
    }
}
