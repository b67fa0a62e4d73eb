#!lua
--[[
Purpose: takes a subscription out of the table that no node has any more.

KEYS[1]  table of subscriptions
KEYS[2]  set of the service that takes its events

ARGV[1]  name of that service

Output   1 if it was taken out, 0 if it has a node, or was not there
]]
--@include points
--@include subscriptions

if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
onSubscriptionsChanged(KEYS[1])
return 1
