import type { EventDefinition } from './contract.ts'
import { MekongError } from './error.ts'
import { eventTypeRule, isEventType, isTopicName, topicRule } from './event/names.ts'
import type { InferOutput, StandardSchema } from './standard-schema.ts'

/**
 * Declares the event types of a system, once, for every service that publishes or handles them. Types of data and keys
 * are inferred; the result is frozen.
 * @throws MekongError INVALID_CONFIGURATION with the path of what is wrong
 */
export function defineContract<Schemas extends Record<string, AnySchema>, const Keys>(
  definitions: Definitions<Schemas> & KeyRules<Keys>,
): DefinedContract<Schemas, Keys> {
  if (typeof definitions !== 'object' || definitions === null) {
    throw invalid('', 'an object of event types', definitions)
  }
  // Without a prototype, so that looking up an untrusted type such as `constructor` finds nothing.
  const contract: Record<string, EventDefinition> = Object.create(null)
  const entries: [string, EventDefinition][] = Object.entries(definitions as object)
  for (const [type, definition] of entries) {
    check(type, definition)
    contract[type] = Object.freeze({
      ...definition,
      ...(definition.upcast && { upcast: Object.freeze({ ...definition.upcast }) }),
    })
  }
  return Object.freeze(contract) as DefinedContract<Schemas, Keys>
}

/** A contract with its schemas and key rules as they were declared. */
export type DefinedContract<Schemas extends Record<string, AnySchema>, Keys> = {
  readonly [T in keyof Schemas]: DefinedEvent<Schemas[T], T extends keyof Keys ? Keys[T] : unknown>
}

type DefinedEvent<Schema extends AnySchema, Key> = {
  readonly schema: Schema
  readonly topic?: string
  readonly version?: number
  readonly upcast?: Readonly<Record<number, (data: unknown) => unknown>>
} & (Key extends 'required' ? { readonly key: 'required' } : { readonly key?: (data: InferOutput<Schema>) => string })

// Only `any` stands for every schema: a key function is contravariant in its output.
// oxlint-disable-next-line typescript/no-explicit-any
type AnySchema = StandardSchema<any, any>

// Inferred backwards from each literal: its `schema` first, so that `key` beside it sees the schema's output.
type Definitions<Schemas extends Record<string, AnySchema>> = {
  readonly [T in keyof Schemas]: EventDefinition<Schemas[T]>
}

// Inferred from the same literals: which types say `key: 'required'`, so that publishing them asks for one.
type KeyRules<Keys> = { readonly [T in keyof Keys]: { readonly key?: Keys[T] } }

function check(type: string, definition: EventDefinition): void {
  const path = `contract[${JSON.stringify(type)}]`
  if (!isEventType(type)) throw invalid(path, `an event type: ${eventTypeRule}`, type)
  if (typeof definition !== 'object' || definition === null) throw invalid(path, 'an object with a schema', definition)
  const { schema, topic, key, version = 1, upcast = {} } = definition
  if (!isStandardSchema(schema)) throw invalid(`${path}.schema`, 'a Standard Schema (zod, valibot, arktype, …)', schema)
  if (topic === undefined ? !isTopicName(type) : typeof topic !== 'string' || !isTopicName(topic)) {
    throw invalid(`${path}.topic`, `a topic name: ${topicRule}`, topic ?? type)
  }
  if (key !== undefined && key !== 'required' && typeof key !== 'function') {
    throw invalid(`${path}.key`, "a function of the data, or 'required'", key)
  }
  if (!Number.isInteger(version) || version < 1) throw invalid(`${path}.version`, 'a positive integer', version)
  checkUpcast(`${path}.upcast`, upcast, version)
}

/** The steps lead without a gap from the oldest version that is still read to the present one. */
function checkUpcast(path: string, upcast: Readonly<Record<number, unknown>>, version: number): void {
  const steps = Object.keys(upcast).map(Number)
  if (steps.length === 0) return
  const oldest = Math.min(...steps)
  for (const step of steps) {
    const isStep = Number.isInteger(step) && step >= 1 && step < version
    if (!isStep) throw invalid(`${path}[${step}]`, `a step from a version between 1 and ${version - 1}`, step)
    if (typeof upcast[step] !== 'function') throw invalid(`${path}[${step}]`, 'a function of the data', upcast[step])
  }
  for (let step = oldest; step < version; step++) {
    if (!(step in upcast))
      throw invalid(`${path}[${step}]`, `a function: data of version ${step} would be stuck there`, undefined)
  }
}

function isStandardSchema(schema: unknown): boolean {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return false
  const standard = (schema as Partial<StandardSchema>)['~standard']
  return standard?.version === 1 && typeof standard.validate === 'function'
}

function invalid(path: string, expected: string, found: unknown): MekongError {
  const shown = typeof found === 'string' || typeof found === 'number' ? JSON.stringify(found) : typeof found
  return new MekongError('INVALID_CONFIGURATION', `${path || 'contract'} must be ${expected}; found ${shown}`)
}
