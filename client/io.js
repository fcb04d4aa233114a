// io(url, options), the function that pages call. parlance.d.ts documents it.

// The managers that sockets share, by address and path.
var shared = {};

function queryText(query) {
  var text = '', key;
  if (typeof query === 'string') return query && query + '&';
  for (key in query) text += encodeURIComponent(key) + '=' + encodeURIComponent(query[key]) + '&';
  return text;
}

function io(url, opts) {
  var parts, manager, socket, base, nsp, path, alone;
  if (typeof url === 'object') {
    opts = url;
    url = '';
  }
  opts = opts || {};
  url = url || '/';
  if (!/^(\w+:)?\/\//.test(url)) url = '//' + (/^[\/?]/.test(url) ? loc.host : '') + url;
  // Scheme, host, namespace, query.
  parts = /^(\w+:)?\/\/([^\/?#]*)([^?#]*)\??([^#]*)/.exec(url);
  base = (parts[1] || loc.protocol).replace('ws', 'http') + '//' + parts[2];
  nsp = parts[3] || '/';
  path = (opts.path || '/socket.io').replace(/\/*$/, '/');
  manager = shared[base + path];
  alone = opts.forceNew || opts['force new connection'] || opts.multiplex === false;
  if (alone || !manager || manager.nsps[nsp]) {
    manager = new Manager(base, path, queryText(opts.query) + queryText(parts[4]), opts);
    shared[base + path] = shared[base + path] || manager;
  }
  socket = manager.socket(nsp, opts);
  if (manager.opts.autoConnect) socket.connect();
  return socket;
}

io.connect = io;
io.protocol = 5;
io.policy = POLICY;
// The server's path, below that of its pages. The server writes it between the marks.
io.path = /*path*/"/socket.io/"/*end*/;
io.can = function (name) { return can(name, ''); };
root.io = io;
if (typeof module === 'object' && module.exports) module.exports = io;
