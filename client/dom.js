// Helpers for the page's document.

// When the library was loaded.
var loadedAt = now();

function hide(node) {
  node.style.display = 'none';
  return node;
}

function remove(node) { if (node && node.parentNode) node.parentNode.removeChild(node); }

// Calls `fn` as soon as the test holds.
function when(test, fn) {
  if (test()) fn(); else setTimeout(function () { when(test, fn); }, 50);
}

// Whether the page has loaded, or takes too long for us to wait for it.
function isLoaded() {
  return doc.body && (now() - loadedAt > 5000 || /complete|undefined/.test(doc.readyState + ''));
}

function listen(target, name, fn) {
  if (target && target.addEventListener) target.addEventListener(name, fn, false);
  else if (target && target.attachEvent) target.attachEvent('on' + name, fn);
}
