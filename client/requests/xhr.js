// Requests by XMLHttpRequest. Internet Explorer 8 and 9 need XDomainRequest for servers of another
// origin, Internet Explorer 6 has the ActiveX object instead.

// `crossScheme` is the scheme of a server of another origin, or '' for the page's own.
function newXhr(crossScheme) {
  var xhr;
  try {
    xhr = new root.XMLHttpRequest();
    if (!crossScheme || 'withCredentials' in xhr) return xhr;
  } catch (e) {}
  try {
    return crossScheme ? crossScheme === loc.protocol && new root.XDomainRequest() :
      new root.ActiveXObject('Msxml2.XMLHTTP');
  } catch (e2) {}
  try { return !crossScheme && new root.ActiveXObject('Microsoft.XMLHTTP'); } catch (e3) {}
}

// A body of null makes it a GET.
function xhrRequest(engine, url, body, ms, done) {
  var xhr, manager = engine.manager, crossScheme = manager.crossScheme;
  var end = startTask(ms, done, function () { try { xhr.abort(); } catch (ex) {} });
  try {
    xhr = newXhr(crossScheme);
    xhr.open(body === null ? 'GET' : 'POST', url, true);
    if (crossScheme && !('withCredentials' in xhr)) {
      // XDomainRequest
      xhr.onload = function () { end(null, xhr.responseText); };
      xhr.onerror = xhr.ontimeout = function () { end(httpError()); };
      // Internet Explorer 9 drops requests without this handler.
      xhr.onprogress = nothing;
    } else {
      if (manager.opts.withCredentials) xhr.withCredentials = true;
      if (body !== null) xhr.setRequestHeader('Content-Type', 'text/plain;charset=UTF-8');
      // The handler cannot use `this`: with ActiveX it is the window.
      xhr.onreadystatechange = function () {
        var status, text;
        if (xhr.readyState !== 4) return;
        try {
          status = xhr.status;
          text = xhr.responseText;
        } catch (ex) {}
        end(status === 200 ? null : httpError(status, text), text);
      };
    }
    xhr.send(body);
  } catch (ex2) { soon(function () { end(makeError('unsupported', ex2.message)); }); }
  return end;
}
