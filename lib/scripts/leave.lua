#!lua flags=allow-oom
--[[
Purpose: takes an incarnation out of sets and sends it a farewell. A channel is first in, first out:
         when the farewell arrives, everything dispatched to these services before has arrived too.

KEYS[1..]  sets of the services

ARGV[1]    incarnation
ARGV[2]    its inbox
ARGV[3]    the farewell message
ARGV[4..]  per set: the mark at the end of its members

Output     how many subscribers got the farewell
]]
local FIRST_MARK = 4

for i, set in ipairs(KEYS) do
  redis.call('ZREM', set, ARGV[1] .. ARGV[FIRST_MARK + i - 1])
end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
