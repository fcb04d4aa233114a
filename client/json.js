// JSON: the browser's or, where it has none (Internet Explorer 7), a reader and a writer of our
// own. These do not use eval, because a strict Content-Security-Policy forbids it.

var nativeJson = root.JSON;

function parseJson(text) { return nativeJson ? nativeJson.parse(text) : readJson(text); }

// Escapes lone surrogates: they have no UTF-8 form, and old WebSockets throw when they send one.
function stringifyJson(value) {
  return (nativeJson ? nativeJson.stringify(value) : writeJson(value))
    .replace(/[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g, function (found) {
      return found.length > 1 ? found : '\\u' + found.charCodeAt(0).toString(16);
    });
}

function quote(text) {
  return '"' + text.replace(/["\\\x00-\x1f\x7f-\x9f\u2028\u2029]/g, function (c) {
    return '\\u' + ('000' + c.charCodeAt(0).toString(16)).slice(-4);
  }) + '"';
}

function writeJson(value) {
  var out = [], key, type;
  if (value && typeof value.toJSON === 'function') value = value.toJSON();
  type = classOf(value);
  if (type === 'String') return quote('' + value);
  if (type === 'Boolean' || type === 'Number' && isFinite(value)) return '' + value;
  if (!value || typeof value !== 'object') return 'null';
  if (type === 'Array') {
    for (key = 0; key < value.length; key++) out.push(writeJson(value[key]));
    return '[' + out + ']';
  }
  for (key in value) {
    if (hasOwn(value, key) && value[key] !== undefined && typeof value[key] !== 'function') {
      out.push(quote(key) + ':' + writeJson(value[key]));
    }
  }
  return '{' + out + '}';
}

function readJson(text) {
  var at = 0, out;
  var escapes = {
    b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', '/': '/'
  };

  function fail() { throw garbledError(); }

  // Skips spaces and returns the next character without reading it.
  function peek() {
    while (/\s/.test(text.charAt(at))) at++;
    return text.charAt(at);
  }

  function expect(c) {
    if (peek() !== c) fail();
    at++;
  }

  function readString() {
    for (var out = '', c, hex; (c = text.charAt(++at)) !== '"'; out += c) {
      // Control characters are not allowed. The end of the text, which reads as '', fails here too.
      if (c < ' ') fail();
      if (c === '\\') {
        c = text.charAt(++at);
        hex = text.substr(at + 1, 4);
        if (c === 'u' && /^[\da-f]{4}$/i.test(hex)) {
          c = String.fromCharCode(parseInt(hex, 16));
          at += 4;
        } else c = escapes[c] || fail();
      }
    }
    at++;
    return out;
  }

  function readValue() {
    var c = peek(), value, key, item, count = 0, end = c === '[' ? ']' : '}';
    if (c === '"') return readString();
    if (c === '[' || c === '{') {
      value = c === '[' ? [] : {};
      at++;
      while (peek() !== end) {
        if (count++) expect(',');
        key = value.length;
        if (c === '{') {
          if (peek() !== '"') fail();
          key = readString();
          expect(':');
        }
        item = readValue();
        // Setting it would change the object's prototype.
        if (key !== '__proto__') value[key] = item;
      }
      at++;
      return value;
    }
    value = /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)/.exec(text.substr(at, 400)) ||
      fail();
    at += value[0].length;
    return c === 'n' ? null : c === 't' || c !== 'f' && +value[0];
  }

  out = readValue();
  if (peek()) fail();
  return out;
}
