import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  Inject,
  Logger,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { CloudsClient } from './nest/clouds.client.js';
import { logFor } from './nest/clouds.events.js';
import { CloudsServer } from './nest/clouds.server.js';
import { isInjected } from './nest/injections.js';
import { type CloudsTransportOptions, splitOptions } from './nest/packets.js';
import { CloudsNode } from './node/node.js';
import { openScopes } from './node/request-scope.js';

const BEFORE_ROOT = -1;

const configurable = new ConfigurableModuleBuilder<CloudsTransportOptions>({ moduleName: 'Clouds' })
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createCloudsOptions')
  .setExtras({ isGlobal: false }, (definition, { isGlobal }) => ({
    ...definition,
    global: isGlobal,
  }))
  .build();

/** Options of `CloudsModule.forRoot`: those of the node, `serializer` and `deserializer`, and `isGlobal`. */
export type CloudsModuleOptions = typeof configurable.OPTIONS_TYPE;
/** Options of `CloudsModule.forRootAsync`: `useFactory`, `useClass` or `useExisting`, and `isGlobal`. */
export type CloudsModuleAsyncOptions = typeof configurable.ASYNC_OPTIONS_TYPE;

function createNode(options: CloudsTransportOptions): CloudsNode {
  const node = new CloudsNode(splitOptions(options).node, { makesCalls: false });
  logFor(node, new Logger('CloudsModule'));
  return node;
}

/** Holds the one node of the application. Apart from `CloudsModule`, because it may be global. */
@Module({
  providers: [
    { provide: CloudsNode, useFactory: createNode, inject: [configurable.MODULE_OPTIONS_TOKEN] },
    {
      provide: CloudsClient,
      useFactory: (node: CloudsNode, options: CloudsTransportOptions) =>
        new CloudsClient(node, splitOptions(options).packets),
      inject: [CloudsNode, configurable.MODULE_OPTIONS_TOKEN],
    },
    {
      provide: CloudsServer,
      useFactory: (node: CloudsNode, options: CloudsTransportOptions) =>
        new CloudsServer(node, splitOptions(options).packets),
      inject: [CloudsNode, configurable.MODULE_OPTIONS_TOKEN],
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
  /**
   * With these options, or with the defaults. The application does not start if they are wrong.
   * @throws CloudsBadOptionsError when the application is made.
   */
  static forRoot(options: CloudsModuleOptions = {}): DynamicModule {
    return wrap(CloudsCoreModule.forRoot(options));
  }

  /** The same with options from a factory, or from a class with `createCloudsOptions()`. */
  static forRootAsync(options: CloudsModuleAsyncOptions): DynamicModule {
    return wrap(CloudsCoreModule.forRootAsync(options));
  }

  constructor(
    @Inject(CloudsNode) private readonly node: CloudsNode,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    putBeforeRoot(modules);
    // Whoever imports the module to drain a server need not pay for calls that nobody makes.
    if (isInjected([CloudsClient, CloudsNode], modules, [CloudsModule, CloudsCoreModule]))
      openScopes();
  }

  /**
   * Leaves and drains. Nest closes servers only after all modules are destroyed, when the database of the
   * last handlers may be gone, so it is done here, in a module that is never global: global ones go last.
   */
  async onModuleDestroy(): Promise<void> {
    await this.node.leave();
  }
}

/**
 * Nest destroys modules in the order of their distance from the root, and siblings in an order of their
 * own. The drain has to come before everything else, so this module is nearer than the root itself.
 */
function putBeforeRoot(modules: ModulesContainer): void {
  for (const module of modules.values()) {
    if (module.metatype === CloudsModule) module.distance = BEFORE_ROOT;
  }
}

function wrap(core: DynamicModule): DynamicModule {
  return { module: CloudsModule, imports: [core], exports: [CloudsCoreModule] };
}
