/* The log of a room: the part of what was said that is in the page, in its order, and where the reader is in it. ES3.

   A log shows a stretch of the room's history, at most MAX_LINES. It is `live` while that stretch reaches to now.
   The file is long because order, stretch, place and unread messages are one state: each change of one has the others follow. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Lines = root.ParlanceLines;
  var byId = P.byId, make = P.make, listen = P.listen, t = T.t, now = P.now;

  var MAX_LINES = 500;           // kept
  var MAX_CHARS = 2e6;           // in them, folded or not
  var BEAT_EVENTS = 3;           // drawn as they come,
  var BEAT_MS = 50;              // in this time; what is more waits for its end, and is drawn together
  var NEAR = 400;                // pixels from an end of the log: more is asked for

  var jump = byId('jump'), logs = [], current = null, hasFocus = true;

  function isAway() { return !hasFocus || doc.hidden === true; }

  // ---- what comes in. A few events are drawn at once; in a flood the others wait for the next beat, and at least half of
  // the time belongs to whoever is at the page.

  var inbox = [], flushing = false, timer, began = 0, drawn = 0, spent = 0, drawers = [];

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
    if (doc.hidden !== true && current) current.measure();
    for (i = 0; i < all.length; i++) attempt(all[i]);
    flushing = false;
    settleAll();
    spent += Math.max(0, Math.min(500, now() - start));
  }

  function attempt(item) {
    try { item.fn(item.data); } catch (e) { setTimeout(function () { throw e; }, 0); }
  }

  // After changes: what follows from all of them together.
  function settleAll() {
    var i;
    for (i = 0; i < logs.length; i++) if (logs[i].dirty) logs[i].settle();
    for (i = 0; i < drawers.length; i++) drawers[i]();
  }

  // ---- one log. host: { view (of lines.js), older(position, done), newer(position, done), latest(done), seen(position), place(position),
  // added(line) }; each done(messages, more) is called once, without messages if there was no answer.

  function create(el, host) {
    var log = { el: el, lines: 0, chars: 0, live: true, hasHistory: false, unread: 0, isMore: false, mentions: 0, below: 0, dirty: false };
    var items = {}, epochs = [], atBottom = true, unplaced = false, placed = 0, marker = null, older = null, more = false, loading = false, crowd = null, staying = false, placeTimer = 0, isCut = false, readTo = '', markFrom = '', top = '', reach = '';

    function isSeen() { return current === log && doc.hidden !== true; }

    function measure() {
      if (current !== log) return;
      if (unplaced) toBottom();
      atBottom = log.live && el.scrollHeight - el.scrollTop - el.clientHeight < 48;
    }
    // Nobody looks at a hidden page, and to know where its end is costs more than a line.
    function toBottom() {
      unplaced = !isSeen();
      if (unplaced) return;
      el.scrollTop = el.scrollHeight;
      placed = el.scrollTop;
    }

    // Who reads the end goes on doing so. That the reader has scrolled up shows before the event of it comes.
    function follow() {
      if (atBottom && !unplaced && el.scrollTop < placed) measure();
      if (atBottom) toBottom();
    }

    // What is read stays in its place while lines above it come and go.
    function stay(fn) {
      var one = el.firstChild, edge, top;
      if (atBottom || current !== log || staying) return fn();
      staying = true;
      edge = el.scrollTop;
      while (one && one.offsetTop + one.offsetHeight <= edge) one = one.nextSibling;
      while (one && !one.m) one = one.nextSibling;
      top = one && one.offsetTop;
      fn();
      staying = false;
      if (one && one.parentNode === el) el.scrollTop += one.offsetTop - top;
    }

    // ---- order

    // Numbers by which positions are ordered: of the log's life, then in it.
    function order(position) {
      var dot = position.lastIndexOf('.'), epoch = position.slice(0, dot), n = P.indexOf(epochs, epoch);
      return [n < 0 ? epochs.push(epoch) - 1 : n, +position.slice(dot + 1)];
    }
    function isBefore(a, b) {
      a = order(a);
      b = order(b);
      return a[0] < b[0] || a[0] === b[0] && a[1] < b[1];
    }

    // The line before which one of that position stands (li, if it is in the log), null for the end. What waits to be sent stays at the end.
    function placeOf(position, li) {
      var node = el.lastChild, place = null;
      for (; node; node = node.previousSibling) {
        if (!node.m || node === li) continue;
        if (node.m.position ? !isBefore(position, node.m.position) : !node.waits) break;
        place = node;
      }
      return place;
    }

    function lineBefore(node) {
      do node = node.previousSibling; while (node && !node.day);
      return node;
    }

    // The line of the day above a line, and whether it stands with the one before it.
    function tidy(li) {
      var before, node, day, needs, first = li;
      if (!li) return;
      before = lineBefore(li);
      for (node = li.previousSibling; node && node !== before; node = node.previousSibling) {
        if (node.isDay) day = node;
        first = node === older ? first : node;
      }
      needs = before ? before.day !== li.day : li.day !== P.day(new Date());
      if (day && !needs) takeOut(day);
      else if (needs && !day) {
        day = insert(make('div', 'note day', li.day), first);
        day.isDay = true;
      } else if (day && day.firstChild.nodeValue !== li.day) P.say(day, li.day);
      if (li.m) P.setClass(li, 'same', !needs && Lines.isSame(li, before) && li.previousSibling === before);
    }

    function nextLine(node) {
      do node = node.nextSibling; while (node && !node.day);
      return node;
    }

    function insert(li, place) {
      el.insertBefore(li, place || null);
      log.lines++;
      log.chars += li.chars || 0;
      log.dirty = true;
      return li;
    }

    function takeOut(li) {
      if (!li || li.parentNode !== el) return;
      log.lines--;
      log.chars -= li.chars || 0;
      log.dirty = true;
      if (li.m && li.m.position && items['$' + li.m.position] === li) delete items['$' + li.m.position];
      if (li === marker) marker = null;
      if (crowd && li === crowd.li) crowd = null;
      P.remove(li);
    }

    function done() { if (!flushing) settleAll(); }

    function put(li, place) {
      if (!flushing && !log.batch) flush();   // what came before stands before
      insert(li, place);
      tidy(li);
      tidy(nextLine(li));
      if (!log.batch) done();
      return li;
    }

    // Before what waits to be sent, which stays at the end.
    function atEnd() {
      for (var node = el.lastChild, place = null; node && node.waits; node = node.previousSibling) place = node;
      return place;
    }

    function note(key, values, name) { return log.live ? put(Lines.note(key, values, name), atEnd()) : null; }

    // Puts a message into its place; returns its line, or undefined if it was there already, or is none of the stretch that is shown.
    function add(m) {
      var li, key = '$' + m.position;
      if (m.position) {
        if (items[key] || m.change) return update(m);
        if (!top || isBefore(top, m.position)) top = m.position;
      }
      if (!log.live && !log.batch && !m.waits) {
        log.below++;
        count(m);
        log.dirty = true;
        return done();
      }
      li = Lines.message(m, host.view);
      li.waits = m.waits;
      if (m.position) items[key] = li;
      host.added(li);
      return put(li, m.position ? placeOf(m.position) : m.waits ? null : atEnd());
    }

    // What became of a message: other words, or none.
    function update(m) {
      var li = items['$' + m.position];
      if (!li) return;
      if (m.text !== undefined) li.m.text = m.text;
      if (m.edited) li.m.edited = m.edited;
      if (m.deleted) {
        li.m.deleted = true;
        P.remove(li.acts);
      }
      stay(function () { redraw(li); });
    }

    function redraw(li) {
      log.chars -= li.chars || 0;
      Lines.fill(li, host.view);
      log.chars += li.chars;
      follow();
    }

    // The server has taken one's own message, and given it a place.
    function taken(li, position, at) {
      var place, from, twin;
      li.waits = false;
      if (!position) return;
      twin = items['$' + position];
      if (twin && twin !== li) takeOut(twin);
      li.m.position = position;
      if (at) li.m.at = at;
      if (!top || isBefore(top, position)) top = position;
      if (li.parentNode !== el) return;
      items['$' + position] = li;
      host.added(li);
      from = nextLine(li);
      place = placeOf(position, li);
      if (place !== li.nextSibling) el.insertBefore(li, place);
      tidy(from);
      tidy(li);
      tidy(nextLine(li));
    }

    // ---- the stretch

    function first() {
      for (var node = el.firstChild; node; node = node.nextSibling) if (node.m && node.m.position) return node.m.position;
    }
    function last() {
      for (var node = el.lastChild; node; node = node.previousSibling) if (node.m && node.m.position) return node.m.position;
    }

    function trim() {
      if (log.lines > MAX_LINES || log.chars > MAX_CHARS) stay(function () {
        // Who reads in the upper half loses what is below, until they come to it.
        var end = log.hasHistory && current === log && !atBottom && el.scrollTop < el.scrollHeight / 2, li;
        while (log.lines > MAX_LINES || log.chars > MAX_CHARS) {
          li = end ? el.lastChild : older ? older.nextSibling : el.firstChild;
          while (end && li && li.waits) li = li.previousSibling;
          if (!li || li === older) break;
          if (li.m && log.hasHistory) {
            if (end) log.live = false; else more = true;
          }
          takeOut(li);
        }
        drawOlder(!log.hasHistory);
        if (first()) tidy(items['$' + first()]);
      });
    }

    // What stands at the top of the stretch.
    function drawOlder(isLost) {
      var key = isLost ? 'note.trimmed' : more || isCut ? '' : log.hasHistory ? 'note.begin' : '', button;
      if (older && older.key === key + more) return;
      if (older) P.remove(older);
      older = null;
      if (!key && !more) return;
      older = make('div', 'note older');
      older.key = key + more;
      if (more) {
        button = P.button('small', t('history.older'));
        listen(button, 'click', loadOlder);
        P.add(older, button);
      } else P.add(older, t(key));
      el.insertBefore(older, el.firstChild);
    }

    function batch(messages, fn) {
      stay(function () {
        log.batch = true;
        for (var i = 0; i < messages.length; i++) if (fn) fn(add(messages[i]), messages[i]); else add(messages[i]);
        log.batch = false;
      });
    }

    function loadOlder() {
      var from = first();
      if (loading || !more || !from) return;
      loading = true;
      host.older(from, function (messages, isMore) {
        loading = false;
        if (!messages || from !== first()) return;
        more = isMore;
        measure();
        stay(function () {
          batch(messages);
          drawOlder();
          placeMarker();
          trim();
        });
        settle();
      });
    }

    function loadNewer() {
      var from = last();
      if (loading || log.live) return;
      loading = true;
      host.newer(from, function (messages, isMore) {
        loading = false;
        if (!messages || log.live || from !== last()) return;
        batch(messages);
        // what was said while the answer was on its way is not in it
        if (!isMore && !(top && last() && isBefore(last(), top))) {
          log.live = true;
          log.below = 0;
        } else if (!messages.length) return goLatest();
        settle();
        measure();
      });
    }

    // Shows these messages, and nothing else but what waits to be sent.
    function reset(messages, isMore, isLive) {
      var node = el.firstChild, next;
      for (; node; node = next) {
        next = node.nextSibling;
        if (node === older) continue;
        if (!node.waits) takeOut(node);
      }
      items = {};
      isCut = false;
      log.hasHistory = true;
      more = isMore;
      log.live = isLive;
      log.batch = true;
      for (node = 0; node < messages.length; node++) add(messages[node]);
      log.batch = false;
      drawOlder();
      placeMarker();
      if (isLive) {
        log.below = 0;
        atBottom = true;
      }
      settle();
    }

    function goLatest(then) {
      if (log.live) {
        toBottom();
        return then && then();
      }
      host.latest(function (messages, isMore) {
        if (messages) reset(messages, isMore, true);
        if (then) then();
      });
    }

    // ---- unread

    function count(m) {
      if (m.own) return;
      if (isAway() || current !== log) log.unread++;
    }

    // Above the first message that was not read in an earlier visit.
    function placeMarker() {
      var node, before = null;
      if (marker || !markFrom) return;
      for (node = el.firstChild; node; node = node.nextSibling) {
        if (!node.m || !node.m.position) continue;
        if (isBefore(markFrom, node.m.position)) {
          // before this stretch may be more of them
          if ((before || !more) && !node.m.own) mark(node);
          return;
        }
        before = node;
      }
    }

    function mark(li) {
      marker = make('div', 'note marker', t('new.marker'));
      insert(marker, li);
      P.setClass(li, 'same', false);
    }

    function arrived(li) {
      if (!li) return;
      if (isAway() || !atBottom || current !== log) {
        if (!log.unread && !log.below) clearMarker();   // what it stands above was read
        if (!marker) mark(li);
      }
      count(li.m);
      if (li.mentions && (isAway() || current !== log)) log.mentions++;
      if (!atBottom && current === log) log.below++;
    }

    function noUnread() {
      log.unread = log.mentions = 0;
      log.isMore = false;
    }

    // Everything was seen: the reader is here, and at the end of the log.
    function seen() {
      if (isAway() || current !== log) return;
      noUnread();
      measure();
      if (atBottom) {
        log.below = 0;
        read();
      }
      drawJump();
    }

    function read() {
      var to = reach && (!top || isBefore(top, reach)) ? reach : top;
      if (to && to !== readTo) host.seen(readTo = to);
    }

    function clearMarker() {
      markFrom = '';
      takeOut(marker);
    }

    function drawJump() {
      if (current !== log) return;
      P.show(jump, !atBottom);
      P.say(jump, log.below ? t('new.jump', { n: log.below }) : t('new.bottom'));
      P.setClass(jump, 'fresh', log.below > 0);
    }

    function settle() {
      log.dirty = false;
      trim();
      if (crowd && crowd.changed) {
        crowd.changed = false;
        Lines.drawCrowd(crowd);
      }
      follow();
      if (current === log && !isAway() && atBottom) read();
      drawJump();
      log.dirty = false;
    }

    // Where the reader is, '' for the end: a reload comes back to it.
    function keepPlace() {
      var node = el.firstChild;
      placeTimer = 0;
      if (!atBottom) while (node && (!node.m || !node.m.position || node.offsetTop + node.offsetHeight < el.scrollTop)) node = node.nextSibling;
      host.place(atBottom || !node ? '' : node.m.position);
    }

    listen(el, 'scroll', function () {
      if (current !== log) return;
      measure();
      if (log.hasHistory && !placeTimer) placeTimer = setTimeout(keepPlace, 300);
      if (el.scrollTop < NEAR) loadOlder();
      if (!log.live && el.scrollHeight - el.scrollTop - el.clientHeight < NEAR) loadNewer();
      if (atBottom) seen(); else drawJump();
    });

    log.add = add;
    log.note = note;
    log.update = update;
    log.taken = taken;
    log.takeOut = function (li) {
      var next = li && li.parentNode === el && nextLine(li);
      takeOut(li);
      tidy(next);
    };
    log.arrived = arrived;
    log.measure = measure;
    log.settle = settle;
    log.seen = seen;
    log.follow = follow;
    log.toBottom = toBottom;
    log.clearMarker = clearMarker;
    log.reset = reset;
    log.goLatest = goLatest;
    log.last = last;
    log.top = function () { return top; };
    log.stay = stay;
    log.cameOrWent = function (name, came) {
      var place = atEnd();
      if (!log.live) return;
      if (!crowd || crowd.li !== (place ? place.previousSibling : el.lastChild) || now() - crowd.at > 2 * Lines.GROUP_MS) put((crowd = Lines.crowd()).li, place);
      Lines.cameOrWent(crowd, name, came);
      crowd.changed = log.dirty = true;
    };
    // Where an earlier visit ended.
    log.readTo = function (position) { readTo = markFrom = position; };
    // In another tab of this browser was read to there.
    log.readElsewhere = function (position) {
      if (!position || top && isBefore(position, top)) return;
      readTo = position;
      noUnread();
      settleAll();
    };
    // What has come after a gap: in its order.
    log.fill = function (messages) {
      batch(messages, arrived);
      done();
    };
    // Who writes is at the end.
    log.toEnd = function () {
      clearMarker();
      flush();
      atBottom = true;
      log.below = 0;
    };
    log.isBefore = isBefore;
    // Scrolls to a message, which is then so far below the top.
    log.lookAt = function (li, below) {
      atBottom = unplaced = false;
      el.scrollTop = li.offsetTop - below;
      measure();
      drawJump();
    };
    // Has the reader look at one message.
    log.point = function (li) {
      log.lookAt(li, el.clientHeight / 3);
      P.setClass(li, 'pointed', true);
      li.tabIndex = -1;
      P.focus(li);
      setTimeout(function () { P.setClass(li, 'pointed', false); }, 3000);
    };
    // What is older belongs to a history that the server has lost.
    log.cut = function () { more = false; isCut = true; };
    // These came while a part of the past is shown, so many of them new.
    log.missed = function (messages, n) {
      for (var i = 0; i < messages.length; i++) {
        if (messages[i].change) update(messages[i]);
        else if (!top || isBefore(top, messages[i].position)) top = messages[i].position;
      }
      log.below += n;
      drawJump();
    };
    // The history goes to there: to its last message, or to a change after it.
    log.reaches = function (position) { reach = position; };
    log.restart = function () {
      log.live = false;
      goLatest();
    };
    log.each = function (fn) { for (var node = el.firstChild; node; node = node.nextSibling) if (node.m) fn(node); };
    log.find = function (position) { return items['$' + position]; };
    log.shown = function () {
      if (unplaced || atBottom) toBottom();
      seen();
      drawJump();
    };
    listen(root, 'pagehide', function () { if (current === log && log.hasHistory) keepPlace(); });
    el.setAttribute('aria-label', t('log.label'));
    logs.push(log);
    return log;
  }

  // Shows a log in place of another.
  function show(log) {
    if (current === log) return;
    if (current) {
      current.scrolled = current.el.scrollTop;
      current.el.removeAttribute('id');
      P.show(current.el, false);
    }
    current = log;
    log.el.id = 'log';
    P.show(log.el, true);
    if (log.scrolled) log.el.scrollTop = log.scrolled;
    log.shown();
  }

  function forCurrent(name) { return function () { if (current) current[name](); }; }

  listen(jump, 'click', function () {
    current.goLatest(function () {
      current.measure();
      current.seen();
    });
    P.focus(byId('message'));
  });
  listen(root, 'resize', forCurrent('follow'));
  listen(root, 'focus', function () {
    hasFocus = true;
    forCurrent('seen')();
    settleAll();
  });
  listen(root, 'blur', function () {
    hasFocus = false;
    forCurrent('clearMarker')();   // what comes from now on is new
  });
  listen(doc, 'visibilitychange', function () {
    if (doc.hidden) return forCurrent('clearMarker')();
    if (current) current.shown();
    settleAll();
  });
  hasFocus = !doc.hasFocus || doc.hasFocus();

  root.ParlanceLog = {
    create: create, show: show, heard: heard, flush: flush, isAway: isAway, settle: settleAll,
    follow: forCurrent('follow'), current: function () { return current; },
    unread: function () {
      for (var n = 0, i = 0; i < logs.length; i++) n += logs[i].unread;
      return n;
    },
    mentions: function () {
      for (var n = 0, i = 0; i < logs.length; i++) n += logs[i].mentions;
      return n;
    },
    forget: function (log) {
      P.without(logs, log);
      if (current === log) current = null;
      P.remove(log.el);
    },
    // what is to be drawn after what came in, once for all of it
    after: function (fn) { drawers.push(fn); }
  };
})(window);
