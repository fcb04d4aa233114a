//! Paths of requests.

use http::Uri;

use super::input::Input;
use crate::http::path::Part;
use crate::server::Mount;

/// A path gets one form, which rules can compare: it has no repeated slashes, it stays the same if it is
/// read again, and whatever slashes are doubled in it, the part is the same. The query stays as it is.
pub fn path(data: &[u8]) {
    let mut input = Input(data);
    let (engine, target) = (String::from_utf8_lossy(input.line()), input.text());
    let mount = Mount::new("/", &engine);
    // Settings have none at the root.
    if mount.engine() == "/" {
        return;
    }
    let Ok(asked) = target.parse::<Uri>() else { return };
    let mut read = asked.clone();
    let part = mount.enter(&mut read);
    assert_eq!((read.query(), read.authority()), (asked.query(), asked.authority()));
    if read.path().starts_with("/admin") || asked.path().contains("/admin") {
        return;
    }
    assert!(!read.path().contains("//"), "{read}");
    assert_eq!(part == Part::Engine, mount.below_engine(read.path()).is_some_and(is_of_engine));
    let mut again = read.clone();
    assert_eq!((mount.enter(&mut again), &again), (part, &read));
    let Ok(mut doubled) = asked.path().replace('/', "//").parse::<Uri>() else { return };
    assert_eq!((mount.enter(&mut doubled), doubled.path()), (part, read.path()));
}

fn is_of_engine(below: &str) -> bool {
    below.is_empty() || below.starts_with(|c: char| c.is_ascii_digit())
}
