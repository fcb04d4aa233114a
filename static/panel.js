/* The connection panel: which transport is in use, which were tried, and why it came to this. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Layer = root.ParlanceLayer, t = T.t, make = P.make, add = P.add;

  // Between measurements while the panel is open. More often, and it would keep alive what is cut for being quiet.
  var PING_MS = 15000;
  var QUIET_MS = 1500;   // quiet times longer than this are drawn as short as this

  var panel = P.byId('panel'), socket, manager, evidence, parts, timer, pingTimer, asked = 0, rtts = [], since = 0, sinceForm = '';

  function isOpen() { return !!parts && P.isShown(panel); }

  function current() {
    var tr = socket && socket.connected && manager.engine && manager.engine.transport;
    return tr ? tr.form : '';
  }

  function fact(list, key) {
    var dd = make('dd', '');
    list.appendChild(make('dt', '', t(key)));
    list.appendChild(dd);
    return dd;
  }

  function head(name, keys) {
    var row = make('tr', ''), i, th;
    for (i = 0; i < keys.length; i++) {
      th = make('th', /opens|took/.test(keys[i]) ? 'num' : '', t(keys[i]));
      th.setAttribute('scope', 'col');
      row.appendChild(th);
    }
    return make('table', name, make('thead', '', row));
  }

  function rowHead(words) {
    var th = make('th', '', words);
    th.setAttribute('scope', 'row');
    return th;
  }

  function heading(key) { return make('h3', '', t(key)); }

  function build() {
    var list = make('dl', 'facts'), close = P.button('small plain close', t('close')), title = make('h2', '', t('panel.title')), copy = P.button('primary', t('panel.copy')), link = make('a', 'button-like', t('panel.diagnose'));
    title.id = 'panel-title';
    parts = { close: close };
    parts.state = fact(list, 'panel.state');
    parts.transport = fact(list, 'panel.transport');
    parts.since = fact(list, 'panel.since');
    parts.rtt = fact(list, 'panel.rtt');
    parts.lost = fact(list, 'panel.lost');
    parts.generation = fact(list, 'panel.generation');
    add(parts.generation, 'Engine.IO 4, Socket.IO ' + root.io.protocol);
    parts.server = fact(list, 'panel.server');
    add(parts.server, manager.uri || manager.base);
    parts.browser = fact(list, 'panel.browser');
    add(parts.browser, root.navigator.userAgent);
    parts.browser.className = 'agent';

    parts.table = head('data transports', ['panel.name', 'panel.status', 'panel.opens']);
    parts.rows = make('tbody', '');
    parts.table.appendChild(parts.rows);

    parts.chart = make('div', 'chart');
    parts.chart.setAttribute('role', 'img');
    parts.chart.setAttribute('aria-label', t('panel.picture.help'));

    parts.steps = head('data steps', ['panel.time', 'panel.name', 'panel.what', 'panel.took', 'panel.result']);
    parts.stepRows = make('tbody', '');
    parts.steps.appendChild(parts.stepRows);
    parts.stepsBox = make('div', 'scroll', parts.steps);
    parts.stepsBox.tabIndex = 0;
    parts.stepsBox.setAttribute('role', 'region');
    parts.stepsBox.setAttribute('aria-label', t('panel.list'));

    parts.report = doc.createElement('textarea');
    parts.report.className = 'report';
    P.show(parts.report, false);
    parts.report.rows = 8;
    parts.report.readOnly = true;
    parts.report.setAttribute('aria-label', t('panel.report'));
    parts.copied = make('p', 'copied');
    parts.copied.setAttribute('role', 'status');
    link.href = 'diagnostics' + (/[?&]lang=/.test(root.location.search) ? '?lang=' + T.lang : '');

    P.empty(panel);
    add(panel, make('div', 'panel-head', title, close));
    add(panel, make('div', 'panel-body',
      list,
      heading('panel.transports'), make('p', 'help', t('panel.transports.help')), parts.table,
      heading('panel.picture'), make('p', 'help', t('panel.picture.help')), parts.chart, legend(),
      heading('panel.list'), parts.stepsBox,
      heading('panel.report'), make('p', 'help', t('panel.report.help')),
      make('p', 'actions', copy, ' ', link), parts.copied, parts.report
    ));

    P.listen(close, 'click', shut);
    P.listen(copy, 'click', function () {
      parts.report.value = report();
      P.show(parts.report, true);
      P.copy(parts.report, function (ok) {
        P.say(parts.copied, t(ok ? 'panel.copied' : 'panel.copyhand'));
        if (ok) P.focus(copy);
      });
    });
  }

  function legend() {
    return make('p', 'legend', make('span', 'key carried', ''), ' ' + t('panel.legend.carried') + '   ', make('span', 'key ok', ''), ' ' + t('panel.legend.ok') + '   ', make('span', 'key failed', ''), ' ' + t('panel.legend.failed'));
  }

  // ---- what the timeline says

  function has(list, item) {
    for (var i = 0; i < list.length; i++) if (list[i] === item) return true;
    return false;
  }

  // The allowed ones in the order of the server, then the others.
  function order() {
    var out = manager.policy.slice(0), i;
    for (i = 0; i < P.TRANSPORTS.length; i++) if (!has(out, P.TRANSPORTS[i])) out.push(P.TRANSPORTS[i]);
    return out;
  }

  // What became of a transport, with the verdict on it as `cause` if it failed.
  function status(name, entries) {
    var v = { kind: 'idle', words: t('panel.notneeded'), opens: '', cause: evidence.verdicts[name] }, record = manager.record(name), i, e;
    if (!has(manager.policy, name)) return { kind: 'refused', words: t('panel.policy'), opens: '', cause: root.ParlanceEvidence.judge({ transport: name, refusal: 'transport', 'refusal-text': 'allowed: ' + manager.policy.join(', ') }) };
    if (!root.io.can(name)) return { kind: 'unsupported', words: t('panel.unsupported'), opens: '', cause: root.ParlanceEvidence.judge({ transport: name, code: 'unsupported' }) };
    for (i = 0; i < entries.length; i++) {
      e = entries[i];
      if (e.transport !== name) continue;
      if (e.outcome === 'ok' && (e.step === 'open' || e.step === 'upgrade')) {
        v.kind = 'ok';
        v.words = t('panel.worked');
        v.opens = e.ms;
      } else if (e.outcome === 'failed') {
        v.kind = 'failed';
        v.words = t('panel.failed');
        if (!v.cause || v.cause.certainty === 'unknown' && evidence.session) v.cause = evidence.session;
      } else if (e.outcome === 'refused' || e.outcome === 'unsupported') {
        v.kind = e.outcome;
        v.words = t(e.outcome === 'refused' && e.step === 'upgrade' ? 'panel.notoffered' : 'panel.' + e.outcome);
      }
    }
    if (record.until > P.now()) {
      v.kind = 'rest';
      v.words = t('panel.rests', { time: P.clock(new Date(record.until), true) });
    }
    if (name === current()) {
      v.kind = 'use';
      v.words = t('panel.use');
      v.cause = null;
    }
    return v;
  }

  // Bars: when which transport carried the conversation, and each try.
  function bars(entries, end) {
    var out = [], carrier = null, i, e;
    function closeCarrier(at) {
      if (carrier) carrier.to = at;
      carrier = null;
    }
    for (i = 0; i < entries.length; i++) {
      e = entries[i];
      if (e.step === 'close') closeCarrier(e.at);
      else if (e.ms) out.push({ name: e.transport, kind: e.outcome === 'ok' ? 'ok' : 'failed', from: e.at - e.ms, to: e.at, entry: e });
      else if (e.outcome === 'failed') out.push({ name: e.transport, kind: 'failed', from: e.at, to: e.at, entry: e });
      if (e.outcome === 'ok' && (e.step === 'upgrade' || e.step === 'open' && !carrier)) {
        closeCarrier(e.at);
        carrier = { name: e.transport, kind: 'carried', from: e.at, to: end };
        out.unshift(carrier);
      }
    }
    return out;
  }

  // Long quiet times would push all that matters to the edge, so time runs faster through them.
  function scale(all, end) {
    var times = [end], i, xs = [], x = 0;
    for (i = 0; i < all.length; i++) times.push(all[i].from, all[i].to);
    times.sort(function (a, b) { return a - b; });
    for (i = 0; i < times.length; i++) {
      if (i) x += Math.min(times[i] - times[i - 1], QUIET_MS);
      xs.push(x);
    }
    return function (at) {
      var i = 0;
      while (i < times.length - 1 && times[i] < at) i++;
      return x ? xs[i] / x * 100 : 0;
    };
  }

  function drawChart(entries) {
    var end = P.now() - manager.born, all = bars(entries, end), at = scale(all, end), names = order(), lanes = {}, i, b, bar, from, to, first = end;
    P.empty(parts.chart);
    for (i = 0; i < names.length; i++) {
      lanes[names[i]] = make('div', 'track');
      add(parts.chart, make('div', 'lane', make('div', 'lane-name', t('transport.' + names[i])), lanes[names[i]]));
    }
    for (i = 0; i < all.length; i++) {
      b = all[i];
      first = Math.min(first, b.from);
      if (!lanes[b.name]) continue;
      bar = make('div', 'bar ' + b.kind);
      from = at(b.from);
      to = at(b.to);
      bar.style.left = Math.min(from, 99) + '%';
      bar.style.width = Math.max(to - from, 1) + '%';
      if (b.entry) bar.title = P.entryLine(b.entry);
      lanes[b.name].appendChild(bar);
    }
    add(parts.chart, make('div', 'axis', make('span', 'axis-end', P.clock(new Date(manager.born + end), true)), make('span', '', P.clock(new Date(manager.born + first), true))));
  }

  function drawSteps(entries) {
    var i, e, row, result, stick = parts.stepsBox.scrollHeight - parts.stepsBox.scrollTop - parts.stepsBox.clientHeight < 30;
    if (entries.length === parts.drawn && entries[0] === parts.drawnFirst) return;
    parts.drawn = entries.length;
    parts.drawnFirst = entries[0];
    P.empty(parts.stepRows);
    for (i = 0; i < entries.length; i++) {
      e = entries[i];
      result = make('td', '', make('span', 'tag ' + e.outcome, t('outcome.' + e.outcome)));
      if (e.outcome !== 'ok') add(result, ' ' + T.why(e.code, e.reason));
      row = make('tr', '', make('td', '', P.clock(new Date(manager.born + e.at), true)), make('td', '', t('transport.' + e.transport)), make('td', '', t('step.' + e.step)), make('td', 'num', e.ms ? t('panel.ms', { n: e.ms }) : ''), result);
      parts.stepRows.appendChild(row);
    }
    if (stick) parts.stepsBox.scrollTop = parts.stepsBox.scrollHeight;
  }

  function drawTable(entries) {
    var names = order(), i, v, cell;
    P.empty(parts.rows);
    for (i = 0; i < names.length; i++) {
      v = status(names[i], entries);
      cell = make('td', '', make('span', 'tag ' + v.kind, v.words));
      if (v.cause) add(cell, P.cause(v.cause));
      add(parts.rows, make('tr', v.kind === 'use' ? 'current' : '', rowHead(t('transport.' + names[i])), cell, make('td', 'num', v.opens === '' ? '' : t('panel.ms', { n: v.opens }))));
    }
  }

  function draw() {
    var form, entries;
    if (!isOpen()) return;
    form = current();
    entries = manager.timeline();
    P.say(parts.state, form ? t('panel.connected') : t(manager.nextAt ? 'state.waiting' : 'state.connecting'));
    P.say(parts.transport, form ? t('transport.' + form) + ' (' + form + ')' : '–');
    P.say(parts.since, form && since ? P.clock(new Date(since), true) : '–');
    P.say(parts.rtt, !form ? t('panel.rtt.none') : rtts.length ? t('panel.ms', { n: rtts[rtts.length - 1] }) : t('panel.rtt.wait'));
    P.empty(parts.lost);
    // Why there is no session is why the last was lost, mostly.
    if (evidence.session) add(parts.lost, P.cause(evidence.session));
    else if (evidence.loss) add(parts.lost, P.cause(evidence.loss, P.clock(new Date(evidence.loss.at), true)));
    else add(parts.lost, '\u2013');
    drawTable(entries);
    drawChart(entries);
    drawSteps(entries);
  }

  function ping() {
    var t0 = P.now();
    clearTimeout(pingTimer);
    if (!isOpen()) return;
    pingTimer = setTimeout(ping, PING_MS);
    if (!socket.connected) return;
    if (asked) return evidence.answered(t0 - asked, asked);
    asked = t0;
    socket.emit('latency', function () {
      var took = P.now() - t0;
      if (asked === t0) asked = 0;
      evidence.answered(took);
      rtts.push(took);
      if (rtts.length > 20) rtts.shift();
      draw();
    });
  }

  function tick() {
    draw();
    timer = setTimeout(tick, 1000);
  }

  function report() {
    var lines = ['Parlance connection report'].concat(P.about()), entries = manager.timeline(), names = order(), i, v;
    lines.push('Server: ' + (manager.uri || manager.base + manager.path), 'Allowed now, in order: ' + manager.policy.join(', '));
    lines.push('State: ' + (current() ? 'connected by ' + current() + ' since ' + P.iso(new Date(since)) : 'not connected'));
    lines.push('Round trip (ms): ' + (rtts.length ? rtts.join(' ') : 'not measured'), '', 'Transports');
    for (i = 0; i < names.length; i++) {
      v = status(names[i], entries);
      lines.push('  ' + names[i] + ': ' + v.kind + (v.opens === '' ? '' : ', ' + v.opens + ' ms'));
      if (v.cause) lines = lines.concat(P.causeLines(v.cause));
    }
    if (evidence.session) lines = lines.concat(['', 'Why there is no session'], P.causeLines(evidence.session));
    if (evidence.loss) lines = lines.concat(['', 'The last loss, at ' + P.iso(new Date(evidence.loss.at))], P.causeLines(evidence.loss));
    lines.push('', 'Timeline');
    for (i = 0; i < entries.length; i++) lines.push('  ' + P.entryLine(entries[i]));
    return lines.join('\n');
  }

  // ---- opening and closing

  function open(from) {
    if (!parts) build();
    Layer.open({ el: panel, modal: true, opener: from, close: closed }, parts.close);
    clearTimeout(timer);
    tick();
    ping();
  }

  function closed() {
    clearTimeout(timer);
    clearTimeout(pingTimer);
  }

  function shut() { Layer.close(panel); }

  // `watcher` is that of evidence.js.
  function attach(s, watcher) {
    socket = s;
    evidence = watcher;
    manager = s.io;
    function watch() {
      var form = current();
      if (form !== sinceForm) {
        sinceForm = form;
        since = form ? P.now() : 0;
      }
      draw();
    }
    manager.on('timeline', function () { setTimeout(watch, 0); });
    socket.on('connect', function () {
      watch();
      ping();
    });
    socket.on('disconnect', function () {
      asked = 0;
      watch();
    });
  }

  root.ParlancePanel = { attach: attach, draw: draw, open: open, close: shut, isOpen: isOpen, report: report };
})(window);
