// All faults by name. The files in faults/ are the table; what an entry may have:
//
// - `what`: the fault in words; `harmless`: why nobody should be alarmed by it
// - where it is done: `way`, a plan of lib/proxy.mjs; `link`, one of lib/link.mjs; `nginx`, `haproxy`: configurations of
//   the real ones; `tls`: how the certificate of the proxy is made; `server`, `settings`: flags and file of the server;
//   `instances`: how many servers; `crowd`: who is there before; `act`: what happens once the client is connected
//   `browser`: what is changed in the browser
// - `proof`: what a raw client sees of it (lib/proofs.mjs), or a page (browser.test.mjs)

import { BROWSER } from './faults/browser.mjs';
import { SERVER } from './faults/server.mjs';
import { UPGRADE } from './faults/upgrade.mjs';
import { WAY } from './faults/way.mjs';

export const FAULTS = { ...UPGRADE, ...WAY, ...SERVER, ...BROWSER };
