/* The lines of a log: what somebody said, and notes. ES3. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, People = root.ParlancePeople, Message = root.ParlanceMessage, Markup = root.ParlanceMarkup;
  var make = P.make, t = T.t;

  var GROUP_MS = 5 * 60 * 1000;  // messages of one person within this time stand together
  var MAX_NAMES = 100;           // of those who came or went, each way; of the others there is a number
  var KINDS = ['joined', 'back', 'left', 'brief'];

  // A message: { name, text, own, at: ms since 1970, late, position, edited, deleted, gap (before it), verified, role, announce }. view: { me(), isHere(name),
  // moved(by) }, who reads it.
  function message(m, view) {
    if (m.announce) return announcement(m, view);
    var li = make('div', 'msg ' + (m.own ? 'own' : 'other')), d = new Date(m.at), time = make('time', 'time', P.clock(d));
    if (m.late) T.fill(time, 'time.late', { time: P.clock(d) });
    time.setAttribute('datetime', P.iso(d));
    time.title = P.day(d) + ' ' + P.clock(d, true);
    if (!m.own) li.appendChild(People.avatar(m.name || '?'));
    // the name is there for every message, for ears; eyes see it once a group
    P.add(li, make('span', 'head', make('span', 'who ' + People.colour(m.name), P.isolated(m.name || t('someone'), 'name'), m.own ? null : People.mark(m.role, m.verified), make('span', 'hidden', ': ')), time, ' '));
    li.bubble = make('span', 'bubble');
    li.body = li.appendChild(make('span', 'body', m.gap ? make('em', 'gone', t('gap')) : null, li.bubble));
    li.m = m;
    li.day = P.day(d);
    fill(li, view);
    return li;
  }

  // What a moderator has announced to the room.
  function announcement(m, view) {
    var li = make('div', 'note announced');
    li.bubble = make('span', 'bubble');
    li.body = make('span', 'body', li.bubble);
    T.fill(li, 'note.announced', { words: li.body });
    li.m = m;
    li.day = P.day(new Date(m.at));
    li.title = P.clock(new Date(m.at));
    fill(li, view);
    return li;
  }

  // Writes what was said, or what became of it.
  function fill(li, view) {
    var m = li.m, bubble = P.empty(li.bubble), tokens;
    P.setClass(bubble, 'long', false);
    P.setClass(bubble, 'unfolded', false);
    li.chars = m.deleted ? 0 : m.text.length;
    li.mentions = false;
    if (m.deleted) P.add(bubble, make('em', 'gone', t('deleted')));
    else {
      tokens = Message.fill(bubble, m.text, view.moved, m.own ? '' : view.me(), view.isHere);
      li.mentions = Markup.names(tokens);
      if (m.edited) P.add(bubble, ' ').appendChild(make('span', 'edited', t('edited'))).title = P.day(new Date(m.edited)) + ' ' + P.clock(new Date(m.edited));
    }
    P.setClass(li, 'mention', li.mentions);
  }

  // Whether it stands with the line before it, as said in one go.
  function isSame(li, before) {
    var a = before && before.m, b = li.m;
    return !!a && !!b && !a.announce && !b.announce && a.name === b.name && a.own === b.own && !a.late && !b.late && before.day === li.day && Math.abs(b.at - a.at) < GROUP_MS;
  }

  function note(key, values, name) {
    var li = T.fill(make('div', 'note' + (name ? ' ' + name : '')), key, values);
    li.day = P.day(new Date());
    return li;
  }

  // ---- who came and went, in one line until somebody says something

  function crowd() {
    var li = make('div', 'note crowd');
    li.day = P.day(new Date());
    return { li: li, at: P.now(), joined: [], back: [], left: [], brief: [], others: { joined: 0, back: 0, left: 0, brief: 0 } };
  }

  function cameOrWent(crowd, name, came) {
    var kind = came ? 'joined' : 'left';
    crowd.at = P.now();
    if (came) {
      if (P.without(crowd.left, name)) kind = 'back'; else P.without(crowd.brief, name);
    } else if (P.without(crowd.joined, name)) kind = 'brief'; else P.without(crowd.back, name);
    if (crowd[kind].length < MAX_NAMES) crowd[kind].push(name); else crowd.others[kind]++;
  }

  function names(list, others) {
    var span = make('span', ''), total = list.length + others, i;
    for (i = 0; i < list.length && (i < 5 || total === 6); i++) {
      if (i) P.add(span, ', ');
      P.add(span, P.isolated(list[i], 'name'));
    }
    if (i < total) P.add(span, (i ? ', ' : '') + t('note.others', { n: total - i }));
    return span;
  }

  function drawCrowd(crowd) {
    var i, kind, any;
    P.empty(crowd.li);
    for (i = 0; i < KINDS.length; i++) {
      kind = KINDS[i];
      if (!crowd[kind].length && !crowd.others[kind]) continue;
      if (any) P.add(crowd.li, '; ');
      P.add(crowd.li, T.fill(make('span', ''), 'note.' + kind, { names: names(crowd[kind], crowd.others[kind]) }));
      any = true;
    }
  }

  root.ParlanceLines = { message: message, fill: fill, isSame: isSame, note: note, crowd: crowd, cameOrWent: cameOrWent, drawCrowd: drawCrowd, GROUP_MS: GROUP_MS };
})(window);
