// POST requests by a form in a hidden frame, which works for any origin. An answer of another
// origin cannot be read, so a frame that has loaded counts as success.

function formRequest(engine, url, body, ms, done) {
  var name = 'parlance' + ++serial, form, area, frame, poll;
  var end = startTask(ms, done, function () {
    clearInterval(poll);
    // Not now: this may run in an event handler of the frame.
    soon(function () {
      remove(form);
      remove(frame);
    });
  });
  function look(loaded) {
    var text = '';
    try {
      if (frame.contentWindow.location.href === 'about:blank') return;
      text = frame.contentWindow.document.body.innerHTML;
    } catch (x) {}
    if (text || loaded === 1) end(null);
  }
  when(function () { return doc.body; }, function () {
    // Old Internet Explorer takes the name of a frame only in this form.
    try { frame = doc.createElement('<iframe name="' + name + '">'); } catch (x) {
      frame = doc.createElement('iframe');
    }
    form = hide(doc.createElement('form'));
    area = form.appendChild(doc.createElement('textarea'));
    area.name = 'd';
    frame.name = form.target = name;
    form.method = 'POST';
    form.action = url;
    form.setAttribute('accept-charset', 'utf-8');
    doc.body.appendChild(hide(frame));
    doc.body.appendChild(form);
    // Browsers change the newlines in forms, so they are escaped.
    area.value = body.replace(/\\n/g, '\\\\n').replace(/\n/g, '\\n');
    form.submit();
    frame.onload = function () { look(1); };
    poll = setInterval(look, 50);
    // Some browsers never report the end.
    setTimeout(function () { end(null); }, 3000);
  });
  return end;
}
