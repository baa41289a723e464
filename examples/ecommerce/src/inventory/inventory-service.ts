import type { Sql, Transaction } from '@mekong/postgres'
import type { StepHandlers } from '@mekong/saga'
import type { OrderSaga } from '../saga.ts'

export interface InventoryOptions {
  /** Units of each product at the start. */
  readonly initialUnits: number
}

type Items = readonly { readonly stockCode: string; readonly units: number }[]

/** Stock is on hand, part of it reserved; what is sold leaves both. */
export function inventorySteps({ initialUnits }: InventoryOptions): StepHandlers<OrderSaga, 'inventory'> {
  return {
    async reserve({ orderId, items, totalPence }, step) {
      const free = await lockStock(step.tx, items, initialUnits)
      const missing = items.find(item => item.units > (free.get(item.stockCode) ?? 0))
      if (missing !== undefined) return step.emit('stock.rejected', { orderId, stockCode: missing.stockCode })
      await step.tx.query(
        `with wanted as (${wantedItems}), reserved as (
           update inventory.stock set reserved = reserved + wanted.units
           from wanted where stock.stock_code = wanted.stock_code)
         insert into inventory.reservation (order_id, stock_code, units) select $3, stock_code, units from wanted`,
        [...columns(items), orderId],
      )
      step.emit('stock.reserved', { orderId, totalPence })
    },

    /** Paid: the units leave the stock. */
    async dispatch({ orderId }, step) {
      await takeReservation(step.tx, orderId, 'on_hand = on_hand - taken.units, reserved = reserved - taken.units')
    },

    /** Not paid: the units are free again. */
    async release({ orderId }, step) {
      await takeReservation(step.tx, orderId, 'reserved = reserved - taken.units')
      step.emit('stock.released', { orderId })
    },

    async restock({ orderId, items }, step) {
      await lockStock(step.tx, items, initialUnits)
      await step.tx.query(
        `with wanted as (${wantedItems})
         update inventory.stock set on_hand = on_hand + wanted.units
         from wanted where stock.stock_code = wanted.stock_code`,
        columns(items),
      )
      step.emit('stock.returned', { orderId })
    },
  }
}

const wantedItems = 'select * from unnest($1::text[], $2::bigint[]) as wanted (stock_code, units)'

function columns(items: Items): readonly [string[], number[]] {
  return [items.map(item => item.stockCode), items.map(item => item.units)]
}

/**
 * Locks the products, always in the same sequence, so that two orders never wait for each other; resolves with the units
 * that are free. A product that nobody has asked for yet begins with its initial units.
 */
async function lockStock(tx: Transaction, items: Items, initialUnits: number): Promise<ReadonlyMap<string, number>> {
  const [codes] = columns(items)
  const lock = () =>
    tx.query<{ stock_code: string; free: number }>(
      `select stock_code, (on_hand - reserved)::float8 as free from inventory.stock
       where stock_code = any($1::text[]) order by stock_code for update`,
      [codes],
    )
  let rows = await lock()
  if (rows.length < codes.length) {
    await tx.query(
      `insert into inventory.stock (stock_code, initial, on_hand)
       select code, $2, $2 from unnest($1::text[]) as code order by code on conflict do nothing`,
      [codes, initialUnits],
    )
    rows = await lock()
  }
  return new Map(rows.map(row => [row.stock_code, row.free]))
}

/** Ends a reservation and applies it to the stock, locked in sequence, in one statement. */
async function takeReservation(tx: Transaction, orderId: string, change: string): Promise<void> {
  await tx.query(
    `with locked as materialized (
       select stock_code, reservation.units from inventory.stock join inventory.reservation using (stock_code)
       where order_id = $1 order by stock_code for update of stock),
     taken as (delete from inventory.reservation where order_id = $1)
     update inventory.stock set ${change} from locked as taken where stock.stock_code = taken.stock_code`,
    [orderId],
  )
}

export const inventoryMigration = {
  name: 'inventory-001',
  statements: () => [
    `create table if not exists inventory.stock (
      stock_code text primary key,
      initial bigint not null,
      on_hand bigint not null check (on_hand >= 0),
      reserved bigint not null default 0 check (reserved >= 0 and reserved <= on_hand)
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
