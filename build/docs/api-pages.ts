import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Application, ReflectionKind, type ProjectReflection } from 'typedoc'
import type { PluginOptions } from 'typedoc-plugin-markdown'
import type { Pages } from './pages.ts'

const DIRECTORY = 'docs/reference/api'

/** Names of the pages, with a hyphen for the slash in what programs import, and the file that each is made from. Other entry points are for the packages of this repository only. */
const ENTRIES: Record<string, string> = {
  core: 'core/src/index.ts',
  'core-signing': 'core/src/entries/signing.ts',
  'core-attestation': 'core/src/entries/attestation.ts',
  'core-advisory': 'core/src/entries/advisory.ts',
  'core-monitor': 'core/src/entries/monitor.ts',
  'core-verification': 'core/src/entries/verification.ts',
  'core-policy': 'core/src/entries/policy.ts',
  'core-adapter': 'core/src/entries/adapter.ts',
  'core-formats': 'core/src/entries/formats.ts',
  'core-source': 'core/src/source/model-sources.ts',
  'core-journal': 'core/src/entries/journal.ts',
  'core-opentelemetry': 'core/src/telemetry/opentelemetry.ts',
  'core-errors': 'core/src/entries/errors.ts',
  'core-publishing': 'core/src/entries/publishing.ts',
  onnxruntime: 'onnxruntime/src/index.ts',
  tfjs: 'tfjs/src/index.ts',
  transformers: 'transformers/src/index.ts',
  hub: 'hub/src/index.ts',
  s3: 's3/src/index.ts',
  journal: 'journal/src/index.ts',
  fleet: 'fleet/src/index.ts',
  'fleet-opentelemetry': 'fleet/src/telemetry/opentelemetry.ts',
}

const OPTIONS: PluginOptions & Record<string, unknown> = {
  plugin: ['typedoc-plugin-markdown'],
  router: 'module',
  readme: 'none',
  name: 'Programming interface',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  groupOrder: ['Functions', 'Classes', 'Variables', '*'],
  // Type errors are the business of tsc.
  skipErrorChecking: true,
  // Links to what an entry does not export become code.
  validation: { notExported: false, invalidLink: false, notDocumented: false },
  logLevel: 'Error',
  entryFileName: 'index',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  sanitizeComments: true,
  useCodeBlocks: true,
  expandObjects: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'list',
  typeDeclarationFormat: 'table',
  tableColumnSettings: { hideInherited: true, hideOverrides: true, hideSources: true },
  pageTitleTemplates: { module: ({ name }: { name: string }) => `@modelseal/${name.replace('-', '/')}` },
}

/** The reference of the programming interface, one page for each entry point, from the types and their TSDoc. */
export async function apiPages(root: string): Promise<Pages> {
  const directory = join(root, '.cache/docs-api', stateOf(root))
  if (!existsSync(directory)) await writeApi(root, directory)
  const paths = globSync('**/*.md', { cwd: directory }).map((path) => path.replaceAll('\\', '/'))
  return new Map(paths.sort().map((path) => [`${DIRECTORY}/${path}`, readFileSync(join(directory, path), 'utf8')]))
}

async function writeApi(root: string, directory: string): Promise<void> {
  rmSync(dirname(directory), { recursive: true, force: true })
  const app = await Application.bootstrapWithPlugins({
    ...OPTIONS,
    tsconfig: join(root, 'build/docs/tsconfig.json'),
    basePath: join(root, 'packages'),
    entryPoints: Object.values(ENTRIES).map((file) => join(root, 'packages', file)),
  })
  const project = await app.convert()
  if (!project) throw new Error('Cannot read the types of the packages.')
  nameModules(project)
  const unfinished = `${directory}.unfinished`
  await app.outputs.writeOutput({ name: 'markdown', path: unfinished }, project)
  if (app.logger.hasErrors()) throw new Error('Cannot write the reference of the programming interface.')
  renameSync(unfinished, directory)
}

/** A module is called what programs import. */
function nameModules(project: ProjectReflection): void {
  const names = new Map(Object.entries(ENTRIES).map(([name, file]) => [file.replace(/(\/index)?\.ts$/, ''), name]))
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    const name = names.get(module.name.replace(/\/index$/, ''))
    if (name === undefined) throw new Error(`Cannot find the entry point of ${module.name}.`)
    module.name = name
  }
}

/** Pages are written again only when something that they are made from has changed, since that takes half a minute. */
function stateOf(root: string): string {
  const hash = createHash('sha256')
  const files = globSync(['packages/*/src/**/*.ts', 'build/docs/{api-pages.ts,tsconfig.json}', 'pnpm-lock.yaml'], {
    cwd: root,
  })
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(root, file)))
  return hash.digest('hex').slice(0, 16)
}
