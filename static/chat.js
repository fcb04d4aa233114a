/* The chat room. ES3: it also runs where there is no JSON, no WebSocket and no addEventListener. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Panel = root.ParlancePanel, Message = root.ParlanceMessage;
  var byId = P.byId, make = P.make, show = P.show, listen = P.listen, t = T.t, now = P.now;

  var MAX_LINES = 500;           // kept in the log
  var MAX_CHARS = 2e6;           // in them, folded or not
  var MAX_PEOPLE = 500;          // in the list; of the others there is a number
  var MAX_NAMES = 100;           // of those who came or went, each way; of the others there is a number
  var MAX_TYPISTS = 20;          // more are "several" all the same
  var BEAT_EVENTS = 3;           // drawn as they come,
  var BEAT_MS = 50;              // in this time; what is more waits for its end, and is drawn together
  var MAX_TEXT = 8000;           // a message that no server of ours takes would only cost the connection
  var GROUP_MS = 5 * 60 * 1000;  // messages of one person within this time stand together
  var TYPING_MS = 400;           // of silence until "stop typing"
  var ACK_MS = 10000;            // without an answer a message is sent again: the server knows its id

  var log = byId('log'), box = byId('message'), banner = byId('banner'), typingLine = byId('typing'), jump = byId('jump'), title = doc.title;
  var socket, manager, myName = '', wanted = '', joined = false, everJoined = false, joining = false, lostAt = 0, acks = true;

  // ---- people

  var people = [], numUsers = 0, more = false, told = 0, whoTimer = 0;   // told: how many the server named

  function indexOf(list, item) {
    for (var i = 0; i < list.length; i++) if (list[i] === item) return i;
    return -1;
  }
  function without(list, item) {
    var i = indexOf(list, item);
    if (i >= 0) list.splice(i, 1);
    return i >= 0;
  }

  // The colour of a name, by the rule that chat pages of this kind have always used.
  function colour(name) {
    for (var h = 7, i = 0; i < name.length; i++) h = name.charCodeAt(i) + (h << 5) - h;
    return 'c' + Math.abs(h % 12);
  }

  function initial(name) {
    var m = /[\ud800-\udbff][\udc00-\udfff]|[^\s]/.exec(name);
    return m ? m[0].toUpperCase() : '?';
  }

  function avatar(name) {
    var el = make('span', 'avatar ' + colour(name), initial(name));
    el.setAttribute('aria-hidden', 'true');
    return el;
  }

  function person(name) {
    var li = make('li', 'person', avatar(name), P.isolated(name, 'person-name'));
    if (name === myName) P.add(li, make('span', 'you', ' (' + t('you') + ')'));
    return li;
  }

  function drawPeople() {
    var list = P.empty(byId('people-list')), i;
    for (i = 0; i < people.length; i++) list.appendChild(person(people[i]));
    drawCount();
  }

  // The list and its numbers are kept apart: many may come and go, and the list is long.
  function drawCount() {
    var total = Math.max(numUsers, people.length), rest = total - people.length, words = t('people.count', { n: total });
    show(byId('people-more'), rest > 0);
    P.say(byId('people-more'), t('people.more', { n: rest }));
    P.say(byId('people-count'), total);
    P.say(byId('people-label'), words);
    byId('people-toggle').title = words;
  }

  function enlist(name) {
    if (more || indexOf(people, name) >= 0) return;
    if (people.length >= MAX_PEOPLE) {
      more = true;
      told = MAX_PEOPLE;
      return;
    }
    people.push(name);
    byId('people-list').appendChild(person(name));
  }

  function strike(name) {
    var i = indexOf(people, name);
    if (i < 0) return;
    people.splice(i, 1);
    P.remove(byId('people-list').childNodes[i]);
  }

  function askWho() {
    socket.emit('who', function (answer) {
      if (!answer || !answer.people) return;
      people = answer.people.slice(0, MAX_PEOPLE);
      numUsers = answer.numUsers || people.length;
      more = !!answer.more || people.length < answer.people.length;
      told = people.length;
      drawPeople();
    });
  }

  // News that waited for us were replaced by newer ones, or there are two of a name, or of those in the list most have
  // left: the server knows.
  function isStale() { return told && (more ? people.length < told / 2 : people.length !== numUsers); }

  function checkPeople() {
    if (!isStale() || whoTimer) return;
    whoTimer = setTimeout(function () {
      whoTimer = 0;
      if (joined && isStale()) askWho();
    }, 1000);
  }

  function count(data) { if (data && data.numUsers >= 0) numUsers = data.numUsers; }

  // ---- the log

  var lines = 0, chars = 0, lastLine = null, lastDay = '', atBottom = true, unplaced = false, below = 0, marker = null, older = null;

  function measure() {
    if (unplaced) toBottom();
    atBottom = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  }
  // Nobody looks at a hidden page, and to know where its end is costs more than a line.
  function toBottom() {
    unplaced = doc.hidden === true;
    if (!unplaced) log.scrollTop = log.scrollHeight;
  }

  function put(li, keepsGroup) {
    var today = P.day(new Date());
    flush();   // what came before stands before
    if (today !== lastDay) {
      if (lastDay) append(make('div', 'note day', today));
      lastDay = today;
    }
    append(li);
    if (!keepsGroup) lastLine = null;
    if (!flushing) settle();
  }

  function append(li) {
    log.appendChild(li);
    lines++;
    chars += li.chars || 0;
  }

  function takeOut(li) {
    if (!li || !li.parentNode) return;
    lines--;
    chars -= li.chars || 0;
    P.remove(li);
  }

  function trim() {
    var li, before = lines;
    while (lines > MAX_LINES || chars > MAX_CHARS) {
      li = older ? older.nextSibling : log.firstChild;
      if (li === marker) marker = null;
      takeOut(li);
    }
    if (lines < before && !older) log.insertBefore(older = make('div', 'note', t('note.trimmed')), log.firstChild);
  }

  // After changes: what follows from all of them together.
  function settle() {
    trim();
    if (crowd && crowd.changed) drawCrowd();
    checkPeople();
    drawCount();
    drawTyping();
    drawTitle();
    if (atBottom) toBottom();
    drawJump();
  }

  // ---- what comes in. A few events are drawn at once; in a flood the others wait for the next beat, and at least half of
  // the time belongs to whoever is at the page.

  var inbox = [], flushing = false, timer, began = 0, drawn = 0, spent = 0;

  function beat() { return Math.max(BEAT_MS, 2 * spent); }

  function mayDraw() {
    var passed = now() - began;
    if (passed < 0 || passed > beat()) {
      began = now();
      drawn = spent = 0;
    }
    return drawn++ < BEAT_EVENTS;
  }

  // A listener whose events may wait. A hidden page draws next to nothing, and its timers are slow.
  function heard(fn) {
    return function (data) {
      inbox.push({ fn: fn, data: data });
      if (doc.hidden === true || mayDraw()) flush();
      else if (!timer) timer = setTimeout(flush, beat());
    };
  }

  function flush() {
    var all = inbox, start = now(), i;
    if (flushing) return;
    clearTimeout(timer);
    timer = 0;
    if (!all.length) return;
    inbox = [];
    flushing = true;
    if (doc.hidden !== true) measure();
    for (i = 0; i < all.length; i++) attempt(all[i]);
    flushing = false;
    settle();
    spent += Math.max(0, Math.min(500, now() - start));
  }

  function attempt(item) {
    try { item.fn(item.data); } catch (e) { setTimeout(function () { throw e; }, 0); }
  }

  function message(name, words, own) {
    var d = new Date(), same = lastLine && lastLine.name === name && lastLine.own === own && d.getTime() - lastLine.at < GROUP_MS;
    var li = make('div', 'msg ' + (own ? 'own' : 'other') + (same ? ' same' : '')), bubble = make('span', 'bubble'), time = make('time', 'time', P.clock(d));
    time.setAttribute('datetime', P.iso(d));
    time.title = P.day(d) + ' ' + P.clock(d, true);
    if (!own && !same) li.appendChild(avatar(name || '?'));
    // the name is there for every message, for ears; eyes see it once a group
    P.add(li, make('span', 'who' + (same || own ? ' hidden' : '') + ' ' + colour(name), P.isolated(name || t('someone')), make('span', 'hidden', ': ')));
    Message.fill(bubble, words, function (by) {
      // a button that moved up is followed
      if (by < 0) log.scrollTop += by;
      measure();
      drawJump();
    });
    P.add(bubble, ' ');
    P.add(bubble, time);
    li.appendChild(bubble);
    li.chars = words.length;
    put(li, true);
    lastLine = { name: name, own: own, at: d.getTime() };
    return li;
  }

  function note(key, values) {
    var li = T.fill(make('div', 'note'), key, values);
    put(li);
    return li;
  }

  // ---- who came and went, in one line until somebody says something

  var crowd = null;

  var KINDS = ['joined', 'back', 'left', 'brief'];

  function names(list, others) {
    var span = make('span', ''), total = list.length + others, i;
    for (i = 0; i < list.length && (i < 5 || total === 6); i++) {
      if (i) P.add(span, ', ');
      P.add(span, P.isolated(list[i], 'name'));
    }
    if (i < total) P.add(span, (i ? ', ' : '') + t('note.others', { n: total - i }));
    return span;
  }

  function cameOrWent(name, came) {
    var kind = came ? 'joined' : 'left';
    if (!crowd || crowd.li !== log.lastChild || now() - crowd.at > 2 * GROUP_MS) {
      crowd = { li: make('div', 'note crowd'), joined: [], back: [], left: [], brief: [], others: { joined: 0, back: 0, left: 0, brief: 0 } };
      put(crowd.li);
    }
    crowd.at = now();
    crowd.changed = true;
    if (came) {
      if (without(crowd.left, name)) kind = 'back'; else without(crowd.brief, name);
    } else if (without(crowd.joined, name)) kind = 'brief'; else without(crowd.back, name);
    if (crowd[kind].length < MAX_NAMES) crowd[kind].push(name); else crowd.others[kind]++;
  }

  function drawCrowd() {
    var i, kind, any;
    crowd.changed = false;
    P.empty(crowd.li);
    for (i = 0; i < KINDS.length; i++) {
      kind = KINDS[i];
      if (!crowd[kind].length && !crowd.others[kind]) continue;
      if (any) P.add(crowd.li, '; ');
      P.add(crowd.li, T.fill(make('span', ''), 'note.' + kind, { names: names(crowd[kind], crowd.others[kind]) }));
      any = true;
    }
  }

  // ---- unread

  var unread = 0, hasFocus = true;

  function isAway() { return !hasFocus || doc.hidden === true; }

  function drawTitle() { doc.title = (unread ? '(' + unread + ') ' : '') + title; }

  function drawJump() {
    show(jump, !atBottom);
    P.say(jump, below ? t('new.jump', { n: below }) : t('new.bottom'));
    P.setClass(jump, 'fresh', below > 0);
  }

  function arrived(li) {
    if (isAway() || !atBottom) {
      if (!unread && !below) clearMarker();   // what it stands above was read
      if (!marker) {
        marker = make('div', 'note marker', t('new.marker'));
        log.insertBefore(marker, li);
        lines++;
        P.setClass(li, 'same', false);
      }
    }
    if (isAway()) unread++;
    if (!atBottom) below++;
  }

  // Everything was seen: the reader is here, and at the end of the log.
  function seen() {
    if (isAway()) return;
    unread = 0;
    drawTitle();
    measure();
    if (atBottom) below = 0;
    drawJump();
  }

  function clearMarker() {
    takeOut(marker);
    marker = null;
  }

  // ---- sending: one message at a time, in order, until the server has said yes. Its id makes a second try harmless.

  var outbox = [], flying = null, serial = 0, page = Math.random().toString(36).slice(2, 10) + now().toString(36), ackTimer, rateTimer;

  function state(item, key, values) {
    P.empty(item.note);
    if (key) T.fill(item.note, key, values);
    P.setClass(item.li, 'pending', !!key && key !== 'own.failed');
    P.setClass(item.li, 'failed', key === 'own.failed');
    if (atBottom) toBottom();
  }

  function compose(words) {
    var item = { id: page + '-' + (++serial), text: words };
    clearMarker();
    flush();
    atBottom = true;
    below = 0;
    item.li = message(myName, words, true);
    item.note = make('span', 'state');
    item.li.appendChild(item.note);
    enqueue(item);
  }

  function enqueue(item) {
    outbox.push(item);
    P.setClass(item.li, 'pending', true);
    setTimeout(function () { if (indexOf(outbox, item) >= 0 && !item.told) state(item, joined ? 'own.sending' : 'own.waiting'); }, joined ? 1000 : 0);
    next();
  }

  function next() {
    var item = outbox[0];
    if (!joined || flying || !item) return;
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
      takeOut(item.li);
      lastLine = null;
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
    without(typists, name);
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
    if (atBottom) toBottom();
  }

  function submit() {
    var words = P.trimEnd(box.value.replace(/\r\n?/g, '\n')).replace(/^\s*\n/, ''), item;
    if (!words) return;
    if (words.length > MAX_TEXT) {
      item = { text: words, li: message(myName, words.slice(0, 200) + '\u2026', true), note: make('span', 'state') };
      item.li.appendChild(item.note);
      fail(item, 'too long');
    } else compose(words);
    box.value = '';
    grow();
    stopTyping();
    toBottom();
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
    if (n) numUsers = n;
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
      note('note.welcome', { name: P.isolated(name, 'name') });
      if (n === 1) alone = note('note.alone');
    } else if (lostAt) {
      d = new Date(lostAt);
      note('note.gap', { from: P.clock(d, true), to: P.clock(new Date(), true) });
    }
    lostAt = 0;
    flying = null;
    drawWaiting();
    next();
    askWho();
    drawPeople();
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

  function drawBadge() {
    var badge = byId('badge'), words, kind = 'wait';
    if (socket && socket.connected) {
      words = t('transport.' + formName());
      kind = 'good';
    } else {
      words = t(ended ? 'state.off' : lastWhy ? 'state.waiting' : 'state.connecting');
      if (lastWhy || ended) kind = 'bad';
    }
    P.say(byId('badge-text'), words);
    badge.setAttribute('data-transport', kind === 'good' ? formName() : '');
    badge.title = t('badge.label', { state: words });
    badge.setAttribute('aria-label', badge.title);
    badge.className = 'tool badge ' + kind;
  }

  function setBanner(words, when, retry) {
    var stick = atBottom;
    show(banner, !!words);
    if (words && words !== banner.words) P.say(byId('banner-text'), words);   // a live region: say nothing twice
    banner.words = words;
    P.say(byId('banner-when'), when || '');
    show(byId('banner-retry'), retry);
    show(byId('banner-details'), !!words && !!Panel);
    if (stick) toBottom();   // the banner takes its room from the log
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
      setBanner(t('banner.lost', { why: T.why(lastWhy.code, lastWhy.message) }), manager.nextAt ? t('banner.next', { n: left }) : t('banner.trying'), !!manager.nextAt);
      kind = 'bad';
      bannerTimer = setTimeout(drawState, 500);
    } else if (manager && now() - manager.born > 3000) setBanner(t('banner.slow'));
    P.setClass(banner, 'good', false);
    P.setClass(banner, 'bad', kind === 'bad');
  }

  function lost(code, words) {
    lastWhy = { code: code, message: words };
    drawState();
  }

  // ---- wiring

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
      flush();
      if (joined) lostAt = now();
      joined = joining = typing = false;
      flying = null;
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

    // servers of the original example do not answer "add user", only this
    socket.on('login', function (data) {
      if (!joining) return;
      setTimeout(function () {
        if (!joining) return;
        joining = acks = false;
        entered(wanted, data && data.numUsers);
      }, 500);
    });
    socket.on('user joined', heard(function (data) {
      var name = plain(data && data.username);
      if (!joined || !name) return;
      count(data);
      enlist(name);
      takeOut(alone);
      cameOrWent(name, true);
    }));
    socket.on('user left', heard(function (data) {
      var name = plain(data && data.username);
      if (!joined || !name) return;
      count(data);
      strike(name);
      typist(name, false);
      cameOrWent(name, false);
    }));
    socket.on('new message', heard(function (data) {
      var name = plain(data && data.username), words = plain(data && data.message);
      if (!joined || !words) return;
      typist(name, false);
      arrived(message(name, words, false));
    }));
    socket.on('typing', heard(function (data) { if (joined) typist(plain(data && data.username), true); }));
    socket.on('stop typing', heard(function (data) { typist(plain(data && data.username), false); }));
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

  listen(log, 'scroll', function () {
    measure();
    if (atBottom) seen(); else drawJump();
  });
  listen(jump, 'click', function () {
    toBottom();
    measure();
    seen();
    P.focus(box);
  });
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
    if (atBottom) toBottom();
  });
  listen(root, 'resize', function () {
    placePeople();
    if (atBottom) toBottom();
  });

  // Phones that lay their keyboard over the page: keep the message box above it.
  if (root.visualViewport) {
    listen(root.visualViewport, 'resize', function () {
      var v = root.visualViewport, covered = v.scale < 1.05 && root.innerHeight - v.height > 80;
      byId('app').style.height = covered ? v.height + 'px' : '';
      if (covered) root.scrollTo(0, 0);
      if (atBottom) toBottom();
    });
  }

  listen(root, 'focus', function () {
    hasFocus = true;
    seen();
  });
  listen(root, 'blur', function () {
    hasFocus = false;
    clearMarker();   // what comes from now on is new
  });
  listen(doc, 'visibilitychange', function () {
    if (doc.hidden) clearMarker();
    else {
      if (unplaced) toBottom();
      seen();
    }
  });
  hasFocus = !doc.hasFocus || doc.hasFocus();

  listen(byId('banner-retry'), 'click', function () {
    ended = false;
    socket.connect();
    drawState();
  });
  listen(byId('banner-details'), 'click', function () { Panel.open(this); });

  box.setAttribute('placeholder', t('message.placeholder'));
  log.setAttribute('aria-label', t('log.label'));
  banner.setAttribute('aria-label', t('panel.title'));
  byId('name').value = P.store.get('parlance.name') || '';

  if (!root.io) {
    setBanner(t('banner.missing'));
    P.setClass(banner, 'bad', true);
    return;
  }

  socket = root.io();
  manager = socket.io;
  wire();
  if (Panel) {
    Panel.attach(socket);
    listen(byId('badge'), 'click', function () { Panel.open(byId('badge')); });
  }
  drawPeople();
  drawJump();
  drawState();
  setTimeout(drawState, 3100);
  P.focus(byId('name'));
  try { byId('name').select(); } catch (e) {}
})(window);
