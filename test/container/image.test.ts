import { execFile, execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keySigner, signModel } from '@modelseal/core/signing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writeImage } from '../../container/image.mjs'
import { TestRegistry } from '../../packages/hub/src/testing/oci-registry.ts'

// The image, made as the Dockerfile makes it, from the Node.js that runs the tests. No container engine is needed: a mount namespace
// with a read-only root, from which everything else is hidden, is what one would set up.

interface Image {
  config: {
    Env: string[]
    Labels: Record<string, string>
    WorkingDir: string
    User: string
    Entrypoint: string[]
    Healthcheck: { Test: string[] }
  }
  rootfs: { diff_ids: string[] }
}
interface Descriptor {
  digest: string
  size: number
}

const VERSION = '1.2.3'
const REVISION = 'a'.repeat(40)
const work = mkdtempSync(join(tmpdir(), 'modelseal-container-'))
const layout = join(work, 'layout')
const root = join(work, 'root')
const models = join(work, 'models')
let image: Image
let digest: string

/** Namespaces for mounts and a change of the root directory need privileges. */
const isolated = process.platform === 'linux' && process.geteuid?.() === 0 && canUnshare()

beforeAll(async () => {
  digest = await writeImage(layout, { version: VERSION, revision: REVISION })
  const [manifest] = (JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] })
    .manifests
  const { config, layers } = json(manifest!) as { config: Descriptor; layers: Descriptor[] }
  image = json(config) as Image
  mkdirSync(root)
  for (const [index, layer] of layers.entries()) {
    const diffId = execFileSync('sh', ['-c', 'gzip --decompress --stdout "$1" | sha256sum', 'sh', blob(layer)], {
      encoding: 'utf8',
    })
    expect(`sha256:${diffId.split(' ')[0] ?? ''}`).toBe(image.rootfs.diff_ids[index])
    execFileSync('tar', [
      '--extract',
      '--gzip',
      '--numeric-owner',
      '--same-permissions',
      '--file',
      blob(layer),
      '--directory',
      root,
    ])
  }
  await makeModels()
})

afterAll(() => {
  rmSync(work, { recursive: true })
})

/** The path of a blob, whose content is what the descriptor says. */
function blob({ digest, size }: Descriptor): string {
  const path = join(layout, 'blobs', digest.replace(':', '/'))
  const content = readFileSync(path)
  expect({ digest: `sha256:${createHash('sha256').update(content).digest('hex')}`, size: content.length }).toEqual({
    digest,
    size,
  })
  return path
}

function json(descriptor: Descriptor): unknown {
  return JSON.parse(readFileSync(blob(descriptor), 'utf8'))
}

