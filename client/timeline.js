// The timeline of a manager: its steps and their outcomes, for the connection panel and reports.

extend(Manager, {
  timeline: function () { return this.entries.slice(); },

  // `startedAt` is 0 for a step that takes no time. Without an error the step succeeded.
  log: function (name, step, startedAt, error) {
    var code = error ? error.code : 'ok', entry = {
      at: now() - this.born, transport: name, step: step, ms: startedAt ? now() - startedAt : 0,
      code: code, reason: error ? error.message : '',
      outcome: /^(ok|refused|unsupported|quarantined)$/.test(code) ? code : 'failed'
    };
    this.entries.push(entry);
    if (this.entries.length > 200) this.entries.shift();
    this.fire('timeline', entry);
    // A refusal carries the server's current list.
    if (error && classOf(error.allowed) === 'Array') this.setPolicy(error.allowed);
  }
});
