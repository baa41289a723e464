/** What the servers of the container way run, pinned: a newer version is a change of ours, with the tests beside it. */
export const images = {
  kafka: 'apache/kafka:4.3.1',
  postgres: 'postgres:17',
  rabbitmq: 'rabbitmq:4-management',
  redis: 'redis:8',
} as const
