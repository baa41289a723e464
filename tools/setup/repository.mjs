import { fileURLToPath } from 'node:url'

/** The root of this clone, with a separator at its end. */
export const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url))
