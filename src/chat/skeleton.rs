//! By what names are compared: what people take for the same name has the same skeleton.
//!
//! It is that of Unicode TS 39 (confusables), of letters without regard to case, with more that it leaves
//! out: small capitals, letters in boxes, marks that make no letter of their own, spaces, dots at the ends,
//! a capital I for an l. What is left is compared, and never shown.

use smallvec::SmallVec;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

/// What people may read a name as: one to three forms. Names with a form in common are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skeleton(Box<[Box<str>]>);

/// Characters that are looked at: a name of 32 visible ones is hardly ever longer.
const LONGEST: usize = 600;

/// In a form: what looks like an l or an I and begins a word.
const BEGINS_LIKE_L: char = '\u{1}';

impl Skeleton {
    /// The skeleton of a name. It is empty if the text shows nothing.
    pub fn of(text: &str) -> Self {
        let shown = text.nfkc().filter(|c| !is_blank(*c) && !is_mark(*c));
        let shown: Vec<char> = shown.take(LONGEST).collect();
        // Once by what letters look like as they are, twice for a capital I, and once by what they are in lower
        // case: of letters without a Latin likeness, only one of two cases may have one (Ν is an N, ν is a v).
        let mut forms: Vec<Box<str>> = Vec::with_capacity(3);
        for reading in [Reading::Letters, Reading::Looks, Reading::LowerCase] {
            let form = form(&shown, reading);
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        Skeleton(forms.into())
    }

    /// Whether people may take a name of one for a name of the other.
    pub fn is_like(&self, other: &Skeleton) -> bool {
        self.0.iter().any(|form| other.0.contains(form))
    }

    /// Its forms.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|form| &**form)
    }

