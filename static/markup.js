/* What in a message is more than text: web addresses, names, and a little Markdown: **bold**, *italic* or _italic_, `code`, lines
   between lines of ```, and quotes of lines that begin with "> ". ES3.

   A stranger chose the text. So each step is linear in its length, the elements of one message are bounded, and words only ever
   become text nodes and the address of a link. */
(function (root) {
  var P = root.ParlancePage;

  var MAX_LINKS = 100;      // in one message; further addresses stay text
  var MAX_NAMES = 100;      // mentions that are looked for in it
  var MAX_MARKS = 400;      // pairs of other marks; what comes after them stays as it is written
  var LONGEST_NAME = 64;    // characters

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
      else if ('.,;:!?*_\u2026\u3002'.indexOf(c) < 0) break;
    }
    return end;
  }

  // Where the addresses in a text begin and end. What turns the direction of text is in none: it could show another.
  function addresses(words) {
    var find = /https?:\/\/[^\s<>"'`\u0000-\u001f\u007f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gi, out = [], m, length;
    while (out.length < MAX_LINKS && (m = find.exec(words))) {
      length = addressLength(m[0]);
      if (/^https?:\/\/[^\/?#]/i.test(m[0].slice(0, length))) out.push({ kind: 'a', from: m.index, to: m.index + length });
    }
    return out;
  }

  // Letters and digits of the scripts that put spaces between words.
  function isLetter(c) { return /[0-9A-Za-z\u00aa-\u052f]/.test(c); }

  function isApart(words, from, to) {
    return !(isLetter(words.charAt(from)) && isLetter(words.charAt(from - 1)) || isLetter(words.charAt(to - 1)) && isLetter(words.charAt(to)));
  }

  // Where the reader's own name stands, with or without @; and @ with the name of somebody who isHere(name).
  function mentions(words, own, isHere) {
    var out = [], find, m, from, to;
    if (own) {
      find = new RegExp((own.length > 1 ? '@?' : '@') + own.replace(/[^0-9A-Za-z\u0080-\uffff]/g, '\\$&'), 'gi');
      while (out.length < MAX_NAMES && (m = find.exec(words))) {
        to = m.index + m[0].length;
        if (isApart(words, m.index, to)) out.push({ kind: 'me', from: m.index, to: to });
      }
    }
    for (from = words.indexOf('@'), m = 0; isHere && from >= 0 && m < MAX_NAMES; from = words.indexOf('@', from + 1), m++) {
      if (isLetter(words.charAt(from - 1))) continue;
      for (to = Math.min(words.length, from + 1 + LONGEST_NAME); to > from + 1; to--) {
        if (isApart(words, from, to) && isHere(words.slice(from + 1, to))) {
          out.push({ kind: 'at', from: from, to: to });
          break;
        }
      }
    }
    return out;
  }

  function byPlace(a, b) { return a.from - b.from || b.to - a.to; }

  // What a text consists of, in its order: { kind, from, to }. `a`, `me`, `at` and `code` are elements; `b+` begins one, `b-`
  // ends it, likewise `i`, `q` and `pre`; of these the text from `from` to `to` is not shown, as that of `skip`.
  function parse(words, own, isHere) {
    var fixed = addresses(words).concat(mentions(words, own, isHere)).sort(byPlace), out = [], marks = 0, nextFixed = 0;
    var at = 0, end, line, fences = /\n```[ \t]*(?=\n|$)/g, fence = -1, quoted = false, code = false;
    while ((line = fences.exec(words))) fence = line.index;

    function put(kind, from, to) {
      var token = { kind: kind, from: from, to: to };
      out.push(token);
      return token;
    }

    // One line, or what of it is no mark of a block.
    function inline(from, to) {
      var text = words.slice(from, to), find = /`|\*+|_+/g, openers = {}, done = from, noCode = false, m, start, size, before, after, close;

      function passFixed(until) {
        for (; nextFixed < fixed.length && fixed[nextFixed].from < until; nextFixed++) {
          if (fixed[nextFixed].from < done) continue;
          out.push(fixed[nextFixed]);
          done = fixed[nextFixed].to;
        }
      }

      // A mark that may open or close: it closes what is open of its kind, else it opens.
      function turn(kind, start, size) {
        var opener = openers[kind], other = kind === 'b' ? 'i' : 'b';
        if (close && opener && start > opener.to) {
          opener.kind = kind + '+';
          put(kind + '-', start, start + size);
          openers[kind] = null;
          // what was opened in between is not closed here, and stays text
          if (openers[other] && openers[other].from > opener.from) openers[other] = null;
          marks++;
        } else if (before) openers[kind] = put('', start, start + size);
      }

      while (marks < MAX_MARKS && (m = find.exec(text))) {
        start = from + m.index;
        passFixed(start);
        if (start < done) continue;
        size = m[0].length;
        if (m[0] === '`') {
          close = noCode ? -1 : words.indexOf('`', start + 1);
          noCode = close < 0 || close >= to;
          if (noCode) continue;
          if (close > start + 1) {
            put('code', start, close + 1);
            marks++;
          }
          done = close + 1;
          find.lastIndex = done - from;
          continue;
        }
        if (size > 3 || m[0].charAt(0) === '_' && size > 1) continue;
        after = text.charAt(m.index + size);
        before = text.charAt(m.index - 1);
        close = !!before && !/\s/.test(before) && !isLetter(after);
        before = !!after && !/\s/.test(after) && !isLetter(before);
        if (size === 2) turn('b', start, 2);
        else if (size === 1) turn('i', start, 1);
        else if (close && openers.i) {
          turn('i', start, 1);
          turn('b', start + 1, 2);
        } else {
          turn('b', start, 2);
          turn('i', start + 2, 1);
        }
        done = start + size;
      }
      passFixed(to);
    }

    while (at <= words.length && words) {
      end = words.indexOf('\n', at);
      if (end < 0) end = words.length;
      line = words.slice(at, Math.min(end, at + 40));
      if (code) {
        if (/^```\s*$/.test(line)) {
          code = false;
          put('pre-', Math.max(at - 1, out[out.length - 1].to), Math.min(end + 1, words.length));
        }
      } else {
        if (quoted && !/^> /.test(line)) {
          quoted = false;
          put('q-', at - 1, at);
        }
        // only if there is a line that ends it
        if (/^```[\w+#.-]*\s*$/.test(line) && fence >= end && marks < MAX_MARKS) {
          code = true;
          marks++;
          put('pre+', at, end + 1);
        } else if (/^> /.test(line) && (quoted || marks < MAX_MARKS)) {
          if (!quoted) marks++;
          put(quoted ? 'skip' : 'q+', at, at + 2);
          quoted = true;
          inline(at + 2, end);
        } else inline(at, end);
      }
      // addresses and names in code are code
      while (nextFixed < fixed.length && fixed[nextFixed].from < end) nextFixed++;
      at = end + 1;
    }
    return out;
  }

  var TAGS = { b: 'strong', i: 'em', q: 'blockquote', pre: 'code', code: 'code', me: 'mark', at: 'span' };

  function element(kind) { return P.make(TAGS[kind], kind === 'pre' ? 'block' : kind === 'at' ? 'at' : ''); }

  function link(url) {
    var a = P.make('a', 'iso', url);
    a.setAttribute('dir', 'ltr');
    a.href = url;
    a.rel = 'noopener noreferrer nofollow';
    a.target = '_blank';
    return a;
  }

  // Writes a text from its beginning, a piece with each call: write(element, end of the piece). What a piece cuts stays open,
  // and goes on in the next; an address that it cuts stays text: it would lead elsewhere.
  function writer(words, tokens) {
    var next = 0, at = 0, open = [];
    return function (el, end) {
      var path = [el], token, m, i;
      function here() { return path[path.length - 1]; }
      function text(to) {
        to = Math.min(to, end);
        if (to > at) P.add(here(), words.slice(at, to));
        at = Math.max(at, to);
      }
      function enter(kind) {
        var one = element(kind);
        here().appendChild(one);
        path.push(one);
      }
      for (i = 0; i < open.length; i++) enter(open[i]);
      for (; next < tokens.length && tokens[next].from < end; next++) {
        token = tokens[next];
        m = /^(\w+)([+-]?)$/.exec(token.kind);
        if (!m) continue;
        text(token.from);
        if (!m[2] && m[1] !== 'skip') {
          if (token.to <= end) {
            i = words.slice(token.from, token.to);
            if (m[1] === 'a') here().appendChild(link(i));
            else here().appendChild(P.add(element(m[1]), m[1] === 'code' ? i.slice(1, -1) : i));
          } else continue;
        } else if (m[2] === '+') {
          open.push(m[1]);
          enter(m[1]);
        } else if (m[2]) {
          open.pop();
          path.pop();
        }
        at = token.to;
      }
      text(end);
    };
  }

  // Whether somebody is named in it, by what parse() returned.
  function names(tokens) {
    for (var i = 0; i < tokens.length; i++) if (tokens[i].kind === 'me') return true;
    return false;
  }

  // The words without the marks.
  function plain(words) {
    var el = P.make('div', '');
    writer(words, parse(words))(el, words.length);
    return el.textContent === undefined ? el.innerText : el.textContent;
  }

  root.ParlanceMarkup = { plain: plain, parse: parse, writer: writer, names: names };
})(window);
