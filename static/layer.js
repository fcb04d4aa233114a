/* What lies over the page until it is closed: by Esc, by the browser's way back, or beside it. The keyboard stays in a dialog. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, veil = P.byId('veil'), layers = [], goingBack = 0;

  function top() { return layers[layers.length - 1]; }

  // layer: { el, close(), modal, opener }. Of those that are not modal, the page beside goes on.
  function open(layer, focus) {
    if (top() && top().el === layer.el) return;
    layers.push(layer);
    P.show(layer.el, true);
    if (layer.modal) {
      P.show(veil, true);
      P.setClass(doc.documentElement, 'has-panel', true);
    }
    if (focus) P.focus(focus);
    // the way back closes it, and leads nowhere else
    try {
      root.history.pushState({ layer: layers.length }, '');
      layer.pushed = true;
    } catch (e) {}
  }

  function shut(isBack) {
    var layer = layers.pop(), i, isModal = false;
    if (!layer) return;
    for (i = 0; i < layers.length; i++) isModal = isModal || layers[i].modal;
    if (layer.modal) {
      P.show(layer.el, false);
      P.show(veil, isModal);
      P.setClass(doc.documentElement, 'has-panel', isModal);
    }
    if (layer.close) layer.close();
    if (layer.opener) P.focus(layer.opener);
    if (!isBack && layer.pushed) {
      goingBack++;
      root.history.back();
    }
  }

  // Closes it, and what lies over it. staysHere: the way back leads to it as to a page that is empty; the reader goes on from here.
  function close(el, staysHere) {
    for (var i = 0; i < layers.length; i++) if (layers[i].el === el) {
      while (layers.length > i) shut(staysHere);
      return;
    }
  }

  function isOpen(el) {
    for (var i = 0; i < layers.length; i++) if (layers[i].el === el) return true;
    return false;
  }

  function focusables(el) {
    var all = el.getElementsByTagName('*'), out = [], i, one;
    for (i = 0; i < all.length; i++) {
      one = all[i];
      if ((/^(BUTTON|A|TEXTAREA|INPUT|SELECT)$/.test(one.tagName) || one.tabIndex === 0 && one.className === 'scroll') && !one.disabled && P.isShown(one) && P.isShown(one.parentNode)) out.push(one);
    }
    return out;
  }

  P.listen(doc, 'keydown', function (ev) {
    var all, layer = top(), edge;
    if (!layer) return;
    if (ev.keyCode === 27) {
      ev.preventDefault();
      return shut();
    }
    if (ev.keyCode !== 9 || !layer.modal) return;
    all = focusables(layer.el);
    edge = ev.shiftKey ? all[0] : all[all.length - 1];
    if (ev.target !== edge) return;
    ev.preventDefault();
    P.focus(ev.shiftKey ? all[all.length - 1] : all[0]);
  });
  P.listen(veil, 'click', function () { shut(); });
  P.listen(root, 'popstate', function () {
    if (goingBack) goingBack--; else if (layers.length) shut(true);
  });

  // A dialog at the side of the page, with a title and a button that closes it: { el, body, open(opener, focus) }.
  function dialog(id, title) {
    var heading = P.make('h2', '', title), button = P.button('small plain close', T.t('close')), el = P.make('div', 'panel off', P.make('div', 'panel-head', heading, button)), body = el.appendChild(P.make('div', 'panel-body'));
    el.id = id;
    heading.id = id + '-title';
    el.setAttribute('role', 'dialog');
    el.setAttribute('aria-modal', 'true');
    el.setAttribute('aria-labelledby', heading.id);
    P.show(el, false);
    doc.body.appendChild(el);
    P.listen(button, 'click', function () { close(el); });
    return { el: el, body: body, open: function (opener, focus) { open({ el: el, modal: true, opener: opener }, focus || button); } };
  }

  root.ParlanceLayer = {
    dialog: dialog, open: open, close: close, isOpen: isOpen,
    // whether a dialog has the keyboard
    isModal: function () { return !!top() && !!top().modal; }
  };
})(window);
