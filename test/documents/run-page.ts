import { spawn } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { ROOT } from '../support/documents.ts'
import { FIXTURES } from './fixtures.ts'
import { blocksOf, fixtureOf, type Block } from './page.ts'

/** What came of a block of commands. No status: it was not reached. */
export interface Run {
  status: number | undefined
  output: string
}

/** The port that pages name. They run on one that is free. */
const PORT = '3000'

const NPX = `#!/bin/sh
while [ "\${1#-}" != "$1" ]; do shift; done
program=$1; shift
exec "$program" "$@"
`

/** Packages are installed already: it only checks that they are those of this workspace. */
const NPM = `#!/bin/sh
[ "$1" = init ] && { echo '{ "name": "app", "private": true, "type": "module" }' >package.json; exit; }
[ "$1" = install ] || { echo "npm $1 is not run here" >&2; exit 1; }
shift
for package in "$@"; do
  case $package in -*) continue;; modelseal) continue;; esac
  [ -e "node_modules/$package" ] || { echo "$package is not installed here" >&2; exit 1; }
done
`

/** Runs the commands of a page in one shell, in an empty directory with the packages of test/, and writes its files in between. */
export async function runPage(page: string): Promise<Map<Block, Run>> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-page-')))
  try {
    const [app, bin, results] = ['app', 'bin', 'results'].map((name) => join(root, name)) as [string, string, string]
    for (const directory of [app, bin, results]) mkdirSync(directory)
    install(join(app, 'node_modules'))
    const program = `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, 'packages/cli/bin/modelseal.cjs')}" "$@"\n`
    for (const [name, text] of Object.entries({ npx: NPX, npm: NPM, modelseal: program })) {
      writeFileSync(join(bin, name), text)
      chmodSync(join(bin, name), 0o755)
    }
    await using fixture = await FIXTURES[fixtureOf(page) ?? 'nothing']?.(app)
    const blocks = blocksOf(page)
    const port = await freePort()
    const script = scriptOf(blocks, results, port)
    await shell(script, app, {
      PATH: [
        bin,
        dirname(process.execPath),
        join(ROOT, 'node_modules/.bin'),
        join(ROOT, 'test/node_modules/.bin'),
        process.env.PATH,
      ].join(delimiter),
      HOME: root,
      LANG: 'C.UTF-8',
      ...fixture?.env,
    })
    const shown = { [app]: '/srv/app', [root]: '/home/me', [ROOT]: '/srv/modelseal', [port]: PORT, ...fixture?.shown }
    return new Map(blocks.filter(isRun).map((block): [Block, Run] => [block, resultOf(block, results, shown)]))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** The packages of test/, and others that pages install. */
function install(directory: string): void {
  mkdirSync(directory)
  const packages = join(ROOT, 'test/node_modules')
  for (const name of readdirSync(packages)) symlinkSync(join(packages, name), join(directory, name))
  const others = { vitest: '.', hyparquet: 'packages/core', 'tar-stream': 'packages/core' }
  for (const [name, place] of Object.entries(others))
    symlinkSync(join(ROOT, place, 'node_modules', name), join(directory, name))
}

export const isRun = ({ language, words }: Block): boolean => language === 'sh' && !words.has('checked')

function scriptOf(blocks: readonly Block[], results: string, port: string): string {
  const steps = blocks.map((block) => {
    const code = block.code.replaceAll(PORT, port)
    const file = block.words.get('file')
    if (file !== undefined) {
      const content = Buffer.from(code).toString('base64')
      return `mkdir -p "$(dirname '${file}')"; base64 -d >'${file}' <<'END'\n${content}\nEND\n`
    }
    if (!isRun(block)) return ''
    const place = join(results, String(block.line))
    const first = block.words.has('exit') ? 'set +e' : 'set -e'
    return `exec >'${place}.out' 2>&1\n${first}\n${code}\necho $? >'${place}.status'\n`
  })
  return `trap 'kill $(jobs -p) 2>/dev/null' EXIT\n${steps.join('')}`
}

function resultOf({ line }: Block, results: string, shown: Readonly<Record<string, string>>): Run {
  const read = (name: string) => {
    try {
      return readFileSync(join(results, `${line}.${name}`), 'utf8')
    } catch {
      return undefined
    }
  }
  const status = read('status')
  return {
    status: status === undefined ? undefined : Number(status),
    output: Object.entries(shown)
      .reduce((text, [real, name]) => text.replaceAll(real, name), read('out') ?? '')
      .replace(/(?<=[^\n])$/, '\n'),
  }
}

function freePort(): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(String(port)))
    })
  })
}

function shell(script: string, cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-s'], { cwd, env, stdio: ['pipe', 'ignore', 'ignore'], timeout: 150_000 })
    child.on('error', reject)
    child.on('close', () => resolve())
    child.stdin.end(script)
  })
}
