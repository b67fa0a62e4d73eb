import { ChurnMap } from '../common/churn-map.js';
import type { IncomingRequest } from './incoming-request.js';

/** The requests that handlers are working on, or that wait for their start, by id. */
export class RunningRequests {
  readonly #byId = new ChurnMap<string, IncomingRequest>();
  readonly #idleListeners = new Set<() => void>();

  get size(): number {
    return this.#byId.size;
  }

  add(request: IncomingRequest): void {
    this.#byId.set(request.id, request);
    request.count.running++;
  }

  remove(request: IncomingRequest): void {
    this.#byId.delete(request.id);
    request.count.running--;
  }

  get(id: string): IncomingRequest | undefined {
    return this.#byId.get(id);
  }

  /** Nobody but the caller of a request has a say in it, or is sent its replies. */
  of(caller: string, id: string): IncomingRequest | undefined {
    const request = this.#byId.get(id);
    return request?.isOf(caller) ? request : undefined;
  }

  values(): IncomingRequest[] {
    return this.#byId.values();
  }

  /** Resolves when nothing runs any more, or `false` after `limitMs`. */
  idle(limitMs: number): Promise<boolean> {
    if (this.size === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (isIdle: boolean) => {
        clearTimeout(timer);
        this.#idleListeners.delete(onIdle);
        resolve(isIdle);
      };
      const timer = setTimeout(() => settle(false), limitMs);
      const onIdle = () => settle(true);
      this.#idleListeners.add(onIdle);
    });
  }

  /** To be called when nothing runs any more. */
  tellIdle(): void {
    for (const onIdle of this.#idleListeners) onIdle();
  }
}
