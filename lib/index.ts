export {
  CloudsModule,
  type CloudsModuleAsyncOptions,
  type CloudsModuleOptions,
} from './clouds.module.js';
export {
  CloudsBadNameError,
  CloudsBadOptionsError,
  CloudsCancelledError,
  CloudsClosedError,
  CloudsDisconnectedError,
  CloudsError,
  CloudsErrorCode,
  type CloudsErrorOptions,
  CloudsExpiredError,
  CloudsNodeLostError,
  CloudsNoNodeError,
  CloudsOverloadedError,
  CloudsPayloadTooLargeError,
  CloudsTimeoutError,
  CloudsUnserializableError,
} from './common/errors.js';
export type {
  CloudsOptions,
  CloudsRedisOptions,
  CloudsServiceOptions,
  CloudsSigningOptions,
  ResolvedOptions,
  WhenFull,
} from './common/options.js';
export { CloudsClient } from './nest/clouds.client.js';
export { CloudsContext } from './nest/clouds.context.js';
export { CloudsExceptionFilter } from './nest/clouds.exception-filter.js';
export { type CloudsEventsMap, CloudsStatus } from './nest/clouds.events.js';
export { CloudsStreamInterceptor } from './nest/clouds.stream-interceptor.js';
export { CloudsRecord, CloudsRecordBuilder } from './nest/clouds.record.js';
export type { CloudsPacketOptions, CloudsTransportOptions } from './nest/packets.js';
export { CLOUDS_TRANSPORT, CloudsServer } from './nest/clouds.server.js';
export type { ReplySink } from './node/call.js';
export type { CallOptions } from './node/call-options.js';
export type { Metadata } from './protocol/frames.js';
export type { ServiceHandler } from './node/handlers.js';
export type { IncomingRequest } from './node/incoming-request.js';
export { CloudsNode, type RegisterOptions, type SubscribeOptions } from './node/node.js';
export type { CloudsNodeEvents, CloudsNodeStats } from './node/node-events.js';
export type { RequestHandler } from './node/registry.js';
export { RemoteError } from './protocol/remote-error.js';
