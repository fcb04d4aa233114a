//! Which pages may connect.

/// The origins that may open sessions from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Any,
    /// Pages that this server serves itself.
    Own,
    /// `scheme://host[:port]`, or a bare host for any scheme and port.
    Exact(String),
}

impl Origins {
    /// `*` allows all, `self` the pages of this host, everything else is an origin
    /// (`https://chat.example`) or a host name (`chat.example`, any scheme and port).
    pub fn new<'a>(rules: impl IntoIterator<Item = &'a str>) -> Self {
        let rule = |rule: &str| match rule.trim() {
            "*" => Rule::Any,
            "self" => Rule::Own,
            exact => Rule::Exact(exact.trim_end_matches('/').to_ascii_lowercase()),
        };
        Origins(rules.into_iter().map(rule).collect())
    }

    /// Whether a page of that origin may connect to a server called `host`. Requests without an
    /// origin do not come from another site's page; there is nothing to decide about them.
    pub fn allow(&self, origin: &str, host: Option<&str>) -> bool {
        let origin = origin.to_ascii_lowercase();
        // Old Node clients send host and port without a scheme.
        let authority = origin.split_once("://").map_or(origin.as_str(), |(_, rest)| rest);
        let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
        self.0.iter().any(|rule| match rule {
            Rule::Any => true,
            Rule::Own => host.is_some_and(|host| host.eq_ignore_ascii_case(authority)),
            Rule::Exact(exact) => match exact.contains("://") {
                true => *exact == origin,
                false => exact == name || exact == authority,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let allow = |rules: &[&str], origin| {
            Origins::new(rules.iter().copied()).allow(origin, Some("chat.example:8080"))
        };
        assert!(allow(&["*"], "null"));
        assert!(allow(&["self"], "http://Chat.example:8080"));
        assert!(!allow(&["self"], "http://chat.example"));
        assert!(allow(&["https://a.example/"], "https://A.example"));
        assert!(!allow(&["https://a.example"], "http://a.example"));
        assert!(!allow(&["https://a.example"], "https://a.example.evil"));
        assert!(allow(&["a.example"], "http://a.example:81"));
        assert!(!allow(&["a.example"], "http://xa.example"));
        assert!(!allow(&[], "http://a.example"));
        assert!(!allow(&["self"], "null"));
    }
}
