import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CloudsNode } from '../../lib/index.js';
import { closedPort as freePort } from '../support/fake-redis.js';
import { type PrivateRedis, startPrivateRedis } from '../../tools/redis.mjs';
import { outcome, rejection } from '../support/wait.js';

const directory = mkdtempSync(path.join(tmpdir(), 'clouds-tls-'));
const file = (name: string) => path.join(directory, name);
const openssl = (...args: string[]) =>
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });

/** An authority, and a certificate from it for 127.0.0.1. */
function makeAuthority(name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    `${name}-ca.key`,
    '-out',
    `${name}-ca.crt`,
    '-subj',
    `/CN=${name}`,
  );
  openssl(
    'req',
    ...key.slice(0, 5),
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
    '-subj',
    '/CN=redis',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  );
  openssl(
    'x509',
    '-req',
    '-in',
    `${name}.csr`,
    '-CA',
    `${name}-ca.crt`,
    '-CAkey',
    `${name}-ca.key`,
    '-days',
    '2',
    '-copy_extensions',
    'copy',
    '-out',
    `${name}.crt`,
  );
}

/** There is no openssl for the certificates, or the Redis that is found was built without TLS. */
const IMPOSSIBLE = /ENOENT|Bad directive/;

/** Nothing else that goes wrong makes these tests go away. */
async function canUseTls(): Promise<boolean> {
  try {
    openssl('version');
    const probe = await startPrivateRedis({ args: ['--tls-port', '0'] });
    await probe.stop();
    return true;
  } catch (error) {
    if (IMPOSSIBLE.test(String(error))) return false;
    throw error;
  }
}

const isPossible = await canUseTls();

let server: PrivateRedis;
let port: number;
const nodes: CloudsNode[] = [];

beforeAll(async () => {
  if (!isPossible) return;
  for (const name of ['right', 'wrong']) makeAuthority(name);
  port = await freePort();
  server = await startPrivateRedis({
    args: [
      ...['--tls-port', String(port), '--tls-auth-clients', 'optional'],
      ...['--tls-cert-file', file('right.crt'), '--tls-key-file', file('right.key')],
      ...['--tls-ca-cert-file', file('right-ca.crt')],
    ],
  });
});

afterEach(() => Promise.all(nodes.splice(0).map((node) => node.close())));

afterAll(async () => {
  if (isPossible) await server.stop();
  rmSync(directory, { recursive: true });
});

function node(tls: ConnectionOptions | undefined, url = `rediss://127.0.0.1:${port}`): CloudsNode {
  const one = new CloudsNode({ redis: { url, tls }, connectTimeout: 700, prefix: 'tls:' });
  nodes.push(one);
  return one;
}

const ca = (name: string) => readFileSync(file(`${name}-ca.crt`));

describe.skipIf(!isPossible)('a Redis with TLS', () => {
  it('is spoken to when its certificate comes from the authority that is trusted', async () => {
    const serving = node({ ca: ca('right') });
    await serving.register('echo', (data) => data);
    expect(await node({ ca: ca('right') }).send('echo', 'secret')).toBe('secret');
  });

  it.each([
    ['another authority', () => ({ ca: ca('wrong') })],
    ['none', () => undefined],
    ['none but those of Node', () => ({})],
  ])('is refused when %s is trusted', async (_, tls) => {
    const error = await rejection(node(tls()).connect());
    expect(error).toMatchObject({ code: 'CLOUDS_DISCONNECTED' });
    expect(error.message).toMatch(/self.signed|unable to (get|verify)/i);
  });

  it('is refused when its certificate is for another name', async () => {
    const servername = 'other.example';
    const error = await rejection(node({ ca: ca('right'), servername }).connect());
    expect(error.message).toMatch(/Hostname|altnames/i);
  });

  it('is no use to who speaks without it, nor the other way round', async () => {
    expect(await outcome(node(undefined, `redis://127.0.0.1:${port}`).connect())).toBe(
      'CLOUDS_DISCONNECTED',
    );
    const plain = `rediss://127.0.0.1:${server.port}`;
    expect(await outcome(node({ ca: ca('right') }, plain).connect())).toBe('CLOUDS_DISCONNECTED');
  });
});

describe.skipIf(!isPossible)('a Redis that wants certificates', () => {
  let strictPort: number;
  let strict: PrivateRedis;

  beforeAll(async () => {
    strictPort = await freePort();
    strict = await startPrivateRedis({
      args: [
        ...['--tls-port', String(strictPort), '--tls-auth-clients', 'yes'],
        ...['--tls-cert-file', file('right.crt'), '--tls-key-file', file('right.key')],
        ...['--tls-ca-cert-file', file('right-ca.crt')],
      ],
    });
  });
  afterAll(() => strict.stop());

  const pair = (name: string) => ({
    ca: ca('right'),
    cert: readFileSync(file(`${name}.crt`)),
    key: readFileSync(file(`${name}.key`)),
  });
  const connect = (tls: ConnectionOptions) =>
    outcome(node(tls, `rediss://127.0.0.1:${strictPort}`).connect());

  it('lets in who has one from its authority, and nobody else', async () => {
    expect(await connect(pair('right'))).toBe('ok');
    expect(await connect(pair('wrong'))).toBe('CLOUDS_DISCONNECTED');
    expect(await connect({ ca: ca('right') })).toBe('CLOUDS_DISCONNECTED');
  });
});
