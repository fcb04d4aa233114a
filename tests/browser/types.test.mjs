// What client/parlance.d.ts says of the library: that programs can be written by it, and that it is so.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
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

describe('types of the modern client', () => {
  const folder = here('../../client/modern/');
  const program = ts.createProgram([`${folder}index.d.ts`], {});
  const checker = program.getTypeChecker();
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(`${folder}index.d.ts`)));
  const named = (name) => checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === name));
  const members = (name) => named(name).getProperties().map((member) => member.name);
  const text = readdirSync(`${folder}src`, { recursive: true })
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(`${folder}src/${name}`, 'utf8'))
    .join('\n');

  it('name no member that is not there', async () => {
    const { io, ...module } = await import(`${folder}dist/socket.io.node.mjs`);
    const socket = io('http://127.0.0.1:1', { autoConnect: false });
    socket.io.open(() => {});
    const { engine } = socket.io;
    const things = { Socket: socket, Manager: socket.io, Engine: engine, Transport: engine.transport };
    for (const [name, thing] of Object.entries(things)) for (const member of members(name)) assert.ok(member in thing, `${name}.${member}`);
    const values = exported.filter((symbol) => symbol.flags & ts.SymbolFlags.Value).map(({ name }) => name);
    for (const name of values) assert.ok(name === 'io' || name in module, name);
    socket.io.close();
  });

  it('name the options that the library knows', () => {
    for (const option of members('Options')) assert.match(text, new RegExp(`\\b${option}\\b`), option);
  });
});
