/* What people wrote, as it is shown: with links, and folded where it is long. ES3.
   A stranger chose the text: the work is linear in its length, and what stands in the page is bounded. */
(function (root) {
  var P = root.ParlancePage, T = root.ParlanceTexts, t = T.t;

  var MAX_LINKS = 100;      // in one message; further addresses stay text
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

  // The length of an address without the punctuation of the sentence that it stands in. A closing bracket belongs to it
  // only if it was opened in it.
  function addressLength(url) {
    var opening = '([{', closing = ')]}', surplus = [0, 0, 0], end = url.length, i, c;
    for (i = 0; i < end; i++) {
      c = url.charAt(i);
      if (opening.indexOf(c) >= 0) surplus[opening.indexOf(c)]--;
      if (closing.indexOf(c) >= 0) surplus[closing.indexOf(c)]++;
    }
    for (; end > 0; end--) {
      c = url.charAt(end - 1);
      i = closing.indexOf(c);
      if (i >= 0 && surplus[i] > 0) surplus[i]--;
      else if ('.,;:!?\u2026\u3002'.indexOf(c) < 0) break;
    }
    return end;
  }

  // Where the addresses in a text begin and end. What turns the direction of text is in none: it could show another.
  function addresses(words) {
    var find = /https?:\/\/[^\s<>"'\u0000-\u001f\u007f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi, out = [], m, length;
    while (out.length < MAX_LINKS && (m = find.exec(words))) {
      length = addressLength(m[0]);
      if (/^https?:\/\/[^\/?#]/i.test(m[0].slice(0, length))) out.push({ from: m.index, to: m.index + length });
    }
    return out;
  }

  // Writes a part of a text into an element. Only http and https become links, and what surrounds them stays text, as
  // does an address that is not in this part to its end: it would lead elsewhere.
  function write(el, words, links, from, to) {
    var i, a;
    for (i = 0; i < links.length; i++) {
      if (links[i].from < from || links[i].to > to) continue;
      if (links[i].from > from) P.add(el, words.slice(from, links[i].from));
      from = links[i].to;
      a = P.make('a', 'iso', words.slice(links[i].from, from));
      a.setAttribute('dir', 'ltr');
      a.href = words.slice(links[i].from, from);
      a.rel = 'noopener noreferrer nofollow';
      a.target = '_blank';
      el.appendChild(a);
    }
    if (from < to) P.add(el, words.slice(from, to));
    return el;
  }

  // Writes all of a long text, in pieces: browsers take much time for a single one, and none for what is out of sight.
  function writeAll(el, words, links) {
    var from = 0, to, end;
    for (; from < words.length; from = to) {
      to = from + PIECE;
      // between lines if possible, else between words
      end = words.lastIndexOf('\n', to - 1) + 1;
      if (end <= from + PIECE / 2) end = words.lastIndexOf(' ', to - 1) + 1;
      if (to < words.length && end > from + PIECE / 2) to = end;
      if (/[\udc00-\udfff]/.test(words.charAt(to))) to--;
      el.appendChild(write(P.make('span', 'piece'), words, links, from, Math.min(to, words.length)));
    }
  }

  // Where something is seen, in pixels, if the browser can tell.
  function topOf(el) { return el.getBoundingClientRect ? el.getBoundingClientRect().top : 0; }

  // Puts a text into an element, a long one with a button that unfolds and folds it. After that toggled(by) is called:
  // by how many pixels the button moved.
  function fill(el, words, toggled) {
    var text = P.isolated('', 'text'), seen = foldAt(words), links = addresses(words), open = false, button;

    function draw() {
      P.empty(text);
      if (open) writeAll(text, words, links);
      else write(text, words, links, 0, seen);
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
  }

  root.ParlanceMessage = { fill: fill };
})(window);
