import { once } from 'node:events';
import net from 'node:net';

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Something that greets like a Redis and says in INFO whatever it is told to; or accepts and is silent. */
export class FakeRedis {
  readonly #sockets = new Set<net.Socket>();
  readonly #server: net.Server;
  /** How many connections there have been. */
  accepted = 0;

  private constructor(
    private readonly info: string | undefined,
    /** From this command on a connection gets no answers. */
    private readonly lastWord?: string,
  ) {
    this.#server = net.createServer((socket) => this.#onConnection(socket));
  }

  static async start(info: string | undefined, lastWord?: string): Promise<FakeRedis> {
    const fake = new FakeRedis(info, lastWord);
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #onConnection(socket: net.Socket): void {
    this.accepted++;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    if (this.info === undefined) return;
    let isSilent = false;
    socket.on('data', (chunk) => {
      for (const command of commandsIn(chunk.toString())) {
        isSilent ||= command === this.lastWord;
        if (!isSilent) socket.write(this.#answer(command));
      }
    });
  }

  #answer(command: string): string {
    switch (command) {
      case 'HELLO':
        return '%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n';
      case 'INFO': {
        const info = `# Server\r\n${this.info}\r\n`;
        return `$${info.length}\r\n${info}\r\n`;
      }
      case 'SUBSCRIBE':
        return '>3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n';
      default:
        return '+OK\r\n';
    }
  }
}

/** The names of the commands in a chunk; each is an array that begins with its name. */
export function commandsIn(text: string): string[] {
  return [...text.matchAll(/\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n/g)].map(([, name]) =>
    name!.toUpperCase(),
  );
}
