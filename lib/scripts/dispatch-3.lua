#!lua
--[[
Purpose: gives each request of a batch to the node with the most free capacity, takes the points and
         publishes, in one atomic step. Who has lost the answer can ask for it (the fence).

KEYS[1]  set of the service
KEYS[2]  fence of the caller
KEYS[3]  line of the service: the callers that wait for room

ARGV[1]  sequence number of the batch, higher for each batch of this caller; 0 for who only asks for the epoch
ARGV[2]  number of slots of the fence: a batch's answer is kept until one runs whose number is a multiple of it higher
ARGV[3]  ms that the fence lives on from now, or 0 to leave it as it is (a new one lives for 10 minutes)
ARGV[4]  what an inbox's name has before the incarnation
ARGV[5]  the constant part of the message: "caller","service",[
ARGV[6]  how many requests have a frame in ARGV[8]
ARGV[7]  how many requests come after these that only need a node: their frames follow by PUBLISH
ARGV[8]  the frames, with ",\n" between two; a frame is JSON and has no other line feed
ARGV[9]  '' or JSON: a rule for each request that comes after these. The ids of the nodes that it has
         tried, and whether it may go to one of them again if there is no other: {"nodes":["a"],"again":false}.
         Or that it goes to every member, whatever its free capacity: {"all":true}; who has it is then the best
ARGV[10] how many calls of the caller wait for room, with those of this batch that would if they found none; if
         there are any, also those of this batch that would not
ARGV[11] 1 if some have waited before this batch, so that the caller has a place in the line, else 0
ARGV[12] epoch of the fence, as an answer has said it; '' as long as none has
ARGV[13..]  the frames of the requests of ARGV[9]; '' for one that only needs a node

A batch without any request, under the number of one whose answer was lost, asks for that answer; if
there is none, the number is taken, and the batch cannot run any more.

A fence has an epoch, made with it. A batch runs only in the fence whose epoch it names; one without any request that names
none asks for it. So one that was under way for long on a connection that is gone does not run when Redis has lost the
fence, and with it what the caller has asked since.

Output   "<ms>|<who>*<count>,<who>*<count>": Redis's clock, and for the requests in their order the member
         that has them, or NO_NODE, OVERLOADED, ONLY_TRIED. "<ms>|" if there was no request.
         "<ms>|@<epoch>": the fence has this epoch, and not the one that was named. A batch that was sent once has not run,
         and never will.
Errors   STALE: a later batch has taken this one's slot, or Redis refused a part of it; whether this one ran is not known.
         LOST: asked about a batch of another epoch: Redis has lost the fence that was there. The same.
]]
--@include points

local NO_NODE, OVERLOADED, ONLY_TRIED = '0', '-1', '-2'
local NO_FRAME = ''
local FIRST_RULED_FRAME = 13
local FIRST_READ = 4
local LOOK_BEHIND_FULL = 100
local NEW_FENCE_MS = 600000
local MOST_CHANGES = 2000

local set, fence, line = KEYS[1], KEYS[2], KEYS[3]
local sequence = tonumber(ARGV[1])
local small, large = tonumber(ARGV[6]), tonumber(ARGV[7])
local frames = ARGV[8]
local isWaiting = ARGV[11] == '1'

local slot = sequence % tonumber(ARGV[2])
local kept, epoch = unpack(redis.call('HMGET', fence, slot, 'epoch'))
if ARGV[3] ~= '0' then redis.call('PEXPIRE', fence, ARGV[3]) end
if kept then
  local keptSequence, keptAnswer = string.match(kept, '^(%d+):(.*)$')
  keptSequence = tonumber(keptSequence)
  if keptSequence == sequence and keptAnswer == '' then return redis.error_reply('STALE this batch has failed half way') end
  if keptSequence == sequence then return keptAnswer end
  if keptSequence > sequence then return redis.error_reply('STALE a later batch has taken the slot of this one') end
end

local count = small + large
local isQuestion = count == 0 and ARGV[9] == ''

-- One that goes without an answer is told when it is asked for.
local function bounce()
  local isNew = not epoch
  if isNew then epoch = clock[1] .. '.' .. clock[2] end
  local text = nowMs .. '|@' .. epoch
  redis.call('HSET', fence, 'epoch', epoch, slot, ARGV[1] .. ':' .. text)
  if isNew then redis.call('PEXPIRE', fence, NEW_FENCE_MS) end
  return text
end

if epoch ~= ARGV[12] then
  if isQuestion and ARGV[12] ~= '' then return redis.error_reply('LOST the fence is not that of this batch') end
  return bounce()
end

-- Before anything is sent: where a right is missing, nothing has run, and nothing runs that is not known to.
redis.call('HSET', fence, slot, ARGV[1] .. ':')

local function answer(runs)
  local text = nowMs .. '|' .. runs
  redis.call('HSET', fence, slot, ARGV[1] .. ':' .. text)
  return text
end

local function isLimited(member)
  return string.sub(member, -1) == '!'
end

local function publishTo(member, text, ending)
  local incarnation = string.match(member, '^[^!]+')
  return redis.call('PUBLISH', ARGV[4] .. incarnation, '[1,"q",' .. nowMs .. ',' .. ARGV[5] .. text .. ending) > 0
end

-- Whether the last room is asked for, and others wait for it: who does not find a service full looks no further.
local othersMayWait = isWaiting

-- Most batches go to one node, as the only one or as the best for every request. That takes a third to two
-- thirds of the time here.
if count > 0 and ARGV[9] == '' and not isWaiting then
  local best = redis.call('ZREVRANGE', set, 0, count == 1 and 0 or 1, 'WITHSCORES')
  local member, free = best[1], math.floor(tonumber(best[2] or 0))
  local next = best[4] and math.floor(tonumber(best[4])) or -math.huge
  othersMayWait = free >= 1 and free <= count and isLimited(member) and redis.call('EXISTS', line) == 1
  if free >= count and (count == 1 or free - count >= next) and not othersMayWait then
    redis.call('ZADD', set, scoreOf(free - count, ticks + 1), member)
    if small == 0 or publishTo(member, frames, ']]') then return answer(member .. '*' .. count) end
    redis.call('ZREM', set, member)
  end
end

local waiting = tonumber(ARGV[10])
local rules = ARGV[9] ~= '' and cjson.decode(ARGV[9]) or {}
local total = small + large + #rules

-- The members by their score, best first. Read as far as they are needed: the cost must not grow with
-- the number of nodes. `pieces` are the requests a member gets: numbers from first to last.
local candidates, known, isAll = {}, 0, false

local function readMore(count)
  local flat = redis.call('ZREVRANGE', set, known, known + count - 1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local score = tonumber(flat[i + 1])
    known = known + 1
    candidates[known] = { member = flat[i], score = score, free = math.floor(score) }
  end
  isAll = #flat < 2 * count
end

local function candidateAt(i)
  if i > known and not isAll then readMore(known == 0 and FIRST_READ or known) end
  return candidates[i]
end

local function give(candidate, piece)
  local pieces = candidate.pieces or {}
  pieces[#pieces + 1] = piece
  candidate.pieces = pieces
end

local function take(candidate, count)
  ticks = ticks + 1
  candidate.free = candidate.free - count
  candidate.score = scoreOf(candidate.free, ticks)
  candidate.picked = true
end

-- What one member gets of the requests that wait: `segments` of consecutive numbers, in their order.
local function cut(segments, count, receive)
  while count > 0 do
    local segment = segments[segments.next]
    local last = math.min(segment[2], segment[1] + count - 1)
    receive({ segment[1], last })
    count = count - (last - segment[1] + 1)
    segment[1] = last + 1
    if segment[1] > segment[2] then segments.next = segments.next + 1 end
  end
end

-- Hands out requests as if one by one to the best, in one step per member: the best of all come down
-- to the level of the next, who joins them, and so on, as water fills steps. `at(i)` are the members,
-- best first. Returns how many requests are left when all members are down at the floor.
local function share(at, count, floor, segments)
  if count == 0 or not at(1) then return count end
  local level, width, groups = at(1).free, 1, { 1 }
  local extra = 0
  while count > 0 do
    local newest = width - groups[#groups] + 1
    local following = count > newest and at(width + 1) or nil
    local steps = level - (following and following.free or floor)
    if steps * width <= count and (following or floor > -math.huge) then
      count, level = count - steps * width, level - steps
      if not following then break end
      width = width + 1
      if steps > 0 then groups[#groups + 1] = width end
    else
      level = level - math.floor(count / width)
      extra, count = count % width, 0
    end
  end
  -- Who joined later was picked longer ago, and comes first.
  local turns = {}
  for g = #groups, 1, -1 do
    for i = groups[g], (groups[g + 1] or width + 1) - 1 do turns[#turns + 1] = at(i) end
  end
  for turn, candidate in ipairs(turns) do
    local points = candidate.free - level + (turn <= extra and 1 or 0)
    candidate.points = points
    cut(segments, points, function(piece) give(candidate, piece) end)
  end
  for turn = extra + 1, extra + width do
    local candidate = turns[(turn - 1) % width + 1]
    if candidate.points > 0 then take(candidate, candidate.points) end
  end
  return count
end

local function withRoom(i)
  local candidate = candidateAt(i)
  return candidate and candidate.free >= 1 and candidate or nil
end

-- When all are down at 0: those with a capacity are full then, the others take the rest.
local function placeRest(count, segments)
  if not isAll and known < LOOK_BEHIND_FULL then readMore(LOOK_BEHIND_FULL) end
  local unlimited = {}
  for _, candidate in ipairs(candidates) do
    if not isLimited(candidate.member) then unlimited[#unlimited + 1] = candidate end
  end
  table.sort(unlimited, function(a, b) return a.score > b.score end)
  return share(function(i) return unlimited[i] end, count, -math.huge, segments)
end

local function place(segments, count, reject)
  local left = share(withRoom, count, 0, segments)
  if left > 0 then left = placeRest(left, segments) end
  if left > 0 then cut(segments, left, function(piece) reject(piece, OVERLOADED) end) end
end

local function isAmong(nodes, candidate)
  local node = string.match(candidate.member, '^([^.]+)')
  for _, name in ipairs(nodes) do
    if name == node then return true end
  end
  return false
end

local function better(a, b)
  return not b or a.score > b.score
end

-- A request that has tried some nodes: a scan, as these are few.
local function placeElsewhere(number, reject)
  local rule = rules[number - small - large]
  local fresh, used
  local i, candidate = 1, candidateAt(1)
  while candidate and not (fresh and not fresh.picked) do
    if candidate.free >= 1 or not isLimited(candidate.member) then
      if not isAmong(rule.nodes, candidate) then
        if better(candidate, fresh) then fresh = candidate end
      elseif better(candidate, used) then
        used = candidate
      end
    end
    i = i + 1
    candidate = candidateAt(i)
  end
  local chosen = fresh or (rule.again and used)
  if not chosen then return reject({ number, number }, used and ONLY_TRIED or OVERLOADED) end
  take(chosen, 1)
  give(chosen, { number, number })
end

-- Who has it is said once, however many have. A member that is gone does not get it in another round.
local function placeEverywhere(number)
  local piece = { number, number, isForAll = true }
  local i, candidate = 1, candidateAt(1)
  while candidate do
    take(candidate, 1)
    give(candidate, piece)
    i = i + 1
    candidate = candidateAt(i)
  end
  return piece
end

local function placeRuled(number, reject)
  if rules[number - small - large].all then return placeEverywhere(number) end
  placeElsewhere(number, reject)
end

local function writeScores()
  local changes = {}
  for _, candidate in ipairs(candidates) do
    if candidate.picked then
      changes[#changes + 1] = candidate.score
      changes[#changes + 1] = candidate.member
    end
  end
  -- Lua has room for some 8,000 arguments.
  for i = 1, #changes, MOST_CHANGES do
    redis.call('ZADD', set, unpack(changes, i, math.min(i + MOST_CHANGES - 1, #changes)))
  end
end

-- Where each frame ends in `frames`, and that before the first.
local ends

local function findEnds()
  ends = { [0] = -1 }
  local position = 0
  for i = 1, small - 1 do
    position = string.find(frames, '\n', position + 1, true)
    ends[i] = position - 2
  end
  ends[small] = #frames
end

local function textOf(piece)
  local first, last = piece[1], piece[2]
  if first > small + large then return ARGV[FIRST_RULED_FRAME - 1 + first - small - large] end
  last = math.min(last, small)
  if first > last then return NO_FRAME end
  if first == 1 and last == small then return frames end
  if not ends then findEnds() end
  return string.sub(frames, ends[first - 1] + (first == 1 and 2 or 3), ends[last])
end

-- nil if no frame travels with these requests.
local function framesOf(pieces)
  local texts = {}
  for _, piece in ipairs(pieces) do
    local text = textOf(piece)
    if text ~= NO_FRAME then texts[#texts + 1] = text end
  end
  if #texts == 1 then return texts[1] end
  return #texts > 1 and table.concat(texts, ',\n') or nil
end

local results = {}
local isShort = false
-- Whether a node has some of the requests.
local isUnderWay = false

local function settle(piece, who)
  if piece.isSettled then return end
  piece.isSettled = piece.isForAll
  results[#results + 1] = { piece[1], piece[2], who }
  isShort = isShort or who == OVERLOADED
end

-- Whether others wait for room.
local othersWait = false

-- Returns the pieces whose node turned out to be gone.
local function publish()
  local lost = {}
  local someWait = othersWait or waiting > total or (waiting > 0 and isShort)
  local ending = someWait and '],1]' or ']]'
  for _, candidate in ipairs(candidates) do
    if candidate.pieces then
      local text = framesOf(candidate.pieces)
      local isThere = not text or publishTo(candidate.member, text, ending)
      isUnderWay = isUnderWay or isThere
      if not isThere then redis.call('ZREM', set, candidate.member) end
      for _, piece in ipairs(candidate.pieces) do
        if isThere then settle(piece, candidate.member)
        elseif not piece.isForAll then lost[#lost + 1] = piece end
      end
    end
  end
  return lost
end

local function byFirst(a, b)
  return a[1] < b[1]
end

-- What has to do with the line. In a function, as most batches have no use for it, and each function takes time to make.
local function useLine()
--@include line

  local caller = string.match(ARGV[5], '^"([^"]+)"')
  local since = tonumber(redis.call('ZSCORE', line, caller) or nil)
  local isTurn = since and (since < 0 or since >= TOLD)

  -- At least as much as is enough, if there is; without a limit as soon as one of the best few has none.
  local function freeNow(enough)
    local free, i, candidate = 0, 1, candidateAt(1)
    while candidate and (i <= FIRST_READ or (candidate.free >= 1 and free < enough)) do
      if not isLimited(candidate.member) then return math.huge end
      free = free + math.max(0, candidate.free)
      i = i + 1
      candidate = candidateAt(i)
    end
    return free
  end

  -- How many of the requests may take room while others wait for it: one for each turn, and what others leave. If
  -- there is more, the first in line is told.
  local function allowance(count)
    local others = redis.call('ZCARD', line) - (since and 1 or 0)
    local free = freeNow(others + count)
    othersWait = others > 0
    if others == 0 or free < 1 or free == math.huge then return count end
    if isTurn then redis.call('ZREM', line, caller) end
    local own = math.min(count, math.max(isTurn and 1 or 0, free - others))
    if own == free then return own end
    local first = tellFirst(line, caller, ARGV[4], '[1,"o",' .. string.sub(ARGV[5], 1, -3) .. ']')
    if first == caller then return math.max(own, 1) end
    return first and own or count
  end

  -- Nodes that had their requests before anybody waited have not heard that somebody does.
  local function tellNodes()
    for _, candidate in ipairs(candidates) do
      if isLimited(candidate.member) then publishTo(candidate.member, NO_FRAME, '],1]') end
    end
  end

  -- Where the caller stands in line from now on, if calls of it still wait.
  local function takePlace(placed)
    if waiting <= placed then return redis.call('ZREM', line, caller) end
    if redis.call('EXISTS', line) == 0 then tellNodes() end
    if placed > 0 then redis.call('ZADD', line, ticks, caller)
    elseif isTurn then redis.call('ZADD', line, since >= TOLD and since - 2 * TOLD or since, caller)
    else redis.call('ZADD', line, 'NX', ticks, caller) end
    redis.call('PEXPIRE', line, LINE_TTL_MS)
  end

  return allowance, takePlace
end

local function placedOf(results)
  local count = 0
  for _, result in ipairs(results) do
    if string.find(result[3], '.', 1, true) then count = count + result[2] - result[1] + 1 end
  end
  return count
end

local allowance, takePlace
if othersMayWait then allowance, takePlace = useLine() end
-- Those behind the last are for others.
local last = othersMayWait and allowance(total) or total
local pending = {}
if small + large > 0 then
  if last > 0 then pending[1] = { 1, math.min(last, small + large) } end
  if last < small + large then settle({ last + 1, small + large }, OVERLOADED) end
end
for number = small + large + 1, total do
  if number <= last or rules[number - small - large].all then pending[#pending + 1] = { number, number }
  else settle({ number, number }, OVERLOADED) end
end

-- Each round but the last takes at least one dead member out of the set.
local function placeAll()
  while #pending > 0 do
    candidates, known, isAll = {}, 0, false
    if not candidateAt(1) then
      for _, piece in ipairs(pending) do settle(piece, NO_NODE) end
      return
    end
    table.sort(pending, byFirst)
    local free, count, ruled = { next = 1 }, 0, {}
    for _, piece in ipairs(pending) do
      if piece[1] > small + large then
        ruled[#ruled + 1] = piece[1]
      else
        free[#free + 1] = piece
        count = count + piece[2] - piece[1] + 1
      end
    end
    place(free, count, settle)
    local forAll = {}
    for _, number in ipairs(ruled) do forAll[#forAll + 1] = placeRuled(number, settle) end
    writeScores()
    pending = publish()
    for _, piece in ipairs(forAll) do settle(piece, NO_NODE) end
  end
end

local function standInLine()
  local placed = waiting > 0 and placedOf(results) or 0
  if not isWaiting and waiting <= placed then return end
  if not takePlace then allowance, takePlace = useLine() end
  takePlace(placed)
end

local function runAll()
  placeAll()
  standInLine()
end

-- A right can be missing for what comes after the first PUBLISH only, as the removal of a dead member.
local isDone, problem = pcall(runAll)
if not isDone then
  if not isUnderWay then error(problem) end
  return redis.error_reply('STALE Redis refused the rest of this batch: ' .. tostring(problem.err or problem))
end

if #results > 1 then table.sort(results, byFirst) end
local runs = {}
for i, result in ipairs(results) do runs[i] = result[3] .. '*' .. (result[2] - result[1] + 1) end
return answer(table.concat(runs, ','))
