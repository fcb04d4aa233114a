//! Where the way of a request ends.

use super::module::Module;
use super::report::Trouble;
use super::rule::Rule;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub struct End {
    /// In words.
    pub becomes: String,
    /// Who hosts the server, if the request comes that far.
    pub module: Option<Module>,
    /// Why the server does not get it as it should.
    pub trouble: Option<Trouble>,
    /// What could happen instead.
    pub perhaps: Vec<Trouble>,
}

impl End {
    pub fn arrives(&self) -> bool {
        self.trouble.is_none()
    }

    pub fn stopped(becomes: impl Into<String>, trouble: Trouble) -> Self {
        End { becomes: becomes.into(), module: None, trouble: Some(trouble), perhaps: Vec::new() }
    }
}

/// Of two ways, according to a condition that nobody knows here: the one that arrives, and what speaks against it.
pub fn either(rule: &Rule<'_>, with: End, without: End) -> End {
    if !without.arrives() && with.arrives() {
        let becomes = format!("{}, if the conditions of the rule {} hold", with.becomes, rule.name);
        return End { becomes, ..with };
    }
    let mut end = without;
    if let Some(trouble) = with.trouble.filter(|_| end.trouble.is_none()) {
        let problem = format!("{}, if its conditions hold", trouble.problem);
        end.perhaps.push(Trouble { problem, ..trouble }.softened());
    }
    end.perhaps.extend(with.perhaps);
    end
}

/// The end that says more of two: of a client that comes by https, and one that comes by http.
pub fn better(https: End, http: End) -> End {
    match (https.arrives(), http.arrives()) {
        (true, false) => {
            let becomes = format!("{}; by http: {}", https.becomes, http.becomes);
            End { becomes, ..https }
        }
        (false, true) => {
            let becomes = format!("by http {}; by https: {}", http.becomes, https.becomes);
            End { becomes, ..http }
        }
        _ => https,
    }
}
