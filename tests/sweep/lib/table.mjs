// Results as a table of Markdown: neighbours with the same results share a row, and what went wrong is a footnote.

import { readFileSync, writeFileSync } from 'node:fs';

/** Footnotes of one page, numbered as they come. */
export class Notes {
  #texts = [];

  mark(text) {
    if (!this.#texts.includes(text)) this.#texts.push(text);
    return `[${this.#texts.indexOf(text) + 1}]`;
  }

  toString() {
    return this.#texts.map((text, n) => `${n + 1}. ${text}`).join('\n');
  }
}

/** One row for each run of `entries`, `[name, cells]`, with the same cells: `[label, count, ...cells]`. */
export function fold(entries) {
  const rows = [];
  for (const [name, cells] of entries) {
    const last = rows.at(-1);
    if (last && last.cells.join() === cells.join()) last.names.push(name);
    else rows.push({ names: [name], cells });
  }
  return rows.map(({ names, cells }) => {
    const label = names.length > 1 ? `${names[0]} – ${names.at(-1)}` : names[0];
    return [label, String(names.length), ...cells];
  });
}

/** What a visit came to: `yes`, or what failed as a note, for the known `reason` or in its own words. */
export function resultCell(result, reason, notes) {
  if (!result) return '–';
  const steps = Object.keys(result.failed);
  if (!steps.length) return 'yes';
  const own = Object.entries(result.failed).map(([step, why]) => `${step}: ${why}`);
  const word = steps.includes('connect') || steps.includes('login') ? 'no' : 'partly';
  return `${word} ${notes.mark(reason ?? own.join('; '))}`;
}

export function markdown(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Puts `text` between the markers `name` of the page. */
export function writeBetween(path, name, text) {
  const page = readFileSync(path, 'utf8');
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const from = page.indexOf(start) + start.length;
  const to = page.indexOf(end);
  if (from < start.length || to < from) throw new Error(`${path} has no place for ${name}`);
  writeFileSync(path, `${page.slice(0, from)}\n${text}\n\n${page.slice(to)}`);
}
