/**
 * What travels: a message is one JSON array published to one inbox, `[version, kind, ...]`. The
 * messages that carry work are batches of frames. docs/protocol.md is the specification.
 */
export const PROTOCOL_VERSION = 1;

export const MessageKind = {
  REQUESTS: 'q',
  REPLIES: 'r',
  CANCEL: 'c',
  ASK: 'a',
  PROBE: 'p',
  FAREWELL: 'f',
  RECEIVED: 'k',
  WINDOW: 'w',
  ROOM: 'o',
} as const;

export const ReplyKind = {
  /** One value, and the call is answered. */
  RESULT: 0,
  /** One value of a stream; more may follow. Carries its sequence number from 0. */
  VALUE: 1,
  /** The end of a stream. Carries how many values there were. */
  END: 2,
  /** The handler failed with this value. Carries how many values there were before. */
  ERROR: 3,
  /** The handler failed with an Error: name, message and own properties. */
  EXCEPTION: 4,
  /** The node did not run the handler, or stopped it: code, message, details. */
  REFUSAL: 5,
  /** The answer to an ask: this node never saw the call, or has forgotten its reply. */
  UNKNOWN: 6,
  /** The answer to an ask about a stream that goes on: so many values were sent. */
  PROGRESS: 7,
} as const;
export type ReplyKind = (typeof ReplyKind)[keyof typeof ReplyKind];

/** The attempt number of a request that wants no reply. */
export const ONE_WAY = 0;

/** Headers: strings that travel with a request beside its data. */
export type Metadata = Readonly<Record<string, string>>;

/** What stands for no metadata. */
export const NO_METADATA = 0;

/**
 * As it stands in its message. `timeLeftMs` is the time left when it was dispatched; `attempt` counts from
 * 1 and is `ONE_WAY` for a request that wants no reply; `event` is there if the service is a wildcard.
 */
export type RequestFrame = readonly [
  id: string,
  timeLeftMs: number,
  attempt: number,
  metadata: Metadata | typeof NO_METADATA,
  data?: unknown,
  event?: string,
];

export interface RequestMessage {
  readonly kind: typeof MessageKind.REQUESTS;
  /** Redis's clock at the dispatch, in ms. */
  readonly redisMs: number;
  /** Incarnation of the caller; replies go to its inbox. */
  readonly from: string;
  readonly service: string;
  /** Whether other requests for the service wait for room: who gives points back is to tell. */
  readonly someWait: boolean;
  readonly frames: readonly RequestFrame[];
  /** How many frames of the batch could not be read. */
  readonly malformed: number;
  /** The ids of these, where at least that can be read. */
  readonly malformedIds: readonly string[];
  /** Why others were left out: what has no right seal. */
  readonly unsealable: readonly DropReason[];
}

/** As it stands in its message. `count` is the sequence number of a value, or how many values there were. */
export type ReplyFrame = readonly [id: string, kind: ReplyKind, count: number, value?: unknown];

export interface ReplyMessage {
  readonly kind: typeof MessageKind.REPLIES;
  /** Incarnation of the node that answers. */
  readonly from: string;
  readonly frames: readonly ReplyFrame[];
  readonly malformed: number;
}

export interface IdsMessage {
  readonly kind: typeof MessageKind.CANCEL | typeof MessageKind.ASK;
  readonly from: string;
  readonly ids: readonly string[];
}

export interface ProbeMessage {
  readonly kind: typeof MessageKind.PROBE;
  readonly redisMs: number;
  readonly beat: number;
  /** The floor of the node's score in each of its services, in the order that the beat named them. */
  readonly scores: readonly number[];
}

export interface FarewellMessage {
  readonly kind: typeof MessageKind.FAREWELL;
  readonly token: string;
}

/** The receiver of long messages has read so much of them. */
export interface ReceivedMessage {
  readonly kind: typeof MessageKind.RECEIVED;
  readonly from: string;
  readonly length: number;
}

/** So many values of a stream its caller has consumed, since it began. */
export type Consumed = readonly [id: string, count: number];

/** The caller has room for more values of streams. */
export interface WindowMessage {
  readonly kind: typeof MessageKind.WINDOW;
  readonly from: string;
  readonly consumed: readonly Consumed[];
}

/** The service has room, and it is the turn of the receiver. */
export interface RoomMessage {
  readonly kind: typeof MessageKind.ROOM;
  readonly from: string;
  readonly service: string;
}

export type Message =
  | RequestMessage
  | ReplyMessage
  | IdsMessage
  | ProbeMessage
  | FarewellMessage
  | ReceivedMessage
  | WindowMessage
  | RoomMessage;

/** Why a message was dropped. */
export type DropReason =
  | 'too-large'
  | 'too-deep'
  | 'not-json'
  | 'malformed'
  | 'unknown-version'
  /** It has no seal. */
  | 'unsigned'
  /** Its seal is not that of its content and receiver, or was made with an unknown key. */
  | 'tampered'
  /** It was signed too long ago, or in the future. */
  | 'stale'
  /** It has come before. */
  | 'replayed';
