//! Patterns match as ECMAScript has it. What is expected was found with `RegExp` of Node.

use super::super::pattern::{Match, Pattern, Syntax};

/// Pattern, text, whether case is ignored, and the captures. `None` if it does not match.
const ECMASCRIPT: &[(&str, &str, bool, Option<&[&str]>)] = &[
    ("^socket\\.io/", "socket.io/1/", true, Some(&["socket.io/"])),
    ("^(?!api/).*", "socket.io/", true, Some(&["socket.io/"])),
    ("^(?!api/).*", "API/x", true, None),
    ("^(?=s)(.*)/$", "socket.io/", true, Some(&["socket.io/", "socket.io"])),
    ("^[\\w.-]+/$", "socket.io/", true, Some(&["socket.io/"])),
    ("[^/]+", "socket.io/", true, Some(&["socket.io"])),
    ("^[]a", "a", true, None),
    ("^[^]+$", "a\nb", true, Some(&["a\nb"])),
    ("a{2}", "aa", true, Some(&["aa"])),
    ("a{,2}", "a{,2}", true, Some(&["a{,2}"])),
    ("a{", "a{", true, Some(&["a{"])),
    ("x{R:1}", "x{R:1}", true, Some(&["x{R:1}"])),
    ("^\\/?socket", "socket", true, Some(&["socket"])),
    ("\\d+", "EIO=4", true, Some(&["4"])),
    ("^\\D$", "٣", true, Some(&["٣"])),
    ("\\s", "\u{a0}", true, Some(&["\u{a0}"])),
    ("^\\w$", "é", true, None),
    ("^.$", "\n", true, None),
    ("^a$", "a\n", true, None),
    ("(a)|b\\1", "b", true, Some(&["b", ""])),
    ("^(\\w)\\1$", "aa", true, Some(&["aa", "a"])),
    ("^(a)\\2$", "a\u{2}", true, Some(&["a\u{2}", "a"])),
    ("\\_\\-\\h", "_-h", true, Some(&["_-h"])),
    ("[a&&b]", "&", true, Some(&["&"])),
    ("[[]", "[", true, Some(&["["])),
    ("[a-]", "-", true, Some(&["-"])),
    ("[\\w-.]", "-", true, Some(&["-"])),
    ("[a\\-z]", "b", true, None),
    ("\\x2e\\u002F", "./", true, Some(&["./"])),
    ("\\cJ", "\n", true, Some(&["\n"])),
    ("SOCKET", "socket", false, None),
    ("SOCKET", "socket", true, Some(&["socket"])),
    ("^(.*)$", "a?b", true, Some(&["a?b", "a?b"])),
    ("(?:x)*y+?", "yy", true, Some(&["y"])),
    ("", "anything", true, Some(&[""])),
    ("\\bio\\b", "socket.io/", true, Some(&["io"])),
    ("\\B", "a", true, None),
    ("^\\[\\]$", "[]", true, Some(&["[]"])),
    ("}", "}", true, Some(&["}"])),
    ("]", "]", true, Some(&["]"])),
    ("~#&-", "~#&-", true, Some(&["~#&-"])),
    ("\\z", "z", true, Some(&["z"])),
    ("\\A", "A", true, Some(&["A"])),
    ("\\Qa\\E", "QaE", true, Some(&["QaE"])),
    ("ü", "Ü", true, Some(&["Ü"])),
    ("\\0", "\u{0}", true, Some(&["\u{0}"])),
    ("(\\.(js|css))$", "socket.io/socket.io.js", true, Some(&[".js", ".js", "js"])),
    ("[\\b]", "\u{8}", true, Some(&["\u{8}"])),
];

/// What is no pattern of ECMAScript, and what only later editions know, which IIS does not read.
const REFUSED: &[&str] = &[
    "[b-a]", "a**", "a++", "(?i)a", "(?>a)", "a(", "a)", "*a", "[a", "a\\", "(?<=a)b", "(?<!a)b",
    "(?<n>a)", "(?", "[a", "[^", "{2}", "x{1}{2}", "a|*",
];

