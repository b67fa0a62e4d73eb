import 'reflect-metadata';
import {
  Controller,
  forwardRef,
  Inject,
  Injectable,
  Module,
  Optional,
  type Type,
} from '@nestjs/common';
import { ModulesContainer, NestFactory } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { isInjected } from '../../../lib/nest/injections.js';

class Wanted {}
@Module({ providers: [Wanted, { provide: 'alias', useExisting: Wanted }], exports: [Wanted] })
class Owner {}

/** Whether it is found that this class, of an application of its own, has something injected. */
async function isFoundIn(user: Type): Promise<boolean> {
  @Module({ imports: [Owner], providers: [user] })
  class Root {}
  const app = await NestFactory.createApplicationContext(Root, { logger: false });
  const found = isInjected([Wanted], app.get(ModulesContainer), [Owner]);
  await app.close();
  return found;
}

describe('what is injected is found', () => {
  class InConstructor {
    constructor(readonly wanted: Wanted) {}
  }
  // What the compiler notes for a class with decorators; the one of the tests does not.
  Reflect.defineMetadata('design:paramtypes', [Wanted], InConstructor);

  @Injectable()
  class ByInject {
    constructor(@Optional() @Inject(Wanted) readonly wanted: unknown) {}
  }
  @Injectable()
  class ByForwardRef {
    constructor(@Inject(forwardRef(() => Wanted)) readonly wanted: unknown) {}
  }
  @Controller()
  class AtProperty {
    @Inject(Wanted) readonly wanted: unknown;
  }
  class Derived extends AtProperty {}

  it.each([InConstructor, ByInject, ByForwardRef, AtProperty, Derived])('%o', async (user) => {
    expect(await isFoundIn(user)).toBe(true);
  });

  it('into a factory', async () => {
    @Module({
      imports: [Owner],
      providers: [
        { provide: 'made', useFactory: () => 1, inject: [{ token: Wanted, optional: true }] },
      ],
    })
    class Root {}
    const app = await NestFactory.createApplicationContext(Root, { logger: false });
    expect(isInjected([Wanted], app.get(ModulesContainer), [Owner])).toBe(true);
    await app.close();
  });
});

it('what only its own module uses is not injected', async () => {
  @Injectable()
  class Other {
    constructor(@Inject(ModulesContainer) readonly modules: unknown) {}
  }
  expect(await isFoundIn(Other)).toBe(false);
});
