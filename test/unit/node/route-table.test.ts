import { describe, expect, it } from 'vitest';
import { RouteTable } from '../../../lib/node/route-table.js';

const servicesOf = (table: RouteTable, event: string) =>
  table.routesOf(event).map(({ service }) => service);

describe('the table of routes', () => {
  it('has the services of every group that take an event, by name and by wildcard', () => {
    const table = new RouteTable(['@/a.b', '@mail/a.b', '@/a.*', '@x/>', '@/other', '@/*.b']);
    expect(servicesOf(table, 'a.b').sort()).toEqual(
      ['@/*.b', '@/a.*', '@/a.b', '@mail/a.b', '@x/>'].sort(),
    );
    expect(servicesOf(table, 'nobody')).toEqual(['@x/>']);
  });

  it('says which of them do not know the name by themselves', () => {
    const table = new RouteTable(['@/a', '@/*']);
    expect(table.routesOf('a')).toEqual([
      { service: '@/a', isWildcard: false },
      { service: '@/*', isWildcard: true },
    ]);
  });

  it('does not take the JSON of an object for a wildcard', () => {
    const table = new RouteTable(['@/{"a":"x.*.y"}']);
    expect(servicesOf(table, '{"a":"x.*.y"}')).toEqual(['@/{"a":"x.*.y"}']);
    expect(servicesOf(table, '{"a":"x.1.y"}')).toEqual([]);
  });

  it('passes over what is no subscription', () => {
    expect(servicesOf(new RouteTable(['a', '@a', '@é/a', '']), 'a')).toEqual([]);
  });

  it('knows names however many there are', () => {
    const table = new RouteTable(['@/a.*']);
    for (let i = 0; i < 3000; i++) expect(servicesOf(table, `a.${i}`)).toEqual(['@/a.*']);
    expect(servicesOf(table, 'b')).toEqual([]);
  });

  it.each(['constructor', '__proto__', 'toString'])('has no routes of %s', (event) => {
    expect(new RouteTable(['@/a']).routesOf(event)).toEqual([]);
  });
});
