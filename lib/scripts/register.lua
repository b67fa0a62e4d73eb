#!lua
--[[
Purpose: puts an incarnation into the sets of its services, takes its predecessors out, and publishes
         what the node says about itself.

KEYS[1]    entry of the node
KEYS[2]    table of subscriptions
KEYS[3..]  sets of the services

ARGV[1]    incarnation
ARGV[2]    its inbox
ARGV[3]    incarnations before this one that may still be in the sets, separated by commas; or ''
ARGV[4]    what the node says about itself, JSON
ARGV[5]    ms that the entry lives without a heartbeat
ARGV[6..]  per set three: the mark at the end of its members, its free capacity, and the name of the service
           if it takes events, else ''

Output     Redis's clock in ms; or NOT_SUBSCRIBED: nobody listens on the inbox, or a later incarnation has
           registered; nothing was written
]]
--@include points
--@include subscriptions
--@include successor

local NOT_SUBSCRIBED = 0
local FIRST_SET, ARGUMENTS_PER_SET, FIRST_ARGUMENT = 3, 3, 6

if redis.call('PUBSUB', 'NUMSUB', ARGV[2])[2] == 0 then return NOT_SUBSCRIBED end
if hasSuccessor(KEYS[1], ARGV[1]) then return NOT_SUBSCRIBED end

for i = FIRST_SET, #KEYS do
  local argument = FIRST_ARGUMENT + (i - FIRST_SET) * ARGUMENTS_PER_SET
  local mark, free = ARGV[argument], tonumber(ARGV[argument + 1])
  for predecessor in string.gmatch(ARGV[3], '[^,]+') do redis.call('ZREM', KEYS[i], predecessor .. mark) end
  redis.call('ZADD', KEYS[i], 'NX', scoreOf(free, ticks), ARGV[1] .. mark)
  local subscription = ARGV[argument + 2]
  if subscription ~= '' then subscribe(KEYS[2], subscription) end
end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
return nowMs
