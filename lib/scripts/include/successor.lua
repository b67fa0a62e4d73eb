-- What was under way for long, as from a host that had vanished, may come after the next incarnation of its node, which
-- has taken this one out, and while Redis still has its inbox.
local function hasSuccessor(entry, incarnation)
  local said = redis.call('MGET', entry)[1]
  local latest = said and string.match(said, '"incarnation":"[^"]*%.(%d+)"')
  if not latest then return false end
  return tonumber(latest) > tonumber(string.match(incarnation, '%d+$'))
end
