import { CloudsClosedError, CloudsDisconnectedError, CloudsError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import { isRefusal, reasonOf } from '../redis/driver-errors.js';
import { isRedisReply, type Link } from '../redis/link.js';
import type { Partition } from './partition.js';

type State = 'idle' | 'connecting' | 'connected' | 'closing';

export interface SessionListener {
  onConnected(): void;
  onReconnecting(): void;
  onClosed(): void;
  /** The first connection failed: what waits for it waits for nothing. */
  onConnectFailed(error: Error): void;
  onWarning(message: string): void;
}

/**
 * The coming and going of the connection: opens the partitions whenever the link comes up.
 * States: idle -> connecting -> connected -> closing -> idle. While connected the link may be down; it
 * comes back by itself.
 */
export class Session {
  #state: State = 'idle';
  #isClosed = false;
  /** What was told of the present outage: that Redis cannot be reached, or that it refuses us. */
  readonly #told = new Set<'unreachable' | 'refused'>();
  #connecting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #opening: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly link: Link,
    private readonly partitions: readonly Partition[],
    private readonly listener: SessionListener,
  ) {
    link.on('up', () => this.#onUp());
    link.on('down', () => this.#onDown());
    link.on('message', (...message) => this.#onMessage(...message));
    link.on('error', (error) => this.#onLinkError(error));
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Whether `close()` was called after the last `connect()`, and is done with what was running. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isConnected(): boolean {
    return this.#state === 'connected' && this.partitions.every(({ isOpen }) => isOpen);
  }

  connect(): Promise<void> {
    if (this.#closing) return this.#closing.then(() => this.connect());
    this.#isClosed = false;
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  /** `leave` runs first, while everything still works; `endCalls` when no more may be made. */
  close(leave: () => Promise<void>, endCalls: () => void): Promise<void> {
    this.#closing ??= this.#close(leave, endCalls).finally(() => (this.#closing = undefined));
    return this.#closing;
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting';
    try {
      await this.#openFirst(performance.now() + this.link.openMs);
    } catch (error) {
      if (this.#state !== 'connecting') throw new CloudsClosedError(messages.closed());
      throw this.#abortConnect(error as Error);
    }
    if (this.#state !== 'connecting') throw new CloudsClosedError(messages.closed());
    this.#state = 'connected';
    this.listener.onConnected();
  }

  /** A connection that breaks before the partitions are open is one that was not made. */
  async #openFirst(end: number): Promise<void> {
    await this.link.open(end - performance.now());
    try {
      await this.#opening;
    } catch (error) {
      const isCut = !(error instanceof CloudsError) && !isRedisReply(error);
      if (!isCut || this.#state !== 'connecting') throw error;
      this.#hangUp();
      return this.#openFirst(end);
    }
  }

  #hangUp(): void {
    this.link.close();
    for (const partition of this.partitions) partition.down();
  }

  /** Returns what the caller of `connect()` is told. */
  #abortConnect(cause: Error): CloudsError {
    const error = this.#connectError(cause);
    this.#connecting = undefined;
    this.#state = 'idle';
    this.#hangUp();
    this.listener.onConnectFailed(error);
    return error;
  }

  /** The link is there, but Redis lets us do too little with it. */
  #connectError(cause: Error): CloudsError {
    if (cause instanceof CloudsError) return cause;
    const message = messages.connectRefused(this.link.address, reasonOf(cause));
    return new CloudsDisconnectedError(message, { cause });
  }

  async #close(leave: () => Promise<void>, endCalls: () => void): Promise<void> {
    const wasConnected = this.#state === 'connected';
    await leave();
    this.#state = 'closing';
    this.#isClosed = true;
    endCalls();
    await Promise.all(this.partitions.map((partition) => partition.close()));
    this.link.close();
    // It rejects now, and whoever called connect() is told.
    await this.#connecting?.catch(() => undefined);
    this.#connecting = undefined;
    this.#state = 'idle';
    if (wasConnected) this.listener.onClosed();
  }

  #onUp(): void {
    if (this.#state === 'closing') return;
    this.#told.clear();
    this.#opening = Promise.all(this.partitions.map((partition) => partition.open()));
    this.#opening.then(
      () => this.#state === 'connected' && this.listener.onConnected(),
      (error: unknown) => this.#onOpenFailed(error as Error),
    );
  }

  /** While connecting, `connect()` reports it; later the partitions try again. */
  #onOpenFailed(error: Error): void {
    if (this.#state !== 'connected' || !this.link.isUp) return;
    this.listener.onWarning(error.message);
    for (const partition of this.partitions) partition.reopenLater();
  }

  #onDown(): void {
    for (const partition of this.partitions) partition.down();
    if (this.#state === 'connected') this.listener.onReconnecting();
  }

  #onLinkError(error: Error): void {
    const kind = isRefusal(error) ? 'refused' : 'unreachable';
    // The link tries again several times a second, for as long as it takes.
    if (this.#told.has(kind) || this.#state === 'closing') return;
    // connect() is about to reject with that.
    if (this.#state === 'connecting' && kind === 'refused') return;
    this.#told.add(kind);
    this.listener.onWarning(this.#troubleOf(reasonOf(error)));
  }

  #troubleOf(reason: string): string {
    const { address, openMs } = this.link;
    if (this.#state === 'connecting') return messages.redisTroubleAtFirst(address, reason, openMs);
    return messages.redisTrouble(address, reason);
  }

  #onMessage(channel: string, bytes: Buffer): void {
    for (const partition of this.partitions) partition.onMessage(channel, bytes);
  }
}
