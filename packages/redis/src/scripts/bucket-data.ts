/**
 * What every script begins with: the data of the buckets that it touches, and how a record is found and written.
 *
 * A bucket is one hash slot. Its head lists its slices of time, the newest first. A slice has 4^depth pages; a page is a
 * hash so small that Redis keeps it as a listpack, with the digest of an identity as field and its record as value. A
 * slice is closed after half a retention, and the next one gets as many pages as that one needed; it is closed sooner when
 * a page of it is full, and the next one gets 16 times as many. Every step moves its record to the newest slice, and pages
 * expire as a whole: nothing is ever swept, and what has expired is never many in one key.
 */
export const bucketData = `
local call, pack, unpack, byte, sub = redis.call, struct.pack, struct.unpack, string.byte, string.sub
local items, ownRetention = ARGV[1], tonumber(ARGV[2])

-- The state of a record, its first byte. The first three are in progress, and tell what the claim found.
local NEW, TAKEN_OVER, REDRIVEN, COMPLETED, HELD = 0, 1, 2, 3, 4
local IN_PROGRESS, ENDED = '>BI7I6c8', '>BI7' -- state, fence, end of the lease, digest of the owner's token
local NOBODY = string.rep('\\0', 8)
-- Epoch, last fence, retention; then the slices. Times of slices sort as they are written.
local HEAD, HEAD_BYTES, TIME, SLICE_BYTES = '>I7I7I6', 20, '%011x', 12
-- How many records a page has: at most, and on average at most as planned for the next slice. A listpack may have 128.
local FULL, PLANNED, MIN_DEPTH, MAX_DEPTH = 64, 32, 2, 12

local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

-- A slice is the time of its opening, by which its pages are named, and its depth. The newest is slice 1.
local function openSlice(head, depth)
  local opened = string.format(TIME, now)
  if head.slices[1] and opened <= head.slices[1] then
    opened = string.format(TIME, tonumber(head.slices[1], 16) + 1)
  end
  table.insert(head.slices, 1, opened)
  table.insert(head.depths, 1, depth)
  table.insert(head.prefixes, 1, head.key .. ':' .. opened .. ':')
  head.changed = true
end

-- As deep as the newest slice should have been, by 16 of its pages.
local function fittingDepth(head)
  local records, first = 0, head.prefixes[1] .. string.rep('0', head.depths[1] - 2)
  for page = 0, 15 do records = records + call('HLEN', first .. math.floor(page / 4) .. page % 4) end
  local depth, average = head.depths[1], records / 16
  while depth < MAX_DEPTH and average > PLANNED do depth, average = depth + 1, average / 4 end
  while depth > MIN_DEPTH and average * 4 <= PLANNED do depth, average = depth - 1, average * 4 end
  return depth
end

-- A slice is of use until the last record in it is older than the retention. Of two retentions the longer one holds.
local function readHead(key)
  local slices, depths, prefixes = {}, {}, {}
  local head = { key = key, slices = slices, depths = depths, prefixes = prefixes }
  local text = call('GET', key)
  if not text then
    head.epoch, head.last, head.retention = micros, 0, ownRetention
    openSlice(head, MIN_DEPTH)
    return head
  end
  local retention
  head.epoch, head.last, retention = unpack(HEAD, text)
  if retention < ownRetention then retention, head.changed = ownRetention, true end
  head.retention = retention
  local forgotten, prefix, place = string.format(TIME, now - retention), key .. ':', 0
  for at = HEAD_BYTES + 1, #text, SLICE_BYTES do
    if place > 0 and slices[place] <= forgotten then break end -- what is older was closed then
    place = place + 1
    local opened = sub(text, at, at + SLICE_BYTES - 2)
    slices[place], depths[place], prefixes[place] = opened, byte(text, at + SLICE_BYTES - 1), prefix .. opened .. ':'
  end
  if now >= tonumber(slices[1], 16) + retention / 2 then openSlice(head, fittingDepth(head)) end
  return head
end

local function saveHead(head)
  local text = pack(HEAD, head.epoch, head.last, head.retention)
  for place = 1, #head.slices do text = text .. head.slices[place] .. string.char(head.depths[place]) end
  call('SET', head.key, text, 'PX', head.retention * 3)
end

-- Higher than the fence that is recorded, and than those that were given back and are recorded no more; beyond that it
-- is the time, so that it grows also where the identity is forgotten or the data are lost.
local function nextFence(head, recorded)
  local fence = math.max(head.last, recorded) + 1
  if fence < micros then fence = micros end
  head.last = fence
  return fence
end

local function newestPage(head, page)
  return head.prefixes[1] .. sub(page, 1, head.depths[1])
end

-- Returns the record and the page where it is, or nothing.
local function findInOlder(head, digest, page)
  local prefixes, depths = head.prefixes, head.depths
  local depth, suffix
  for place = 2, #prefixes do
    if depths[place] ~= depth then
      depth = depths[place]
      suffix = sub(page, 1, depth)
    end
    local key = prefixes[place] .. suffix
    local record = call('HGET', key, digest)
    if record then return record, key end
  end
end

-- Returns the page in the newest slice; and, if there is a record, that and the page where it is.
local function find(head, digest, page)
  local newest = newestPage(head, page)
  local record = call('HGET', newest, digest)
  if record then return newest, record, newest end
  return newest, findInOlder(head, digest, page)
end

local function added(head, newest)
  local records = call('HLEN', newest)
  if records == 1 then
    call('PEXPIREAT', newest, tonumber(head.slices[1], 16) + math.ceil(head.retention * 1.5))
  elseif records >= FULL and head.depths[1] < MAX_DEPTH then
    openSlice(head, math.min(head.depths[1] + 2, MAX_DEPTH))
  end
end

local function write(head, newest, digest, record, foundIn)
  if call('HSET', newest, digest, record) == 1 then added(head, newest) end
  if foundIn and foundIn ~= newest then call('HDEL', foundIn, digest) end
end

local heads, replies = {}, {}
for place = 1, #KEYS do
  heads[place] = readHead(KEYS[place])
  replies[place] = heads[place].epoch
end
`
