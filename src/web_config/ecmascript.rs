//! Regular expressions as ECMAScript has them, in the syntax of the library that runs them. URL Rewrite of IIS reads
//! the third edition: look-ahead and back-references, no look-behind, and no letters with a meaning of other dialects.

use std::iter::Peekable;
use std::str::Chars;

const SPACE: &str =
    r"\t-\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";

/// Translates a pattern.
///
/// # Errors
/// Why ECMAScript has no such pattern.
pub fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader { rest: pattern.chars().peekable(), groups: groups(pattern) };
    let mut out = String::new();
    // What a quantifier could follow: nothing, something, or a quantifier.
    let mut last = Last::Nothing;
    while let Some(c) = reader.rest.next() {
        last = match c {
            '\\' => {
                reader.escape(&mut out)?;
                Last::Atom
            }
            '[' => {
                reader.class(&mut out)?;
                Last::Atom
            }
            '(' => {
                reader.open(&mut out)?;
                Last::Nothing
            }
            '|' | '^' => {
                out.push(c);
                Last::Nothing
            }
            ')' | '$' => {
                out.push(c);
                Last::Atom
            }
            '.' => {
                out.push_str(r"[^\n\r\u{2028}\u{2029}]");
                Last::Atom
            }
            '*' | '+' | '?' => {
                let next = match (last, c) {
                    (Last::Nothing, _) => return Err(format!("nothing to repeat before `{c}`")),
                    (Last::Quantifier, '?') => Last::Lazy,
                    (Last::Quantifier | Last::Lazy, _) => {
                        return Err(format!("nothing to repeat before `{c}`"));
                    }
                    (Last::Atom, _) => Last::Quantifier,
                };
                out.push(c);
                next
            }
            '{' => match reader.counts() {
                Some(counts) if last == Last::Atom => {
                    out.push_str(&counts);
                    Last::Quantifier
                }
                Some(_) => return Err("nothing to repeat before `{`".into()),
                None => {
                    literal('{', &mut out);
                    Last::Atom
                }
            },
            _ => {
                literal(c, &mut out);
                Last::Atom
            }
        };
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Atom,
    Quantifier,
    Lazy,
}

/// The number of groups that capture.
fn groups(pattern: &str) -> usize {
    let mut chars = pattern.chars().peekable();
    let (mut count, mut in_class) = (0, false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class && chars.peek() != Some(&'?') => count += 1,
            _ => {}
        }
    }
    count
}

fn literal(c: char, out: &mut String) {
    match c.is_ascii_alphanumeric() {
        true => out.push(c),
        false => out.push_str(&format!(r"\x{{{:x}}}", c as u32)),
    }
}

/// One item of a class, or an escape outside of one.
enum Item {
    Char(char),
    Set(&'static str),
    /// All that is not in the set.
    Not(&'static str),
}

impl Item {
    fn push(&self, out: &mut String) {
        match self {
            Item::Char(c) => literal(*c, out),
            Item::Set(set) => out.push_str(&format!("[{set}]")),
            Item::Not(set) => out.push_str(&format!("[^{set}]")),
        }
    }
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    groups: usize,
}

impl Reader<'_> {
    fn open(&mut self, out: &mut String) -> Result<(), String> {
        out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        match self.rest.next() {
            Some(kind @ (':' | '=' | '!')) => {
                out.push('?');
                out.push(kind);
                Ok(())
            }
            Some('<') => Err("IIS knows no look-behind `(?<`".into()),
            other => Err(format!("`(?{}` is not ECMAScript", other.unwrap_or(' '))),
        }
    }

    /// The rest of `{2}`, `{2,}` or `{2,3}`; `None` if the brace stands for itself.
    fn counts(&mut self) -> Option<String> {
        let text: String = self.rest.clone().take_while(|c| *c != '}').take(12).collect();
        let (least, most) = text.split_once(',').unwrap_or((&text, ""));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let closed = self.rest.clone().nth(text.len()) == Some('}');
        if least.is_empty() || !is_number(least) || !is_number(most) || !closed {
            return None;
        }
        self.rest.nth(text.len());
        Some(format!("{{{text}}}"))
    }

    fn escape(&mut self, out: &mut String) -> Result<(), String> {
        match self.rest.peek() {
            Some('b' | 'B') => {
                out.push('\\');
                out.extend(self.rest.next());
            }
            Some(first @ '1'..='9') => {
                let first = *first as usize - '0' as usize;
                self.rest.next();
                let second = self.rest.peek().and_then(|c| c.to_digit(10)).map(|c| c as usize);
                let number = match second.map(|second| first * 10 + second) {
                    Some(both) if both <= self.groups => {
                        self.rest.next();
                        both
                    }
                    _ => first,
                };
                match number <= self.groups {
                    // A group that took no part is empty.
                    true => out.push_str(&format!(r"(?({number})\{number}|)")),
                    false => literal(char::from_u32(number as u32).unwrap_or(' '), out),
                }
            }
            _ => self.escaped()?.push(out),
        }
        Ok(())
    }

    /// What follows a backslash, in and out of classes.
    fn escaped(&mut self) -> Result<Item, String> {
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

    fn class(&mut self, out: &mut String) -> Result<(), String> {
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
