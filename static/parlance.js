/*! Parlance client: Engine.IO 4, Socket.IO 5. ES3, no dependencies. MIT licence. */
(function (root) {
  // In order of preference. The server writes its policy into the next line when it serves this file.
  var POLICY = /*transports*/["websocket","eventsource","htmlfile","xhr-polling","jsonp-polling"]/*end*/;

  var OPEN_MS = 5000;        // to open, or to see the first byte, of anything that is not polling
  var PROBE_MS = 8000;       // a whole upgrade, until the probed way is taken
  var TRIAL_MS = 4000;       // until something came back on the way just taken
  var FORM_MS = 3000;        // form posts may never say that they are done
  var YOUNG_MS = 60000;      // a connection that dies younger than this is suspect
  var RETEST = [30, 60, 120, 300, 600];   // seconds in quarantine
  var LOG_MAX = 200;
  var QUESTION = '/parlance-echo';   // no such namespace: the refusal proves that both directions work

  var doc = root.document, loc = root.location || {}, nav = root.navigator || {};
  var managers = [], cache = {}, quarantine = {}, serial = 0, unloading;
  var BYTES = !!(root.ArrayBuffer && root.Uint8Array && root.atob);
  var kind = function (v) { return {}.toString.call(v).slice(8, -1); };
  var now = function () { return new Date().getTime(); };
  var nothing = function () {};

  function index(list, item) {
    for (var i = 0; i < list.length; i++) if (list[i] === item) return i;
    return -1;
  }

  function isList(v) { return kind(v) === 'Array'; }

  function oops(code, text, status) {
    var e = new Error(text);
    e.code = code;
    e.status = status;
    return e;
  }

  // ---- JSON, for engines without it. Never eval: data is data, and a strict CSP forbids it anyway.

  function quote(s) {
    return '"' + s.replace(/["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/g, function (c) {
      return '\\u' + ('000' + c.charCodeAt(0).toString(16)).slice(-4);
    }) + '"';
  }

  function write(v) {
    var out = [], k, t;
    if (v && typeof v.toJSON === 'function') v = v.toJSON();
    t = kind(v);
    if (t === 'String') return quote('' + v);
    if (t === 'Number') return isFinite(v) ? '' + v : 'null';
    if (t === 'Boolean') return '' + v;
    if (t === 'Date') {   // IE 6 and 7 have no toISOString
      t = function (n, w) { return ('000' + n).slice(-w); };
      return '"' + t(v.getUTCFullYear(), 4) + '-' + t(v.getUTCMonth() + 1, 2) + '-' + t(v.getUTCDate(), 2) + 'T' + t(v.getUTCHours(), 2) + ':' +
        t(v.getUTCMinutes(), 2) + ':' + t(v.getUTCSeconds(), 2) + '.' + t(v.getUTCMilliseconds(), 3) + 'Z"';
    }
    if (t === 'Array') {
      for (k = 0; k < v.length; k++) out.push(write(v[k]));
      return '[' + out + ']';
    }
    if (!v || typeof v !== 'object') return 'null';
    for (k in v) {
      t = typeof v[k];
      if ({}.hasOwnProperty.call(v, k) && t !== 'function' && t !== 'undefined') out.push(quote(k) + ':' + write(v[k]));
    }
    return '{' + out + '}';
  }

  function read(text) {
    var at = 0, out;
    function fail() { throw oops('garbled', 'not JSON'); }
    function skip() { while (at < text.length && ' \t\r\n'.indexOf(text.charAt(at)) >= 0) at++; return text.charAt(at); }
    function string() {
      var s = '', from = ++at, c, code;
      for (;; at++) {
        c = text.charAt(at);
        if (c === '' || c < ' ') fail();
        if (c === '"' || c === '\\') {
          s += text.substring(from, at++);
          if (c === '"') return s;
          c = text.charAt(at);
          code = 'bfnrt'.indexOf(c);
          if (c === 'u') {
            code = text.substr(at + 1, 4);
            if (!/^[\da-f]{4}$/i.test(code)) fail();
            s += String.fromCharCode(parseInt(code, 16));
            at += 4;
          } else if (c && code >= 0) s += '\b\f\n\r\t'.charAt(code);
          else if (c && '"\\/'.indexOf(c) >= 0) s += c;
          else fail();
          from = at + 1;
        }
      }
    }
    function value() {
      var c = skip(), v, k, end;
      if (c === '"') return string();
      if (c === '[' || c === '{') {
        end = c === '[' ? ']' : '}';
        v = c === '[' ? [] : {};
        at++;
        if (skip() === end) { at++; return v; }
        for (;;) {
          if (c === '[') v.push(value());
          else {
            if (skip() !== '"') fail();
            k = string();
            if (skip() !== ':') fail();
            at++;
            if (k === '__proto__') value(); else v[k] = value();
          }
          k = skip();
          at++;
          if (k === end) return v;
          if (k !== ',') fail();
        }
      }
      v = /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?)/i.exec(text.substr(at, 400)) || fail();
      at += v[0].length;
      return v[0] === 'true' ? true : v[0] === 'false' ? false : v[0] === 'null' ? null : isNaN(v[0]) ? fail() : +v[0];
    }
    out = value();
    if (skip()) fail();
    return out;
  }

  var JS = root.JSON, parse = JS && JS.parse ? function (s) { return JS.parse(s); } : read;

  function text(v) {
    // half a surrogate pair cannot travel as UTF-8; old WebSockets throw at it
    return (JS && JS.stringify ? JS.stringify(v) : write(v)).replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (c) {
      return c.length > 1 ? c : '\\u' + c.charCodeAt(0).toString(16);
    });
  }

  // ---- binary: attachments leave their place to a number, and come back to it

  function strip(v, found) {
    var out, k;
    if (!v || typeof v !== 'object') return v;
    if (kind(v) === 'ArrayBuffer' || v.buffer && kind(v.buffer) === 'ArrayBuffer') {
      found.push(v.buffer ? new root.Uint8Array(new root.Uint8Array(v.buffer, v.byteOffset, v.byteLength)).buffer : v);
      return { _placeholder: true, num: found.length - 1 };
    }
    if (isList(v)) {
      out = [];
      for (k = 0; k < v.length; k++) out.push(strip(v[k], found));
      return out;
    }
    if (typeof v.toJSON === 'function') return strip(v.toJSON(), found);
    if (kind(v) !== 'Object') return v;
    out = {};
    for (k in v) if ({}.hasOwnProperty.call(v, k)) out[k] = strip(v[k], found);
    return out;
  }

  function refill(v, found) {
    var k;
    if (!v || typeof v !== 'object') return v;
    if (v._placeholder === true) {
      if (!(v.num >= 0 && v.num < found.length)) throw oops('garbled', 'attachment missing');
      return found[v.num];
    }
    for (k in v) if ({}.hasOwnProperty.call(v, k)) v[k] = refill(v[k], found);
    return v;
  }

  function toBase64(buffer) {
    for (var s = '', b = new root.Uint8Array(buffer), i = 0; i < b.length; i++) s += String.fromCharCode(b[i]);
    return root.btoa(s);
  }

  function fromBase64(s) {
    if (!BYTES) return { base64: true, data: s };
    s = root.atob(s);
    for (var b = new root.Uint8Array(s.length), i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
    return b.buffer;
  }

  // ---- Socket.IO packets: {type, nsp, id, data} to frames, and back

  function encode(type, nsp, id, data) {
    var found = [], s;
    if (BYTES && (type === 2 || type === 3)) data = strip(data, found);
    s = '4' + (found.length ? type + 3 + '' + found.length + '-' : type) + (nsp === '/' ? '' : nsp + ',') + (id == null ? '' : id) + (data === undefined ? '' : text(data));
    return [s].concat(found);
  }

  function decode(s) {
    var m = /^([0-6])(?:(\d+)-)?(\/[^,]*)?,?(\d*)/.exec(s), p, rest;
    if (!m) throw oops('garbled', 'unknown packet');
    rest = s.slice(m[0].length);
    p = { type: +m[1], need: +m[2] || 0, nsp: m[3] || '/', id: m[4] ? +m[4] : null, data: rest ? parse(rest) : undefined, found: [] };
    if (p.type > 4) p.type -= 3; else p.need = 0;
    if ((p.type === 2 || p.type === 3) && !isList(p.data)) throw oops('garbled', 'packet without arguments');
    return p;
  }

  function utf8Length(s) {
    for (var n = s.length, i = 0, c; i < s.length; i++) {
      c = s.charCodeAt(i);
      if (c > 127) n += c > 2047 && (c < 0xd800 || c > 0xdfff) ? 2 : 1;
    }
    return n;
  }

  // ---- events

  function Emitter() {}
  Emitter.prototype.on = function (name, fn) {
    var all = this._on = this._on || {};
    (all['$' + name] = all['$' + name] || []).push(fn);
    return this;
  };
  Emitter.prototype.once = function (name, fn) {
    function one() { this.off(name, one); fn.apply(this, arguments); }
    one.fn = fn;
    return this.on(name, one);
  };
  Emitter.prototype.off = function (name, fn) {
    var list, i;
    if (name === undefined) this._on = {};
    else {
      list = this.listeners(name);
      for (i = list.length; i--;) if (!fn || list[i] === fn || list[i].fn === fn) list.splice(i, 1);
      if (this._on) this._on['$' + name] = list;
    }
    return this;
  };
  Emitter.prototype.listeners = function (name) { return (this._on && this._on['$' + name] || []).slice(); };
  Emitter.prototype.hasListeners = function (name) { return this.listeners(name).length > 0; };
  // A listener that throws must not stop the connection: its error is reported by itself.
  Emitter.prototype.fire = function (name) {
    var list = this.listeners(name), args = [].slice.call(arguments, 1), i;
    for (i = 0; i < list.length; i++) {
      try { list[i].apply(this, args); } catch (e) { later(e); }
    }
  };
  Emitter.prototype.addEventListener = Emitter.prototype.on;
  Emitter.prototype.removeListener = Emitter.prototype.removeEventListener = Emitter.prototype.removeAllListeners = Emitter.prototype.off;
  function later(e) { setTimeout(function () { throw e; }, 0); }

  function inherit(Class) {
    Class.prototype = new Emitter();
    Class.prototype.constructor = Class;
    return Class.prototype;
  }

  // ---- what this engine can do. That a name exists proves little; links find out the rest.

  // `cross` is the server's scheme if it is another origin, else ''.
  function newRequest(cross, simple) {
    var x, i, names = ['Msxml2.XMLHTTP', 'Microsoft.XMLHTTP'];
    try {
      x = root.XMLHttpRequest && new root.XMLHttpRequest();
      if (x && (!cross || 'withCredentials' in x)) return x;
    } catch (e) {}
    if (cross) {
      try {
        if (cross !== loc.protocol) return null;   // XDomainRequest cannot leave the page's scheme
        x = new root.XDomainRequest();
        if (simple) simple.yes = true;
        return x;
      } catch (e2) { return null; }
    }
    for (i = 0; i < 2; i++) try { return new root.ActiveXObject(names[i]); } catch (e3) {}
    return null;
  }

  function can(name, cross) {
    if (name === 'websocket') return !!(root.WebSocket || root.MozWebSocket);
    if (name === 'jsonp-polling') return !!doc;
    if (name !== 'xhr-polling' && name !== 'eventsource' && name !== 'htmlfile') return false;
    if (name === 'eventsource' && !root.EventSource || name === 'htmlfile' && (!doc || cross)) return false;
    return !!newRequest(cross);
  }

  function wire(name) { return name.replace(/^.*-/, ''); }

  // ---- HTTP

  function answerError(status, body) {
    var b, e;
    if (!status) return oops('unreachable', nav.onLine === false ? 'this device is offline' : 'no answer from the server');
    try { b = parse(body); } catch (x) {}
    e = b && b.message ? oops(b.code === 0 ? 'refused' : b.code === 1 ? 'expired' : 'http', '' + b.message, status) :
      oops(status > 501 && status < 505 ? 'gateway' : 'http', 'HTTP ' + status, status);
    if (b && isList(b.allowed)) e.allowed = b.allowed;
    return e;
  }

  // Calls done(error) or done(null, body) once, never at once. Returns a function that calls it off.
  function ajax(e, url, body, ms, done) {
    var x, over, simple = {}, timer = setTimeout(function () { end(oops('timeout', 'no answer within ' + ms / 1000 + ' s'), 1); }, ms);
    function end(err, stop) {
      if (over) return;
      over = true;   // before abort(), which may report readyState 4
      clearTimeout(timer);
      if (stop) try { x.abort(); } catch (ex) {}
      if (err !== 0) done(err, err ? '' : x.responseText);
    }
    try {
      x = newRequest(e.m.cross, simple);
      x.open(body == null ? 'GET' : 'POST', url, true);
      if (simple.yes) {
        x.onload = function () { end(null); };
        x.onerror = x.ontimeout = function () { end(answerError(0)); };
        x.onprogress = nothing;   // IE 9 drops requests that have none
      } else {
        if (e.m.opts.withCredentials) x.withCredentials = true;
        if (body != null) x.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
        x.onreadystatechange = function () {   // not "this": with ActiveX it is the window
          var status, why;
          if (over || x.readyState !== 4) return;
          try { status = x.status; why = x.responseText; } catch (ex) {}
          end(status === 200 ? null : answerError(status, why));
        };
      }
      x.send(body == null ? null : body);
    } catch (ex2) {
      setTimeout(function () { end(oops('unsupported', 'the request cannot be sent: ' + (ex2.message || ex2))); }, 0);
    }
    return function () { end(0, 1); };
  }

  function hidden(frame) {
    frame.style.cssText = 'position:absolute;left:-9999px;top:0;width:1px;height:1px;border:0;visibility:hidden';
    frame.setAttribute('aria-hidden', 'true');
    frame.tabIndex = -1;
    frame.title = '';
    return frame;
  }

  function drop(node) { if (node && node.parentNode) node.parentNode.removeChild(node); }

  function whenReady(test, fn) { if (test()) fn(); else setTimeout(function () { whenReady(test, fn); }, 50); }
  function hasBody() { return doc.body; }
  function isLoaded() { return hasBody() && (!doc.readyState || doc.readyState === 'complete'); }

  function scriptGet(e, url, body, ms, done, slot) {
    var el = doc.createElement('script'), over, timer = setTimeout(function () { end(oops('timeout', 'no script within ' + ms / 1000 + ' s')); }, ms);
    function end(err, got) {
      if (over) return;
      over = true;
      clearTimeout(timer);
      el.onload = el.onerror = el.onreadystatechange = nothing;
      root.___eio[slot] = nothing;
      drop(el);
      if (err !== 0) done(err, got);
    }
    root.___eio[slot] = function (s) { end(null, s); };
    el.onerror = function () { end(answerError(0)); };
    // loaded, and yet nobody called: an error page. IE says "loaded" before the script ran, so wait a little
    el.onload = el.onreadystatechange = function () {
      if (!el.readyState || /loaded|complete/.test(el.readyState)) setTimeout(function () { end(oops('http', 'the script brought no packets')); }, 1000);
    };
    el.async = true;
    el.src = url;
    doc.getElementsByTagName('head')[0].appendChild(el);
    return function () { end(0); };
  }

  function formPost(e, url, body, ms, done) {
    var name = 'parlance' + ++serial, form, area, frame, over, poll, timer;
    function end(err) {
      if (over) return;
      over = true;
      clearTimeout(timer);
      clearInterval(poll);
      setTimeout(function () { drop(form); drop(frame); }, 0);   // not inside the frame's own event
      if (err !== 0) done(err, 'ok');
    }
    function look(loaded) {
      var s = '';
      try {
        if (frame.contentWindow.location.href === 'about:blank') return;
        s = frame.contentWindow.document.body.innerHTML;
      } catch (x) { if (loaded !== 1) return; }
      if (s.indexOf('"code"') >= 0) end(answerError(400, s.replace(/<[^>]*>/g, '')));
      else if (s || loaded === 1) end(null);
    }
    whenReady(hasBody, function () {
      if (over) return;
      try { frame = doc.createElement('<iframe name="' + name + '">'); } catch (x) { frame = doc.createElement('iframe'); }
      frame.name = frame.id = name;
      form = hidden(doc.createElement('form'));
      area = doc.createElement('textarea');
      area.name = 'd';
      form.method = 'POST';
      form.target = name;
      form.action = url;
      form.setAttribute('accept-charset', 'utf-8');
      form.appendChild(area);
      doc.body.appendChild(hidden(frame));
      doc.body.appendChild(form);
      // forms rewrite newlines, so these travel as \n; a \n that was there already gets one more backslash
      area.value = body.replace(/\\n/g, '\\\\n').replace(/\n/g, '\\n');
      form.submit();
      frame.onload = function () { look(1); };
      poll = setInterval(look, 50);
      timer = setTimeout(function () { end(null); }, FORM_MS);
    });
    return function () { end(0); };
  }

  // ---- links. A link carries packets one way or another; it tells `up`:
  //   ready() it can take a probe, packet(p), drain() what was sent is gone, fail(error).
  // It offers send(frames), pause(fn), resume(), close(); `free` says whether it takes frames now.

  // The sending half of every link but WebSocket: one POST at a time, or the server could mix up their order.
  function postHalf(e, up, name, post) {
    var link = { name: wire(name), form: name, free: true, posts: true, dead: false }, stop = nothing;
    link.send = function (frames) {
      var body = [], i;
      for (i = 0; i < frames.length; i++) body.push(typeof frames[i] === 'string' ? frames[i] : 'b' + toBase64(frames[i]));
      link.free = false;
      stop = post(e, e.url(link, 1), body.join('\x1e'), e.m.opts.timeout, function (err) {
        if (link.dead) return;
        if (err && err.status === 413) {   // too large for this server: lost, but no reason to lose the session
          e.m.log(name, 'send', 0, 'failed', err.message);
          err = null;
        }
        if (err) return up.fail(err);
        link.free = true;
        link.settle();
        up.drain();
      });
    };
    link.pause = function (fn) { link.paused = fn; link.settle(); };
    link.settle = function () {
      var fn = link.paused;
      if (fn && link.free && link.quiet()) { link.paused = nothing; fn(); }
    };
    link.resume = function () { link.paused = null; if (!link.dead && link.quiet()) link.get(); };
    link.close = function () { link.dead = true; stop(); link.halt(); };
    return link;
  }

  function pollLink(get, post) {
    return function (e, up, name) {
      var link = postHalf(e, up, name, post), stop, slot = 0;
      if (get === scriptGet) {
        root.___eio = root.___eio || [];
        link.extra = '&j=' + (slot = root.___eio.length);
        root.___eio[slot] = nothing;
      }
      link.quiet = function () { return !stop; };
      link.halt = function () { if (stop) stop(); };
      link.get = function () {
        stop = get(e, e.url(link), null, e.id ? e.patience() : e.m.opts.timeout / (link.extra ? 2 : 1), function (err, body) {
          var i, packets;
          stop = null;
          if (link.dead) return;
          if (err) return up.fail(err);
          packets = ('' + body).split('\x1e');
          for (i = 0; i < packets.length && !link.dead; i++) {
            if (!/^[0-6b]/.test(packets[i])) return up.fail(oops('garbled', 'the answer is not from this server (a proxy or sign-in page?)'));
            up.packet(packets[i]);
          }
          if (link.dead) return;
          if (link.paused) link.settle(); else link.get();
        }, slot);
      };
      setTimeout(function () { if (!link.dead) link.get(); }, 0);
      return link;
    };
  }

  // A response that goes on. The server ends it with a 6 when it grew too long; the next one follows.
  function streamLink(begin) {
    return function (e, up, name) {
      var link = postHalf(e, up, name, ajax), stop, timer, hasty = 0;
      function lost(err) { if (!link.dead && stop) { link.halt(); up.fail(err); } }
      link.quiet = function () { return !stop; };
      link.halt = function () {
        var fn = stop;
        clearTimeout(timer);
        stop = null;
        if (fn) fn();
      };
      link.get = function () {
        var born = now(), seen;
        // some engines and proxies keep a stream's bytes until it ends
        timer = setTimeout(function () { lost(oops('silent', 'the stream opened but nothing came through (held back on the way?)')); }, OPEN_MS);
        function bytes() {
          if (seen) return;
          seen = true;
          clearTimeout(timer);
          up.ready();
        }
        stop = nothing;
        stop = begin(e, link, bytes, function (p) {
          if (link.dead || !stop) return;
          bytes();
          if (p !== '6') return up.packet(p);
          link.halt();
          hasty = now() - born < 500 ? hasty + 1 : 0;
          if (hasty > 5) up.fail(oops('cut', 'the stream ends again and again'));
          else if (link.paused) link.settle();
          else link.get();
        }, lost);
      };
      whenReady(name === 'htmlfile' ? isLoaded : function () { return true; }, function () {
        setTimeout(function () { if (!link.dead) link.get(); }, 0);
      });
      return link;
    };
  }

  function sourceBegin(e, link, bytes, packet, lost) {
    var es;
    try {
      es = new root.EventSource(e.url(link), { withCredentials: !!e.m.opts.withCredentials });
      es.onopen = bytes;
      es.onmessage = function (ev) {
        var p;
        try { p = parse(ev.data); } catch (x) { return lost(oops('garbled', 'an event that is not JSON')); }
        packet('' + p);
      };
      es.onerror = function () { lost(oops('cut', 'the event stream broke')); };   // it would come back by itself, with the wrong URL
    } catch (ex) {
      setTimeout(function () { lost(oops('unsupported', 'EventSource throws: ' + (ex.message || ex))); }, 0);
    }
    return function () { if (es) { es.onopen = es.onmessage = es.onerror = nothing; es.close(); } };
  }

  function frameBegin(e, link, bytes, packet, lost) {
    var hooks = root.___eios = root.___eios || [], n = hooks.length, ax, frame, poll;
    link.extra = '&j=' + n;
    hooks[n] = packet;
    try {   // IE: a document outside the page shows no progress bar and does not click
      ax = new root.ActiveXObject('htmlfile');
      ax.open();
      ax.write('<html><body></body></html>');
      ax.close();
      ax.parentWindow.___eios = hooks;
    } catch (x) { ax = null; }
    frame = hidden((ax || doc).createElement('iframe'));
    frame.src = e.url(link);
    (ax || doc).body.appendChild(frame);
    function look(ended) {
      var w;
      try {
        w = frame.contentWindow;
        if (w._) bytes();
        if (ended === 1 && w.location.href !== 'about:blank') lost(oops('cut', w._ ? 'the stream ended' : 'the frame shows something else'));
      } catch (x) { if (ended === 1) lost(oops('http', 'the frame shows an error page')); }
    }
    frame.onload = frame.onreadystatechange = function () {
      if (!frame.readyState || frame.readyState === 'complete') setTimeout(function () { if (frame) look(1); }, 0);
    };
    poll = setInterval(look, 50);
    return function () {
      var f = frame;
      frame = null;
      clearInterval(poll);
      hooks[n] = nothing;
      f.onload = f.onreadystatechange = nothing;
      setTimeout(function () {   // we may be inside one of its scripts
        try { f.src = 'about:blank'; } catch (x) {}
        drop(f);
        ax = null;
        if (root.CollectGarbage) root.CollectGarbage();
      }, 0);
    };
  }

  function webSocketLink(e, up, name) {
    var link = { name: name, form: name, free: true, pause: nothing, resume: nothing }, ws, dead, timer;
    function fail(err) {
      if (dead) return;
      link.close();
      up.fail(err);
    }
    link.send = function (frames) {
      try { for (var i = 0; i < frames.length; i++) ws.send(frames[i]); } catch (x) { setTimeout(function () { fail(oops('cut', 'send failed')); }, 0); }
    };
    link.close = function () {
      dead = true;
      clearTimeout(timer);
      if (!ws) return;
      ws.onopen = ws.onmessage = ws.onclose = ws.onerror = nothing;
      try { ws.close(); } catch (x) {}
    };
    timer = setTimeout(function () { fail(oops('timeout', 'did not open within ' + OPEN_MS / 1000 + ' s')); }, OPEN_MS);
    try {
      ws = new (root.WebSocket || root.MozWebSocket)(e.url(link));
      ws.binaryType = 'arraybuffer';
      ws.onopen = function () { if (dead) return; clearTimeout(timer); up.ready(); };
      ws.onmessage = function (ev) { if (!dead) up.packet(ev.data); };
      ws.onclose = function (ev) { fail(oops('cut', 'the connection was closed (' + (ev && ev.code || '?') + ')')); };
      ws.onerror = function () { setTimeout(function () { fail(oops('cut', 'the connection failed')); }, 50); };
    } catch (ex) {
      setTimeout(function () { fail(oops('unsupported', 'WebSocket throws: ' + (ex.message || ex))); }, 0);
    }
    return link;
  }

  var links = {
    websocket: webSocketLink,
    eventsource: streamLink(sourceBegin),
    htmlfile: streamLink(frameBegin),
    'xhr-polling': pollLink(ajax, ajax),
    'jsonp-polling': pollLink(scriptGet, formPost)
  };

  // ---- engine: one Engine.IO session, whatever carries it

  function Engine(m) {
    this.m = m;
    this.id = '';
    this.queue = [];
    this.upgrades = [];
    this.readyState = 'opening';
  }
  var E = inherit(Engine);
  E.emit = E.fire;

  E.url = function (link, post) {
    var m = this.m, ws = link.name === 'websocket';
    return (ws ? m.base.replace(/^http/, 'ws') : m.base) + m.path + '?' + m.query + 'EIO=4&transport=' + link.name + (link.extra && (!post || link.name === 'polling') ? link.extra : '') +
      (this.id ? '&sid=' + encodeURIComponent(this.id) : '&client=parlance') + (ws ? '' : '&t=' + now().toString(36) + (++serial).toString(36));
  };

  // The longest silence that a living server keeps.
  E.patience = function () { return this.pingInterval + this.pingTimeout; };

  E.start = function (name, done) {
    var e = this, t0 = now(), first = true;
    e.t0 = t0;
    e.carry(links[name](e, {
      ready: nothing,
      packet: function (p) {
        var h;
        if (!first) return e.take(p);
        try { h = p.charAt(0) === '0' && parse(p.slice(1)); } catch (x) {}
        if (!h || !h.sid) return e.lost(oops('garbled', 'not an Engine.IO 4 server'));
        first = false;
        e.id = h.sid;
        e.upgrades = h.upgrades || [];
        e.pingInterval = h.pingInterval || 25000;
        e.pingTimeout = h.pingTimeout || 20000;
        e.maxPayload = h.maxPayload;
        e.readyState = 'open';
        e.m.log(name, 'open', t0, 'ok');
        e.watch();
        done();
        e.improve();
      },
      drain: function () { e.flush(); },
      fail: function (err) { if (first) { e.readyState = 'closed'; e.stop(); done(err); } else e.lost(err); }
    }, name));
  };

  E.carry = function (link) { this.link = this.transport = link; };

  E.send = function (item) {
    this.queue.push(item);
    this.flush();
  };

  // Items are {frames, socket?, id?}. While `trial` is on, nothing but the question goes out: what the new way loses is then not ours.
  E.flush = function () {
    var e = this, frames = [], size = 0, item, i;
    if (e.readyState === 'closed' || e.trial || e.leaving || !e.link.free || e.readyState === 'opening') return;
    while ((item = e.queue[0])) {
      if (e.link.posts && e.maxPayload) {
        for (i = 0; i < item.frames.length; i++) size += 1 + (item.frames[i].byteLength * 1.34 + 3 || utf8Length(item.frames[i]));
        if (frames.length && size > e.maxPayload) break;
      }
      frames = frames.concat(e.queue.shift().frames);
    }
    if (frames.length) e.link.send(frames);
    if (e.done && !e.queue.length && e.link.free) e.done();
  };

  E.take = function (p) {
    var e = this, c;
    if (e.readyState === 'closed') return;
    e.heard = now();
    if (e.trial) e.trial(null);
    try {
      if (typeof p !== 'string') return e.m.binary(p);
      c = p.charAt(0);
      if (c === '2') e.send({ frames: ['3'] });
      else if (c === '4') e.m.packet(p.slice(1));
      else if (c === 'b') e.m.binary(fromBase64(p.slice(1)));
      else if (c === '1') e.lost(oops('closed', 'the server ended the session'));
    } catch (x) {
      e.lost(oops('garbled', 'cannot read what came: ' + (x.message || x)));
    }
  };

  // One timer that looks again, not one per packet. Clocks jump when a laptop wakes, so trust only the clock.
  E.watch = function () {
    var e = this;
    e.heard = now();
    (function look() {
      e.watcher = setTimeout(look, Math.max(1000, e.patience() - (now() - e.heard)));
      e.check();
    })();
  };
  E.check = function () {
    if (this.readyState === 'open' && now() - this.heard >= this.patience()) this.lost(oops('ping', 'nothing heard for ' + Math.round((now() - this.heard) / 1000) + ' s'));
  };

  // Looks for a better way than the present one; later again if the better one is in quarantine.
  E.improve = function () {
    var e = this, m = e.m, list = m.policy, i, name, left, soonest = 0;
    clearTimeout(e.again);
    if (!m.opts.upgrade || e.probing || e.trial || e.readyState !== 'open' || e.link.name === 'websocket') return;
    for (i = 0; i < list.length && list[i] !== e.link.form; i++) {
      name = list[i];
      if (wire(name) !== name || !m.wants(name) || !can(name, m.cross)) continue;
      if (index(e.upgrades, name) < 0) {
        if (!e.told) m.log(name, 'upgrade', 0, 'refused', 'the server does not offer it');
        continue;
      }
      left = m.record(name).until - now();
      if (left <= 0) { e.told = true; return e.probe(name); }
      soonest = soonest ? Math.min(soonest, left) : left;
    }
    e.told = true;
    if (soonest) e.again = setTimeout(function () { e.improve(); }, soonest + 20);
  };

  E.probe = function (name) {
    var e = this, m = e.m, t0 = now(), step = 'open', old = e.link, link, over, live, timer;
    function fail(err) {
      if (live) return e.trial ? e.trial(err) : e.lost(err);
      if (over) return;
      stop();
      m.fault(name, step, t0, err);
      m.punish(name);
      e.fire('upgradeError', err);
      e.leaving = false;
      old.resume();
      e.flush();
      e.improve();
    }
    function stop() {
      over = true;
      clearTimeout(timer);
      link.close();
      e.probing = null;
    }
    // Nothing more is sent the old way; once its last answer is in, the new one is taken.
    function leave() {
      step = 'pause';
      e.leaving = true;
      old.pause(function () {
        if (over) return;
        clearTimeout(timer);
        e.probing = null;
        e.leaving = false;
        live = true;
        step = 'upgrade';
        timer = setTimeout(function () { e.trial(oops('silent', 'taken, but nothing came back')); }, TRIAL_MS);
        e.trial = function (err) {
          e.trial = null;
          clearTimeout(timer);
          if (err) {
            // Perhaps the server noticed too and took the session back. If not, it says so, and a new one is opened at once.
            link.close();
            m.fault(name, step, t0, err);
            m.punish(name);
            e.hurry = true;
            e.carry(old);
            old.resume();
          } else {
            old.close();
            m.log(name, step, t0, 'ok');
            e.since = now();
            e.fire('upgrade', link);
          }
          e.flush();
          e.improve();
        };
        e.carry(link);
        link.send(['5', encode(0, QUESTION)[0]]);
      });
    }
    link = links[name](e, {
      ready: function () {
        if (step !== 'open') return;
        m.log(name, step, t0, 'ok');
        step = 'probe';
        link.send(['2probe']);
      },
      packet: function (p) {
        if (live) return e.take(p);
        if (over || step !== 'probe') return;
        if (p !== '3probe') return fail(oops('garbled', 'not the answer to the probe'));
        m.log(name, 'probe-pong', t0, 'ok');
        leave();
      },
      drain: function () { if (live) e.flush(); },
      fail: fail
    }, name);
    timer = setTimeout(function () { fail(oops('timeout', step === 'pause' ? 'the old way was not released' : 'no answer to the probe')); }, PROBE_MS);
    e.probing = stop;
  };

  E.stop = function () {
    clearTimeout(this.watcher);
    clearTimeout(this.again);
    if (this.probing) this.probing();
    this.link.close();
  };

  E.lost = function (err) {
    var e = this, name = e.link.form, r = e.m.record(name);
    if (e.readyState === 'closed') return;
    e.readyState = 'closed';
    e.stop();
    e.m.fault(name, 'close', e.since || e.t0, err);
    if (now() - (e.since || e.t0) > YOUNG_MS) r.young = r.n = 0;
    else if (err.code === 'cut' && ++r.young > 1) { r.young = 0; e.m.punish(name); }   // opens, then dies, twice
    e.fire('close', err.code, err);
    e.m.lost(err, e);
  };

  // Leaves politely: what is queued goes first, within reason.
  E.close = function () {
    var e = this, timer;
    if (e.readyState === 'closed') return;
    e.done = function () {
      clearTimeout(timer);
      e.readyState = 'closed';
      e.done = null;
      e.stop();
    };
    if (e.readyState !== 'open') return e.done();
    e.m.log(e.link.form, 'close', e.since || e.t0, 'ok', 'left');
    timer = setTimeout(e.done, 2000);
    if (e.link.posts) e.queue.push({ frames: ['1'] });
    e.flush();
  };

  // ---- manager: one server, one connection at a time, all namespaces

  function Manager(base, path, query, opts) {
    var m = this, k, o = { reconnection: true, reconnectionAttempts: Infinity, reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5, timeout: 20000, autoConnect: true, upgrade: true };
    for (k in opts) if (opts[k] !== undefined) o[k] = opts[k];
    m.opts = o;
    m.base = base;
    m.path = path;
    m.query = query;
    m.uri = base + path;
    m.cross = base === loc.protocol + '//' + loc.host ? '' : base.replace(/\/\/.*/, '');
    m.nsps = {};
    m.attempts = 0;
    m.nextAt = 0;
    m.readyState = 'closed';
    m.born = now();
    m.entries = [];
    m.setPolicy(POLICY);
    managers.push(m);
  }
  var M = inherit(Manager);
  M.emit = M.fire;

  M.timeline = function () { return this.entries.slice(); };
  M.log = function (name, step, t0, outcome, reason) {
    var t = now(), entry = { at: t - this.born, transport: name, step: step, ms: t0 ? t - t0 : 0, outcome: outcome, reason: reason || '' };
    this.entries.push(entry);
    if (this.entries.length > LOG_MAX) this.entries.shift();
    this.fire('timeline', entry);
  };
  M.fault = function (name, step, t0, err) {
    this.log(name, step, t0, err.code === 'refused' ? 'refused' : err.code === 'unsupported' ? 'unsupported' : 'failed', err.message);
    if (err.allowed) this.setPolicy(err.allowed);
  };

  M.wants = function (name) {
    var t = this.opts.transports;
    return !t || index(t, name) >= 0 || wire(name) === 'polling' && index(t, 'polling') >= 0;
  };

  M.setPolicy = function (list) {
    var m = this, t = m.opts.transports || [], i, name;
    m.policy = list;
    for (i = 0; i < t.length; i++) {
      name = t[i];
      if (index(list, name) < 0 && !(name === 'polling' && / ?(xhr|jsonp)-polling/.test(list.join(' ')))) m.log(name, 'policy', 0, 'refused', 'not in the server\'s list');
    }
    for (i = 0; i < list.length; i++) if (m.wants(list[i]) && !can(list[i], m.cross)) m.log(list[i], 'support', 0, 'unsupported', 'this browser cannot do it' + (m.cross ? ' across origins' : ''));
  };

  // What is remembered of a transport's failures, for all managers of that server in this page.
  M.record = function (name) {
    var k = this.base + ' ' + name;
    return (quarantine[k] = quarantine[k] || { n: 0, until: 0, young: 0 });
  };
  M.punish = function (name) {
    var r = this.record(name), s = RETEST[Math.min(r.n++, RETEST.length - 1)];
    if (wire(name) !== name) return;   // nothing is left below polling
    r.until = now() + s * 1000;
    this.log(name, 'quarantine', 0, 'quarantined', 'next test in ' + s + ' s');
  };

  // Where to begin: a polling form surely works, so these come first; what is in quarantine comes last.
  M.starters = function () {
    var m = this, groups = [[], [], []], i, name;
    for (i = 0; i < m.policy.length; i++) {
      name = m.policy[i];
      if (m.wants(name) && can(name, m.cross)) groups[m.record(name).until > now() ? 2 : wire(name) === name ? 1 : 0].push(name);
    }
    return groups[0].concat(groups[1], groups[2]);
  };

  M.open = M.connect = function (fn) {
    var m = this, list, tried = {}, sick = [];
    if (fn) m.once('open', fn);
    if (m.readyState !== 'closed') return m;
    clearTimeout(m.timer);
    m.nextAt = 0;
    m.stopped = false;
    m.readyState = 'opening';
    list = m.starters();
    // If what worked before fails now, the server is probably away: do not knock at every door each time.
    if (m.good && m.attempts % 3 && index(list, m.good) >= 0) list = [m.good];
    (function next(err) {
      var e, name = list.shift(), t0 = now();
      if (!name) return m.failed(err || oops('unsupported', 'no allowed transport works in this browser'));
      tried[name] = true;
      e = m.engine = new Engine(m);
      e.start(name, function (err) {
        var i;
        if (m.engine !== e) return;
        if (!err) {
          // only now is it known that it was not the server
          for (i = 0; i < sick.length; i++) m.punish(sick[i]);
          m.good = name;
          m.opened();
        } else {
          m.fault(name, 'open', t0, err);
          m.engine = null;
          if (err.code !== 'refused') sick.push(name);
          if (err.allowed) {
            list = [];
            err.allowed = m.starters();
            for (i = 0; i < err.allowed.length; i++) if (!tried[err.allowed[i]]) list.push(err.allowed[i]);
          }
          next(err);
        }
      });
    })();
    return m;
  };

  M.each = function (fn) {
    for (var k in this.nsps) if (this.nsps[k].active) fn(this.nsps[k]);
  };
  M.tell = function () {
    var args = arguments;
    this.fire.apply(this, args);
    this.each(function (s) { s.fire.apply(s, args); });
  };

  M.opened = function () {
    var m = this, again = m.attempts;
    m.readyState = 'open';
    m.partial = null;
    m.fire('open');
    if (m.retrying) {
      m.retrying = false;
      m.tell('reconnect', again);
    }
    m.each(function (s) { s.join(); });
  };

  M.failed = function (err) {
    var m = this;
    m.readyState = 'closed';
    m.fire('error', err);
    m.fire('connect_error', err);
    m.each(function (s) { s.fire('connect_error', err); });
    if (m.retrying) m.tell('reconnect_error', err);
    m.retry();
  };

  M.lost = function (err, e) {
    var m = this, why = err.code === 'ping' ? 'ping timeout' : err.code === 'garbled' ? 'parse error' : err.code === 'cut' || err.code === 'closed' ? 'transport close' : 'transport error', i, item;
    if (m.engine !== e) return;
    m.engine = null;
    m.readyState = 'closed';
    // events that never left wait for the next session
    for (i = e.queue.length; i--;) {
      item = e.queue[i];
      if (item.socket && item.socket.active) item.socket.waiting.unshift(item);
    }
    m.fire('close', why, err);
    m.each(function (s) { s.dropped(why, err); });
    m.retry(e.hurry);
  };

  M.retry = function (hurry) {
    var m = this, o = m.opts, delay, any;
    m.each(function () { any = true; });
    if (!o.reconnection || !any || m.stopped || m.readyState !== 'closed') return;
    if (m.attempts >= o.reconnectionAttempts) {
      m.attempts = 0;
      m.retrying = false;
      return m.tell('reconnect_failed');
    }
    delay = Math.min(o.reconnectionDelayMax, o.reconnectionDelay * Math.pow(2, Math.min(m.attempts, 20)));
    delay = hurry && !m.hurried ? Math.random() * 100 : Math.min(o.reconnectionDelayMax, delay * (1 + (Math.random() * 2 - 1) * o.randomizationFactor));
    m.hurried = hurry;
    m.retrying = true;
    m.nextAt = now() + delay;
    m.log('', 'wait', 0, 'ok', 'next try in ' + Math.round(delay) + ' ms');
    clearTimeout(m.timer);
    m.timer = setTimeout(function () { m.again(); }, delay);
    m.fire('waiting', m.nextAt);
  };
  M.again = function () {
    var m = this;
    if (m.readyState !== 'closed') return;
    m.attempts++;
    m.tell('reconnect_attempt', m.attempts);
    m.tell('reconnecting', m.attempts);
    if (m.readyState === 'closed' && m.retrying) m.open();
  };

  M.close = M.disconnect = function () {
    var m = this, e = m.engine;
    clearTimeout(m.timer);
    m.nextAt = 0;
    m.stopped = true;
    m.retrying = false;
    m.engine = null;
    m.readyState = 'closed';
    if (e) {
      m.each(function (s) { s.dropped('io client disconnect'); });
      e.close();
      m.fire('close', 'forced close');
    }
  };

  M.socket = function (nsp, opts) {
    return (this.nsps[nsp] = this.nsps[nsp] || new Socket(this, nsp, opts || {}));
  };

  M.packet = function (s) {
    if (this.partial) throw oops('garbled', 'text while an attachment is due');
    var p = decode(s);
    if (p.need) this.partial = p; else this.route(p);
  };
  M.binary = function (b) {
    var p = this.partial;
    if (!p) throw oops('garbled', 'an attachment of nothing');
    p.found.push(b);
    if (p.found.length < p.need) return;
    this.partial = null;
    p.data = refill(p.data, p.found);
    this.route(p);
  };
  M.route = function (p) {
    var s = this.nsps['' + p.nsp];
    if (s) s.packet(p);
    else if (p.type === 0 && this.engine) this.engine.send({ frames: encode(1, p.nsp) });
  };

  // Back from sleep, from the back-forward cache, or online again: look now, and give every transport a new chance.
  function awake() {
    var i, m, k;
    for (k in quarantine) quarantine[k].until = 0;
    for (i = 0; i < managers.length; i++) {
      m = managers[i];
      if (m.engine && m.readyState === 'open') { m.engine.check(); if (m.engine) m.engine.improve(); }
      if (m.nextAt) m.again();
    }
  }

  function listen(target, name, fn) {
    try {
      if (target.addEventListener) target.addEventListener(name, fn, false);
      else if (target.attachEvent) target.attachEvent('on' + name, fn);
    } catch (x) {}
  }
  listen(root, 'online', awake);
  listen(root, 'pageshow', function (ev) { if (ev && ev.persisted) awake(); });
  if (doc) listen(doc, 'visibilitychange', function () {
    for (var i = 0; i < managers.length; i++) if (managers[i].engine && !doc.hidden) managers[i].engine.check();
  });
  // Frames and scripts under way keep old engines' pages in memory.
  listen(root, 'unload', function () {
    for (var i = 0; i < managers.length; i++) if (managers[i].engine) managers[i].engine.stop();
  });

  // ---- socket: one namespace

  function Socket(m, nsp, opts) {
    var s = this;
    s.io = m;
    s.nsp = nsp;
    s.auth = opts.auth;
    s.connected = s.active = s.recovered = false;
    s.disconnected = true;
    s.waiting = [];
    s.early = [];
    s.acks = {};
    s.ids = 0;
    s['volatile'] = { emit: function () { if (s.connected && m.engine && m.engine.link.free) s.emit.apply(s, arguments); return s; } };
  }
  var S = inherit(Socket);

  S.connect = S.open = function () {
    var s = this;
    if (s.active) {
      if (s.io.nextAt) s.io.again();   // do not wait for the next try
      return s;
    }
    s.active = true;
    if (s.io.readyState === 'open') s.join(); else s.io.open();
    return s;
  };

  S.join = function () {
    var s = this, e = s.io.engine;
    function go(data) {
      var d = {}, k;
      if (s.io.engine !== e || !s.active) return;
      if (s.pid) { d.pid = s.pid; d.offset = s.offset; }
      for (k in data) d[k] = data[k];
      for (k in d) { e.send({ frames: encode(0, s.nsp, null, d) }); return; }
      e.send({ frames: encode(0, s.nsp) });
    }
    if (typeof s.auth === 'function') s.auth(go); else go(s.auth);
  };

  S.emit = function (name) {
    var s = this, args = [].slice.call(arguments), fn, ms = s.limit, id = null, timer, item;
    if (/^(connect|connect_error|disconnect|disconnecting|newListener|removeListener)$/.test(name)) throw new Error('"' + name + '" is a reserved event name');
    s.limit = 0;
    if (typeof args[args.length - 1] === 'function') {
      id = s.ids++;
      fn = args.pop();
      s.acks[id] = function () { clearTimeout(timer); fn.apply(s, ms ? [null].concat([].slice.call(arguments)) : arguments); };
      if (ms) timer = setTimeout(function () {
        delete s.acks[id];
        fn.call(s, oops('timeout', 'operation has timed out'));
      }, ms);
    }
    item = { frames: encode(2, s.nsp, id, args), socket: s, id: id };
    if (s.connected && s.io.engine) s.io.engine.send(item); else s.waiting.push(item);
    return s;
  };
  S.send = function () { return this.emit.apply(this, ['message'].concat([].slice.call(arguments))); };
  S.write = S.send;
  S.timeout = function (ms) { this.limit = ms; return this; };
  S.compress = function () { return this; };

  S.packet = function (p) {
    var s = this, d = p.data, e, q, fn;
    if (!s.active) return;
    if (p.type === 0) {
      if (!d || !d.sid) { s.fire('connect_error', oops('garbled', 'the server speaks an older Socket.IO')); return; }
      s.recovered = !!(d.pid && s.pid === d.pid);
      s.pid = d.pid;
      s.id = d.sid;
      s.connected = true;
      s.disconnected = false;
      s.io.attempts = 0;
      q = s.early;
      s.early = [];
      while (q.length) s.deliver(q.shift());
      q = s.waiting;
      s.waiting = [];
      while (q.length) s.io.engine ? s.io.engine.send(q.shift()) : s.waiting.push(q.shift());
      s.fire('connect');
    } else if (p.type === 1) {
      s.active = false;
      s.dropped('io server disconnect');
      s.io.idle();
    } else if (p.type === 4) {
      e = oops('forbidden', d && d.message || '' + d);
      e.data = d && d.data;
      s.active = false;
      s.fire('connect_error', e);
      s.io.idle();
    } else if (p.type === 3) {
      fn = s.acks[p.id];
      delete s.acks[p.id];
      if (fn) try { fn.apply(s, d); } catch (x) { later(x); }
    } else if (s.connected) s.deliver(p);
    else s.early.push(p);
  };

  S.deliver = function (p) {
    var s = this, d = p.data, answered, e = s.io.engine, last = d[d.length - 1];
    if (s.pid && typeof last === 'string') s.offset = last;
    if (p.id != null) d.push(function () {
      if (answered || s.io.engine !== e || !e) return;
      answered = true;
      e.send({ frames: encode(3, s.nsp, p.id, [].slice.call(arguments)) });
    });
    s.fire.apply(s, d);
  };

  S.dropped = function (why, err) {
    var s = this, keep = {}, i, was = s.connected;
    s.connected = false;
    s.disconnected = true;
    s.id = undefined;
    // only what was not sent can still be answered
    for (i = 0; i < s.waiting.length; i++) if (s.waiting[i].id != null) keep[s.waiting[i].id] = s.acks[s.waiting[i].id];
    s.acks = keep;
    if (was) s.fire('disconnect', why, err && { description: err.message, code: err.code });
  };

  S.disconnect = S.close = function () {
    var s = this, e = s.io.engine;
    if (s.active) {
      s.active = false;
      if (s.connected && e) e.send({ frames: encode(1, s.nsp) });
      s.dropped('io client disconnect');
      s.io.idle();
    }
    return s;
  };

  M.idle = function () {
    var any;
    this.each(function () { any = true; });
    if (!any) this.close();
  };

  // ---- io(url, options)

  function queryText(q) {
    var s = '', k;
    if (q && typeof q === 'object') for (k in q) s += encodeURIComponent(k) + '=' + encodeURIComponent(q[k]) + '&';
    else if (q) s = ('' + q).replace(/^\?/, '') + '&';
    return s;
  }

  function io(uri, opts) {
    var u, m, base, nsp, path, key;
    if (uri && typeof uri === 'object') { opts = uri; uri = ''; }
    opts = opts || {};
    uri = uri || '';
    if (!/^(\w+:)?\/\//.test(uri)) uri = '//' + (/^[\/?]|^$/.test(uri) ? loc.host : '') + uri;
    u = /^(\w+:)?\/\/([^\/?#]*)([^?#]*)\??([^#]*)/.exec(uri);
    base = (u[1] || loc.protocol || 'http:').replace(/^ws/, 'http') + '//' + u[2].replace(/:(80|443)$/, function (all, port) { return (port === '80') === /^(http|ws):/.test(u[1] || loc.protocol) ? '' : all; });
    nsp = u[3] || '/';
    path = (opts.path || '/socket.io').replace(/\/*$/, '/');
    key = base + path;
    m = cache[key];
    if (!m || opts.forceNew || opts['force new connection'] || opts.multiplex === false || m.nsps[nsp]) {
      m = new Manager(base, path, queryText(opts.query) + queryText(u[4]), opts);
      if (!cache[key]) cache[key] = m;
    }
    m = m.socket(nsp, opts);
    if (m.io.opts.autoConnect) m.connect();
    return m;
  }

  io.connect = io.io = io;
  io.Manager = Manager;
  io.Socket = Socket;
  io.managers = cache;
  io.protocol = 5;
  io.policy = POLICY;
  // Whether this engine has what the transport needs; for a page of the server's own origin.
  io.can = function (name) { return can(name, ''); };

  root.io = io;
  if (typeof module === 'object' && module && module.exports) module.exports = io;
})(typeof window === 'object' && window ? window : typeof self === 'object' && self ? self : this);
