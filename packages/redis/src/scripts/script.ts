import { createHash } from 'node:crypto'
import { bucketData } from './bucket-data.ts'

/** A Lua script that runs one step for many records, atomically. */
export interface Script {
  readonly name: string
  readonly source: string
  /** How EVALSHA calls it. */
  readonly sha: string
}

/**
 * KEYS are the heads of the buckets, ARGV the items, the retention, and what `step` reads besides. `step` is called for
 * each item with (head, flag, digest, page, token, number) and returns its answer in one number or two. The reply is a flat
 * list of numbers: the epoch of each bucket, then the answers.
 */
export function script(name: string, step: string): Script {
  const source = `${bucketData}${step}${eachItem}`
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}

/** What `eachItem` reads for one item, as `packItems` writes it. */
export const itemFormat = '>BBc16c12c8I7'

const eachItem = `
local position, place = 1, #replies
while position <= #items do
  local bucket, flag, digest, page, token, number
  bucket, flag, digest, page, token, number, position = unpack('${itemFormat}', items, position)
  local answer, detail = step(heads[bucket], flag, digest, page, token, number)
  place = place + 1
  replies[place] = answer
  if detail then
    place = place + 1
    replies[place] = detail
  end
end
for place = 1, #heads do
  if heads[place].changed then saveHead(heads[place]) end
end
return replies
`
