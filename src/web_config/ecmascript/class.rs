//! Escapes, and classes such as `[a-z\d]`.

use super::{Reader, literal};

const SPACE: &str =
    r"\t-\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";

/// One item of a class, or an escape outside of one.
pub enum Item {
    Char(char),
    Set(&'static str),
    /// All that is not in the set.
    Not(&'static str),
}

impl Item {
    pub fn push(&self, out: &mut String) {
        match self {
            Item::Char(c) => literal(*c, out),
            Item::Set(set) => out.push_str(&format!("[{set}]")),
            Item::Not(set) => out.push_str(&format!("[^{set}]")),
        }
    }
}

impl Reader<'_> {
    /// What follows a backslash, in and out of classes.
    pub(super) fn escaped(&mut self) -> Result<Item, String> {
        let c = self.rest.next().ok_or("it ends with a backslash")?;
        Ok(match c {
            'd' => Item::Set("0-9"),
            'D' => Item::Not("0-9"),
            'w' => Item::Set("0-9A-Za-z_"),
            'W' => Item::Not("0-9A-Za-z_"),
            's' => Item::Set(SPACE),
            'S' => Item::Not(SPACE),
            't' => Item::Char('\t'),
            'n' => Item::Char('\n'),
            'v' => Item::Char('\u{b}'),
            'f' => Item::Char('\u{c}'),
            'r' => Item::Char('\r'),
            '0' => Item::Char('\0'),
            'x' => Item::Char(self.hex(2).unwrap_or('x')),
            'u' => Item::Char(self.hex(4).unwrap_or('u')),
            'c' => match self.rest.next_if(char::is_ascii_alphabetic) {
                Some(letter) => Item::Char((letter as u8 % 32) as char),
                None => Item::Char('c'),
            },
            other => Item::Char(other),
        })
    }

    fn hex(&mut self, digits: usize) -> Option<char> {
        let text: String = self.rest.clone().take(digits).collect();
        let valid = text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        let value = valid.then(|| u32::from_str_radix(&text, 16).ok()).flatten()?;
        self.rest.nth(digits - 1);
        char::from_u32(value)
    }

    pub(super) fn class(&mut self, out: &mut String) -> Result<(), String> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut items: Vec<Item> = Vec::new();
        loop {
            items.push(match self.rest.next().ok_or("a `[` is not closed")? {
                ']' => break,
                '\\' if self.rest.next_if_eq(&'b').is_some() => Item::Char('\u{8}'),
                '\\' => self.escaped_of_class()?,
                c => Item::Char(c),
            });
        }
        if items.is_empty() {
            // Nothing, or any character.
            out.push_str(if negated { r"[\u{0}-\u{10ffff}]" } else { r"[^\u{0}-\u{10ffff}]" });
            return Ok(());
        }
        out.push_str(if negated { "[^" } else { "[" });
        let mut rest = &items[..];
        while let [first, more @ ..] = rest {
            rest = match (first, more) {
                (Item::Char(from), [Item::Char('-'), Item::Char(to), after @ ..]) => {
                    if from > to {
                        return Err(format!("`{from}-{to}` is out of order"));
                    }
                    literal(*from, out);
                    out.push('-');
                    literal(*to, out);
                    after
                }
                _ => {
                    first.push(out);
                    more
                }
            };
        }
        out.push(']');
        Ok(())
    }

    /// An escape in a class: a hyphen that is escaped does not make a range.
    fn escaped_of_class(&mut self) -> Result<Item, String> {
        match self.rest.next_if_eq(&'-') {
            Some(_) => Ok(Item::Set(r"\x{2d}")),
            None => self.escaped(),
        }
    }
}
