/** The text of every error, each a sentence that says what to do. Tests compare with these. */

const MAX_QUOTED = 200;

/** Whatever it is, as text: `String()` throws on an object that does not want to be one. */
export function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `(${typeof value})`;
  }
}

/** Foreign text for messages and logs: JSON-encoded and cut, so that it cannot forge a log line. */
export function quoted(text: unknown): string {
  const json = JSON.stringify(textOf(text));
  return json.length <= MAX_QUOTED ? json : `${json.slice(0, MAX_QUOTED)}..."`;
}

const MOVE_LOST_CALLS = 'Use pemit with an idempotent handler to move such calls to another node.';

export const messages = {
  timeout: (service: string, ms: number, attempts: number) =>
    `timeout: ${quoted(service)} did not answer within ${ms} ms` +
    (attempts > 1 ? ` (attempt ${attempts}, each on another node while there was one)` : '') +
    '. Raise the timeout, or look at what its nodes are doing.',

  noNode: (service: string) =>
    `no node serves ${quoted(service)}. Start one, or check that caller and node use the same Redis and prefix.`,

  nodeLost: (service: string, node: string) =>
    `node ${quoted(node)} was lost while it had a call to ${quoted(service)}; its handler may or may not have run. ` +
    MOVE_LOST_CALLS,

  placeLost: (service: string) =>
    `Redis has lost which node has a call to ${quoted(service)}; its handler may or may not have run. ${MOVE_LOST_CALLS}`,

  streamBroken: (service: string, node: string) =>
    `values of the stream from ${quoted(service)} on node ${quoted(node)} were lost. Ask for the stream again.`,

  streamOverrun: (service: string) =>
    `the caller of ${quoted(service)} cannot keep up with its stream, and the node holds as many values as it may. ` +
    'Return an async generator, which waits for the caller, or slow the source.',

  overloaded: (service: string) =>
    `every node of ${quoted(service)} is at its capacity. Try again later, or start more nodes.`,

  tooManyWaitForRoom: (service: string) =>
    `every node of ${quoted(service)} is at its capacity, and as many calls wait for that as may ("service.maxWaiting").`,

  refusedByNode: (service: string, capacity: number) =>
    `this node already runs ${capacity} calls of ${quoted(service)}, which is its capacity.`,

  tooManyRun: (count: number) =>
    `this node has ${count} requests to run, which is as many as it may ("maxRunning"). Look at what they wait for, or give its services a "capacity", so that others are picked.`,

  tooBusy: (service: string) =>
    `this node has more calls of ${quoted(service)} than it can start in time. Start more nodes, or give this one a "capacity".`,

  notServed: (service: string) => `this node no longer serves ${quoted(service)}.`,

  disconnected: (service: string, ms: number) =>
    `Redis could not be reached, or refused the connection, for ${ms} ms, so the call to ${quoted(service)} was not sent. ` +
    'Check that Redis runs, can be reached from here and takes user name and password; the log says what it answers.',

  redisTrouble: (address: string, reason: string) =>
    `Redis at ${address}: ${reason}. Trying again until it can be reached; calls wait up to their timeouts.`,

  redisTroubleAtFirst: (address: string, reason: string, ms: number) =>
    `Redis at ${address}: ${reason}. Trying again for ${ms} ms ("connectTimeout").`,

  cannotConnect: (address: string, ms: number, reason: string) =>
    `no connection to Redis at ${address} within ${ms} ms (${reason}). Check address, credentials and network.`,

  connectRefused: (address: string, reason: string) =>
    `Redis at ${address} refused the connection: ${reason}. Check user name, password, database and ACL.`,

  tooManyWait: (service: string) =>
    `${quoted(service)} was not called: Redis is away, and as many calls wait for it as may ("service.maxWaiting").`,

  redisRefused: (service: string, reason: string) =>
    `Redis refused the dispatch to ${quoted(service)}: ${reason.replace(/\.$/, '')}. ` +
    'See docs/errors.md for what this Redis error means.',

  registerRefused: (reason: string) =>
    `Redis refused to register the services of this node: ${reason}. Check the ACL of its user.`,

  groupGone: ({ group, pattern }: { group: string; pattern: string }) =>
    `no node of ${group === '' ? 'the default group' : `group ${quoted(group)}`} takes ${quoted(pattern)} any more: its events go only to other groups, until it has one again.`,

  differentGroups: (pattern: string) =>
    `the handlers of ${quoted(pattern)} name different groups. Give all of them the same "group".`,

  broadcastCall: () =>
    'only an event can go to all nodes: use emit with "broadcast", or leave that out.',

  watchRefused: (reason: string) =>
    `Redis does not tell whether the nodes that have calls are there: ${reason}. Check the ACL of its user: without that a killed node is not noticed.`,

  roomRefused: (reason: string) =>
    `Redis does not let callers that wait be told of room: ${reason}. Check the ACL of its user: without that they find it later.`,

  leaveRefused: (reason: string) =>
    `Redis refused to take this node out of its services: ${reason}. Calls that are sent here are refused, and go to another node.`,

  cleanFailed: (reason: string) =>
    `the nodes could not be looked through: ${reason}. Try again when Redis can be reached.`,

  cleanRefused: (reason: string) =>
    `Redis refused to let the nodes be looked through: ${reason}. See docs/errors.md for what this Redis error means.`,

  serverTooOld: (address: string, version: string) =>
    `the server at ${address} is ${version}; this transport needs Redis 7.0 or Valkey 7.2, or newer. Upgrade the server.`,

  closed: () => 'this node is closed. Make the call before close(), or connect again.',

  closedDuringCall: (service: string) =>
    `the node was closed while its call to ${quoted(service)} was out; its handler may or may not have run.`,

  closedBeforeSent: (service: string) =>
    `the node was closed before its call to ${quoted(service)} was sent.`,

  expired: (service: string, ageMs: number) =>
    `the request to ${quoted(service)} was ${ageMs} ms old when its node read it; its time was up, so it was not started.`,

  cancelled: (service: string) => `the call to ${quoted(service)} was cancelled.`,

  cancelledWith: (service: string, request: string) =>
    `the call to ${quoted(service)} was cancelled, as the request to ${quoted(request)} is that it was made for. ` +
    'Make calls that shall outlive their request with "detached".',

  noTimeLeft: (service: string, request: string) =>
    `the call to ${quoted(service)} was not sent: the request to ${quoted(request)} that it was made for has no time left. ` +
    'Give that more time, or make calls that shall outlive their request with "detached".',

  drained: (service: string) =>
    `the node stopped before its handler of ${quoted(service)} had finished. Raise drainTimeout, or make the handler shorter.`,

  payloadTooLarge: (bytes: number, limit: number) =>
    `the data takes ${bytes} bytes, the limit is ${limit} (option maxPayload). Send a reference instead, or raise the limit on callers and nodes.`,

  badName: (name: unknown, why: string) =>
    `${quoted(name)} is no service name: ${why}. A name is a non-empty string of up to 256 bytes without control characters.`,

  alreadyRegistered: (service: string) =>
    `${quoted(service)} is already registered on this node. Unregister it first.`,

  notConnected: () =>
    'not connected: clouds.connect() has not been called, or has failed. Call it first, with the address of Redis.',

  alreadyConnected: () =>
    'clouds.connect() has been called already. Call disconnect() before connecting elsewhere.',

  alreadyListening: (service: string, event: string) =>
    `${quoted(service)} has a listener for ${quoted(event)} already. Take it away with off() first.`,

  noListener: (service: string, event: string) =>
    `${quoted(service)} has no listener for ${quoted(event)}. Add one with service.on().`,

  hasThrown: () => 'a toJSON method or a getter in it has thrown',

  unserializable: (reason: string) =>
    `the data cannot be written as JSON: ${reason}. Send plain values, arrays and objects.`,

  serializerFailed: () => 'the "serializer" of this application has thrown.',

  deserializerFailed: () =>
    'the "deserializer" of this application has thrown. Does it belong to the serializer of the other side?',

  tooDeep: (limit: number) => `it is nested deeper than ${limit} levels`,

  malformedRequest: () =>
    'the node could not read this request. Do caller and node run compatible versions?',

  unknownOption: (path: string, allowed: readonly string[]) =>
    `unknown option ${quoted(path)}. Allowed here: ${allowed.join(', ')}.`,

  badOption: (path: string, expected: string, actual: unknown) =>
    `option ${quoted(path)} must be ${expected}, but is ${describe(actual)}.`,

  badHeaders: (path: string, expected: string, actual: unknown) =>
    `option ${quoted(path)} must be ${expected}, but is ${kindOf(actual)}.`,

  notShown: () => 'a text that is not shown, as it may hold a password',

  capacityOf: (pattern: string) => `capacity of ${pattern}`,

  contradiction: (first: string, second: string, rule: string) =>
    `options ${quoted(first)} and ${quoted(second)} contradict each other: ${rule}.`,

  managedOption: (path: string, instead: string) =>
    `option ${quoted(path)} cannot be set, because the transport relies on its value. ${instead}`,
} as const;

function describe(value: unknown): string {
  // A URL in the wrong place is one all the same, with its password.
  if (typeof value === 'string')
    return value.includes('@') ? messages.notShown() : `the string ${quoted(value)}`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'symbol') return value.description ?? 'a symbol';
  return kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`;
}
