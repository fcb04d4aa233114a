//! The ordered list of allowed transports.

/// The allowed transports, preferred first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transports(Vec<&'static str>);

/// A list of transports that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UnknownTransport {
    #[error("unknown transport \"{name}\": known are {known}")]
    Name { name: String, known: String },
    #[error("the list of transports is empty: known are {known}")]
    Empty { known: String },
}

impl Transports {
    /// Reads an ordered list. `polling` stands for both polling transports. A repeated name counts once.
    ///
    /// # Errors
    /// If a name is not among `known`, or if there is no name.
    pub fn parse<'a>(
        list: impl IntoIterator<Item = &'a str>,
        known: &[&'static str],
    ) -> Result<Self, UnknownTransport> {
        let known_names = || {
            let names: Vec<_> =
                known.iter().copied().chain(["polling (both polling forms)"]).collect();
            names.join(", ")
        };
        let mut names: Vec<&'static str> = Vec::new();
        for name in list.into_iter().map(str::trim).filter(|name| !name.is_empty()) {
            let is_meant = |candidate: &str| match name {
                "polling" => matches!(candidate, "xhr-polling" | "jsonp-polling"),
                _ => candidate == name,
            };
            let mut found = false;
            for candidate in known.iter().copied().filter(|candidate| is_meant(candidate)) {
                found = true;
                if !names.contains(&candidate) {
                    names.push(candidate);
                }
            }
            if !found {
                return Err(UnknownTransport::Name { name: name.to_owned(), known: known_names() });
            }
        }
        if names.is_empty() {
            Err(UnknownTransport::Empty { known: known_names() })
        } else {
            Ok(Transports(names))
        }
    }

    /// All of the `known` transports, in their order.
    pub fn all(known: Vec<&'static str>) -> Self {
        Transports(known)
    }

    /// The names, preferred first.
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    /// Whether a transport is in the list.
    pub fn allows(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["websocket", "xhr-polling", "jsonp-polling"];

    fn parse(list: &str) -> Result<Transports, String> {
        Transports::parse(list.split(','), &KNOWN).map_err(|error| error.to_string())
    }

    #[test]
    fn order_is_kept_and_polling_is_both() {
        assert_eq!(parse("xhr-polling, websocket").unwrap().names(), ["xhr-polling", "websocket"]);
        assert_eq!(parse("websocket,polling").unwrap().names(), KNOWN);
        assert_eq!(parse("polling,xhr-polling").unwrap().names(), ["xhr-polling", "jsonp-polling"]);
    }

    #[test]
    fn unknown_names_are_answered_with_the_known() {
        let error = parse("websocket,flashsocket").unwrap_err();
        assert_eq!(
            error,
            "unknown transport \"flashsocket\": known are websocket, xhr-polling, jsonp-polling, polling (both polling forms)"
        );
        assert!(parse(" ,").unwrap_err().starts_with("the list of transports is empty"));
    }
}
