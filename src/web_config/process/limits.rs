//! Time-outs and the number of processes.

use std::time::Duration;

use super::super::report::Trouble;
use super::super::tree::span;
use super::Start;
use crate::config::Settings;

/// The `requestTimeout` of both modules, if the file has none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

impl Start<'_> {
    pub(super) fn limits(&self, settings: &Settings) -> Vec<Trouble> {
        let mut found = Vec::new();
        let model = self.value("hostingModel").unwrap_or_default();
        if model.eq_ignore_ascii_case("inprocess") {
            let text = "only .NET programs run inside the process of IIS";
            found.push(Trouble::error(
                self.place("hostingModel"),
                text,
                "hostingModel=\"OutOfProcess\"",
            ));
        }
        if self.value("processesPerApplication").is_some_and(|count| count.trim() != "1") {
            let text = "several processes: each has its own room and its own sessions, and requests of one session go to any of them";
            found.push(Trouble::error(
                self.place("processesPerApplication"),
                text,
                "processesPerApplication=\"1\"",
            ));
        }
        let silence = settings.ping_interval + settings.ping_timeout;
        let timeout = self.value("requestTimeout");
        let minutes = silence.as_secs().div_ceil(60).max(2);
        let fix = format!("requestTimeout=\"{:02}:{:02}:00\"", minutes / 60, minutes % 60);
        match timeout.map_or(Some(DEFAULT_TIMEOUT), |text| span(text.trim())) {
            None => {
                let text =
                    format!("`{}` is no time of the form hh:mm:ss", timeout.unwrap_or_default());
                found.push(Trouble::error(self.place("requestTimeout"), text, fix));
            }
            Some(time) if time < silence => {
                let text = format!(
                    "an idle connection is given up after {} s, and may be silent for {} s (ping-interval and ping-timeout)",
                    time.as_secs(),
                    silence.as_secs()
                );
                found.push(Trouble::error(self.place("requestTimeout"), text, fix));
            }
            Some(_) => {}
        }
        found
    }
}
