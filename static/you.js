/* What a reader sets for themselves: the name, what they are told of, and leaving. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, Layer = root.ParlanceLayer, Notify = root.ParlanceNotify, byId = P.byId, make = P.make, t = T.t;

  var WISHES = ['', 'mention', 'all'];

  var host, dialog, parts;

  function field(id, key, input, help) {
    var label = make('label', '', t(key));
    label.setAttribute('for', id);
    input.id = id;
    return make('p', 'field', label, input, help);
  }

  function build() {
    var form = make('form', 'you-form'), save = make('button', 'primary', t('you.save')), out = P.button('', t('you.leave')), i, option;
    parts = { name: make('input', ''), error: make('p', 'error'), wish: make('select', ''), sound: make('input', ''), hint: make('p', 'help'), save: save };
    parts.name.setAttribute('type', 'text');
    parts.name.setAttribute('maxlength', '64');
    parts.name.setAttribute('dir', 'auto');
    parts.name.setAttribute('autocomplete', 'off');
    parts.error.setAttribute('role', 'alert');
    parts.hint.setAttribute('role', 'status');
    parts.sound.setAttribute('type', 'checkbox');
    for (i = 0; i < WISHES.length; i++) {
      option = make('option', '', t('notify.' + (WISHES[i] || 'off')));
      option.value = WISHES[i];
      parts.wish.appendChild(option);
    }
    P.add(P.add(form, field('you-name', 'join.label', parts.name)), make('p', 'actions', save));
    option = field('you-sound', 'notify.sound', parts.sound);
    option.className = 'field tick';
    dialog = Layer.dialog('you', t('you.title'));
    P.add(dialog.body, form);
    P.add(dialog.body, parts.error);
    P.add(dialog.body, make('h3', '', t('notify.title')));
    P.add(dialog.body, field('you-notify', 'notify.label', parts.wish));
    P.add(dialog.body, option);
    P.add(dialog.body, parts.hint);
    P.add(dialog.body, make('h3', '', t('you.leave')));
    P.add(dialog.body, make('p', 'help', t('you.leave.help')));
    P.add(dialog.body, make('p', 'actions', out));

    P.listen(form, 'submit', function (ev) {
      var name = P.trim(parts.name.value), room = host.current();
      ev.preventDefault();
      if (!name) return say(t('join.empty'));
      if (name === room.myName) return Layer.close(dialog.el);
      save.disabled = true;
      room.rename(name, function (why) {
        save.disabled = false;
        say(why);
        if (why) return;
        host.me.keep();
        host.renamed(room);
        Layer.close(dialog.el);
      });
    });
    P.listen(parts.wish, 'change', function () {
      var wish = parts.wish.value;
      P.store.set('notify', wish);
      parts.sound.disabled = !wish;
      P.say(parts.hint, '');
      if (wish) Notify.allow(function (isAllowed) { P.say(parts.hint, isAllowed ? '' : t('notify.blocked')); });
    });
    P.listen(parts.sound, 'click', function () {
      P.store.set('sound', parts.sound.checked ? '1' : '');
      if (parts.sound.checked) Notify.beep();
    });
    P.listen(out, 'click', host.leave);
  }

  function say(words) {
    P.say(parts.error, words);
    parts.name.setAttribute('aria-invalid', words ? 'true' : 'false');
    if (words) P.focus(parts.name);
  }

  function open() {
    if (!parts) build();
    parts.name.value = host.current().myName;
    // an account gives the name
    parts.name.disabled = parts.save.disabled = !!host.me.isVerified;
    parts.wish.value = Notify.wish();
    parts.sound.checked = !!P.store.get('sound');
    parts.sound.disabled = !Notify.wish();
    say('');
    dialog.open(byId('you-open'), host.me.isVerified ? parts.wish : parts.name);
  }

  root.ParlanceYou = {
    // host: { me, current(), leave(), renamed(room) }
    start: function (h) {
      host = h;
      P.listen(byId('you-open'), 'click', open);
    }
  };
})(window);
