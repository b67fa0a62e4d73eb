--[[
The arithmetic of points; its only other place is lib/node/points.ts.

score = free + fraction. `free`, the floor of the score, is the node's free capacity: what a call
takes from it and gives back. The fraction, in [0, 1), orders nodes of equal capacity: it falls with
the time of the last pick, so the node that was picked longest ago is the best of its equals.
A fraction is 32 bits of a clock that ticks every 4 microseconds; with 20 bits of points it is exact
in a double. The clock starts anew every PERIOD ticks (4.8 hours), see `refreshed`.
]]
local PERIOD = 4294967296
local MICROSECONDS_PER_TICK = 4

local clock = redis.call('TIME')
local seconds, microseconds = tonumber(clock[1]), tonumber(clock[2])
local nowMs = string.format('%.0f', seconds * 1000 + math.floor(microseconds / 1000))
local ticks = seconds * (1000000 / MICROSECONDS_PER_TICK) + math.floor(microseconds / MICROSECONDS_PER_TICK)

local function scoreOf(free, tick)
  return free + (PERIOD - 1 - tick % PERIOD) / PERIOD
end
