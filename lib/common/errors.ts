/** The stable codes of everything that this package can throw. Match on the code, not on the text. */
export const CloudsErrorCode = {
  /** No reply came within the time given to the call. */
  TIMEOUT: 'CLOUDS_TIMEOUT',
  /** No node is registered for the service. */
  NO_NODE: 'CLOUDS_NO_NODE',
  /** The node that had the call is gone; whether its handler ran is unknown. */
  NODE_LOST: 'CLOUDS_NODE_LOST',
  /** Every node of the service has reached its capacity. */
  OVERLOADED: 'CLOUDS_OVERLOADED',
  /** Redis could not be reached in time, or refused the command. */
  DISCONNECTED: 'CLOUDS_DISCONNECTED',
  /** The node was closed while the call was out, or before it was made. */
  CLOSED: 'CLOUDS_CLOSED',
  /** The request reached its node after its time was up and was not started. */
  EXPIRED: 'CLOUDS_EXPIRED',
  /** The call was cancelled by its caller, or by the serving node when it had to stop. */
  CANCELLED: 'CLOUDS_CANCELLED',
  /** The serialised data is larger than the limit. */
  PAYLOAD_TOO_LARGE: 'CLOUDS_PAYLOAD_TOO_LARGE',
  /** A service name is empty, too long or has control characters. */
  BAD_NAME: 'CLOUDS_BAD_NAME',
  /** An option is unknown, of the wrong kind, out of range, or contradicts another. */
  BAD_OPTIONS: 'CLOUDS_BAD_OPTIONS',
  /** The data cannot be written as JSON. */
  UNSERIALIZABLE: 'CLOUDS_UNSERIALIZABLE',
} as const;

/** One of them. */
export type CloudsErrorCode = (typeof CloudsErrorCode)[keyof typeof CloudsErrorCode];

/** What an error says beside its text. */
export interface CloudsErrorOptions {
  /** The error underneath, where there is one. */
  cause?: unknown;
  /** Facts for programs: the service, the limit, the size and the like. Always JSON. */
  details?: Readonly<Record<string, unknown>>;
  /** Id of the node that raised the error, when that was another process. */
  node?: string;
}

/** The base of all errors of this package. */
export class CloudsError extends Error {
  /** What has happened, for programs. */
  readonly code: CloudsErrorCode;
  /** Facts about it, for programs; `{}` if there are none. Always JSON. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Id of the node that raised the error; undefined when this process did. */
  readonly node: string | undefined;

  constructor(code: CloudsErrorCode, message: string, options: CloudsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = nameOf(code);
    this.code = code;
    this.details = options.details ?? {};
    this.node = options.node;
  }

  /** Whether the same call, made again, may succeed. It says nothing about whether the handler ran. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

/** `CloudsNodeLostError` of `CLOUDS_NODE_LOST`. Not that of the class, which a bundler may shorten. */
function nameOf(code: CloudsErrorCode): string {
  const words = code.toLowerCase().split('_');
  return `${words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('')}Error`;
}

const RETRYABLE: ReadonlySet<CloudsErrorCode> = new Set([
  CloudsErrorCode.TIMEOUT,
  CloudsErrorCode.NO_NODE,
  CloudsErrorCode.NODE_LOST,
  CloudsErrorCode.OVERLOADED,
  CloudsErrorCode.DISCONNECTED,
  CloudsErrorCode.EXPIRED,
]);

/** `CLOUDS_TIMEOUT`: no reply came within the time given to the call. */
export class CloudsTimeoutError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.TIMEOUT, message, options);
  }
}

/** `CLOUDS_NO_NODE`: no node is registered for the service. */
export class CloudsNoNodeError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.NO_NODE, message, options);
  }
}

/** `CLOUDS_NODE_LOST`: the node that had the call is gone. */
export class CloudsNodeLostError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.NODE_LOST, message, options);
  }
}

/** `CLOUDS_OVERLOADED`: every node of the service is at its capacity. */
export class CloudsOverloadedError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.OVERLOADED, message, options);
  }
}

/** `CLOUDS_DISCONNECTED`: Redis could not be reached in time, or refused the command. */
export class CloudsDisconnectedError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.DISCONNECTED, message, options);
  }
}

/** `CLOUDS_CLOSED`: the node was closed. */
export class CloudsClosedError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.CLOSED, message, options);
  }
}

/** `CLOUDS_EXPIRED`: the request was too old to be started. */
export class CloudsExpiredError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.EXPIRED, message, options);
  }
}

/** `CLOUDS_CANCELLED`: the call was cancelled. */
export class CloudsCancelledError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.CANCELLED, message, options);
  }
}

/** `CLOUDS_PAYLOAD_TOO_LARGE`: the serialised data is larger than the limit. */
export class CloudsPayloadTooLargeError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.PAYLOAD_TOO_LARGE, message, options);
  }
}

/** `CLOUDS_BAD_NAME`: a service name that is not allowed. */
export class CloudsBadNameError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.BAD_NAME, message, options);
  }
}

/** `CLOUDS_BAD_OPTIONS`: options that are not allowed. */
export class CloudsBadOptionsError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.BAD_OPTIONS, message, options);
  }
}

/** `CLOUDS_UNSERIALIZABLE`: data that cannot be written as JSON. */
export class CloudsUnserializableError extends CloudsError {
  constructor(message: string, options?: CloudsErrorOptions) {
    super(CloudsErrorCode.UNSERIALIZABLE, message, options);
  }
}

const CLASSES: Readonly<
  Record<CloudsErrorCode, new (message: string, options?: CloudsErrorOptions) => CloudsError>
> = {
  CLOUDS_TIMEOUT: CloudsTimeoutError,
  CLOUDS_NO_NODE: CloudsNoNodeError,
  CLOUDS_NODE_LOST: CloudsNodeLostError,
  CLOUDS_OVERLOADED: CloudsOverloadedError,
  CLOUDS_DISCONNECTED: CloudsDisconnectedError,
  CLOUDS_CLOSED: CloudsClosedError,
  CLOUDS_EXPIRED: CloudsExpiredError,
  CLOUDS_CANCELLED: CloudsCancelledError,
  CLOUDS_PAYLOAD_TOO_LARGE: CloudsPayloadTooLargeError,
  CLOUDS_BAD_NAME: CloudsBadNameError,
  CLOUDS_BAD_OPTIONS: CloudsBadOptionsError,
  CLOUDS_UNSERIALIZABLE: CloudsUnserializableError,
};

export function isCloudsErrorCode(code: unknown): code is CloudsErrorCode {
  return typeof code === 'string' && Object.hasOwn(CLASSES, code);
}

/** Makes the error of the class that belongs to `code`; for errors that arrive from another node. */
export function cloudsError(
  code: CloudsErrorCode,
  message: string,
  options?: CloudsErrorOptions,
): CloudsError {
  return new CLASSES[code](message, options);
}
