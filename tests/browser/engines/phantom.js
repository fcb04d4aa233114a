// phantomjs phantom.js URL PORT SHIM: opens the page and answers each request to the port with the value of the expression in its query (hex, ASCII).
var args = require('system').args, page = require('webpage').create(), server = require('webserver').create(), shim = args[3];
page.viewportSize = { width: 1000, height: 700 };
page.onInitialized = function () { if (shim) page.evaluateJavaScript('function () {' + shim + '}'); };   // before the page's scripts
page.onError = function (message, trace) { console.log('page error: ' + message + ' ' + (trace && trace[0] ? trace[0].file + ':' + trace[0].line : '')); };
page.onConsoleMessage = function (message) { console.log('console: ' + message); };
var listens = server.listen('127.0.0.1:' + args[2], function (request, response) {
  var value, expression = request.url.replace(/^[^?]*\?/, '').replace(/../g, function (hex) { return String.fromCharCode(parseInt(hex, 16)); });
  try { value = page.evaluateJavaScript('function () { try { return "=" + (' + expression + '); } catch (e) { return "!" + e; } }'); } catch (e) { value = '!' + e; }
  response.statusCode = 200;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.write(value);
  response.close();
});
if (!listens) { console.log('somebody else has port ' + args[2]); phantom.exit(1); }
page.open(args[1], function (status) { console.log('ready ' + status); });