    /// The form of the letters as they are, by which a name is known where it has to be one text.
    pub fn letters(&self) -> &str {
        self.0.first().map_or("", |form| form)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Letters,
    Looks,
    LowerCase,
}

fn form(shown: &[char], reading: Reading) -> Box<str> {
    let mut form = String::with_capacity(shown.len() * 2);
    let mut begins = true;
    for &c in shown {
        if c.is_whitespace() {
            begins = true;
            continue;
        }
        match (reading, like_l(c)) {
            (Reading::Looks, Some(_)) if begins => form.push(BEGINS_LIKE_L),
            (Reading::Looks, Some(_)) => form.push('l'),
            (Reading::Letters, Some(LikeL::Capital)) => form.push('i'),
            (Reading::Letters | Reading::Looks, _) => form.extend(prototype(c).flat_map(folded)),
            (Reading::LowerCase, _) => form.extend(fold(c).flat_map(folded)),
        }
        begins = false;
    }
    let form: String = form.nfd().collect();
    // The dot of an i, which it has anyway.
    let form = form.replace("i\u{307}", "i").replace("j\u{307}", "j");
    match form.trim_matches(is_slight) {
        "" => form.into(),
        trimmed => trimmed.into(),
    }
}

enum LikeL {
    Capital,
    Other,
}

/// Whether a character looks like an l, and if so, whether it is a capital, as I is.
fn like_l(c: char) -> Option<LikeL> {
    let mut looks = prototype(c);
    if (looks.next(), looks.next()) != (Some('l'), None) {
        return None;
    }
    Some(if fold(c).eq([c]) { LikeL::Other } else { LikeL::Capital })
}

/// What a character looks like, by Unicode TS 39; in place of letters in boxes and small capitals the letters.
fn prototype(c: char) -> impl Iterator<Item = char> + use<> {
    let mut buffer = [0; 4];
    let looks: SmallVec<[char; 4]> = match c {
        // It takes letters of Thai for each other that Thais do not.
        '\u{e01}'..='\u{e2e}' => [c].into_iter().collect(),
        c => skeleton(letter(c).encode_utf8(&mut buffer)).map(letter).collect(),
    };
    looks.into_iter()
}

/// A character in lower case, and what that looks like.
fn folded(c: char) -> impl Iterator<Item = char> {
    fold(c).flat_map(prototype).flat_map(fold).flat_map(|c| match c {
        'w' => ['v', 'v'].into_iter().take(2),
        c => [c, c].into_iter().take(1),
    })
}

/// Case folding: also of letters that have two forms in lower case.
fn fold(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// The Latin letter in a box, in a circle, or as a small capital; other characters as they are.
fn letter(c: char) -> char {
    const SMALL_CAPITALS: [(char, char); 24] = [
        ('ᴀ', 'a'),
        ('ʙ', 'b'),
        ('ᴄ', 'c'),
        ('ᴅ', 'd'),
        ('ᴇ', 'e'),
        ('ꜰ', 'f'),
        ('ɢ', 'g'),
        ('ʜ', 'h'),
        ('ɪ', 'i'),
        ('ᴊ', 'j'),
        ('ᴋ', 'k'),
        ('ʟ', 'l'),
        ('ᴍ', 'm'),
        ('ɴ', 'n'),
        ('ᴏ', 'o'),
        ('ᴘ', 'p'),
        ('ʀ', 'r'),
        ('ꜱ', 's'),
        ('ᴛ', 't'),
        ('ᴜ', 'u'),
        ('ᴠ', 'v'),
        ('ᴡ', 'w'),
        ('ʏ', 'y'),
        ('ᴢ', 'z'),
    ];
    let of = |first: u32| char::from_u32('A' as u32 + (c as u32 - first)).unwrap_or(c);
    match c {
        // In white on black, and the halves of flags.
        '🅐'..='🅩' => of('🅐' as u32),
        '🅰'..='🆉' => of('🅰' as u32),
        '🇦'..='🇿' => of('🇦' as u32),
        c => SMALL_CAPITALS.iter().find(|(small, _)| *small == c).map_or(c, |(_, letter)| *letter),
    }
}

/// Whether a character shows nothing at all, wherever it stands, or what nobody knows: characters of private
/// use are blank or a box. White space is not among them.
pub fn is_blank(c: char) -> bool {
    // What is ignorable by default has no skeleton.
    let is_ignorable =
        |c: char| !c.is_ascii() && skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
    matches!(c, '\u{2800}' | '\u{fffc}' | '\u{1d159}' | '\u{2d7f}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..)
        || is_ignorable(c)
}

/// Whether a text has something to see that stands by itself.
pub fn is_visible(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !is_blank(c) && !is_combining_mark(c))
}

/// Whether a character looks like a colon.
pub fn is_colon(c: char) -> bool {
    matches!(c, ':' | '\u{ff1a}' | '\u{fe13}' | '\u{fe55}' | '\u{205d}' | '\u{22ee}')
        || prototype(c).eq([':'])
}

/// Whether a character adds only a little to the one before it, and no sound: marks of no script of their own
/// that make no letter with the one before, vowel marks of Arabic and Hebrew, colours of skin.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}'..='\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Whether a character is so slight that it is not noticed at the ends of a name.
fn is_slight(c: char) -> bool {
    matches!(c, '.' | ',' | ':' | ';' | '\'' | '"' | '`' | '-' | '_' | '~' | '!' | '·' | '´' | '¨' | '¯' | '¸'
        | '\u{2b9}'..='\u{2ff}' | '\u{2010}'..='\u{2027}' | '\u{2032}'..='\u{203a}' | '\u{2043}' | '、' | '。' | '・' | 'ꞏ' | '،' | '؛' | '۔' | '٫' | '٬' | '⸱')
}

/// Words that nobody may call themselves, and whatever could be read as one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reserved(Vec<Box<str>>);

impl Reserved {
    pub fn new<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Self {
        let words = words.into_iter().map(|word| bare(word.as_ref()));
        Reserved(words.filter(|word| !word.is_empty()).collect())
    }

    /// Whether a name could be read as one of the words.
    pub fn has(&self, name: &str) -> bool {
        let name = bare(name);
        self.0.contains(&name)
    }
}

/// The letters of a name alone: without accents, decoration, and digits at its end, with digits in the place of
/// letters read as these.
fn bare(text: &str) -> Box<str> {
    let shown = text.nfkd().filter(|c| !is_blank(*c) && !is_combining_mark(*c));
    let letters = shown.flat_map(|c| match c {
        '@' => vec!['a'],
        '$' => vec!['s'],
        '€' => vec!['e'],
        '!' | '¡' => vec!['i'],
        '0'..='9' => vec![c],
        c => prototype(c).flat_map(folded).collect(),
    });
    let text: String = letters.filter(|c| c.is_alphanumeric()).collect();
    let kept = match text.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "" => &text,
        kept => kept,
    };
    let letter = |c| match c {
        '0' => 'o',
        '1' | 'l' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        c => c,
    };
    let kept: String = kept.nfd().filter(|c| !is_combining_mark(*c)).map(letter).collect();
    kept.into()
}

#[cfg(test)]
mod tests;
