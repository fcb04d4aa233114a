// One test: what it starts is ended with it, and a failure tells what the server said.

import test from 'node:test';
import { openPage } from './browser.mjs';
import { Client } from './clients.mjs';
import { startFaultProxy } from './fault-proxy.mjs';
import { startChat, startExample } from './server.mjs';

const LIMIT = 300_000;

export function scenario(title, body) {
  test(title, { timeout: LIMIT }, async () => {
    const scene = new Scene();
    try {
      await body(scene);
    } catch (error) {
      for (const server of scene.servers) error.message += `\n--- stderr of the server, its end:\n${server.stderr.slice(-3000)}`;
      throw error;
    } finally {
      await scene.close();
    }
  });
}

class Scene {
  servers = [];
  #clients = [];
  #closers = [];

  async chat(args, rates) {
    return this.#keep(await startChat(args, rates));
  }

  async example(name) {
    return this.#keep(await startExample(name));
  }

  #keep(server) {
    this.servers.push(server);
    return server;
  }

  async faultProxy(server, fault) {
    const proxy = await startFaultProxy(server.port, fault);
    this.atEnd(() => proxy.close());
    return proxy;
  }

  /** Opens one client and waits for its connection. */
  async client(url, spec) {
    return this.adopt(Client.open({ url, ...spec }));
  }

  /** Opens a page for the published bundle of one generation; see browser.mjs. */
  async page(spec) {
    const page = await openPage(spec);
    this.atEnd(() => page.close());
    return page;
  }

  /** Opens one that may well fail, and soon. */
  attempt(url, spec) {
    const client = Client.open({ url, connectTimeout: 1000, ...spec });
    this.#clients.push(client);
    return client;
  }

  /** Opens many at once and waits for all. */
  clients(url, specs) {
    return Promise.all(specs.map((spec) => this.client(url, spec)));
  }

  /** Takes care of a client that was opened elsewhere. */
  async adopt(client) {
    this.#clients.push(client);
    await client.connected();
    return client;
  }

  atEnd(closer) {
    this.#closers.unshift(closer);
  }

  async close() {
    await Promise.allSettled(this.#clients.map(async (client) => client.disconnect()));
    await Promise.allSettled(this.servers.map((server) => server.stop('SIGKILL')));
    for (const closer of this.#closers) await closer();
  }
}
