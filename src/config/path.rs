//! Checks paths of the server.

/// Bytes of a path. Rules compare no more of one.
const LONGEST: usize = 128;

/// Names that are taken below the base path.
const TAKEN: [&str; 4] = ["admin", "diagnostics", "healthz", "readyz"];

/// Checks the path of pages and engine.
///
/// # Errors
/// If it cannot be one: a message that says what to write instead.
pub(super) fn check_base(path: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("`{path}` {why}, expected a path such as /chat/"));
    if path == "/" {
        return Ok(());
    }
    let Some(below) = path.strip_prefix('/') else { return wrong("begins with no slash") };
    if path.len() > LONGEST {
        return wrong("is too long");
    }
    for segment in below.strip_suffix('/').unwrap_or(below).split('/') {
        // Other characters are written in several ways, and proxies change one into another.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        match segment {
            "" => return wrong("has two slashes in a row"),
            "." | ".." => return wrong("leads elsewhere"),
            _ if !segment.bytes().all(plain) => {
                return wrong("has other characters than letters, digits and -._~");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks the path of the engine below that.
///
/// # Errors
/// As [`check_base`]; and if it belongs to something else.
pub(super) fn check_engine(path: &str) -> Result<(), String> {
    check_base(path)?;
    match path.split('/').nth(1).unwrap_or_default() {
        "" => Err("`/` is where pages are, expected a path such as /socket.io/".into()),
        first if TAKEN.contains(&first) => Err(format!("/{first} is the path of something else")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_path_and_what_cannot() {
        let long = format!("/{}/", "a".repeat(127));
        for (path, expected) in [
            ("/", ""),
            ("/chat/", ""),
            ("/chat", ""),
            ("/a/b.c/d-e_f~1/", ""),
            ("", "begins with no slash"),
            ("chat", "begins with no slash"),
            ("http://a.example/", "begins with no slash"),
            ("//", "two slashes"),
            ("//evil.example/", "two slashes"),
            ("/a//b/", "two slashes"),
            ("/a//", "two slashes"),
            ("/../", "leads elsewhere"),
            ("/a/./b", "leads elsewhere"),
            ("/a b/", "other characters"),
            ("/a%20b/", "other characters"),
            ("/a?b", "other characters"),
            ("/a\\b", "other characters"),
            ("/chät/", "other characters"),
            (&long, "too long"),
        ] {
            let error = check_base(path).err().unwrap_or_default();
            assert!(
                error.contains(expected) && error.is_empty() == expected.is_empty(),
                "{path}: {error}"
            );
        }
        for (path, good) in [
            ("/socket.io/", true),
            ("/rt", true),
            ("/chat/diagnostics/", true),
            ("/diagnostic", true),
            ("/", false),
            ("socket.io", false),
            ("/diagnostics/", false),
            ("/admin/x", false),
            ("/healthz", false),
            ("/readyz/", false),
        ] {
            assert_eq!(check_engine(path).is_ok(), good, "{path}");
        }
    }
}
