//! Regular expressions as ECMAScript has them, in the syntax of the library that runs them. URL Rewrite of IIS reads
//! the third edition: look-ahead and back-references, no look-behind, and no letters with a meaning of other dialects.

mod class;

use std::iter::Peekable;
use std::str::Chars;

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
}
