import { messages } from '../common/messages.js';
import { eventBody, requestBody } from '../protocol/encode.js';
import type { Metadata } from '../protocol/frames.js';
import { readSubscription } from '../protocol/subscriptions.js';
import { Call, type CallPath, type CallPlan, type ReplySink } from './call.js';
import type { Caller } from './caller.js';
import { Emission } from './emission.js';
import type { Reporter } from './ports.js';
import type { Route } from './route-table.js';
import type { Subscriptions } from './subscriptions.js';

/** An event, checked and encoded. */
export interface Event {
  readonly name: string;
  /** By `performance.now()`: however many calls it takes, its time begins here. */
  readonly startedAt: number;
  readonly dataJson: string;
  readonly headers: Metadata | undefined;
  readonly plan: CallPlan;
}

/** Sends events: to one node of every group that subscribes, or of the service of that name if none does. */
export class Publisher {
  constructor(
    private readonly caller: Caller,
    private readonly subscriptions: Subscriptions,
    private readonly pathOf: (service: string) => CallPath,
    private readonly reporter: Reporter,
  ) {}

  publish(event: Event, sink: ReplySink): void {
    const { name } = event;
    const { subscriptions } = this;
    const emission = new Emission(
      (route, one) => this.#send(event, route, one),
      sink,
      (service) => void this.#onDeserted(service),
    );
    emission.send(subscriptions.routesOf(name));
    this.#look(event, {
      value: () => undefined,
      end: () => {
        emission.send(subscriptions.routesOf(name));
        if (!emission.hasTargets) emission.send([{ service: name, isWildcard: false }]);
        emission.close();
      },
      error: (error) => emission.fail(error),
    });
  }

  /** Finds out whether there is somebody new. */
  #look({ name, dataJson, plan, startedAt }: Event, sink: ReplySink): void {
    // A look finds no node, nor a full one.
    const look = plan.waitsWhenFull ? { ...plan, waitsWhenFull: false } : plan;
    const settings = { service: name, body: dataJson, plan: look };
    this.caller.start(new Call(settings, this.subscriptions, sink, startedAt));
  }

  #send({ name, dataJson, headers, plan, startedAt }: Event, route: Route, sink: ReplySink): void {
    const { service } = route;
    const body = route.isWildcard
      ? eventBody(headers, dataJson, name)
      : requestBody(headers, dataJson);
    // The table names it, so it may only be restarting.
    if (service !== name) this.caller.expect(service);
    const settings = { service, body, plan };
    this.caller.start(new Call(settings, this.pathOf(service), sink, startedAt));
  }

  async #onDeserted(service: string): Promise<void> {
    const subscription = readSubscription(service);
    if (subscription === undefined) return;
    try {
      const isForgotten = await this.subscriptions.forget(service);
      if (isForgotten) this.reporter.error(new Error(messages.groupGone(subscription)));
    } catch {
      // The next event that nobody takes there tries again.
    }
  }
}
