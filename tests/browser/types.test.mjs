// What client/parlance.d.ts says of the library: that programs can be written by it, and that it is so.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { joined } from './lib/client.mjs';
import { Lab } from './lib/lab.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const declarations = here('../../client/parlance.d.ts');

/** The members of each interface, but for those that may be missing. */
function interfaces() {
  const program = ts.createProgram([declarations], {});
  const checker = program.getTypeChecker();
  const found = {};
  const visit = (node) => {
    if (ts.isInterfaceDeclaration(node)) {
      const members = checker.getTypeAtLocation(node).getProperties();
      found[node.name.text] = members.map((member) => ({ name: member.name, optional: Boolean(member.flags & ts.SymbolFlags.Optional) }));
    }
    ts.forEachChild(node, visit);
  };
  visit(program.getSourceFile(declarations));
  return found;
}

describe('types', () => {
  const declared = interfaces();

  it('fit programs that use all of the library, and refuse what is wrong', async () => {
    const compiler = here('node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [compiler, '--project', here('types')]).catch((error) => assert.fail(error.stdout || error));
  });

  it('name no member that is not there', () => {
    const lab = new Lab();
    const socket = lab.socket();
    lab.advance(1000);
    const things = { Socket: socket, Manager: socket.io, Engine: socket.io.engine, EngineTransport: socket.io.engine.transport, TimelineEntry: socket.io.timeline()[0] };
    for (const [name, thing] of Object.entries(things)) {
      for (const member of declared[name]) assert.ok(member.optional || member.name in thing, `${name}.${member.name}`);
    }
    for (const name of ['connect', 'protocol', 'policy', 'can']) assert.ok(name in lab.io, name);
  });

  it('name the options that the library knows, and no other', () => {
    const used = [...joined().matchAll(/\bopts(?:\.(\w+)|\['([^']+)'\])/g)].map(([, name, quoted]) => name ?? quoted);
    assert.deepEqual([...new Set(used)].sort(), declared.Options.map((option) => option.name).sort());
  });
});
