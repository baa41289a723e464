import { join } from 'node:path'
import ts from 'typescript'
import type { Snippet } from './snippets.ts'

/** The example depends on every package, so what it may import, the documentation may. */
const reader = 'examples/ecommerce'

/**
 * Compiles all snippets in one program against the sources of the workspace.
 *
 * @returns the errors of each snippet, `document:line message`; none for one that compiles
 */
export function compileSnippets(root: string, snippets: readonly Snippet[]): ReadonlyMap<Snippet, readonly string[]> {
  const files = new Map(snippets.map(snippet => [virtualPath(root, snippet), snippet]))
  const program = ts.createProgram([...files.keys()], compilerOptions(root), hostWith(files, compilerOptions(root)))
  return new Map(
    [...files].map(([path, snippet]) => {
      const source = program.getSourceFile(path)
      const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
      return [snippet, diagnostics.map(diagnostic => describe(snippet, diagnostic))]
    }),
  )
}

function virtualPath(root: string, snippet: Snippet): string {
  const folder = join(root, reader, '.snippets', snippet.document)
  return join(folder, snippet.name ?? `line-${snippet.place.split(':').at(-1)}.ts`).replaceAll('\\', '/')
}

function compilerOptions(root: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), path => ts.sys.readFile(path))
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, join(root, reader))
  return { ...options, isolatedDeclarations: false, declaration: false }
}

/** Everything else than snippets is the same in every program: parsing it is most of the work. */
const parsed = new Map<string, ts.SourceFile | undefined>()

function hostWith(files: ReadonlyMap<string, Snippet>, options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options)
  return {
    ...host,
    fileExists: path => files.has(path) || host.fileExists(path),
    readFile: path => files.get(path)?.code ?? host.readFile(path),
    directoryExists: path =>
      [...files.keys()].some(file => file.startsWith(`${path}/`)) || ts.sys.directoryExists(path),
    getSourceFile: (path, languageVersion, ...rest) => {
      const snippet = files.get(path)
      if (snippet !== undefined) return ts.createSourceFile(path, snippet.code, languageVersion)
      if (!parsed.has(path)) parsed.set(path, host.getSourceFile(path, languageVersion, ...rest))
      return parsed.get(path)
    },
  }
}

function describe(snippet: Snippet, diagnostic: ts.Diagnostic): string {
  const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')
  if (diagnostic.file === undefined || diagnostic.start === undefined) return `${snippet.place} ${message}`
  const { line } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start)
  return `${snippet.document}:${line + 1} ${message}`
}
