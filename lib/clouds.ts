/**
 * The API of the 2012 framework `clouds`, on a CloudsNode: services with named events, callbacks or
 * promises. `clouds.connect(...)`, `clouds.register('math', ...)`, `clouds.require('math').emit(...)`.
 */
import { CloudsBadOptionsError, CloudsClosedError } from './common/errors.js';
import { messages } from './common/messages.js';
import type { CloudsOptions } from './common/options.js';
import { isPromiseLike } from './node/handlers.js';
import type { IncomingRequest } from './node/incoming-request.js';
import { CloudsNode } from './node/node.js';
import { checkServiceName } from './protocol/names.js';

/**
 * The last argument of every function; each function returns a promise of the same outcome. `value` is
 * there when `error` is null.
 */
export type Callback<T = unknown> = (error: unknown, value: T) => void;

/** What a listener answers with. */
export type Answer = (error: unknown, value?: unknown) => void;

/**
 * Handles an event. It answers by `callback(err, value)`; one that takes no callback answers with what it
 * returns. A one-way emit is settled when the listener returns, or when the promise it returns settles.
 */
export type Listener = (data: never, callback: Answer) => unknown;

/** A service that this process serves. */
export class LocalService {
  readonly #listeners = new Map<string, Listener>();

  constructor(
    /** That of the service. */
    readonly name: string,
  ) {}

  /** Serves an event of the service. @throws CloudsBadOptionsError if the event has a listener. */
  on(event: string, listener: Listener): this {
    if (this.#listeners.has(event)) {
      throw new CloudsBadOptionsError(messages.alreadyListening(this.name, event));
    }
    this.#listeners.set(event, listener);
    return this;
  }

  /** Takes the listener of the event away, if it has one. */
  off(event: string): this {
    this.#listeners.delete(event);
    return this;
  }

  /** @internal */
  handle(request: IncomingRequest): void {
    const [event, data] = Array.isArray(request.data) ? (request.data as unknown[]) : [];
    const listener = this.#listeners.get(String(event));
    if (listener === undefined)
      return request.fail(new Error(messages.noListener(this.name, String(event))));
    const takesCallback = listener.length > 1;
    try {
      const returned = listener(data as never, callbackOf(request));
      if (request.isOneWay || !takesCallback) settleWith(request, returned);
      else failWith(request, returned);
    } catch (error) {
      request.fail(error);
    }
  }
}

/** A service that some process serves. */
export class RemoteService {
  constructor(
    /** That of the service. */
    readonly name: string,
    private readonly node: () => CloudsNode,
  ) {}

  /**
   * Triggers an event on the node with the most free capacity. With a callback it waits for the reply;
   * without one it is one-way, and the promise resolves when a node has it.
   */
  emit<T = unknown>(event: string, data?: unknown, callback?: Callback<T>): Promise<T> {
    return callback === undefined
      ? told(attempt(() => this.node().emit(this.name, [event, data]) as Promise<T>))
      : this.pemit(1, event, data, callback);
  }

  /** Triggers an event, waits for the reply, and tries up to `attempts` nodes; -1 for no limit. */
  pemit<T = unknown>(
    attempts: number,
    event: string,
    data?: unknown,
    callback?: Callback<T>,
  ): Promise<T> {
    return told(
      attempt(() => this.node().pemit<T>(attempts, this.name, [event, data])),
      callback,
    );
  }
}

/** One process of the cloud. The module has one ready to use; more can be made. */
export class Clouds {
  #node: CloudsNode | undefined;

