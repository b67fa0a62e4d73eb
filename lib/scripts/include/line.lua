--[[
The line of a service: callers that wait for room, a sorted set of their incarnations. They take turns, so that one with
many calls does not keep out one with few. Who gets room goes to the end; the first is told when there is some,
and then has a moment to come. The score of a caller is

- a tick of the clock: since then it waits;
- TOLD + a tick: it was told then, and comes after all who were not;
- a tick - TOLD, below 0: it came when told, and others had taken the room, so that it comes before all.

Who has not come within a second is taken out, as is who cannot be told. A caller that still waits puts itself back.
]]
local TOLD = 4000000000000000
local TICKS_TO_COME = 250000
local LINE_TTL_MS = 2000

-- Tells the first, but not `me`, and returns who that is.
local function tellFirst(line, me, inboxPrefix, message)
  while true do
    local first = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    local caller, since = first[1], tonumber(first[2])
    if not caller or caller == me then return caller end
    local isLate = since >= TOLD and ticks > since - TOLD + TICKS_TO_COME
    if not isLate and redis.call('PUBLISH', inboxPrefix .. caller, message) > 0 then
      if since < TOLD then redis.call('ZADD', line, TOLD + ticks, caller) end
      return caller
    end
    redis.call('ZREM', line, caller)
  end
end
