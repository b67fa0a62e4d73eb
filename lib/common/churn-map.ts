const MIN_DELETIONS = 64;
const DELETIONS_PER_ENTRY = 4;

/**
 * A Map for entries that come and go by the thousand. V8 links each hash table that a Map has outgrown to
 * the next one; once a full garbage collection has moved one of them to the old space, all later ones
 * and what they held live on until the next such collection. A new Map in time cuts that chain, and costs least
 * when there is nothing in it.
 */
export class ChurnMap<K, V> {
  #map = new Map<K, V>();
  #deletions = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  set(key: K, value: V): void {
    this.#map.set(key, value);
  }

  delete(key: K): void {
    if (!this.#map.delete(key)) return;
    this.#deletions++;
    if (this.#map.size === 0 || this.#deletions >= this.#limit) this.#renew();
  }

  get #limit(): number {
    return Math.max(MIN_DELETIONS, DELETIONS_PER_ENTRY * this.#map.size);
  }

  #renew(): void {
    this.#map = new Map(this.#map);
    this.#deletions = 0;
  }

  /** A copy: whoever goes through the values may delete some. */
  values(): V[] {
    return [...this.#map.values()];
  }
}