/** A signed model with a policy, in a directory of the user of the image. */
async function makeModels(): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  mkdirSync(join(models, 'vad'), { recursive: true })
  writeFileSync(join(work, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(models, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(models, 'vad/weights.bin'), Buffer.alloc(20_000_000, 7))
  const rule = { name: 'ours', match: { path: '**' }, signers: [{ key: 'release' }] }
  const remote = { name: 'pulled', match: { url: 'oci://127.0.0.1:*/models/*' }, signers: [{ key: 'release' }] }
  const policy = { version: 1, trustRoots: { release: { publicKey: 'release.pub' } }, rules: [remote, rule] }
  writeFileSync(join(models, 'policy.json'), JSON.stringify(policy))
  await signModel(join(models, 'vad'), { signer: await keySigner({ privateKey: join(work, 'release.key') }) })
  const [user = 0, group = 0] = image.config.User.split(':').map(Number)
  for (const name of ['.', ...readdirSync(models, { recursive: true, encoding: 'utf8' })]) {
    chmodSync(join(models, name), lstatSync(join(models, name)).isDirectory() ? 0o755 : 0o644)
    if (isolated) chownSync(join(models, name), user, group)
  }
}

function canUnshare(): boolean {
  try {
    execFileSync('unshare', ['--mount', '--pid', '--fork', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Mounts what a container engine mounts for `--read-only --tmpfs /tmp --volume MODELS:/models`, and becomes the user. */
const CONTAINER = `
  mount --bind "$ROOT" "$ROOT"
  mount -o remount,bind,ro "$ROOT"
  mount -t proc proc "$ROOT/proc"
  mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
  mount --bind "$MODELS" "$ROOT/models"
  exec setpriv --no-new-privs chroot --userspec="$CONTAINER_USER" "$ROOT" /usr/local/bin/node -e '
    process.chdir(process.env.CONTAINER_DIRECTORY)
    process.execve(process.argv[1], process.argv.slice(1), JSON.parse(process.env.CONTAINER_ENV))
  ' "$@"`

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function run(command: readonly string[], { network = false } = {}): Promise<Ended> {
  const { Env, User, WorkingDir } = image.config
  const env = {
    PATH: process.env['PATH'],
    ROOT: root,
    MODELS: models,
    CONTAINER_USER: User,
    CONTAINER_DIRECTORY: WorkingDir,
    CONTAINER_ENV: JSON.stringify(Object.fromEntries(Env.map((each) => each.split('=')))),
  }
  const namespaces = ['--mount', '--pid', '--fork', '--ipc', '--uts', '--kill-child', ...(network ? [] : ['--net'])]
  const args = [...namespaces, 'sh', '-euc', CONTAINER, 'sh', ...command]
  return new Promise((resolve) => {
    execFile('unshare', args, { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

const modelseal = (args: readonly string[], options = {}) => run([...image.config.Entrypoint, ...args], options)

test('the image says what it is, and runs as a user without privileges', () => {
  expect(image.config.Labels).toMatchObject({
    'org.opencontainers.image.title': 'modelseal',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'org.opencontainers.image.version': VERSION,
    'org.opencontainers.image.revision': REVISION,
  })
  expect(image.config.User).toMatch(/^[1-9]\d+:[1-9]\d+$/)
  expect(image.config.WorkingDir).toBe('/models')
})

test('the image contains Node.js, its libraries, the program, and nothing else that could run', () => {
  expect(readdirSync(root).sort()).toEqual([
    'dev',
    'etc',
    'home',
    'lib',
    'lib64',
    'models',
    'opt',
    'proc',
    'sys',
    'tmp',
    'usr',
  ])
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    lstatSync(join(root, name)).isFile(),
  )
  const outside = files.filter(
    (name) => !name.startsWith('opt/modelseal/') && !/^lib(64)?\/(.+\/)?[\w+.-]+\.so\.\d+$/.test(name),
  )
  expect(outside.sort()).toEqual(['etc/group', 'etc/nsswitch.conf', 'etc/passwd', 'usr/local/bin/node'])
  const own = files.filter((name) => name.startsWith('opt/modelseal/') && !name.includes('/node_modules/'))
  const runnable = own.filter((name) => !/(\.(md|json|svg|[1-8])|\/LICENSE)$/.test(name))
  expect(runnable.filter((name) => !/^opt\/modelseal\/(bin|dist)\//.test(name))).toEqual([])
  expect(files.filter((name) => /(^|\/)\.(pnpm-|modules)/.test(name))).toEqual([])
})

test('nobody but root can change what is in the image, and nothing in it gives privileges', () => {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' })
  const writable = names.filter((name) => {
    const { mode, uid } = lstatSync(join(root, name))
    return (
      !lstatSync(join(root, name)).isSymbolicLink() &&
      ((mode & 0o022) !== 0 || (isolated && uid !== 0) || (mode & 0o6000) !== 0)
    )
  })
  expect(writable.sort()).toEqual(isolated ? ['home/modelseal', 'models', 'tmp'] : ['tmp'])
})

test('no file of the image names a directory of the machine that made it', () => {
  const repository = join(import.meta.dirname, '../..')
  const texts = readdirSync(join(root, 'opt/modelseal'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.([cm]?js|json|map|yaml)$/.test(name),
  )
  expect(texts.length).toBeGreaterThan(100)
  expect(texts.filter((name) => readFileSync(join(root, 'opt/modelseal', name), 'utf8').includes(repository))).toEqual(
    [],
  )
})

test('the same source makes the same image', async () => {
  expect(await writeImage(join(work, 'again'), { version: VERSION, revision: REVISION })).toBe(digest)
})

test.runIf(isolated)('the root directory is read-only, and the process has no privileges', async () => {
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs')
    const tried = (path) => { try { writeFileSync(path, ''); return 'written' } catch ({ code }) { return code } }
    const status = readFileSync('/proc/self/status', 'utf8')
    console.log(JSON.stringify({
      user: process.getuid(), groups: process.getgroups(),
      capabilities: /^CapEff:\\s*(\\w+)/m.exec(status)[1], privileges: /^NoNewPrivs:\\s*(\\d)/m.exec(status)[1],
      written: ['/x', '/opt/modelseal/dist/main.cjs', '/home/modelseal/x', '/tmp/x'].map(tried),
    }))`
  const { stdout, stderr } = await run(['/usr/local/bin/node', '-e', script])
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({
    user: 65_532,
    groups: [65_532],
    capabilities: '0'.repeat(16),
    privileges: '1',
    written: ['EROFS', 'EROFS', 'EROFS', 'written'],
  })
})

test.runIf(isolated)('it is healthy', async () => {
  const [kind, ...command] = image.config.Healthcheck.Test
  expect(kind).toBe('CMD')
  expect(await run(command)).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
  })
})

test.runIf(isolated)('it verifies a model without a network, and refuses a changed one', async () => {
  const accepted = await modelseal(['verify', 'vad', '--policy', 'policy.json'])
  expect(accepted).toMatchObject({ code: 0, stderr: '' })
  expect(accepted.stdout).toMatch(/^Accepted "vad"/)
  writeFileSync(join(models, 'vad/extra.bin'), 'x')
  const refused = await modelseal(['verify', 'vad', '--policy', 'policy.json'])
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('FILE_UNSIGNED')
  rmSync(join(models, 'vad/extra.bin'))
})

test.runIf(isolated)('it pulls a model from a registry into a volume, and only if the policy accepts it', async () => {
  const registry = await TestRegistry.start()
  const names = readdirSync(join(models, 'vad'))
  registry.pushFiles(new Map(names.map((name) => [name, readFileSync(join(models, 'vad', name))])))
  const pull = (to: string) => modelseal(['pull', registry.url(), to, '--policy', 'policy.json'], { network: true })
  expect(await pull('pulled')).toMatchObject({ code: 0, stderr: '' })
  expect(readdirSync(join(models, 'pulled')).sort()).toEqual(names.sort())

  registry.pushFiles(
    new Map(
      names.map((name) => [name, name.endsWith('.sig') ? readFileSync(join(models, 'vad', name)) : Buffer.from('x')]),
    ),
  )
  const refused = await pull('other')
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(existsSync(join(models, 'other'))).toBe(false)
})
