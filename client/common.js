// Small helpers for all other files, some of which newer browsers have built in.

var doc = root.document, loc = root.location || {};

// Counts up, to make names and URLs unique.
var serial = 0;

function nothing() {}

function now() { return new Date().getTime(); }

// Runs `fn` after the event that is being handled.
function soon(fn) { setTimeout(fn, 0); }

// 'Array', 'Date', 'ArrayBuffer', …
function classOf(value) { return {}.toString.call(value).slice(8, -1); }

function hasOwn(object, key) { return {}.hasOwnProperty.call(object, key); }

function toArray(listLike) { return [].slice.call(listLike); }

function includes(array, item) {
  for (var i = 0; array && i < array.length; i++) if (array[i] === item) return true;
}
