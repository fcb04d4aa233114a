/* How the connection is, for eyes and ears: the badge, and the banner while there is none. It also finds out whether a connection
   that seems to be there is. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, Panel = root.ParlancePanel, Log = root.ParlanceLog;
  var byId = P.byId, show = P.show, t = T.t, now = P.now;

  var DEAD_MS = 5000;       // a connection that is asked and silent for so long is given up
  var BACK_MS = 3000;       // "Connected again." stays for so long

  var banner = byId('banner'), socket, manager, evidence, engine, lastWhy = null, bannerTimer, backTimer, ended = false, doubted = 0, anewAt = 0, doubtTimer, again, wasIn = false;

  function formName() {
    var tr = manager && manager.engine && manager.engine.transport;
    return tr ? tr.form : '';
  }

  // Of the transports that the server prefers to the one in use and this browser can, the first that failed: the verdict on it.
  function fallback() {
    for (var i = 0, name, verdict; evidence && i < manager.policy.length && (name = manager.policy[i]) !== formName(); i++) {
      verdict = root.io.can(name) && evidence.verdicts[name];
      if (verdict && !/^(transport-not-allowed|websocket-too-old)$/.test(verdict.cause)) return verdict;
    }
    return null;
  }

  function drawBadge() {
    var badge = byId('badge'), words, kind = 'wait', verdict, reason;
    if (socket && socket.connected) {
      words = t('transport.' + formName());
      kind = 'good';
      verdict = fallback();
      if (doubted) {
        words = t('state.doubt');
        kind = 'doubt';
        verdict = null;
      } else if (verdict) {
        kind = 'fallback';
        reason = t('badge.' + (/proxy|way|policy|server/.test(verdict.where) ? verdict.where : 'unknown'), { better: t('transport.' + verdict.transport) });
        if (verdict.certainty === 'likely') reason = t('badge.likely', { reason: reason });
        words = t('badge.fallback', { now: words, reason: reason });
      }
    } else {
      words = t(ended ? 'state.off' : lastWhy ? 'state.waiting' : 'state.connecting');
      if (lastWhy || ended) kind = 'bad';
    }
    P.say(byId('badge-text'), words);
    badge.setAttribute('data-transport', socket && socket.connected ? formName() : '');
    P.mark(badge, verdict);
    badge.title = t('badge.label', { state: words + (verdict ? '. ' + verdict.title : '') });
    badge.setAttribute('aria-label', badge.title);
    badge.className = 'tool badge ' + kind;
  }

  function setBanner(words, when, retry) {
    show(banner, !!words);
    if (words && words !== banner.words) P.say(byId('banner-text'), words);   // a live region: say nothing twice
    banner.words = words;
    P.say(byId('banner-when'), when || '');
    show(byId('banner-retry'), !!retry);
    show(byId('banner-details'), !!words && !!Panel);
    Log.follow();   // the banner takes its room from the log
  }

  function draw() {
    var left, kind = '';
    clearTimeout(bannerTimer);
    drawBadge();
    if (!socket) return;
    if (socket.connected) {
      if (again()) setBanner(t('join.again'));
      else if (banner.back) setBanner(t('banner.back'));
      else setBanner('');
      P.setClass(banner, 'good', !!banner.back && !again());
      P.setClass(banner, 'bad', false);
      return;
    }
    if (ended) {
      setBanner(ended === true ? t('banner.ended') : t('banner.refused', { why: ended }), '', true);
      kind = 'bad';
    } else if (lastWhy) {
      left = manager.nextAt ? Math.max(0, Math.ceil((manager.nextAt - now()) / 1000)) : 0;
      setBanner(whyLost(), manager.nextAt ? t('banner.next', { n: left }) : t('banner.trying'), !!manager.nextAt);
      kind = 'bad';
      bannerTimer = setTimeout(draw, 500);
    } else if (manager && now() - manager.born > 3000) setBanner(t('banner.slow'));
    P.setClass(banner, 'good', false);
    P.setClass(banner, 'bad', kind === 'bad');
  }

  // Why there is no connection: the verdict on it, and until there is one what was seen.
  function whyLost() {
    var verdict = evidence && (evidence.session || evidence.loss && evidence.loss.at >= lastWhy.at && evidence.loss), names = [], i;
    if (P.isOffline() || !verdict || verdict.certainty === 'unknown') return t('banner.lost', { why: T.why(lastWhy.code, lastWhy.message) });
    for (i = 0; i < manager.policy.length; i++) names.push(t('transport.' + manager.policy[i]));
    return t(verdict.certainty === 'likely' ? 'banner.cause.likely' : 'banner.cause', { title: verdict.title }) +
      (evidence.session && names.length === 1 ? ' ' + t('banner.only', { names: names[0] }) : '');
  }

  function lost(code, words) {
    lastWhy = { code: code, message: words, at: lastWhy ? lastWhy.at : now() - 1000 };
    draw();
  }

  function trust() {
    clearTimeout(doubtTimer);
    if (!doubted) return;
    doubted = 0;
    draw();
  }

  // An answer is late. Whatever comes now shows that the connection lives; if nothing does, it is given up, and the next one begins.
  function doubt() {
    if (doubted || !socket.connected || !manager.engine) return;
    engine = manager.engine;
    doubted = now();
    draw();
    socket.emit('latency', trust);
    doubtTimer = setTimeout(giveUp, DEAD_MS);
  }

  function giveUp() {
    if (!doubted || manager.engine !== engine) return;
    // timers may have stopped together with the machine: it has to have been silent since it was asked
    if (engine.heardAt >= doubted) return trust();
    // the client itself finds out about a transport that it has just moved to
    if (engine.endTrial || engine.corked) return doubtTimer = setTimeout(giveUp, DEAD_MS);
    engine.reopenAtOnce = true;
    engine.lost({ code: 'ping', message: 'no answer' });
  }

  // socket: that of the lobby's namespace, whose connection is that of all rooms. isIn(): whether the reader is in a room;
  // isAgain(): whether their name is held by an earlier connection of theirs.
  function attach(s, isIn, isAgain) {
    socket = s;
    manager = s.io;
    again = isAgain;
    socket.on('connect', function () {
      engine = manager.engine;
      ended = false;
      trust();
      if (lastWhy && wasIn) {
        banner.back = true;
        clearTimeout(backTimer);
        backTimer = setTimeout(function () {
          banner.back = false;
          draw();
        }, BACK_MS);
      }
      lastWhy = null;
      draw();
    });
    socket.on('disconnect', function (why, details) {
      trust();
      wasIn = wasIn || isIn();
      if (why === 'io client disconnect') return;
      if (why === 'io server disconnect') {
        ended = true;
        draw();
      } else lost(details ? details.code : 'cut', details && details.description);
    });
    socket.on('connect_error', function (err) {
      if (err.code === 'forbidden' && !socket.active) {
        ended = err.message;
        draw();
      } else lost(err.code, err.message);
    });
    socket.on('reconnect_attempt', draw);
    manager.on('waiting', draw);
    manager.on('timeline', function () { drawBadge(); });
    P.listen(byId('banner-retry'), 'click', function () {
      ended = false;
      socket.connect();
      draw();
    });
    P.listen(byId('banner-details'), 'click', function () { Panel.open(this); });
    draw();
    setTimeout(draw, 3100);
  }

  root.ParlanceLink = {
    attach: attach,
    // watcher: of evidence.js
    explain: function (watcher) {
      evidence = watcher;
      if (!Panel) return;
      Panel.attach(socket, evidence);
      P.listen(byId('badge'), 'click', function () { Panel.open(byId('badge')); });
    },
    draw: draw, doubt: doubt, lost: lost,
    // A new connection for a socket that the server has ended, and for all others with it, which may be ended as well.
    anew: function (s) {
      if (now() - anewAt > 2000) manager.close();
      anewAt = now();
      s.connect();
    },
    // a part of the page is missing
    broken: function () {
      setBanner(t('banner.missing'));
      P.setClass(banner, 'bad', true);
    },
    isEnded: function () { return !!ended; }, isLost: function () { return !!lastWhy; },
    // The last sign of life of the connection, in ms since 1970.
    heardAt: function () { return engine && engine.heardAt || now(); },
    // Bytes of one packet.
    most: function () { return manager.engine && manager.engine.maxPayload || Infinity; }
  };
})(window);
