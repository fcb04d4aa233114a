/* The connection test: every transport in turn, what became of it, and the causes of what did not work. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, t = T.t, make = P.make, add = P.add, byId = P.byId;

  var POST_MS = 15000;
  var REPORT_MAX = 16 * 1024;    // bytes that the server takes
  var LACKS = { websocket: 'WebSocket', eventsource: 'EventSource', htmlfile: 'XMLHttpRequest', 'xhr-polling': 'XMLHttpRequest' };

  var rows = {}, results = [], running = false;

  function button(on) {
    var b = byId('start');
    b.disabled = !on;
    P.say(b, t(results.length ? 'diag.again' : 'diag.start'));
  }

  // The allowed ones in the server's order, then the others.
  function order() {
    var out = root.io.policy.slice(0), i;
    for (i = 0; i < P.TRANSPORTS.length; i++) if (P.indexOf(out, P.TRANSPORTS[i]) < 0) out.push(P.TRANSPORTS[i]);
    return out;
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
    var row = rows[r.name], words;
    P.empty(row.result).appendChild(make('span', 'tag ' + r.kind, t('diag.' + r.kind)));
    P.say(row.time, r.ms ? t('panel.ms', { n: r.ms }) : '');
    if (r.kind === 'works') words = t('diag.works.text', { open: r.open, rtt: r.rtt });
    else if (r.kind === 'unsupported') words = LACKS[r.name] && !root[LACKS[r.name]] ? t('diag.unsupported.need', { what: LACKS[r.name] }) : t('diag.unsupported.text');
    else words = r.verdict ? r.verdict.title + '.' : t('cause.unknown');
    P.say(row.meaning, words);
    P.mark(row.meaning, r.kind !== 'works' && r.verdict);
  }

  // What the chat uses: the first of the server's order that works.
  function choice() {
    for (var i = 0; i < results.length; i++) if (results[i].kind === 'works') return results[i].name;
    return '';
  }

  // Each cause once, with all transports that it concerns.
  function causes() {
    var out = [], i, j, r;
    for (i = 0; i < results.length; i++) {
      r = results[i];
      if (!r.verdict || r.kind === 'unsupported') continue;
      for (j = 0; j < out.length; j++) if (out[j].verdict.cause === r.verdict.cause) break;
      if (!out[j]) out[j] = { verdict: r.verdict, names: [] };
      out[j].names.push(t('transport.' + r.name));
      if (r.verdict.both && !out[j].verdict.both) out[j].verdict = r.verdict;
    }
    return out;
  }

  function drawCauses() {
    var all = causes(), list = P.empty(byId('causes')), i;
    P.show(byId('causes-part'), all.length > 0);
    for (i = 0; i < all.length; i++) list.appendChild(P.cause(all[i].verdict, all[i].names.join(', ') + ':'));
  }

  function summary() {
    var box = byId('summary'), best = choice(), all = causes();
    P.show(box, true);
    P.setClass(box, 'bad', !best);
    P.say(box, best ? t('diag.summary.best', { name: t('transport.' + best) }) :
      t('diag.summary.none') + ' ' + (all.length === 1 && all[0].verdict.certainty !== 'unknown' ? all[0].verdict.title + '.' : t('diag.summary.none.help')));
  }

  function reportText() {
    var lines = ['Parlance connection test'].concat(P.about()), i, j, r;
    lines.push('Transport that the chat uses from here: ' + (choice() || 'none'), '', 'Results');
    for (i = 0; i < results.length; i++) {
      r = results[i];
      lines.push('  ' + r.name + ': ' + r.kind + (r.kind === 'works' ? ', open ' + r.open + ' ms, round trip ' + r.rtt + ' ms' : '') + (r.ms ? ', ' + r.ms + ' ms in all' : ''));
      if (r.verdict) lines = lines.concat(P.causeLines(r.verdict));
    }
    for (i = 0; i < results.length; i++) {
      lines.push('', 'Timeline of ' + results[i].name);
      for (j = 0; j < results[i].timeline.length; j++) lines.push('  ' + P.entryLine(results[i].timeline[j]));
    }
    return lines.join('\n');
  }

  function post(text) {
    var x = P.request(), id = '', over = false, place = byId('report-state');
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
    setTimeout(end, POST_MS);
  }

  function run() {
    var names = order(), i = 0;
    if (running) return;
    running = true;
    results = [];
    root.ParlanceTrial.reset();
    button(false);
    P.show(byId('summary'), false);
    P.show(byId('causes-part'), false);
    P.show(byId('report-part'), false);
    drawEmpty(names);
    (function next() {
      var name = names[i++];
      if (!name) return finished();
      P.say(byId('progress'), t('diag.running', { name: t('transport.' + name) }));
      P.empty(rows[name].result).appendChild(make('span', 'tag busy', t('diag.testing')));
      root.ParlanceTrial.run(name, function (r) {
        results.push(r);
        drawResult(r);
        setTimeout(next, 0);
      });
    })();
  }

  // A script, for one, is not told why it failed. If nothing works, what was found out for certain elsewhere is the reason here, too.
  function agree() {
    var found, i, r;
    for (i = 0; i < results.length; i++) if (results[i].verdict && results[i].kind !== 'unsupported' && results[i].verdict.cause !== 'transport-not-allowed' && results[i].verdict.certainty === 'certain') found = found || results[i];
    for (i = 0; found && i < results.length; i++) {
      r = results[i];
      if (!r.verdict || r.verdict.certainty !== 'unknown') continue;
      r.verdict = found.verdict;
      r.kind = found.kind;
      drawResult(r);
    }
  }

  function finished() {
    var text;
    if (!choice()) agree();
    text = reportText();
    running = false;
    P.say(byId('progress'), '');
    summary();
    drawCauses();
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
  if (!root.io || !root.ParlanceTrial || !root.ParlanceCauses) {
    P.say(byId('progress'), t('banner.missing'));
    byId('start').disabled = true;
  } else drawEmpty(order());
})(window);
