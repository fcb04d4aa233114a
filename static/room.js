/* One room that the reader is in, or wants to be: its namespace, and what comes and goes by it. ES3.

   Servers that remember answer a login with a `position`; at others there is nothing to ask for, and what was missed is missing.
   The file is long because logging in, history and events are about one state, that of the connection to the room. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, Log = root.ParlanceLog, People = root.ParlancePeople, Outbox = root.ParlanceOutbox, Typists = root.ParlanceTypists, Link = root.ParlanceLink, Notify = root.ParlanceNotify;
  var t = T.t, now = P.now;

  var AGAIN_MS = 1500, AGAIN_MOST = 40;   // a name that an earlier connection of this page holds is asked for again
  var PAGE = 50;            // messages of history that are asked for at once
  var CATCH_UP = 400;       // messages that are fetched after a gap; after a longer one, the latest are shown
  var LATE_MS = 2000;       // clocks of nodes differ by less
  var ONLY_CHANGES = 20;    // answers in a row that have nothing but changes of older messages, until the page gives up

  function plain(data) { return typeof data === 'string' ? data : ''; }
  function number(data) { return typeof data === 'number' && data > 0 ? data : 0; }
  function position(data) { return typeof data === 'string' && /^[\w-]{1,32}\.\d{1,16}$/.test(data) ? data : ''; }

  function order(position) {
    var dot = position.lastIndexOf('.');
    return { epoch: position.slice(0, dot), seq: +position.slice(dot + 1) };
  }

  // What the server says of a message, whoever's it is.
  function read(data) {
    var late = number(data.late), at = number(data.at) || late;
    if (late >= now()) late = at = 0;
    return {
      name: plain(data.username), text: plain(data.message), own: data.own === true, at: at || now(), late: late, position: position(data.position),
      edited: number(data.edited), deleted: data.deleted === true, change: data.change === true, gap: data.gap === true, announce: data.announce === true, verified: data.verified === true, role: plain(data.role)
    };
  }

  function readAll(list) {
    for (var out = [], i = 0, m; list && i < list.length; i++) {
      m = list[i] && read(list[i]);
      if (m && m.position) out.push(m);
    }
    return out;
  }

  // A stretch of history in its order. What is older than a message above it came late: a node was cut off.
  function stretch(list) {
    for (var all = readAll(list), i = 0, latest = 0, m; i < all.length; i++) {
      m = all[i];
      if (m.change || m.at > now()) continue;
      if (m.at < latest - LATE_MS) m.late = m.late || m.at; else latest = Math.max(latest, m.at);
    }
    return all;
  }

  function countOf(messages) {
    for (var n = 0, i = 0; i < messages.length; i++) if (!messages[i].change) n++;
    return n;
  }

  // Where an answer ends, which may be at a change of an older message.
  function endOf(answer, messages) {
    var n = messages.length;
    return position(answer.last) || (n ? messages[n - 1].position : '');
  }

  // me: { name, token, keep() }, of this reader in all rooms. app: { entered(room), refused(room, words), changed(room), isShown(room), edit(text) }.
  function create(name, el, me, app) {
    var joining = false, expired = false, againTimer, againCount = 0, lostAt = 0, alone = null, epoch = '', hole = '', start = '', early = {}, earlyCount = 0;
    var room = { name: name, nsp: '/' + name, isOurs: false, key: name || '/', title: '', wanted: '', myName: '', isIn: false, wasIn: false, hasHistory: false, hasWords: false, readOnly: false, slow: 0, isModerator: false, error: '' };

    room.log = Log.create(el, {
      view: { me: function () { return room.myName; }, isHere: function (name) { return room.people.isHere(name); }, moved: moved },
      older: function (from, done) { history({ before: from, limit: PAGE }, done); },
      newer: function (from, done) { history({ after: from, limit: PAGE }, done); },
      latest: function (done) { history({ limit: PAGE }, done); },
      seen: function (position) { P.store.set('read.' + room.key, position); },
      place: function (position) { P.session.set('at.' + room.key, position); },
      added: added
    });
    room.people = People.create(function (done) { if (room.isIn) room.socket.emit('who', done); }, function (li, name) { if (room.isModerator) app.person(room, li, name); });
    room.typists = Typists.create(function (word) { if (room.isIn) room.socket.emit(word); }, function () { return app.isShown(room); });
    room.out = Outbox.create({
      key: room.key, log: room.log, isJoined: function () { return room.isIn; }, me: function () { return room.myName || room.wanted; },
      emit: function () { room.socket.emit.apply(room.socket, arguments); }, most: Link.most,
      taken: function (li, answer) {
        isEarly(answer, li);
        room.log.taken(li, position(answer.position), number(answer.at));
      },
      rejoin: function () {
        room.isIn = false;
        join();
      },
      again: app.edit
    }, Link.doubt);

    // One's own messages can be changed, and moderators do something about others.
    function added(li) {
      if (room.hasWords && li.m.position && (li.m.own || room.isModerator)) app.mine(room, li);
    }

    // a button in a message moved while it was folded or unfolded
    function moved(by) {
      if (by < 0) el.scrollTop += by;
      room.log.measure();
      room.log.settle();
    }

    // What is said while other nodes cannot be reached has a mark, by which the server gives it its place later.
    function isEarly(data, li) {
      if (!plain(data.mark) || !li) return;
      if (++earlyCount > 10000) early = {}, earlyCount = 0;
      early['$' + data.mark] = li;
    }

    // done(messages, more, where they end), or done() if there is no answer. Who asks for what comes after gets at least one message,
    // if there is one, with the changes of others before it.
    function history(what, done, changes) {
      ask('history', what, function (answer) {
        var messages = answer && stretch(answer.messages), end;
        if (!messages) return done();
        end = endOf(answer, messages);
        changes = (changes || []).concat(messages);
        if (what.after && answer.more && end && end !== what.after && !countOf(messages) && changes.length < ONLY_CHANGES * PAGE) return history({ after: end, limit: 4 * PAGE }, done, changes);
        done(changes, !!answer.more, end);
      });
    }

    // One of the words of servers that remember: done(answer), done(null, refusal).
    function ask(word, what, done) {
      var over = false;
      function end(answer, refusal) {
        if (over) return;
        over = true;
        done(answer, refusal);
      }
      if (!room.isIn) return end(null, { reason: 'offline' });
      room.socket.emit(word, what, function (answer) { end(answer && answer.ok ? answer : null, answer); });
      setTimeout(function () { end(null, { reason: 'offline' }); }, 15000);
    }
    room.ask = ask;

    // ---- joining

    function join() {
      var what = { page: 1 }, wanted = room.wanted;
      if (joining || !room.socket.connected || !wanted) return;
      joining = true;
      if (me.token) what.token = me.token;
      if (room.hasHistory) what.after = hole || room.log.top() || start;
      room.socket.emit('add user', wanted, what, function (answer) {
        if (!joining) return;
        joining = false;
        room.isOurs = !!answer;
        if (!answer || answer.ok) entered(answer || {});
        else refused(answer.reason, answer.message);
      });
    }

    function entered(answer) {
      var first = !room.wasIn, isReturn = room.wasIn === null, gap = lostAt;
      clearTimeout(againTimer);
      againCount = 0;
      Log.flush();
      room.myName = room.wanted = plain(answer.username) || room.wanted;
      room.isIn = room.wasIn = true;
      room.error = '';
      me.name = room.myName;
      if (plain(answer.token)) me.token = answer.token;
      me.isVerified = answer.verified === true;
      room.hasWords = !!position(answer.position);
      rank(answer.roles);
      lostAt = 0;
      describe(answer.room);
      if (gap && !first) sayGap(gap, room.hasHistory && !answer.gap && position(answer.position));
      if (position(answer.position)) remember(answer, first);
      if (first) {
        // who comes back to a room that remembers sees that it does
        if (!isReturn || !room.hasHistory) room.log.note('note.welcome', { name: P.isolated(room.myName, 'name') });
        if (answer.numUsers === 1) alone = room.log.note('note.alone');
        room.out.restore();
      }
      room.people.enter(room.myName, number(answer.numUsers));
      if (room.renaming) room.renaming('');
      app.entered(room);
      room.out.go();
    }

    function rank(roles) {
      for (var i = 0, is = false; roles && i < roles.length; i++) is = is || roles[i] === 'moderator' || roles[i] === 'admin';
      if (is === room.isModerator) return;
      room.isModerator = is;
      room.log.each(added);
    }

    // `isWhole`: what was said meanwhile follows.
    function sayGap(from, isWhole) { room.log.note(isWhole ? 'note.away' : 'note.gap', { from: P.clock(new Date(from), true), to: P.clock(new Date(), true) }); }

    // What was said before, or while this page was away.
    function remember(answer, first) {
      var messages = stretch(answer.messages), read, i, place = answer.position.slice(0, answer.position.lastIndexOf('.'));
      if (!room.hasHistory || first) {
        // of a room in which nothing was said yet: what comes later comes after this
        start = answer.position;
        room.log.readTo(read = P.store.get('read.' + room.key));
        room.log.reset(messages, !!answer.more, true);
        room.log.reaches(answer.position);
        if (!app.isShown(room)) {
          for (i = 0; read && i < messages.length; i++) if (!messages[i].own && room.log.isBefore(read, messages[i].position)) room.log.unread++;
          // those before are not counted
          room.log.isMore = room.log.unread > 0 && !!answer.more && room.log.isBefore(read, messages[0].position);
        }
      } else if (place !== epoch || answer.gap) {
        hole = '';
        room.log.cut();
        room.log.fill(messages);
      } else if (!room.log.live) room.log.missed(messages, countOf(messages));
      else {
        room.log.fill(messages);
        if (answer.more && messages.length) catchUp(endOf(answer, messages), countOf(messages));
      }
      epoch = place;
      room.hasHistory = true;
      if (first && (read = P.session.get('at.' + room.key))) around(read, function (li) { room.log.lookAt(li, 0); });
    }

    // The rest of a long gap. What is said now comes meanwhile, and takes its own place.
    function catchUp(from, got) {
      // what a new connection would have to ask from
      hole = from;
      history({ after: from, limit: 4 * PAGE }, function (messages, more, end) {
        if (!messages) return;
        hole = '';
        if (!messages.length || !room.log.live) return;
        got += countOf(messages);
        if (more && (got > CATCH_UP || end === from)) return room.log.restart();
        room.log.fill(messages);
        if (more) catchUp(end, got);
      });
    }

    function refused(reason, words) {
      var known = { taken: 'join.taken', 'too long': 'join.toolong', reserved: 'join.name', invalid: 'join.name', banned: 'join.banned' }[reason], why = known ? t(known) : T.lang === 'en' && words ? T.brief(words) : t('join.refused') + (words ? ' (' + T.brief(words) + ')' : '');
      if (room.renaming) return room.renaming(why);
      if (room.wasIn !== false && (reason === 'taken' || reason === 'rate') && againCount < AGAIN_MOST) {
        // our own ghost: the server has not noticed yet that the earlier connection is gone; or all who share
        // our address come back at once
        againCount++;
        againTimer = setTimeout(join, AGAIN_MS);
        return app.changed(room);
      }
      againCount = 0;
      room.wanted = '';
      room.wasIn = room.wasIn && !room.out.isEmpty();
      room.isIn = false;
      app.refused(room, why);
    }

    function describe(what) {
      if (!what || typeof what !== 'object') return;
      if (what.title !== undefined) room.title = plain(what.title);
      if (what.readOnly !== undefined) room.readOnly = what.readOnly === true;
      if (what.slow !== undefined) room.slow = number(what.slow);
      app.changed(room);
    }

    // ---- what comes

    function wire(socket) {
      function heard(name, fn, always) { socket.on(name, Log.heard(function (data) { if (data && (room.isIn || always)) fn(data, plain(data.username)); })); }

      socket.on('connect', function () {
        joining = expired = false;
        join();
        // who has an account is not asked for a name
        if (!room.wanted && !room.hasLeft) socket.emit('account', function (answer) {
          if (!answer || !answer.ok || room.wanted || room.hasLeft) return;
          me.isVerified = true;
          if (app.isShown(room)) room.enter(plain(answer.username));
        });
      });
      // The site that has given the token is asked for another. A cookie is read by the server: a new connection brings the new one.
      heard('token expires', function () {
        if (typeof root.parlanceToken === 'function') root.parlanceToken(function (token) {
          if (plain(token)) socket.emit('token', { token: token }, function () {});
        });
      }, true);
      socket.on('disconnect', function (why) {
        if (expired && why === 'io server disconnect') setTimeout(function () { Link.anew(socket); }, 0);
        Log.flush();
        if (room.isIn) lostAt = Link.heardAt();
        room.isIn = joining = false;
        clearTimeout(againTimer);
        room.typists.lost();
        room.out.lost();
        app.changed(room);
      });
      socket.on('connect_error', function (err) {
        if (err.code === 'forbidden' && !socket.active && room.name) {
          room.wanted = '';
          room.wasIn = false;
          app.refused(room, t('rooms.none') + (err.message ? ' (' + T.brief(err.message) + ')' : ''));
        }
      });
      // somebody on another server has had this name for longer
      socket.on('login error', function (data) {
        expired = !!data && data.reason === 'token-expired';
        if (expired) return;
        if (!room.isIn) return;
        room.isIn = false;
        room.out.lost();
        refused(data && data.reason, data && data.message);
      });
      // servers of the original example do not answer "add user", only this
      socket.on('login', function (data) {
        if (!joining) return;
        setTimeout(function () {
          if (!joining) return;
          joining = room.out.acks = false;
          entered({ numUsers: data && data.numUsers });
        }, 500);
      });
      heard('user joined', function (data, name) {
        if (!name) return;
        room.people.count(data);
        room.people.came(name, data.verified === true);
        room.log.takeOut(alone);
        room.log.cameOrWent(name, true);
      });
      heard('user left', function (data, name) {
        if (!name) return;
        room.people.count(data);
        room.people.went(name);
        room.typists.ended(name);
        room.log.cameOrWent(name, false);
      });
      heard('new message', function (data, name) {
        var m = read(data), li;
        if (!m.text) return;
        room.typists.ended(name);
        li = room.log.add(m);
        isEarly(data, li);
        if (!m.own) {
          room.log.arrived(li);
          Notify.heard(m, !!li && li.mentions, room.name, function () { app.open(room); });
        }
      });
      heard('message placed', function (data) {
        var key = '$' + plain(data.mark), li = early[key];
        delete early[key];
        if (!li || !position(data.position)) return;
        room.log.taken(li, data.position, number(data.at));
        if (li.m.own && room.hasWords) app.mine(room, li);
      });
      heard('message edited', function (data) { room.log.update({ position: position(data.position), text: plain(data.message), edited: number(data.edited) || now() }); });
      heard('message deleted', function (data) { room.log.update({ position: position(data.position), deleted: true }); });
      heard('user renamed', function (data) {
        var from = plain(data.from), to = plain(data.to);
        if (!from || !to) return;
        // by another tab of the same person
        if (data.own === true) {
          if (plain(data.token)) me.token = data.token;
          return nowIs(to);
        }
        room.people.renamed(from, to);
        room.typists.ended(from);
        room.log.note('note.renamed', { from: P.isolated(from, 'name'), to: P.isolated(to, 'name') });
      });
      heard('announcement', function (data) {
        var words = typeof data === 'string' ? data : plain(data.message), m;
        if (position(data.position)) {
          m = read(data);
          m.announce = true;
          room.log.arrived(room.log.add(m));
        } else if (words) room.log.note('note.announced', { words: P.isolated(words, 'text') }, 'announced');
      });
      heard('typing', function (data, name) { room.typists.began(name); });
      heard('stop typing', function (data, name) { room.typists.paused(name); });
      heard('room', describe);
      // by a moderator: this page does not come back by itself
      heard('removed', function (data) {
        room.wanted = '';
        room.hasLeft = true;
        room.isIn = room.wasIn = joining = false;
        room.out.lost();
        app.refused(room, t(data.action === 'ban' ? 'join.banned' : 'join.removed') + (data.action === 'ban' && plain(data.message) ? ' (' + T.brief(data.message) + ')' : ''));
      });
    }

    // Asks for this name in the room as soon as there is a connection. isAgain: an earlier life of this page had it.
    room.enter = function (name, isAgain) {
      room.wanted = name;
      againCount = 0;
      if (isAgain) room.wasIn = room.wasIn || null;
      if (room.socket.active) join(); else room.socket.connect();
    };
    room.leave = function () {
      clearTimeout(againTimer);
      room.wanted = '';
      room.hasLeft = true;
      room.isIn = room.wasIn = joining = false;
      room.out.drop();
      room.socket.disconnect();
    };
    room.say = function (words, isTooLong) {
      room.log.toEnd();
      if (!room.log.live) room.log.goLatest();
      if (isTooLong) room.out.refuse(words); else room.out.send(words);
      room.log.goLatest();
      room.log.measure();
    };
    // done(refusal in words, '' if it is done). Where the server knows no other way, by leaving and coming in again.
    room.rename = function (name, done) {
      function is(answer) {
        nowIs(answer);
        done('');
      }
      if (!room.isIn) return done(t('why.notnow'));
      if (room.hasWords) return ask('rename', name, function (answer, refusal) {
        if (refusal && refusal.reason === 'unknown event') return comeAs(name, is, done);
        if (!answer) return done(T.reason(refusal));
        if (plain(answer.token)) me.token = answer.token;
        is(plain(answer.username) || name);
      });
      comeAs(name, is, done);
    };
    function nowIs(name) {
      room.people.renamed(room.myName, name);
      room.log.note('note.younow', { name: P.isolated(name, 'name') });
      room.myName = room.wanted = me.name = name;
      me.keep();
      app.changed(room);
    }
    function comeAs(name, is, done) {
      var before = room.myName;
      room.socket.disconnect();
      room.wanted = name;
      lostAt = 0;
      room.renaming = function (why) {
        room.renaming = null;
        if (why) room.enter(before); else is(room.myName);
        done(why || '');
      };
      room.socket.connect();
    }
    // then(line): one message is in the log, among those before and after it.
    function around(position, then) {
      var place = order(position), li = room.log.find(position);
      if (li) return then(li);
      history({ after: place.epoch + '.' + Math.max(0, place.seq - PAGE / 2), limit: PAGE }, function (messages, more) {
        if (!messages || !messages.length) return;
        room.log.reset(messages, true, !more);
        if ((li = room.log.find(position))) then(li);
      });
    }
    room.showMessage = function (position) { around(position, room.log.point); };
    room.isAgain = function () { return againCount > 0; };
    room.wire = wire;
    return room;
  }

  root.ParlanceRoom = {
    create: create, readAll: readAll, position: position,
    epoch: function (position) { return order(position).epoch; }, number: function (position) { return order(position).seq; }
  };
})(window);
