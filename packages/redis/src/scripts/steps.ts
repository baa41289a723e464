import { script, type Script } from './script.ts'

/** What the first number of a claim's answer means; the second is the fence, or for how many milliseconds it is busy. */
export const claimAnswers = ['mine', 'takeover', 'done', 'held', 'busy'] as const

/** `flag` 1 claims what is held as well; `number` is the lease in milliseconds. */
export const claimScript: Script = script(
  'claim',
  `
local MINE, TAKEOVER, IS_DONE, IS_HELD, IS_BUSY = 0, 1, 2, 3, 4

local function step(head, flag, digest, page, token, lease)
  local newest = newestPage(head, page)
  local record, foundIn = findInOlder(head, digest, page)
  if not record then
    local fence = nextFence(head, 0)
    if call('HSETNX', newest, digest, pack(IN_PROGRESS, NEW, fence, now + lease, token)) == 1 then
      added(head, newest)
      return MINE, fence
    end
    record, foundIn = call('HGET', newest, digest), newest
  end
  local state, fence = unpack(ENDED, record)
  if state == COMPLETED then return IS_DONE, 0 end
  if state == HELD then
    if flag == 0 then return IS_HELD, 0 end
    state, fence = REDRIVEN, nextFence(head, fence)
  else
    local _, _, leasedUntil, owner = unpack(IN_PROGRESS, record)
    if owner ~= token then
      if leasedUntil > now then return IS_BUSY, leasedUntil - now end
      state, fence = TAKEN_OVER, nextFence(head, fence)
    end
  end
  write(head, newest, digest, pack(IN_PROGRESS, state, fence, now + lease, token), foundIn)
  return state == TAKEN_OVER and TAKEOVER or MINE, fence
end
`,
)

// What is absent here was lost together with other data of Redis: a claim that exists is only ever replaced, except by its
// own release. Nobody has taken over, so the claim is as good as before.

/** ARGV[3] is the lease in milliseconds; `number` is the fence. Answers 1, or 0 where somebody took over. */
export const extendScript: Script = script(
  'extend',
  `
local leasedUntil = now + tonumber(ARGV[3])

local function step(head, _, digest, page, token, fence)
  local newest, record, foundIn = find(head, digest, page)
  local state = NEW
  if record then
    local recorded
    state, recorded = unpack(ENDED, record)
    if recorded ~= fence then return 0 end
    if state >= COMPLETED then return 1 end
    if sub(record, 15) ~= token then return 0 end
  end
  write(head, newest, digest, pack(IN_PROGRESS, state, fence, leasedUntil, token), foundIn)
  return 1
end
`,
)

const endScript = (name: string, endState: 'COMPLETED' | 'HELD'): Script =>
  script(
    name,
    `
local function step(head, _, digest, page, token, fence)
  local newest, record, foundIn = find(head, digest, page)
  if record then
    local state, recorded = unpack(ENDED, record)
    if recorded ~= fence then return 0 end
    if state >= COMPLETED then return state == ${endState} and 1 or 0 end
    if sub(record, 15) ~= token then return 0 end
  end
  write(head, newest, digest, pack(ENDED, ${endState}, fence), foundIn)
  return 1
end
`,
  )

/** `number` is the fence. Answers 1, or 0 where somebody took over. */
export const completeScript: Script = endScript('complete', 'COMPLETED')

/** `number` is the fence. Answers 1, or 0 where somebody took over. */
export const holdScript: Script = endScript('hold', 'HELD')

/**
 * `number` is the fence. Restores what the claim found: held stays held, and a takeover that is given back is one for the
 * next as well; under a fence that nobody has, so that the claim can do nothing more.
 */
export const releaseScript: Script = script(
  'release',
  `
local function step(head, _, digest, page, token, fence)
  local newest, record, foundIn = find(head, digest, page)
  if not record then return 0 end
  local state, recorded = unpack(ENDED, record)
  if state >= COMPLETED or recorded ~= fence or sub(record, 15) ~= token then return 0 end
  if state == NEW then
    call('HDEL', foundIn, digest)
    head.last, head.changed = math.max(head.last, fence), true
  elseif state == REDRIVEN then
    write(head, newest, digest, pack(ENDED, HELD, nextFence(head, fence)), foundIn)
  else
    write(head, newest, digest, pack(IN_PROGRESS, TAKEN_OVER, nextFence(head, fence), now, NOBODY), foundIn)
  end
  return 1
end
`,
)
