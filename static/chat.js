/* The chat: joining, the message box, and which room is seen. ES3: it also runs where there is no JSON, no WebSocket and no addEventListener.
   The file is a little long: it connects all the others. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Panel = root.ParlancePanel, Layer = root.ParlanceLayer, Log = root.ParlanceLog, Room = root.ParlanceRoom, Rooms = root.ParlanceRooms, Link = root.ParlanceLink, Evidence = root.ParlanceEvidence, Search = root.ParlanceSearch, You = root.ParlanceYou, Names = root.ParlanceNames, Moderate = root.ParlanceModerate;
  var byId = P.byId, make = P.make, show = P.show, listen = P.listen, t = T.t;

  var MAX_TEXT = 100000;         // characters of a message that is tried at all; the server has a bound of its own
  var NARROW = '(max-width: 760px)';

  var box = byId('message'), app = byId('app'), me = { name: P.session.get('name') || P.store.get('name'), token: P.session.get('token') || P.store.get('token'), keep: keepMe };
  var socket, evidence, current = null, editing = null, submitting = false;

  // For the next window, and for this one where there is nothing else.
  function keepMe() {
    P.store.set('name', me.name);
    P.session.set('name', me.name);
    P.store.set('token', me.token);
    P.session.set('token', me.token);
  }

  // ---- the message box

  function grow() {
    if (box.scrollHeight === undefined || !box.style) return;
    box.style.height = 'auto';
    if (box.scrollHeight) box.style.height = box.scrollHeight + 2 + 'px';
    Log.follow();
  }

  function fillBox(words) {
    box.value = words;
    Names.offer();
    grow();
  }

  // What is being written in a room is there again after a reload, and in the next window.
  function keepDraft() {
    if (!current) return;
    if (editing) return keepEdit(editing.room, P.pack([editing.li.m.position, box.value]));
    P.session.set('draft.' + current.key, box.value);
    P.store.set('draft.' + current.key, box.value);
  }
  function draft() { return P.session.get('draft.' + current.key) || P.store.get('draft.' + current.key); }

  function onInput() {
    grow();
    keepDraft();
    Names.offer();
    if (box.value && !editing) current.typists.writes();
  }

  function submit() {
    var words = P.trimEnd(box.value.replace(/\r\n?/g, '\n')).replace(/^\s*\n/, '');
    if (editing) return submitEdit(words);
    if (!words || !current) return;
    current.say(words, words.length > MAX_TEXT);
    fillBox('');
    keepDraft();
    current.typists.stop();
    P.focus(box);
  }

  // Puts words into the box, before what is there: a message that could not be sent.
  function giveBack(words) {
    if (words) fillBox(words + (box.value ? '\n' + box.value : ''));
    keepDraft();
    P.focus(box);
  }

  // ---- changing and deleting one's own messages

  function keepEdit(room, what) { P.session.set('edit.' + room.key, what); }

  // words: that were written already.
  function edit(room, li, words) {
    stopEditing();
    editing = { room: room, li: li };
    P.setClass(li, 'editing', true);
    show(byId('editing'), true);
    fillBox(words || li.m.text);
    keepDraft();
    P.focus(box);
  }

  // A change that was begun in this room, before another room or a reload, goes on.
  function resumeEdit() {
    var kept = P.unpack(P.session.get('edit.' + current.key)), li = !editing && kept[1] && current.isIn && current.log.find(kept[0]);
    if (li && li.acts && !li.m.deleted) edit(current, li, kept[1]);
  }

  // staysKept: it goes on later.
  function stopEditing(staysKept) {
    if (!editing) return;
    if (!staysKept) keepEdit(editing.room, '');
    P.setClass(editing.li, 'editing', false);
    editing = null;
    show(byId('editing'), false);
    fillBox(draft());
  }

  function submitEdit(words) {
    var li = editing.li, room = editing.room;
    stopEditing();
    P.focus(box);
    if (words && words !== li.m.text) {
      // until the server has it
      keepEdit(room, P.pack([li.m.position, words]));
      change(room, li, 'edit', { position: li.m.position, message: words }, { text: words, edited: P.now() }, words);
    }
    else if (!words) remove(room, li);
  }

  // words: of a change, which goes on with them if it failed.
  function change(room, li, word, what, outcome, words) {
    room.ask(word, what, function (answer, refusal) {
      var again, kept = words && P.unpack(P.session.get('edit.' + room.key));
      outcome.position = li.m.position;
      if (answer) {
        if (kept && kept[0] === li.m.position && kept[1] === words) keepEdit(room, '');
        return room.log.update(outcome);
      }
      again = words && P.button('link', t('act.edit'));
      acts(li, [make('span', 'error', t('own.failed', { why: T.reason(refusal) })), words ? ' ' : '', again || '']);
      if (!words) return;
      listen(again, 'click', function () {
        acts(li, []);
        edit(room, li, words);
      });
      if (room === current && !editing && !box.value) edit(room, li, words);
    });
  }

  function remove(room, li) {
    var yes = P.button('link', t('act.delete')), no = P.button('link', t('act.keep'));
    acts(li, [t('act.sure'), ' ', yes, ' ', no]);
    P.focus(yes);
    listen(yes, 'click', function () {
      acts(li, []);
      change(room, li, li.m.own ? 'delete' : 'moderate', li.m.own ? { position: li.m.position } : { action: 'delete', position: li.m.position }, { deleted: true });
      P.focus(box);
    });
    listen(no, 'click', function () {
      acts(li, []);
      P.focus(li.acts);
    });
  }

  // Writes below a message what can be done with it.
  function acts(li, parts) {
    P.remove(li.choice);
    li.choice = null;
    for (var i = 0; i < parts.length; i++) {
      li.choice = li.choice || li.appendChild(make('span', 'choice'));
      li.choice.setAttribute('aria-live', 'off');
      P.add(li.choice, parts[i]);
    }
    li.acts.setAttribute('aria-expanded', parts.length ? 'true' : 'false');
    Log.follow();
  }

  function dots(label) {
    var button = P.button('dots', '\u22ef');
    button.setAttribute('aria-label', label);
    button.title = label;
    // not read out with what it belongs to
    button.setAttribute('aria-live', 'off');
    return button;
  }

  // A message that the reader can change, or do something about as a moderator.
  function mine(room, li) {
    var button;
    if (li.acts || li.m.deleted) return;
    button = dots(t(li.m.own ? 'act.more' : 'act.moderate'));
    button.setAttribute('aria-expanded', 'false');
    li.acts = li.body.appendChild(button);
    listen(li, 'keydown', function (ev) {
      if (ev.keyCode !== 27 || !li.choice) return;
      ev.preventDefault();
      ev.stopPropagation();
      acts(li, []);
      P.focus(li.acts);
    });
    listen(button, 'click', function () {
      var first = P.button('link'), drop = P.button('link', t('act.delete'));
      if (li.choice) return acts(li, []);
      if (li.m.own) P.say(first, t('act.edit')); else T.fill(first, 'mod.person', { name: P.isolated(li.m.name, 'name') });
      acts(li, li.m.own ? [first, ' ', drop] : li.m.name ? [drop, ' ', first] : [drop]);
      listen(first, 'click', function () {
        acts(li, []);
        if (li.m.own) edit(room, li); else Moderate.open(button, { name: li.m.name, position: li.m.position });
      });
      listen(drop, 'click', function () { remove(room, li); });
    });
  }

  // Somebody in the list of people, for moderators.
  function person(room, li, name) {
    var button = dots(t('act.moderate'));
    P.add(li, button);
    listen(button, 'click', function () { Moderate.open(button, { name: name }); });
  }

  // The last of one's own messages that can be changed.
  function lastMine() {
    for (var node = current.log.el.lastChild; node; node = node.previousSibling) if (node.m && node.acts && node.m.own && !node.m.deleted) return node;
  }

  // ---- which room is seen, and whether it can be

  function isInside(room) { return room.wasIn !== false; }

  function draw() {
    var inside = !!current && isInside(current), was = P.isShown(byId('room')), back;
    P.setClass(app, 'joined', inside);
    show(byId('join'), !inside);
    show(byId('room'), inside);
    show(byId('people-toggle'), inside);
    if (!current) return;
    byId('skip').href = inside ? '#message' : '#main';
    P.say(byId('join-title'), current.name ? t('join.room', { room: current.name }) : t('join.title'));
    box.disabled = current.readOnly;
    box.setAttribute('placeholder', t(current.readOnly ? 'message.readonly' : 'message.placeholder'));
    byId('send').disabled = current.readOnly;
    P.say(byId('message-hint'), (current.slow ? t('message.slow', { n: Math.ceil(current.slow) }) + ' ' : '') + t('message.hint'));
    if (inside && !was) {
      placePeople();
      fillBox(draft());
      Log.follow();
    }
    show(byId('moderate-open'), inside && current.isModerator);
    back = inside ? null : Rooms.wayBack();
    show(byId('join-back'), !!back);
    P.say(byId('join-back'), back || '');
    Rooms.draw();
    Link.draw();
  }

  // Shows a room, and what belongs to it.
  function look(room) {
    if (current === room) return draw();
    stopEditing(true);
    if (current) current.typists.stop();
    current = room;
    Log.show(room.log);
    room.people.show();
    room.typists.show();
    joinError(room.error);
    draw();
    fillBox(draft());
    resumeEdit();
    if (isInside(room)) P.focus(box); else focusName();
  }

  function joinError(words) {
    P.say(byId('join-error'), words);
    byId('name').setAttribute('aria-invalid', words ? 'true' : 'false');
    byId('join-button').disabled = false;
    P.say(byId('join-button'), t('join.button'));
  }

  function focusName() {
    P.focus(byId('name'));
    try { byId('name').select(); } catch (e) {}
  }

  function submitJoin() {
    var name = P.trim(byId('name').value);
    if (!name || !current) {
      joinError(t('join.empty'));
      P.focus(byId('name'));
      return;
    }
    submitting = true;
    joinError(socket && socket.connected ? '' : t('join.waiting'));
    byId('join-button').disabled = true;
    P.say(byId('join-button'), t('join.busy'));
    current.enter(name);
  }

  // ---- what rooms tell

  var events = {
    isShown: function (room) { return room === current; },
    entered: function (room) {
      keepMe();
      Rooms.entered(room);
      if (room !== current) return Rooms.draw();
      joinError('');
      byId('name').value = me.name;
      draw();
      resumeEdit();
      if (submitting || doc.activeElement === doc.body) P.focus(box);
      submitting = false;
    },
    refused: function (room, words) {
      room.error = words;
      if (room !== current) return Rooms.draw();
      draw();
      joinError(words);
      P.focus(byId('name'));
    },
    changed: function (room) { if (room === current) draw(); else Rooms.draw(); },
    edit: giveBack, mine: mine, person: person,
    open: function (room) { Rooms.go(room.name); }
  };

  // ---- wiring

  Names.start({ current: function () { return current; }, changed: onInput });

  listen(byId('join'), 'submit', function (ev) {
    ev.preventDefault();
    submitJoin();
  });
  listen(byId('composer'), 'submit', function (ev) {
    ev.preventDefault();
    submit();
  });
  listen(byId('editing-stop'), 'click', function () {
    stopEditing();
    P.focus(box);
  });
  listen(box, 'keydown', function (ev) {
    var li, plain = !ev.shiftKey && !ev.ctrlKey && !ev.altKey && !ev.metaKey;
    // while an input method composes, its keys belong to it
    if (ev.isComposing || ev.which === 229 || !plain || !current) return;
    if (ev.keyCode === 13) {
      ev.preventDefault();
      submit();
    } else if (ev.keyCode === 27 && Names.end()) {
      ev.preventDefault();
      ev.stopPropagation();
    } else if (ev.keyCode === 27 && editing) {
      ev.preventDefault();
      ev.stopPropagation();
      stopEditing();
    } else if (ev.keyCode === 38 && !box.value && (li = lastMine())) {
      ev.preventDefault();
      edit(current, li);
    } else if (ev.keyCode === 9 && Names.complete()) ev.preventDefault();
  });
  listen(box, 'input', onInput);
  if (!('oninput' in box) || box.attachEvent && !box.addEventListener) listen(box, 'keyup', onInput);

  // A letter typed anywhere in the room goes into the message box.
  listen(doc, 'keypress', function (ev) {
    var el = ev.target || {}, tag = el.tagName;
    if (!current || !current.isIn || ev.ctrlKey || ev.altKey || ev.metaKey || /INPUT|TEXTAREA|BUTTON|SELECT|^A$/.test(tag || '') || Layer.isModal() || ev.keyCode === 13 || ev.which === 32) return;
    P.focus(box);
  });

  // The skip link's address would be that of a room.
  listen(byId('skip'), 'click', function (ev) {
    ev.preventDefault();
    P.focus(P.isShown(byId('room')) ? box : byId('main'));
  });

  function isNarrow() {
    try { return root.matchMedia(NARROW).matches; } catch (e) { return root.document.documentElement.clientWidth < 760; }
  }

  // A side of the room: a part of it where there is room, else over it, until it is closed.
  function side(id, name) {
    var el = byId(id), toggle = byId(id + '-toggle');
    function place() { toggle.setAttribute('aria-expanded', el.offsetWidth > 0 ? 'true' : 'false'); }
    function set(on) {
      P.setClass(app, 'show-' + name, on);
      P.setClass(app, 'hide-' + name, !on);
      place();
      Log.follow();
    }
    listen(toggle, 'click', function () {
      var on = !(el.offsetWidth > 0);
      if (!on && Layer.isOpen(el)) return Layer.close(el);
      set(on);
      if (on && isNarrow()) Layer.open({ el: el, opener: toggle, close: function () { set(false); } });
    });
    // over the room: a tap beside it closes it
    listen(app, 'click', function (ev) {
      var one = ev.target, was = doc.activeElement;
      if (!Layer.isOpen(el) || Layer.isModal()) return;
      while (one && one !== el && one !== toggle && one !== app) one = one.parentNode;
      if (one !== app) return;
      Layer.close(el);
      if (was && was !== doc.body) P.focus(was);
    });
    listen(el, 'keydown', function (ev) {
      if (ev.keyCode !== 27 || Layer.isOpen(el)) return;
      set(false);
      P.focus(toggle);
    });
    listen(toggle, 'keydown', function (ev) { if (ev.keyCode === 27 && el.offsetWidth > 0 && !Layer.isOpen(el)) set(false); });
    listen(root, 'resize', place);
    return place;
  }
  var placePeople = side('people', 'people');
  side('rooms', 'rooms');

  // Phones that lay their keyboard over the page: keep the message box above it.
  if (root.visualViewport) {
    listen(root.visualViewport, 'resize', function () {
      var v = root.visualViewport, covered = v.scale < 1.05 && root.innerHeight - v.height > 80;
      app.style.height = covered ? v.height + 'px' : '';
      if (covered) root.scrollTo(0, 0);
      Log.follow();
    });
  }

  byId('banner').setAttribute('aria-label', t('panel.title'));
  byId('name').value = me.name;

  if (!root.io) return Link.broken();

  // The connection of all rooms is that of the lobby's namespace, whether the reader is in the lobby or not.
  socket = P.io();
  Link.attach(socket, function () { return !!current && current.wasIn === true; }, function () { return !!current && current.isAgain(); });

  // The server's way to other servers. A live region that is always there: empty, it takes no room.
  function drawCluster(isAlone) {
    P.say(byId('cluster'), isAlone ? t('cluster.alone') : '');
    Log.follow();
  }
  socket.on('cluster', function (data) { drawCluster(!!data && data.alone === true); });
  socket.on('disconnect', function () { drawCluster(false); });

  Log.after(function () {
    if (!current) return;
    current.people.draw();
    current.typists.show();
    Rooms.draw();
  });
  Rooms.start({
    me: me, look: look, current: function () { return current; },
    // name: of the room, '' for the lobby
    create: function (name, el) {
      var room = Room.create(name, el, me, events);
      room.socket = name ? P.io({}, '/' + name) : socket;
      room.wire(room.socket);
      return room;
    }
  });
  if (Evidence) {
    evidence = Evidence.watch(socket, function () {
      // lost before the room could be joined, of which the socket says nothing
      if (!socket.connected && !Link.isLost() && !Link.isEnded() && evidence.loss) Link.lost('cut');
      Link.draw();
      if (Panel) Panel.draw();
    });
    Link.explain(evidence);
  }
  You.start({ me: me, current: function () { return current; }, leave: Rooms.leaveAll, renamed: Rooms.renamed });
  Search.start(function () { return current; });
  Moderate.start(function () { return current; });
  if (current && !isInside(current)) focusName();
})(window);
