import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installDebianPackages } from './debian-packages.ts'

/** What must be on the machine to run a server. */
export interface NeededPrograms<Name extends string> {
  /** As messages call the server: Redis. */
  readonly server: string
  readonly programs: readonly Name[]
  readonly debianPackages: readonly string[]
  readonly homebrewFormulas: readonly string[]
  /** Searched before those of PATH. */
  readonly folders?: (() => readonly string[]) | undefined
  /** Names a server that runs already, so that no program is needed. */
  readonly environmentVariable: string
}

/** The machine, as far as it matters here; a test passes another one. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly isRoot: boolean
  readonly isDebian: boolean
  readonly path: string
  install(packages: readonly string[], server: string): Promise<void>
}

// Servers are where the PATH of a user who is not root does not lead.
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin', '/opt/homebrew/sbin', '/usr/local/bin']

const thisMachine = (): Machine => ({
  platform: process.platform,
  isRoot: process.getuid?.() === 0,
  isDebian: existsSync('/etc/debian_version'),
  path: process.env['PATH'] ?? '',
  install: installDebianPackages,
})

/**
 * Where the programs are. What is missing is installed where that can be done without asking: for root on Debian, said
 * in one line on stderr. Elsewhere rejects with the command to type.
 */
export async function neededPrograms<Name extends string>(
  needed: NeededPrograms<Name>,
  machine: Machine = thisMachine(),
): Promise<Readonly<Record<Name, string>>> {
  if (missing(needed, machine).length > 0 && machine.isRoot && machine.isDebian) {
    await machine.install(needed.debianPackages, needed.server)
  }
  const stillMissing = missing(needed, machine)
  if (stillMissing.length > 0) throw new Error(missingMessage(needed, stillMissing, machine))
  const found = needed.programs.map(name => [name, find(name, needed, machine)] as const)
  return Object.fromEntries(found) as Record<Name, string>
}

function missing<Name extends string>(needed: NeededPrograms<Name>, machine: Machine): readonly Name[] {
  return needed.programs.filter(name => find(name, needed, machine) === undefined)
}

function find(name: string, { folders }: NeededPrograms<string>, { path }: Machine): string | undefined {
  const searched = [...(folders?.() ?? []), ...path.split(delimiter), ...systemFolders]
  return searched.map(folder => join(folder, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function missingMessage(needed: NeededPrograms<string>, names: readonly string[], machine: Machine): string {
  const { server, environmentVariable } = needed
  return (
    `${server} cannot be started: no ${names.join(', ')} on this machine. ` +
    `${installAdvice(needed, machine)}, or set ${environmentVariable} to a ${server} that runs.`
  )
}

function installAdvice({ debianPackages, homebrewFormulas }: NeededPrograms<string>, machine: Machine): string {
  if (machine.isDebian) return `Type: sudo apt-get install ${debianPackages.join(' ')}`
  if (machine.platform === 'darwin') return `Type: brew install ${homebrewFormulas.join(' ')}`
  return `Install what Debian has as ${debianPackages.join(', ')}`
}
