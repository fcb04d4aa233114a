/* What people wrote, as it is shown: with the marks of markup.js, and folded where it is long. ES3.
   A stranger chose the text: the work is linear in its length, and what stands in the page is bounded. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, Markup = root.ParlanceMarkup, t = T.t;

  var LINES = 16;           // a text that takes more is folded
  var FOLDED_LINES = 12;    // what is seen of it then
  var PIECE = 4000;         // characters that are laid out together when all of it is seen

  var line;                 // columns that a line takes, roughly

  function look() { line = (root.innerWidth || root.document.documentElement.clientWidth) < 600 ? 36 : 80; }
  P.listen(root, 'resize', look);
  look();

  function isBreak(c) { return c === 10 || c === 0x2028 || c === 0x2029; }

  // Columns that a character takes, roughly and rather too many.
  function width(c) {
    if (c === 9) return 8;
    if (c >= 0xfdf0 && c < 0xfe00) return 12;   // words and phrases in one character
    return c < 0x1100 ? 1 : 2;
  }

  // How many characters of a text are seen while it is folded: all of them if it is short.
  function foldAt(words) {
    var columns = 0, at = 0, i, c, end;
    for (i = 0; i < words.length && columns <= LINES * line; i++) {
      c = words.charCodeAt(i);
      columns += isBreak(c) ? line - columns % line : width(c);
      if (!at && columns > FOLDED_LINES * line) at = i;
    }
    if (columns <= LINES * line) return words.length;
    // not in the middle of a word, if one ends nearby; never in the middle of a character
    for (end = at; end > at - line; end--) if (/\s/.test(words.charAt(end))) return P.trimEnd(words.slice(0, end)).length;
    return /[\udc00-\udfff]/.test(words.charAt(at)) ? at - 1 : at;
  }

  // Writes all of a long text, in pieces: browsers take much time for a single one, and none for what is out of sight.
  function writeAll(el, words, write) {
    var from = 0, to, end;
    for (; from < words.length; from = to) {
      to = from + PIECE;
      // between lines if possible, else between words
      end = words.lastIndexOf('\n', to - 1) + 1;
      if (end <= from + PIECE / 2) end = words.lastIndexOf(' ', to - 1) + 1;
      if (to < words.length && end > from + PIECE / 2) to = end;
      if (/[\udc00-\udfff]/.test(words.charAt(to))) to--;
      write(el.appendChild(P.make('span', 'piece')), Math.min(to, words.length));
    }
  }

  // Where something is seen, in pixels, if the browser can tell.
  function topOf(el) { return el.getBoundingClientRect ? el.getBoundingClientRect().top : 0; }

  // Puts a text into an element, a long one with a button that unfolds and folds it. After that toggled(by) is called:
  // by how many pixels the button moved. Returns the tokens of the text.
  function fill(el, words, toggled, own, isHere) {
    var text = P.isolated('', 'text'), seen = foldAt(words), tokens = Markup.parse(words, own, isHere), open = false, button;

    function draw() {
      var write = Markup.writer(words, tokens);
      P.empty(text);
      if (open) writeAll(text, words, write);
      else write(text, seen);
      if (!open && button) P.add(text, '\u2026');
      if (!button) return;
      P.say(button, open ? t('fold.less') : t('fold.all', { n: words.length }));
      button.setAttribute('aria-expanded', open ? 'true' : 'false');
      P.setClass(el, 'unfolded', open);
    }

    el.appendChild(text);
    if (seen < words.length) {
      button = P.button('link fold');
      P.setClass(el, 'long', true);
      el.appendChild(button);
      P.listen(button, 'click', function () {
        var top = topOf(button);
        open = !open;
        // it was read out when it came
        el.setAttribute('aria-live', 'off');
        draw();
        // it scrolls by itself now, which a keyboard has to reach
        if (open) {
          text.tabIndex = 0;
          text.setAttribute('role', 'group');
          text.setAttribute('aria-label', t('message.label'));
        } else {
          text.scrollTop = 0;
          text.removeAttribute('tabIndex');
          text.removeAttribute('role');
          text.removeAttribute('aria-label');
        }
        toggled(topOf(button) - top);
      });
    }
    draw();
    return tokens;
  }

  root.ParlanceMessage = { fill: fill };
})(window);
