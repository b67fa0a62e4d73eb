import type { CloudsNode } from '../node/node.js';
import type { CloudsNodeEvents } from '../node/node-events.js';

/** The values of `status`; the first three are those of Nest's Redis transport. */
export const CloudsStatus = {
  CONNECTED: 'connected',
  RECONNECTING: 'reconnecting',
  DISCONNECTED: 'disconnected',
} as const;
export type CloudsStatus = (typeof CloudsStatus)[keyof typeof CloudsStatus];

/** What `on` of server and client can listen to. */
export type CloudsEventsMap = {
  [E in keyof CloudsNodeEvents]: (...args: CloudsNodeEvents[E]) => void;
};

/** Where the log lines go: Nest's logger, as far as it is needed. */
interface NodeLog {
  log(message: string): void;
  warn(message: string): void;
}

/** Tells `next` how the connection of a node is, now and from now on. */
export function followStatus(node: CloudsNode, next: (status: CloudsStatus) => void): void {
  if (node.isConnected) next(CloudsStatus.CONNECTED);
  node.on('connected', () => next(CloudsStatus.CONNECTED));
  node.on('reconnecting', () => next(CloudsStatus.RECONNECTING));
  node.on('disconnected', () => next(CloudsStatus.DISCONNECTED));
}

/** Whoever makes a node logs for it; a server and a client on one node must not both do it. */
export function logFor(node: CloudsNode, log: NodeLog): void {
  let isLost = false;
  node.on('warning', (message) => log.warn(message));
  node.on('reconnecting', () => (isLost = true));
  node.on('connected', () => {
    if (isLost) log.log('Connected to Redis again');
    isLost = false;
  });
}
