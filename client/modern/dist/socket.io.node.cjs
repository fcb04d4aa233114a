/*! Parlance client: Engine.IO 4, Socket.IO 5. MIT licence. */
var __create = Object.create;
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __getProtoOf = Object.getPrototypeOf;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __export = (target2, all) => {
  for (var name in all)
    __defProp(target2, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toESM = (mod, isNodeMode, target2) => (target2 = mod != null ? __create(__getProtoOf(mod)) : {}, __copyProps(
  // If the importer is in node compatibility mode or this is not an ESM
  // file that has been converted to a CommonJS file using a Babel-
  // compatible transform (i.e. "__esModule" has not been set), then set
  // "default" to the CommonJS "module.exports" for node compatibility.
  isNodeMode || !mod || !mod.__esModule ? __defProp(target2, "default", { value: mod, enumerable: true }) : target2,
  mod
));
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// src/node/index.js
var index_exports = {};
__export(index_exports, {
  Fetch: () => Fetch,
  Manager: () => Manager,
  NodeWebSocket: () => NodeWebSocket,
  NodeXHR: () => NodePolling,
  Socket: () => Socket,
  WebSocket: () => NodeWebSocket,
  XHR: () => NodePolling,
  connect: () => io,
  default: () => io,
  io: () => io,
  protocol: () => protocol
});
module.exports = __toCommonJS(index_exports);

// src/root.js
var root = typeof self === "object" ? self : typeof window === "object" ? window : globalThis;

// src/timers.js
var native = { set: root.setTimeout, clear: root.clearTimeout };
var Timers = class {
  constructor({ useNativeTimers, autoUnref }) {
    this._native = useNativeTimers;
    this._unref = autoUnref;
  }
  set(action, ms) {
    const timer = (this._native ? native.set : root.setTimeout).call(root, action, ms);
    if (this._unref && timer.unref) timer.unref();
    return timer;
  }
  clear(timer) {
    (this._native ? native.clear : root.clearTimeout).call(root, timer);
  }
};
function soon(action) {
  Promise.resolve().then(action);
}

// src/bytes.js
var isBlob = (value) => typeof Blob === "function" && value instanceof Blob;
function isBinary(value) {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) || isBlob(value);
}
function toBytes(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return new Response(value).arrayBuffer().then((buffer) => new Uint8Array(buffer));
}
function sizeOf(value) {
  return isBlob(value) ? value.size : value.byteLength;
}
var STEP = 8192;
function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += STEP) text += String.fromCharCode(...bytes.subarray(at, at + STEP));
  return btoa(text);
}
function fromBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
function received(bytes, binaryType) {
  if (binaryType === "nodebuffer" && typeof Buffer === "function") return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (binaryType === "blob") return new Blob([bytes]);
  const { buffer, byteOffset, byteLength } = bytes;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}
function utf8Length(text) {
  let length = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit > 127) length += unit > 2047 && (unit < 55296 || unit > 57343) ? 2 : 1;
  }
  return length;
}

// src/engine/packets.js
var TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];
var SEPARATOR = "";
function encodeText({ type, data }) {
  if (!isBinary(data)) return TYPES.indexOf(type) + (data === void 0 ? "" : data);
  const bytes = toBytes(data);
  return ArrayBuffer.isView(bytes) ? `b${toBase64(bytes)}` : bytes.then((read) => `b${toBase64(read)}`);
}
function encodeBody(packets) {
  const texts = packets.map(encodeText);
  const join = (parts) => parts.join(SEPARATOR);
  return texts.some((text) => typeof text !== "string") ? Promise.all(texts).then(join) : join(texts);
}
function lengthOf({ data }) {
  if (typeof data === "string") return 1 + utf8Length(data);
  return data === void 0 ? 1 : 1 + 4 * Math.ceil(sizeOf(data) / 3);
}
function decodePacket(message, binaryType) {
  try {
    if (typeof message !== "string") return { type: "message", data: received(toBytes(message), binaryType) };
    if (message[0] === "b") return { type: "message", data: received(fromBase64(message.slice(1)), binaryType) };
  } catch (_) {
    return void 0;
  }
  const type = TYPES[message.charCodeAt(0) - 48];
  return type && { type, data: message.length > 1 ? message.slice(1) : void 0 };
}
function decodeBody(body, binaryType) {
  return body.split(SEPARATOR).map((message) => decodePacket(message, binaryType));
}

// src/emitter.js
function report(error) {
  if (typeof root.reportError === "function") root.reportError(error);
  else
    setTimeout(() => {
      throw error;
    });
}
function callAll(listeners, context, args) {
  for (const listener of listeners.slice()) {
    try {
      listener.apply(context, args);
    } catch (error) {
      report(error);
    }
  }
}
var Emitter = class {
  constructor() {
    this._listeners = /* @__PURE__ */ new Map();
  }
  on(name, listener) {
    const known = this._listeners.get(name);
    if (known) known.push(listener);
    else this._listeners.set(name, [listener]);
    return this;
  }
  once(name, listener) {
    const once = (...args) => {
      this.off(name, once);
      listener.apply(this, args);
    };
    once.listener = listener;
    return this.on(name, once);
  }
  /** Without a listener: all of that name. Without a name: all. */
  off(name, listener) {
    if (name === void 0) this._listeners.clear();
    else if (listener === void 0) this._listeners.delete(name);
    else {
      const left = this.listeners(name).slice();
      const at = left.findIndex((known) => known === listener || known.listener === listener);
      if (at >= 0) left.splice(at, 1);
      if (left.length) this._listeners.set(name, left);
      else this._listeners.delete(name);
    }
    return this;
  }
  listeners(name) {
    return this._listeners.get(name) || [];
  }
  hasListeners(name) {
    return this.listeners(name).length > 0;
  }
  emit(name, ...args) {
    return this.fire(name, ...args);
  }
  /** Calls the listeners of `name`. Not `emit`, which a `Socket` has for what goes to the server. */
  fire(name, ...args) {
    callAll(this.listeners(name), this, args);
    return this;
  }
};
var { on, off } = Emitter.prototype;
Emitter.prototype.addEventListener = on;
Emitter.prototype.removeListener = off;
Emitter.prototype.removeEventListener = off;
Emitter.prototype.removeAllListeners = off;
function listen(emitter, handlers) {
  for (const name of Object.keys(handlers)) emitter.on(name, handlers[name]);
  return () => {
    for (const name of Object.keys(handlers)) emitter.off(name, handlers[name]);
  };
}

