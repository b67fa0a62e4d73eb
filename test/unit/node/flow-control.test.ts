import { describe, expect, it, vi } from 'vitest';
import { FlowControl } from '../../../lib/node/flow-control.js';
import { pass, useFakeClock } from '../fakes/clock.js';

const MEBIBYTE = 1024 * 1024;

function setUp() {
  const rooms: string[] = [];
  return { rooms, flow: new FlowControl((to) => rooms.push(to)) };
}

useFakeClock();

describe('flow control', () => {
  it('lets small messages pass, however many there are', () => {
    const { flow } = setUp();
    for (let i = 0; i < 1000; i++) expect(flow.take('a.1', 64 * 1024)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('has room for 4 MiB to each receiver', () => {
    const { flow } = setUp();
    for (let i = 0; i < 4; i++) expect(flow.take('a.1', MEBIBYTE)).toBe(true);
    expect(flow.take('a.1', MEBIBYTE)).toBe(false);
    expect(flow.take('b.1', MEBIBYTE)).toBe(true);
    flow.clear();
  });

  it('takes one message of any size when nothing else is on its way', () => {
    const { flow } = setUp();
    expect(flow.take('a.1', 16 * MEBIBYTE)).toBe(true);
    expect(flow.take('a.1', MEBIBYTE)).toBe(false);
    flow.clear();
  });

  it('tells who waits when the receiver has read something', () => {
    const { flow, rooms } = setUp();
    flow.take('a.1', 4 * MEBIBYTE);
    flow.onReceived('a.1', MEBIBYTE);
    expect(rooms).toEqual([]);
    flow.take('a.1', 2 * MEBIBYTE);
    flow.onReceived('a.1', MEBIBYTE);
    expect(rooms).toEqual(['a.1']);
    expect(flow.take('a.1', 2 * MEBIBYTE)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait for ever for a receiver that says nothing', async () => {
    const { flow, rooms } = setUp();
    flow.take('a.1', 4 * MEBIBYTE);
    flow.take('a.1', MEBIBYTE);
    await pass(1900);
    expect(rooms).toEqual([]);
    await pass(200);
    expect(rooms).toEqual(['a.1']);
    expect(flow.take('a.1', MEBIBYTE)).toBe(true);
  });

  it('ignores what it does not know, and leaves no timer when it is cleared', () => {
    const { flow, rooms } = setUp();
    flow.onReceived('stranger.1', 5);
    flow.take('a.1', 5 * MEBIBYTE);
    flow.take('a.1', MEBIBYTE);
    flow.clear();
    expect(vi.getTimerCount()).toBe(0);
    expect(rooms).toEqual([]);
  });
});
