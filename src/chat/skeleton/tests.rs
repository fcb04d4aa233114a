use super::*;

fn alike(one: &str, other: &str) -> bool {
    Skeleton::of(one).is_like(&Skeleton::of(other))
}

/// What somebody may do to pass for somebody else: the name, the trick, what it is.
const TRICKS: &[(&str, &str, &str)] = &[
    ("Ann", "ann", "lower case"),
    ("Ann", "ANN", "upper case"),
    ("Ann", "Аnn", "a Cyrillic А"),
    ("Ann", "Αnn", "a Greek Α"),
    ("Ann", "ΑΝΝ", "all of it Greek capitals"),
    ("Ann", "Ꭺnn", "a Cherokee letter"),
    ("Ann", "Ａｎｎ", "full width"),
    ("Ann", "𝐀𝐧𝐧", "bold letters of mathematics"),
    ("Ann", "𝒜𝓃𝓃", "script letters of mathematics"),
    ("Ann", "𝔸𝕟𝕟", "letters with double strokes"),
    ("Ann", "Ⓐⓝⓝ", "letters in circles"),
    ("Ann", "🅐🅝🅝", "letters in black circles"),
    ("Ann", "🄰🄽🄽", "letters in squares"),
    ("Ann", "🅰🅽🅽", "letters in black squares"),
    ("Ann", "🇦🇳🇳", "halves of flags"),
    ("Ann", "ᴀɴɴ", "small capitals"),
    ("Ann", "ᴬⁿⁿ", "superscripts"),
    ("Ann", "A\u{200b}nn", "a space of no width"),
    ("Ann", "A\u{200d}nn", "a joiner"),
    ("Ann", "A\u{ad}nn", "a soft hyphen"),
    ("Ann", "Ann\u{fe0f}", "a variation selector"),
    ("Ann", "Ann\u{e0041}", "a tag"),
    ("Ann", "A\u{34f}nn", "a grapheme joiner"),
    ("Ann", "\u{200e}Ann", "a mark of direction"),
    ("Ann", "Ann\u{3164}", "a filler of Hangul"),
    ("Ann", "Ann\u{2800}", "an empty pattern of Braille"),
    ("Ann", "Ann\u{e000}", "a character of private use"),
    ("Ann", "A\u{200a}nn", "a hair space"),
    ("Ann", "A nn", "a space"),
    ("Ann Lee", "Ann  Lee", "two spaces"),
    ("Ann Lee", "Ann\u{a0}Lee", "another space"),
    ("Ann", "Ann.", "a dot at the end"),
    ("Ann", "Ann…", "three dots"),
    ("Ann", "'Ann'", "quotes"),
    ("Ann", "_Ann_", "lines"),
    ("Ann", "Ann-", "a hyphen"),
    ("Ann", "‧Ann", "a dot before it"),
    ("Ann", "Ann:", "a colon"),
    ("Ann", "A\u{334}n\u{334}n\u{334}", "marks over it"),
    ("Ann", "A\u{326}nn", "a mark below"),
    ("Ann", "Ann\u{20dd}", "a circle around a letter"),
    ("alice", "аlісе", "three Cyrillic letters"),
    ("alice", "αlιce", "Greek letters"),
    ("alice", "alıce", "an i without its dot"),
    ("alice", "alİce", "a capital with a dot"),
    ("alice", "al\u{131}\u{307}ce", "a dot put on an i without one"),
    ("alice", "a1ice", "a digit for an l"),
    ("alice", "a|ice", "a line for an l"),
    ("alice", "aIice", "a capital I for an l"),
    ("alice", "AIice", "a capital I for an l, and a capital"),
    ("alice", "aⅼice", "a Roman numeral"),
    ("alice", "alicе", "a Cyrillic e"),
    ("alice", "al\u{2170}ce", "another Roman numeral"),
    ("Ian", "lan", "an l for a capital I"),
    ("Ian", "1an", "a digit for a capital I"),
    ("nina", "ΝІna", "a Greek and a Cyrillic capital"),
    ("bob", "b0b", "a nought for an o"),
    ("BOB", "BОB", "a Cyrillic О"),
    ("bob", "Вob", "a Cyrillic В"),
    ("tom", "torn", "two letters for one"),
    ("Walter", "VValter", "two letters for a W"),
    ("office", "oﬃce", "a ligature"),
    ("STRASSE", "straße", "two letters in upper case"),
    ("Νίκος", "ΝΊΚΟΣ", "upper case of Greek"),
    ("Νίκος", "Nίκος", "a Latin letter in Greek"),
    ("Вера", "Bepa", "Latin letters for Cyrillic ones"),
    ("Вера", "ВЕРА", "upper case of Cyrillic"),
    ("José", "Jose\u{301}", "composition"),
    ("김민준", "\u{1100}\u{1175}\u{11b7}민준", "letters of a syllable"),
    ("김민준", "\u{1100}\u{1175}\u{1106}민준", "an initial for a final"),
    ("김민준", "ㄱㅣㅁ민준", "letters one by one"),
    ("김민준", "ﾡￜﾱ민준", "letters of half width"),
    ("김민준", "김 민준", "a space"),
    ("김민준", "김민준\u{115f}\u{1160}", "fillers"),
    ("김민준", "김민준\u{3002}", "a full stop"),
    ("김민준", "김\u{200b}민준", "a space of no width in it"),
    ("ガク", "ｶﾞｸ", "katakana of half width"),
    ("カナ", "力ナ", "an ideograph for a katakana"),
    ("ロミ", "口ミ", "another"),
    ("علي", "علـي", "a stretched line"),
    ("محمد", "مُحَمَّد", "marks of vowels"),
    ("👍", "👍🏽", "a colour of skin"),
    ("❤️", "❤", "a variation selector"),
];

