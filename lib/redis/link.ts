import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import { CloudsDisconnectedError, CloudsError } from '../common/errors.js';
import { messages } from '../common/messages.js';
import type { CloudsRedisOptions } from '../common/options.js';
import { SCRIPTS } from '../scripts/generated.js';
import { addressOf, clientSettings, connectionSettings, retryDelayMs } from './client-settings.js';
import { isRefusal, reasonOf, withoutArguments } from './driver-errors.js';
import { canSkipAnswers, checkServerVersion, serverIdOf } from './server-info.js';
import { type Command, PiecewiseCommand, writeQuietly } from './wire.js';

export type ScriptName = keyof typeof SCRIPTS;
export type { Command };

/** The answer to one command of a pipeline. */
export interface Answer {
  readonly error: Error | null;
  readonly value: unknown;
}

/** What the engine asks of Redis. */
export interface RedisPort {
  /** Whether commands can be sent now. */
  readonly isUp: boolean;
  run(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown>;
  /** Sends all commands in one write, and answers each. Rejects only when the connection is cut. */
  pipeline(commands: readonly Command[]): Promise<Answer[]>;
  /** Names the server that the connection goes to, and the course of its data; undefined while that is not known. */
  readonly serverId: string | undefined;
  /** Whether Redis lets us do without its answers. */
  readonly canBeQuiet: boolean;
  /**
   * The same as `run` and `pipeline` without answers, which saves Redis and us a wakeup each: for what may
   * fail unnoticed, or is found out in another way. Only while `canBeQuiet`.
   */
  runQuietly(script: ScriptName, keys: readonly string[], args: readonly (string | number)[]): void;
  sendQuietly(commands: readonly Command[]): void;
  subscribe(channel: string): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** Drops the connection, with all that waits for an answer, and makes a new one. */
  reset(): void;
}

export interface LinkEvents {
  /** A connection is there and accepts commands. */
  up: [];
  /** The connection is gone; the link makes a new one by itself. */
  down: [];
  message: [channel: string, bytes: Buffer];
  error: [error: Error];
}

/** How Redis names the scripts. */
const SHA = Object.fromEntries(
  Object.entries(SCRIPTS).map(([name, lua]) => [
    name,
    createHash('sha1').update(lua).digest('hex'),
  ]),
) as Record<ScriptName, string>;

/**
 * What a command that goes without an answer may be answered with all the same: somebody's script runs
 * longer than Redis likes, or the user may no longer ask for that.
 */
const UNWANTED_ANSWER = /^BUSY |client\|reply/;
/** What the driver says about an answer when no command waits for one. */
const UNASKED = 'Command queue state error';

/** Whether Redis itself said no, as against a connection that was cut. */
export function isRedisReply(error: unknown): error is Error {
  return error instanceof ReplyError;
}

/** How Redis is asked to run a script that it has. */
function byName(script: ScriptName): readonly [string, string] {
  return ['evalsha', SHA[script]];
}

/** And one that it may not have, which it has from then on. */
function whole(script: ScriptName): readonly [string, string] {
  return ['eval', SCRIPTS[script]];
}

/**
 * The one connection of a process: commands and the inbox on the same socket, so that what is sent
 * after a SUBSCRIBE finds it done. States: closed -> opening -> up <-> down -> closed.
 */
export class Link extends EventEmitter<LinkEvents> implements RedisPort {
  readonly address: string;
  #client: Redis | undefined;
  #spare: Redis | undefined;
  #handshakeTimer: NodeJS.Timeout | undefined;
  readonly #revivals = new Set<NodeJS.Timeout>();
  #isUp = false;
  #canBeQuiet = false;
  #serverId: string | undefined;
  #abortOpening: (() => void) | undefined;
  /**
   * Those that were sent whole on this connection. If that were left until Redis says that it has not got one, a run
   * would overtake those before it when another process loads the script meanwhile.
   */
  readonly #scripts = new Set<ScriptName>();
  /** On this one the driver may take one answer for another. */
  #distrusted: Socket | undefined;

