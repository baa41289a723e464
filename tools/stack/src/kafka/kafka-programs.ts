import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildOnce, cacheFolder } from '../cache-folder.ts'
import { neededPrograms } from '../programs/needed-programs.ts'

/** A Java and the jars of one Kafka version. */
export interface KafkaPrograms {
  readonly java: string
  /** Changes with the Java and the jars: what was made from them for faster starts fits only them. */
  readonly fingerprint: string
  readonly classPath: string
}

const kafkaVersion = '4.3.1'
const log4jVersion = '2.25.4'
const oldestJava = 17

// Neither broker nor tools need them.
const excluded = [
  'com.github.ben-manes.caffeine:caffeine',
  'commons-beanutils:commons-beanutils',
  'commons-collections:commons-collections',
  'commons-digester:commons-digester',
  'commons-logging:commons-logging',
  'com.dynatrace.hash4j:hash4j',
  'com.fasterxml.jackson.dataformat:jackson-dataformat-csv',
  'org.bitbucket.b_c:jose4j',
  'org.scala-lang:scala-reflect',
]

const needed = {
  server: 'Kafka',
  folders: () => (process.env['JAVA_HOME'] ? [join(process.env['JAVA_HOME'], 'bin')] : []),
  environmentVariable: 'MEKONG_KAFKA_URL',
}

/** The jars come from Maven Central, as Maven is set up on this machine, when the cache folder does not have them. */
export async function kafkaPrograms(): Promise<KafkaPrograms> {
  const { java } = await neededPrograms({
    ...needed,
    programs: ['java'],
    debianPackages: ['default-jre-headless'],
    homebrewFormulas: ['openjdk'],
  })
  const version = await javaVersion(java)
  const folder = await buildOnce(join(cacheFolder(), `kafka-${kafkaVersion}`), copyJars)
  const jars = (await readdir(folder)).filter(name => name.endsWith('.jar')).toSorted()
  const classPath = jars.map(name => join(folder, name)).join(':')
  const fingerprint = createHash('sha256').update(`${version}\n${classPath}`).digest('hex').slice(0, 8)
  return { java, classPath, fingerprint: `${kafkaVersion}-${fingerprint}` }
}

async function javaVersion(java: string): Promise<string> {
  const { stderr } = await promisify(execFile)(java, ['-version']).catch((cause: Error) => {
    throw new Error(`Kafka cannot be started: ${java} does not run: ${cause.message}`, { cause })
  })
  const major = Number(/version "(\d+)/.exec(stderr)?.[1])
  if (major >= oldestJava) return stderr
  throw new Error(`Kafka cannot be started: it needs Java ${oldestJava} or newer, and ${java} is ${stderr.trim()}`)
}

async function copyJars(folder: string): Promise<void> {
  const { mvn } = await neededPrograms({
    ...needed,
    programs: ['mvn'],
    debianPackages: ['maven'],
    homebrewFormulas: ['maven'],
  })
  const projectFile = join(folder, 'pom.xml')
  await writeFile(projectFile, projectObjectModel())
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]
  await promisify(execFile)(mvn, ['-q', '-B', '-f', projectFile, ...goal], { cwd: folder }).catch((cause: Error) => {
    const { stdout = '' } = cause as { stdout?: string }
    throw new Error(`Maven did not get the jars of Kafka ${kafkaVersion}: ${stdout.trim() || cause.message}`, { cause })
  })
  if (!existsSync(join(folder, `kafka_2.13-${kafkaVersion}.jar`))) throw new Error('Maven left no jar of Kafka')
}

function projectObjectModel(): string {
  const exclusions = excluded.map(name => `<exclusion>${coordinates(name.split(':'))}</exclusion>`)
  const dependencies = [
    `<dependency>${coordinates(['org.apache.kafka', 'kafka_2.13', kafkaVersion])}` +
      `<exclusions>${exclusions.join('')}</exclusions></dependency>`,
    // Kafka's own package of it names no binding for its log.
    `<dependency>${coordinates(['org.apache.logging.log4j', 'log4j-slf4j-impl', log4jVersion])}</dependency>`,
  ]
  return (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>' +
    `${coordinates(['mekong', 'kafka-jars', '1'])}<packaging>pom</packaging>` +
    `<dependencies>${dependencies.join('')}</dependencies></project>\n`
  )
}

function coordinates([group, artifact, version]: readonly string[]): string {
  const tail = version === undefined ? '' : `<version>${version}</version>`
  return `<groupId>${group}</groupId><artifactId>${artifact}</artifactId>${tail}`
}
