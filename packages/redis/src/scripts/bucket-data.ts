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
local call, pack, unpack, sub = redis.call, struct.pack, struct.unpack, string.sub
local items, ownRetention = ARGV[1], tonumber(ARGV[2])

-- The state of a record, its first byte. The first three are in progress, and tell what the claim found.
local NEW, TAKEN_OVER, REDRIVEN, COMPLETED, HELD = 0, 1, 2, 3, 4
local IN_PROGRESS, ENDED = '>BI7I6c8', '>BI7' -- state, fence, end of the lease, digest of the owner's token
local NOBODY = string.rep('\\0', 8)
-- How many records a page has on average: when its slice is full, and at most as planned for the next slice.
local FULL, PLANNED, MAX_DEPTH = 160, 96, 12

local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local function addSlice(head, place, opened, depth)
  table.insert(head.opened, place, opened)
  table.insert(head.depths, place, depth)
  table.insert(head.prefixes, place, head.key .. ':' .. string.format('%.0f', opened) .. ':')
end

local function openSlice(head, depth)
  local newest = head.opened[1]
  addSlice(head, 1, newest and newest >= now and newest + 1 or now, depth)
  head.count = 0
  head.full = FULL * 4 ^ depth
  head.changed = true
end

local function depthFor(records)
  local depth = 0
  while depth < MAX_DEPTH and records > PLANNED * 4 ^ depth do depth = depth + 1 end
  return depth
end

-- A slice is of use until the last record in it is older than the retention. Of two retentions the longer one holds.
local function readHead(key)
  local head = { key = key, opened = {}, depths = {}, prefixes = {}, count = 0 }
  local text = call('GET', key)
  if not text then
    head.epoch, head.last, head.retention = micros, 0, ownRetention
    openSlice(head, 0)
    return head
  end
  local position, opened, depth
  head.epoch, head.last, head.count, head.retention, position = unpack('>I7I7I4I6', text)
  if head.retention < ownRetention then head.retention = ownRetention end
  local closed = now
  while position <= #text and closed + head.retention > now do
    opened, depth, position = unpack('>I6B', text, position)
    addSlice(head, #head.opened + 1, opened, depth)
    closed = opened
  end
  head.full = FULL * 4 ^ head.depths[1]
  if now >= head.opened[1] + head.retention / 2 then openSlice(head, depthFor(head.count)) end
  return head
end

local function saveHead(head)
  local parts = { pack('>I7I7I4I6', head.epoch, head.last, head.count, head.retention) }
  for place = 1, #head.opened do parts[place + 1] = pack('>I6B', head.opened[place], head.depths[place]) end
  call('SET', head.key, table.concat(parts), 'PX', head.retention * 3)
end

-- Grows also where the identity is forgotten or the data are lost, because it begins with the time.
local function nextFence(head)
  head.last = math.max(head.last + 1, micros)
  head.changed = true
  return head.last
end

local function find(head, digest, page)
  local prefixes, depths = head.prefixes, head.depths
  for place = 1, #prefixes do
    local key = prefixes[place] .. sub(page, 1, depths[place])
    local record = call('HGET', key, digest)
    if record then return record, key end
  end
end

local function write(head, digest, page, record, foundIn)
  if head.count >= head.full and head.depths[1] < MAX_DEPTH then
    openSlice(head, math.min(head.depths[1] + 2, MAX_DEPTH))
  end
  local key = head.prefixes[1] .. sub(page, 1, head.depths[1])
  if call('HSET', key, digest, record) == 1 then
    head.count = head.count + 1
    head.changed = true
    if call('HLEN', key) == 1 then
      call('PEXPIREAT', key, head.opened[1] + math.ceil(head.retention * 1.5))
    end
  end
  if foundIn and foundIn ~= key then call('HDEL', foundIn, digest) end
end

local heads, replies = {}, {}
for place = 1, #KEYS do
  heads[place] = readHead(KEYS[place])
  replies[place] = heads[place].epoch
end
`
