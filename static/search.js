/* Searching what was said in a room. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, Layer = root.ParlanceLayer, People = root.ParlancePeople, Room = root.ParlanceRoom, Markup = root.ParlanceMarkup, byId = P.byId, make = P.make, t = T.t;

  var AT_ONCE = 20;         // results
  var EMPTY = 10;           // answers in a row without a result, until the reader is asked
  var AROUND = 40;          // characters before the first place of what was sought

  var current, dialog, parts, asked = 0, room = null;

  function build() {
    var form = make('form', 'search-form'), go = make('button', 'primary', t('search.go')), label = make('label', 'hidden', t('search.label'));
    parts = { words: make('input', ''), list: make('ul', 'found'), state: make('p', 'help'), more: P.button('', t('search.more')) };
    parts.words.id = 'search-words';
    parts.words.setAttribute('type', 'text');
    parts.words.setAttribute('maxlength', '200');
    parts.words.setAttribute('dir', 'auto');
    parts.words.setAttribute('autocomplete', 'off');
    label.setAttribute('for', parts.words.id);
    parts.state.setAttribute('role', 'status');
    dialog = Layer.dialog('search', t('search.title'));
    P.add(P.add(P.add(form, label), parts.words), go);
    P.add(dialog.body, form);
    P.add(dialog.body, parts.state);
    P.add(dialog.body, parts.list);
    P.add(dialog.body, make('p', 'actions', parts.more));
    P.listen(form, 'submit', function (ev) {
      ev.preventDefault();
      P.empty(parts.list);
      seek();
    });
    P.listen(parts.more, 'click', function () { seek(parts.before, 0); });
  }

  // `empty` answers came before that found nothing: the server looks at a part of a long history at a time.
  function seek(before, empty) {
    var words = P.trim(parts.words.value), what = { text: words, limit: AT_ONCE }, turn = ++asked;
    P.show(parts.more, false);
    if (!words) return P.focus(parts.words);
    if (before) what.before = before;
    P.say(parts.state, t('search.busy'));
    room.ask('search', what, function (answer, refusal) {
      var messages, i, n;
      if (turn !== asked) return;
      if (!answer) return P.say(parts.state, T.reason(refusal));
      messages = Room.readAll(answer.messages);
      // the newest first, whichever way they came
      messages.sort(function (a, b) { return room.log.isBefore(a.position, b.position) ? 1 : -1; });
      for (i = 0; i < messages.length; i++) parts.list.appendChild(result(messages[i], words));
      n = parts.list.childNodes.length;
      parts.before = Room.position(answer.next) || messages.length && messages[messages.length - 1].position;
      if (!n && answer.more && parts.before && (empty || 0) < EMPTY) return seek(parts.before, (empty || 0) + 1);
      P.say(parts.state, n ? t('search.found', { n: answer.more ? n + '+' : n }) : t(answer.more ? 'search.sofar' : 'search.none'));
      P.show(parts.more, !!answer.more && !!parts.before);
    });
  }

  // A part of the text with what was sought, which is marked.
  function excerpt(text, words) {
    var el = P.isolated('', 'text'), plain = Markup.plain(text), at, from, to;
    // unless a mark was sought
    if (plain.toLowerCase().indexOf(words.toLowerCase()) >= 0) text = plain;
    at = text.toLowerCase().indexOf(words.toLowerCase());
    from = Math.max(0, at - AROUND);
    to = at + words.length;
    if (at < 0) return P.add(el, text.slice(0, 200));
    P.add(el, (from ? '\u2026' : '') + text.slice(from, at));
    el.appendChild(make('mark', '', text.slice(at, to)));
    return P.add(el, text.slice(to, to + 160) + (text.length > to + 160 ? '\u2026' : ''));
  }

  function result(m, words) {
    var button = P.button('hit'), d = new Date(m.at);
    P.add(button, make('span', 'who ' + People.colour(m.name), P.isolated(m.own ? t('you') : m.name || t('someone'))));
    P.add(button, ' ');
    P.add(button, make('span', 'time', P.date(d) + ' ' + P.clock(d)));
    P.add(button, excerpt(m.text, words));
    P.listen(button, 'click', function () {
      Layer.close(dialog.el);
      room.showMessage(m.position);
    });
    return make('li', '', button);
  }

  function open() {
    if (!parts) build();
    if (room !== current()) {
      room = current();
      P.empty(parts.list);
      P.say(parts.state, '');
      P.show(parts.more, false);
    }
    dialog.open(byId('search-open'), parts.words);
  }

  root.ParlanceSearch = {
    start: function (fn) {
      current = fn;
      P.listen(byId('search-open'), 'click', open);
    }
  };
})(window);
