/* What all pages need of a browser, in words that browsers of any age understand. ES3. */
(function (root) {
  var doc = root.document, T = root.ParlanceTexts;

  function byId(id) { return doc.getElementById(id); }

  // make('p', 'class name', 'text' or node, more nodes…)
  function make(tag, name) {
    var el = doc.createElement(tag), i;
    if (name) el.className = name;
    for (i = 2; i < arguments.length; i++) add(el, arguments[i]);
    return el;
  }

  function add(el, child) {
    if (child !== undefined && child !== null) el.appendChild(child.nodeType ? child : doc.createTextNode('' + child));
    return el;
  }

  function empty(el) {
    while (el.firstChild) el.removeChild(el.firstChild);
    return el;
  }

  function say(el, words) { return add(empty(el), words); }

  function remove(el) { if (el && el.parentNode) el.parentNode.removeChild(el); }

  function hasClass(el, name) { return (' ' + el.className + ' ').indexOf(' ' + name + ' ') >= 0; }

  function setClass(el, name, on) {
    if (hasClass(el, name) === !!on) return;
    el.className = on ? el.className + ' ' + name : (' ' + el.className + ' ').replace(' ' + name + ' ', ' ').replace(/^ +| +$/g, '');
  }

  // By the style, too: there may be no style sheet.
  function show(el, on) {
    setClass(el, 'off', !on);
    el.style.display = on ? '' : 'none';
  }
  function isShown(el) { return !hasClass(el, 'off'); }

  // What the page hides until it is wanted.
  function hideAll(all) {
    for (var i = 0; i < all.length; i++) if (typeof all[i].className === 'string' && hasClass(all[i], 'off')) show(all[i], false);
  }

  // The handler gets an event with preventDefault(), target and key code, whatever the browser calls them.
  function listen(el, name, fn) {
    function handler(ev) {
      ev = ev || root.event;
      if (!ev.preventDefault) {
        ev.preventDefault = function () { ev.returnValue = false; };
        ev.stopPropagation = function () { ev.cancelBubble = true; };
        if (!ev.target) ev.target = ev.srcElement;
      }
      return fn.call(el, ev);
    }
    if (el.addEventListener) el.addEventListener(name, handler, false);
    else if (el.attachEvent) el.attachEvent('on' + name, handler);
  }

  function focus(el) {
    try { el.focus({ preventScroll: true }); } catch (e) { try { el.focus(); } catch (e2) {} }
  }

  // By hand: a pattern for the end of a text is tried at every space in it, and each time to the end of that row of spaces.
  function trimEnd(s) {
    var end = s.length;
    while (end && /[\s\u00a0\ufeff]/.test(s.charAt(end - 1))) end--;
    return s.slice(0, end);
  }
  function trim(s) { return trimEnd('' + s).replace(/^[\s\u00a0\ufeff]+/, ''); }

  // A name or a message, whichever way it is written, kept apart from the text around it.
  function isolated(words, name) {
    var el = make('span', 'iso' + (name ? ' ' + name : ''), words);
    el.setAttribute('dir', 'auto');
    return el;
  }

  function indexOf(list, item) {
    for (var i = 0; i < list.length; i++) if (list[i] === item) return i;
    return -1;
  }
  // Takes it out; true if it was there.
  function without(list, item) {
    var i = indexOf(list, item);
    if (i >= 0) list.splice(i, 1);
    return i >= 0;
  }

  function two(n) { return (n < 10 ? '0' : '') + n; }

  function clock(d, seconds) { return two(d.getHours()) + ':' + two(d.getMinutes()) + (seconds ? ':' + two(d.getSeconds()) : ''); }

  function iso(d) {
    return d.getUTCFullYear() + '-' + two(d.getUTCMonth() + 1) + '-' + two(d.getUTCDate()) + 'T' + two(d.getUTCHours()) + ':' + two(d.getUTCMinutes()) + ':' + two(d.getUTCSeconds()) + 'Z';
  }

  var lastDate = '', lastDay = '';

  // Asked for with each message, and dear where the browser knows how dates are written.
  function day(d) {
    var date = d.getFullYear() + '-' + two(d.getMonth() + 1) + '-' + two(d.getDate());
    if (date === lastDate) return lastDay;
    lastDate = lastDay = date;
    try { lastDay = d.toLocaleDateString(T.lang, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }); } catch (e) {}
    return lastDay;
  }

  // The same in short, without the year where it is this one.
  function date(d) {
    var how = { month: 'short', day: 'numeric' };
    if (d.getFullYear() !== new Date().getFullYear()) how.year = 'numeric';
    try { return d.toLocaleDateString(T.lang, how); } catch (e) { return day(d); }
  }

  // Storage may be missing, full, or forbidden. An empty text is not kept.
  function storage(kind) {
    return {
      get: function (k) { try { return root[kind].getItem('parlance.' + k) || ''; } catch (e) { return ''; } },
      set: function (k, v) {
        try {
          if (v) root[kind].setItem('parlance.' + k, v); else root[kind].removeItem('parlance.' + k);
        } catch (e) {}
      },
      // The ends of the keys that begin so.
      keys: function (start) {
        var out = [], i, k;
        try {
          for (i = 0; i < root[kind].length; i++) {
            k = root[kind].key(i);
            if (k.indexOf('parlance.' + start) === 0) out.push(k.slice(9 + start.length));
          }
        } catch (e) {}
        return out;
      }
    };
  }

  // A list of texts as one, without JSON, which not every browser has.
  function pack(list) {
    for (var out = [], i = 0; i < list.length; i++) out.push(escape(list[i]));
    return out.join(' ');
  }
  function unpack(text) {
    for (var out = text ? text.split(' ') : [], i = 0; i < out.length; i++) out[i] = unescape(out[i]);
    return out;
  }

  // Copies what is in the textarea; done(false) leaves it selected for the user's own hands.
  function copy(area, done) {
    function byCommand() {
      var ok = false;
      area.focus();
      area.select();
      try { ok = doc.execCommand('copy'); } catch (e) {}
      done(!!ok);
    }
    var board = root.navigator.clipboard, p;
    try { p = board && board.writeText(area.value); } catch (e) { p = null; }
    if (p && p.then) p.then(function () { done(true); }, byCommand); else byCommand();
  }

  // A button; old engines will not have its type changed once it is made.
  function button(name, words) {
    var el = make('button', name, words);
    try { el.setAttribute('type', 'button'); } catch (e) {}
    return el;
  }

  var TRANSPORTS = ['websocket', 'eventsource', 'htmlfile', 'xhr-polling', 'jsonp-polling'];
  var FEATURES = ['WebSocket', 'EventSource', 'XMLHttpRequest', 'XDomainRequest', 'ActiveXObject', 'JSON', 'Uint8Array', 'addEventListener', 'postMessage'];

  // The head of every report: what this browser is and has.
  function about() {
    var d = new Date(), has = [], lacks = [], can = [], i;
    for (i = 0; i < FEATURES.length; i++) (root[FEATURES[i]] ? has : lacks).push(FEATURES[i]);
    if (root.io) for (i = 0; i < TRANSPORTS.length; i++) if (root.io.can(TRANSPORTS[i])) can.push(TRANSPORTS[i]);
    return [
      'Time: ' + iso(d) + ' (local ' + clock(d, true) + ', UTC offset ' + -d.getTimezoneOffset() + ' min)',
      'Page: ' + root.location.protocol + '//' + root.location.host + root.location.pathname,
      'Protocol: Engine.IO 4, Socket.IO ' + (root.io ? root.io.protocol : '?'),
      'Browser: ' + root.navigator.userAgent,
      'Language: ' + (root.navigator.language || root.navigator.userLanguage || '?') + ', online: ' + (root.navigator.onLine !== false),
      'Has: ' + has.join(', '),
      'Lacks: ' + (lacks.join(', ') || 'nothing that matters'),
      'Transports this browser can try: ' + can.join(', '),
      'Transports the server allowed when the page loaded: ' + (root.io ? root.io.policy.join(', ') : '?')
    ];
  }

  // Says which cause an element names.
  function mark(el, verdict) {
    if (verdict) {
      el.setAttribute('data-cause', verdict.cause);
      el.setAttribute('data-certainty', verdict.certainty);
    } else {
      el.removeAttribute('data-cause');
      el.removeAttribute('data-certainty');
    }
  }

  // A verdict as a block: the cause, how sure that is, where it sits, what tells it, what mends it. `when` may come first.
  function cause(verdict, when) {
    var title = make('span', 'cause-title', (when ? when + ' ' : '') + verdict.title), box = make('div', 'cause ' + verdict.certainty, title, ' ', make('span', 'sure', T.t('cause.' + verdict.certainty) + (verdict.certainty === 'unknown' ? '' : ', ' + T.t('cause.where.' + verdict.where))));
    title.lang = 'en';
    mark(box, verdict);
    if (verdict.evidence) add(box, make('span', 'evidence', T.t('cause.evidence', { evidence: verdict.evidence })));
    return add(box, make('span', 'remedy', T.t('cause.remedy', { remedy: verdict.remedy })));
  }

  // The same for a report, with the facts.
  function causeLines(verdict) {
    var lines = ['    ' + verdict.cause + ' (' + verdict.certainty + ', ' + verdict.where + (verdict.both ? ', by page and server' : ', by the page') + '): ' + T.brief(verdict.evidence)], facts = [], name;
    for (name in verdict.facts) facts.push(name + '=' + verdict.facts[name]);
    return facts.length ? lines.concat('    facts: ' + T.brief(facts.join(', '))) : lines;
  }

  // One line of a timeline.
  function entryLine(e) {
    return '+' + (e.at / 1000).toFixed(3) + ' s  ' + (e.transport || '-') + '  ' + e.step + (e.ms ? '  ' + e.ms + ' ms' : '') + '  ' + e.outcome + (e.reason ? '  (' + T.brief(e.reason) + ')' : '');
  }

  // The server of this page, which may be below a path of its own.
  function io(opts, namespace) {
    opts = opts || {};
    // A site that has put this page into its own may know who its reader is: it has a token for each connection.
    if (typeof root.parlanceToken === 'function' && !opts.auth) opts.auth = function (go) { root.parlanceToken(function (token) { go(token ? { token: token } : {}); }); };
    opts.path = root.location.pathname.replace(/\/[^\/]*$/, '') + root.io.path;
    return root.io(namespace || '', opts);
  }

  // Internet Explorer 6 has the ActiveX object in place of XMLHttpRequest.
  function request() {
    try { return new root.XMLHttpRequest(); } catch (e) {}
    try { return new root.ActiveXObject('Microsoft.XMLHTTP'); } catch (e2) {}
    return null;
  }

  function isOffline() { return root.navigator.onLine === false; }

  root.ParlancePage = {
    byId: byId, make: make, add: add, empty: empty, say: say, remove: remove, hasClass: hasClass, setClass: setClass, show: show, isShown: isShown,
    listen: listen, focus: focus, trim: trim, trimEnd: trimEnd, isolated: isolated, clock: clock, iso: iso, day: day, date: date, store: storage('localStorage'), session: storage('sessionStorage'), pack: pack, unpack: unpack, copy: copy, isOffline: isOffline, request: request,
    button: button, about: about, indexOf: indexOf, without: without, entryLine: entryLine, cause: cause, mark: mark, causeLines: causeLines, io: io, TRANSPORTS: TRANSPORTS,
    now: function () { return new Date().getTime(); }
  };

  doc.documentElement.lang = T.lang;
  T.translate(doc);
  hideAll(doc.getElementsByTagName('*'));
})(window);
