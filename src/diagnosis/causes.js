/* The table of causes, and the one function that names them: what causes.rs does, for pages. ES3.
   build/pages.rs puts the table in, and adds this file to those of the pages as parlance-causes.js. */
(function (root) {
  var TABLE = /*causes*/[]/*end*/;

  function holds(is, fact) {
    var i, sign;
    if (fact === undefined) return false;
    if (typeof is !== 'object') return is === fact;
    if (is.length !== undefined) {
      for (i = 0; i < is.length; i++) if (is[i] === fact) return true;
      return false;
    }
    if (typeof fact !== 'number') return false;
    for (sign in is) {
      if (!(sign === '<' ? fact < is[sign] : sign === '<=' ? fact <= is[sign] : sign === '>' ? fact > is[sign] : fact >= is[sign])) return false;
    }
    return true;
  }

  function all(when, facts) {
    for (var name in when) if (!holds(when[name], facts[name])) return false;
    return true;
  }

  // The parts of which all facts are known.
  function filled(parts, facts) {
    var out = [], i, line, missing;
    function value(match, name) {
      if (facts[name] === undefined) missing = true;
      return facts[name];
    }
    for (i = 0; i < parts.length; i++) {
      missing = false;
      line = parts[i].replace(/\{([^}]*)\}/g, value);
      if (!missing) out.push(line);
    }
    return out.join('; ');
  }

  function listed(facts) {
    var names = [], i, name;
    for (name in facts) if (facts[name] !== undefined) names.push(name);
    names.sort();
    for (i = 0; i < names.length; i++) names[i] += '=' + facts[names[i]];
    return names.join(', ');
  }

  // Facts are texts, numbers, true or false by their names. Returns { cause, where, certainty, title, evidence, remedy }.
  function diagnose(facts) {
    var i, j, cause, rule;
    for (i = 0; i < TABLE.length; i++) {
      cause = TABLE[i];
      for (j = 0; j < cause.rules.length; j++) {
        rule = cause.rules[j];
        if (all(rule.when, facts)) return { cause: cause.cause, where: cause.where, certainty: rule.certainty, title: cause.title, evidence: filled(rule.evidence, facts), remedy: cause.remedy };
      }
    }
    return {
      cause: 'unknown', where: 'unknown', certainty: 'unknown', title: 'The cause is not known', evidence: listed(facts),
      remedy: 'Run parlance diagnose from the network of the client, and compare with --direct'
    };
  }

  root.ParlanceCauses = { diagnose: diagnose };
})(window);
