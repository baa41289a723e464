/**
 * What Mekong needs of a schema: the Standard Schema interface (https://standardschema.dev, version 1), spoken by zod,
 * valibot, arktype and others. Declared here so that core depends on no package.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a publisher may pass: the schema's input. */
export type InferInput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['input']

/** What a handler receives: the schema's output. */
export type InferOutput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output']

/** One line that names each wrong field and never shows its value. */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues.map(issue => `${issuePath(issue)}${issue.message}`).join('; ')
}

function issuePath(issue: SchemaIssue): string {
  if (issue.path === undefined || issue.path.length === 0) return ''
  const segments = issue.path.map(segment => String(typeof segment === 'object' ? segment.key : segment))
  return `${segments.join('.')}: `
}
