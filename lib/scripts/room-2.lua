#!lua
--[[
Purpose: tells callers that wait for room that there is some, as many as there is room for.

KEYS[1]  set of the service
KEYS[2]  line of the service

ARGV[1]  what an inbox's name has before the incarnation
ARGV[2]  the message
ARGV[3]  an incarnation that does not wait any more, and leaves the line; or ''
ARGV[4]  how many are told at most

Output   how many callers are in line
]]
--@include points
--@include line

if ARGV[3] ~= '' then redis.call('ZREM', KEYS[2], ARGV[3]) end
local best = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local free = math.floor(tonumber(best[2] or 0))
for _ = 1, math.min(free, tonumber(ARGV[4])) do
  if not tellFirst(KEYS[2], nil, ARGV[1], ARGV[2]) then break end
end
return redis.call('ZCARD', KEYS[2])
