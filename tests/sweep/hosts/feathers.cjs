// The client of Feathers on top of socket.io-client, as its documentation puts the two together: what a page of Feathers
// uses is one socket, which is returned here for the visit.

var feathers = require('@feathersjs/feathers').feathers;
var transport = require('@feathersjs/socketio-client');
var io = require('socket.io-client');

module.exports = function (url, options) {
  var socket = io(url, options);
  feathers().configure((transport.default || transport)(socket));
  return socket;
};
