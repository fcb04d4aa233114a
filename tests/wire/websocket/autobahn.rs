//! The cases of the Autobahn testsuite against a session, judged as the testsuite judges: the report is a table
//! that is kept beside this file.

use parlance::engine::{Limits, QueueLimits};

use super::cases::{self, Case, Event, Step, Verdict};
use crate::support::apps::Echo;
use crate::support::polls::read_open;
use crate::support::server::{Setup, TestServer, target};
use crate::support::ws::{Frame, Ws};

const REPORT: &str = include_str!("autobahn.txt");

/// The largest message of the cases.
const LARGEST: usize = 16 << 20;

/// What came of a case.
#[derive(Default)]
struct Course {
    heard: Vec<Event>,
    /// The server's close frame.
    close: Option<Option<u16>>,
    ended: bool,
    /// The case said goodbye before the server did.
    we_closed: bool,
}

impl Course {
    /// Hears the next thing. False at the end.
    async fn hear(&mut self, ws: &mut Ws) -> bool {
        match ws.any().await {
            Frame::Text(text) => self.heard.push(Event::Text(text.into_bytes())),
            Frame::Binary(data) => self.heard.push(Event::Binary(data)),
            Frame::Pong(data) => self.heard.push(Event::Pong(data)),
            Frame::Ping(_) => {}
            Frame::Close(code) => self.close = Some(code),
            Frame::End => self.ended = true,
        }
        !self.ended && self.close.is_none()
    }

    /// Behaviour, behaviour of closing, and the server's code.
    fn judge(&self, case: &Case) -> String {
        let mut behaviour = match case.expected.iter().find(|(_, events)| *events == self.heard) {
            Some((Verdict::Ok, _)) => "OK",
            Some((Verdict::NonStrict, _)) => "NON-STRICT",
            None => "FAILED",
        };
        let code = self.close.flatten();
        let mut closing = if self.we_closed != case.closes || !self.ended {
            "FAILED"
        } else if case.clean && self.close.is_none() {
            "UNCLEAN"
        } else if code.is_some_and(|code| !case.codes.contains(&code)) {
            "WRONG CODE"
        } else {
            "OK"
        };
        if case.informational {
            (behaviour, closing) = ("INFORMATIONAL", "INFORMATIONAL");
        } else if closing == "WRONG CODE" && case.closed_in_steps
            || closing == "FAILED" && case.codes == [1007]
        {
            behaviour = "FAILED";
        }
        let code = code.map_or("-".to_owned(), |code| code.to_string());
        format!("{:<8}{behaviour:<14} {closing:<14} {code}", case.id)
    }
}

async fn run(server: &TestServer, case: &Case) -> Course {
    let mut ws = Ws::open(server.addr, &target("EIO=4&transport=websocket")).await;
    read_open(&ws.text().await.as_str().into());
    let mut course = Course { we_closed: case.closed_in_steps, ..Course::default() };
    for step in &case.steps {
        match step {
            Step::Send(bytes) => ws.raw(bytes).await,
            Step::Chop(bytes, size) => {
                for piece in bytes.chunks(*size) {
                    ws.raw(piece).await;
                    tokio::task::yield_now().await;
                }
            }
            Step::Pause => server.settle().await,
            Step::Wait => {
                server.settle().await;
                if !ws.is_silent() {
                    break;
                }
                course.heard.push(Event::Silence);
            }
            Step::Round(bytes, count) => {
                for _ in 0..*count {
                    ws.raw(bytes).await;
                    course.hear(&mut ws).await;
                }
            }
        }
    }
    let wanted = case.expected.iter().map(|(_, events)| events.len()).max().unwrap_or_default();
    let closing = case.closes && !case.closed_in_steps;
    while !(closing && course.heard.len() >= wanted) && course.hear(&mut ws).await {}
    if closing && course.close.is_none() && !course.ended {
        course.we_closed = true;
        ws.close().await;
    } else if let Some(code) = course.close {
        ws.answer_close(code).await;
    }
    while !course.ended {
        course.hear(&mut ws).await;
    }
    course
}

#[tokio::test]
async fn the_report_is_the_one_that_is_kept() {
    let limits = Limits {
        max_payload: LARGEST,
        queue: QueueLimits { bytes: 2 * LARGEST, ..Limits::default().queue },
        ..Limits::default()
    };
    let server = Setup::limits(limits).start(Echo).await;
    let mut report = String::new();
    for case in cases::all() {
        report += &run(&server, &case).await.judge(&case);
        report.push('\n');
    }
    let kept: Vec<&str> = REPORT.lines().filter(|line| !line.starts_with('#')).collect();
    let lines: Vec<&str> = report.lines().collect();
    let changed: Vec<&&str> = lines.iter().filter(|line| !kept.contains(line)).collect();
    assert!(lines == kept, "not as in autobahn.txt: {changed:#?}\nthe whole report:\n{report}");
}
