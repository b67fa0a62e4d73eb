/**
 * Every key and channel of the protocol. Nothing else in the package builds one.
 *
 *     {prefix}S:{service}       sorted set: members (incarnations) by score
 *     {prefix}W:{service}       sorted set with a TTL: the line, callers that wait for room in the service
 *     {prefix}P:{incarnation}   channel: the inbox of an incarnation
 *     {prefix}E                 hash with a TTL: the table of subscriptions, services that take events
 *     {prefix}N:{nodeId}        string with a TTL: what a serving node says about itself
 *     {prefix}F:{nodeId}        hash with a TTL: the fence of a caller, answers by slot
 *
 * One script touches sets, one line, one fence, one node entry and the table of the same prefix only, so a
 * prefix with a hash tag puts all that it touches into one slot.
 */
export class Keys {
  readonly inboxPrefix: string;
  readonly subscriptions: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.inboxPrefix = `${prefix}P:`;
    this.subscriptions = `${prefix}E`;
  }

  service(service: string): string {
    return `${this.#prefix}S:${service}`;
  }

  line(service: string): string {
    return `${this.#prefix}W:${service}`;
  }

  inbox(incarnation: string): string {
    return this.inboxPrefix + incarnation;
  }

  node(nodeId: string): string {
    return `${this.#prefix}N:${nodeId}`;
  }

  fence(nodeId: string): string {
    return `${this.#prefix}F:${nodeId}`;
  }

  /** The name of the service whose set has this key. */
  serviceOf(key: string): string {
    return key.slice(this.#prefix.length + 2);
  }

  /** A pattern for SCAN that matches the sets of all services, whatever characters the prefix has. */
  everyService(): string {
    return `${this.#prefix.replace(/[\\*?[\]]/g, '\\$&')}S:*`;
  }
}
