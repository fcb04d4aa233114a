/* The connection test: every transport in turn, what became of it and what to do about it. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, t = T.t, make = P.make, add = P.add, byId = P.byId;

  var LIMIT_MS = 15000;          // for one transport
  var REPORT_MAX = 16 * 1024;    // bytes that the server takes
  var LACKS = { websocket: 'WebSocket', eventsource: 'EventSource', htmlfile: 'XMLHttpRequest', 'xhr-polling': 'XMLHttpRequest' };

  var rows = {}, results = [], running = false;

  function button(on) {
    var b = byId('start');
    b.disabled = !on;
    P.say(b, t(results.length ? 'diag.again' : 'diag.start'));
  }

  // The allowed ones in the server's order, then the others, which are tested too: the answer is worth knowing.
  function order() {
    var out = root.io.policy.slice(0), i, j, known;
    for (i = 0; i < P.TRANSPORTS.length; i++) {
      known = false;
      for (j = 0; j < out.length; j++) if (out[j] === P.TRANSPORTS[i]) known = true;
      if (!known) out.push(P.TRANSPORTS[i]);
    }
    return out;
  }

  function allowed(name) {
    for (var i = 0; i < root.io.policy.length; i++) if (root.io.policy[i] === name) return true;
    return false;
  }

  function drawEmpty(names) {
    var body = P.empty(byId('rows')), i, th, row;
    rows = {};
    for (i = 0; i < names.length; i++) {
      th = make('th', '', t('transport.' + names[i]));
      th.setAttribute('scope', 'row');
      row = { result: make('td', '', make('span', 'tag', t('diag.pending'))), time: make('td', 'num', ''), meaning: make('td', 'meaning', '') };
      rows[names[i]] = row;
      body.appendChild(make('tr', '', th, row.result, row.time, row.meaning));
    }
  }

  function drawResult(r) {
    var row = rows[r.name], words, meaning = P.empty(row.meaning), reason;
    P.empty(row.result).appendChild(make('span', 'tag ' + r.kind, t('diag.' + r.kind)));
    P.say(row.time, r.ms ? t('panel.ms', { n: r.ms }) : '');
    if (r.kind === 'works') words = t('diag.works.text', { open: r.open, rtt: r.rtt });
    else if (r.kind === 'refused') words = t(r.code === 'forbidden' ? 'diag.forbidden.text' : r.code === 'notoffered' ? 'diag.notoffered.text' : 'diag.refused.text', { why: r.reason });
    else if (r.kind === 'unsupported') words = LACKS[r.name] && !root[LACKS[r.name]] ? t('diag.unsupported.need', { what: LACKS[r.name] }) : t('diag.unsupported.text');
    else {
      reason = T.why(r.code, r.reason);
      add(meaning, make('strong', '', reason.charAt(0).toUpperCase() + reason.slice(1) + '.'));
      words = ' ' + t('diag.fix.' + r.name);
    }
    add(meaning, words);
  }

  // One transport, alone: opened, one message there and back, closed. done(result) is called once.
  function test(name, done) {
    var started = P.now(), socket, manager, opened = 0, over = false, timer;

    function finish(kind, err) {
      var r;
      if (over) return;
      over = true;
      clearTimeout(timer);
      r = { name: name, kind: kind, ms: kind === 'unsupported' || kind === 'refused' ? 0 : P.now() - started, code: err && err.code || '', reason: err && (err.message || err.description) || '', timeline: manager.timeline() };
      if (kind === 'works') {
        r.open = opened - started;
        r.rtt = P.now() - opened;
      }
      socket.disconnect();
      done(r);
    }

    function failed(err) {
      var i, e, entries = manager.timeline();
      for (i = 0; i < entries.length; i++) {
        e = entries[i];
        if (e.transport === name && (e.outcome === 'refused' || e.outcome === 'unsupported')) return finish(e.outcome, { code: e.code, message: e.reason });
        if (e.transport === name && e.outcome === 'failed') err = { code: e.code, message: e.reason };
      }
      finish(err && err.code === 'forbidden' ? 'refused' : 'blocked', err);
    }

    socket = P.io({ transports: [name], forceNew: true, reconnection: false, upgrade: false, autoConnect: false, timeout: LIMIT_MS });
    manager = socket.io;
    timer = setTimeout(function () { failed({ code: opened ? 'silent' : 'timeout', message: 'no answer in time' }); }, LIMIT_MS);
    socket.on('connect', function () {
      opened = P.now();
      socket.emit('latency', function () { finish('works'); });
    });
    socket.on('connect_error', failed);
    socket.on('disconnect', function (why, err) { if (err) failed(err); });
    socket.connect();
  }

  // How the chat itself fares: where it begins, what it upgrades to.
  function testUpgrade(done) {
    var socket = P.io({ forceNew: true, reconnection: false, autoConnect: false }), manager = socket.io, over = false;
    function finish() {
      var tr = manager.engine && manager.engine.transport, entries;
      if (over) return;
      over = true;
      entries = manager.timeline();
      socket.disconnect();
      done(tr ? tr.form : '', entries);
    }
    function better() {
      // nothing left to hope for: the best that worked is in use, or nothing is being probed
      var e = manager.engine;
      if (!e) return finish();
      if (e.readyState === 'open' && !e.probing && socket.connected) return finish();
      setTimeout(better, 100);
    }
    setTimeout(finish, LIMIT_MS);
    socket.on('connect_error', finish);
    socket.on('connect', better);
    socket.connect();
  }

  // Of most transports a browser tells only that they failed. What the server said elsewhere tells why.
  function explain(upgrade) {
    var told = {}, works = false, i, r, e;
    for (i = 0; i < upgrade.length; i++) {
      e = upgrade[i];
      if (e.step === 'upgrade' && e.outcome === 'refused') told[e.transport] = { code: 'notoffered', reason: e.reason };
    }
    for (i = 0; i < results.length; i++) {
      if (results[i].kind === 'works') works = true;
      if (results[i].code === 'forbidden') told.all = results[i];
    }
    for (i = 0; i < results.length; i++) {
      r = results[i];
      e = !works && told.all || told[r.name];
      if (r.kind !== 'blocked' || !e) continue;
      r.kind = 'refused';
      r.code = e.code;
      r.reason = e.reason;
      drawResult(r);
    }
    return told.all ? told.all.reason : '';
  }

  function summary(best, refusal) {
    var box = byId('summary'), worked, i;
    for (i = 0; i < results.length; i++) if (results[i].kind === 'works') worked = worked || results[i].name;
    P.show(box, true);
    P.setClass(box, 'bad', !worked);
    P.say(box, worked ? t('diag.summary.best', { name: t('transport.' + (best || worked)) }) :
      refusal ? t('diag.summary.forbidden', { why: refusal }) : t('diag.summary.none') + ' ' + t('diag.summary.none.help'));
  }

  function reportText(best, upgrade) {
    var lines = ['Parlance connection test'].concat(P.about()), i, j, r;
    lines.push('Transport that the chat uses from here: ' + (best || 'none'), '', 'Results');
    for (i = 0; i < results.length; i++) {
      r = results[i];
      lines.push('  ' + r.name + ': ' + r.kind + (r.kind === 'works' ? ', open ' + r.open + ' ms, round trip ' + r.rtt + ' ms' : r.reason ? ', ' + r.code + ': ' + r.reason : '') + (r.ms ? ', ' + r.ms + ' ms in all' : '') + (allowed(r.name) ? '' : ', not in the policy'));
    }
    lines.push('', 'Upgrade');
    for (i = 0; i < upgrade.length; i++) lines.push('  ' + P.entryLine(upgrade[i]));
    for (i = 0; i < results.length; i++) {
      lines.push('', 'Timeline of ' + results[i].name);
      for (j = 0; j < results[i].timeline.length; j++) lines.push('  ' + P.entryLine(results[i].timeline[j]));
    }
    return lines.join('\n');
  }

  function request() {
    try { return new root.XMLHttpRequest(); } catch (e) {}
    try { return new root.ActiveXObject('Microsoft.XMLHTTP'); } catch (e2) {}
    return null;
  }

  function post(text) {
    var x = request(), id = '', over = false, place = byId('report-state');
    function end() {
      if (over) return;
      over = true;
      if (id) T.fill(place, 'diag.report.id', { id: make('span', 'report-id', id) });
      else P.say(place, t('diag.report.failed'));
    }
    // the report is ASCII but for names of things: cut by characters, and well below the bound
    if (text.length > REPORT_MAX - 1024) text = text.slice(0, REPORT_MAX - 1024) + '\n(cut)';
    P.say(place, t('diag.report.sending'));
    if (!x) return end();
    try {
      x.open('POST', 'diagnostics/report', true);
      x.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
      x.onreadystatechange = function () {
        var m;
        if (over || x.readyState !== 4) return;
        try { m = x.status === 200 && /"id"\s*:\s*"([\w.:-]{1,64})"/.exec(x.responseText); } catch (e) { m = null; }
        id = m ? m[1] : '';
        end();
      };
      x.send(text);
    } catch (e3) { end(); }
    setTimeout(end, LIMIT_MS);
  }

  function run() {
    var names = order(), i = 0;
    if (running) return;
    running = true;
    results = [];
    button(false);
    P.show(byId('summary'), false);
    P.show(byId('report-part'), false);
    drawEmpty(names);
    (function next() {
      var name = names[i++];
      if (!name) return testUpgrade(finished);
      P.say(byId('progress'), t('diag.running', { name: t('transport.' + name) }));
      P.empty(rows[name].result).appendChild(make('span', 'tag busy', t('diag.testing')));
      test(name, function (r) {
        results.push(r);
        drawResult(r);
        setTimeout(next, 0);
      });
    })();
  }

  function finished(best, upgrade) {
    var refusal = explain(upgrade), text = reportText(best, upgrade);
    running = false;
    P.say(byId('progress'), '');
    summary(best, refusal);
    byId('report').value = text;
    P.show(byId('report-part'), true);
    button(true);
    post(text);
  }

  P.listen(byId('start'), 'click', run);
  P.listen(byId('copy'), 'click', function () {
    P.copy(byId('report'), function (ok) { P.say(byId('copied'), t(ok ? 'panel.copied' : 'panel.copyhand')); });
  });
  doc.title = t('diag.title') + ' · Parlance';
  if (!root.io) {
    P.say(byId('progress'), t('banner.missing'));
    byId('start').disabled = true;
  } else drawEmpty(order());
})(window);
