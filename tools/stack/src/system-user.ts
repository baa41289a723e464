import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Who owns files and runs processes. */
export interface SystemUser {
  readonly uid: number
  readonly gid: number
}

/**
 * The user for servers that refuse to run as root: the first of `names` that the machine has. Undefined when this
 * process is not root, since servers then run as who started them. Creates no user.
 */
export async function unprivilegedUser(names: readonly string[]): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  for (const name of names) {
    const user = await findUser(name)
    if (user !== undefined) return user
  }
  throw new Error(`Running as root, and this machine has none of the users ${names.join(', ')} to run the server as`)
}

async function findUser(name: string): Promise<SystemUser | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { uid: signed(uid.stdout), gid: signed(gid.stdout) }
  } catch {
    return undefined
  }
}

// macOS prints nobody as 4294967294, which spawn takes as -2 only.
function signed(id: string): number {
  return Number(id) | 0
}
