/**
 * What every script begins with: the data of the buckets that it touches, and how a record is found and written.
 *
 * A bucket is one hash slot. Its head lists its slices of time, the newest first. A slice has 4^depth pages; a page is a
 * hash so small that Redis keeps it as a listpack, with the digest of an identity as field and its record as value. A
 * slice is closed after half a retention, and the next one gets as many pages as that one needed; it is closed sooner when
 * its pages are full, and the next one gets 16 times as many. Every step moves its record to the newest slice, and pages
 * expire as a whole: nothing is ever swept, and what has expired is never many in one key.
 */
export const bucketData = `
local call, pack, unpack, byte, sub = redis.call, struct.pack, struct.unpack, string.byte, string.sub
local items, ownRetention = ARGV[1], tonumber(ARGV[2])

-- The state of a record, its first byte. The first three are in progress, and tell what the claim found.
local NEW, TAKEN_OVER, REDRIVEN, COMPLETED, HELD = 0, 1, 2, 3, 4
local IN_PROGRESS, ENDED = '>BI7I6c8', '>BI7' -- state, fence, end of the lease, digest of the owner's token
local NOBODY = string.rep('\\0', 8)
-- Epoch, last fence, records in the newest slice, retention; then the slices. Times of slices sort as they are written.
local HEAD, HEAD_BYTES, TIME, SLICE_BYTES = '>I7I7I4I6', 24, '%011x', 12
-- How many records a page has on average: when its slice is full, and at most as planned for the next slice.
local FULL, PLANNED, MIN_DEPTH, MAX_DEPTH = 64, 48, 2, 12

local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local function fullAt(depth)
  return depth < MAX_DEPTH and FULL * 4 ^ depth or math.huge
end

-- A slice is the time of its opening, by which its pages are named, and its depth. The newest is slice 1.
local function openSlice(head, depth)
  local opened = string.format(TIME, now)
  if head.slices[1] and opened <= head.slices[1] then
    opened = string.format(TIME, tonumber(head.slices[1], 16) + 1)
  end
  table.insert(head.slices, 1, opened)
  table.insert(head.depths, 1, depth)
  table.insert(head.prefixes, 1, head.key .. ':' .. opened .. ':')
  head.count = 0
  head.full = fullAt(depth)
  head.changed = true
end

local function depthFor(records)
  local depth = MIN_DEPTH
  while depth < MAX_DEPTH and records > PLANNED * 4 ^ depth do depth = depth + 1 end
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
  head.epoch, head.last, head.count, retention = unpack(HEAD, text)
  if retention < ownRetention then retention = ownRetention end
  head.retention = retention
  local forgotten, prefix, place = string.format(TIME, now - retention), key .. ':', 0
  for at = HEAD_BYTES + 1, #text, SLICE_BYTES do
    if place > 0 and slices[place] <= forgotten then break end -- what is older was closed then
    place = place + 1
    local opened = sub(text, at, at + SLICE_BYTES - 2)
    slices[place], depths[place], prefixes[place] = opened, byte(text, at + SLICE_BYTES - 1), prefix .. opened .. ':'
  end
  head.full = fullAt(depths[1])
  if now >= tonumber(slices[1], 16) + retention / 2 then openSlice(head, depthFor(head.count)) end
  return head
end

local function saveHead(head)
  local text = pack(HEAD, head.epoch, head.last, head.count, head.retention)
  for place = 1, #head.slices do text = text .. head.slices[place] .. string.char(head.depths[place]) end
  call('SET', head.key, text, 'PX', head.retention * 3)
end

-- Grows also where the identity is forgotten or the data are lost, because it begins with the time.
local function nextFence(head)
  local fence = head.last + 1
  if fence < micros then fence = micros end
  head.last = fence
  head.changed = true
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
  head.count = head.count + 1
  head.changed = true
  if call('HLEN', newest) == 1 then
    call('PEXPIREAT', newest, tonumber(head.slices[1], 16) + math.ceil(head.retention * 1.5))
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
