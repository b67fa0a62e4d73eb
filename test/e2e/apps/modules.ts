/** Ways to get a client or a server into an application. */
import { Global, Inject, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule } from '@nestjs/microservices';
import { CloudsClient, CloudsModule, type CloudsOptions } from 'nestjs-clouds';
import { options } from './support/options.js';
import { takeOrders } from './support/orders.js';
import { type Outcome, outcomeOf } from './support/outcome.js';

const OPTIONS = 'OPTIONS';

@Global()
@Module({ providers: [{ provide: OPTIONS, useValue: options }], exports: [OPTIONS] })
class ConfigModule {}

@Injectable()
class OptionsFactory {
  constructor(@Inject(OPTIONS) private readonly options: CloudsOptions) {}

  createCloudsOptions(): Promise<CloudsOptions> {
    return Promise.resolve(this.options);
  }
}

@Module({ providers: [OptionsFactory], exports: [OptionsFactory] })
class OptionsModule {}

/** What every way has to make injectable. */
@Injectable()
class Orders {
  constructor(readonly clouds: CloudsClient) {}
}

@Module({ imports: [CloudsModule.forRoot(options)], providers: [Orders] })
class ForRootModule {}

@Module({
  imports: [
    ConfigModule,
    CloudsModule.forRootAsync({
      inject: [OPTIONS],
      useFactory: (configured: CloudsOptions) => Promise.resolve(configured),
    }),
  ],
  providers: [Orders],
})
class UseFactoryModule {}

@Module({
  imports: [ConfigModule, CloudsModule.forRootAsync({ useClass: OptionsFactory })],
  providers: [Orders],
})
class UseClassModule {}

@Module({
  imports: [
    ConfigModule,
    CloudsModule.forRootAsync({ imports: [OptionsModule], useExisting: OptionsFactory }),
  ],
  providers: [Orders],
})
class UseExistingModule {}

@Module({ providers: [Orders] })
class FeatureModule {}

@Module({ imports: [CloudsModule.forRoot({ ...options, isGlobal: true }), FeatureModule] })
class GlobalModule {}

@Module({
  imports: [
    ConfigModule,
    CloudsModule.forRootAsync({
      isGlobal: true,
      inject: [OPTIONS],
      useFactory: (configured: CloudsOptions) => configured,
    }),
    FeatureModule,
  ],
})
class GlobalAsyncModule {}

/** Nest registers clients under a token. */
@Injectable()
class MathOrders {
  constructor(@Inject('MATH') readonly clouds: CloudsClient) {}
}

@Module({
  imports: [ClientsModule.register([{ name: 'MATH', customClass: CloudsClient, options }])],
  providers: [MathOrders],
})
class ClientsRegisterModule {}

@Module({
  imports: [
    ConfigModule,
    ClientsModule.registerAsync([
      {
        name: 'MATH',
        inject: [OPTIONS],
        useFactory: (configured: CloudsOptions) => ({
          customClass: CloudsClient,
          options: configured,
        }),
      },
    ]),
  ],
  providers: [MathOrders],
})
class ClientsRegisterAsyncModule {}

const WAYS: Record<string, [module: Type, orders: Type<{ clouds: CloudsClient }>]> = {
  forRoot: [ForRootModule, Orders],
  'forRootAsync with useFactory': [UseFactoryModule, Orders],
  'forRootAsync with useClass': [UseClassModule, Orders],
  'forRootAsync with useExisting': [UseExistingModule, Orders],
  'forRoot with isGlobal': [GlobalModule, Orders],
  'forRootAsync with isGlobal': [GlobalAsyncModule, Orders],
  'ClientsModule.register': [ClientsRegisterModule, MathOrders],
  'ClientsModule.registerAsync': [ClientsRegisterAsyncModule, MathOrders],
};

/** An application made in this way, one call of its client, and its end. */
async function callVia(way: string, pattern: string, data: unknown): Promise<Outcome> {
  const [module, orders] = WAYS[way]!;
  const app = await NestFactory.createApplicationContext(module, { logger: false });
  try {
    return await outcomeOf(app.get(orders, { strict: false }).clouds.send(pattern, data));
  } finally {
    await app.close();
  }
}

async function optionsError(): Promise<unknown> {
  const bad = { ...options, prefixx: 'a' } as CloudsOptions;
  @Module({ imports: [CloudsModule.forRoot(bad)] })
  class BadModule {}
  try {
    await NestFactory.createApplicationContext(BadModule, { logger: false, abortOnError: false });
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
  return undefined;
}

takeOrders({ callVia, optionsError, close: () => undefined });
