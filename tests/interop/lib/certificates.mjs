// Certificates made by openssl, in a folder of their own.

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const KEYS = { rsa: ['-newkey', 'rsa:2048'], ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'] };

/** An authority, and certificates that it vouches for. */
export class Authority {
  #folder = mkdtempSync(join(tmpdir(), 'parlance-tls-'));
  #made = 0;

  constructor() {
    openssl('req', '-x509', ...KEYS.ec, '-nodes', '-days', '2', '-subj', '/CN=Test authority', '-keyout', this.file('ca.key'), '-out', this.file('ca.pem'));
    /** What a client needs in order to trust it. */
    this.ca = readFileSync(this.file('ca.pem'), 'utf8');
  }

  file(name) {
    return join(this.#folder, name);
  }

  /** Makes `<name>.pem`, with the authority's certificate behind its own, and `<name>.key`. `valid`: its first and last moment, if not now. */
  make(name, { names = ['DNS:localhost', 'IP:127.0.0.1'], kind = 'rsa', days = 2, valid, use = 'serverAuth' } = {}) {
    const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map((end) => this.file(`${name}.${end}`));
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=${use}\n`);
    openssl('req', ...KEYS[kind], '-nodes', '-subj', '/CN=parlance', '-keyout', key, '-out', request);
    const serial = String(++this.#made);
    if (valid) this.#sign(request, extensions, cert, valid);
    else openssl('x509', '-req', '-days', String(days), '-in', request, '-CA', this.file('ca.pem'), '-CAkey', this.file('ca.key'), '-set_serial', serial, '-extfile', extensions, '-out', cert);
    writeFileSync(cert, readFileSync(cert, 'utf8') + this.ca);
    return { cert, key, fingerprint: new X509Certificate(readFileSync(cert)).fingerprint256 };
  }

  /** Signs for another time than now, which older versions of `openssl x509` cannot. */
  #sign(request, extensions, cert, [first, last]) {
    const config = this.file('ca.cnf');
    const settings = ['database=' + this.file('index'), 'new_certs_dir=' + this.#folder, 'rand_serial=yes', 'default_md=sha256', 'policy=any'];
    writeFileSync(config, `[ca]\ndefault_ca=own\n[own]\n${settings.join('\n')}\n[any]\ncommonName=supplied\n`);
    writeFileSync(this.file('index'), '');
    const by = ['-cert', this.file('ca.pem'), '-keyfile', this.file('ca.key'), '-startdate', first, '-enddate', last];
    openssl('ca', '-batch', '-notext', '-config', config, ...by, '-in', request, '-extfile', extensions, '-out', cert);
  }

  /** Puts the files of one pair in the place of another's. */
  replace(old, { cert, key }) {
    copyFileSync(cert, old.cert);
    copyFileSync(key, old.key);
  }

  remove() {
    rmSync(this.#folder, { recursive: true });
  }
}

function openssl(...args) {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
