/* What moderators do: to a person, and to the room. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, Layer = root.ParlanceLayer, byId = P.byId, make = P.make, t = T.t;

  // Seconds to choose from; 0 takes a mute back, and has a ban last.
  var MUTES = [300, 3600, 86400, 0], BANS = [3600, 86400, 604800, 0], SLOWS = [0, 5, 15, 60, 300];
  var UNITS = [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]];

  var current, dialog, parts, target = null;

  function duration(seconds, none) {
    for (var i = 0; i < UNITS.length; i++) if (seconds >= UNITS[i][1]) return t('time.' + UNITS[i][0], { n: Math.round(seconds / UNITS[i][1]) });
    return t(none);
  }

  function choice(id, key, list, none) {
    var select = make('select', ''), label = make('label', '', t(key)), i, option;
    for (i = 0; i < list.length; i++) {
      option = make('option', '', duration(list[i], none));
      option.value = list[i];
      select.appendChild(option);
    }
    select.id = 'mod-' + id;
    label.setAttribute('for', select.id);
    return { select: select, label: label };
  }

  function act(what, done) {
    var room = current();
    if (target) {
      what.username = target.name;
      if (target.position) what.position = target.position;
    }
    room.ask('moderate', what, function (answer, refusal) {
      P.say(parts.state, answer ? t('mod.done') : T.reason(refusal));
      if (answer && done) done(answer);
    });
  }

  // Who is muted or banned, with a button that ends it.
  function list() {
    current().ask('moderate', { action: 'list' }, function (answer) {
      var all = answer && answer.sanctions || [], i, shown = P.empty(parts.list);
      for (i = 0; i < all.length; i++) if (all[i] && typeof all[i].id === 'string') shown.appendChild(sanction(all[i]));
      P.show(parts.sanctions, shown.childNodes.length > 0);
    });
  }

  function sanction(one) {
    var lift = P.button('small', t('mod.lift')), until = new Date(+one.until), name = P.isolated(typeof one.username === 'string' ? one.username : t('someone'), 'name'), li = make('li', 'sanction', lift, make('span', '', name, one.address ? ' (' + t('mod.network') + ')' : null, ': ' + t(one.action === 'ban' ? 'mod.banned' : 'mod.muted', { day: P.day(until), time: P.clock(until) })));
    P.listen(lift, 'click', function () {
      act({ action: 'lift', id: one.id }, list);
      P.focus(parts.words);
    });
    return li;
  }

  // A line with a button, which says what it does, and a choice of times.
  function row(action, times) {
    var go = P.button('', t('mod.' + action));
    P.listen(go, 'click', function () {
      var what = { action: action };
      if (times) what.seconds = +times.select.value;
      if (times && target && parts.address.checked) what.address = true;
      act(what);
    });
    return make('p', 'mod-row', times && times.label, times && times.select, go);
  }

  function build() {
    var words = make('textarea', ''), say = P.button('', t('mod.announce')), label = make('label', 'hidden', t('mod.announcement')), network = make('label', '', t('mod.address'));
    dialog = Layer.dialog('moderate', '');
    parts = {
      address: make('input', ''), list: make('ul', ''), sanctions: make('div', '', make('h3', '', t('mod.sanctions'))),
      state: make('p', 'help'), slow: choice('slow', 'mod.slow.label', SLOWS, 'mod.off'), words: words,
      person: make('div', ''), room: make('div', '')
    };
    parts.state.setAttribute('role', 'status');
    words.id = 'mod-words';
    words.setAttribute('rows', '3');
    words.setAttribute('dir', 'auto');
    label.setAttribute('for', words.id);
    P.add(parts.person, row('mute', choice('mute', 'mod.mute.label', MUTES, 'mod.unmute')));
    P.add(parts.person, row('kick'));
    P.add(parts.person, make('p', 'help', t('mod.kick.help')));
    P.add(parts.person, row('ban', choice('ban', 'mod.ban.label', BANS, 'mod.ever')));
    parts.address.id = 'mod-address';
    parts.address.setAttribute('type', 'checkbox');
    network.setAttribute('for', 'mod-address');
    P.add(parts.person, make('p', 'field tick', network, parts.address));
    P.add(parts.room, make('h3', '', t('mod.announcement')));
    P.add(P.add(parts.room, label), make('p', 'field', words));
    P.add(parts.room, make('p', 'actions', say));
    P.add(parts.room, make('h3', '', t('mod.slowmode')));
    P.add(parts.room, row('slow', parts.slow));
    P.add(parts.room, P.add(parts.sanctions, parts.list));
    P.add(dialog.body, parts.state);
    P.add(dialog.body, parts.person);
    P.add(dialog.body, parts.room);
    P.listen(say, 'click', function () {
      var said = P.trim(words.value);
      if (!said) return P.focus(words);
      act({ action: 'announce', message: said }, function () { words.value = ''; });
    });
  }

  // whom: { name, position of the message that it is about, if it is about one }, or null for the room.
  function open(opener, whom) {
    if (!parts) build();
    target = whom;
    P.show(parts.person, !!whom);
    P.show(parts.room, !whom);
    P.say(parts.state, '');
    T.fill(byId('moderate-title'), whom ? 'mod.person' : 'mod.title', whom ? { name: P.isolated(whom.name, 'name') } : {});
    parts.address.checked = false;
    if (!whom) {
      parts.slow.select.value = current().slow || 0;
      P.show(parts.sanctions, false);
      list();
    }
    dialog.open(opener, whom ? byId('mod-mute') : parts.words);
  }

  root.ParlanceModerate = {
    open: open,
    start: function (fn) {
      current = fn;
      P.listen(byId('moderate-open'), 'click', function () { open(byId('moderate-open'), null); });
    }
  };
})(window);
