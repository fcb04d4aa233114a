//! The query string of an Engine.IO request (reference: engineio.md §2).

/// The parameters that the server looks at. All else in the query is the application's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub eio: Option<String>,
    pub transport: Option<String>,
    pub sid: Option<String>,
    /// A cache buster; its form tells client generations apart.
    pub t: Option<String>,
    pub b64: bool,
    /// The JSONP callback index, as sent.
    pub j: Option<String>,
    /// Set by our own client.
    pub client: Option<String>,
}

impl Query {
    /// Reads a raw query string. Of a repeated parameter the first counts.
    pub fn parse(raw: &str) -> Self {
        let mut query = Query::default();
        for (key, value) in form_urlencoded::parse(raw.as_bytes()) {
            let slot = match &*key {
                "EIO" => &mut query.eio,
                "transport" => &mut query.transport,
                "sid" => &mut query.sid,
                "t" => &mut query.t,
                "j" => &mut query.j,
                "client" => &mut query.client,
                "b64" => {
                    query.b64 |= !value.is_empty();
                    continue;
                }
                _ => continue,
            };
            slot.get_or_insert_with(|| value.into_owned());
        }
        query
    }

    /// The callback index: digits only, whatever was sent.
    pub fn callback(&self) -> u32 {
        let digits = self.j.iter().flat_map(|j| j.chars()).filter(char::is_ascii_digit);
        digits.take(9).collect::<String>().parse().unwrap_or(0)
    }

    /// What of a raw query string is the application's.
    pub fn application_part(raw: &str) -> String {
        const PROTOCOL: [&str; 8] = ["EIO", "transport", "sid", "t", "b64", "j", "client", "jsonp"];
        let pairs = form_urlencoded::parse(raw.as_bytes());
        let own = pairs.filter(|(key, _)| !PROTOCOL.contains(&&**key));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(own).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let query = Query::parse("q=1&EIO=3&transport=polling&t=Q85qr0d&b64=1&sid=abc&sid=def");
        assert_eq!(query.eio.as_deref(), Some("3"));
        assert_eq!(query.sid.as_deref(), Some("abc"));
        assert!(query.b64);
        assert!(!Query::parse("b64=").b64);
    }

    #[test]
    fn the_applications_part_is_what_is_left() {
        let raw = "q=a%20b&EIO=3&transport=polling&t=1&b64=1&j=0&sid=x&client=parlance&q=2";
        assert_eq!(Query::application_part(raw), "q=a+b&q=2");
        assert_eq!(Query::application_part("EIO=4&transport=websocket"), "");
    }

    #[test]
    fn callbacks_are_digits() {
        assert_eq!(Query::parse("j=3").callback(), 3);
        assert_eq!(Query::parse("j=1;alert(2)//").callback(), 12);
        assert_eq!(Query::parse("j=x").callback(), 0);
        assert_eq!(Query::parse("j=99999999999999999999").callback(), 999_999_999);
        assert_eq!(Query::parse("").callback(), 0);
    }
}
