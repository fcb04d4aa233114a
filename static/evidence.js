/* Why a transport failed, or a connection was lost: the facts that this page sees, put together with those of the server. ES3.

   The facts go over the living session, in a namespace of their own, and the verdict on both comes back. Without a session,
   or at a server that knows no such thing, this page's facts have to do. */
(function (root) {
  var P = root.ParlancePage, Causes = root.ParlanceCauses;

  var NAMESPACE = '/parlance';
  var STEPS = { open: 'open', probe: 'probe', 'probe-pong': 'probe', leave: 'probe', upgrade: 'trial', close: 'carrying' };
  var LOOK_MS = 10000;      // for a plain request
  var SLOW_MS = 1000;       // a faster answer says nothing
  var FRESH_MS = 2000;      // a look is good for so long
  var LOOKS = 4;            // at a server that does not know its session: are there several?
  var REPORTS = 6;          // in one session; the server takes ten
  var QUESTIONS = 3;        // about answers that are late, in one session
  var LATE_MS = 100;        // so late that the server may know why
  var ANSWER_MS = 10000;
  var BUSY_MIN_MS = 1000, BUSY_MAX_MS = 120000;
  var YOUNG_MS = 3000;      // a session that is unknown so soon was not forgotten, but is elsewhere

  function copy(facts, more) {
    var out = {}, name;
    for (name in facts) if (facts[name] !== undefined) out[name] = facts[name];
    for (name in more) if (more[name] !== undefined) out[name] = more[name];
    return out;
  }

  // To a tenth, say; and what upgrades and timers take of a short time is no difference.
  function near(a, b, part) { return Math.abs(a - b) <= Math.max(300, Math.max(a, b) / part); }

  // An answer as facts. Parlance answers a request for a WebSocket without Upgrade in JSON, and says who it is.
  function answered(x, url, ms) {
    var facts = { 'http-status': 0 }, type, text;
    function header(name) {
      var value = null;
      try { value = x.getResponseHeader(name); } catch (e) {}
      return value || undefined;
    }
    try {
      facts['http-status'] = x.status;
      text = x.responseText;
    } catch (e2) {}
    if (!facts['http-status']) return facts;
    if (ms >= SLOW_MS) facts['rtt-ms'] = ms;
    type = header('Content-Type');
    facts['http-type'] = type && type.replace(/\s*;.*/, '');
    facts['http-by'] = /^\s*\{\s*"(code|message|reason|allowed|refusal|server)"/.test(text || '') && /"message"\s*:/.test(text) ? 'parlance' : 'other';
    facts['http-server'] = header('Server');
    facts['http-via'] = header('Via');
    facts['http-encoding'] = header('Content-Encoding');
    if (x.responseURL && x.responseURL.replace(/#.*/, '') !== url) facts['http-redirected'] = true;
    // What the server refuses everybody, or this page, whatever the transport.
    type = /"refusal"\s*:\s*"(max-[\w-]+|sessions[\w-]*|handshake-rate|origin|unnamed|scheme)"/.exec(text);
    if (type && facts['http-by'] === 'parlance') {
      facts.refusal = type[1];
      type = /"reason"\s*:\s*"([^"\\]+)"/.exec(text);
      facts['refusal-text'] = type ? type[1] : facts.refusal;
    }
    type = /"server"\s*:\s*"([\w-]{1,64})"/.exec(text || '');
    return copy({ server: type ? type[1] : '' }, facts);
  }

  // Asks the URL of the WebSocket by a plain request, which touches no session: done(facts).
  function look(manager, done) {
    var x = P.request(), asked = P.now(), url = manager.base + manager.path + '?EIO=4&transport=websocket&t=' + P.now().toString(36) + Math.random().toString(36).slice(2, 6), over = false;
    function end(facts) {
      if (over) return;
      over = true;
      done(facts);
    }
    if (!x) return done({});
    try {
      x.open('GET', url, true);
      x.onreadystatechange = function () { if (!over && x.readyState === 4) end(answered(x, url, P.now() - asked)); };
      x.send(null);
    } catch (e) { return end({}); }
    setTimeout(function () {
      end({ 'http-status': 0 });
      try { x.abort(); } catch (e) {}
    }, LOOK_MS);
  }

  // Watches the socket's manager; calls changed() when there is something new. What it knows:
  //   verdicts  by transport, of those whose last attempt failed
  //   loss      of the session before this one, with the time as `at`
  //   session   why none can be opened, while that is so
  //   own       the socket of the namespace
  function watch(socket, changed) {
    var manager = socket.io, own = manager.socket(NAMESPACE), watcher, refused = false, server = '', left = REPORTS, questions = QUESTIONS, late, seen = null, seenAt = 0, asking = null, servers = 0, cuts = null, busy = 0, losers = {}, early = [];

    // done(facts of a plain request), of one that is still fresh if there is one.
    function looked(done) {
      if (seen && P.now() - seenAt < FRESH_MS) return done(seen);
      if (asking) return asking.push(done);
      asking = [done];
      look(manager, function (facts) {
        var all = asking, i;
        asking = null;
        seen = facts;
        seenAt = P.now();
        for (i = 0; i < all.length; i++) all[i](facts);
      });
    }

    // How many servers answer, if there are several.
    function count(done) {
      var names = {}, n = 0, tries = LOOKS;
      (function next() {
        look(manager, function (facts) {
          if (facts.server && !names.hasOwnProperty(facts.server)) {
            names[facts.server] = true;
            n++;
          }
          if (--tries && facts['http-status']) next(); else done(n > 1 ? n : undefined);
        });
      })();
    }

    // The answer that failed a request, which a later one need not get.
    function statusIn(reason) {
      var status = /^HTTP (\d{3})$/.exec(reason);
      return status ? { 'http-status': +status[1], 'http-by': 'other' } : {};
    }

    function schemes() {
      var page = root.location.protocol.replace(':', ''), url = manager.base.replace(/:.*/, '');
      return page === url ? {} : { 'page-scheme': page, 'url-scheme': url };
    }

    function judge(facts) {
      var verdict = Causes.diagnose(facts);
      verdict.facts = facts;
      verdict.transport = facts.transport;
      return verdict;
    }

    // Has the server judge, which knows more; keep(verdict) gets what this page thinks meanwhile.
    function tell(facts, keep, sid) {
      var answer = false, mine = judge(facts);
      if (left <= 0 || refused || manager.readyState !== 'open') return;
      if (!own.connected) {
        if (early.length < REPORTS) early.push([facts, keep, sid]);
        return;
      }
      left--;
      own.emit('evidence', copy(facts, { session: sid }), function (verdict) {
        if (answer || !verdict || !verdict.cause) return;
        answer = true;
        // A refusal that the page read is nothing that the server takes its word for.
        if (verdict.certainty === 'unknown' && mine.certainty !== 'unknown') verdict = mine;
        verdict.facts = facts;
        verdict.transport = facts.transport;
        verdict.both = true;
        keep(verdict);
        changed();
      });
      setTimeout(function () { answer = true; }, ANSWER_MS);
    }

    // `sid` names the session that it happened to, if that may end of it: unless it gets the answer, the next one tells.
    function settle(facts, keep, sid) {
      var loss;
      keep(judge(facts));
      changed();
      if (sid) late = loss = { facts: facts, server: server, keep: keep, sid: sid };
      tell(facts, function (verdict) {
        if (loss && late === loss) late = null;
        keep(verdict);
      }, sid);
    }

    function attemptFailed(entry, sid) {
      var name = entry.transport, facts = copy({ transport: name, step: entry.outcome === 'refused' ? 'open' : STEPS[entry.step], code: entry.code === 'expired' ? 'unknown-session' : entry.code, ms: entry.ms || undefined }, schemes()), code = /\((\d{4})\)/.exec(entry.reason), at = watcher.latest[name] = {};
      if (code) facts['close-code'] = +code[1];
      function keep(verdict) {
        var known = watcher.verdicts[name];
        // Of the same again stands what is known, until the server has answered.
        if (watcher.latest[name] === at && !(known && known.facts.code === facts.code && verdict.certainty === 'unknown' && !verdict.both)) watcher.verdicts[name] = verdict;
      }
      if (entry.outcome === 'refused') return settle(facts, keep);
      // What the server refuses it refuses on every transport: noSession() hears why.
      if (entry.code === 'forbidden') return;
      looked(function (http) {
        facts = copy(copy(facts, http), statusIn(entry.reason));
        // A server answers that has not this session: the request for the new transport may have gone there, too.
        if (http.server && server && http.server !== server) facts.servers = 2;
        if (servers) facts.servers = servers;
        delete facts.server;
        settle(facts, keep, sid);
      });
    }

    // Losses after the same time are the sign of a time-out on the way: of silence, or of a connection's life. Of one that was
    // silent all its life nobody can tell. So the next one is kept busy for a while, and then left alone: when is it cut?
    function alike(facts) {
      var silent = facts['silent-ms'], lasted = facts['lasted-ms'], old = cuts || { n: 0 }, name = busy ? 'lasted-ms' : old.proved || !near(silent, lasted, 5) ? 'silent-ms' : '';
      var ms = name === 'lasted-ms' ? lasted : silent, same = old.n > 0 && near(ms, old.ms, 10) && (busy || old.proved || old.name === name);
      cuts = { name: name, ms: same ? old.ms : ms, n: same ? old.n + 1 : 1, transport: facts.transport, proved: same && old.proved };
      if (cuts.n > 1 && name) {
        facts.cuts = cuts.n;
        facts['cuts-' + name] = cuts.ms;
      }
      if (cuts.proved && name === 'silent-ms') facts['idle-limit-ms'] = cuts.ms;
      rest();
    }

    function rest() {
      clearInterval(busy);
      busy = 0;
    }

    // For so long that it would have been cut, and for good if silence is known to be the cause.
    function keepBusy() {
      if (busy || !cuts || cuts.name && !cuts.proved || cuts.ms < BUSY_MIN_MS || cuts.ms > BUSY_MAX_MS) return;
      busy = setInterval(function () {
        var engine = manager.engine;
        if (own.connected) own.emit('echo', '', function () {});
        if (cuts.proved || !engine || engine.transport.form !== cuts.transport || P.now() - engine.since < cuts.ms * 3) return;
        cuts.proved = true;
        rest();
      }, cuts.ms / 3);
    }

    // A verdict on a loss, which happened then. What was lost and rests now has failed of that.
    function trouble(verdict, at) {
      verdict.at = at;
      if (watcher.loss && watcher.loss.at > at) return;
      watcher.loss = verdict;
      for (var name in losers) if (manager.record(name).until > P.now()) watcher.verdicts[name] = copy(verdict, { transport: name });
    }

    function lost(entry) {
      var engine = manager.engine, now = P.now(), unknown = entry.code === 'expired', code = /\((\d{4})\)/.exec(entry.reason), facts = { transport: entry.transport, step: 'carrying', code: unknown ? 'unknown-session' : entry.code, 'lasted-ms': entry.ms, 'silent-ms': engine && engine.heardAt ? now - engine.heardAt : undefined };
      // The server went on by the new transport, which failed on trial: that is the cause of both.
      if (engine && engine.reopenAtOnce) return;
      if (code) facts['close-code'] = +code[1];
      facts = copy(facts, statusIn(entry.reason));
      if (unknown) facts['sid-unknown'] = true;
      else if (/^(408|504)$/.test(facts['http-status'])) {
        // A poll that a proxy gave up.
        facts = copy(facts, { code: 'cut' });
        delete facts['http-status'];
        delete facts['http-by'];
        alike(facts);
      } else if (/cut|closed/.test(entry.code)) alike(facts);
      else rest();
      late = { facts: facts, server: server, at: now, sid: engine ? engine.id : undefined };
      function keep(verdict) { trouble(verdict, now); }
      losers[entry.transport] = true;
      late.keep = keep;
      keep(judge(facts));
      changed();
      if (unknown) count(function (n) {
        var verdicts = watcher.verdicts, name;
        if (!n) return;
        facts.servers = servers = n;
        keep(judge(facts));
        // That is why the others failed, too.
        for (name in verdicts) verdicts[name] = judge(copy(verdicts[name].facts, { servers: n }));
        changed();
      });
    }

    // The session after a loss can tell of it.
    function tellLate() {
      var loss = late;
      late = null;
      if (!loss) return;
      // Where several answer, another one is no news.
      if (loss.server && server && loss.server !== server && !loss.facts.servers && !(loss.facts['sid-unknown'] && loss.facts['lasted-ms'] < YOUNG_MS)) {
        loss.facts['server-changed'] = true;
        cuts = null;
      }
      // By its id the server finds what it saw of that session.
      tell(loss.facts, loss.keep, loss.sid);
    }

    function noSession(error) {
      var facts = copy({ step: 'session', code: error.code === 'expired' ? 'unknown-session' : error.code }, schemes()), at = watcher.latest[''] = {}, name;
      function keep(verdict) {
        if (watcher.latest[''] !== at) return;
        // What became of the one transport that there is says more than that there is no session.
        if (verdict.certainty === 'unknown') for (name in watcher.verdicts) {
          if (watcher.verdicts[name].certainty !== 'unknown') verdict = watcher.verdicts[name];
        }
        watcher.session = verdict;
        changed();
      }
      if (error.refusal) return keep(judge(copy(facts, { refusal: error.refusal, 'refusal-text': error.message })));
      looked(function (http) {
        facts = copy(facts, http);
        delete facts.server;
        keep(judge(facts));
      });
    }

    watcher = {
      verdicts: {}, latest: {}, loss: null, session: null, own: own,
      // Whether the server can be asked, now or in a moment.
      asks: function () { return !refused && manager.readyState === 'open'; },
      // A round trip took so long. Or it has taken so long already, since `asked`, and what comes meanwhile is older.
      answered: function (ms, asked) {
        var engine = manager.engine;
        if (ms < LATE_MS || !questions || !engine || asked && !(engine.heardAt > asked + SLOW_MS)) return;
        questions--;
        left++;
        settle({ transport: engine.transport.form, step: 'carrying', 'rtt-ms': ms }, function (verdict) { if (verdict.certainty !== 'unknown') trouble(verdict, P.now()); });
      },
      // The verdict of this page on other facts; keep(verdict) gets that of both ends.
      judge: function (facts, keep) {
        tell(facts, keep);
        return judge(facts);
      }
    };

    manager.on('timeline', function (entry) {
      var name = entry.transport, sid, facts, keep;
      if (entry.outcome === 'ok') {
        if (entry.step !== 'upgrade' && (entry.step !== 'open' || manager.engine && manager.engine.transport.form !== name)) return;
        watcher.latest[name] = null;
        delete watcher.verdicts[name];
        if (manager.record(name).until <= P.now()) delete losers[name];
        changed();
      } else if (entry.step === 'quarantine' && losers[name] && watcher.loss) {
        trouble(watcher.loss, watcher.loss.at);
        changed();
      } else if (entry.outcome === 'failed' && entry.step === 'send') {
        // Too large for something on the way; the session goes on.
        if (statusIn(entry.reason)['http-status']) {
          facts = copy({ transport: name, step: 'carrying', code: 'http' }, statusIn(entry.reason));
          keep = function (verdict) { trouble(verdict, P.now()); };
          keep(judge(facts));
          changed();
          tell(facts, keep, manager.engine && manager.engine.id);
        }
      } else if (entry.outcome === 'failed' && entry.step === 'close') lost(entry);
      else if (entry.outcome === 'failed' && STEPS[entry.step] || entry.outcome === 'refused' && entry.step === 'upgrade') {
        // A trial that fails ends the session.
        sid = STEPS[entry.step] === 'trial' && manager.engine ? manager.engine.id : '';
        // the page has its hands full in this very moment
        setTimeout(function () { attemptFailed(entry, sid); }, 0);
      }
    });

    own.on('server', function (name) {
      var all = early;
      keepBusy();
      server = '' + name;
      early = [];
      tellLate();
      // The server sees that no request for it comes, and cannot know why.
      if (P.indexOf(manager.policy, 'websocket') >= 0 && !root.io.can('websocket')) tell({ transport: 'websocket', step: 'open', code: 'unsupported' }, function () {});
      while (all.length) tell.apply(null, all.shift());
    });
    own.on('connect_error', function () { refused = true; });
    socket.on('connect', function () {
      if (watcher.session && !watcher.loss && watcher.session.certainty !== 'unknown') trouble(watcher.session, P.now());
      watcher.session = watcher.latest[''] = null;
      left = REPORTS;
      questions = QUESTIONS;
      if (!refused) own.connect();
    });
    // The namespace must not hold a connection that the page has given up, or the server refused.
    socket.on('disconnect', function () {
      // it was about a session that is over
      early = [];
      if (!socket.active) own.disconnect();
    });
    socket.on('connect_error', function (error) {
      if (!socket.active) own.disconnect();
      noSession(error);
    });
    if (socket.active) own.connect();
    return watcher;
  }

  root.ParlanceEvidence = { watch: watch, near: near, judge: function (facts) { return Causes.diagnose(facts); } };
})(window);