  /** Connects to Redis. What is called before that is done waits for it. */
  connect(options: CloudsOptions = {}, callback?: Callback<void>): Promise<void> {
    const connecting = attempt(() => this.#connect(options));
    // In 2012 nobody awaited this. Without a callback, a warning is the only way to learn of it.
    if (!callback) connecting.catch((error: Error) => warn(error.message));
    return told(connecting, callback);
  }

  /** Serves `name`; the callback, or the promise, gets the service to add listeners to. */
  register(name: string, callback?: Callback<LocalService>): Promise<LocalService> {
    return told(
      attempt(() => this.#register(name)),
      callback,
    );
  }

  /** Stops serving `name`. What has arrived is finished. */
  unregister(name: string, callback?: Callback<void>): Promise<void> {
    return told(
      attempt(() => this.#connected().unregister(name)),
      callback,
    );
  }

  /** A service to call, whether or not a node serves it now. @throws CloudsBadNameError */
  require(name: string): RemoteService {
    checkServiceName(name);
    return new RemoteService(name, () => this.#connected());
  }

  /** Takes processes that are gone out of all services. A timeout does this by itself. */
  clean(callback?: Callback<number>): Promise<number> {
    return told(
      attempt(() => this.#connected().clean()),
      callback,
    );
  }

  /** Leaves all services, finishes what runs, and disconnects. */
  disconnect(callback?: Callback<void>): Promise<void> {
    return told(
      attempt(() => this.#disconnect()),
      callback,
    );
  }

  #connected(): CloudsNode {
    if (this.#node === undefined) throw new CloudsClosedError(messages.notConnected());
    return this.#node;
  }

  async #connect(options: CloudsOptions): Promise<void> {
    if (this.#node !== undefined) throw new CloudsBadOptionsError(messages.alreadyConnected());
    const node = new CloudsNode(options);
    node.on('warning', warn);
    this.#node = node;
    try {
      await node.connect();
    } catch (error) {
      if (this.#node === node) this.#node = undefined;
      throw error;
    }
  }

  async #register(name: string): Promise<LocalService> {
    const node = this.#connected();
    const service = new LocalService(name);
    await node.serve(name, (request) => service.handle(request));
    await node.connect();
    return service;
  }

  async #disconnect(): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    await node?.close();
  }
}

function warn(message: string): void {
  process.emitWarning(message, 'CloudsWarning');
}

function callbackOf(request: IncomingRequest): Answer {
  return (error, value) => {
    if (error) request.fail(error);
    else request.result(value);
  };
}

function settleWith(request: IncomingRequest, returned: unknown): void {
  if (isPromiseLike(returned)) {
    returned.then(
      (value) => request.result(value),
      (error: unknown) => request.fail(error),
    );
  } else {
    request.result(returned);
  }
}

/** A listener that answers by callback may be an async function: its failure is the answer too. */
function failWith(request: IncomingRequest, returned: unknown): void {
  if (isPromiseLike(returned)) returned.then(undefined, (error: unknown) => request.fail(error));
}

/** A synchronous throw becomes a rejection: the caller gets every error in one way. */
function attempt<T>(act: () => Promise<T>): Promise<T> {
  try {
    return act();
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Tells `callback` the outcome. Who gives one, or ignores the promise of a one-way emit, has not left a
 * rejection unhandled. What the callback throws is thrown outside of any promise, where 2012 had it.
 */
function told<T>(promise: Promise<T>, callback?: Callback<T>): Promise<T> {
  promise.then(
    (value) => callback && process.nextTick(callback, null, value),
    (error: unknown) => callback && process.nextTick(callback as Answer, error),
  );
  return promise;
}

/** The one that most processes need. */
const clouds = new Clouds();
export default clouds;

// One by one as well, so that `var clouds = require('nestjs-clouds/clouds')` works as it stands.
/** `Clouds.connect` of the one that the module has ready. */
export const connect = clouds.connect.bind(clouds);
/** Its `register`. */
export const register = clouds.register.bind(clouds);
/** Its `unregister`. */
export const unregister = clouds.unregister.bind(clouds);
/** Its `clean`. */
export const clean = clouds.clean.bind(clouds);
/** Its `disconnect`. */
export const disconnect = clouds.disconnect.bind(clouds);
/** Its `require`. */
const requireService = clouds.require.bind(clouds);
export { requireService as require };
