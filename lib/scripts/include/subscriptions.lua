--[[
The table of subscriptions: a hash with a field for each service that takes events (`@group/pattern`), and a
field `v`, which changes whenever one is added or taken out: who has read the table sees by it whether that is
still true. The clock as its value: a count would start anew with a table that Redis has lost.
]]
local SUBSCRIPTIONS_TTL_MS = 600000

local function onSubscriptionsChanged(subscriptions)
  redis.call('HSET', subscriptions, 'v', clock[1] .. '.' .. clock[2])
end

local function subscribe(subscriptions, service)
  if redis.call('HSETNX', subscriptions, service, '') == 1 then onSubscriptionsChanged(subscriptions) end
  redis.call('PEXPIRE', subscriptions, SUBSCRIPTIONS_TTL_MS)
end
