/* The rooms: which of them the reader is in, which one is seen, and the list beside the conversation. The address says which one:
   #name, and nothing for the lobby. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Layer = root.ParlanceLayer, Log = root.ParlanceLog, Notify = root.ParlanceNotify, Room = root.ParlanceRoom;
  var byId = P.byId, make = P.make, listen = P.listen, t = T.t;

  var MAX_ROOMS = 20;       // that the reader is in at once
  var MAX_OTHERS = 500;     // that are listed besides
  var MAX_ANSWERS = 3;      // of a list that has more than one answer holds
  var ASK_MS = 30000;       // between two questions which rooms there are
  var AGAIN_MS = 180000;    // without an occasion the page asks so often, while somebody looks at it
  // ids of this page, and what is no chat room
  var NO_ROOM = /^(message|main|parlance|parlance-echo|admin|lobby)$/i;

  var rooms = [], others = [], host, asked = 0, drawn = '', hasList = false;

  function find(name) {
    for (var i = 0; i < rooms.length; i++) if (rooms[i].name === name) return rooms[i];
    return null;
  }

  // The name of a room as people write it, '' if it can be none.
  function clean(text) {
    var name = P.trim(text).replace(/^[#\/]+/, '').replace(/\s+/g, '-');
    return name.length > 64 || /[\/?#,%]/.test(name) || NO_ROOM.test(name) ? '' : name;
  }

  function address() {
    var hash = root.location.hash.replace(/^#/, '');
    try { hash = decodeURIComponent(hash); } catch (e) {}
    return hash;
  }

  // Why the address, or what was typed, leads nowhere; the address is again that of the room that is seen.
  function refuse(words) {
    var there = '#' + encodeURIComponent(host.current().name);
    try { root.history.replaceState(null, '', there); } catch (e) { root.location.replace(there); }
    P.say(byId('join-error'), words);
    say(words);
    if (!byId('rooms').offsetWidth && byId('rooms-toggle').offsetWidth) byId('rooms-toggle').click();
  }

  function say(words) {
    P.say(byId('rooms-error'), words);
    byId('rooms-name').setAttribute('aria-invalid', words ? 'true' : 'false');
  }

  // Goes where the address leads.
  function follow() {
    var hash = address(), name = clean(hash);
    if (P.trim(hash) && !name) refuse(t('rooms.bad')); else look(name);
  }

  function link(name) { return '#' + encodeURIComponent(name); }

  // The rooms of this tab, and those of the next one.
  function keep() {
    for (var list = [], i = 0; i < rooms.length; i++) if (rooms[i].wanted || rooms[i].wasIn) list.push(rooms[i].nsp);
    P.session.set('rooms', P.pack(list));
    P.store.set('rooms', P.pack(list));
  }

  function open(name) {
    var room = find(name), el;
    if (room) return room;
    if (rooms.length >= MAX_ROOMS) return null;
    el = rooms.length ? byId('logs').insertBefore(make('div', 'log off'), byId('jump')) : byId('log');
    if (rooms.length) {
      el.setAttribute('role', 'log');
      el.setAttribute('aria-live', 'polite');
      el.setAttribute('aria-relevant', 'additions');
      el.tabIndex = 0;
    }
    room = host.create(name, el);
    rooms.push(room);
    return room;
  }

  // Shows a room. Who has a name is in it by that.
  function look(name, isAgain) {
    var room = open(name);
    if (!room) return refuse(t('rooms.full', { n: MAX_ROOMS }));
    say('');
    host.look(room);
    Notify.room(name ? '#' + name : '');
    if (!room.wanted && !room.isIn && (isAgain || isInSome())) room.enter(host.me.name, isAgain);
    Layer.close(byId('rooms'), true);
    draw();
    ask();
  }

  function isInSome() {
    for (var i = 0; i < rooms.length; i++) if (rooms[i].wasIn === true) return true;
    return false;
  }

  // A link to a room that the reader is in, null if there is none.
  function wayBack() {
    for (var i = 0, a; i < rooms.length; i++) if (rooms[i].wasIn === true) {
      a = make('a', '', t('rooms.back', { room: title(rooms[i]) }));
      a.href = link(rooms[i].name);
      return a;
    }
    return null;
  }

  function go(name) {
    if (root.location.hash.replace(/^#/, '') === link(name).slice(1)) return look(name);
    root.location.hash = link(name);
    if (!('onhashchange' in root)) look(name);
  }

  function leave(room) {
    room.leave();
    if (!room.name) return;
    P.without(rooms, room);
    Log.forget(room.log);
    keep();
    if (host.current() === room) go(rooms.length ? rooms[0].name : '');
    drawn = '';
    draw();
  }

  // ---- the list

  function count(n, isMention, isMore) {
    var el = make('span', 'count' + (isMention ? ' named' : ''), n > 99 ? '99+' : n + (isMore ? '+' : ''));
    el.appendChild(make('span', 'hidden', ' ' + t('rooms.unread')));
    return el;
  }

  function title(room) { return room.name ? '# ' + room.name : t('rooms.lobby'); }

  function entry(room) {
    var a = make('a', '', P.isolated(title(room), 'room-name')), li = make('li', 'room-item', a), out;
    a.href = link(room.name);
    if (room.title) a.appendChild(P.isolated(room.title, 'room-title'));
    if (room === host.current()) {
      a.setAttribute('aria-current', 'page');
      li.className += ' current';
    }
    if (room.error && !room.wasIn) li.className += ' closed';
    if (room.log.unread) a.appendChild(count(room.log.unread, room.log.mentions > 0, room.log.isMore));
    if (room.name) {
      out = P.button('plain out', '\u00d7');
      out.title = t('rooms.leave', { room: room.name });
      out.setAttribute('aria-label', out.title);
      listen(out, 'click', function () { leave(room); });
      li.appendChild(out);
    }
    return li;
  }

  function other(what) {
    var a = make('a', '', P.isolated(what.name ? '# ' + what.name : t('rooms.lobby'), 'room-name')), li = make('li', 'room-item other', a);
    a.href = link(what.name);
    if (what.title) a.appendChild(P.isolated(what.title, 'room-title'));
    if (what.isNew) a.appendChild(make('span', 'news', make('span', 'hidden', t('rooms.news'))));
    if (what.people) a.appendChild(make('span', 'people-here', t('people.count', { n: what.people })));
    return li;
  }

  // Only if something changed: the keyboard may be in the list.
  function draw() {
    var current = host && host.current(), list, isList, isMore = false, sum = 0, isNamed = false, i, state = [current && current.name], room, news;
    if (!current) return;
    for (i = 0; i < rooms.length; i++) {
      room = rooms[i];
      state.push(room.name, !!room.wanted || room.wasIn, room.log.unread, room.log.mentions, room.error && !room.wasIn, room.title);
      if (room === current) continue;
      sum += room.log.unread;
      isMore = isMore || room.log.isMore;
      isNamed = isNamed || room.log.mentions > 0;
    }
    for (i = 0; i < others.length; i++) state.push(others[i].name, others[i].title, others[i].people, others[i].isNew);
    isList = current.isOurs || hasList || rooms.length > 1;
    state = state.join('\n') + isList + current.hasHistory;
    if (state === drawn) return;
    drawn = state;

    P.show(byId('rooms'), isList);
    P.show(byId('rooms-toggle'), isList);
    P.show(byId('search-open'), current.hasHistory);
    P.show(byId('talk-head'), isList || current.hasHistory);
    P.say(byId('place-name'), title(current));
    P.say(byId('place-title'), current.title);
    list = P.empty(byId('rooms-list'));
    // the lobby first
    for (i = 0; i < rooms.length; i++) if (rooms[i].wanted || rooms[i].wasIn || rooms[i] === current) list.insertBefore(entry(rooms[i]), rooms[i].name ? null : list.firstChild);
    list = P.empty(byId('rooms-others'));
    for (i = 0, news = 0; i < others.length; i++) if (!find(others[i].name) || !find(others[i].name).wanted && find(others[i].name) !== current) {
      list.appendChild(other(others[i]));
      news++;
    }
    P.show(byId('rooms-more'), news > 0);
    P.empty(byId('rooms-unread'));
    if (sum) byId('rooms-unread').appendChild(count(sum, isNamed, isMore));
  }

  // Whether more was said in it than this browser has read, which was in it once.
  function isNew(what) {
    var end = Room.position(what.position), read = end && P.store.get('read.' + (clean(what.name) || '/'));
    return !!read && read !== end && (Room.epoch(read) !== Room.epoch(end) || Room.number(read) < Room.number(end));
  }

  // Which rooms there are: servers that have a list tell.
  function ask() {
    var room = host.current();
    if (!room || !room.hasWords || P.now() - asked < ASK_MS && hasList) return;
    asked = P.now();
    askOn(room, [], 1);
  }

  // The rooms after those that are known, of an answer by its number.
  function askOn(room, known, number, after) {
    room.socket.emit('rooms', after ? { after: after } : {}, function (answer) {
      var i, one, isMore;
      if (!answer || !answer.ok || !answer.rooms) return;
      hasList = true;
      for (i = 0; i < answer.rooms.length && known.length < MAX_OTHERS; i++) {
        one = answer.rooms[i];
        if (one && typeof one.name === 'string' && (clean(one.name) || !one.name)) known.push({ name: clean(one.name), title: typeof one.title === 'string' ? one.title : '', people: one.people > 0 ? +one.people : 0, isNew: isNew(one) });
      }
      isMore = answer.more && answer.next && number < MAX_ANSWERS && known.length < MAX_OTHERS;
      if (isMore) askOn(room, known, number + 1, answer.next);
      // The list that is seen does not become shorter while the rest is asked for.
      if (isMore && others.length) return;
      others = known;
      draw();
    });
  }

  // After the first login the others follow: by then the server knows that they are the same person.
  function entered(room) {
    keep();
    for (var i = 0; i < rooms.length; i++) if (rooms[i].isWaiting) {
      rooms[i].isWaiting = false;
      rooms[i].enter(host.me.name, true);
    }
    asked = hasList ? asked : 0;
    draw();
    ask();
  }

  function start(h) {
    var before, known, name = clean(address()), i, list;
    host = h;
    before = P.session.get('name');
    known = before || host.me.token && host.me.name;
    list = known ? P.unpack(P.session.get('rooms') || P.store.get('rooms')) : [];
    look(name, !!known);
    for (i = 0; i < list.length; i++) {
      name = list[i].charAt(0) === '/' ? clean(list[i].slice(1)) : '';
      if (find(name) || !name && list[i] !== '/') continue;
      if (open(name)) find(name).isWaiting = true;
    }
    listen(root, 'hashchange', function () { if (!/^#(message|main)$/.test(root.location.hash)) follow(); });
    // read in another tab
    listen(root, 'storage', function (ev) {
      for (var i = 0; ev.newValue && i < rooms.length; i++) if (ev.key === 'parlance.read.' + rooms[i].key) rooms[i].log.readElsewhere(Room.position(ev.newValue));
    });
    listen(byId('rooms-form'), 'submit', function (ev) {
      var wish = clean(byId('rooms-name').value);
      ev.preventDefault();
      say(wish || !P.trim(byId('rooms-name').value) ? '' : t('rooms.bad'));
      if (!wish) return P.focus(byId('rooms-name'));
      byId('rooms-name').value = '';
      go(wish);
    });
    listen(byId('rooms-toggle'), 'click', ask);
    listen(root, 'focus', ask);
    setInterval(function () { if (!Log.isAway() && P.now() - asked >= AGAIN_MS) ask(); }, ASK_MS);
    byId('rooms-name').setAttribute('placeholder', t('rooms.placeholder'));
    draw();
    if (P.trim(address()) && !name) refuse(t('rooms.bad'));
  }

  root.ParlanceRooms = {
    start: start, draw: draw, go: go, wayBack: wayBack, entered: entered,
    // In a room the reader has another name: in the others, too, where nobody else has it.
    renamed: function (room) {
      for (var i = 0; i < rooms.length; i++) if (rooms[i] !== room && rooms[i].isIn) rooms[i].rename(host.me.name, function () {});
    },
    // Away from all of them, and this browser forgets who was here.
    leaveAll: function () {
      for (var i = 0; i < rooms.length; i++) {
        rooms[i].leave();
        P.store.set('draft.' + rooms[i].key, '');
        P.session.set('draft.' + rooms[i].key, '');
        P.store.set('read.' + rooms[i].key, '');
        P.session.set('edit.' + rooms[i].key, '');
      }
      P.store.set('token', '');
      P.session.set('token', '');
      P.session.set('name', '');
      P.session.set('rooms', '');
      P.store.set('rooms', '');
      root.location.hash = '';
      root.location.reload();
    }
  };
})(window);
