import { isWildcard, matchesWildcard, readSubscription } from '../protocol/subscriptions.js';

/** A service that takes an event. */
export interface Route {
  readonly service: string;
  /** Whether its nodes cannot know the name of the event otherwise. */
  readonly isWildcard: boolean;
}

/** Names are few; if somebody makes them up, as with an id in them, this many are remembered. */
const MAX_REMEMBERED = 1000;

/** Which services take which events, as Redis had it when it was read. */
export class RouteTable {
  readonly #byName = new Map<string, Route[]>();
  readonly #wildcards: { readonly pattern: string; readonly route: Route }[] = [];
  readonly #remembered = new Map<string, readonly Route[]>();

  constructor(services: Iterable<string>) {
    for (const service of services) this.#add(service);
  }

  #add(service: string): void {
    const subscription = readSubscription(service);
    if (subscription === undefined) return;
    const { pattern } = subscription;
    const route = { service, isWildcard: isWildcard(pattern) };
    const named = this.#byName.get(pattern);
    if (route.isWildcard) this.#wildcards.push({ pattern, route });
    else if (named) named.push(route);
    else this.#byName.set(pattern, [route]);
  }

  routesOf(event: string): readonly Route[] {
    const known = this.#remembered.get(event);
    if (known) return known;
    const wild = this.#wildcards.filter(({ pattern }) => matchesWildcard(pattern, event));
    const routes = [...(this.#byName.get(event) ?? []), ...wild.map(({ route }) => route)];
    if (this.#remembered.size === MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(event, routes);
    return routes;
  }
}
