/* One transport put to the test, as the chat would use it: opened from where the chat opens it, and then made to carry. ES3. */
(function (root) {
  var P = root.ParlancePage, Evidence = root.ParlanceEvidence;

  var OPEN_MS = 15000;      // to get there
  var ANSWER_MS = 8000;     // for one message there and back
  var SILENT_MS = 6000;     // the best transport is left alone for so long
  var HOLD_MS = 10000;      // and kept for so long in all
  var VERDICT_MS = 7000;    // for what the page finds out about a failure, and the server says to it
  var ECHO = 64 * 1024;
  var ECHO_MS = 30000;
  var SLOW_PACE = 10000;    // bytes in a second
  var SMALL_ECHO = 4096;    // finds out whether there are
  var APART_MS = 150;       // the server sends four pieces over 900 ms
  var CUT_MS = 1000;        // what is cut after less silence was not cut because of it

  // Transports by which no session could be begun.
  var closed = {};

  function text(length) {
    var s = 'The quick brown fox jumps over the lazy dog 0123456789. ';
    while (s.length < length) s += s;
    return s.slice(0, length);
  }

  // The transport from which the chat would come to this one; '' if it begins with it.
  function base(name, policy) {
    if (/polling$/.test(name)) return '';
    for (var i = 0; i < policy.length; i++) if (/polling$/.test(policy[i]) && root.io.can(policy[i]) && !closed[policy[i]]) return policy[i];
    return '';
  }

  // done({ name, kind: works, refused, unsupported or blocked, open, rtt, ms, verdict, timeline }) is called once.
  function run(name, done) {
    var policy = root.io.policy;
    if (P.indexOf(policy, name) < 0) return done({ name: name, kind: 'refused', timeline: [], verdict: Evidence.judge({ transport: name, refusal: 'transport', 'refusal-text': 'allowed: ' + policy.join(', ') }) });
    if (!root.io.can(name)) return done({ name: name, kind: 'unsupported', timeline: [], verdict: Evidence.judge({ transport: name, code: 'unsupported' }) });
    var from = base(name, policy);
    twice(name, from, function (result) {
      if (!from || !result.nowhere) return done(result);
      // Where the chat could not even begin, the transport may work by itself.
      closed[from] = true;
      twice(name, '', done);
    });
  }

  // What was cut while it was left alone is tried again, and kept busy: was it the silence?
  function twice(name, from, done) {
    attempt(name, from, null, function (result) {
      if (!result.cut) return done(result);
      attempt(name, from, result.cut, function (again) {
        again.ms += result.ms;
        again.timeline = result.timeline.concat(again.timeline);
        done(again);
      });
    });
  }

  // Whether the server would rather have this one than any other that this browser can use.
  function isBest(name) {
    for (var i = 0, policy = root.io.policy; i < policy.length; i++) if (root.io.can(policy[i])) return policy[i] === name;
    return false;
  }

  // `before`: the last one was cut after so many milliseconds, the `silent` ones of which nothing was said.
  function attempt(name, from, before, done) {
    var socket = P.io({ transports: from ? [from, name] : [name], forceNew: true, reconnection: false, autoConnect: false, timeout: OPEN_MS });
    var manager = socket.io, watcher = Evidence.watch(socket, function () { if (waiting) waiting(); }), started = P.now(), opened = 0, rtt = 0, pace, over = false, failing = false, alone = false, waiting, timer, last = '';

    function finish(kind, verdict) {
      var result = { name: name, kind: kind, ms: P.now() - started, open: opened - started, rtt: rtt, verdict: verdict, timeline: manager.timeline(), code: last };
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (alone && wasCut()) result.cut = { silent: wasCut()['silent-ms'], lasted: P.now() - opened };
      result.nowhere = kind !== 'works' && !opened && !watcher.verdicts[name] && !(verdict && verdict.where === 'policy');
      socket.disconnect();
      watcher.own.disconnect();
      done(result);
    }

    function wasCut() {
      var facts = watcher.loss && watcher.loss.facts;
      return facts && /^(cut|closed)$/.test(facts.code) && facts['silent-ms'] >= CUT_MS ? facts : null;
    }

    // The first verdict is the page's own; that of both ends comes after it.
    function failed() {
      var lasted = P.now() - opened;
      // What is known before what is not.
      function found() {
        var all = [watcher.verdicts[name], watcher.loss, watcher.session], i, any;
        for (i = 0; i < all.length; i++) {
          if (all[i] && all[i].certainty !== 'unknown') return all[i];
          any = any || all[i];
        }
        return any;
      }
      function kindOf(verdict) { return verdict && verdict.where === 'policy' ? 'refused' : 'blocked'; }
      function conclude() { finish(kindOf(found()), found()); }
      if (failing || over) return;
      if (alone && wasCut()) return conclude();
      if (before && opened && Evidence.near(lasted, before.lasted, 10)) return judged({ transport: name, step: 'carrying', code: 'cut', cuts: 2, 'cuts-lasted-ms': lasted });
      failing = true;
      clearTimeout(timer);
      timer = setTimeout(conclude, VERDICT_MS);
      waiting = function () {
        var verdict = found();
        // of an attempt and of the session that it was for the page finds out at once
        if (verdict && (verdict.both || !watcher.asks())) setTimeout(conclude, 50);
      };
      // what is known by now came from another listener of the same event
      setTimeout(function () { if (!over) waiting(); }, 100);
    }

    // Facts that this test found, judged by both ends.
    function judged(facts) {
      facts = watcher.judge(facts, function (verdict) {
        facts = verdict;
        finish('blocked', verdict);
      });
      failing = true;
      clearTimeout(timer);
      timer = setTimeout(function () { finish('blocked', facts); }, watcher.asks() ? VERDICT_MS : 0);
    }

    // next(answer) or, if none comes in time, failed()
    function ask(event, data, next, ms) {
      var answered = false;
      function take(answer) {
        if (answered || over || failing) return;
        answered = true;
        clearTimeout(timer);
        next(answer);
      }
      timer = setTimeout(function () {
        if (answered || over) return;
        answered = true;
        lateAnswer();
      }, ms || ANSWER_MS);
      if (event === 'latency') socket.emit(event, take);
      else watcher.own.emit(event, data, take);
    }

    // No answer came: because the request was too large for something on the way, or for another reason.
    function lateAnswer() {
      var entries = manager.timeline(), i;
      for (i = 0; i < entries.length; i++) if (entries[i].step === 'send') return judged({ transport: name, step: 'carrying', code: 'http', 'up-limit': ECHO, 'http-status': +(/\d{3}/.exec(entries[i].reason) || [0])[0] });
      judged({ transport: name, step: 'carrying', code: 'silent', ms: ANSWER_MS });
    }

    function bytes(next) {
      var small = SMALL_ECHO, large = Math.min(ECHO, (manager.engine.maxPayload || ECHO) - 1024);
      // What was slow may have been late for another reason: once more.
      echo(small, function () {
        if (pace >= SLOW_PACE) echo(large, next);
        else echo(small, function () {
          if (pace < SLOW_PACE) next(); else echo(large, next);
        });
      });
    }

    // There and back; and how fast that was, but for what a short message takes.
    function echo(length, next) {
      var asked = P.now(), sent = text(length);
      ask('echo', sent, function (answer) {
        if (answer && answer.error) return next();
        if (answer !== sent) return judged({ transport: name, step: 'carrying', 'bytes-changed': true });
        pace = Math.round(2000 * sent.length / Math.max(P.now() - asked - rtt, 1));
        next();
      }, ECHO_MS);
    }

    // Whether pieces that were sent apart come apart. They come together, too, to a page that is late itself: then once more.
    // `before`: after so many milliseconds they came together the first time.
    function pieces(next, before) {
      var first = 0, n = 0, asked = P.now(), expected;
      function together(ms) { judged({ transport: name, step: 'carrying', 'pieces-apart': false, 'first-byte-ms': ms }); }
      function piece() {
        var now = P.now();
        n++;
        first = first || now;
        if (n !== 4) return;
        watcher.own.off('piece', piece);
        if (failing || over) return;
        if (now - first >= APART_MS) return expected();
        if (before) return together(first - asked);
        clearTimeout(timer);
        pieces(next, first - asked);
      }
      watcher.own.on('piece', piece);
      ask('pieces', null, function (answer) {
        if (!answer || answer.error) return before ? together(before) : next();
        expected = function () {
          clearTimeout(timer);
          if (!failing && !over) next();
        };
        timer = setTimeout(lateAnswer, ANSWER_MS);
      });
    }

    function quiet(next) {
      alone = true;
      timer = setTimeout(function () {
        alone = false;
        ask('echo', 'still there', function () {
          timer = setTimeout(next, Math.max(0, opened + HOLD_MS - P.now()));
        });
      }, SILENT_MS);
    }

    // For so long that it would have been cut.
    function busy() {
      if (P.now() - opened > before.lasted * 1.5) return judged({ transport: name, step: 'carrying', code: 'cut', 'idle-limit-ms': before.silent });
      timer = setTimeout(function () { ask('echo', '', busy); }, before.silent / 3);
    }

    // What works may still be slow.
    function works() {
      var verdict = Evidence.judge({ 'rtt-ms': rtt, 'bytes-per-second': pace });
      finish('works', verdict.certainty === 'unknown' ? null : verdict);
    }

    function carry() {
      opened = P.now();
      clearTimeout(timer);
      ask('latency', null, function () {
        rtt = P.now() - opened;
        // Another server has no such namespace, and the test ends here.
        if (!watcher.own.connected && !watcher.own.active) return works();
        function held() {
          if (name === 'websocket' || isBest(name)) quiet(works); else works();
        }
        if (before) return busy();
        bytes(function () {
          if (name === 'eventsource' || name === 'htmlfile') pieces(held); else held();
        });
      });
    }

    manager.on('timeline', function (entry) {
      last = entry.code === 'ok' ? last : entry.code;
      if (over || failing || entry.transport !== name) return;
      if (entry.outcome === 'ok' && entry.step === 'upgrade') carry();
      else if (entry.outcome === 'refused' || entry.outcome === 'failed' && entry.step !== 'send') failed();
    });
    socket.on('connect', function () { if (!from && !opened) carry(); });
    socket.on('connect_error', failed);
    socket.on('disconnect', function (why) { if (why !== 'io client disconnect') failed(); });
    manager.record(name).until = 0;
    timer = setTimeout(failed, OPEN_MS);
    socket.connect();
  }

  root.ParlanceTrial = { run: run, reset: function () { closed = {}; } };
})(window);