fn outcome(matched: Match) -> Option<Vec<String>> {
    match matched {
        Match::Yes(captures) => Some(captures),
        Match::No => None,
        Match::Unknown => panic!("not known"),
    }
}

#[test]
fn patterns_of_ecmascript() {
    for (pattern, text, ignore_case, expected) in ECMASCRIPT {
        let built = Pattern::new(pattern, Syntax::EcmaScript, *ignore_case);
        assert_eq!(built.error(), None, "{pattern}");
        let expected = expected.map(|found| found.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(outcome(built.matches(text)), expected, "{pattern} on {text:?}");
    }
    for pattern in REFUSED {
        let built = Pattern::new(pattern, Syntax::EcmaScript, true);
        assert!(built.error().is_some(), "{pattern}");
        assert_eq!(built.matches("x"), Match::Unknown, "{pattern}");
    }
}

#[test]
fn wildcards_and_exact_texts() {
    let yes = |captures: &[&str]| Some(captures.iter().map(|text| (*text).to_owned()).collect());
    for (syntax, pattern, text, ignore_case, expected) in [
        (Syntax::Wildcard, "*", "socket.io/", true, yes(&["socket.io/", "socket.io/"])),
        (Syntax::Wildcard, "*/1/*", "socket.io/1/", true, yes(&["socket.io/1/", "socket.io", ""])),
        (Syntax::Wildcard, "Socket.i?/", "socket.io/", true, yes(&["socket.io/"])),
        (Syntax::Wildcard, "Socket.io/", "socket.io/", false, None),
        (Syntax::Wildcard, "socket.io", "socket.io/", true, None),
        (Syntax::Wildcard, "socketxio/", "socket.io/", true, None),
        (Syntax::Wildcard, "socket.io/", "socketxio/", true, None),
        (Syntax::Wildcard, "", "", true, yes(&[""])),
        (Syntax::Exact, "Socket.io/", "socket.io/", true, yes(&["socket.io/"])),
        (Syntax::Exact, "Socket.io/", "socket.io/", false, None),
        (Syntax::Exact, "socket.io", "socket.io/", true, None),
        (Syntax::Exact, "*", "socket.io/", true, None),
    ] {
        let built = Pattern::new(pattern, syntax, ignore_case);
        assert_eq!(outcome(built.matches(text)), expected, "{pattern} on {text}");
    }
}

/// Patterns that take others for ever end soon, and are then not tried again.
#[test]
fn slow_patterns_and_large_ones() {
    let text = "EIO=4&transport=polling&t=PfXk3aB.0&sid=0123456789abcdefghij";
    for pattern in [r"^(?:(.+)\1?)+#$", r"^((?=(.+)).+)+\2#$", r"^(.*)(.*)(.*)(.*)(?!\1)\2#$"] {
        let built = Pattern::new(pattern, Syntax::EcmaScript, true);
        assert_eq!((built.error(), built.matches(text)), (None, Match::Unknown), "{pattern}");
        assert_eq!(built.error(), Some("it takes too long to try"));
        assert_eq!(built.matches("E#"), Match::Unknown, "{pattern}");
    }
    for pattern in ["((a{1000}){1000}){1000}", "(?=x)(((a|b){1000}){1000}){1000}"] {
        assert_eq!(Pattern::new(pattern, Syntax::EcmaScript, true).matches("a"), Match::Unknown);
    }
    let deep = format!("{}a{}", "(".repeat(1000), ")".repeat(1000));
    assert_eq!(Pattern::new(&deep, Syntax::EcmaScript, true).matches("a"), Match::Unknown);
    let long = "a".repeat(5000);
    assert_eq!(Pattern::new(&long, Syntax::EcmaScript, true).matches(&long), Match::Unknown);
    assert!(matches!(Pattern::new(&long, Syntax::Exact, true).matches(&long), Match::Yes(_)));
}
