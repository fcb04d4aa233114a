// Somebody in the room who speaks to the server directly, and does what no page would.

import { createRequire } from 'node:module';

const WebSocket = createRequire(new URL('../../interop/package.json', import.meta.url))('ws');

export class Stranger {
  #socket;
  #waiting = new Map();
  #ids = 0;

  /** Resolves when the server has let it into the room under that name; `options` go with it. */
  static async enter(url, name, options) {
    const stranger = new Stranger();
    await stranger.#open(url);
    const answer = await stranger.ask('add user', name, ...(options ? [options] : []));
    if (!answer.ok) throw new Error(`${name} was not let in: ${JSON.stringify(answer)}`);
    return stranger;
  }

  #open(url) {
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    return new Promise((resolve, reject) => {
      this.#socket.on('error', reject);
      this.#socket.on('message', (data) => {
        const packet = data.toString();
        if (packet[0] === '0') this.#socket.send('40');
        else if (packet === '2') this.#socket.send('3');
        else if (packet.startsWith('40')) resolve();
        else if (packet.startsWith('43')) {
          const [, id, args] = /^43(\d+)(.*)$/s.exec(packet);
          this.#waiting.get(id)?.(JSON.parse(args)[0]);
          this.#waiting.delete(id);
        }
      });
    });
  }

  /** Sends an event and waits for nothing. */
  tell(...event) {
    this.#socket.send(`42${JSON.stringify(event)}`);
  }

  /** Resolves with the answer to an event. */
  ask(...event) {
    const id = String(this.#ids++);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.send(`42${id}${JSON.stringify(event)}`);
    });
  }

  async say(text) {
    const answer = await this.ask('new message', text);
    if (!answer.ok) throw new Error(`refused: ${JSON.stringify(answer)}`);
  }

  /** Is gone without a word. */
  leave() {
    this.#socket.terminate();
  }
}