#[test]
fn nobody_passes_for_somebody_else() {
    let passed: Vec<_> = TRICKS.iter().filter(|(name, trick, _)| !alike(name, trick)).collect();
    assert!(passed.is_empty(), "{passed:?}");
    for (name, trick, _) in TRICKS {
        assert!(alike(trick, name) && alike(name, name) && alike(trick, trick));
    }
}

/// Names of people who have nothing to do with each other.
const HONEST: &[(&str, &str)] = &[
    ("Ann", "Anna"),
    ("Ann", "Anne"),
    ("Ann", "Dan"),
    ("Ann", "An"),
    ("Ann", "Ann (2)"),
    ("Ann (2)", "Ann (3)"),
    ("Ann", "Ann2"),
    ("Ian", "Lan"),
    ("Ian", "Jan"),
    ("Ali", "Ala"),
    ("Alice", "Alicia"),
    ("Clara", "Dara"),
    ("Mia", "Nia"),
    ("Marc", "Mark"),
    ("Nina", "Vina"),
    ("Zoe", "Zoë"),
    ("José", "Jose"),
    ("Müller", "Muller"),
    ("Bjorn", "Bjørn"),
    ("Łukasz", "Lukasz"),
    ("user 1", "user 2"),
    ("user 1", "user 10"),
    ("user 11", "user 12"),
    ("x", "y"),
    ("c", "c++"),
    ("a b", "a c"),
    ("...", "---"),
    ("민준", "민지"),
    ("김민준", "김민주"),
    ("서연", "서현"),
    ("지우", "지후"),
    ("하은", "하윤"),
    ("이준", "이준호"),
    ("박서준", "박시준"),
    ("수아", "수야"),
    ("محمد", "أحمد"),
    ("محمد", "محمود"),
    ("فاطمة", "عائشة"),
    ("حسن", "حسين"),
    ("さくら", "さくこ"),
    ("ゆき", "ゆみ"),
    ("花子", "桃子"),
    ("太郎", "次郎"),
    ("太郎", "大郎"),
    ("はな", "ばな"),
    ("李伟", "李娜"),
    ("王芳", "王方"),
    ("דנה", "דינה"),
    ("Иван", "Ивана"),
    ("Олег", "Ольга"),
    ("Маша", "Даша"),
    ("Νίκος", "Νίκη"),
    ("अमित", "अमिता"),
    ("ดา", "ตา"),
    ("สมชาย", "สมหญิง"),
    ("👍", "👎"),
    ("👩‍👩‍👧", "👨‍👩‍👧"),
    ("😀", "😃"),
];

#[test]
fn honest_names_are_no_ones_else() {
    let alike: Vec<_> = HONEST.iter().filter(|(one, other)| alike(one, other)).collect();
    assert!(alike.is_empty(), "{alike:?}");
}

#[test]
fn no_two_syllables_of_hangul_are_alike() {
    let mut forms = std::collections::HashMap::new();
    for syllable in '가'..='힣' {
        for form in Skeleton::of(&syllable.to_string()).forms() {
            let before = forms.insert(form.to_owned(), syllable);
            assert_eq!(before, None, "{syllable}");
        }
    }
}

#[test]
fn what_could_be_read_as_a_reserved_word() {
    let reserved =
        Reserved::new(["admin", "Administrator", "server", "관리자", "system", "root", "  "]);
    for name in [
        "admin",
        "Admin",
        "ADMIN",
        "аdmin",
        "ａｄｍｉｎ",
        "𝓪𝓭𝓶𝓲𝓷",
        "adm1n",
        "admln",
        "adm|n",
        "adm!n",
        "AdmIn",
        "àdmín",
        "4dmin",
        "@dmin",
        "adrnin",
        "a d m i n",
        "a.d.m.i.n",
        "[admin]",
        "★ admin ★",
        "admin ✓",
        "admin2",
        "Admin (2)",
        "ad\u{200b}min",
        "ᴀᴅᴍɪɴ",
        "🅰🅳🅼🅸🅽",
        "administrator",
        "S3rver",
        "$erver",
        "5y5tem",
        "r00t",
        "관리자",
        "관 리 자",
        "ㄱㅘㄴ리자",
        "관리자1",
    ] {
        assert!(reserved.has(name), "{name}");
    }
    for name in [
        "Adam", "Ruth", "admiral", "Aidan", "serverin", "systole", "관리", "관우", "", "2", "...",
        "♥",
    ] {
        assert!(!reserved.has(name), "{name}");
    }
    assert!(!Reserved::default().has("admin"));
}

#[test]
fn what_shows_nothing() {
    for text in [
        "",
        " ",
        "\u{3164}",
        "\u{301}",
        "\u{2800}",
        "\u{1f3fb}\u{fe0f}".trim_start_matches('\u{1f3fb}'),
    ] {
        assert!(!is_visible(text), "{text:?}");
    }
    for text in ["a", "한", "👍", ".", "\u{301}a", "ि क"] {
        assert!(is_visible(text), "{text:?}");
    }
    for colon in [':', '：', '∶', '꞉', '׃', '։', 'ː', '︓', '﹕', '⁝'] {
        assert!(is_colon(colon), "{colon}");
    }
    assert!(!is_colon('.') && !is_colon(';') && !is_colon('ㅣ'));
}

/// Characters that stand for many do not make a name longer without end.
#[test]
fn a_skeleton_has_a_bound() {
    let longest = "\u{fdfa}".repeat(170);
    let skeleton = Skeleton::of(&longest);
    assert!(skeleton.forms().all(|form| (1..8 * LONGEST).contains(&form.len())));
}
