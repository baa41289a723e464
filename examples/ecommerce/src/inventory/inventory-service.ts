import type { Sql, Transaction } from '@mekong/postgres'
import type { StepHandlers } from '@mekong/saga'
import type { OrderSaga } from '../saga.ts'

export interface InventoryOptions {
  /** Units of each product at the start. */
  readonly initialUnits: number
}

type Items = readonly { readonly stockCode: string; readonly units: number }[]

/**
 * Stock is what is available; what an order has reserved stands in a row of its own until it is dispatched or released.
 * Products that many orders want are locked late and for one statement, so that orders hardly wait for each other.
 */
export function inventorySteps({ initialUnits }: InventoryOptions): StepHandlers<OrderSaga, 'inventory'> {
  return {
    /** All lines or none. */
    async reserve({ orderId, items, totalPence }, step) {
      await introduce(step.tx, items, initialUnits)
      const missing = await tryReserve(step.tx, orderId, items)
      if (missing === undefined) step.emit('stock.reserved', { orderId, totalPence })
      else step.emit('stock.rejected', { orderId, stockCode: missing })
    },

    /** Paid: the units leave the stock. */
    async dispatch({ orderId }, step) {
      await step.tx.query('delete from inventory.reservation where order_id = $1', [orderId])
    },

    /** Not paid: the units are available again. */
    async release({ orderId }, step) {
      await step.tx.query(
        `with taken as (delete from inventory.reservation where order_id = $1 returning stock_code, units), ${locked('taken')}
         update inventory.stock set available = available + units from taken where stock.stock_code = taken.stock_code
           and ${allLocked}`,
        [orderId],
      )
      step.emit('stock.released', { orderId })
    },

    async restock({ orderId, items }, step) {
      await introduce(step.tx, items, initialUnits)
      await step.tx.query(
        `with ${wanted}, ${locked('wanted')}
         update inventory.stock set available = available + units from wanted where stock.stock_code = wanted.stock_code
           and ${allLocked}`,
        columns(items),
      )
      step.emit('stock.returned', { orderId })
    },
  }
}

const wanted = 'wanted as (select * from unnest($1::text[], $2::bigint[]) as item (stock_code, units))'

/** Products are always locked in the same sequence, so that two orders never wait for each other in a circle. */
function locked(items: 'wanted' | 'taken'): string {
  return `locked as materialized (
    select stock_code, available from inventory.stock where stock_code in (select stock_code from ${items})
    order by stock_code for update)`
}

/** Counts, so that all are locked before the first is changed: to know that there is one takes no more than the first. */
const allLocked = '(select count(*) from locked) > 0'

function columns(items: Items): readonly [string[], number[]] {
  return [items.map(item => item.stockCode), items.map(item => item.units)]
}

/** Reserves every item, or nothing: then resolves with a product of which there is too little. */
async function tryReserve(tx: Transaction, orderId: string, items: Items): Promise<string | undefined> {
  const [missing] = await tx.query<{ stock_code: string }>(
    `with ${wanted}, ${locked('wanted')},
     missing as (select stock_code from wanted join locked using (stock_code) where available < units),
     taken as (
       update inventory.stock set available = stock.available - units from wanted
       where stock.stock_code = wanted.stock_code and not exists (select from missing)),
     reserved as (
       insert into inventory.reservation (order_id, stock_code, units)
       select $3, stock_code, units from wanted where not exists (select from missing))
     select stock_code from missing order by stock_code limit 1`,
    [...columns(items), orderId],
  )
  return missing?.stock_code
}

/** A product that nobody has asked for yet begins with its initial units. Before anything is locked, for the same reason. */
async function introduce(tx: Transaction, items: Items, initialUnits: number): Promise<void> {
  await tx.query(
    `insert into inventory.stock (stock_code, initial, available)
     select code, $2, $2 from unnest($1::text[]) as code order by code on conflict do nothing`,
    [columns(items)[0], initialUnits],
  )
}

export const inventoryMigration = {
  name: 'inventory-001',
  statements: () => [
    `create table if not exists inventory.stock (
      stock_code text primary key,
      initial bigint not null,
      available bigint not null check (available >= 0)
    )`,
    `create table if not exists inventory.reservation (
      order_id text not null,
      stock_code text not null references inventory.stock,
      units bigint not null check (units > 0),
      primary key (order_id, stock_code)
    )`,
  ],
}

export async function countReservations(sql: Sql): Promise<number> {
  const [row] = await sql.query<{ open: number }>('select count(*)::int as open from inventory.reservation')
  return row?.open ?? 0
}
