/* The log: what was said, who came and went, what is new, and where the reader is in it. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, People = root.ParlancePeople, Message = root.ParlanceMessage;
  var byId = P.byId, make = P.make, listen = P.listen, t = T.t, now = P.now;

  var MAX_LINES = 500;           // kept
  var MAX_CHARS = 2e6;           // in them, folded or not
  var MAX_NAMES = 100;           // of those who came or went, each way; of the others there is a number
  var BEAT_EVENTS = 3;           // drawn as they come,
  var BEAT_MS = 50;              // in this time; what is more waits for its end, and is drawn together
  var GROUP_MS = 5 * 60 * 1000;  // messages of one person within this time stand together

  var log = byId('log'), jump = byId('jump'), title = doc.title;
  var lines = 0, chars = 0, lastLine = null, lastDay = '', atBottom = true, unplaced = false, below = 0, marker = null, older = null, drawers = [];

  // ---- lines

  function measure() {
    if (unplaced) toBottom();
    atBottom = log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  }
  // Nobody looks at a hidden page, and to know where its end is costs more than a line.
  function toBottom() {
    unplaced = doc.hidden === true;
    if (!unplaced) log.scrollTop = log.scrollHeight;
  }

  // Who reads the end goes on doing so.
  function follow() { if (atBottom) toBottom(); }

  // Who writes is at the end.
  function toEnd() {
    clearMarker();
    flush();
    atBottom = true;
    below = 0;
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
    if (li === log.lastChild) lastLine = null;
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
    for (var i = 0; i < drawers.length; i++) drawers[i]();
    drawTitle();
    follow();
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

  // `late`: when it was said, if that was long ago, in ms since 1970.
  function message(name, words, own, late) {
    var d = new Date(), same = lastLine && lastLine.name === name && lastLine.own === own && d.getTime() - lastLine.at < GROUP_MS;
    var li = make('div', 'msg ' + (own ? 'own' : 'other') + (same ? ' same' : '')), bubble = make('span', 'bubble'), time = make('time', 'time', P.clock(d));
    if (late > 0 && late < d.getTime()) {
      same = false;
      d = new Date(late);
      T.fill(time, 'time.late', { time: P.clock(d) });
    }
    time.setAttribute('datetime', P.iso(d));
    time.title = P.day(d) + ' ' + P.clock(d, true);
    if (!own && !same) li.appendChild(People.avatar(name || '?'));
    // the name is there for every message, for ears; eyes see it once a group
    P.add(li, make('span', 'who' + (same || own ? ' hidden' : '') + ' ' + People.colour(name), P.isolated(name || t('someone')), make('span', 'hidden', ': ')));
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
      if (P.without(crowd.left, name)) kind = 'back'; else P.without(crowd.brief, name);
    } else if (P.without(crowd.joined, name)) kind = 'brief'; else P.without(crowd.back, name);
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
    P.show(jump, !atBottom);
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

  listen(log, 'scroll', function () {
    measure();
    if (atBottom) seen(); else drawJump();
  });
  listen(jump, 'click', function () {
    toBottom();
    measure();
    seen();
    P.focus(byId('message'));
  });
  listen(root, 'resize', follow);
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
  log.setAttribute('aria-label', t('log.label'));
  drawJump();

  root.ParlanceLog = {
    message: message, note: note, cameOrWent: cameOrWent, arrived: arrived, takeOut: takeOut,
    heard: heard, flush: flush, follow: follow, toBottom: toBottom, toEnd: toEnd,
    // what is to be drawn after what came in, once for all of it
    after: function (fn) { drawers.push(fn); }
  };
})(window);
