// Text that has broken chat programs before. Written in escapes, so that no editor can mend it.

/** Every entry is a well-formed string, and no two are equal. */
export const CORPUS = [
  'plain ASCII',
  'caf\u00e9 na\u00efve \u00fcber \u00ff\u00a0\u0080',
  '\u00c3\u00a9 \u00e2\u0082\u00ac: characters that look like UTF-8 bytes',
  '\u00c3\u0083\u00c2\u00a9 the same, twice encoded',
  '\u00e9\u00c3 almost UTF-8, but not',
  '\u0416\u0443\u043a \u03b1\u03b2\u03b3 \u20ac',
  '\u6f22\u5b57\u304b\u306a\u30ab\u30ca\uff76\uff85',
  '\u{20bb7}\u{2f81a} beyond the first plane',
  '\ud55c\uad6d\uc5b4 \ucc44\ud305\ubc29\uc5d0 \uc624\uc2e0 \uac83\uc744 \ud658\uc601\ud569\ub2c8\ub2e4',
  '\u1112\u1161\u11ab\u1100\u116e\u11a8 as conjoining jamo',
  '\u314e\u314f\u3134 as compatibility jamo',
  '\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u200f\u0661\u0662\u0663\u200e',
  '\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u202babc\u202c \u2067x\u2069',
  'e\u0301 and \u00e9; o\u0323\u0308 and o\u0308\u0323',
  'Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034da\u036b\u0357\u0334\u0362\u0335\u031c\u0330\u0354',
  '\u{1f600}\u{1f680}\u{1f4a9}',
  '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d\u{1f466} \u{1f3f3}\ufe0f\u200d\u{1f308}',
  '\u{1f1f0}\u{1f1f7}\u{1f1f5}\u{1f1f1}\u{1f1fa}\u{1f1f3}',
  '\u{1f44d}\u{1f3fb}\u{1f44d}\u{1f3fd}\u{1f44d}\u{1f3ff}',
  '1\ufe0f\u20e3 \u2764\ufe0f\u200d\u{1f525}',
  'line\u2028separator and paragraph\u2029separator',
  'line\nfeed, carriage\rreturn, both\r\n, tab\t.',
  'backslash-n: \\n, two: \\\\n, and feed after one: \\\n, u-escape: \\u0041',
  '"double" \'single\' `back` \\ \\\\ / \\/ <\\/',
  '</script><script>alert(1)</script><!-- --> ]]> <b>&amp;&lt;',
  'a+b %2B %20 %00 100% ?x=1&d=2;#',
  'nul\u0000in the middle',
  'control \u0001\u0007\u0008\u000b\u000c\u001b[31m\u001e\u001f\u007f\u0085\u009f end',
  '\ufeffmark in front, mark\ufeffwithin, mark behind\ufeff',
  '\ufffd replaced \ufffd12\ufffd and framed',
  '\ufdd0 \uffff \u{1ffff} \u{10ffff} noncharacters',
  '\ue000\u{f0000} private use',
  ' leading, trailing and   inner spaces \u3000 ',
  '42["new message","not a packet"]',
  '5:::{"name":"new message"} 3:::x 7:::1+0',
  '17:42["x"]1:6\u001e4',
  '__proto__ constructor {"_placeholder":true,"num":0}',
  'long: ' + 'Aa\u00e9\u20ac\ud55c\u{1f600}'.repeat(1463),
  'the end',
];

/** Strings with half a surrogate pair: they cannot be written in UTF-8, so they must be refused or mended. */
export const LONE_SURROGATES = ['high \ud83d here', 'low \ude00 here', 'swapped \ude00\ud83d here', 'last \ud83d', '\udc00 first'];

/** Puts `text` in a form fit for a report: escaped, and not longer than a line. */
export function legible(text) {
  if (typeof text !== 'string') return JSON.stringify(text);
  const head = text.length > 120 ? text.slice(0, 120) : text;
  const escaped = head.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `"${escaped}"${text.length > 120 ? `… (${text.length} units)` : ''}`;
}
