export { adapter } from './rabbitmq-adapter.ts'
export { rabbitmq } from './rabbitmq-driver.ts'
export type { RabbitMqOptions } from './rabbitmq-driver-options.ts'
