//! Clients that join and leave rooms, and clients that the server asks.

use crate::engine::{mono, App, Cfg, Ev};
use crate::hist::Hist;
use crate::{connect_all, cpu_fields, error_fields, mark, mem_fields, pass_time, procfs, Args, Out, SEC};

/// The names of the rooms that each client is in.
pub struct Names {
    /// of each client
    pub rooms: usize,
    /// of all
    pub of: usize,
}

impl Names {
    pub fn of(&self, i: usize) -> Vec<String> {
        (0..self.rooms).map(|k| format!("r{}", (i + k * self.of / self.rooms) % self.of)).collect()
    }
}

/// Has each of `who` join rooms, at most 50 unanswered at once; says how many were acknowledged.
pub fn enter_all(app: &mut App, who: &[usize], names: impl Fn(usize) -> Vec<String>) -> usize {
    let (mut next, mut got) = (0, 0);
    let mut progress = mono();
    while got < who.len() && mono() - progress < 10 * SEC {
        while next < who.len() && next - got < 50 {
            app.request(who[next], "join", &names(who[next]));
            next += 1;
        }
        app.poll(mono() + SEC / 20);
        while let Some(e) = app.evs.pop_front() {
            if let Ev::Acked = e {
                got += 1;
                progress = mono();
            }
        }
    }
    got
}

/// What one mode does again and again: ask for something, and hear that it is done.
trait Work {
    /// Asks, once.
    fn ask(&mut self, app: &mut App);
    /// Whether that ends one of those that were asked.
    fn hear(&mut self, app: &mut App, e: Ev) -> bool;
}

/// Keeps so many requests on their way for that long, and waits for the rest; says how many were never answered.
fn keep_busy(app: &mut App, work: &mut impl Work, inflight: usize, dur: u64) -> usize {
    let end = mono() + dur;
    let (mut going, mut progress) = (0, mono());
    loop {
        let now = mono();
        while going < inflight && now < end {
            work.ask(app);
            going += 1;
        }
        if going == 0 || now.saturating_sub(progress) > 10 * SEC {
            return going;
        }
        app.poll(now + SEC / 20);
        while let Some(e) = app.evs.pop_front() {
            if work.hear(app, e) {
                going -= 1;
                progress = mono();
            }
        }
    }
}

/// Clients take turns: who is in its rooms leaves, who is not joins.
struct Changes {
    names: Names,
    next: usize,
    inside: Vec<bool>,
    done: u64,
}

impl Work for Changes {
    fn ask(&mut self, app: &mut App) {
        let i = self.next;
        self.next = (i + 1) % self.inside.len();
        app.request(i, if self.inside[i] { "leave" } else { "join" }, &self.names.of(i));
        self.inside[i] = !self.inside[i];
    }
    fn hear(&mut self, _app: &mut App, e: Ev) -> bool {
        let acked = matches!(e, Ev::Acked);
        self.done += acked as u64;
        acked
    }
}

/// Each client is asked so many times one after the other, and again.
struct Asks {
    times: u64,
    /// who is not being asked, and since when the others are
    free: Vec<usize>,
    since: Vec<u64>,
    asked: u64,
    right: u64,
    trip: Hist,
}

impl Work for Asks {
    fn ask(&mut self, app: &mut App) {
        let i = self.free.pop().expect("one for each request");
        self.since[i] = mono();
        self.asked += self.times;
        app.ask(i, self.times);
    }
    fn hear(&mut self, _app: &mut App, e: Ev) -> bool {
        let Ev::Asked(i, right) = e else { return false };
        self.right += right;
        self.trip.record((mono() - self.since[i]) / self.times);
        self.free.push(i);
        true
    }
}

pub fn changes(a: &Args, cfg: Cfg, pids: &[u32]) -> bool {
    let n = a.n("clients", 1000, 60_000).max(1);
    let (rooms, size) = (a.n("rooms", 1, 1000).max(1), a.n("room-size", 10, n).max(1));
    let names = Names { rooms, of: (n * rooms / size).max(1) };
    let mut work = Changes { names, next: 0, inside: vec![false; n], done: 0 };
    // no client has two requests on their way
    let inflight = a.n("inflight", 50.min(n), n).max(1);
    run(a, cfg, pids, "changes", n, inflight, &mut work, |work, _| (work.done * rooms as u64, 0), |_, _| {})
}

pub fn asks(a: &Args, cfg: Cfg, pids: &[u32]) -> bool {
    let n = a.n("clients", 100, 60_000).max(1);
    let times = a.n("times", 100, 1_000_000).max(1) as u64;
    let mut work = Asks { times, free: (0..n).collect(), since: vec![0; n], asked: 0, right: 0, trip: Hist::new() };
    // what was asked for, what came, and what the server has of it are one number
    let count = |work: &Asks, app: &App| (work.right, work.asked.abs_diff(app.c.questions) + work.asked - work.right);
    run(a, cfg, pids, "asks", n, n, &mut work, count, |work, o| o.hist("trip", &work.trip))
}

/// `count` gives how much is done and how much is missing.
#[allow(clippy::too_many_arguments)]
fn run<W: Work>(a: &Args, cfg: Cfg, pids: &[u32], mode: &str, n: usize, inflight: usize, work: &mut W, count: impl Fn(&W, &App) -> (u64, u64), more: impl Fn(&W, &mut Out)) -> bool {
    let (warm, dur) = (a.secs("warmup", 1.0), a.secs("duration", 3.0));
    let load = procfs::load1();
    let mut app = App::new(cfg, n);
    let fresh = procfs::sample(pids);
    let failed = connect_all(&mut app, 0, n, a.n("ramp", 100, 5000));
    pass_time(&mut app, SEC / 2);
    let mut unanswered = keep_busy(&mut app, work, inflight, warm);
    let (before, _) = count(work, &app);
    let m0 = mark(pids);
    unanswered += keep_busy(&mut app, work, inflight, dur);
    let m1 = mark(pids);
    let (after, missing) = count(work, &app);
    let done = (after - before) as f64;
    let mut o = Out(String::new());
    o.s("mode", mode);
    o.s("label", &a.s("label", ""));
    o.n("clients", n as u64);
    o.n("inflight", inflight as u64);
    o.n("done", after - before);
    o.n("failed", failed as u64);
    o.n("lost", unanswered as u64 + missing);
    o.n("bad", app.c.bad);
    more(work, &mut o);
    let cpu = cpu_fields(&mut o, &m0, &m1);
    o.f("done_per_s", done / ((m1.t - m0.t) as f64 / 1e9), 0);
    o.f("srv_cpu_us_each", cpu * 1e6 / done, 3);
    o.f("gen_cpu_us_each", (m1.own - m0.own) * 1e6 / done, 3);
    mem_fields(&mut o, &fresh, &m1.srv);
    error_fields(&mut o, &app);
    o.f("load1", load, 2);
    println!("{}}}", o.0);
    app.abandon_all();
    failed + unanswered == 0 && missing + app.c.bad + app.c.drops == 0 && done > 0.0
}
