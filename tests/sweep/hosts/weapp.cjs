// weapp.socket.io with what it uses of a WeChat mini program: `wx`, which has one WebSocket at a time.

var WebSocket = require('ws');
var handlers = {};
var current;

function on(name) {
  return function (handler) {
    handlers[name] = handler;
  };
}

function tell(name, socket, value) {
  if (socket === current && handlers[name]) handlers[name](value);
}

global.window = global; // the bundle looks for it
global.wx = {
  connectSocket: function (options) {
    var socket = (current = new WebSocket(options.url));
    socket.on('open', function () {
      tell('open', socket, {});
    });
    socket.on('message', function (data, isBinary) {
      tell('message', socket, { data: isBinary ? new Uint8Array(data).buffer : String(data) });
    });
    socket.on('error', function (error) {
      tell('error', socket, { errMsg: error.message });
    });
    socket.on('close', function (code) {
      tell('close', socket, { code: code });
    });
  },
  sendSocketMessage: function (options) {
    current.send(options.data, function (error) {
      var told = error ? options.fail : options.success;
      if (told) told({});
    });
  },
  closeSocket: function () {
    if (current) current.close();
  },
  onSocketOpen: on('open'),
  onSocketMessage: on('message'),
  onSocketError: on('error'),
  onSocketClose: on('close'),
};

module.exports = require('weapp.socket.io');
