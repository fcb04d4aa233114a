// One npm package in a Node of any age, from 0.10 on: so this is ES5. It is told what to do as lib/program.mjs says. Its
// first two arguments: the module to load, and the source of the functions that it shares with the other tests.

if (typeof Promise === 'undefined') {
  // All that open-client.mjs needs of one, and only `serve` below waits for it.
  global.Promise = function (run) {
    this.then = function (take) {
      run(take);
    };
  };
}

var shared = new Function('require', process.argv[3] + '\nreturn { openClient: openClient, mapBytes: mapBytes, pack: pack, unpack: unpack };')(require);
var loaded;
var handles = [];

function say(message) {
  process.stdout.write(shared.pack(message) + '\n');
}

function open(key, spec) {
  if (!loaded) loaded = require(process.argv[2]);
  handles[key] = shared.openClient(typeof loaded === 'function' ? loaded : loaded.io || loaded, spec, function (event, args) {
    say({ key: key, event: event, args: args });
  });
}

/** What Node's clients take for bytes, since the first that could send any. */
function buffer(bytes) {
  return new Buffer(new Uint8Array(bytes));
}

function serve(request) {
  function answer(value) {
    say({ id: request.id, value: value });
  }
  function refuse(error) {
    say({ id: request.id, error: String((error && error.message) || error) });
  }
  try {
    if (request.method === 'open') return answer(open(request.key, request.args[0]));
    var handle = handles[request.key];
    var value = handle[request.method].apply(handle, shared.mapBytes(request.args, buffer));
    if (request.method === 'call') value.then(answer, refuse);
    else answer(request.method === 'transport' ? value : undefined);
  } catch (error) {
    refuse(error);
  }
}

var rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', function (text) {
  var lines = (rest + text).split('\n');
  rest = lines.pop();
  lines.forEach(function (line) {
    serve(shared.unpack(line));
  });
});
process.stdin.resume();
