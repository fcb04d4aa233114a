// Attachments: bytes travel behind their packet, and a placeholder stands in the JSON where they were.

import { isBinary } from '../bytes.js';

/** Whether there are bytes anywhere in a value. */
export function hasBinary(value) {
  if (typeof value !== 'object' || value === null) return false;
  if (isBinary(value)) return true;
  if (Array.isArray(value)) return value.some(hasBinary);
  if (typeof value.toJSON === 'function') return hasBinary(value.toJSON());
  for (const key in value) {
    if (Object.prototype.hasOwnProperty.call(value, key) && hasBinary(value[key])) return true;
  }
  return false;
}

/** JSON with placeholders. The attachments are added to `attachments`. */
export function stringify(data, attachments) {
  return JSON.stringify(data, function placeholder(key, value) {
    // `value` is what toJSON made of it, which a Buffer has.
    const original = this[key];
    if (!isBinary(original)) return value;
    attachments.push(original);
    return { _placeholder: true, num: attachments.length - 1 };
  });
}

/** Puts attachments in the place of their placeholders. */
export function restore(value, attachments) {
  if (typeof value !== 'object' || value === null) return value;
  if (value._placeholder === true) {
    if (!Number.isInteger(value.num) || value.num < 0 || value.num >= attachments.length) throw new Error('placeholder of no attachment');
    return attachments[value.num];
  }
  for (const key of Object.keys(value)) value[key] = restore(value[key], attachments);
  return value;
}
