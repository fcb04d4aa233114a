/* Who is in the room: the list beside the conversation, its number, and how a person is shown anywhere. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, byId = P.byId, make = P.make, t = T.t;

  var MAX_PEOPLE = 500;   // in the list; of the others there is a number
  var CHECK_MS = 1000;    // between a list that seems wrong and the question who is here

  var list = byId('people-list'), shown = null;

  // The colour of a name, by the rule that chat pages of this kind have always used.
  function colour(name) {
    for (var h = 7, i = 0; i < name.length; i++) h = name.charCodeAt(i) + (h << 5) - h;
    return 'c' + Math.abs(h % 12);
  }

  function initial(name) {
    var m = /[\ud800-\udbff][\udc00-\udfff]|[^\s]/.exec(name);
    return m ? m[0].toUpperCase() : '?';
  }

  function avatar(name) {
    var el = make('span', 'avatar ' + colour(name), initial(name));
    el.setAttribute('aria-hidden', 'true');
    return el;
  }

  // In a list: by the alphabet.
  function isAfter(a, b) {
    a = a.toLowerCase();
    b = b.toLowerCase();
    return a.localeCompare ? a.localeCompare(b) > 0 : a > b;
  }

  // A mark that stands behind a name, and that no name can bring about.
  function mark(role, isVerified) {
    var key = role === 'admin' || role === 'moderator' ? 'role.' + role : isVerified ? 'verified' : '', el;
    if (!key) return null;
    el = make('span', 'rank ' + (key === 'verified' ? key : role), key === 'verified' ? '\u2713' : t(key));
    el.title = t(key);
    if (key === 'verified') P.add(el, make('span', 'hidden', t(key)));
    return el;
  }

  // The people of a room; ask(done) has the server say who is here, adds(li, name) may
  // add to the line of somebody else.
  function create(ask, adds) {
    // told: how many the server named when it was asked last
    var people = [], index = {}, verified = {}, roles = {}, numUsers = 0, more = false, told = 0, myName = '', timer = 0;

    function person(name) {
      var li = make('li', 'person', avatar(name), P.isolated(name, 'person-name'), mark(verified['$' + name] ? roles['$' + name] : '', verified['$' + name]));
      if (name === myName) P.add(li, make('span', 'you', ' (' + t('you') + ')'));
      else if (adds) adds(li, name);
      return li;
    }

    function isShown() { return shown === room; }

    function drawList() {
      if (!isShown()) return;
      P.empty(list);
      for (var i = 0; i < people.length; i++) list.appendChild(person(people[i]));
    }

    // The number and what hangs on it. It is apart from the list: many may come and go, and the list is long.
    function drawCount() {
      var total = Math.max(numUsers, people.length), rest = total - people.length, words = t('people.count', { n: total });
      if (!isShown()) return;
      P.show(byId('people-more'), rest > 0);
      P.say(byId('people-more'), t('people.more', { n: rest }));
      P.say(byId('people-count'), total);
      P.say(byId('people-label'), words);
      byId('people-toggle').title = words;
    }

    function key(name) { return '$' + name.toLowerCase(); }

    function came(name, isVerified) {
      if (isVerified) verified['$' + name] = true;
      if (more || P.indexOf(people, name) >= 0) return;
      if (people.length >= MAX_PEOPLE) {
        more = true;
        told = MAX_PEOPLE;
        return;
      }
      for (var i = people.length; i && isAfter(people[i - 1], name); i--);
      people.splice(i, 0, name);
      index[key(name)] = true;
      if (isShown()) list.insertBefore(person(name), list.childNodes[i] || null);
    }

    function went(name) {
      var i = P.indexOf(people, name);
      if (i < 0) return;
      people.splice(i, 1);
      delete index[key(name)];
      delete verified['$' + name];
      delete roles['$' + name];
      if (isShown()) P.remove(list.childNodes[i]);
    }

    function askWho() {
      ask(function (answer) {
        var i;
        if (!answer || !answer.people) return;
        people = answer.people.slice(0, MAX_PEOPLE).sort(function (a, b) { return isAfter(a, b) ? 1 : -1; });
        numUsers = answer.numUsers || people.length;
        more = !!answer.more || people.length < answer.people.length;
        told = people.length;
        index = {};
        verified = {};
        roles = {};
        for (i in answer.roles || {}) roles['$' + i] = answer.roles[i];
        for (i = 0; i < people.length; i++) index[key(people[i])] = true;
        for (i = 0; answer.verified && i < answer.verified.length; i++) verified['$' + answer.verified[i]] = true;
        drawList();
        drawCount();
      });
    }

    // News that waited for us were replaced by newer ones, or there are two of a name, or of those in the list most have
    // left: the server knows.
    function isStale() { return told && (more ? people.length < told / 2 : people.length !== numUsers); }

    var room = {
      came: came, went: went,
      count: function (data) { if (data && data.numUsers >= 0) numUsers = data.numUsers; },
      isHere: function (name) { return index[key(name)] === true; },
      names: function () { return people; },
      renamed: function (from, to) {
        var i = P.indexOf(people, from);
        if (from === myName) myName = to;
        if (i < 0) return;
        people.splice(i, 1);
        for (i = people.length; i && isAfter(people[i - 1], to); i--);
        people.splice(i, 0, to);
        delete index[key(from)];
        index[key(to)] = true;
        if (verified['$' + from]) verified['$' + to] = true;
        delete verified['$' + from];
        drawList();
      },
      redraw: drawList,
      // Draws the number anew, and sees to it that the list becomes right.
      draw: function () {
        drawCount();
        if (!isStale() || timer) return;
        timer = setTimeout(function () {
          timer = 0;
          if (isStale()) askWho();
        }, CHECK_MS);
      },
      // I am in the room, under that name, and so many are, if that is known.
      enter: function (name, n) {
        myName = name;
        if (n) numUsers = n;
        askWho();
        drawList();
        drawCount();
      },
      show: function () {
        shown = room;
        drawList();
        drawCount();
      }
    };
    return room;
  }

  root.ParlancePeople = { colour: colour, avatar: avatar, mark: mark, create: create };
})(window);
