// Selects the transports that a manager tries, and their order. It depends on the server's policy,
// the page's options, the browser, and recent failures.

// A transport that fails goes into quarantine, for so many seconds: the first time, the second, …
var QUARANTINE_SECONDS = [30, 60, 120, 300, 600];

// How each transport to each server has done, by their joined names. All managers share this.
var records = {};

extend(Manager, {
  // Takes the server's list of allowed transports, which came with the page or with a refusal.
  setPolicy: function (policy) {
    var manager = this, wanted = manager.opts.transports || [], i;
    manager.policy = policy;
    for (i = 0; i < wanted.length; i++) {
      if (!includes(policy, wanted[i]) && !(wanted[i] === 'polling' && /polling/.test(policy))) {
        manager.log(wanted[i], 'policy', 0, makeError('refused', 'not in the server\'s list'));
      }
    }
    for (i = 0; i < policy.length; i++) {
      if (manager.wants(policy[i]) && !can(policy[i], manager.crossScheme)) {
        manager.log(policy[i], 'support', 0, unsupportedError());
      }
    }
  },

  // Whether the page's option `transports`, if set, has one of its two names.
  wants: function (name) {
    var wanted = this.opts.transports;
    return !wanted || includes(wanted, name) || includes(wanted, wireName(name));
  },

  // `until` is the end of its quarantine; `earlyEnds` counts sessions that were cut off early.
  record: function (name) {
    name += this.base;
    return (records[name] = records[name] || { failures: 0, until: 0, earlyEnds: 0 });
  },

  quarantine: function (name) {
    var record = this.record(name), seconds = QUARANTINE_SECONDS[Math.min(record.failures++, 4)];
    record.until = now() + seconds * 1000;
    this.log(name, 'quarantine', 0, makeError('quarantined', 'next test in ' + seconds + ' s'));
  },

  // The order for opening a session: polling first because it nearly always works, transports in
  // quarantine last.
  startOrder: function () {
    for (var manager = this, order = [[], [], []], i = 0, name; i < manager.policy.length; i++) {
      name = manager.policy[i];
      if (manager.wants(name) && can(name, manager.crossScheme)) {
        order[manager.record(name).until > now() ? 2 : wireName(name) === name ? 1 : 0].push(name);
      }
    }
    return order[0].concat(order[1], order[2]);
  }
});