// src/url.js
var PARTS = /^(?:(https?|wss?):)?(?:\/\/)?(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?([^?#]*)(?:\?([^#]*))?/i;
function url(address, path = "", place = root.location) {
  const parts = PARTS.exec(complete(address, place)) || [];
  const given = parts[1] || place && /^https?(?=:)/.exec(place.protocol) || "https";
  const protocol2 = String(given).toLowerCase();
  const secure = protocol2 === "https" || protocol2 === "wss";
  const host = (parts[2] || "localhost").replace(/^\[|\]$/g, "");
  const port = parts[3] || (secure ? "443" : "80");
  const id = `${protocol2}://${bracketed(host)}:${port}${path}`;
  const href = `${protocol2}://${bracketed(host)}${parts[3] ? `:${port}` : ""}`;
  return { protocol: protocol2, secure, host, port, path: parts[4] || "/", query: parts[5] || "", id, href, source: href + (parts[4] || "") };
}
function complete(address, place) {
  if (typeof address === "string" && !/^\/(?!\/)/.test(address)) return address;
  if (address && typeof address !== "string") return String(address);
  const origin = place && place.host ? `${place.protocol}//${place.host}` : "http://localhost";
  return origin + (address || "");
}
function bracketed(host) {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
function parseQuery(text) {
  const values = {};
  new URLSearchParams(text).forEach((value, name) => {
    values[name] = value;
  });
  return values;
}
function formatQuery(values) {
  const pairs = [];
  for (const name of Object.keys(values)) {
    if (values[name] !== void 0) pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(values[name])}`);
  }
  return pairs.join("&");
}

// src/engine/transport.js
var TransportError = class extends Error {
  /** `description` is the status of the answer, or what failed; `context` the request. */
  constructor(message, description, context) {
    super(message);
    this.type = "TransportError";
    this.description = description;
    this.context = context;
  }
};
var Transport = class extends Emitter {
  /** `opts` are the engine's, with those of `transportOptions` for this transport over them. */
  constructor(engine, opts) {
    super();
    this.engine = engine;
    this.opts = opts;
    this.query = { ...opts.query };
    this.supportsBinary = !opts.forceBase64;
    this.readyState = "closed";
    this.writable = false;
  }
  open() {
    this.readyState = "opening";
    this.doOpen();
    return this;
  }
  close() {
    if (this.readyState === "opening" || this.readyState === "open") {
      this.doClose();
      this.onClose();
    }
    return this;
  }
  /** `packets` are objects with `type` and `data`. Nothing may be sent while `writable` is false. */
  send(packets) {
    if (this.readyState === "open") this.write(packets);
  }
  onOpen() {
    this.readyState = "open";
    this.writable = true;
    this.fire("open");
  }
  /** A packet of the server; `undefined` if what came is none. */
  onPacket(packet) {
    if (packet) this.fire("packet", packet);
    else this.onError("parse error", "the server sent no packet");
  }
  onDrain() {
    this.writable = true;
    this.fire("drain");
  }
  onError(message, description, context) {
    this.fire("error", new TransportError(message, description, context));
  }
  onClose(details) {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.writable = false;
    this.fire("close", details);
  }
  /** Its address, with a parameter that is new each time if `stamped`. */
  address(scheme, stamped) {
    const { hostname, port, secure, path, timestampParam } = this.opts;
    const query = { ...this.query };
    const { sid } = query;
    delete query.sid;
    if (stamped) query[timestampParam] = Math.random().toString(36).slice(2, 10);
    if (!this.supportsBinary && !sid) query.b64 = 1;
    if (sid) query.sid = sid;
    const usual = secure ? "443" : "80";
    const at = port && String(port) !== usual ? `:${port}` : "";
    return `${scheme}${secure ? "s" : ""}://${bracketed(hostname)}${at}${path}?${formatQuery(query)}`;
  }
};

// src/engine/polling.js
var LATE = 1e4;
var Polling = class extends Transport {
  constructor(engine, opts) {
    super(engine, opts);
    this._polling = void 0;
    this._pausing = void 0;
  }
  get name() {
    return "polling";
  }
  /** Messages of errors. */
  get errors() {
    return { GET: "xhr poll error", POST: "xhr post error" };
  }
  /**
   * Makes a request: `{ method, url, body }`. Calls `done(text)` after a good answer, else
   * `failed(description, context)`. Returns what ends the request, after which it calls nothing.
   */
  request() {
    throw new Error("not implemented");
  }
  doOpen() {
    this._poll();
  }
  /** Calls `paused` when no request is under way and none will be made. */
  pause(paused) {
    this._pausing = paused;
    this._checkPause();
  }
  /** Goes on after `pause`, if nothing came of it. */
  resume() {
    this._pausing = void 0;
    if (this.readyState === "paused") this.readyState = "open";
    if (this.readyState === "open" && !this._polling) this._poll();
  }
  _checkPause() {
    if (!this._pausing || this._polling || !this.writable) return;
    const paused = this._pausing;
    this._pausing = void 0;
    this.readyState = "paused";
    paused();
  }
  _poll() {
    this._polling = this._ask("GET", void 0, (body) => {
      this._polling = void 0;
      this._answer(body);
    });
  }
  _answer(body) {
    const packets = decodeBody(body, this.engine.binaryType);
    if (this.readyState === "closed") this._leaveLate(packets[0]);
    for (const packet of packets) {
      if (this.readyState === "closed") return;
      if (this.readyState === "opening" && packet && packet.type === "open") this.onOpen();
      if (packet && packet.type === "close") this.onClose({ description: "transport closed by the server" });
      else this.onPacket(packet);
    }
    if (this.readyState === "closed") return;
    if (this._pausing) this._checkPause();
    else if (!this._polling) this._poll();
  }
  write(packets) {
    this.writable = false;
    const body = encodeBody(packets);
    const post = (text) => {
      if (this.readyState !== "open") return;
      this._posting = this._ask("POST", text, () => {
        this._posting = void 0;
        this.onDrain();
        this._checkPause();
      });
    };
    if (typeof body === "string") post(body);
    else body.then(post, (error) => this.onError(this.errors.POST, error));
  }
  doClose() {
    if (this.readyState === "open") this._leave();
    else if (this._polling) this.engine.timers.set(this._polling, LATE);
  }
  /** Tells the server, which then answers the poll that it holds. */
  _leave() {
    const end = () => this._polling && this._polling();
    this.request({ method: "POST", url: this._address(), body: "1" }, end, end);
  }
  _leaveLate(packet) {
    if (this.query.sid || !packet || packet.type !== "open") return;
    try {
      this.query.sid = JSON.parse(packet.data).sid;
      this._leave();
    } catch (_) {
    }
  }
  _address() {
    return this.address("http", this.opts.timestampRequests !== false);
  }
  _ask(method, body, done) {
    const failed = (description, context) => this.onError(this.errors[method], description, context);
    try {
      return this.request({ method, url: this._address(), body }, done, failed);
    } catch (error) {
      soon(() => failed(error));
      return () => {
      };
    }
  }
};

// src/engine/fetch.js
var Fetch = class extends Polling {
  get errors() {
    return { GET: "fetch read error", POST: "fetch write error" };
  }
  request({ method, url: url2, body }, done, failed) {
    const { extraHeaders, withCredentials } = this.opts;
    const headers = { ...extraHeaders };
    if (body !== void 0) headers["Content-Type"] = "text/plain;charset=UTF-8";
    let ended = false;
    const stop = typeof AbortController === "function" ? new AbortController() : void 0;
    const credentials = withCredentials ? "include" : "same-origin";
    fetch(url2, { method, body, headers, credentials, cache: "no-store", signal: stop && stop.signal }).then((answer) => answer.ok ? answer.text() : Promise.reject(answer)).then(
      (text) => ended || done(text),
      (error) => ended || failed(error.status || error, error)
    );
    return () => {
      ended = true;
      if (stop) stop.abort();
    };
  }
};

// src/engine/probe.js
function probe(engine, name) {
  const candidate = engine.create(name);
  let ended = false;
  const end = () => {
    if (ended) return false;
    ended = true;
    engine.upgrading = false;
    engine.off("close", closed).off("upgrading", outdone);
    candidate.off();
    return true;
  };
  const abandon = () => {
    if (end()) candidate.close();
  };
  const outdone = (other) => {
    if (other.name !== candidate.name) abandon();
  };
  const fail = (error) => {
    const was = engine.upgrading;
    if (!end()) return;
    candidate.close();
    if (was) engine.transport.resume();
    const failure = new Error(`probe error: ${error instanceof Error ? error.message : error}`);
    failure.transport = candidate.name;
    engine.fire("upgradeError", failure);
    if (was) engine.flush();
  };
  const closed = () => fail("socket closed");
  const moved = () => {
    if (!end()) return;
    engine.moveTo(candidate);
    candidate.send([{ type: "upgrade" }]);
    engine.fire("upgrade", candidate);
    engine.flush();
  };
  const answer = ({ type, data }) => {
    if (type !== "pong" || data !== "probe") return fail("no answer to the ping");
    candidate.off("packet", answer);
    engine.upgrading = true;
    engine.fire("upgrading", candidate);
    if (!ended) engine.transport.pause(moved);
    return void 0;
  };
  candidate.on("open", () => candidate.send([{ type: "ping", data: "probe" }]));
  candidate.on("packet", answer);
  candidate.on("error", fail);
  candidate.on("close", () => fail("transport closed"));
  engine.on("close", closed).on("upgrading", outdone);
  candidate.open();
  return abandon;
}

// src/engine/engine.js
var reachedWebSocket = false;
var DEFAULTS = {
  path: "/engine.io",
  query: {},
  upgrade: true,
  rememberUpgrade: false,
  addTrailingSlash: true,
  timestampParam: "t",
  timestampRequests: void 0,
  transportOptions: {},
  closeOnBeforeunload: false,
  withCredentials: false,
  forceBase64: false,
  tryAllTransports: false
};
function target(address, opts) {
  const at = url(address);
  if (address !== void 0) return at;
  const secure = opts.secure === void 0 ? at.secure : opts.secure;
  const host = opts.hostname || opts.host;
  if (host) return { host: host.replace(/^\[|\]$/g, ""), secure, port: String(opts.port || (secure ? 443 : 80)), query: "" };
  return { host: at.host, secure, port: String(opts.port || at.port), query: "" };
}
function engineOf({ transports: known, binaryType }) {
  class Engine extends Emitter {
    constructor(address, opts = {}) {
      super();
      const at = target(address, opts);
      Object.assign(this, { hostname: at.host, secure: at.secure, port: at.port });
      this.opts = { ...DEFAULTS, ...opts, hostname: this.hostname, port: this.port, secure: this.secure };
      const query = opts.query === void 0 ? at.query : opts.query;
      this.opts.path = this.opts.path.replace(/\/$/, "") + (this.opts.addTrailingSlash ? "/" : "");
      this.opts.query = typeof query === "string" ? parseQuery(query) : { ...query };
      const byName = { ...known };
      const names = (opts.transports || Object.keys(known)).map((transport) => {
        if (typeof transport === "string") return transport;
        const { name } = transport.prototype;
        byName[name] = transport;
        return name;
      });
      this._byName = byName;
      this.transports = names.filter((name) => byName[name]);
      this.timers = new Timers(this.opts);
      this.binaryType = binaryType;
      this.id = void 0;
      this.readyState = "closed";
      this.upgrading = false;
      this.writeBuffer = [];
      this._sending = 0;
      this._upgrades = [];
      this._pingTimeoutTime = Infinity;
      this._listenToPage();
      this._open();
    }
    /** Makes a transport of that name, for the session as it is. */
    create(name) {
      const opts = { ...this.opts, ...this.opts.transportOptions[name] };
      const query = { ...opts.query, EIO: 4, transport: name };
      if (this.id) query.sid = this.id;
      return new this._byName[name](this, { ...opts, query });
    }
    _open() {
      this.readyState = "opening";
      if (!this.transports.length) {
        soon(() => this._onError(new Error("No transports available")));
        return;
      }
      const remembered = this.opts.rememberUpgrade && reachedWebSocket && this.transports.includes("websocket");
      const transport = this.create(remembered ? "websocket" : this.transports[0]);
      this.setTransport(transport);
      transport.open();
    }
    /** The session moves to this one, which the server has answered. */
    moveTo(transport) {
      this.setTransport(transport);
      reachedWebSocket = transport.name === "websocket";
    }
    /** From now on packets go and come by this one. */
    setTransport(transport) {
      if (this.transport) this.transport.off();
      this.transport = transport;
      transport.on("drain", () => this._onDrain()).on("packet", (packet) => this._onPacket(packet)).on("error", (error) => this._onError(error)).on("close", (details) => this._onClose("transport close", details));
    }
    _onPacket(packet) {
      if (this.readyState === "closed") return;
      this.fire("packet", packet);
      this.fire("heartbeat");
      switch (packet.type) {
        case "open":
          this._onHandshake(packet.data);
          break;
        case "ping":
          this._sendPacket("pong");
          this.fire("ping");
          this.fire("pong");
          this._expectPing();
          break;
        case "message":
          this.fire("data", packet.data);
          this.fire("message", packet.data);
          break;
        case "close":
          this._onClose("transport close", { description: "transport closed by the server" });
          break;
        default:
      }
    }
    _onHandshake(json) {
      let data;
      try {
        data = JSON.parse(json);
        this._upgrades = data.upgrades.filter((name) => this.transports.includes(name));
      } catch (error) {
        this._onError(error);
        return;
      }
      this.fire("handshake", data);
      this.id = data.sid;
      this.transport.query.sid = data.sid;
      this._pingEvery = data.pingInterval;
      this._pingWithin = data.pingTimeout;
      this._maxPayload = data.maxPayload;
      this.readyState = "open";
      reachedWebSocket = this.transport.name === "websocket";
      this.fire("open");
      this.flush();
      if (this.readyState !== "open") return;
      this._expectPing();
      if (this.opts.upgrade) {
        for (const name of this._upgrades) if (name !== this.transport.name) probe(this, name);
      }
    }
    _expectPing() {
      this.timers.clear(this._pingTimer);
      const delay = this._pingEvery + this._pingWithin;
      this._pingTimeoutTime = Date.now() + delay;
      this._pingTimer = this.timers.set(() => this._onClose("ping timeout"), delay);
    }
    /** Whether the server should have sent a ping by now. If so, the session ends. */
    _hasPingExpired() {
      const expired = Date.now() > this._pingTimeoutTime;
      if (expired && this._pingTimeoutTime) soon(() => this._onClose("ping timeout"));
      if (expired) this._pingTimeoutTime = 0;
      return expired;
    }
    write(message, options, flushed) {
      this._sendPacket("message", message, options, flushed);
      return this;
    }
    send(message, options, flushed) {
      return this.write(message, options, flushed);
    }
    _sendPacket(type, data, options = {}, flushed) {
      if (this.readyState === "closing" || this.readyState === "closed") return;
      const packet = { type, data, options: { ...options, compress: options.compress !== false } };
      this.fire("packetCreate", packet);
      this.writeBuffer.push(packet);
      if (flushed) this.once("flush", flushed);
      this.flush();
    }
    /** Gives the transport what waits, if it can take it. */
    flush() {
      if (this.readyState === "closed" || this.upgrading || !this.transport.writable || this._sending || !this.writeBuffer.length) return;
      const packets = this.writeBuffer.slice(0, this._fitting());
      this._sending = packets.length;
      this.transport.send(packets);
      this.fire("flush");
    }
    /** How many of those that wait the server takes in one body. */
    _fitting() {
      const { length } = this.writeBuffer;
      if (!this._maxPayload || this.transport.name !== "polling" || length < 2) return length;
      let size = 0;
      for (let count = 0; count < length; count++) {
        size += lengthOf(this.writeBuffer[count]) + (count ? 1 : 0);
        if (count && size > this._maxPayload) return count;
      }
      return length;
    }
    _onDrain() {
      this.writeBuffer.splice(0, this._sending);
      this._sending = 0;
      if (this.writeBuffer.length) this.flush();
      else this.fire("drain");
    }
    /** Ends the session when all has been sent. */
    close() {
      if (this.readyState !== "opening" && this.readyState !== "open") return this;
      this.readyState = "closing";
      this._closeWhenIdle();
      return this;
    }
    _closeWhenIdle() {
      if (this.readyState !== "closing") return;
      const again = (...events) => {
        const once = () => {
          events.forEach((name) => this.off(name, once));
          this._closeWhenIdle();
        };
        events.forEach((name) => this.on(name, once));
      };
      if (this.upgrading) again("upgrade", "upgradeError");
      else if (this.writeBuffer.length) again("drain");
      else this._onClose("forced close");
    }
    _onError(error) {
      reachedWebSocket = false;
      if (this.opts.tryAllTransports && this.readyState === "opening" && this.transports.length > 1) {
        this.transports = this.transports.filter((name) => name !== this.transport.name);
        this.transport.off();
        this._open();
        return;
      }
      this.fire("error", error);
      this._onClose("transport error", error);
    }
    _onClose(reason, details) {
      if (this.readyState === "closed") return;
      this.timers.clear(this._pingTimer);
      this._stopListening();
      if (this.transport) {
        this.transport.off();
        this.transport.close();
      }
      this.readyState = "closed";
      this.id = void 0;
      this.writeBuffer = [];
      this._sending = 0;
      this.fire("close", reason, details);
    }
    /** The page goes, or the network does. */
    _listenToPage() {
      this._stopListening = () => {
      };
      if (typeof root.addEventListener !== "function" || typeof root.removeEventListener !== "function") return;
      const leave = () => {
        if (!this.transport) return;
        this.transport.off();
        this.transport.close();
      };
      const offline = () => this._onClose("transport close", { description: "network connection lost" });
      const local = ["localhost", "127.0.0.1", "::1"].includes(this.hostname);
      if (this.opts.closeOnBeforeunload) root.addEventListener("beforeunload", leave, false);
      if (!local) root.addEventListener("offline", offline, false);
      this._stopListening = () => {
        root.removeEventListener("beforeunload", leave, false);
        root.removeEventListener("offline", offline, false);
      };
    }
  }
  Engine.protocol = 4;
  return Engine;
}

// src/backoff.js
var Backoff = class {
  constructor({ min, max, jitter }) {
    this.min = min;
    this.max = max;
    this.jitter = jitter;
    this.attempts = 0;
  }
  next() {
    const delay = this.min * 2 ** this.attempts++;
    const spread = 1 + this.jitter * (2 * Math.random() - 1);
    return Math.floor(Math.min(delay * spread, this.max));
  }
  reset() {
    this.attempts = 0;
  }
};

// src/parser/packet.js
var protocol = 5;
var PacketType = { CONNECT: 0, DISCONNECT: 1, EVENT: 2, ACK: 3, CONNECT_ERROR: 4, BINARY_EVENT: 5, BINARY_ACK: 6 };
var RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
var isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
function isEvent(data) {
  return Array.isArray(data) && (typeof data[0] === "number" || typeof data[0] === "string" && !RESERVED.includes(data[0]));
}
function isValid(type, data) {
  switch (type) {
    case PacketType.CONNECT:
      return data === void 0 || isObject(data);
    case PacketType.DISCONNECT:
      return data === void 0;
    case PacketType.CONNECT_ERROR:
      return typeof data === "string" || isObject(data);
    case PacketType.EVENT:
    case PacketType.BINARY_EVENT:
      return isEvent(data);
    default:
      return Array.isArray(data);
  }
}

// src/retries.js
var Retries = class {
  constructor(socket) {
    this._socket = socket;
    this.queue = [];
  }
  /** `args` are an event's name and arguments, with a function for its acknowledgement if there is one. */
  add(args, flags) {
    const told = typeof args[args.length - 1] === "function" ? args.pop() : void 0;
    const entry = { args, flags: { ...flags, queued: true }, tries: 0, pending: false };
    entry.answered = (error, ...answer) => {
      if (this.queue[0] !== entry) return;
      entry.pending = false;
      if (!error || entry.tries > this._socket._opts.retries) {
        this.queue.shift();
        if (told) told(error, ...answer);
      }
      this.next();
    };
    entry.answered.withError = true;
    this.queue.push(entry);
    this.next();
  }
  /** Sends the first. `again`: though it was sent, because the connection is another one. */
  next(again = false) {
    const [entry] = this.queue;
    if (!entry || !this._socket.connected || entry.pending && !again) return;
    entry.pending = true;
    entry.tries++;
    this._socket.flags = { ...entry.flags };
    this._socket.emit(...entry.args, entry.answered);
  }
};

// src/socket.js
var Socket = class extends Emitter {
  constructor(io2, nsp, opts = {}) {
    super();
    this.io = io2;
    this.nsp = nsp;
    this.id = void 0;
    this.connected = false;
    this.recovered = false;
    this.auth = opts.auth;
    this.receiveBuffer = [];
    this.sendBuffer = [];
    this.acks = {};
    this.ids = 0;
    this.flags = {};
    this._opts = opts;
    this._retries = new Retries(this);
    this._any = [];
    this._anyOutgoing = [];
  }
  get disconnected() {
    return !this.connected;
  }
  /** Whether it is connected, or will be by itself. */
  get active() {
    return this._stop !== void 0;
  }
  get _queue() {
    return this._retries.queue;
  }
  connect() {
    if (this.connected) return this;
    if (!this._stop) {
      this._stop = listen(this.io, {
        open: () => this._join(),
        packet: (packet) => this.onpacket(packet),
        error: (error) => this.connected || this.fire("connect_error", error),
        close: (reason, details) => this._onClose(reason, details)
      });
    }
    if (!this.io._reconnecting) this.io.open();
    if (this.io._readyState === "open") this._join();
    return this;
  }
  disconnect() {
    if (this.connected) this._packet({ type: PacketType.DISCONNECT });
    const was = this.connected;
    this._leave();
    if (was) this._onClose("io client disconnect");
    return this;
  }
  /** Emits `message`. */
  send(...args) {
    return this.emit("message", ...args);
  }
  /** Sends an event. A function as the last argument is called with the server's acknowledgement. */
  emit(name, ...args) {
    if (RESERVED.includes(name)) throw new Error(`"${name}" is a reserved event name`);
    const { flags } = this;
    this.flags = {};
    if (this._opts.retries && !flags.queued && !flags.volatile) {
      this._retries.add([name, ...args], flags);
      return this;
    }
    const { engine } = this.io;
    const ready = this.connected && !engine._hasPingExpired();
    const dropped = flags.volatile && !(ready && engine.transport && engine.transport.writable);
    const packet = { type: PacketType.EVENT, data: [name, ...args], options: { compress: flags.compress !== false } };
    if (typeof args[args.length - 1] === "function") {
      packet.id = this.ids++;
      this._expect(packet.id, packet.data.pop(), flags);
    }
    if (dropped) this._forget(packet.id);
    else if (ready) this._sendEvent(packet);
    else this.sendBuffer.push(packet);
    return this;
  }
  /** Like `emit`, and returns a promise of the acknowledgement. */
  emitWithAck(name, ...args) {
    return new Promise((resolve, reject) => {
      const answered = (error, value) => error ? reject(error) : resolve(value);
      answered.withError = true;
      this.emit(name, ...args, answered);
    });
  }
  /** Keeps an acknowledgement's function, which is called with an error first if it is to have one. */
  _expect(id, answered, flags) {
    const within = flags.timeout === void 0 ? this._opts.ackTimeout : flags.timeout;
    const timed = within !== void 0;
    const withError = timed || answered.withError === true;
    const timer = timed ? this.io._timers.set(() => {
      delete this.acks[id];
      this.sendBuffer = this.sendBuffer.filter((packet) => packet.id !== id);
      callAll([answered], this, [new Error("operation has timed out")]);
    }, within) : void 0;
    this.acks[id] = { answered, withError, timed, timer };
  }
  /** An event that nobody gets: it is answered by its timeout, or not at all. */
  _forget(id) {
    if (id !== void 0 && !this.acks[id].timed) delete this.acks[id];
  }
  _answered(id, error, args) {
    const ack = this.acks[id];
    if (!ack) return;
    delete this.acks[id];
    this.io._timers.clear(ack.timer);
    if (!ack.withError && error) return;
    callAll([ack.answered], this, ack.withError ? [error, ...args] : args);
  }
  /** The next event is sent as it is; a hint for servers and transports that compress. */
  compress(compress) {
    this.flags.compress = compress;
    return this;
  }
  /** The next event is dropped if it cannot be sent at once. */
  get volatile() {
    this.flags.volatile = true;
    return this;
  }
  /** The acknowledgement of the next event is waited for so many ms. Its function gets an error first. */
  timeout(ms) {
    this.flags.timeout = ms;
    return this;
  }
  // Listeners to every event that comes.
  onAny(listener) {
    this._any = [...this._any, listener];
    return this;
  }
  prependAny(listener) {
    this._any = [listener, ...this._any];
    return this;
  }
  offAny(listener) {
    this._any = without(this._any, listener);
    return this;
  }
  listenersAny() {
    return this._any;
  }
  // Listeners to every event that goes.
  onAnyOutgoing(listener) {
    this._anyOutgoing = [...this._anyOutgoing, listener];
    return this;
  }
  prependAnyOutgoing(listener) {
    this._anyOutgoing = [listener, ...this._anyOutgoing];
    return this;
  }
  offAnyOutgoing(listener) {
    this._anyOutgoing = without(this._anyOutgoing, listener);
    return this;
  }
  listenersAnyOutgoing() {
    return this._anyOutgoing;
  }
  _packet(packet) {
    this.io._packet({ ...packet, nsp: this.nsp });
  }
  _sendEvent(packet) {
    callAll(this._anyOutgoing, this, packet.data);
    this._packet(packet);
  }
  /** Asks for the namespace. */
  _join() {
    const { engine } = this.io;
    if (this._asked === engine) return;
    this._asked = engine;
    const ask = (data) => {
      if (this._asked !== engine || this._sentTo === engine || this.io._readyState !== "open") return;
      this._sentTo = engine;
      const session = this._pid ? { pid: this._pid, offset: this._lastOffset } : void 0;
      this._packet({ type: PacketType.CONNECT, data: session ? { ...session, ...data } : data });
    };
    if (typeof this.auth === "function") this.auth(ask);
    else ask(this.auth);
  }
  onpacket(packet) {
    if (packet.nsp !== this.nsp) return;
    switch (packet.type) {
      case PacketType.CONNECT:
        this._onConnect(packet.data || {});
        break;
      case PacketType.EVENT:
      case PacketType.BINARY_EVENT:
        this._onEvent(packet);
        break;
      case PacketType.ACK:
      case PacketType.BINARY_ACK:
        this._answered(packet.id, null, packet.data);
        break;
      case PacketType.DISCONNECT:
        this._leave();
        this._onClose("io server disconnect");
        break;
      case PacketType.CONNECT_ERROR:
        this._leave();
        this._onRefused(packet.data);
        break;
      default:
    }
  }
  _onRefused(data) {
    const error = new Error(typeof data === "string" ? data : data.message);
    error.data = data.data;
    this.fire("connect_error", error);
  }
  _onConnect({ sid, pid }) {
    if (!sid) {
      this.fire("connect_error", new Error("the server speaks an older protocol: it needs a client of Socket.IO 2"));
      return;
    }
    this.id = sid;
    this.recovered = Boolean(pid) && pid === this._pid;
    this._pid = pid;
    this.connected = true;
    const [received2, waiting] = [this.receiveBuffer, this.sendBuffer];
    this.receiveBuffer = [];
    this.sendBuffer = [];
    for (const args of received2) this._deliver(args);
    for (const packet of waiting) this._sendEvent(packet);
    this._retries.next(true);
    this.fire("connect");
  }
  _onEvent({ data, id }) {
    const args = id === void 0 ? data : [...data, this._acknowledge(id)];
    if (this.connected) this._deliver(args);
    else this.receiveBuffer.push(args);
  }
  _deliver(args) {
    callAll(this._any, this, args);
    this.fire(...args);
    const last = args[args.length - 1];
    if (this._pid && typeof last === "string") this._lastOffset = last;
  }
  /** A function that acknowledges an event of the server, once. */
  _acknowledge(id) {
    let sent = false;
    return (...data) => {
      if (sent) return;
      sent = true;
      if (this.connected) this._packet({ type: PacketType.ACK, id, data });
    };
  }
  /** Does not connect again by itself. */
  _leave() {
    if (this._stop) this._stop();
    this._stop = this._asked = this._sentTo = void 0;
    this.io._destroy();
  }
  _onClose(reason, details) {
    const was = this.connected;
    this.connected = false;
    this.id = this._asked = this._sentTo = void 0;
    if (was) this.fire("disconnect", reason, details);
    for (const id of Object.keys(this.acks)) {
      if (!this.sendBuffer.some((packet) => String(packet.id) === id)) this._answered(id, new Error("socket has been disconnected"), []);
    }
  }
};
var { connect, disconnect } = Socket.prototype;
Socket.prototype.open = connect;
Socket.prototype.close = disconnect;
function without(listeners, listener) {
  if (!listener) return [];
  const at = listeners.indexOf(listener);
  return listeners.filter((_, index) => index !== at);
}

// src/manager.js
var DEFAULTS2 = {
  path: "/socket.io",
  autoConnect: true,
  reconnection: true,
  reconnectionAttempts: Infinity,
  reconnectionDelay: 1e3,
  reconnectionDelayMax: 5e3,
  randomizationFactor: 0.5,
  timeout: 2e4
};
var filled = (opts, parser) => {
  const all = { ...DEFAULTS2, parser };
  for (const name of Object.keys(opts)) if (opts[name] !== void 0) all[name] = opts[name];
  return all;
};
function managerOf(Engine, parser) {
  return class Manager extends Emitter {
    constructor(uri, opts) {
      super();
      if (uri && typeof uri === "object" && !(uri instanceof root.URL)) {
        opts = uri;
        uri = void 0;
      }
      this.uri = uri;
      this.opts = filled(opts || {}, parser);
      this.nsps = {};
      this._timers = new Timers(this.opts);
      this._readyState = "closed";
      this._reconnecting = false;
      this._skipReconnect = false;
      this._reconnection = this.opts.reconnection;
      this._attempts = this.opts.reconnectionAttempts;
      this._timeout = this.opts.timeout;
      const { reconnectionDelay: min, reconnectionDelayMax: max, randomizationFactor: jitter } = this.opts;
      this.backoff = new Backoff({ min, max, jitter });
      const { Encoder: Encoder2, Decoder: Decoder2 } = this.opts.parser;
      this.encoder = new Encoder2();
      this.decoder = new Decoder2();
      this._autoConnect = this.opts.autoConnect;
      if (this._autoConnect) this.open();
    }
    // Each of these sets a value and returns the manager, or returns the value.
    reconnection(value) {
      if (!arguments.length) return this._reconnection;
      this._reconnection = Boolean(value);
      if (!value) {
        this._skipReconnect = true;
        this._timers.clear(this._retry);
        this._reconnecting = false;
      }
      return this;
    }
    reconnectionAttempts(value) {
      if (value === void 0) return this._attempts;
      this._attempts = value;
      return this;
    }
    reconnectionDelay(value) {
      if (value === void 0) return this.backoff.min;
      this.backoff.min = value;
      return this;
    }
    reconnectionDelayMax(value) {
      if (value === void 0) return this.backoff.max;
      this.backoff.max = value;
      return this;
    }
    randomizationFactor(value) {
      if (value === void 0) return this.backoff.jitter;
      this.backoff.jitter = value;
      return this;
    }
    timeout(value) {
      if (!arguments.length) return this._timeout;
      this._timeout = value;
      return this;
    }
    /** Connects. `done` is called with an error, or without one; if it is given, a failure is not tried again. */
    open(done) {
      if (this._readyState !== "closed") return this;
      this._readyState = "opening";
      this._skipReconnect = false;
      this.engine = new Engine(this.uri, this.opts);
      const { engine } = this;
      const failed = (error) => {
        this._release();
        this._readyState = "closed";
        this.fire("error", error);
        if (done) done(error);
        else if (!this._reconnecting && this._reconnection && this.backoff.attempts === 0) this._reconnect();
      };
      const opened = () => {
        this._release();
        this._onOpen();
        if (done) done();
      };
      const stop = listen(engine, { open: opened, error: failed });
      let timer;
      if (this._timeout !== false) {
        timer = this._timers.set(() => {
          stop();
          engine.close();
          failed(new Error("timeout"));
        }, this._timeout);
      }
      this._release = () => {
        stop();
        this._timers.clear(timer);
        this._release = () => {
        };
      };
      return this;
    }
    connect(done) {
      return this.open(done);
    }
    _release() {
    }
    _onOpen() {
      this._readyState = "open";
      const { engine, decoder } = this;
      const stops = [
        listen(engine, {
          ping: () => this.fire("ping"),
          data: (data) => this._onData(data),
          error: (error) => this.fire("error", error),
          close: (reason, details) => this._onClose(reason, details)
        }),
        listen(decoder, { decoded: (packet) => this.fire("packet", packet) })
      ];
      this._release = () => {
        stops.forEach((stop) => stop());
        decoder.destroy();
        this._release = () => {
        };
      };
      this.fire("open");
    }
    _onData(data) {
      try {
        this.decoder.add(data);
      } catch (error) {
        this._onClose("parse error", error);
      }
    }
    /** The socket of a namespace, and always the same. */
    socket(nsp, opts) {
      const known = this.nsps[nsp];
      if (!known) {
        const socket = new Socket(this, nsp, opts);
        this.nsps[nsp] = socket;
        if (this._autoConnect) socket.connect();
        return socket;
      }
      if (this._autoConnect && !known.active) known.connect();
      return known;
    }
    /** Sends a packet of one of its sockets. */
    _packet(packet) {
      for (const message of this.encoder.encode(packet)) this.engine.write(message, packet.options);
    }
    /** A socket has ended: so does the connection, unless others use it. */
    _destroy() {
      if (!Object.keys(this.nsps).some((nsp) => this.nsps[nsp].active)) this._close();
    }
    _close() {
      this._skipReconnect = true;
      this._reconnecting = false;
      this._onClose("forced close");
    }
    close() {
      this._close();
    }
    disconnect() {
      this._close();
    }
    _onClose(reason, details) {
      this._release();
      this._timers.clear(this._retry);
      if (this.engine) this.engine.close();
      this.backoff.reset();
      const was = this._readyState;
      this._readyState = "closed";
      if (was !== "closed") this.fire("close", reason, details);
      if (this._reconnection && !this._skipReconnect) this._reconnect();
    }
    /** Waits for its time, and tries again. */
    _reconnect() {
      if (this._reconnecting || this._skipReconnect || this._readyState !== "closed") return;
      if (this.backoff.attempts >= this._attempts) {
        this.backoff.reset();
        this.fire("reconnect_failed");
        return;
      }
      this._reconnecting = true;
      this._retry = this._timers.set(() => this._attempt(), this.backoff.next());
    }
    _attempt() {
      if (this._skipReconnect) return;
      this.fire("reconnect_attempt", this.backoff.attempts);
      if (this._skipReconnect || this._readyState !== "closed") return;
      this.open((error) => {
        if (error) {
          this.fire("reconnect_error", error);
          this._reconnecting = false;
          this._reconnect();
        } else {
          const { attempts } = this.backoff;
          this._reconnecting = false;
          this.backoff.reset();
          this.fire("reconnect", attempts);
        }
      });
    }
  };
}

// src/io.js
function library(platform, parser) {
  const Engine = engineOf(platform);
  const Manager2 = managerOf(Engine, parser);
  const shared = {};
  function io2(address, opts) {
    if (address && typeof address === "object" && !(address instanceof URL)) {
      opts = address;
      address = void 0;
    }
    opts = { ...opts };
    const { id, source, path, query } = url(address, opts.path || "/socket.io");
    if (query && !opts.query) opts.query = query;
    const alone = opts.forceNew || opts["force new connection"] || opts.multiplex === false || shared[id] && path in shared[id].nsps;
    if (alone) return new Manager2(source, opts).socket(path, opts);
    shared[id] = shared[id] || new Manager2(source, opts);
    return shared[id].socket(path, opts);
  }
  Object.assign(io2, { io: io2, connect: io2, Manager: Manager2, Socket, Engine, protocol });
  return { io: io2, Manager: Manager2 };
}

// src/parser/json.js
var json_exports = {};
__export(json_exports, {
  Decoder: () => Decoder,
  Encoder: () => Encoder,
  PacketType: () => PacketType,
  protocol: () => protocol
});

// src/parser/binary.js
function hasBinary(value) {
  if (typeof value !== "object" || value === null) return false;
  if (isBinary(value)) return true;
  if (Array.isArray(value)) return value.some(hasBinary);
  if (typeof value.toJSON === "function") return hasBinary(value.toJSON());
  for (const key in value) {
    if (Object.prototype.hasOwnProperty.call(value, key) && hasBinary(value[key])) return true;
  }
  return false;
}
function stringify(data, attachments) {
  return JSON.stringify(data, function placeholder(key, value) {
    const original = this[key];
    if (!isBinary(original)) return value;
    attachments.push(original);
    return { _placeholder: true, num: attachments.length - 1 };
  });
}
function restore(value, attachments) {
  if (typeof value !== "object" || value === null) return value;
  if (value._placeholder === true) {
    if (!Number.isInteger(value.num) || value.num < 0 || value.num >= attachments.length) throw new Error("placeholder of no attachment");
    return attachments[value.num];
  }
  for (const key of Object.keys(value)) value[key] = restore(value[key], attachments);
  return value;
}

// src/parser/json.js
var MOST = 1e3;
var Encoder = class {
  /** The Engine.IO messages of a packet: text, then its attachments. */
  encode({ type, nsp, id, data }) {
    const attachments = [];
    const binary = (type === PacketType.EVENT || type === PacketType.ACK) && hasBinary(data);
    const json = data === void 0 ? "" : binary ? stringify(data, attachments) : JSON.stringify(data);
    const head = binary ? `${type + PacketType.BINARY_EVENT - PacketType.EVENT}${attachments.length}-` : type;
    return [`${head}${nsp && nsp !== "/" ? `${nsp},` : ""}${id === void 0 ? "" : id}${json}`, ...attachments];
  }
};
var PACKET = /^([0-6])(?:(\d+)-)?(?:(\/[^,]*)(?:,|$))?(\d+)?([^]*)$/;
var Decoder = class extends Emitter {
  add(message) {
    if (typeof message === "string") this._text(message);
    else if (isBinary(message)) this._attachment(message);
    else throw new Error("a message is text or bytes");
  }
  destroy() {
    this._waiting = void 0;
  }
  _text(text) {
    if (this._waiting) throw new Error("text where an attachment is due");
    const packet = decode(text);
    if (packet.attachments) this._waiting = { packet, attachments: [] };
    else this.fire("decoded", packet);
  }
  _attachment(bytes) {
    if (!this._waiting) throw new Error("an attachment of no packet");
    const { packet, attachments } = this._waiting;
    attachments.push(bytes);
    if (attachments.length < packet.attachments) return;
    this._waiting = void 0;
    restore(packet.data, attachments);
    this.fire("decoded", packet);
  }
};
function decode(text) {
  const [, digit, count, nsp = "/", id, json] = PACKET.exec(text) || [];
  const type = Number(digit);
  const binary = type >= PacketType.BINARY_EVENT;
  if (digit === void 0) throw new Error(`no packet: ${text.slice(0, 40)}`);
  if (binary !== (count !== void 0) || Number(count) > MOST) throw new Error(`attachments: ${text.slice(0, 40)}`);
  const packet = { type, nsp, data: json ? JSON.parse(json) : void 0 };
  if (id !== void 0) packet.id = Number(id);
  if (!isValid(type, packet.data)) throw new Error(`not what a packet of type ${type} carries`);
  if (binary) packet.attachments = Number(count);
  return packet;
}

// src/node/polling.js
var import_node_http = __toESM(require("node:http"), 1);
var import_node_https = __toESM(require("node:https"), 1);

// src/node/cookies.js
var Cookies = class {
  constructor() {
    this._kept = /* @__PURE__ */ new Map();
  }
  /** Takes the values of `Set-Cookie`. */
  take(headers = []) {
    for (const header of headers) {
      const [pair, ...attributes] = header.split(";");
      const at = pair.indexOf("=");
      if (at < 1) continue;
      const name = pair.slice(0, at).trim();
      const until = expiry(attributes);
      if (until <= Date.now()) this._kept.delete(name);
      else this._kept.set(name, { value: pair.slice(at + 1).trim(), until });
    }
  }
  /** The value of `Cookie`, or `undefined`. */
  header() {
    const pairs = [];
    for (const [name, { value, until }] of this._kept) {
      if (until > Date.now()) pairs.push(`${name}=${value}`);
      else this._kept.delete(name);
    }
    return pairs.length ? pairs.join("; ") : void 0;
  }
};
function expiry(attributes) {
  const values = {};
  for (const attribute of attributes) {
    const [name, value = ""] = attribute.split("=");
    values[name.trim().toLowerCase()] = value.trim();
  }
  if (/^-?\d+$/.test(values["max-age"])) return Date.now() + 1e3 * Number(values["max-age"]);
  const at = Date.parse(values.expires);
  return Number.isNaN(at) ? Infinity : at;
}

// src/node/options.js
var NAMES = ["agent", "ca", "cert", "ciphers", "key", "passphrase", "pfx", "rejectUnauthorized", "localAddress"];
function nodeOptions(opts) {
  const given = {};
  for (const name of NAMES) if (opts[name] !== void 0 && opts[name] !== null) given[name] = opts[name];
  return given;
}
function headersOf({ opts, engine }) {
  const headers = { ...opts.extraHeaders };
  const cookie = opts.withCredentials && engine.cookies && engine.cookies.header();
  if (cookie) headers.Cookie = cookie;
  return headers;
}

// src/node/polling.js
var MOST2 = 5;
var NodePolling = class extends Polling {
  request({ method, url: url2, body }, done, failed) {
    let current;
    let ended = false;
    const fail = (description, context) => {
      if (!ended) failed(description, context);
      ended = true;
    };
    const ask = (address, left) => {
      const { protocol: protocol2 } = new URL(address);
      const headers = headersOf(this);
      if (body !== void 0) Object.assign(headers, { "Content-Type": "text/plain;charset=UTF-8", "Content-Length": Buffer.byteLength(body) });
      const request = (protocol2 === "https:" ? import_node_https.default : import_node_http.default).request(address, { method, headers, ...nodeOptions(this.opts) });
      current = request;
      if (this.opts.autoUnref) request.on("socket", (socket) => socket.unref());
      request.on("error", (error) => fail(error, request));
      request.on("response", (answer) => {
        if (this.opts.withCredentials) {
          this.engine.cookies = this.engine.cookies || new Cookies();
          this.engine.cookies.take(answer.headers["set-cookie"]);
        }
        const { location } = answer.headers;
        if (answer.statusCode >= 300 && location && left && method === "GET") {
          answer.resume();
          ask(new URL(location, address).href, left - 1);
          return;
        }
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (part) => text += part);
        answer.on("error", (error) => fail(error, request));
        answer.on("end", () => {
          if (answer.statusCode !== 200) return fail(answer.statusCode, { readyState: 4, status: answer.statusCode, responseText: text });
          if (!ended) done(text);
          ended = true;
          return void 0;
        });
      });
      request.end(body);
    };
    ask(url2, MOST2);
    return () => {
      ended = true;
      current.destroy();
    };
  }
};

// src/node/websocket.js
var import_node_module = require("node:module");

// src/engine/websocket.js
var WS = class extends Transport {
  get name() {
    return "websocket";
  }
  /** Makes the connection. */
  connect(url2, protocols) {
    return protocols ? new WebSocket(url2, protocols) : new WebSocket(url2);
  }
  doOpen() {
    const url2 = this.address("ws", this.opts.timestampRequests);
    try {
      this.ws = this.connect(url2, this.opts.protocols);
    } catch (error) {
      soon(() => this.onError("websocket error", error));
      return;
    }
    this.ws.binaryType = "arraybuffer";
    this.ws.onopen = () => this.onOpen();
    this.ws.onmessage = ({ data }) => this.onPacket(decodePacket(data, this.engine.binaryType));
    this.ws.onclose = (context) => this.onClose({ description: "websocket connection closed", context });
    this.ws.onerror = (error) => this.onError("websocket error", error, this.ws);
  }
  write(packets) {
    this.writable = false;
    const messages = packets.map((packet) => this.message(packet));
    const send = (ready) => {
      ready.forEach((message, n) => this._send(message, packets[n]));
      soon(() => this.readyState === "open" && this.onDrain());
    };
    if (messages.some((message) => message instanceof Promise)) Promise.all(messages).then(send);
    else send(messages);
  }
  /** What is sent for a packet, or a promise of it. */
  message(packet) {
    return this.supportsBinary && isBinary(packet.data) ? packet.data : encodeText(packet);
  }
  /** Gives a message to the connection. */
  give(message) {
    this.ws.send(message);
  }
  _send(message, packet) {
    try {
      this.give(message, packet);
    } catch (_) {
    }
  }
  doClose() {
    if (!this.ws) return;
    this.ws.onopen = this.ws.onmessage = this.ws.onclose = null;
    this.ws.onerror = () => {
    };
    this.ws.close();
    this.ws = void 0;
  }
};

// src/node/websocket.js
function installed() {
  try {
    return (0, import_node_module.createRequire)(__filename)("ws");
  } catch (_) {
    return void 0;
  }
}
var Package = installed();
var SMALL = 1024;
var hasWebSocket = Boolean(Package) || typeof WebSocket === "function";
var NodeWebSocket = class extends WS {
  connect(url2, protocols = []) {
    const headers = headersOf(this);
    if (!Package) return new WebSocket(url2, { protocols, headers });
    const { perMessageDeflate = false } = this.opts;
    const ws = new Package(url2, protocols, { headers, perMessageDeflate, ...nodeOptions(this.opts) });
    if (this.opts.autoUnref) ws.on("upgrade", ({ socket }) => socket.unref());
    return ws;
  }
  /** The package compresses all messages unless it is told, however small. */
  give(message, { options }) {
    if (!Package) return super.give(message);
    const { perMessageDeflate } = this.opts;
    const { threshold = SMALL } = perMessageDeflate || {};
    const compress = Boolean(perMessageDeflate && options && options.compress && Buffer.byteLength(message) >= threshold);
    return this.ws.send(message, { compress });
  }
  message(packet) {
    const { data } = packet;
    if (this.supportsBinary && isBinary(data) && !ArrayBuffer.isView(data) && !(data instanceof ArrayBuffer)) return toBytes(data);
    return super.message(packet);
  }
};

// src/node/index.js
var transports = hasWebSocket ? { polling: NodePolling, websocket: NodeWebSocket } : { polling: NodePolling };
var { io, Manager } = library({ transports, binaryType: "nodebuffer" }, json_exports);
// Annotate the CommonJS export names for ESM import in node:
0 && (module.exports = {
  Fetch,
  Manager,
  NodeWebSocket,
  NodeXHR,
  Socket,
  WebSocket,
  XHR,
  connect,
  io,
  protocol
});
