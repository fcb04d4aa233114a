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

  // The people of a room; ask(done) has the server say who is here, changed() is called when it has.
  function create(ask, changed) {
    // told: how many the server named when it was asked last
    var people = [], index = {}, numUsers = 0, more = false, told = 0, myName = '', timer = 0;

    function person(name) {
      var li = make('li', 'person', avatar(name), P.isolated(name, 'person-name'));
      if (name === myName) P.add(li, make('span', 'you', ' (' + t('you') + ')'));
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

    function came(name) {
      if (more || P.indexOf(people, name) >= 0) return;
      if (people.length >= MAX_PEOPLE) {
        more = true;
        told = MAX_PEOPLE;
        return;
      }
      people.push(name);
      index[key(name)] = true;
      if (isShown()) list.appendChild(person(name));
    }

    function went(name) {
      var i = P.indexOf(people, name);
      if (i < 0) return;
      people.splice(i, 1);
      delete index[key(name)];
      if (isShown()) P.remove(list.childNodes[i]);
    }

    function askWho() {
      ask(function (answer) {
        if (!answer || !answer.people) return;
        people = answer.people.slice(0, MAX_PEOPLE);
        numUsers = answer.numUsers || people.length;
        more = !!answer.more || people.length < answer.people.length;
        told = people.length;
        index = {};
        for (var i = 0; i < people.length; i++) index[key(people[i])] = true;
        drawList();
        drawCount();
        if (changed) changed();
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
        people[i] = to;
        delete index[key(from)];
        index[key(to)] = true;
        drawList();
      },
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

  root.ParlancePeople = { colour: colour, avatar: avatar, create: create };
})(window);
