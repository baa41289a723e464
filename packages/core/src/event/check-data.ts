import type { EventDefinition } from '../contract.ts'
import { MekongError } from '../error.ts'
import { describeIssues, type SchemaResult } from '../standard-schema.ts'

/**
 * Brings data of an older schema version up to the contract's, validates it, and gives the schema's output; a promise only
 * where the schema is asynchronous.
 * @throws MekongError INVALID_DATA, also by rejection; it names fields and never shows values
 */
export function checkData(
  type: string,
  definition: EventDefinition,
  versioned: { readonly data: unknown; readonly version: number },
): unknown {
  const current = upcast(type, definition, versioned)
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>
  try {
    result = definition.schema['~standard'].validate(current)
  } catch (error) {
    throw schemaFailed(type, error)
  }
  if (!('then' in result)) return outputOf(type, result)
  return result.then(
    answer => outputOf(type, answer),
    (error: unknown) => {
      throw schemaFailed(type, error)
    },
  )
}

function upcast(
  type: string,
  definition: EventDefinition,
  { data, version }: { readonly data: unknown; readonly version: number },
): unknown {
  const target = definition.version ?? 1
  if (version > target) {
    throw invalid(
      `${type} has schema version ${version}, newer than version ${target} of this contract: update the consumer`,
    )
  }
  let current = data
  for (let from = version; from < target; from++) {
    const step = definition.upcast?.[from]
    if (step === undefined) {
      throw invalid(`${type} has schema version ${version}, and the contract has no upcast from version ${from}`)
    }
    try {
      current = step(current)
    } catch (error) {
      throw invalid(`upcast of ${type} from version ${from} threw`, error)
    }
  }
  return current
}

function outputOf(type: string, result: SchemaResult<unknown>): unknown {
  if (result.issues !== undefined) throw invalid(`data of ${type}: ${describeIssues(result.issues)}`)
  return result.value
}

function schemaFailed(type: string, error: unknown): MekongError {
  return invalid(`the schema of ${type} threw instead of answering`, error)
}

function invalid(message: string, cause?: unknown): MekongError {
  return new MekongError('INVALID_DATA', message, { cause })
}
