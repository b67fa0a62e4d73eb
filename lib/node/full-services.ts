import { jittered } from '../common/durations.js';
import { isLarge } from './batch.js';
import type { Call } from './call.js';
import type { RoomListener } from './ports.js';

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;
const PAUSE_SHARE = 0.5;
/** A call that was let in shows that there is room, so that more are sent: twice as many in every round. */
const AFTER_SUCCESS = 2;

/**
 * Calls that wait until a node of their service has room, first come first served. The processes that wait stand in a line
 * in Redis, and take turns. One call is sent for every turn, and for a reply of a call that nobody waited behind, which has made room;
 * and one now and then, which renews the place in line and finds room that nobody was told of, more and more of
 * them while they are let in.
 */
export class FullServices implements RoomListener {
  readonly #services = new Map<string, FullService>();
  #size = 0;

  /** `send` dispatches a call; it stays here until it is removed, or comes back by `add`. */
  constructor(private readonly send: (call: Call) => void) {}

  get size(): number {
    return this.#size;
  }

  sizeOf(service: string): number {
    return this.#services.get(service)?.size ?? 0;
  }

  has(service: string): boolean {
    return this.#services.has(service);
  }

  holds(call: Call): boolean {
    return this.#services.get(call.service)?.has(call) ?? false;
  }

  /** The call has found no room, or others wait already. */
  add(call: Call): void {
    if (this.#serviceOf(call).add(call)) this.#size++;
  }

  /** The node that had been picked for the call has refused it. */
  addRefused(call: Call): void {
    if (this.#serviceOf(call).addRefused(call)) this.#size++;
  }

  /** A call of the service is over. Unless its node tells whose turn it is, there is room for one. */
  onAnswered({ service, isWaitedBehind }: Call): void {
    this.#services.get(service)?.onAnswered(isWaitedBehind);
  }

  /** Whoever has no call that waits has left the line, and passed on its turn. */
  onTurn(name: string): void {
    this.#services.get(name)?.sendNext();
  }

  /** A node has the call. */
  onPlaced(call: Call): void {
    const service = this.#services.get(call.service);
    if (!service?.has(call)) return;
    service.onPlaced(call);
    this.#remove(call);
    // A large frame does not come by the script, which would have told the node.
    call.isWaitedBehind = this.has(call.service) && !isLarge(call);
  }

  /** The call has ended without having got room. */
  remove(call: Call): void {
    if (this.#remove(call) && !this.has(call.service)) call.path.leaveLine(call.service);
  }

  #serviceOf({ service: name }: Call): FullService {
    const known = this.#services.get(name);
    if (known !== undefined) return known;
    const service = new FullService(this.send);
    this.#services.set(name, service);
    return service;
  }

  /** Returns whether it was here. */
  #remove(call: Call): boolean {
    const service = this.#services.get(call.service);
    if (!service?.remove(call)) return false;
    this.#size--;
    if (service.size > 0) return true;
    service.close();
    this.#services.delete(call.service);
    return true;
  }
}

class FullService {
  /** Oldest first; those that are on their way keep their place. */
  readonly #calls = new Set<Call>();
  /** Those that had got room, as it seemed. They come before all others. */
  readonly #refused = new Set<Call>();
  readonly #sent = new Set<Call>();
  /** Of those that are on their way, which were sent to find out whether there is room. */
  readonly #probes = new Set<Call>();
  /** Nodes without a `capacity` are picked whatever they have to do: that a call has one says nothing then. */
  #doNodesRefuse = false;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout;

  constructor(private readonly send: (call: Call) => void) {
    this.#timer = this.#startTimer();
  }

  get size(): number {
    return this.#calls.size + this.#refused.size;
  }

  has(call: Call): boolean {
    return this.#calls.has(call) || this.#refused.has(call);
  }

  /** Returns whether it is new here. */
  add(call: Call): boolean {
    if (this.#probes.delete(call)) this.#slowDown();
    return this.#put(call, this.#calls);
  }

  /** The same. */
  addRefused(call: Call): boolean {
    this.#doNodesRefuse = true;
    this.#probes.delete(call);
    this.#slowDown();
    return this.#put(call, this.#refused);
  }

  #put(call: Call, calls: Set<Call>): boolean {
    this.#sent.delete(call);
    if (this.has(call)) return false;
    calls.add(call);
    return true;
  }

  onPlaced(call: Call): void {
    if (!this.#probes.has(call) || this.#doNodesRefuse) return;
    this.#pauseMs = FIRST_PAUSE_MS;
    for (let i = 0; i < AFTER_SUCCESS; i++) this.#probe();
  }

  onAnswered(isWaitedBehind: boolean): void {
    this.#doNodesRefuse = false;
    if (!isWaitedBehind) this.sendNext();
  }

  remove(call: Call): boolean {
    this.#sent.delete(call);
    this.#probes.delete(call);
    return this.#refused.delete(call) || this.#calls.delete(call);
  }

  /** Sends the first that waits, and returns it. */
  sendNext(): Call | undefined {
    return this.#sendFirst(this.#refused) ?? this.#sendFirst(this.#calls);
  }

  #sendFirst(calls: ReadonlySet<Call>): Call | undefined {
    for (const call of calls) {
      if (this.#sent.has(call)) continue;
      this.#sent.add(call);
      this.send(call);
      return call;
    }
    return undefined;
  }

  #slowDown(): void {
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #probe(): void {
    const call = this.sendNext();
    if (call !== undefined) this.#probes.add(call);
  }

  #startTimer(): NodeJS.Timeout {
    const onTime = () => {
      this.#timer = this.#startTimer();
      this.#probe();
    };
    return setTimeout(onTime, jittered(this.#pauseMs, PAUSE_SHARE));
  }
}
