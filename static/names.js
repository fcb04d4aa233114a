/* Names that begin with what was typed behind @ in the message box: Tab takes one after the other, and they can be clicked. ES3. */
(function (root) {
  var P = root.ParlancePage, byId = P.byId, listen = P.listen, box = byId('message');

  var MAX_OFFERED = 6;

  var host, completed = null;

  // What is before the @ and what is typed behind it, and the names that fit; null if there are none.
  function matching() {
    var at = box.selectionStart, names, m, i, out = [];
    if (!host || !host.current() || typeof at !== 'number' || at !== box.selectionEnd) return null;
    m = /(?:^|\s)@([^\s@]{1,32})$/.exec(box.value.slice(0, at).slice(-40));
    names = m ? host.current().people.names() : [];
    for (i = 0; i < names.length && out.length < MAX_OFFERED; i++) if (names[i] !== host.current().myName && names[i].slice(0, m[1].length).toLowerCase() === m[1].toLowerCase()) out.push(names[i]);
    return out.length ? { head: box.value.slice(0, at - m[1].length), tail: box.value.slice(at), names: out, next: 0 } : null;
  }

  function take(what, i) {
    var before = what.head + what.names[i] + ' ';
    box.value = before + what.tail;
    box.setSelectionRange(before.length, before.length);
    host.changed();
    what.next = (i + 1) % what.names.length;
    what.value = box.value;
    completed = what;
  }

  // Takes the first, and the next one if the last that was taken is still as it was.
  function complete() {
    var what = completed && completed.value === box.value && completed.names.length > 1 ? completed : matching();
    if (what) take(what, what.next);
    return !!what;
  }

  // The names above the message box, for whoever has no Tab.
  function offer() {
    var what = matching(), el = byId('names'), i;
    P.show(P.empty(el), !!what);
    for (i = 0; what && i < what.names.length; i++) el.appendChild(offered(what, i));
  }

  function offered(what, i) {
    var button = P.add(P.button('small'), P.isolated(what.names[i]));
    // the keyboard of a phone stays
    listen(button, 'mousedown', function (ev) { ev.preventDefault(); });
    listen(button, 'click', function () {
      take(what, i);
      P.focus(box);
    });
    return button;
  }

  // Takes nothing more; returns whether there was something.
  function end() {
    var was = !!completed || P.isShown(byId('names'));
    completed = null;
    P.show(byId('names'), false);
    return was;
  }

  root.ParlanceNames = {
    offer: offer, complete: complete, end: end,
    // host: { current() room, changed(): the words in the box are others }
    start: function (h) { host = h; }
  };
})(window);
