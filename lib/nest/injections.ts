import type { InjectionToken, Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';

/** Where Nest notes what a class asks for: in its constructor, by `@Inject` there, and by `@Inject` at properties. */
const NOTES = ['design:paramtypes', 'self:paramtypes', 'self:properties_metadata'] as const;

/** Whether any class or factory of the application, outside of the modules `own`, has one of `tokens` injected. */
export function isInjected(
  tokens: readonly InjectionToken[],
  modules: ModulesContainer,
  own: readonly unknown[],
): boolean {
  return [...modules.values()]
    .filter(({ metatype }) => !own.includes(metatype))
    .flatMap(({ providers, controllers, injectables }) => [
      ...providers.values(),
      ...controllers.values(),
      ...injectables.values(),
    ])
    .flatMap(({ inject, metatype }) => inject ?? notesOf(metatype))
    .some((wanted) => tokens.some((token) => isFor(token, wanted)));
}

function notesOf(metatype: Type | object | null): unknown[] {
  if (typeof metatype !== 'function') return [];
  return NOTES.flatMap((key) => (Reflect.getMetadata(key, metatype) as unknown[]) ?? []);
}

/** `wanted` is a token, or an object that has it under a name that depends on who noted it. */
function isFor(token: InjectionToken, wanted: unknown): boolean {
  if (wanted === token) return true;
  if (typeof wanted !== 'object' || wanted === null) return false;
  const { token: optional, param, type, forwardRef } = wanted as Record<string, unknown>;
  if (forwardRef !== undefined) return (forwardRef as () => unknown)() === token;
  return [optional, param, type].some((inner) => inner !== undefined && isFor(token, inner));
}
