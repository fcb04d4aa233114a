//! What a check has found.

use std::fmt;

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something works less well than it could, or may not work.
    Advice,
}

/// One problem, and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub problem: String,
    /// The names of the requests that it concerns; empty for all of them.
    pub requests: Vec<&'static str>,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { line, column, severity, problem, requests, fix } = self;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Advice => "advice",
        };
        write!(f, "{line}:{column}: {severity}: {problem}")?;
        if !requests.is_empty() {
            write!(f, " (for {})", requests.join(", "))?;
        }
        write!(f, "; fix: {fix}")
    }
}

/// What becomes of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The method, the address and what kind of request it is.
    pub request: String,
    /// Where it ends.
    pub becomes: String,
    /// Whether the server gets it, and can tell what it is for.
    pub arrives: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.request, self.becomes)
    }
}

/// The result of a check.
#[derive(Debug)]
pub struct Report {
    /// What passes requests on; `None` if nothing does.
    pub module: Option<super::Module>,
    /// The folder of the site that the file is taken to lie in: `/`, or the server's base path.
    pub folder: String,
    /// What becomes of each kind of request.
    pub lines: Vec<Line>,
    /// In the order of the file.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The number of errors: with none, all that clients ask for reaches the server.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|found| found.severity == Severity::Error).count()
    }
}

/// A problem at a place of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The byte in the text.
    pub at: usize,
    pub severity: Severity,
    pub problem: String,
    pub fix: String,
}

impl Trouble {
    pub fn error(at: usize, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Trouble { at, severity: Severity::Error, problem: problem.into(), fix: fix.into() }
    }

    pub fn advice(at: usize, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Trouble { severity: Severity::Advice, ..Trouble::error(at, problem, fix) }
    }

    /// The same as something to know.
    pub fn softened(self) -> Self {
        Trouble { severity: Severity::Advice, ..self }
    }
}
