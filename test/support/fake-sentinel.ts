import { once } from 'node:events';
import net from 'node:net';
import { commandsIn } from './fake-redis.js';

const OK = '+OK\r\n';
const HELLO = '%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n';
const SUBSCRIBED = '>3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n';
const SWITCHED = '>3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$4\r\nmain\r\n';

/** A sentinel that says what it is told to, when it is told to. */
export class FakeSentinel {
  readonly #sockets = new Set<net.Socket>();
  readonly #subscribers = new Set<net.Socket>();
  readonly #server = net.createServer((socket) => this.#onConnection(socket));
  /** Those who have asked for the master while it says nothing. */
  readonly #asking: (() => void)[] = [];
  isSilent = false;

  private constructor(private readonly masterPort: number) {}

  static async start(masterPort: number): Promise<FakeSentinel> {
    const sentinel = new FakeSentinel(masterPort);
    sentinel.#server.listen(0, '127.0.0.1');
    await once(sentinel.#server, 'listening');
    return sentinel;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  get asking(): number {
    return this.#asking.length;
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** Answers all who have asked for the master, and from now on all who do. */
  speak(): void {
    this.isSilent = false;
    for (const answer of this.#asking.splice(0)) answer();
  }

  /** Tells all who listen that there is another master. */
  announce(): void {
    for (const socket of this.#subscribers) socket.write(SWITCHED);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #onConnection(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#subscribers.delete(socket);
    });
    socket.on('data', (chunk) => {
      const text = chunk.toString();
      for (const command of commandsIn(text)) this.#onCommand(socket, command, text);
    });
  }

  #onCommand(socket: net.Socket, command: string, text: string): void {
    if (command === 'SUBSCRIBE') this.#subscribers.add(socket);
    const isAsked = command === 'SENTINEL' && /get-master-addr/i.test(text);
    if (isAsked && this.isSilent) this.#asking.push(() => socket.write(this.#master));
    else socket.write(isAsked ? this.#master : answerTo(command));
  }

  get #master(): string {
    const port = String(this.masterPort);
    return `*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`;
  }
}

function answerTo(command: string): string {
  // Of other sentinels it knows none.
  return { HELLO, SUBSCRIBE: SUBSCRIBED, SENTINEL: '*0\r\n' }[command] ?? OK;
}
