import { MekongError } from '@mekong/core'
import type { Migration } from './migration.ts'
import { tablesOf } from './sql-name.ts'
import type { Sql } from './sql.ts'

export interface FencedLeasesOptions {
  readonly sql: Sql
  /** @default 'mekong' */
  readonly schema?: string | undefined
  /** Names what the leases are for: the same names in another set are other leases. */
  readonly set: string
}

/** The right to be the only one who works on something, until it expires or is released. */
export interface FencedLease {
  readonly name: string
  readonly owner: string
  /** Grows with every change of hands: what is written with a lower one is a former owner's. */
  readonly fence: number
}

export interface BalancedLeases {
  /** All that this owner holds, prolonged by this call. */
  readonly held: readonly FencedLease[]
  /** Those of `held` that are beyond its share: to be released when nothing done under them is in flight any more. */
  readonly surplus: readonly FencedLease[]
}

/**
 * Leases as rows, judged by the clock of the database, without any state of a session. An owner is one run of one
 * process: it picks a new random name at every start. Who holds a lease measures `leaseMs` from before its call, on its
 * own monotonic clock, and stops that much later less a margin; what it writes to the database it writes under its fence.
 */
export interface FencedLeases {
  /** Undefined: somebody else holds it. An owner that holds it already keeps its fence, with a new expiry. */
  acquire(request: {
    readonly name: string
    readonly owner: string
    readonly leaseMs: number
  }): Promise<FencedLease | undefined>
  /** By index. False: somebody else has it, or it was released. Also prolongs what had expired and nobody had taken. */
  extend(leases: readonly FencedLease[], leaseMs: number): Promise<readonly boolean[]>
  /** Ignored where the lease was lost. */
  release(leases: readonly FencedLease[]): Promise<void>
  /**
   * Spreads the names evenly over all owners that have called this within their `leaseMs`: prolongs what this owner holds,
   * takes what is free or expired up to its share, says what is beyond it. To be called several times per `leaseMs`, with
   * the same names by all. Shares settle once every owner has called, released its surplus, and called again; the names of
   * an owner that died are taken over after its `leaseMs`.
   */
  balance(request: {
    readonly names: readonly string[]
    readonly owner: string
    readonly leaseMs: number
  }): Promise<BalancedLeases>
  /** Releases everything of this owner and takes it out of the count, so that the others take over with their next call. */
  leave(owner: string): Promise<void>
}

export const leaseMigrations: readonly Migration[] = [
  {
    name: 'postgres-004-lease',
    statements: table => [
      `create table if not exists ${table('lease')} (
  "set" text not null,
  name text not null,
  owner text,
  fence bigint not null,
  leased_until timestamptz,
  primary key ("set", name)
)`,
      `create table if not exists ${table('lease_owner')} (
  "set" text not null,
  owner text not null,
  alive_until timestamptz not null,
  primary key ("set", owner)
)`,
    ],
  },
]

const bounds = { lockTimeoutMs: 2_000, statementTimeoutMs: 5_000, idleTimeoutMs: 5_000 }

