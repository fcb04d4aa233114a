//! The query string of an Engine.IO request (reference: engineio.md §2).

use super::{Error, REGISTRY};

/// The parameters of the protocol. All other parameters belong to the application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `EIO`: the version of Engine.IO.
    pub eio: Option<String>,
    /// `transport`: the wire name.
    pub transport: Option<String>,
    /// `sid`: the session.
    pub sid: Option<String>,
    /// A cache buster. Its form depends on the client's generation.
    pub t: Option<String>,
    /// `b64`: whether binary packets are to be sent as text.
    pub b64: bool,
    /// The JSONP callback index, as the client sent it.
    pub j: Option<String>,
    /// `parlance` if the client is that of Parlance's page.
    pub client: Option<String>,
}

/// The greatest length in bytes of the application's part, which is kept as long as the session. Enough
/// for the access tokens that applications put there.
const APPLICATION_MAX: usize = 2048;

/// The parameters of the protocol.
const PROTOCOL: [&str; 8] = ["EIO", "transport", "sid", "t", "b64", "j", "client", "jsonp"];

impl Query {
    /// Parses a raw query string.
    ///
    /// # Errors
    /// If a parameter of the protocol is present more than once.
    pub fn parse(raw: &str) -> Result<Self, Error> {
        let (mut query, mut b64) = (Query::default(), None);
        for (key, value) in form_urlencoded::parse(raw.as_bytes()) {
            let (parameter, slot) = match &*key {
                "EIO" => ("EIO", &mut query.eio),
                "transport" => ("transport", &mut query.transport),
                "sid" => ("sid", &mut query.sid),
                "t" => ("t", &mut query.t),
                "j" => ("j", &mut query.j),
                "client" => ("client", &mut query.client),
                "b64" => ("b64", &mut b64),
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Error::Repeated { parameter });
            }
        }
        query.b64 = b64.is_some_and(|value| !value.is_empty());
        Ok(query)
    }

    /// Whether a raw query string is one of Engine.IO, whatever the path. Cocos2d-x and libraries for small
    /// devices send it to the URLs of 0.9. An application of 0.9 may have a parameter `transport` of its
    /// own, so it counts only with the name of a transport.
    pub fn is_engineio(raw: &str) -> bool {
        form_urlencoded::parse(raw.as_bytes()).any(|(key, value)| match &*key {
            "EIO" => true,
            "transport" => REGISTRY.iter().any(|transport| transport.info().wire == value),
            _ => false,
        })
    }

    /// The version of Engine.IO. Without `EIO` it is 3, which socket.io-client-swift before 16 and libraries
    /// for small devices mean.
    pub fn version(&self) -> &str {
        self.eio.as_deref().filter(|eio| !eio.is_empty()).unwrap_or("3")
    }

    /// The value of one parameter of a raw query string.
    ///
    /// # Errors
    /// If it is present more than once.
    pub fn single(raw: &str, parameter: &'static str) -> Result<Option<String>, Error> {
        let mut values = form_urlencoded::parse(raw.as_bytes()).filter(|(key, _)| key == parameter);
        let value = values.next().map(|(_, value)| value.into_owned());
        match values.next() {
            Some(_) => Err(Error::Repeated { parameter }),
            None => Ok(value),
        }
    }

    /// The callback index: the digits of `j`, at most 9 of them. Everything else is dropped, because the
    /// index becomes part of a script.
    pub fn callback(&self) -> u32 {
        let digits = self.j.iter().flat_map(|j| j.chars()).filter(char::is_ascii_digit);
        digits.take(9).collect::<String>().parse().unwrap_or(0)
    }

    /// The application's part of a raw query string, encoded again.
    ///
    /// # Errors
    /// If it is longer than [`APPLICATION_MAX`].
    pub fn application_part(raw: &str) -> Result<Box<str>, Error> {
        let pairs = form_urlencoded::parse(raw.as_bytes());
        let own = pairs.filter(|(key, _)| !PROTOCOL.contains(&&**key));
        let part = form_urlencoded::Serializer::new(String::new()).extend_pairs(own).finish();
        match part.len() <= APPLICATION_MAX {
            true => Ok(part.into()),
            false => {
                let what = "the application's part of the query";
                Err(Error::TooLong { what, limit: APPLICATION_MAX })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let query =
            Query::parse("q=1&EIO=3&transport=polling&t=Q85qr0d&b64=1&sid=abc&q=2").unwrap();
        assert_eq!(query.eio.as_deref(), Some("3"));
        assert_eq!(query.sid.as_deref(), Some("abc"));
        assert!(query.b64);
        assert!(!Query::parse("b64=").unwrap().b64);
    }

    #[test]
    fn a_missing_version_is_3() {
        let of = |raw: &str| Query::parse(raw).unwrap().version().to_owned();
        for (raw, version) in [
            ("transport=polling&b64=1", "3"),
            ("EIO=&transport=polling", "3"),
            ("EIO&transport=polling", "3"),
            ("eio=4&transport=polling", "3"),
            ("EIO=4", "4"),
            ("EIO=2", "2"),
            ("EIO=abc", "abc"),
            ("EIO=%204", " 4"),
        ] {
            assert_eq!(of(raw), version, "{raw}");
        }
    }

    #[test]
    fn engineio_is_known_by_its_query() {
        for (raw, known) in [
            ("transport=polling&b64=true", true),
            ("EIO=2&transport=polling&b64=true", true),
            ("transport=websocket&b64=true&sid=a", true),
            ("q=1&EIO=3", true),
            ("EIO=", true),
            ("", false),
            ("t=1363891012345", false),
            ("t=1&jsonp=0", false),
            ("t=1&disconnect=1", false),
            ("t=1&transport=bus", false),
            ("transport=xhr-polling", false),
            ("transport=", false),
            ("transports=websocket", false),
            ("q=EIO=3", false),
        ] {
            assert_eq!(Query::is_engineio(raw), known, "{raw}");
        }
    }

    #[test]
    fn what_is_said_twice_is_not_picked_from() {
        for parameter in ["EIO", "transport", "sid", "t", "b64", "j", "client"] {
            for twice in [
                format!("{parameter}=1&{parameter}=2"),
                format!("{parameter}=1&x&{parameter}=1"),
                format!("{parameter}&%{:X}{}", parameter.as_bytes()[0], &parameter[1..]) + "=",
            ] {
                let expected = Error::Repeated { parameter };
                assert_eq!(Query::parse(&twice), Err(expected), "{twice}");
            }
            assert!(Query::parse(&format!("{parameter}=1&{parameter}x=2")).is_ok());
        }
        assert_eq!(Query::single("a=1&jsonp=2", "jsonp"), Ok(Some("2".into())));
        assert_eq!(Query::single("a=1", "jsonp"), Ok(None));
        let repeated = Err(Error::Repeated { parameter: "jsonp" });
        assert_eq!(Query::single("jsonp=1&jsonp=1", "jsonp"), repeated);
    }

    #[test]
    fn the_applications_part_is_what_is_left() {
        let part = |raw: &str| Query::application_part(raw).map(String::from);
        let raw = "q=a%20b&EIO=3&transport=polling&t=1&b64=1&j=0&sid=x&client=parlance&q=2";
        assert_eq!(part(raw), Ok("q=a+b&q=2".into()));
        assert_eq!(part("EIO=4&transport=websocket"), Ok(String::new()));
        // The length after encoding counts: `\u{1}` takes three bytes.
        for (raw, fits) in [
            (format!("q={}", "a".repeat(APPLICATION_MAX - 2)), true),
            (format!("q={}", "a".repeat(APPLICATION_MAX - 1)), false),
            (format!("q={}", "\u{1}".repeat(APPLICATION_MAX / 2)), false),
            (format!("EIO=4&t={}", "a".repeat(14_000)), true),
        ] {
            assert_eq!(part(&raw).is_ok(), fits, "{}", raw.len());
        }
    }

    #[test]
    fn callbacks_are_digits() {
        let of = |raw: &str| Query::parse(raw).unwrap().callback();
        assert_eq!(of("j=3"), 3);
        assert_eq!(of("j=1;alert(2)//"), 12);
        assert_eq!(of("j=x"), 0);
        assert_eq!(of("j=99999999999999999999"), 999_999_999);
        assert_eq!(of(""), 0);
    }
}
