import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';

/** @typedef {(...args: (string | Buffer)[]) => Promise<any>} Command bulk replies are Buffers */

/** An error reply of Redis; `code` is its first word, such as NOAUTH or WRONGPASS. */
export class ReplyError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.code = message.split(' ', 1)[0];
  }
}

/**
 * Opens a connection, signs in as the URL says, lends it to `use` and closes it whatever happens.
 * `use` sends one command at a time.
 *
 * @template T
 * @param {string} url
 * @param {number} timeoutMs for everything from connecting to the end of `use`
 * @param {(command: Command) => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function withRedis(url, timeoutMs, use) {
  const target = new URL(url);
  const socket = connect(target);
  const tooLate = () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`));
  const timer = setTimeout(tooLate, timeoutMs);
  try {
    await once(socket, target.protocol === 'rediss:' ? 'secureConnect' : 'connect');
    const command = commandsOver(socket);
    await signIn(command, target);
    return await use(command);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** @param {URL} target */
function connect(target) {
  const host = target.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1';
  const port = Number(target.port || 6379);
  if (target.protocol !== 'rediss:') return net.connect({ host, port });
  return tls.connect({ host, port, servername: net.isIP(host) ? '' : host });
}

/** @type {(command: Command, target: URL) => Promise<void>} */
async function signIn(command, target) {
  const user = decodeURIComponent(target.username);
  const password = decodeURIComponent(target.password);
  if (password) await (user ? command('AUTH', user, password) : command('AUTH', password));
  const database = target.pathname.slice(1);
  if (database) await command('SELECT', database);
}

/** @type {(socket: net.Socket) => Command} */
function commandsOver(socket) {
  const chunks = socket[Symbol.asyncIterator]();
  let received = Buffer.alloc(0);
  return async (...args) => {
    socket.write(encode(args));
    let reply;
    while (!(reply = parse(received, 0))) {
      const { value: chunk, done } = await chunks.next();
      if (done) throw new Error('it closed the connection');
      received = Buffer.concat([received, chunk]);
    }
    received = received.subarray(reply.end);
    if (reply.value instanceof Error) throw reply.value;
    return reply.value;
  };
}

/** @param {(string | Buffer)[]} args */
function encode(args) {
  const bulks = args.map((arg) => Buffer.from(arg));
  const parts = bulks.flatMap((bulk) => [`$${bulk.length}\r\n`, bulk, '\r\n']);
  return Buffer.concat([`*${bulks.length}\r\n`, ...parts].map((part) => Buffer.from(part)));
}

/**
 * @param {Buffer} bytes
 * @param {number} start
 * @returns {{ value: any, end: number } | undefined} nothing while the reply is incomplete
 */
function parse(bytes, start) {
  const end = bytes.indexOf('\r\n', start) + 2;
  if (end < 2) return undefined;
  const line = bytes.toString('utf8', start + 1, end - 2);
  switch (String.fromCharCode(bytes[start])) {
    case '+':
    case ':':
      return { value: line, end };
    case '-':
      return { value: new ReplyError(line), end };
    case '$':
      return parseBulk(bytes, end, Number(line));
    case '*':
      return parseArray(bytes, end, Number(line));
    default:
      return { value: new Error('it does not speak the Redis protocol'), end };
  }
}

/** @type {(bytes: Buffer, start: number, length: number) => ReturnType<typeof parse>} */
function parseBulk(bytes, start, length) {
  if (length < 0) return { value: null, end: start };
  const end = start + length;
  return bytes.length < end + 2 ? undefined : { value: bytes.subarray(start, end), end: end + 2 };
}

/** @type {(bytes: Buffer, start: number, count: number) => ReturnType<typeof parse>} */
function parseArray(bytes, start, count) {
  const value = [];
  let end = start;
  while (value.length < count) {
    const item = parse(bytes, end);
    if (!item) return undefined;
    value.push(item.value);
    end = item.end;
  }
  return { value, end };
}
