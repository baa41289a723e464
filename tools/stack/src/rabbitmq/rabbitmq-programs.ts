import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { neededPrograms } from '../programs/needed-programs.ts'

const programNames = ['rabbitmq-server', 'rabbitmqctl', 'epmd'] as const

/** RabbitMQ's own scripts, and Erlang's name server. */
export type RabbitMqPrograms = Readonly<Record<(typeof programNames)[number], string>>

// What Debian puts on PATH under these names changes the user and the environment first.
const debianFolder = '/usr/lib/rabbitmq/lib'

export function rabbitMqPrograms(): Promise<RabbitMqPrograms> {
  return neededPrograms({
    server: 'RabbitMQ',
    programs: programNames,
    debianPackages: ['rabbitmq-server'],
    homebrewFormulas: ['rabbitmq'],
    folders: scriptFolders,
    environmentVariable: 'MEKONG_RABBITMQ_URL',
  })
}

function scriptFolders(): readonly string[] {
  try {
    return readdirSync(debianFolder).map(name => join(debianFolder, name, 'sbin'))
  } catch {
    return [] // not from Debian, where the scripts on PATH are RabbitMQ's own
  }
}