export function fencedLeases({ sql, schema, set }: FencedLeasesOptions): FencedLeases {
  const table = tablesOf(schema)
  const [lease, leaseOwner] = [table('lease'), table('lease_owner')]
  const isFree = '(l.owner is null or l.leased_until <= now())'
  const leaseTime = (parameter: string): string => `now() + ${parameter}::float8 * interval '1 ms'`
  const listed = (leases: readonly FencedLease[]): string => JSON.stringify(leases)
  const given = (parameter: string): string =>
    `json_to_recordset(${parameter}::text::json) as given (name text, owner text, fence bigint)`

  /** Takes up to `most` of the names, as far as they are free. */
  const take = `insert into ${lease} as l ("set", name, owner, fence, leased_until)
    select $1::text, name, $2::text, 1, ${leaseTime('$3')} from (
      select wanted.name from json_array_elements_text($4::text::json) as wanted (name)
      where not exists (
        select from ${lease} as l where l."set" = $1::text and l.name = wanted.name and not ${isFree}
      ) order by random() limit $5::int
    ) as free
    order by name
    on conflict ("set", name) do update
      set owner = excluded.owner, fence = l.fence + 1, leased_until = excluded.leased_until
      where ${isFree}
    returning name, fence::float8 as fence`

  return {
    async acquire({ name, owner, leaseMs }) {
      const [row] = await sql.query<{ fence: number }>(
        `insert into ${lease} as l ("set", name, owner, fence, leased_until)
          values ($1::text, $2::text, $3::text, 1, ${leaseTime('$4')})
          on conflict ("set", name) do update set owner = excluded.owner, leased_until = excluded.leased_until,
            fence = case when l.owner = excluded.owner then l.fence else l.fence + 1 end
          where l.owner = excluded.owner or ${isFree}
          returning fence::float8 as fence`,
        [set, name, owner, wholeLease(leaseMs)],
      )
      return row && { name, owner, fence: row.fence }
    },

    async extend(leases, leaseMs) {
      if (leases.length === 0) return []
      const rows = await sql.query<{ name: string; fence: number }>(
        `update ${lease} as l set leased_until = ${leaseTime('$3')} from ${given('$2')}
          where l."set" = $1 and l.name = given.name and l.owner = given.owner and l.fence = given.fence
          returning l.name, l.fence::float8 as fence`,
        [set, listed(leases), wholeLease(leaseMs)],
      )
      const extended = new Map(rows.map(row => [row.name, row.fence]))
      return leases.map(({ name, fence }) => extended.get(name) === fence)
    },

    async release(leases) {
      if (leases.length === 0) return
      await sql.query(
        `update ${lease} as l set owner = null, leased_until = null from ${given('$2')}
          where l."set" = $1 and l.name = given.name and l.owner = given.owner and l.fence = given.fence`,
        [set, listed(leases)],
      )
    },

    balance: ({ names, owner, leaseMs }) =>
      sql.transaction(
        async (tx, [, prolonged, owners]) => {
          const wanted = new Set(names)
          // Sorted, so that the same ones are surplus until they are released.
          const mine = (prolonged as readonly Pick<FencedLease, 'name' | 'fence'>[])
            .filter(({ name }) => wanted.has(name))
            .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          const share = shareOf(
            names.length,
            owner,
            (owners as readonly { readonly owner: string }[]).map(row => row.owner),
          )
          const missing = share - mine.length
          const taken =
            missing <= 0
              ? []
              : await tx.query<Pick<FencedLease, 'name' | 'fence'>>(take, [
                  set,
                  owner,
                  leaseMs,
                  JSON.stringify(names),
                  missing,
                ])
          const held = [...mine, ...taken].map(({ name, fence }): FencedLease => ({ name, owner, fence }))
          return { held, surplus: held.slice(share) }
        },
        {
          ...bounds,
          begin: [
            {
              text: `insert into ${leaseOwner} ("set", owner, alive_until) values ($1, $2, ${leaseTime('$3')})
                on conflict ("set", owner) do update set alive_until = excluded.alive_until`,
              parameters: [set, owner, wholeLease(leaseMs)],
            },
            {
              // In the order in which others lock them too, or two statements could wait for each other.
              text: `with mine as materialized (
                  select name from ${lease} where "set" = $1 and owner = $2 order by name for no key update
                ) update ${lease} as l set leased_until = ${leaseTime('$3')} from mine
                where l."set" = $1 and l.name = mine.name returning l.name, l.fence::float8 as fence`,
              parameters: [set, owner, leaseMs],
            },
            { text: `select owner from ${leaseOwner} where "set" = $1 and alive_until > now()`, parameters: [set] },
          ],
        },
      ),

    async leave(owner) {
      await sql.transaction(async tx => {
        await tx.query(`update ${lease} set owner = null, leased_until = null where "set" = $1 and owner = $2`, [
          set,
          owner,
        ])
        // Those who died leave no other trace to be cleared up.
        await tx.query(
          `delete from ${leaseOwner} where "set" = $1 and (owner = $2 or alive_until < now() - interval '1 hour')`,
          [set, owner],
        )
      }, bounds)
    },
  }
}

/** How many of the names are this owner's: all shares together are all names, and no two differ by more than one. */
function shareOf(names: number, owner: string, owners: readonly string[]): number {
  const place = owners.toSorted().indexOf(owner)
  return Math.floor(names / owners.length) + (place < names % owners.length ? 1 : 0)
}

function wholeLease(leaseMs: number): number {
  if (leaseMs > 0) return leaseMs
  throw new MekongError('INVALID_CONFIGURATION', `leaseMs is above 0; got ${leaseMs}`)
}
