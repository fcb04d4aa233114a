//! Request filtering: what IIS refuses before any rule or handler sees it.

use super::report::Trouble;
use super::request::Request;
use super::tree::{El, Part, at, children, flag, truth};

/// Segments that IIS refuses if the file says nothing.
const HIDDEN: [&str; 8] = [
    "web.config",
    "bin",
    "app_code",
    "app_globalresources",
    "app_localresources",
    "app_webreferences",
    "app_data",
    "app_browsers",
];

const SECTION: &str = "security/requestFiltering";

/// What refuses a request. `url` is its whole path.
pub fn refusals(part: &Part<'_>, request: &Request, url: &str) -> Vec<Trouble> {
    let filter = Filter { part, request, url: url.to_lowercase() };
    let found = [
        filter.verb(),
        filter.extension(),
        filter.segment(),
        filter.url_sequence(),
        filter.query_sequence(),
        filter.length("maxUrl", url.len(), 4096),
        filter.length("maxQueryString", request.query.len(), 2048),
        filter.header(),
        filter.rule(),
    ];
    found.into_iter().flatten().collect()
}

struct Filter<'a, 'b> {
    part: &'b Part<'a>,
    request: &'b Request,
    /// In small letters.
    url: String,
}

impl<'a> Filter<'a, '_> {
    fn place(name: &str) -> String {
        format!("{SECTION}/{name}")
    }

    /// Whether a list refuses what it does not name.
    fn unlisted(&self, list: &str) -> Option<El<'a>> {
        let value = self.part.value(&Self::place(list), "allowUnlisted");
        let refused = value.is_some_and(|value| !truth(Some(value.value()), true));
        self.part.last(&Self::place(list)).filter(|_| refused)
    }

    /// Looks a name up in a list of what is allowed and what is not.
    fn listed(&self, list: &str, key: &str, name: &str, wanted: &str) -> Option<Trouble> {
        let entries = self.part.entries(&Self::place(list), key);
        let is = |el: &&El<'a>| {
            el.attribute(key).is_some_and(|key| key.trim().eq_ignore_ascii_case(name))
        };
        match entries.here.iter().find(is) {
            Some(el) if flag(*el, "allowed", true) => None,
            Some(el) => {
                let text = format!("request filtering refuses {key}=\"{name}\"");
                Some(Trouble::error(at(*el), text, "allowed=\"true\""))
            }
            None => self.unlisted(list).map(|el| {
                let text = format!("request filtering refuses what <{list}> does not name");
                let fix = format!("an <add {key}=… allowed=\"true\" /> in it for {wanted}");
                Trouble::error(at(el), text, fix)
            }),
        }
    }

    fn verb(&self) -> Option<Trouble> {
        self.listed("verbs", "verb", self.request.verb, "GET, POST and OPTIONS")
    }

    fn extension(&self) -> Option<Trouble> {
        let last = self.url.rsplit('/').next().unwrap_or_default();
        // The dot stands for paths without an extension.
        let name = last.rfind('.').map_or(".", |dot| &last[dot..]);
        self.listed("fileExtensions", "fileExtension", name, "the dot alone (no extension) and .js")
    }

    fn segment(&self) -> Option<Trouble> {
        let entries = self.part.entries(&Self::place("hiddenSegments"), "segment");
        let has =
            |name: &str| self.url.split('/').any(|part| part.eq_ignore_ascii_case(name.trim()));
        let named = |el: &&El<'a>| el.attribute("segment").is_some_and(has);
        if let Some(el) = entries.here.iter().find(named) {
            let name = el.attribute("segment").unwrap_or_default();
            let text = format!("request filtering hides the segment {name}");
            return Some(Trouble::error(at(*el), text, "leave this <add> out"));
        }
        let kept = |name: &&str| !entries.inherited_gone.iter().any(|gone| gone == *name);
        let mut hidden = HIDDEN.into_iter().filter(|_| !entries.cleared).filter(kept);
        hidden.find(|name| has(name)).map(|name| {
            let text = format!("IIS hides the segment {name} of every path");
            let fix = "another path in the server's settings (path, base-path)";
            Trouble::error(at(self.part.server()), text, fix)
        })
    }

    fn url_sequence(&self) -> Option<Trouble> {
        let allowed = self.part.entries(&Self::place("alwaysAllowedUrls"), "url");
        let is = |el: &El<'a>| {
            el.attribute("url").is_some_and(|url| url.to_lowercase().trim() == self.url)
        };
        if allowed.here.iter().any(is) {
            return None;
        }
        let entries = self.part.entries(&Self::place("denyUrlSequences"), "sequence");
        let named = |el: &&El<'a>| contained(**el, "sequence", &self.url);
        entries.here.iter().find(named).map(|el| {
            let sequence = el.attribute("sequence").unwrap_or_default();
            let text = format!("request filtering refuses addresses with `{sequence}`");
            Trouble::error(at(*el), text, "leave this <add> out")
        })
    }

    fn query_sequence(&self) -> Option<Trouble> {
        let query = self.request.query.to_lowercase();
        let allowed = self.part.entries(&Self::place("alwaysAllowedQueryStrings"), "queryString");
        let is = |el: &El<'a>| {
            el.attribute("queryString").is_some_and(|allowed| allowed.to_lowercase() == query)
        };
        if allowed.here.iter().any(is) {
            return None;
        }
        let entries = self.part.entries(&Self::place("denyQueryStringSequences"), "sequence");
        let named = |el: &&El<'a>| contained(**el, "sequence", &query);
        entries.here.iter().find(named).map(|el| {
            let sequence = el.attribute("sequence").unwrap_or_default();
            let text = format!("request filtering refuses queries with `{sequence}`");
            Trouble::error(at(*el), text, "leave this <add> out")
        })
    }

    fn length(&self, name: &str, length: usize, default: usize) -> Option<Trouble> {
        let limit = self.part.value(&Self::place("requestLimits"), name)?;
        let most: usize = limit.value().trim().parse().ok()?;
        (length > most).then(|| {
            let text = format!("{name}=\"{most}\" refuses requests that are longer");
            let fix = format!("{name}=\"{default}\", which is the default");
            Trouble::error(limit.range().start, text, fix)
        })
    }

    fn header(&self) -> Option<Trouble> {
        let place = Self::place("requestLimits/headerLimits");
        let entries = self.part.entries(&place, "header");
        entries.here.iter().find_map(|el| {
            let name = el.attribute("header")?;
            let variable = name.trim().to_ascii_uppercase().replace('-', "_");
            let length = self.request.header(&variable)?.len();
            let most: usize = el.attribute("sizeLimit")?.trim().parse().ok()?;
            (length > most).then(|| {
                let text = format!("{name} may have {most} bytes, and has {length}");
                Trouble::error(at(*el), text, "leave this <add> out")
            })
        })
    }

    /// `<filteringRules>`: texts that must not be in the address, the query or a header.
    fn rule(&self) -> Option<Trouble> {
        let rules = self.part.sections(&Self::place("filteringRules/filteringRule"));
        let query = self.request.query.to_lowercase();
        rules.into_iter().find_map(|rule| {
            let mut seen = Vec::new();
            if flag(rule, "scanUrl", false) || flag(rule, "scanAllRaw", false) {
                seen.push(self.url.clone());
            }
            if flag(rule, "scanQueryString", false) || flag(rule, "scanAllRaw", false) {
                seen.push(query.clone());
            }
            let headers = children(rule, "scanHeaders").flat_map(|el| children(el, "add"));
            seen.extend(headers.filter_map(|el| {
                let name = el.attribute("requestHeader")?.to_ascii_uppercase().replace('-', "_");
                self.request.header(&name).map(str::to_lowercase)
            }));
            // A rule for some extensions says nothing about paths without one.
            let applies = children(rule, "appliesTo").flat_map(|el| children(el, "add"));
            let extensions: Vec<&str> =
                applies.filter_map(|el| el.attribute("fileExtension")).collect();
            let own = self
                .url
                .rsplit('/')
                .next()
                .and_then(|last| last.rfind('.').map(|dot| &last[dot..]));
            let is_own = |name: &&str| Some(name.to_lowercase().as_str()) == own;
            if !extensions.is_empty() && !extensions.iter().any(is_own) {
                return None;
            }
            let mut denied = children(rule, "denyStrings").flat_map(|el| children(el, "add"));
            let el = denied.find(|el| seen.iter().any(|text| contained(*el, "string", text)))?;
            let name = rule.attribute("name").unwrap_or("without a name");
            let text = format!(
                "the filtering rule {name} refuses requests with `{}`",
                el.attribute("string").unwrap_or_default()
            );
            Some(Trouble::error(at(el), text, "leave this <add> out"))
        })
    }
}

/// Whether a text, which is in small letters, has the value of an attribute in it.
fn contained(el: El<'_>, key: &str, text: &str) -> bool {
    let sequence = el.attribute(key).unwrap_or_default().to_lowercase();
    !sequence.is_empty() && text.contains(&sequence)
}

/// The limit of bodies, in view of the largest that clients send.
pub fn bodies(part: &Part<'_>, max_payload: usize) -> Option<Trouble> {
    let limit = part.value(&format!("{SECTION}/requestLimits"), "maxAllowedContentLength")?;
    let bytes: usize = limit.value().trim().parse().ok()?;
    let wanted = max_payload.saturating_mul(3);
    let fix = format!("maxAllowedContentLength=\"{wanted}\"");
    let place = limit.range().start;
    if bytes < max_payload {
        let text =
            format!("bodies over {bytes} bytes are refused, and max-payload is {max_payload}");
        return Some(Trouble::error(place, text, fix));
    }
    (bytes < wanted).then(|| {
        let text = format!(
            "forms of jsonp-polling can be three times as long as max-payload ({max_payload})"
        );
        Trouble::advice(place, text, fix)
    })
}
