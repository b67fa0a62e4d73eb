import { once } from 'node:events';
import net from 'node:net';
import { Lane, type Shape } from './lane.js';

interface Pair {
  readonly client: net.Socket;
  readonly server: net.Socket;
  readonly lanes: readonly Lane[];
  /** Whether what the server says is thrown away. Such a connection can only be cut: RESP does not survive it. */
  isMute: boolean;
  /** What is under way, and stays there, whatever becomes of the client. */
  stranded?: Buffer[];
}

/** A TCP proxy in front of a Redis that does to connections what networks do. */
export class Proxy {
  readonly #pairs = new Set<Pair>();
  readonly #stranded = new Set<Pair>();
  readonly #server = net.createServer((client) => this.#onConnection(client));
  readonly #target: { host: string; port: number };
  #isRefusing = false;
  #isStalled = false;
  #lastWord: string | undefined;
  #shape: Shape = {};

  private constructor(targetUrl: string) {
    const { hostname, port } = new URL(targetUrl);
    this.#target = { host: hostname, port: Number(port || 6379) };
  }

  /** `host`: the address of this machine at which it listens. */
  static async start(targetUrl: string, host = '127.0.0.1'): Promise<Proxy> {
    const proxy = new Proxy(targetUrl);
    proxy.#server.listen(0, host);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const { address, port } = this.#server.address() as net.AddressInfo;
    return `redis://${address}:${port}`;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      reset(client);
      reset(server);
    }
  }

  /** From now on requests get through and answers do not, until the connection is cut. */
  loseReplies(): void {
    for (const pair of this.#pairs) pair.isMute = true;
  }

  /** The same for the connection on which `word` is next sent, from then on. */
  loseRepliesFrom(word: string): void {
    this.#lastWord = word;
  }

  /** From now on nothing of the present connections gets through; what is sent stays under way until `deliver`. */
  strand(): void {
    for (const pair of this.#pairs) {
      pair.isMute = true;
      pair.stranded = [];
      this.#stranded.add(pair);
    }
  }

  /** What has stayed under way arrives, also if who sent it is gone. Resolves when the server is done with it. */
  async deliver(): Promise<void> {
    for (const { server, stranded } of this.#stranded) {
      server.end(Buffer.concat(stranded!));
      await once(server, 'close');
    }
  }

  /** Cuts everything, and lets nobody in until `accept`. */
  refuse(): void {
    this.#isRefusing = true;
    this.cut();
  }

  accept(): void {
    this.#isRefusing = false;
  }

  /** Holds everything back, without a sign to anybody, until `flow`. */
  stall(): void {
    this.#isStalled = true;
    for (const pair of this.#pairs) this.#hold(pair);
  }

  flow(): void {
    this.#isStalled = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** How everything travels from now on, both ways; `{}` for at once. */
  shape(shape: Shape): void {
    this.#shape = shape;
    for (const { lanes } of this.#pairs) for (const lane of lanes) lane.shape(shape);
  }

  async close(): Promise<void> {
    this.cut();
    for (const { server } of this.#stranded) server.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #onConnection(client: net.Socket): void {
    if (this.#isRefusing) return reset(client);
    const server = net.connect(this.#target);
    const [there, back] = [new Lane(server), new Lane(client)];
    const pair: Pair = { client, server, lanes: [there, back], isMute: false };
    for (const lane of pair.lanes) lane.shape(this.#shape);
    this.#pairs.add(pair);
    client.setNoDelay(true);
    server.setNoDelay(true);
    this.#relay(client, server, (chunk) => {
      if (this.#isLastWord(chunk)) pair.isMute = true;
      if (pair.stranded) pair.stranded.push(chunk);
      else there.push(chunk);
    });
    this.#relay(server, client, (chunk) => pair.isMute || back.push(chunk));
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      if (!pair.stranded) server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
    if (this.#isStalled) this.#hold(pair);
  }

  #isLastWord(chunk: Buffer): boolean {
    if (this.#lastWord === undefined || !chunk.includes(this.#lastWord)) return false;
    this.#lastWord = undefined;
    return true;
  }

  /** Who reads nothing is sent nothing more, as in a network: what is left waits with the sender. */
  #relay(from: net.Socket, to: net.Socket, push: (chunk: Buffer) => void): void {
    from.on('data', (chunk) => {
      push(chunk);
      if (!to.writableNeedDrain) return;
      from.pause();
      to.once('drain', () => this.#isStalled || from.resume());
    });
  }

  #hold({ client, server }: Pair): void {
    client.pause();
    server.pause();
  }
}

/** A socket that is closing cannot be reset: Node would keep its handle, and with it the process, for ever. */
function reset(socket: net.Socket): void {
  if (socket.writableEnded || socket.readableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