  constructor(
    private readonly options: CloudsRedisOptions,
    /** How long it tries to get its first connection. */
    readonly openMs: number,
  ) {
    super();
    this.address = addressOf(options);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get canBeQuiet(): boolean {
    return this.#canBeQuiet;
  }

  get serverId(): string | undefined {
    return this.#serverId;
  }

  /** The driver's connection. */
  get client(): Redis | undefined {
    return this.#client;
  }

  /**
   * A second connection, for the application, made when it is first asked for: on the link's own an answer may
   * have been skipped, and a command that blocks would hold everything up. Ends with the link.
   */
  get spare(): Redis | undefined {
    if (this.#client !== undefined) this.#spare ??= this.#createSpare();
    return this.#spare;
  }

  /**
   * Connects, and stays connected until `close()`. Tries for `limitMs`.
   * @throws CloudsDisconnectedError if there is no connection in time, or Redis refuses it.
   * @throws CloudsBadOptionsError if the server is too old.
   */
  async open(limitMs = this.openMs): Promise<void> {
    const client = this.#createClient();
    this.#client = client;
    try {
      await this.#firstConnection(client, limitMs);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends the connection; the link can be opened again. */
  close(): void {
    clearTimeout(this.#handshakeTimer);
    for (const timer of this.#revivals) clearTimeout(timer);
    this.#revivals.clear();
    const client = this.#client;
    this.#client = undefined;
    this.#isUp = this.#canBeQuiet = false;
    client?.disconnect();
    this.#spare?.disconnect();
    this.#spare = undefined;
    this.#abortOpening?.();
  }

  /** Whatever still comes on this connection is believed no more. */
  reset(): void {
    const client = this.#client;
    const stream = client?.stream;
    if (stream === undefined || stream === this.#distrusted) return;
    this.#distrusted = stream;
    client!.disconnect(true);
    // The driver only says goodbye, for which a server that hangs has its time. Can go when it can do without.
    stream.destroy();
  }

  async run(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const name = this.#scripts.has(script) ? byName(script) : whole(script);
    this.#scripts.add(script);
    let answer = await this.#answerTo([...name, keys.length, ...keys, ...args]);
    if (answer.error?.message.startsWith('NOSCRIPT'))
      answer = await this.#answerTo([...whole(script), keys.length, ...keys, ...args]);
    if (answer.error) throw answer.error;
    return answer.value;
  }

  /** Not the driver's own pipeline: that copies its 500 methods for each, which takes longer than the work. */
  async pipeline(commands: readonly Command[]): Promise<Answer[]> {
    const stream = this.#client?.stream;
    let sent: Promise<Answer>[];
    stream?.cork();
    try {
      sent = commands.map((command) => this.#answerTo(command));
    } finally {
      stream?.uncork();
    }
    const answers = await Promise.all(sent);
    const cut = answers.find(({ error }) => error !== null && !isRedisReply(error));
    if (cut) throw cut.error!;
    return answers;
  }

  runQuietly(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): void {
    this.sendQuietly([[...byName(script), keys.length, ...keys, ...args]]);
  }

  /** Past the driver, which waits for an answer to every command that it knows of. */
  sendQuietly(commands: readonly Command[]): void {
    const stream = this.#client?.stream;
    if (stream?.writable) writeQuietly(stream, commands);
  }

  async subscribe(channel: string): Promise<void> {
    try {
      await this.#client?.subscribe(channel);
    } catch (error) {
      throw withoutArguments(error as Error);
    }
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.#client?.unsubscribe(channel);
  }

  /** Never rejects. What is not Redis's own error says that the connection broke. */
  async #answerTo(command: Command): Promise<Answer> {
    const client = this.#client;
    if (client === undefined) return { error: new Error('the link is closed'), value: undefined };
    const { stream } = client;
    try {
      const value: unknown = await client.sendCommand(new PiecewiseCommand(command));
      if (stream !== this.#distrusted) return { error: null, value };
    } catch (error) {
      // From here on the driver takes one answer for the next. The first that it is wrong about is this one.
      if (this.#canBeQuiet && UNWANTED_ANSWER.test((error as Error).message)) this.reset();
      if (stream !== this.#distrusted)
        return { error: withoutArguments(error as Error), value: undefined };
    }
    return { error: new Error('the connection is out of step'), value: undefined };
  }

  #createClient(): Redis {
    const client = newClient(this.options, clientSettings(this.options));
    // A client that was closed may still have events to tell: they are of no interest any more.
    const ifCurrent = (act: () => void) => client === this.#client && act();
    client.on('messageBuffer', (channel: Buffer, bytes: Buffer) =>
      ifCurrent(() => this.emit('message', channel.toString(), bytes)),
    );
    client.on('connect', () => ifCurrent(() => this.#watchHandshake(client)));
    client.on('ready', () => ifCurrent(() => void this.#onReady(client)));
    client.on('close', () => ifCurrent(() => this.#onDown()));
    client.on('end', () => ifCurrent(() => this.#revive(client)));
    client.on('error', (error) => ifCurrent(() => this.#onDriverError(error)));
    return client;
  }

  #createSpare(): Redis {
    const spare = newClient(this.options, connectionSettings(this.options));
    spare.on('end', () => spare === this.#spare && this.#revive(spare));
    spare.on('error', (error) => this.emit('error', withoutArguments(error)));
    return spare;
  }

  /**
   * The driver ends for good when it hears of a failover, through what is left of its last connection, while
   * it asks a sentinel for the next. Can go when it goes on by itself.
   */
  #revive(client: Redis): void {
    const timer = setTimeout(() => {
      this.#revivals.delete(timer);
      // A failure has events of its own.
      client.connect().catch(() => undefined);
    }, retryDelayMs(0));
    this.#revivals.add(timer);
  }

  #onDriverError(error: Error): void {
    if (error.message.startsWith(UNASKED)) this.reset();
    else this.emit('error', withoutArguments(error));
  }

  /**
   * ioredis bounds the TCP connect only: a server that accepts and says nothing would hold us for ever. Can go
   * when its `connectTimeout` lasts until it is ready.
   */
  #watchHandshake(client: Redis): void {
    clearTimeout(this.#handshakeTimer);
    this.#handshakeTimer = setTimeout(() => client.disconnect(true), client.options.connectTimeout);
  }

  async #onReady(client: Redis): Promise<void> {
    clearTimeout(this.#handshakeTimer);
    this.#scripts.clear();
    this.#isUp = true;
    this.emit('up');
    // Who may not say so would be answered, and all later answers would go to the wrong commands.
    const [info, reply] = await Promise.all([
      this.#answerTo(['info', 'server', 'replication']),
      this.#answerTo(['client', 'reply', 'on']),
    ]);
    this.#serverId = serverIdOf(String(info.value));
    const canBeQuiet = reply.value === 'OK' && canSkipAnswers(String(info.value));
    this.#canBeQuiet = this.#isUp && client === this.#client && canBeQuiet;
  }

  #onDown(): void {
    clearTimeout(this.#handshakeTimer);
    if (!this.#isUp) return;
    this.#isUp = this.#canBeQuiet = false;
    this.emit('down');
  }

  /**
   * The driver tells nothing when it is closed between two attempts: `close()` has to end this itself. Can go
   * when it tells `end`.
   */
  #firstConnection(client: Redis, limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let lastError: Error | undefined;
      const settle = (error?: Error | void) => {
        clearTimeout(timer);
        client.off('error', onError).off('ready', onReady);
        this.#abortOpening = undefined;
        if (error) reject(error);
        else resolve();
      };
      const giveUp = () => settle(this.#cannotConnect(lastError));
      const onError = (error: Error) => {
        if (error instanceof CloudsError) return settle(error);
        lastError = withoutArguments(error);
        if (isRefusal(error)) settle(this.#connectRefused(error));
      };
      const onReady = () => void this.#checkVersion(client).then(settle, onError);
      const timer = setTimeout(giveUp, limitMs);
      this.#abortOpening = giveUp;
      client.on('error', onError).on('ready', onReady);
      // Its rejection repeats what the error event says; the retries go on.
      client.connect().catch(onError);
    });
  }

  async #checkVersion(client: Redis): Promise<void> {
    let info: string;
    try {
      info = await client.info('server');
    } catch (error) {
      // A user that may not ask cannot be refused for the answer.
      if (isRedisReply(error)) return;
      throw error;
    }
    checkServerVersion(info, this.address);
  }

  #cannotConnect(cause: Error | undefined): CloudsDisconnectedError {
    const reason = cause ? reasonOf(cause) : 'no answer';
    return new CloudsDisconnectedError(messages.cannotConnect(this.address, this.openMs, reason), {
      cause,
    });
  }

  #connectRefused(cause: Error): CloudsDisconnectedError {
    return new CloudsDisconnectedError(messages.connectRefused(this.address, reasonOf(cause)), {
      cause,
    });
  }
}

function newClient({ url }: CloudsRedisOptions, settings: RedisOptions): Redis {
  return url === undefined ? new Redis(settings) : new Redis(url, settings);
}
