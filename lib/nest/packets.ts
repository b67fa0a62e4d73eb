import type { Deserializer, Serializer } from '@nestjs/microservices';
import { bad, object } from '../common/checks.js';
import type { CloudsOptions } from '../common/options.js';

/**
 * Nest's serializer and deserializer, as its other transports have them. They get and make Nest's packets: `{ id, pattern,
 * data, metadata }` of a request, the same without `id` of an event, `{ id, response, isDisposed }` or `{ id, err }`
 * of a reply. Both may be asynchronous, and what a serializer makes may be binary. Without them no packet is made.
 */
export interface CloudsPacketOptions {
  /** Writes what is sent: requests and events of a client, replies of a server. Default: data goes as JSON. */
  serializer?: Serializer;
  /** Reads what arrives: replies at a client, requests and events at a server. Default: data is taken as it is. */
  deserializer?: Deserializer;
}

/** What `CloudsClient` and `CloudsServer` can be made with: the options of a node, and how packets are written. */
export interface CloudsTransportOptions extends CloudsOptions, CloudsPacketOptions {}

/** Parts what is for the node from what is Nest's. @throws CloudsBadOptionsError */
export function splitOptions(options: CloudsTransportOptions): {
  node: CloudsOptions;
  packets: CloudsPacketOptions;
} {
  object('options', options);
  const { serializer, deserializer, ...node } = options;
  return { node, packets: { serializer, deserializer } };
}

/** @throws CloudsBadOptionsError */
export function checkPacketOptions({ serializer, deserializer }: CloudsPacketOptions): void {
  if (serializer && typeof serializer.serialize !== 'function') {
    throw bad('serializer', 'an object with a method "serialize"', serializer);
  }
  if (deserializer && typeof deserializer.deserialize !== 'function') {
    throw bad('deserializer', 'an object with a method "deserialize"', deserializer);
  }
}

/** Marks data that is a whole packet, of a form that only the application knows. */
const PACKET = 'nest:packet';
/** Marks bytes, in base64. */
const BYTES = 'nest:bytes';

type Fields = Record<string, unknown>;

/** A request as it stands in the frame: what a serializer has left as Nest's packet goes as its data alone. */
export function requestToWire(output: unknown): unknown {
  return isPacket(output, 'data', ['id', 'pattern', 'data', 'metadata'])
    ? bytesToWire(output.data)
    : { [PACKET]: bytesToWire(output) };
}

/** A request of which the serializer has made something else than Nest's packet. */
export function isForeignRequest(data: unknown): boolean {
  return marked(data, PACKET);
}

/** What the deserializer gets of a request: Nest's packet, or what the serializer of the caller has made. */
export function requestFromWire(data: unknown, packet: Fields): unknown {
  return marked(data, PACKET)
    ? bytesFromWire(data[PACKET])
    : { ...packet, data: bytesFromWire(data) };
}

/** A reply of which the serializer has made something else than Nest's packet. */
export function isForeignReply(output: unknown): boolean {
  const keys = ['id', 'response', 'isDisposed', 'err', 'status'];
  return !isPacket(output, 'response', keys) && !isPacket(output, 'err', keys);
}

/** The value of a reply as it stands in the frame. */
export function replyToWire(output: unknown): unknown {
  if (isForeignReply(output)) return { [PACKET]: bytesToWire(output) };
  const { response, err } = output as Fields;
  return bytesToWire(err ?? response);
}

/** What the deserializer gets of a reply: Nest's packet made by `packetOf`, or what the serializer has made. */
export function replyFromWire(value: unknown, packetOf: (value: unknown) => Fields): unknown {
  return marked(value, PACKET) ? bytesFromWire(value[PACKET]) : packetOf(bytesFromWire(value));
}

function bytesToWire(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  const { buffer, byteOffset, byteLength } = value;
  return { [BYTES]: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

function bytesFromWire(value: unknown): unknown {
  if (!marked(value, BYTES)) return value;
  const text = value[BYTES];
  return typeof text === 'string' ? Buffer.from(text, 'base64') : value;
}

function marked(value: unknown, mark: string): value is Fields {
  return isFields(value) && Object.keys(value).length === 1 && Object.hasOwn(value, mark);
}

/** With other keys than Nest's the packet must arrive whole: a deserializer may need them. */
function isPacket(value: unknown, needed: string, keys: readonly string[]): value is Fields {
  if (!isFields(value) || value instanceof Uint8Array) return false;
  return Object.hasOwn(value, needed) && Object.keys(value).every((key) => keys.includes(key));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
