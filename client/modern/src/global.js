// How a script gives the library to its page, or to a loader of CommonJS or AMD modules.

import { root } from './root.js';

export function give(io) {
  if (typeof module === 'object' && module.exports) module.exports = io;
  else if (typeof define === 'function' && define.amd) define(() => io);
  else root.io = io;
}
