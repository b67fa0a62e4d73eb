import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Logger,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { CloudsOptions } from './common/options.js';
import { CloudsClient } from './nest/clouds.client.js';
import { logWarnings } from './nest/clouds.events.js';
import { CloudsServer } from './nest/clouds.server.js';
import { CloudsNode } from './node/node.js';

const configurable = new ConfigurableModuleBuilder<CloudsOptions>({ moduleName: 'Clouds' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createCloudsOptions')
  .setExtras({ isGlobal: false }, (definition, { isGlobal }) => ({
    ...definition,
    global: isGlobal,
  }))
  .build();

/** Options of `CloudsModule.forRoot`: those of the node, and `isGlobal`. */
export type CloudsModuleOptions = typeof configurable.OPTIONS_TYPE;
/** Options of `CloudsModule.forRootAsync`: `useFactory`, `useClass` or `useExisting`, and `isGlobal`. */
export type CloudsModuleAsyncOptions = typeof configurable.ASYNC_OPTIONS_TYPE;

function createNode(options: CloudsOptions): CloudsNode {
  const node = new CloudsNode(options);
  logWarnings(node, new Logger(CloudsNode.name));
  return node;
}

/** Holds the one node of the application. Apart from `CloudsModule`, because it may be global. */
@Module({
  providers: [
    { provide: CloudsNode, useFactory: createNode, inject: [configurable.MODULE_OPTIONS_TOKEN] },
    {
      provide: CloudsClient,
      useFactory: (node: CloudsNode) => new CloudsClient(node),
      inject: [CloudsNode],
    },
    {
      provide: CloudsServer,
      useFactory: (node: CloudsNode) => new CloudsServer(node),
      inject: [CloudsNode],
    },
  ],
  exports: [CloudsNode, CloudsClient, CloudsServer],
})
class CloudsCoreModule
  extends configurable.ConfigurableModuleClass
  implements OnApplicationShutdown
{
  constructor(@Inject(CloudsNode) private readonly node: CloudsNode) {
    super();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.node.close();
  }
}

/**
 * Provides one node for the application, as `CloudsClient` to call, `CloudsServer` to serve and
 * `CloudsNode` for all else.
 */
@Module({})
export class CloudsModule implements OnModuleDestroy {
  static forRoot(options: CloudsModuleOptions = {}): DynamicModule {
    return wrap(CloudsCoreModule.forRoot(options));
  }

  static forRootAsync(options: CloudsModuleAsyncOptions): DynamicModule {
    return wrap(CloudsCoreModule.forRootAsync(options));
  }

  constructor(@Inject(CloudsNode) private readonly node: CloudsNode) {}

  /**
   * Nest destroys modules from the root to the leaves, global ones last, and closes servers only after
   * that. The drain must come first, while the database of the last handlers is still there, so it is in
   * this module, which is never global.
   */
  async onModuleDestroy(): Promise<void> {
    await this.node.leave();
  }
}

function wrap(core: DynamicModule): DynamicModule {
  return { module: CloudsModule, imports: [core], exports: [CloudsCoreModule] };
}
