/** What the bus knows of an event beside its data: CloudEvents 1.0 attributes and Mekong's extensions. */
export interface EventAttributes {
  /** CloudEvents `id`: unique within the source. */
  readonly id: string
  /** CloudEvents `source`: the publishing service. */
  readonly source: string
  /** CloudEvents `type`: `order.created`. */
  readonly type: string
  /** CloudEvents `time`, RFC 3339. Undefined on events of others that carry none. */
  readonly time: string | undefined
  /** What order is kept by; CloudEvents extension `partitionkey`. */
  readonly key: string | undefined
  /** Version of the schema; extension `schemaversion`. */
  readonly schemaVersion: number
  /** Common to everything that one first event set off; extension `correlationid`. */
  readonly correlationId: string
  /** The id of the event whose handler published this one; extension `causationid`. */
  readonly causationId: string | undefined
  readonly contentType: string
  /** The application's own headers; names are lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** A validated, enveloped and encoded event: what travels through an outbox or a schedule and is published as it is. */
export interface PreparedEvent {
  readonly id: string
  readonly type: string
  readonly topic: string
  readonly key: string | undefined
  /** CloudEvents attributes as `ce-…`, `content-type`, and the application's headers. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}
