import { containerEngineAnswers } from './containers/container-engine.ts'

/** Where servers come from that nobody gives by a URL: containers of a Docker engine, or programs on this machine. */
export type ServerWay = 'containers' | 'programs'

const settingName = 'MEKONG_STACK'

/**
 * The way that the environment's MEKONG_STACK names; else containers where a Docker engine of this machine answers, and programs
 * elsewhere. Rejects when containers are asked for and no engine answers.
 */
export async function serverWay(environment: NodeJS.ProcessEnv = process.env): Promise<ServerWay> {
  const setting = environment[settingName]
  if (setting === 'programs') return 'programs'
  if (setting !== undefined && setting !== '' && setting !== 'containers') {
    throw new Error(`${settingName} is ${JSON.stringify(setting)}: it may be containers or programs`)
  }
  if (await containerEngineAnswers(environment)) return 'containers'
  if (setting !== 'containers') return 'programs'
  throw new Error(
    `${settingName} asks for containers, and no Docker engine of this machine answers. ` +
      `Start one, name another one by DOCKER_HOST, or set ${settingName} to programs.`,
  )
}
