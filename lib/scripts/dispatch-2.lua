#!lua
--[[
Purpose: gives each request of a batch to the node with the most free capacity, takes the points and
         publishes, in one atomic step. A batch runs once, however often it is sent (the fence).

KEYS[1]  set of the service
KEYS[2]  fence of the caller

ARGV[1]  sequence number of the batch, one higher for each batch of this caller
ARGV[2]  number of slots of the fence: a batch's answer is kept until so many later ones have run
ARGV[3]  ms that the fence lives on from now, or 0 to leave it as it is
ARGV[4]  what an inbox's name has before the incarnation
ARGV[5]  the constant part of the message: "caller","service",[
ARGV[6]  '' or JSON: per number of a request the node ids that it has tried, and whether it may go to
         one of them if there is no other: {"3":{"nodes":["a","b"],"again":false}}
ARGV[7..] one frame per request. PICK_ONLY: take the point only, the frame follows by PUBLISH.
         SKIP: this request is no longer wanted.

Output   "<ms>|<member>,<member>|<n>,<n>": Redis's clock, the members used, and for each request the
         number of its member, or NO_NODE, OVERLOADED, ONLY_TRIED.
Errors   STALE: a later batch has taken this one's slot; whether this one ran is no longer known.
]]
--@include points

local NO_NODE, OVERLOADED, ONLY_TRIED = 0, -1, -2
local PICK_ONLY, SKIP = '', '-'
local FIRST_FRAME = 7
local LOOK_BEHIND_FULL = 100

-- Loops here count by hand: `ipairs` and `#list + 1` cost as much as what they are used for.
local argv = ARGV
local set, fence = KEYS[1], KEYS[2]
local sequence, slots = tonumber(ARGV[1]), tonumber(ARGV[2])
local inboxPrefix, header = ARGV[4], ARGV[5]

local slot = sequence % slots
local kept = redis.call('HGET', fence, slot)
if kept then
  local keptSequence, keptAnswer = string.match(kept, '^(%d+):(.*)$')
  keptSequence = tonumber(keptSequence)
  if keptSequence == sequence then return keptAnswer end
  if keptSequence > sequence then return redis.error_reply('STALE this batch is older than the fence') end
end

local tried = ARGV[6] ~= '' and cjson.decode(ARGV[6])
local result, members = {}, {}

local function isLimited(member)
  return string.sub(member, -1) == '!'
end

local function isFull(candidate)
  return candidate.free < 1 and isLimited(candidate.member)
end

local function read(count)
  local flat = redis.call('ZREVRANGE', set, 0, count - 1, 'WITHSCORES')
  local candidates = {}
  for i = 1, #flat / 2 do
    local score = tonumber(flat[2 * i])
    candidates[i] = { member = flat[2 * i - 1], score = score, free = math.floor(score), requests = {}, count = 0 }
  end
  return candidates
end

-- One without a limit, busy as it may be, takes what those that are full cannot.
local function best(count)
  local candidates = read(count)
  if #candidates == count and isFull(candidates[1]) then return read(count + LOOK_BEHIND_FULL) end
  return candidates
end

local function take(candidate, request)
  local count = candidate.count + 1
  candidate.count = count
  candidate.requests[count] = request
  candidate.free = candidate.free - 1
  ticks = ticks + 1
  candidate.tick = ticks
end

local function byScore(a, b)
  return a.score > b.score
end

local function isAmong(nodes, candidate)
  local node = string.match(candidate.member, '^([^.]+)')
  for _, name in ipairs(nodes) do
    if name == node then return true end
  end
  return false
end

-- A request that has tried some nodes: a scan, as these are few.
local function placeElsewhere(candidates, request)
  local rule = tried[tostring(request)]
  local fresh, used
  for _, candidate in ipairs(candidates) do
    if not isFull(candidate) then
      if not isAmong(rule.nodes, candidate) then
        if not fresh or candidate.score > fresh.score then fresh = candidate end
      elseif not used or candidate.score > used.score then
        used = candidate
      end
    end
  end
  local chosen = fresh or (rule.again and used)
  if chosen then
    take(chosen, request)
    chosen.score = scoreOf(chosen.free, ticks)
  else
    result[request] = used and ONLY_TRIED or OVERLOADED
  end
end

-- All others, in constant time each: who is picked falls one level and stands behind all who were
-- on that level before, so the order by score is a queue per level.
local function placeAll(candidates, requests)
  local level
  local queue, queued, head = {}, 0, 1
  local fallen, fallenCount = {}, 0
  local unread, last = 1, #candidates
  for i = 1, #requests do
    while head > queued and (unread <= last or fallenCount > 0) do
      if fallenCount > 0 then level = level - 1 else level = candidates[unread].free end
      local next, count = {}, 0
      while unread <= last and candidates[unread].free == level do
        if not isFull(candidates[unread]) then
          count = count + 1
          next[count] = candidates[unread]
        end
        unread = unread + 1
      end
      for j = 1, fallenCount do next[count + j] = fallen[j] end
      queue, queued, head = next, count + fallenCount, 1
      fallen, fallenCount = {}, 0
    end
    local candidate = queue[head]
    if candidate then
      head = head + 1
      take(candidate, requests[i])
      if not isFull(candidate) then
        fallenCount = fallenCount + 1
        fallen[fallenCount] = candidate
      end
    else
      result[requests[i]] = OVERLOADED
    end
  end
end

local function place(candidates, requests)
  if not tried then return placeAll(candidates, requests) end
  local untried = {}
  for _, request in ipairs(requests) do
    if tried[tostring(request)] then
      placeElsewhere(candidates, request)
    else
      untried[#untried + 1] = request
    end
  end
  table.sort(candidates, byScore)
  placeAll(candidates, untried)
end

local function writeScores(candidates)
  local changes = {}
  for _, candidate in ipairs(candidates) do
    if candidate.tick then
      changes[#changes + 1] = scoreOf(candidate.free, candidate.tick)
      changes[#changes + 1] = candidate.member
    end
  end
  if #changes > 0 then redis.call('ZADD', set, unpack(changes)) end
end

local function textOf(requests)
  local frames, count = {}, 0
  for i = 1, #requests do
    local frame = argv[FIRST_FRAME - 1 + requests[i]]
    if frame ~= PICK_ONLY then
      count = count + 1
      frames[count] = frame
    end
  end
  if count == 0 then return nil end
  return '[1,"q",' .. nowMs .. ',' .. header .. table.concat(frames, ',') .. ']]'
end

local function settle(candidate)
  members[#members + 1] = candidate.member
  -- A string, once per member: a number would be turned into one for each request.
  local number = tostring(#members)
  for i = 1, candidate.count do result[candidate.requests[i]] = number end
end

-- Answers the requests whose node turned out to be gone.
local function publish(candidates)
  local left = {}
  for _, candidate in ipairs(candidates) do
    if candidate.tick then
      local text = textOf(candidate.requests)
      local incarnation = string.match(candidate.member, '^[^!]+')
      if not text or redis.call('PUBLISH', inboxPrefix .. incarnation, text) > 0 then
        settle(candidate)
      else
        redis.call('ZREM', set, candidate.member)
        for _, request in ipairs(candidate.requests) do left[#left + 1] = request end
      end
    end
  end
  return left
end

local mostTried = 0
for _, rule in pairs(tried or {}) do mostTried = math.max(mostTried, #rule.nodes) end

local waiting, waitingCount = {}, 0
for request = 1, #argv - FIRST_FRAME + 1 do
  result[request] = NO_NODE
  if argv[FIRST_FRAME - 1 + request] ~= SKIP then
    waitingCount = waitingCount + 1
    waiting[waitingCount] = request
  end
end

-- Each round but the last takes at least one dead member out of the set.
while #waiting > 0 do
  local candidates = best(#waiting + mostTried)
  if #candidates == 0 then break end
  place(candidates, waiting)
  writeScores(candidates)
  waiting = publish(candidates)
end

local answer = nowMs .. '|' .. table.concat(members, ',') .. '|' .. table.concat(result, ',')
redis.call('HSET', fence, slot, ARGV[1] .. ':' .. answer)
if ARGV[3] ~= '0' then redis.call('PEXPIRE', fence, ARGV[3]) end
return answer
