import { execFile } from 'node:child_process'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { neededPrograms } from './programs/needed-programs.ts'

/** What a server needs for TLS on 127.0.0.1 and localhost, all as PEM. */
export interface ServerCertificate {
  /** The certificate of the authority that signed the server's, for clients to trust. */
  readonly ca: string
  readonly certificate: string
  /** The key of `certificate`, PKCS #8. */
  readonly key: string
}

const days = '30'
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const serverExtensions = 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n'

/** Makes an authority of its own and a server certificate by it; the authority's key is kept nowhere. */
export async function createServerCertificate(environmentVariable: string): Promise<ServerCertificate> {
  const { openssl } = await neededPrograms({
    server: 'A server with TLS',
    programs: ['openssl'],
    debianPackages: ['openssl'],
    homebrewFormulas: ['openssl'],
    environmentVariable,
  })
  await using folder = await mkdtempDisposable(join(tmpdir(), 'mekong-certificate-'))
  const run = (args: readonly string[]) => promisify(execFile)(openssl, args, { cwd: folder.path })
  const read = (name: string): Promise<string> => readFile(join(folder.path, name), 'utf8')

  const authority = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Mekong test authority', '-days', days]
  await run(['req', '-x509', ...newKey, ...authority])
  await run(['req', '-new', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost'])
  await writeFile(join(folder.path, 'extensions'), serverExtensions)
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions', '-days', days]
  await run(['x509', '-req', '-in', 'server.csr', '-out', 'server.pem', ...signing])

  const [ca, certificate, key] = await Promise.all([read('ca.pem'), read('server.pem'), read('server.key')])
  return { ca, certificate, key }
}
