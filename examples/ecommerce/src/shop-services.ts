import { emailMigration, emailSteps, type SendMail } from './email/email-service.ts'
import { inventoryMigration, inventorySteps, type InventoryOptions } from './inventory/inventory-service.ts'
import { orderMigration, orderSteps } from './order/order-service.ts'
import { paymentMigration, paymentSteps, type PaymentOptions } from './payment/payment-service.ts'
import { openService, type RunningService, type ServiceName, type Surroundings } from './platform/open-service.ts'

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
