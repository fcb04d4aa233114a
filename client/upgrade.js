// Moves an open session from a transport that sends by POST to a better one, in these steps:
//
//   open   The new transport connects.
//   probe  It has sent `2probe`, and waits for `3probe`.
//   leave  The old transport finishes its requests.
//   trial  The new transport has sent `5` and carries the session. If nothing comes back on it, the
//          session returns to the old one; the server, if it is Parlance, does the same.

// The time for all steps before the trial, and for the trial.
var PROBE_MS = 8000, TRIAL_MS = 4000;
// A server keeps waiting this long for an upgrade that failed, and accepts no other meanwhile.
var SERVER_PROBE_MS = 10000;
// A namespace that never exists (room_names.rs). The server's refusal proves that both directions work.
var TRIAL_NSP = '/parlance-echo';

extend(Engine, {
  // Probes the best of the transports that are better than the current one. If all of them are in
  // quarantine, waits for the first to leave it. `error` tells how the last attempt failed.
  upgrade: function (error) {
    var engine = this, manager = engine.manager, policy = manager.policy;
    var i, name, left, soonest = Infinity;
    clearTimeout(engine.upgradeTimer);
    if (error && /timeout|silent/.test(error.code)) soonest = SERVER_PROBE_MS;
    else {
      if (!manager.opts.upgrade || engine.probing) return;
      if (engine.readyState !== 'open' || !engine.transport.posts) return;
      for (i = 0; i < policy.length && policy[i] !== engine.transport.form; i++) {
        name = policy[i];
        // Both kinds of polling are for a start only.
        if (wireName(name) !== name) continue;
        if (!manager.wants(name) || !can(name, manager.crossScheme)) continue;
        left = manager.record(name).until - now();
        if (!includes(engine.upgrades, name)) {
          if (!engine.upgradesLogged) {
            manager.log(name, 'upgrade', 0, makeError('refused', 'not offered by the server'));
          }
        } else if (left <= 0) return engine.probe(name);
        else soonest = Math.min(soonest, left);
      }
    }
    engine.upgradesLogged = true;
    if (soonest < Infinity) {
      engine.upgradeTimer = setTimeout(function () { engine.upgrade(); }, soonest);
    }
  },

  probe: function (name) {
    var engine = this, manager = engine.manager, startedAt = now(), step = 'open';
    var old = engine.transport, timer, transport, held;

    function carriesSession() { return engine.transport === transport; }

    function stop() {
      step = engine.probing = engine.corked = null;
      clearTimeout(timer);
      transport.close();
    }

    function fail(error) {
      if (carriesSession()) return engine.endTrial ? engine.endTrial(error) : engine.lost(error);
      if (!step) return;
      manager.log(name, step, startedAt, error);
      manager.quarantine(name);
      stop();
      engine.fire('upgradeError', error);
      old.resume();
      engine.flush();
      engine.upgrade(error);
    }

    function endTrial(error) {
      step = engine.endTrial = engine.probing = null;
      clearTimeout(timer);
      if (error) engine.transport = old;
      manager.log(name, 'upgrade', startedAt, error);
      if (error) {
        // If the server did not take the session back, the manager opens a new one without delay.
        manager.quarantine(name);
        transport.close();
        engine.reopenAtOnce = true;
        old.resume();
      } else {
        old.close();
        engine.since = now();
        engine.fire('upgrade', transport);
      }
      engine.flush();
      engine.upgrade(error);
    }

    // Calls `fn` as soon as the test holds, unless the attempt has ended by then.
    function after(test, fn) {
      when(function () { return !step || test(); }, function () { if (step) fn(); });
    }

    engine.probing = stop;
    timer = setTimeout(function () { fail(timeoutError()); }, PROBE_MS);
    transport = transports[name](engine, {
      ready: function () {
        if (step !== 'open') return;
        manager.log(name, step, startedAt);
        step = 'probe';
        // A session may have one POST at a time, on all its transports together.
        after(function () { return old.free; }, function () {
          engine.corked = transport.posts;
          transport.send(['2probe']);
        });
      },

      packet: function (packet) {
        if (carriesSession()) return held ? held.push(packet) : engine.receive(packet);
        if (step !== 'probe') return;
        if (packet !== '3probe') return fail(garbledError());
        manager.log(name, 'probe-pong', startedAt);
        step = 'leave';
        engine.corked = old.paused = true;
        after(function () {
          return transport.free && old.free && (!old.stop || old.name !== 'polling');
        }, function () {
          engine.corked = null;
          engine.transport = transport;
          engine.endTrial = endTrial;
          clearTimeout(timer);
          timer = setTimeout(function () { endTrial(silentError()); }, TRIAL_MS);
          if (old.stop) {
            // The rest of the old stream comes first.
            held = [];
            after(function () { return !old.stop; }, function () {
              var all = held;
              held = null;
              while (all.length) engine.receive(all.shift());
            });
          }
          transport.send(['5'].concat(encode(CONNECT, TRIAL_NSP)));
        });
      },

      drain: function () {
        if (step === 'probe') engine.corked = null;
        engine.flush();
      },

      fail: fail
    }, name);
  }
});
