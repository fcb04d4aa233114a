/* The chat room. ES3: it also runs where there is no JSON, no WebSocket and no addEventListener. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Panel = root.ParlancePanel, People = root.ParlancePeople, Log = root.ParlanceLog, Evidence = root.ParlanceEvidence;
  var byId = P.byId, make = P.make, show = P.show, listen = P.listen, t = T.t, now = P.now;

  var MAX_TYPISTS = 20;          // more are "several" all the same
  var MAX_TEXT = 100000;         // characters of a message that is tried at all; the server has a bound of its own
  var TYPING_MS = 400;           // of silence until "stop typing"
  var ACK_MS = 10000;            // without an answer a message is sent again: the server knows its id

  var box = byId('message'), banner = byId('banner'), typingLine = byId('typing');
  var socket, manager, evidence, myName = '', wanted = '', joined = false, everJoined = false, joining = false, lostAt = 0, acks = true;

  // ---- sending: one message at a time, in order, until the server has said yes. Its id makes a second try harmless.

  var outbox = [], flying = null, serial = 0, page = Math.random().toString(36).slice(2, 10) + now().toString(36), ackTimer, rateTimer;

  function state(item, key, values) {
    P.empty(item.note);
    if (key) T.fill(item.note, key, values);
    P.setClass(item.li, 'pending', !!key && key !== 'own.failed');
    P.setClass(item.li, 'failed', key === 'own.failed');
    Log.follow();
  }

  function compose(words) {
    var item = { id: page + '-' + (++serial), text: words };
    Log.toEnd();
    item.li = Log.message(myName, words, true);
    item.note = make('span', 'state');
    item.li.appendChild(item.note);
    enqueue(item);
  }

  function enqueue(item) {
    outbox.push(item);
    P.setClass(item.li, 'pending', true);
    setTimeout(function () { if (P.indexOf(outbox, item) >= 0 && !item.told) state(item, joined ? 'own.sending' : 'own.waiting'); }, joined ? 1000 : 0);
    next();
  }

  // Whether the connection can carry it: what is too long for that would end it, again and again.
  function fits(words) {
    var size = 1024, i, c;
    for (i = 0; i < words.length; i++) {
      c = words.charCodeAt(i);
      size += c < 32 ? 6 : c === 34 || c === 92 ? 2 : c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
    }
    return size <= (manager.engine && manager.engine.maxPayload || Infinity);
  }

  function next() {
    var item = outbox[0];
    if (!joined || flying || !item) return;
    if (!fits(item.text)) {
      outbox.shift();
      fail(item, 'too long');
      return next();
    }
    flying = item;
    clearTimeout(rateTimer);
    clearTimeout(ackTimer);
    socket.emit('new message', item.text, { id: item.id }, function (answer) { settled(item, answer || { ok: true }); });
    if (acks) ackTimer = setTimeout(function () {
      if (flying !== item) return;
      flying = null;
      next();
    }, ACK_MS);
    else settled(item, { ok: true });
  }

  function settled(item, answer) {
    if (outbox[0] !== item) return;   // the answer to an earlier try came first
    flying = null;
    clearTimeout(ackTimer);
    item.told = true;
    if (answer.ok === false && answer.reason === 'rate') {
      state(item, 'own.rate');
      clearTimeout(rateTimer);
      rateTimer = setTimeout(next, 2000);
      return;
    }
    if (answer.ok === false && answer.reason === 'not joined' && !item.rejoined) {
      item.rejoined = true;
      joined = false;
      return join();
    }
    outbox.shift();
    if (answer.ok === false) fail(item, answer.reason, answer.message);
    else state(item);
    next();
  }

  function fail(item, reason, words) {
    var known = { 'too long': 'own.toolong', 'not joined': 'own.notjoined' }[reason], edit = P.button('link', t('own.edit')), again = P.button('link', t('own.again'));
    state(item, 'own.failed', { why: known ? t(known) : words || reason || t('own.refused') });
    P.add(item.note, ' ');
    P.add(item.note, edit);
    if (reason !== 'too long') {
      P.add(item.note, ' ');
      P.add(item.note, again);
    }
    listen(edit, 'click', function () {
      Log.takeOut(item.li);
      box.value = item.text + (box.value ? '\n' + box.value : '');
      grow();
      P.focus(box);
    });
    listen(again, 'click', function () {
      item.told = false;
      item.rejoined = false;
      state(item, 'own.sending');
      enqueue(item);
      P.focus(box);
    });
  }

  function drawWaiting() {
    for (var i = 0; i < outbox.length; i++) state(outbox[i], joined ? 'own.sending' : 'own.waiting');
  }

  // ---- typing

  var typists = [], typing = false, lastInput = 0, typistTimers = {}, drawnTypists = '';

  function drawTyping() {
    var n = typists.length, all = typists.join('\n');
    if (all === drawnTypists) return;
    drawnTypists = all;
    if (!n) P.say(typingLine, '\u00a0');
    else if (n === 1) T.fill(typingLine, 'typing.one', { a: P.isolated(typists[0], 'name') });
    else if (n === 2) T.fill(typingLine, 'typing.two', { a: P.isolated(typists[0], 'name'), b: P.isolated(typists[1], 'name') });
    else T.fill(typingLine, 'typing.many');
  }

  function typist(name, on) {
    var key = '$' + name;
    clearTimeout(typistTimers[key]);
    delete typistTimers[key];
    P.without(typists, name);
    if (!name || !on || typists.length >= MAX_TYPISTS) return;
    typists.push(name);
    // nobody types for so long without a pause
    typistTimers[key] = setTimeout(function () {
      typist(name, false);
      drawTyping();
    }, 30000);
  }

  function onInput() {
    grow();
    if (!joined) return;
    if (!typing && box.value) {
      typing = true;
      socket.emit('typing');
    }
    lastInput = now();
    setTimeout(function () { if (typing && now() - lastInput >= TYPING_MS) stopTyping(); }, TYPING_MS);
  }

  function stopTyping() {
    if (joined) socket.emit('stop typing');
    typing = false;
  }

  // ---- the message box

  function grow() {
    if (box.scrollHeight === undefined || !box.style) return;
    box.style.height = 'auto';
    if (box.scrollHeight) box.style.height = box.scrollHeight + 2 + 'px';
    Log.follow();
  }

  function submit() {
    var words = P.trimEnd(box.value.replace(/\r\n?/g, '\n')).replace(/^\s*\n/, ''), item;
    if (!words) return;
    if (words.length > MAX_TEXT) {
      item = { text: words, li: Log.message(myName, words.slice(0, 200) + '\u2026', true), note: make('span', 'state') };
      item.li.appendChild(item.note);
      fail(item, 'too long');
    } else compose(words);
    box.value = '';
    grow();
    stopTyping();
    Log.toBottom();
    P.focus(box);
  }

  // ---- joining

  var againTimer, againCount = 0, alone;

  function join() {
    if (joining || !socket.connected || !wanted) return;
    joining = true;
    socket.emit('add user', wanted, function (answer) {
      joining = false;
      if (!answer || answer.ok) entered(answer && answer.username || wanted, answer && answer.numUsers);
      else refused(answer.reason, answer.message);
    });
  }

  function entered(name, n) {
    var first = !everJoined, d;
    clearTimeout(againTimer);
    againCount = 0;
    myName = wanted = name;
    joined = everJoined = true;
    P.store.set('parlance.name', name);
    byId('join').setAttribute('aria-busy', 'false');
    if (first || !P.isShown(byId('room'))) {
      show(byId('join'), false);
      show(byId('room'), true);
      show(byId('people-toggle'), true);
      P.setClass(byId('app'), 'joined', true);
      byId('skip').href = '#message';
      placePeople();
      P.focus(box);
    }
    if (first) {
      Log.note('note.welcome', { name: P.isolated(name, 'name') });
      if (n === 1) alone = Log.note('note.alone');
    } else if (lostAt) {
      d = new Date(lostAt);
      Log.note('note.gap', { from: P.clock(d, true), to: P.clock(new Date(), true) });
    }
    lostAt = 0;
    flying = null;
    drawWaiting();
    next();
    People.enter(name, n);
    drawState();
  }

  function refused(reason, words) {
    var known = { taken: 'join.taken', 'too long': 'join.toolong' }[reason], why = known ? t(known) : T.lang === 'en' && words ? T.brief(words) : t('join.refused') + (words ? ' (' + T.brief(words) + ')' : '');
    if (everJoined && (reason === 'taken' || reason === 'rate') && againCount < 40) {
      // our own ghost: the server has not noticed yet that the earlier connection is gone; or all who share
      // our address come back at once
      againCount++;
      againTimer = setTimeout(join, 1500);
      drawState();
      return;
    }
    wanted = '';
    everJoined = everJoined && outbox.length > 0;
    show(byId('room'), false);
    show(byId('join'), true);
    show(byId('people-toggle'), false);
    joinError(why);
    P.focus(byId('name'));
  }

  function joinError(words) {
    P.say(byId('join-error'), words);
    byId('name').setAttribute('aria-invalid', words ? 'true' : 'false');
    byId('join-button').disabled = false;
    P.say(byId('join-button'), t('join.button'));
  }

  function submitJoin() {
    var name = P.trim(byId('name').value);
    if (!name) {
      joinError(t('join.empty'));
      P.focus(byId('name'));
      return;
    }
    wanted = name;
    joinError(socket && socket.connected ? '' : t('join.waiting'));
    byId('join-button').disabled = true;
    P.say(byId('join-button'), t('join.busy'));
    join();
  }

  // ---- connection state: badge and banner

  var lastWhy = null, bannerTimer, backTimer, ended = false;

  function formName() {
    var tr = manager && manager.engine && manager.engine.transport;
    return tr ? tr.form : '';
  }

  // Of the transports that the server prefers to the one in use and this browser can, the first that failed: the verdict on it.
  function fallback() {
    for (var i = 0, name, verdict; evidence && i < manager.policy.length && (name = manager.policy[i]) !== formName(); i++) {
      verdict = root.io.can(name) && evidence.verdicts[name];
      if (verdict && !/^(transport-not-allowed|websocket-too-old)$/.test(verdict.cause)) return verdict;
    }
    return null;
  }

  function drawBadge() {
    var badge = byId('badge'), words, kind = 'wait', verdict, reason;
    if (socket && socket.connected) {
      words = t('transport.' + formName());
      kind = 'good';
      verdict = fallback();
      if (verdict) {
        kind = 'fallback';
        reason = t('badge.' + (/proxy|way|policy|server/.test(verdict.where) ? verdict.where : 'unknown'), { better: t('transport.' + verdict.transport) });
        if (verdict.certainty === 'likely') reason = t('badge.likely', { reason: reason });
        words = t('badge.fallback', { now: words, reason: reason });
      }
    } else {
      words = t(ended ? 'state.off' : lastWhy ? 'state.waiting' : 'state.connecting');
      if (lastWhy || ended) kind = 'bad';
    }
    P.say(byId('badge-text'), words);
    badge.setAttribute('data-transport', socket && socket.connected ? formName() : '');
    P.mark(badge, verdict);
    badge.title = t('badge.label', { state: words + (verdict ? '. ' + verdict.title : '') });
    badge.setAttribute('aria-label', badge.title);
    badge.className = 'tool badge ' + kind;
  }

  function setBanner(words, when, retry) {
    show(banner, !!words);
    if (words && words !== banner.words) P.say(byId('banner-text'), words);   // a live region: say nothing twice
    banner.words = words;
    P.say(byId('banner-when'), when || '');
    show(byId('banner-retry'), retry);
    show(byId('banner-details'), !!words && !!Panel);
    Log.follow();   // the banner takes its room from the log
  }

  function drawState() {
    var left, kind = '';
    clearTimeout(bannerTimer);
    drawBadge();
    if (!socket) return;
    if (socket.connected) {
      if (everJoined && !joined && wanted && againCount) setBanner(t('join.again'));
      else if (banner.back) setBanner(t('banner.back'));
      else setBanner('');
      P.setClass(banner, 'good', !!banner.back && !againCount);
      P.setClass(banner, 'bad', false);
      return;
    }
    if (ended) {
      setBanner(ended === true ? t('banner.ended') : t('banner.refused', { why: ended }), '', true);
      kind = 'bad';
    } else if (lastWhy) {
      left = manager.nextAt ? Math.max(0, Math.ceil((manager.nextAt - now()) / 1000)) : 0;
      setBanner(whyLost(), manager.nextAt ? t('banner.next', { n: left }) : t('banner.trying'), !!manager.nextAt);
      kind = 'bad';
      bannerTimer = setTimeout(drawState, 500);
    } else if (manager && now() - manager.born > 3000) setBanner(t('banner.slow'));
    P.setClass(banner, 'good', false);
    P.setClass(banner, 'bad', kind === 'bad');
  }

  // Why there is no connection: the verdict on it, and until there is one what was seen.
  function whyLost() {
    var verdict = evidence && (evidence.session || evidence.loss && evidence.loss.at >= lastWhy.at && evidence.loss), names = [], i;
    if (P.isOffline() || !verdict || verdict.certainty === 'unknown') return t('banner.lost', { why: T.why(lastWhy.code, lastWhy.message) });
    for (i = 0; i < manager.policy.length; i++) names.push(t('transport.' + manager.policy[i]));
    return t(verdict.certainty === 'likely' ? 'banner.cause.likely' : 'banner.cause', { title: verdict.title }) +
      (evidence.session && names.length === 1 ? ' ' + t('banner.only', { names: names[0] }) : '');
  }

  function lost(code, words) {
    lastWhy = { code: code, message: words, at: lastWhy ? lastWhy.at : now() - 1000 };
    drawState();
  }

  // ---- wiring

  // A live region that is always there: empty, it takes no room.
  function drawCluster(isAlone) {
    P.say(byId('cluster'), isAlone ? t('cluster.alone') : '');
    Log.follow();
  }

  function plain(data) { return typeof data === 'string' ? data : ''; }

  function wire() {
    socket.on('connect', function () {
      ended = false;
      if (lastWhy && everJoined) {
        banner.back = true;
        clearTimeout(backTimer);
        backTimer = setTimeout(function () {
          banner.back = false;
          drawState();
        }, 3000);
      }
      lastWhy = null;
      joining = false;
      drawState();
      join();
    });
    socket.on('disconnect', function (why, details) {
      Log.flush();
      if (joined) lostAt = now();
      joined = joining = typing = false;
      flying = null;
      drawCluster(false);
      clearTimeout(againTimer);
      typists = [];
      drawTyping();
      drawWaiting();
      if (why === 'io server disconnect') {
        ended = true;
        drawState();
      } else lost(details ? details.code : 'cut', details && details.description);
    });
    socket.on('connect_error', function (err) {
      if (err.code === 'forbidden' && !socket.active) {
        ended = err.message;
        drawState();
      } else lost(err.code, err.message);
    });
    socket.on('reconnect_attempt', drawState);
    manager.on('waiting', drawState);
    manager.on('timeline', function () { drawBadge(); });

    // the server's way to other servers
    socket.on('cluster', function (data) { drawCluster(!!data && data.alone === true); });
    // somebody on another server has had this name for longer
    socket.on('login error', function (data) {
      if (!joined) return;
      joined = false;
      flying = null;
      refused(data && data.reason, data && data.message);
    });

    // servers of the original example do not answer "add user", only this
    socket.on('login', function (data) {
      if (!joining) return;
      setTimeout(function () {
        if (!joining) return;
        joining = acks = false;
        entered(wanted, data && data.numUsers);
      }, 500);
    });
    socket.on('user joined', Log.heard(function (data) {
      var name = plain(data && data.username);
      if (!joined || !name) return;
      People.count(data);
      People.came(name);
      Log.takeOut(alone);
      Log.cameOrWent(name, true);
    }));
    socket.on('user left', Log.heard(function (data) {
      var name = plain(data && data.username);
      if (!joined || !name) return;
      People.count(data);
      People.went(name);
      typist(name, false);
      Log.cameOrWent(name, false);
    }));
    socket.on('new message', Log.heard(function (data) {
      var name = plain(data && data.username), words = plain(data && data.message);
      if (!joined || !words) return;
      typist(name, false);
      Log.arrived(Log.message(name, words, false, Number(data.late)));
    }));
    socket.on('typing', Log.heard(function (data) { if (joined) typist(plain(data && data.username), true); }));
    socket.on('stop typing', Log.heard(function (data) { typist(plain(data && data.username), false); }));
  }

  listen(byId('join'), 'submit', function (ev) {
    ev.preventDefault();
    submitJoin();
  });
  listen(byId('composer'), 'submit', function (ev) {
    ev.preventDefault();
    submit();
  });
  listen(box, 'keydown', function (ev) {
    // while an input method composes, Enter belongs to it
    if (ev.keyCode !== 13 || ev.shiftKey || ev.ctrlKey || ev.altKey || ev.isComposing || ev.which === 229) return;
    ev.preventDefault();
    submit();
  });
  listen(box, 'input', onInput);
  if (!('oninput' in box) || box.attachEvent && !box.addEventListener) listen(box, 'keyup', onInput);

  // A letter typed anywhere in the room goes into the message box.
  listen(doc, 'keypress', function (ev) {
    var el = ev.target || {}, tag = el.tagName;
    if (!joined || ev.ctrlKey || ev.altKey || ev.metaKey || /INPUT|TEXTAREA|BUTTON|SELECT|^A$/.test(tag || '') || Panel && Panel.isOpen() || ev.keyCode === 13 || ev.which === 32) return;
    P.focus(box);
  });

  function placePeople() {
    var side = byId('people');
    byId('people-toggle').setAttribute('aria-expanded', side.offsetWidth > 0 ? 'true' : 'false');
  }
  listen(byId('people-toggle'), 'click', function () {
    var on = !(byId('people').offsetWidth > 0);
    P.setClass(byId('app'), 'show-people', on);
    P.setClass(byId('app'), 'hide-people', !on);
    placePeople();
    Log.follow();
  });
  listen(root, 'resize', placePeople);

  // Phones that lay their keyboard over the page: keep the message box above it.
  if (root.visualViewport) {
    listen(root.visualViewport, 'resize', function () {
      var v = root.visualViewport, covered = v.scale < 1.05 && root.innerHeight - v.height > 80;
      byId('app').style.height = covered ? v.height + 'px' : '';
      if (covered) root.scrollTo(0, 0);
      Log.follow();
    });
  }

  listen(byId('banner-retry'), 'click', function () {
    ended = false;
    socket.connect();
    drawState();
  });
  listen(byId('banner-details'), 'click', function () { Panel.open(this); });

  box.setAttribute('placeholder', t('message.placeholder'));
  banner.setAttribute('aria-label', t('panel.title'));
  byId('name').value = P.store.get('parlance.name') || '';

  if (!root.io) {
    setBanner(t('banner.missing'));
    P.setClass(banner, 'bad', true);
    return;
  }

  socket = P.io();
  manager = socket.io;
  People.start(function (done) { if (joined) socket.emit('who', done); });
  Log.after(People.draw);
  Log.after(drawTyping);
  wire();
  if (Evidence) evidence = Evidence.watch(socket, function () {
    // lost before the room could be joined, of which the socket says nothing
    if (!socket.connected && !lastWhy && !ended && evidence.loss) lost('cut');
    drawState();
    if (Panel) Panel.draw();
  });
  if (Panel && evidence) {
    Panel.attach(socket, evidence);
    listen(byId('badge'), 'click', function () { Panel.open(byId('badge')); });
  }
  People.draw();
  drawState();
  setTimeout(drawState, 3100);
  P.focus(byId('name'));
  try { byId('name').select(); } catch (e) {}
})(window);
