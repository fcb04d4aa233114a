/*! Parlance client: Engine.IO 4, Socket.IO 5. MIT licence. */
(function (root) {
  // Preferred first. The server writes its own policy into the next line.
  var POLICY = /*transports*/["websocket","eventsource","htmlfile","xhr-polling","jsonp-polling"]/*end*/;

  var OPEN = 5000, PROBE = 8000, TRIAL = 4000;   // ms
  var RETEST = [30, 60, 120, 300, 600];   // s in quarantine
  var QUESTION = '/parlance-echo';   // no such namespace: its refusal proves both directions

  var doc = root.document, loc = root.location || {}, JS = root.JSON;
  var Bytes = root.ArrayBuffer && root.atob && root.Uint8Array, cache = {}, managers = [], records = {}, serial = 0, born = now();

  function nothing() {}
  function now() { return new Date().getTime(); }
  function soon(fn) { setTimeout(fn, 0); }
  function kind(v) { return {}.toString.call(v).slice(8, -1); }
  function own(v, k) { return {}.hasOwnProperty.call(v, k); }
  function list(v) { return [].slice.call(v); }
  function has(array, item) {
    for (var i = 0; array && i < array.length; i++) if (array[i] === item) return true;
  }
  function oops(code, message, status) {
    var e = new Error(message);
    e.code = code;
    e.status = status;
    return e;
  }
  function garbled() { return oops('garbled', 'not an answer of this server (a proxy or sign-in page?)'); }
  function late() { return oops('timeout', 'no answer in time'); }
  function silent() { return oops('silent', 'nothing comes through (held back on the way?)'); }
  function cut() { return oops('cut', 'the stream broke'); }
  function unable() { return oops('unsupported', 'this browser cannot do it here'); }

  // ---- JSON, where it is missing. No eval: a strict CSP forbids it.

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
    if (t === 'Boolean' || t === 'Number' && isFinite(v)) return '' + v;
    if (!v || typeof v !== 'object') return 'null';
    if (t === 'Array') {
      for (k = 0; k < v.length; k++) out.push(write(v[k]));
      return '[' + out + ']';
    }
    for (k in v) if (own(v, k) && v[k] !== undefined && typeof v[k] !== 'function') out.push(quote(k) + ':' + write(v[k]));
    return '{' + out + '}';
  }

  function read(s) {
    var at = 0, escapes = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/' }, out;
    function fail() { throw garbled(); }
    function peek() {
      while (/\s/.test(s.charAt(at))) at++;
      return s.charAt(at);
    }
    function eat(c) {
      if (peek() !== c) fail();
      at++;
    }
    function string() {
      for (var out = '', c, hex; (c = s.charAt(++at)) !== '"'; out += c) {
        if (c < ' ') fail();   // so is the end
        if (c === '\\') {
          c = s.charAt(++at);
          hex = s.substr(at + 1, 4);
          if (c === 'u' && /^[\da-f]{4}$/i.test(hex)) {
            c = String.fromCharCode(parseInt(hex, 16));
            at += 4;
          } else c = escapes[c] || fail();
        }
      }
      at++;
      return out;
    }
    function value() {
      var c = peek(), v, k, x, n = 0, end = c === '[' ? ']' : '}';
      if (c === '"') return string();
      if (c === '[' || c === '{') {
        v = c === '[' ? [] : {};
        at++;
        while (peek() !== end) {
          if (n++) eat(',');
          k = v.length;
          if (c === '{') {
            if (peek() !== '"') fail();
            k = string();
            eat(':');
          }
          x = value();
          if (k !== '__proto__') v[k] = x;
        }
        at++;
        return v;
      }
      v = /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)/.exec(s.substr(at, 400)) || fail();
      at += v[0].length;
      return c === 'n' ? null : c === 't' || c !== 'f' && +v[0];
    }
    out = value();
    if (peek()) fail();
    return out;
  }

  function parse(s) { return JS ? JS.parse(s) : read(s); }

  // Half a surrogate pair has no UTF-8; old WebSockets throw.
  function stringify(v) {
    return (JS ? JS.stringify(v) : write(v)).replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (c) {
      return c.length > 1 ? c : '\\u' + c.charCodeAt(0).toString(16);
    });
  }

  // ---- Socket.IO packets

  function strip(v, found) {
    var out, k;
    if (!v || typeof v !== 'object') return v;
    if (kind(v.buffer || v) === 'ArrayBuffer') {
      found.push(v.buffer ? new Bytes(new Bytes(v.buffer, v.byteOffset, v.byteLength)).buffer : v);
      return { _placeholder: true, num: found.length - 1 };
    }
    if (typeof v.toJSON === 'function') return v;
    out = kind(v) === 'Array' ? [] : {};
    for (k in v) if (own(v, k)) out[k] = strip(v[k], found);
    return out;
  }

  function refill(v, found) {
    if (!v || typeof v !== 'object') return v;
    if (v._placeholder === true) {
      if (!found[v.num]) throw garbled();
      return found[v.num];
    }
    for (var k in v) if (own(v, k)) v[k] = refill(v[k], found);
    return v;
  }

  function encode(type, nsp, data, id) {
    var found = [];
    if (Bytes && type > 1) data = strip(data, found);
    return ['4' + (found.length ? type + 3 + '' + found.length + '-' : type) + (nsp === '/' ? '' : nsp + ',') + (id >= 0 ? id : '') + (data ? stringify(data) : '')].concat(found);
  }

  function decode(s) {
    var m = /^([0-6])(?:(\d+)-)?(\/[^,]*)?,?(\d*)/.exec(s), p, rest;
    if (!m) throw garbled();
    rest = s.slice(m[0].length);
    p = { type: +m[1], nsp: m[3] || '/', id: m[4], data: rest ? parse(rest) : '', found: [] };
    if (p.type > 4) {
      p.type -= 3;
      p.need = +m[2];
    }
    if ((p.type === 2 || p.type === 3) && kind(p.data) !== 'Array') throw garbled();
    return p;
  }

  function toBase64(buffer) {
    for (var s = '', b = new Bytes(buffer), i = 0; i < b.length; i++) s += String.fromCharCode(b[i]);
    return root.btoa(s);
  }

  function fromBase64(s) {
    var b, i;
    if (!Bytes) return { base64: true, data: s };
    s = root.atob(s);
    b = new Bytes(s.length);
    for (i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
    return b.buffer;
  }

  // ---- events

  function Emitter() {}
  var P = Emitter.prototype;
  P.on = function (name, fn) {
    var all = this._on = this._on || {};
    all['$' + name] = this.listeners(name).concat(fn);
    return this;
  };
  P.once = function (name, fn) {
    function one() {
      this.off(name, one);
      fn.apply(this, arguments);
    }
    one.fn = fn;
    return this.on(name, one);
  };
  P.off = P.removeListener = P.removeAllListeners = function (name, fn) {
    var keep = [], all = this.listeners(name), i;
    for (i = 0; fn && i < all.length; i++) if (all[i] !== fn && all[i].fn !== fn) keep.push(all[i]);
    if (name === undefined) this._on = {};
    else if (this._on) this._on['$' + name] = keep;
    return this;
  };
  P.listeners = function (name) { return this._on && this._on['$' + name] || []; };
  // A listener that throws must not stop the connection.
  P.fire = P.emit = function (name) {
    for (var all = this.listeners(name), args = list(arguments).slice(1), i = 0; i < all.length; i++) guard(all[i], this, args);
  };

  function guard(fn, self, args) {
    try { fn.apply(self, args); } catch (e) { soon(function () { throw e; }); }
  }

  function define(Class, methods) {
    Class.prototype = new Emitter();
    for (var k in methods) Class.prototype[k] = methods[k];
  }

  // ---- what the browser has; `cross` is the scheme of a server elsewhere

  function newRequest(cross) {
    var x;
    try {
      x = new root.XMLHttpRequest();
      if (!cross || 'withCredentials' in x) return x;
    } catch (e) {}
    try { return cross ? cross === loc.protocol && new root.XDomainRequest() : new root.ActiveXObject('Msxml2.XMLHTTP'); } catch (e2) {}
    try { return !cross && new root.ActiveXObject('Microsoft.XMLHTTP'); } catch (e3) {}
  }

  function can(name, cross) {
    if (name === 'websocket') return !!root.WebSocket;
    if (name === 'jsonp-polling') return !!doc;
    return !!(name === 'xhr-polling' || name === 'eventsource' && root.EventSource || name === 'htmlfile' && doc && !cross) && !!newRequest(cross);
  }

  function wire(name) { return name.replace(/.*-/, ''); }

  // ---- HTTP

  function answer(status, body) {
    var b, e;
    if (!status) return oops('unreachable', 'no answer from the server');
    try { b = parse(body); } catch (x) {}
    b = b || {};
    e = oops(b.code === 0 ? 'refused' : b.code === 1 ? 'expired' : b.code === 4 ? 'forbidden' : 'http', b.reason || b.message || 'HTTP ' + status, status);
    e.allowed = b.allowed;
    return e;
  }

  // Work that ends once: end(error), end(null, body), or end() to call it off.
  function job(ms, done, clean) {
    var timer = setTimeout(function () { end(late()); }, ms);
    function end(err, body) {
      if (!timer) return;
      clearTimeout(timer);
      timer = 0;   // before abort(), which may report readyState 4
      clean();
      if (err !== undefined) done(err, body);
    }
    return end;
  }

  function ajax(e, url, body, ms, done) {
    var x, cross = e.m.cross, end = job(ms, done, function () { try { x.abort(); } catch (ex) {} });
    try {
      x = newRequest(cross);
      x.open(body === null ? 'GET' : 'POST', url, true);
      if (cross && !('withCredentials' in x)) {   // XDomainRequest
        x.onload = function () { end(null, x.responseText); };
        x.onerror = x.ontimeout = function () { end(answer()); };
        x.onprogress = nothing;   // IE 9 drops requests that have none
      } else {
        if (e.m.opts.withCredentials) x.withCredentials = true;
        if (body !== null) x.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
        x.onreadystatechange = function () {   // not `this`: with ActiveX it is the window
          var status, got;
          if (x.readyState !== 4) return;
          try {
            status = x.status;
            got = x.responseText;
          } catch (ex) {}
          end(status === 200 ? null : answer(status, got), got);
        };
      }
      x.send(body);
    } catch (ex2) { soon(function () { end(oops('unsupported', ex2.message)); }); }
    return end;
  }

  function hide(node) {
    node.style.display = 'none';
    return node;
  }
  function drop(node) { if (node && node.parentNode) node.parentNode.removeChild(node); }
  function when(test, fn) { if (test()) fn(); else setTimeout(function () { when(test, fn); }, 50); }
  function isLoaded() { return doc.body && (now() - born > OPEN || /complete|undefined/.test(doc.readyState + '')); }

  function scriptGet(e, url, body, ms, done, slot) {
    var el = doc.createElement('script'), end = job(ms, done, function () {
      root.___eio[slot] = el.onload = el.onerror = el.onreadystatechange = nothing;
      drop(el);
    });
    root.___eio[slot] = function (s) { end(null, s); };
    el.onerror = function () { end(answer()); };
    // an error page calls nobody; but IE says loaded before the script runs
    el.onload = el.onreadystatechange = function () {
      if (!el.readyState || /loaded|complete/.test(el.readyState)) setTimeout(function () { end(oops('http', 'an error page instead of a script')); }, 1000);
    };
    el.src = url;
    doc.getElementsByTagName('head')[0].appendChild(el);
    return end;
  }

  function formPost(e, url, body, ms, done) {
    var name = 'parlance' + ++serial, form, area, frame, poll, end = job(ms, done, function () {
      clearInterval(poll);
      soon(function () {   // not inside its event
        drop(form);
        drop(frame);
      });
    });
    function look(loaded) {
      var s = '';
      try {
        if (frame.contentWindow.location.href === 'about:blank') return;
        s = frame.contentWindow.document.body.innerHTML;
      } catch (x) {}
      if (s || loaded === 1) end(null);
    }
    when(function () { return doc.body; }, function () {
      try { frame = doc.createElement('<iframe name="' + name + '">'); } catch (x) { frame = doc.createElement('iframe'); }
      form = hide(doc.createElement('form'));
      area = form.appendChild(doc.createElement('textarea'));
      area.name = 'd';
      frame.name = form.target = name;
      form.method = 'POST';
      form.action = url;
      form.setAttribute('accept-charset', 'utf-8');
      doc.body.appendChild(hide(frame));
      doc.body.appendChild(form);
      // forms rewrite newlines, so these travel as \n
      area.value = body.replace(/\\n/g, '\\\\n').replace(/\n/g, '\\n');
      form.submit();
      frame.onload = function () { look(1); };
      poll = setInterval(look, 50);
      setTimeout(function () { end(null); }, 3000);   // some engines never tell
    });
    return end;
  }

  // ---- links. They tell `up`: ready() for a probe, packet(p), drain() all is sent, fail(error)

  // one POST at a time, or their order could change
  function half(e, up, name, post) {
    var stop = nothing, link = {
      name: wire(name), form: name, free: true, posts: true,
      send: function (frames) {
        for (var body = [], i = 0; i < frames.length; i++) body.push(typeof frames[i] === 'string' ? frames[i] : 'b' + toBase64(frames[i]));
        link.free = false;
        stop = post(e, e.url(link), body.join('\x1e'), e.m.opts.timeout, function (err) {
          if (link.dead) return;
          if (err && err.status !== 413) return up.fail(err);
          if (err) e.m.log(name, 'send', 0, err);   // too large: no reason to lose the session
          link.free = true;
          up.drain();
        });
      },
      resume: function () {
        link.paused = false;
        if (!link.stop) link.get();
      },
      halt: function () {
        var fn = link.stop;
        link.stop = null;
        if (fn) fn();
      },
      close: function () {
        link.dead = true;
        stop();
        link.halt();
      }
    };
    soon(function () {   // or frames and scripts would hold up the page's load event
      when(name === 'htmlfile' || name === 'jsonp-polling' ? isLoaded : now, function () { if (!link.dead) link.get(); });
    });
    return link;
  }

  function pollLink(get, post) {
    return function (e, up, name) {
      var link = half(e, up, name, post), slot;
      if (get === scriptGet) {
        root.___eio = root.___eio || [];
        link.extra = '&j=' + (slot = root.___eio.push(nothing) - 1);
      }
      link.get = function () {
        link.stop = get(e, e.url(link), null, e.id ? e.patience() + 5000 : e.m.opts.timeout / (link.extra ? 2 : 1), function (err, body) {
          link.stop = null;
          if (link.dead) return;
          if (err) return up.fail(err);
          for (var packets = ('' + body).split('\x1e'), i = 0; i < packets.length && !link.dead; i++) {
            if (!/^[0-6b]/.test(packets[i])) return up.fail(garbled());
            up.packet(packets[i]);
          }
          if (!link.paused && !link.dead && !e.bye) link.get();
        }, slot);
      };
      return link;
    };
  }

  // a long response; after a 6 the next one follows
  function streamLink(begin) {
    return function (e, up, name) {
      var link = half(e, up, name, ajax), idle = 0;
      link.get = function () {
        var seen, stop, timer;
        function lost(err) {
          if (link.dead || !stop) return;
          link.halt();
          up.fail(err);
        }
        function bytes() {
          if (!seen) up.ready();
          seen = true;
        }
        // some browsers and proxies keep a stream back until it ends
        timer = setTimeout(function () { if (!seen) lost(silent()); }, OPEN);
        link.stop = function () {
          clearTimeout(timer);
          if (stop) stop();
          stop = null;
        };
        stop = begin(e, link, bytes, function (p) {
          if (!stop) return;
          bytes();
          if (p !== '6') {
            idle = 0;
            return up.packet(p);
          }
          link.halt();
          if (++idle > 5) up.fail(cut());
          else if (!link.paused) link.get();
        }, lost);
      };
      return link;
    };
  }

  function eventSource(e, link, bytes, packet, lost) {
    var es;
    try {
      es = new root.EventSource(e.url(link), { withCredentials: !!e.m.opts.withCredentials });
      es.onopen = bytes;
      es.onmessage = function (ev) {
        try { ev = '' + parse(ev.data); } catch (x) { return lost(garbled()); }
        packet(ev);
      };
      es.onerror = function () { lost(cut()); };
    } catch (ex) { soon(function () { lost(oops('unsupported', ex.message)); }); }
    return function () { if (es) es.onopen = es.onmessage = es.onerror = nothing, es.close(); };
  }

  function htmlFile(e, link, bytes, packet, lost) {
    var hooks = root.___eios = root.___eios || [], n = hooks.push(packet) - 1, ax, frame, poll;
    link.extra = '&j=' + n;
    try {   // outside the page IE neither spins nor clicks
      ax = new root.ActiveXObject('htmlfile');
      ax.open();
      ax.write('<html><body></body></html>');
      ax.close();
      ax.parentWindow.___eios = hooks;
    } catch (x) { ax = null; }
    frame = hide((ax || doc).createElement('iframe'));
    frame.src = e.url(link);
    (ax || doc).body.appendChild(frame);
    function look(ended) {
      var w;
      try {
        w = frame.contentWindow;
        if (w._) bytes();
        else if (w.location.href === 'about:blank') return;
      } catch (x) {}
      if (ended === 1) lost(cut());
    }
    frame.onload = frame.onreadystatechange = function () {
      if (!frame.readyState || frame.readyState === 'complete') look(1);
    };
    poll = setInterval(look, 50);
    return function () {
      clearInterval(poll);
      hooks[n] = frame.onload = frame.onreadystatechange = nothing;
      soon(function () {   // not inside its script
        try { frame.src = 'about:blank'; } catch (x) {}
        drop(frame);
        ax = null;
        if (root.CollectGarbage) root.CollectGarbage();
      });
    };
  }

  function webSocket(e, up, name) {
    var ws, dead, timer = setTimeout(function () { fail(late()); }, OPEN), link = {
      name: name, form: name, free: true,
      send: function (frames) {
        try { for (var i = 0; i < frames.length; i++) ws.send(frames[i]); } catch (x) { soon(broken); }
      },
      close: function () {
        dead = true;
        clearTimeout(timer);
        if (ws) try { ws.close(); } catch (x) {}
      }
    };
    function fail(err) {
      if (dead) return;
      link.close();
      up.fail(err);
    }
    function broken(ev) { fail(oops(ev && ev.wasClean ? 'closed' : 'cut', 'the connection broke (' + (ev && ev.code || '-') + ')')); }
    try {
      ws = new root.WebSocket(e.url(link));
      ws.binaryType = 'arraybuffer';
      ws.onopen = function () {
        clearTimeout(timer);
        if (!dead) up.ready();
      };
      ws.onmessage = function (ev) { if (!dead) up.packet(ev.data); };
      ws.onclose = broken;
      ws.onerror = function () { setTimeout(broken, 50); };   // the close event says more, if it comes
    } catch (ex) { soon(function () { fail(oops('unsupported', ex.message)); }); }
    return link;
  }

  var links = {
    websocket: webSocket,
    eventsource: streamLink(eventSource),
    htmlfile: streamLink(htmlFile),
    'xhr-polling': pollLink(ajax, ajax),
    'jsonp-polling': pollLink(scriptGet, formPost)
  };

  // ---- engine: one session, whatever carries it

  function Engine(m) {
    this.m = m;
    this.id = '';
    this.queue = [];
    this.readyState = 'opening';
  }

  define(Engine, {
    url: function (link) {
      var m = this.m, ws = link.name === 'websocket';
      return (ws ? m.base.replace('http', 'ws') : m.base) + m.path + '?' + m.query + 'EIO=4&transport=' + link.name +
        (link.extra || '') + (this.id ? '&sid=' + encodeURIComponent(this.id) : '&client=parlance') + (ws ? '' : '&t=' + now().toString(36) + (++serial).toString(36));
    },

    patience: function () { return this.pingInterval + this.pingTimeout; },

    start: function (name, done) {
      var e = this;
      e.since = now();
      e.transport = links[name](e, {
        ready: nothing,
        packet: function (p) {
          var h;
          if (e.id) return e.take(p);
          try { h = parse(p.slice(1)); } catch (x) {}
          if (!h) return this.fail(garbled());
          e.id = h.sid;
          e.upgrades = h.upgrades;
          e.pingInterval = h.pingInterval;
          e.pingTimeout = h.pingTimeout;
          e.maxPayload = h.maxPayload || Infinity;
          e.readyState = 'open';
          e.m.log(name, 'open', e.since);
          e.watch();
          done();
          e.improve();
        },
        drain: function () { e.flush(); },
        fail: function (err) {
          if (e.id) return e.lost(err);
          e.stop();
          done(err);
        }
      }, name);
    },

    send: function (frames, socket, id) {
      this.queue.push({ frames: frames, socket: socket, id: id });
      this.flush();
    },

    // Nothing goes out on trial: the new way might swallow it.
    flush: function () {
      var e = this, frames = [], size = 0, item, i;
      if (e.readyState !== 'open' || e.trial || e.leaving || !e.transport.free) return;
      while ((item = e.queue[0])) {
        for (i = 0; e.transport.posts && i < item.frames.length; i++) size += 4 + (item.frames[i].byteLength * 1.4 || unescape(encodeURIComponent(item.frames[i])).length);
        if (frames.length && size > e.maxPayload) break;
        frames = frames.concat(e.queue.shift().frames);
      }
      if (frames.length) e.transport.send(frames);
      if (e.bye && e.transport.free) e.bye();
    },

    take: function (p) {
      var e = this, c;
      if (e.readyState !== 'open' || e.bye) return;
      e.heard = now();
      if (e.trial) e.trial();
      try {
        if (typeof p !== 'string') return e.m.binary(p);
        c = p.charAt(0);
        p = p.slice(1);
        if (c === '2') e.send(['3']);
        else if (c === '4') e.m.text(p);
        else if (c === 'b') e.m.binary(fromBase64(p));
        else if (c === '1') e.lost(oops('closed', 'the server ended the session'));
      } catch (x) { e.lost(oops('garbled', x.message)); }
    },

    // Timers sleep with the machine.
    watch: function () {
      var e = this;
      e.heard = now();
      (function look() {
        e.watcher = setTimeout(look, Math.max(1000, e.heard + e.patience() - now()));
        e.check();
      })();
    },
    check: function () { if (now() - this.heard >= this.patience()) this.lost(oops('ping', 'the server fell silent')); },

    // Looks for a better way, now and when one leaves quarantine.
    improve: function (err) {
      var e = this, m = e.m, i, name, left, soonest = Infinity;
      clearTimeout(e.again);
      // the server waits 10 s for a failed try
      if (err && /timeout|silent/.test(err.code)) soonest = 10000;
      else if (!m.opts.upgrade || e.probing || e.readyState !== 'open' || !e.transport.posts) return;
      else for (i = 0; i < m.policy.length && m.policy[i] !== e.transport.form; i++) {
        name = m.policy[i];
        if (wire(name) !== name || !m.wants(name) || !can(name, m.cross)) continue;
        left = m.record(name).until - now();
        if (!has(e.upgrades, name)) {
          if (!e.told) m.log(name, 'upgrade', 0, oops('refused', 'not offered by the server'));
        } else if (left <= 0) return e.probe(name);
        else soonest = Math.min(soonest, left);
      }
      e.told = true;
      if (soonest < Infinity) e.again = setTimeout(function () { e.improve(); }, soonest);
    },

    probe: function (name) {
      var e = this, m = e.m, t0 = now(), step = 'open', old = e.transport, timer, link, held;
      function live() { return e.transport === link; }
      function stop() {
        step = e.probing = e.leaving = null;
        clearTimeout(timer);
        link.close();
      }
      function fail(err) {
        if (live()) return e.trial ? e.trial(err) : e.lost(err);
        if (!step) return;
        m.log(name, step, t0, err);
        m.punish(name);
        stop();
        e.fire('upgradeError', err);
        old.resume();
        e.flush();
        e.improve(err);
      }
      function trial(err) {
        step = e.trial = e.probing = null;
        clearTimeout(timer);
        if (err) e.transport = old;
        m.log(name, 'upgrade', t0, err);
        if (err) {
          // unless the server took the session back, too, a new one opens at once
          m.punish(name);
          link.close();
          e.hurry = true;
          old.resume();
        } else {
          old.close();
          e.since = now();
          e.fire('upgrade', link);
        }
        e.flush();
        e.improve(err);
      }
      e.probing = stop;
      timer = setTimeout(function () { fail(late()); }, PROBE);
      // One POST at a time, whichever way it goes.
      function after(test, fn) { when(function () { return !step || test(); }, function () { if (step) fn(); }); }
      link = links[name](e, {
        ready: function () {
          if (step !== 'open') return;
          m.log(name, step, t0);
          step = 'probe';
          after(function () { return old.free; }, function () {
            e.leaving = link.posts;
            link.send(['2probe']);
          });
        },
        packet: function (p) {
          if (live()) return held ? held.push(p) : e.take(p);
          if (step !== 'probe') return;
          if (p !== '3probe') return fail(garbled());
          m.log(name, 'probe-pong', t0);
          step = 'leave';
          e.leaving = old.paused = true;
          after(function () { return link.free && old.free && (!old.stop || old.name !== 'polling'); }, function () {
            e.leaving = null;
            e.transport = link;
            e.trial = trial;
            clearTimeout(timer);
            timer = setTimeout(function () { trial(silent()); }, TRIAL);
            if (old.stop) {   // the rest of a stream comes first
              held = [];
              after(function () { return !old.stop; }, function () {
                var all = held;
                held = null;
                while (all.length) e.take(all.shift());
              });
            }
            link.send(['5'].concat(encode(0, QUESTION)));
          });
        },
        drain: function () {
          if (step === 'probe') e.leaving = null;
          e.flush();
        },
        fail: fail
      }, name);
    },

    stop: function () {
      this.readyState = 'closed';
      clearTimeout(this.watcher);
      clearTimeout(this.again);
      if (this.probing) this.probing();
      this.transport.close();
    },

    lost: function (err) {
      var e = this, name = e.transport.form, r = e.m.record(name);
      if (e.readyState !== 'open' || e.bye) return;
      e.stop();
      e.m.log(name, 'close', e.since, err);
      if (now() - e.since > 60000) r.young = r.n = 0;
      else if (err.code === 'cut' && ++r.young > 1) {   // died young, twice
        r.young = 0;
        e.m.punish(name);
      }
      e.fire('close', err.code, err);
      e.m.lost(err, e);
    },

    close: function () {
      var e = this;
      e.bye = function () { e.stop(); };
      if (e.readyState !== 'open') return e.bye();
      e.m.log(e.transport.form, 'close', e.since);
      setTimeout(e.bye, 2000);
      if (e.transport.posts) e.queue.push({ frames: ['1'] });
      e.flush();
    }
  });

  // ---- manager: one server, one connection at a time

  function Manager(base, path, query, opts) {
    var m = this, k;
    m.opts = { reconnection: true, reconnectionAttempts: Infinity, reconnectionDelay: 1000, reconnectionDelayMax: 5000, randomizationFactor: 0.5, timeout: 20000, autoConnect: true, upgrade: true };
    for (k in opts) if (opts[k] !== undefined) m.opts[k] = opts[k];
    m.base = base;
    m.path = path;
    m.query = query;
    m.cross = base === loc.protocol + '//' + loc.host ? '' : base.replace(/\/.*/, '');
    m.nsps = {};
    m.entries = [];
    m.born = now();
    m.attempts = m.nextAt = 0;
    m.readyState = 'closed';
    m.setPolicy(POLICY);
    managers.push(m);
  }

  define(Manager, {
    timeline: function () { return this.entries.slice(); },

    log: function (name, step, t0, err) {
      var code = err ? err.code : 'ok', entry = {
        at: now() - this.born, transport: name, step: step, ms: t0 ? now() - t0 : 0, code: code, reason: err ? err.message : '',
        outcome: /^(ok|refused|unsupported|quarantined)$/.test(code) ? code : 'failed'
      };
      this.entries.push(entry);
      if (this.entries.length > 200) this.entries.shift();
      this.fire('timeline', entry);
      if (err && kind(err.allowed) === 'Array') this.setPolicy(err.allowed);
    },

    setPolicy: function (policy) {
      var m = this, t = m.opts.transports || [], i;
      m.policy = policy;
      for (i = 0; i < t.length; i++) if (!has(policy, t[i]) && !(t[i] === 'polling' && /polling/.test(policy))) m.log(t[i], 'policy', 0, oops('refused', 'not in the server\'s list'));
      for (i = 0; i < policy.length; i++) if (m.wants(policy[i]) && !can(policy[i], m.cross)) m.log(policy[i], 'support', 0, unable());
    },

    wants: function (name) {
      var t = this.opts.transports;
      return !t || has(t, name) || has(t, wire(name));
    },

    record: function (name) {
      name += this.base;
      return (records[name] = records[name] || { n: 0, until: 0, young: 0 });
    },
    punish: function (name) {
      var r = this.record(name), s = RETEST[Math.min(r.n++, 4)];
      r.until = now() + s * 1000;
      this.log(name, 'quarantine', 0, oops('quarantined', 'next test in ' + s + ' s'));
    },

    // polling first, it surely works; what failed lately last
    starters: function () {
      for (var m = this, order = [[], [], []], i = 0, name; i < m.policy.length; i++) {
        name = m.policy[i];
        if (m.wants(name) && can(name, m.cross)) order[m.record(name).until > now() ? 2 : wire(name) === name ? 1 : 0].push(name);
      }
      return order[0].concat(order[1], order[2]);
    },

    open: function () {
      var m = this, tried = {}, sick = [], why;
      if (m.readyState !== 'closed') return m;
      clearTimeout(m.timer);
      m.nextAt = 0;
      m.readyState = 'opening';
      (function next(err) {
        var order = m.starters(), name, e, i = 0;
        while (tried[name = order[i]]) i++;
        // what worked before fails: the server is away
        if (m.good && m.attempts % 3) name = err ? null : has(order, m.good) ? m.good : name;
        // whoever is unwelcome is so by any way
        if (err && err.code === 'forbidden') name = !(why = err);
        if (!name) return m.failed(why || err || unable());
        tried[name] = true;
        e = m.engine = new Engine(m);
        e.start(name, function (err) {
          if (m.engine !== e) return;
          if (err) {
            m.log(name, 'open', e.since, err);
            if (err.code !== 'refused') {
              why = why || err;   // the first says most
              sick.push(name);
            }
            return next(err);
          }
          while (sick.length) m.punish(sick.pop());
          m.good = name;
          m.opened();
        });
      })();
      return m;
    },

    each: function (fn) {
      var k, any = false;
      for (k in this.nsps) if (this.nsps[k].active) {
        any = true;
        fn(this.nsps[k]);
      }
      return any;
    },
    tell: function () {
      var args = arguments;
      this.fire.apply(this, args);
      this.each(function (s) { s.fire.apply(s, args); });
    },

    opened: function () {
      var m = this, again = m.retrying;
      m.readyState = 'open';
      m.partial = m.retrying = null;
      m.fire('open');
      if (again) m.tell('reconnect', m.attempts);
      m.each(function (s) { s.join(); });
    },

    failed: function (err) {
      var m = this;
      m.readyState = 'closed';
      m.engine = null;
      m.tell('connect_error', err);
      if (m.retrying) m.tell('reconnect_error', err);
      m.retry();
    },

    lost: function (err, e) {
      var m = this, why = { ping: 'ping timeout', garbled: 'parse error' }[err.code] || 'transport close', item;
      if (m.engine !== e) return;
      m.readyState = 'closed';
      m.engine = null;
      // what never left waits for the next session
      while ((item = e.queue.pop())) if (item.socket && item.socket.active) item.socket.waiting.unshift(item);
      m.fire('close', why, err);
      m.each(function (s) { s.dropped(why, err); });
      m.retry(e.hurry);
    },

    retry: function (hurry) {
      var m = this, o = m.opts, max = o.reconnectionDelayMax, ms = Math.min(max, o.reconnectionDelay * Math.pow(2, m.attempts));
      if (!o.reconnection || !m.each(nothing) || m.readyState !== 'closed') return;
      if (m.attempts >= o.reconnectionAttempts) {
        m.attempts = 0;
        m.retrying = false;
        return m.tell('reconnect_failed');
      }
      ms = hurry ? 0 : Math.min(max, ms * (1 + (Math.random() * 2 - 1) * o.randomizationFactor));
      m.retrying = true;
      m.nextAt = now() + ms;
      m.timer = setTimeout(function () { m.again(); }, ms);
      m.fire('waiting', m.nextAt);
    },
    again: function () {
      var m = this;
      clearTimeout(m.timer);
      if (!m.nextAt) return;
      m.nextAt = 0;
      m.attempts++;
      m.tell('reconnect_attempt', m.attempts);
      m.tell('reconnecting', m.attempts);
      if (m.each(nothing)) m.open();
    },

    close: function () {
      var m = this, e = m.engine;
      clearTimeout(m.timer);
      m.nextAt = 0;
      m.retrying = m.engine = null;
      m.readyState = 'closed';
      m.each(function (s) { s.dropped('io client disconnect'); });
      if (e) e.close();
    },

    text: function (s) {
      if (this.partial) throw garbled();
      s = decode(s);
      if (s.need) this.partial = s; else this.route(s);
    },
    binary: function (b) {
      var p = this.partial;
      p.found.push(b);
      if (p.found.length < p.need) return;
      this.partial = null;
      p.data = refill(p.data, p.found);
      this.route(p);
    },
    route: function (p) {
      var s = this.nsps[p.nsp];
      if (s) s.packet(p);
      else if (!p.type) this.engine.send(encode(1, p.nsp));   // a server that takes any namespace
    }
  });
  Manager.prototype.connect = Manager.prototype.open;

  // ---- socket: one namespace

  function Socket(m, nsp, opts) {
    this.io = m;
    this.nsp = nsp;
    this.auth = opts.auth;
    this.connected = this.active = false;
    this.disconnected = true;
    this.waiting = [];
    this.acks = {};
    this.ids = 0;
  }

  define(Socket, {
    connect: function () {
      var s = this, m = s.io, was = s.active;
      s.active = true;
      if (m.nextAt) m.again();
      else if (m.readyState !== 'open') m.open();
      else if (!was) s.join();
      return s;
    },

    join: function () {
      var s = this, e = s.io.engine;
      function go(data) { if (s.io.engine === e && s.active) e.send(encode(0, s.nsp, data)); }
      if (typeof s.auth === 'function') s.auth(go); else go(s.auth);
    },

    emit: function (name) {
      var s = this, args = list(arguments), ms = s.limit, id, timer, fn, frames;
      if (/^((dis)?connect(_error|ing)?|(new|remove)Listener)$/.test(name)) throw new Error('reserved: ' + name);
      s.limit = 0;
      if (typeof args[args.length - 1] === 'function') {
        fn = args.pop();
        id = s.ids++;
        s.acks[id] = function () {
          clearTimeout(timer);
          fn.apply(s, (ms ? [null] : []).concat(list(arguments)));
        };
        if (ms) timer = setTimeout(function () {
          delete s.acks[id];
          fn.call(s, late());
        }, ms);
      }
      frames = encode(2, s.nsp, args, id);
      if (s.connected) s.io.engine.send(frames, s, id); else s.waiting.push({ frames: frames, id: id });
      return s;
    },
    send: function () { return this.emit.apply(this, ['message'].concat(list(arguments))); },
    timeout: function (ms) {
      this.limit = ms;
      return this;
    },

    packet: function (p) {
      var s = this, d = p.data, q, item;
      if (!s.active) return;
      if (p.type === 0) {
        if (!d.sid) return s.refused(garbled());
        s.id = d.sid;
        s.connected = true;
        s.disconnected = false;
        s.io.attempts = 0;
        q = s.waiting;
        s.waiting = [];
        while ((item = q.shift())) s.io.engine.send(item.frames, s, item.id);
        s.fire('connect');
      } else if (p.type === 1) s.leave('io server disconnect');
      else if (p.type === 4) s.refused(d);
      else if (p.type === 3) {
        q = s.acks[p.id];
        delete s.acks[p.id];
        if (q) guard(q, s, d);
      } else if (s.connected) s.deliver(p);
    },

    refused: function (d) {
      var e = oops('forbidden', d.message);
      e.data = d.data;
      this.active = false;
      this.fire('connect_error', e);
      if (!this.io.each(nothing)) this.io.close();
    },

    deliver: function (p) {
      var s = this, e = s.io.engine, once = p.id;
      if (once) p.data.push(function () {
        if (once && s.io.engine === e) e.send(encode(3, s.nsp, list(arguments), p.id));
        once = 0;
      });
      s.fire.apply(s, p.data);
    },

    dropped: function (why, err) {
      var s = this, keep = {}, i, id, was = s.connected;
      s.connected = false;
      s.disconnected = true;
      s.id = undefined;
      // only what was not sent can still be answered
      for (i = 0; i < s.waiting.length; i++) {
        id = s.waiting[i].id;
        keep[id] = s.acks[id];
      }
      s.acks = keep;
      if (was) s.fire('disconnect', why, err && { description: err.message, code: err.code });
    },

    disconnect: function () {
      if (this.connected) this.io.engine.send(encode(1, this.nsp));
      return this.leave('io client disconnect');
    },

    leave: function (why) {
      this.active = false;
      this.dropped(why);
      if (!this.io.each(nothing)) this.io.close();
      return this;
    }
  });
  P = Socket.prototype;
  P.open = P.connect;
  P.close = P.disconnect;

  // ---- the page's life

  function listen(target, name, fn) {
    if (target && target.addEventListener) target.addEventListener(name, fn, false);
    else if (target && target.attachEvent) target.attachEvent('on' + name, fn);
  }
  function check() {
    for (var i = 0, e; i < managers.length; i++) if ((e = managers[i].engine) && e.id) e.check();
  }
  function awake() {
    var i, m;
    records = {};
    check();
    for (i = 0; i < managers.length; i++) {
      m = managers[i];
      m.again();
      if (m.engine) m.engine.improve();
    }
  }
  listen(root, 'online', awake);
  listen(root, 'pageshow', function (ev) { if (ev.persisted) awake(); });
  listen(doc, 'visibilitychange', check);
  // old IE leaks
  if (root.attachEvent) root.attachEvent('onunload', function () { for (var i = 0; i < managers.length; i++) managers[i].close(); });

  // ---- io(url, options)

  function queryText(q) {
    var s = '', k;
    if (typeof q === 'string') return q && q + '&';
    for (k in q) s += encodeURIComponent(k) + '=' + encodeURIComponent(q[k]) + '&';
    return s;
  }

  function io(uri, opts) {
    var u, m, s, base, nsp, path;
    if (typeof uri === 'object') {
      opts = uri;
      uri = '';
    }
    opts = opts || {};
    uri = uri || '/';
    if (!/^(\w+:)?\/\//.test(uri)) uri = '//' + (/^[\/?]/.test(uri) ? loc.host : '') + uri;
    u = /^(\w+:)?\/\/([^\/?#]*)([^?#]*)\??([^#]*)/.exec(uri);
    base = (u[1] || loc.protocol).replace('ws', 'http') + '//' + u[2];
    nsp = u[3] || '/';
    path = (opts.path || '/socket.io').replace(/\/*$/, '/');
    m = cache[base + path];
    if (!m || opts.forceNew || opts['force new connection'] || opts.multiplex === false || m.nsps[nsp]) {
      m = new Manager(base, path, queryText(opts.query) + queryText(u[4]), opts);
      cache[base + path] = cache[base + path] || m;
    }
    s = m.nsps[nsp] = new Socket(m, nsp, opts);
    if (m.opts.autoConnect) s.connect();
    return s;
  }

  io.connect = io;
  io.protocol = 5;
  io.policy = POLICY;
  io.can = function (name) { return can(name, ''); };
  root.io = io;
  if (typeof module === 'object' && module.exports) module.exports = io;
})(typeof window === 'object' ? window : typeof self === 'object' ? self : this);
