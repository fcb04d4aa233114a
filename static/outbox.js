/* One's own words on their way into a room: one message at a time, in order, until the server has said yes. ES3.

   Each has an id, by which a second try is harmless. What waits is kept over a reload of the page, and for a later tab if this one is
   closed: under an id of this page, with the time, and the name that it was written under. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, t = T.t, make = P.make;

  var ACK_MS = 10000;       // without an answer a message is sent again: the server knows its id
  var TEST_MS = 5000;       // without an answer the connection is doubted
  var SLOW_PACE = 4000;     // bytes a second that a slow connection carries
  var MAX_KEPT = 50000;     // characters that are kept over a reload
  var MAX_TABS = 10;        // of which something is kept for later ones
  var OWNER_MS = 120000;    // a tab that did not say that it goes has gone if it kept nothing anew for so long
  var KEPT_MS = 86400000;   // what is older was for another day

  var page = Math.random().toString(36).slice(2, 10) + P.now().toString(36), serial = 0;

  // Bytes on the wire, and a little more.
  function sizeOf(words) {
    var size = 1024, i, c;
    for (i = 0; i < words.length; i++) {
      c = words.charCodeAt(i);
      size += c < 32 ? 6 : c === 34 || c === 92 ? 2 : c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
    }
    return size;
  }

  // room: { key, log, isJoined(), me(), emit(name, …), most() bytes, rejoin(), again(text) }. doubt(item) is called when an answer is late.
  function create(room, doubt) {
    var items = [], flying = null, ackTimer, rateTimer, testTimer, shared = 'out.' + room.key + ' ', box = { acks: true };

    // isOwned: '' if this tab goes.
    function keep(isOwned) {
      var list = [], size = 0, i;
      for (i = 0; i < items.length && (size += items[i].text.length) < MAX_KEPT; i++) list.push(items[i].id, items[i].tries ? '1' : '', items[i].text);
      P.session.set('out.' + room.key, P.pack(list));
      share(list, isOwned === undefined ? '1' : isOwned);
    }

    function share(list, isOwned) { P.store.set(shared + page, list.length ? P.pack([isOwned, P.now() + '', room.me()].concat(list)) : ''); }

    function load(list) {
      for (var i = 0, n, item; i + 2 < list.length; i += 3) {
        for (n = 0; n < items.length && items[n].id !== list[i]; n++);
        if (n < items.length) continue;
        item = { id: list[i], tries: list[i + 1] ? 1 : 0, text: list[i + 2] };
        line(item);
        enqueue(item);
      }
    }

    // What tabs that are gone could not send. One that is only slow sends the same ids, which does no harm.
    function adopt() {
      var keys = P.store.keys(shared), i, kept, age;
      for (i = 0; i < keys.length; i++) {
        kept = P.unpack(P.store.get(shared + keys[i]));
        age = P.now() - kept[1];
        if (keys[i] === page || kept[0] && age < OWNER_MS && age >= 0) continue;
        if (i < MAX_TABS && age < KEPT_MS && kept[2] !== room.me()) continue;
        P.store.set(shared + keys[i], '');
        if (age < KEPT_MS && kept[2] === room.me()) load(kept.slice(3));
      }
    }

    function state(item, key, values) {
      P.empty(item.note);
      if (key) T.fill(item.note, key, values);
      P.setClass(item.li, 'pending', !!key && key !== 'own.failed');
      P.setClass(item.li, 'failed', key === 'own.failed');
      room.log.follow();
    }

    function line(item, words) {
      item.li = room.log.add({ name: room.me(), text: words || item.text, own: true, at: P.now(), waits: true });
      item.note = make('span', 'state');
      item.li.appendChild(item.note);
    }

    function enqueue(item) {
      items.push(item);
      keep();
      P.setClass(item.li, 'pending', true);
      setTimeout(function () { if (P.indexOf(items, item) >= 0 && !item.told) state(item, room.isJoined() ? 'own.sending' : 'own.waiting'); }, room.isJoined() ? 1000 : 0);
      next();
    }

    function next() {
      var item = items[0];
      if (!room.isJoined() || flying || !item) return;
      if (sizeOf(item.text) > room.most()) {
        items.shift();
        fail(item, 'too long');
        return next();
      }
      flying = item;
      clear();
      room.emit('new message', item.text, item.tries++ ? { id: item.id, again: true } : { id: item.id }, function (answer) { settled(item, answer || { ok: true }); });
      if (!box.acks) return settled(item, { ok: true });
      keep();
      testTimer = setTimeout(function () { doubt(); }, TEST_MS + sizeOf(item.text) / SLOW_PACE * 1000);
      ackTimer = setTimeout(function () {
        if (flying !== item) return;
        flying = null;
        next();
      }, ACK_MS + sizeOf(item.text) / SLOW_PACE * 1000);
    }

    function clear() {
      clearTimeout(rateTimer);
      clearTimeout(ackTimer);
      clearTimeout(testTimer);
    }

    function settled(item, answer) {
      var wait;
      if (items[0] !== item) return;   // the answer to an earlier try came first
      flying = null;
      clear();
      item.told = true;
      if (answer.ok === false && (answer.reason === 'rate' || answer.reason === 'slow')) {
        wait = Math.min(Math.max(+answer.wait || 2000, 500), 60000);
        state(item, answer.reason === 'slow' ? 'own.slow' : 'own.rate', { n: Math.ceil(wait / 1000) });
        rateTimer = setTimeout(next, wait);
        return;
      }
      if (answer.ok === false && answer.reason === 'not joined' && !item.rejoined) {
        item.rejoined = true;
        return room.rejoin();
      }
      items.shift();
      keep();
      if (answer.ok === false) fail(item, answer.reason, answer.message);
      else {
        state(item);
        room.taken(item.li, answer);
      }
      next();
    }

    function fail(item, reason, words) {
      var known = { 'too long': 'own.toolong', 'not joined': 'own.notjoined', muted: 'own.muted', 'read only': 'own.readonly' }[reason], edit = P.button('link', t('own.edit')), again = P.button('link', t('own.again'));
      item.li.waits = false;
      state(item, 'own.failed', { why: known ? t(known) : words || reason || t('own.refused') });
      P.add(item.note, ' ');
      P.add(item.note, edit);
      if (reason !== 'too long') {
        P.add(item.note, ' ');
        P.add(item.note, again);
      }
      P.listen(edit, 'click', function () {
        room.log.takeOut(item.li);
        room.again(item.text);
      });
      P.listen(again, 'click', function () {
        item.told = false;
        item.rejoined = false;
        room.log.takeOut(item.li);
        line(item);
        state(item, 'own.sending');
        enqueue(item);
        room.again('');
      });
    }

    function draw() {
      for (var i = 0; i < items.length; i++) state(items[i], room.isJoined() ? 'own.sending' : 'own.waiting');
    }

    box.send = function (words) {
      var item = { id: page + '-' + (++serial), text: words, tries: 0 };
      line(item);
      enqueue(item);
    };
    // What is far too long is not even tried.
    box.refuse = function (words) {
      var item = { text: words };
      line(item, words.slice(0, 200) + '\u2026');
      fail(item, 'too long');
    };
    // The connection is lost: an answer to what was sent will not come.
    box.lost = function () {
      flying = null;
      clear();
      draw();
    };
    box.go = function () {
      flying = null;
      draw();
      next();
    };
    box.isEmpty = function () { return !items.length; };
    // What an earlier life of this page could not send.
    box.restore = function () {
      load(P.unpack(P.session.get('out.' + room.key)));
      adopt();
    };
    box.drop = function () {
      items = [];
      keep();
    };
    // This tab goes, or comes back from where it went.
    P.listen(root, 'pagehide', function () { if (items.length) keep(''); });
    P.listen(root, 'pageshow', function () { if (items.length) keep(); });
    return box;
  }

  // What nobody came for.
  for (var keys = P.store.keys('out.'), i = 0; i < keys.length; i++) if (i >= 2 * MAX_TABS || !(P.now() - P.unpack(P.store.get('out.' + keys[i]))[1] < KEPT_MS)) P.store.set('out.' + keys[i], '');

  root.ParlanceOutbox = { create: create };
})(window);
