/* Telling who looks elsewhere: the title, and on request notifications of the system and a sound. ES3. */
(function (root) {
  var doc = root.document, P = root.ParlancePage, T = root.ParlanceTexts, Log = root.ParlanceLog, t = T.t;

  var BODY = 200;           // characters of a message in a notification
  var SOUND_MS = 2000;      // no more often than this

  var title = doc.title, room = '', sounded = 0, audio;

  // What to tell of: '' nothing, 'mention' what names the reader, 'all' every message.
  function wish() { return P.store.get('notify'); }

  function can() { return typeof root.Notification === 'function' && !!root.Notification.requestPermission; }

  function drawTitle() {
    var n = Log.unread();
    doc.title = (n ? (Log.mentions() ? '@ ' : '') + '(' + n + ') ' : '') + (room ? room + ' \u2013 ' : '') + title;
  }

  // Asks the browser's user if they were not asked yet; done(whether notifications are allowed).
  function allow(done) {
    var answered = false;
    function answer(state) {
      if (answered) return;
      answered = true;
      done(state === 'granted');
    }
    if (!can()) return answer('');
    try {
      // by a callback in browsers of before 2017
      var promise = root.Notification.requestPermission(answer);
      if (promise && promise.then) promise.then(answer, answer);
    } catch (e) { answer(''); }
  }

  // Two short tones. Where there is no Web Audio, or it may not play yet, it is quiet.
  function beep() {
    var Audio = root.AudioContext || root.webkitAudioContext, i, tone, gain, at;
    if (!Audio || P.now() - sounded < SOUND_MS) return;
    sounded = P.now();
    try {
      audio = audio || new Audio();
      if (audio.resume) audio.resume();
      for (i = 0; i < 2; i++) {
        tone = audio.createOscillator();
        gain = audio.createGain();
        at = audio.currentTime + i * 0.12;
        tone.frequency.value = i ? 880 : 660;
        gain.gain.setValueAtTime(0.0001, at);
        gain.gain.exponentialRampToValueAtTime(0.12, at + 0.02);
        gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.22);
        tone.connect(gain);
        gain.connect(audio.destination);
        tone.start(at);
        tone.stop(at + 0.25);
      }
    } catch (e) {}
  }

  // Somebody said something. place: the room's name, open(): shows it.
  function heard(m, isMention, place, open) {
    var note;
    if (m.own || !Log.isAway() || !wish() || wish() === 'mention' && !isMention) return;
    if (P.store.get('sound')) beep();
    if (!can() || root.Notification.permission !== 'granted') return;
    try {
      note = new root.Notification((m.name || t('someone')) + (place ? ' \u2013 ' + place : ''), { body: root.ParlanceMarkup.plain(m.text.slice(0, 4 * BODY)).slice(0, BODY), tag: 'parlance-' + place, icon: 'icon.svg' });
      note.onclick = function () {
        try { root.focus(); } catch (e) {}
        open();
        note.close();
      };
    } catch (e) {}   // phones want a service worker for this
  }

  Log.after(drawTitle);

  root.ParlanceNotify = {
    heard: heard, allow: allow, can: can, wish: wish, beep: beep, drawTitle: drawTitle,
    room: function (name) {
      room = name;
      drawTitle();
    }
  };
})(window);
