import { readSubscription } from '../protocol/subscriptions.js';
import type { PointCount } from './points.js';
import type { IncomingRequest } from './incoming-request.js';

/** Runs a request; it must settle it by `result`, `end` or `fail`, now or later. To throw is to fail it. */
export type RequestHandler = (request: IncomingRequest) => void;

/** A service that this node serves. */
export class Registration implements PointCount {
  taken = 0;
  returned = 0;
  owed = 0;
  corrected = 0;
  waitMarks = 0;
  running = 0;
  /** Set once the node begins to leave the service: what was dispatched before still arrives. */
  isLeaving = false;
  /** Resolves when the service is left; undefined while nobody has asked for that. */
  left: Promise<void> | undefined;
  readonly base: number;
  readonly name: string;

  constructor(
    readonly service: string,
    readonly handler: RequestHandler,
    baseScore: number,
    readonly capacity: number | undefined,
  ) {
    this.base = capacity ?? baseScore;
    this.name = readSubscription(service)?.pattern ?? service;
  }

  /** Whether its requests are events that were sent to a group. */
  get isSubscription(): boolean {
    return this.name !== this.service;
  }

  get isLimited(): boolean {
    return this.capacity !== undefined;
  }

  get isFull(): boolean {
    return this.capacity !== undefined && this.running >= this.capacity;
  }

  /** A new incarnation starts with what runs: replies to it go on, its points are taken. */
  restartCount(): void {
    this.taken = this.running;
    this.returned = 0;
    this.corrected = 0;
  }
}

/** The services of this node, by name. A Map: a service may be called `constructor`. */
export class Registry {
  readonly #registrations = new Map<string, Registration>();

  get size(): number {
    return this.#registrations.size;
  }

  get(service: string): Registration | undefined {
    return this.#registrations.get(service);
  }

  add(registration: Registration): void {
    this.#registrations.set(registration.service, registration);
  }

  remove(registration: Registration): void {
    if (this.get(registration.service) === registration) {
      this.#registrations.delete(registration.service);
    }
  }

  all(): Registration[] {
    return [...this.#registrations.values()];
  }

  /** The services that the node is in, or belongs in. */
  present(): Registration[] {
    return this.all().filter((registration) => !registration.isLeaving);
  }
}
