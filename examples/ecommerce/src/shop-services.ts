import { emailMigration, emailSteps, type SendMail } from './email/email-service.ts'
import {
  countReservations,
  inventoryMigration,
  type InventoryOptions,
  inventorySteps,
} from './inventory/inventory-service.ts'
import { countOpenOrders, orderMigration, orderSteps } from './order/order-service.ts'
import { paymentMigration, type PaymentOptions, paymentSteps } from './payment/payment-service.ts'
import { openService, type RunningService, type ServiceName, type Surroundings } from './platform/open-service.ts'
import type { ControlledService } from './platform/service-control.ts'

/** What the services of the shop can be told. */
export interface ShopOptions extends InventoryOptions, PaymentOptions {
  readonly sendMail: SendMail
}

export const serviceNames: readonly ServiceName[] = ['order', 'inventory', 'payment', 'email']

/** Opens one of the four services by its name. */
export function openShopService(
  service: ServiceName,
  options: ShopOptions,
  surroundings: Surroundings,
): Promise<RunningService> {
  switch (service) {
    case 'order':
      return openService({ service, schema: 'orders', migration: orderMigration, steps: orderSteps() }, surroundings)
    case 'inventory':
      return openService(
        { service, schema: service, migration: inventoryMigration, steps: inventorySteps(options) },
        surroundings,
      )
    case 'payment':
      return openService(
        { service, schema: service, migration: paymentMigration, steps: paymentSteps(options) },
        surroundings,
      )
    case 'email':
      return openService(
        { service, schema: service, migration: emailMigration, steps: emailSteps(options.sendMail) },
        surroundings,
      )
  }
}

/** What is under way in the tables of a service; payment and email finish what they begin in one transaction. */
export const countOpen: ControlledService['countOpen'] = async ({ service, sql }) => {
  switch (service) {
    case 'order':
      return { 'open orders': await countOpenOrders(sql) }
    case 'inventory':
      return { reservations: await countReservations(sql) }
    case 'payment':
    case 'email':
      return {}
  }
}
