// Starts onnx.cjs in child processes: children.mjs HOW,HOW… MODEL…
// MODELSEAL_TEST_ENV is a JSON object of variables: the whole environment of the child.
import child from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./onnx.cjs', import.meta.url))
const [hows, ...models] = process.argv.slice(2)
const env = JSON.parse(process.env.MODELSEAL_TEST_ENV ?? '{}')
const args = [program, ...models]
const stdio = 'inherit'
const cwd = dirname(process.execPath)
const aliases = mkdtempSync(join(tmpdir(), 'modelseal-'))
symlinkSync(process.execPath, join(aliases, 'an-alias'))
process.on('exit', () => rmSync(aliases, { recursive: true }))
const exit = (process) => once(process, 'exit')

const ways = {
  fork: () => exit(child.fork(program, models, { env })),
  'fork-bare': () => exit(child.fork(program, models, { env, execArgv: [] })),
  'fork-elsewhere': () => exit(child.fork(program, models, { env, execArgv: [], cwd: '/' })),
  cluster: () => {
    cluster.setupPrimary({ exec: program, args: models, execArgv: [] })
    return exit(cluster.fork({ MODELSEAL_POLICY: '', MODELSEAL_MODE: '', ...env }).process)
  },
  spawn: () => exit(child.spawn(process.execPath, args, { env, stdio })),
  'spawn-name': () => exit(child.spawn('node', args, { env: { ...env, PATH: process.env.PATH }, stdio })),
  'spawn-relative': () => exit(child.spawn(`./${basename(process.execPath)}`, args, { env, stdio, cwd })),
  'spawn-relative-path': () => exit(child.spawn('node', args, { env: { ...env, PATH: '/nowhere:' }, stdio, cwd })),
  'spawn-alias': () => exit(child.spawn('an-alias', args, { env: { ...env, PATH: aliases }, stdio })),
  'spawnSync-alias': () => child.spawnSync('an-alias', args, { env: { ...env, PATH: aliases }, stdio }),
  execFile: () => {
    const started = child.execFile(process.execPath, args, { env })
    started.stdout.pipe(process.stdout)
    return once(started, 'close')
  },
  spawnSync: () => child.spawnSync(process.execPath, args, { env, stdio }),
  execFileSync: () => child.execFileSync(process.execPath, args, { env, stdio }),
  execve: () => process.execve(process.execPath, [process.execPath, ...args], env),
  // Through a child that does the same and passes on what it was given.
  twice: () => exit(child.fork(process.argv[1], ['fork-bare', ...models], { env, execArgv: [] })),
}
for (const how of hows.split(',')) {
  console.log(how)
  await ways[how]()
}
