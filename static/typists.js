/* Who is writing: the line above the message box, and telling the others when the reader does. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, line = P.byId('typing');

  var MAX_TYPISTS = 20;     // more are "several" all the same
  var LONGEST_MS = 30000;   // nobody types for so long without a pause
  var PAUSE_MS = 1500;      // other pages say that somebody stopped after 400 ms, and that they go on again at once
  var STOP_MS = 3000;       // of silence until the reader stopped

  var drawn = '';

  function isolated(name) { return P.isolated(name, 'name'); }

  function draw(names) {
    var n = names.length, all = names.join('\n');
    if (all === drawn) return;
    drawn = all;
    if (!n) P.say(line, '\u00a0');
    else if (n === 1) T.fill(line, 'typing.one', { a: isolated(names[0]) });
    else if (n === 2) T.fill(line, 'typing.two', { a: isolated(names[0]), b: isolated(names[1]) });
    else T.fill(line, 'typing.many');
  }

  // Those of a room; say(word) tells the others, isShown() is whether this room is seen.
  function create(say, isShown) {
    var names = [], timers = {}, typing = false, last = 0;

    function show() { if (isShown()) draw(names); }

    function end(name) {
      P.without(names, name);
      delete timers['$' + name];
      show();
    }

    function after(name, ms) {
      clearTimeout(timers['$' + name]);
      timers['$' + name] = setTimeout(function () { end(name); }, ms);
    }

    function check() {
      if (typing && P.now() - last >= STOP_MS) stop();
    }

    function stop() {
      if (typing) say('stop typing');
      typing = false;
    }

    return {
      show: show,
      began: function (name) {
        if (!name) return;
        if (P.indexOf(names, name) < 0) {
          if (names.length >= MAX_TYPISTS) return;
          names.push(name);
        }
        after(name, LONGEST_MS);
      },
      paused: function (name) { if (P.indexOf(names, name) >= 0) after(name, PAUSE_MS); },
      ended: function (name) {
        clearTimeout(timers['$' + name]);
        end(name);
      },
      lost: function () {
        for (var key in timers) clearTimeout(timers[key]);
        names = [];
        timers = {};
        typing = false;
        show();
      },
      // The reader writes, and the box has something in it.
      writes: function () {
        if (!typing) say('typing');
        typing = true;
        last = P.now();
        setTimeout(check, STOP_MS);
      },
      stop: stop
    };
  }

  root.ParlanceTypists = { create: create };
})(window);
