#!lua
--[[
Purpose: the heartbeat of an incarnation. It reads the node's scores and sends them to the node's own
         inbox: their arrival proves the whole path, and since a channel is first in, first out, the
         node then knows what they should be. It puts missing memberships and subscriptions back and
         renews the entry.

KEYS[1]    entry of the node
KEYS[2]    table of subscriptions
KEYS[3..]  sets of its services

ARGV[1]    incarnation
ARGV[2]    its inbox
ARGV[3]    what the node says about itself, JSON; '' for a node that serves nothing
ARGV[4]    ms that the entry lives without a heartbeat
ARGV[5]    number of the beat, JSON; with a seal around it, if the node has a key
ARGV[6..]  per set three: the mark at the end of its members, its free capacity if it is missing, and the
           name of the service if it takes events, else ''

Output     how many subscribers got the probe; 0 means that the incarnation is deaf, or that a later one has
           registered: nothing was written
]]
--@include points
--@include subscriptions
--@include successor

local FIRST_SET, ARGUMENTS_PER_SET, FIRST_ARGUMENT = 3, 3, 6
local HALF = 0.5
local YOUNGEST_OF_THE_LAST_PERIOD = (PERIOD - 1) / PERIOD

local deaf = redis.call('PUBSUB', 'NUMSUB', ARGV[2])[2] == 0
if deaf or hasSuccessor(KEYS[1], ARGV[1]) then return 0 end

local fractionNow = scoreOf(0, ticks)

-- In the first half of a period a fraction below the present one can only be left from the period
-- before: it would make a node that waits longest look like the one picked last, for hours.
local function refreshed(score)
  local free = math.floor(score)
  local isFromLastPeriod = fractionNow > HALF and score - free < fractionNow - 0.001
  return isFromLastPeriod and free + YOUNGEST_OF_THE_LAST_PERIOD or score
end

local scores = {}
for i = FIRST_SET, #KEYS do
  local argument = FIRST_ARGUMENT + (i - FIRST_SET) * ARGUMENTS_PER_SET
  local member = ARGV[1] .. ARGV[argument]
  local score = tonumber(redis.call('ZSCORE', KEYS[i], member) or nil)
  local valid = score and refreshed(score) or scoreOf(tonumber(ARGV[argument + 1]), ticks)
  if valid ~= score then redis.call('ZADD', KEYS[i], valid, member) end
  local subscription = ARGV[argument + 2]
  if subscription ~= '' then subscribe(KEYS[2], subscription) end
  scores[#scores + 1] = string.format('%.0f', math.floor(valid))
end

if ARGV[3] ~= '' then redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
return redis.call('PUBLISH', ARGV[2], '[1,"p",' .. nowMs .. ',' .. ARGV[5] .. ',[' .. table.concat(scores, ',') .. ']]')
