export interface ManagementRequest {
  /** @default 'GET' */
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** Sent as JSON. */
  readonly body?: unknown
}

/**
 * Asks RabbitMQ's management API for a path such as `/api/queues`. Resolves with the answer, undefined when it is empty;
 * rejects when it is no success. What it counts is some seconds old.
 *
 * @param managementUrl with a login
 */
export async function requestManagement(
  managementUrl: string,
  path: string,
  { method = 'GET', body }: ManagementRequest = {},
): Promise<unknown> {
  const { username, password, origin } = new URL(managementUrl)
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const response = await fetch(new URL(path, origin), {
    method,
    headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`RabbitMQ answered ${response.status} to ${method} ${path}: ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}
