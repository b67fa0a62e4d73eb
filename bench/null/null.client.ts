import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';

interface Call {
  readonly packet: ReadPacket;
  readonly callback: (packet: WritePacket) => void;
}

/**
 * The caller's half of "Nest alone": answers from memory what the handlers would, all calls of a turn in the
 * next, so that what is left is what `send` of Nest costs whatever the transport.
 */
export class NullClient extends ClientProxy {
  readonly #held = new Set<Call>();
  #calls: Call[] = [];
  #events: (() => void)[] = [];
  #isScheduled = false;

  connect(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}

  unwrap<T>(): T {
    throw new Error('There is no driver behind the null transport.');
  }

  protected publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    const call = { packet, callback };
    if (packet.pattern === 'hold') return this.#hold(call);
    this.#calls.push(call);
    this.#schedule();
    return () => undefined;
  }

  protected dispatchEvent<T>(): Promise<T> {
    return new Promise<unknown>((resolve) => {
      this.#events.push(() => resolve(undefined));
      this.#schedule();
    }) as Promise<T>;
  }

  #hold(call: Call): () => void {
    this.#held.add(call);
    return () => this.#held.delete(call);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#answer());
  }

  #answer(): void {
    const [calls, events] = [this.#calls, this.#events];
    [this.#calls, this.#events, this.#isScheduled] = [[], [], false];
    for (const { packet, callback } of calls) {
      if (packet.pattern === 'stream') answerStream(Number(packet.data), callback);
      else callback({ response: packet.data as unknown, isDisposed: true });
    }
    for (const resolve of events) resolve();
  }
}

function answerStream(values: number, callback: (packet: WritePacket) => void): void {
  for (let value = 0; value < values; value++) {
    callback({ response: value, isDisposed: value === values - 1 });
  }
}
