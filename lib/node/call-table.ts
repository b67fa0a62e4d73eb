import { ChurnMap } from '../common/churn-map.js';
import type { Call, CallPath } from './call.js';

/** The calls in flight, by id. A call is here from before its dispatch until it is settled. */
export class CallTable {
  readonly #calls = new ChurnMap<string, Call>();

  get size(): number {
    return this.#calls.size;
  }

  add(call: Call): void {
    this.#calls.set(call.id, call);
  }

  get(id: string): Call | undefined {
    return this.#calls.get(id);
  }

  remove(call: Call): void {
    this.#calls.delete(call.id);
  }

  /** The calls on a path that some node has, or that one incarnation has. A copy: settling changes the table. */
  placed(path: CallPath, incarnation?: string): Call[] {
    const found: Call[] = [];
    for (const call of this.#calls.values()) {
      if (call.path !== path || call.place === undefined) continue;
      if (incarnation === undefined || call.place === incarnation) found.push(call);
    }
    return found;
  }

  all(): Call[] {
    return this.#calls.values();
  }
}
