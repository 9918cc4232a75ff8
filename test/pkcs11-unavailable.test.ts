import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

const ENTRIES = ['index.js', 'index.cjs']

let root: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pkcs11-unavailable-'))
})

afterAll(() => rm(root, { recursive: true }))

it.each(ENTRIES)('without the optional package, %s says what to install', async (entry) => {
  const { code, message } = await signerOfCopy(entry, () => Promise.resolve())
  expect(code).toBe('PKCS11_UNAVAILABLE')
  expect(message).toContain('npm install pkcs11js')
})

it.each(ENTRIES)('%s tells a package whose addon was not built from one that is not installed', async (entry) => {
  const { code, message } = await signerOfCopy(entry, async (modules) => {
    const source = dirname(createRequire(import.meta.url).resolve('pkcs11js/package.json'))
    await mkdir(join(modules, 'pkcs11js'))
    for (const file of ['package.json', 'index.js']) await cp(join(source, file), join(modules, 'pkcs11js', file))
  })
  expect(code).toBe('PKCS11_UNAVAILABLE')
  expect(message).toContain('npm rebuild pkcs11js')
})

/** Installs the built core elsewhere, with its dependencies but not the optional one. */
async function signerOfCopy(entry: string, prepare: (modules: string) => Promise<void>) {
  const modules = join(await mkdtemp(join(root, 'installed-')), 'node_modules')
  const core = dirname(createRequire(import.meta.url).resolve('@modelseal/core/package.json'))
  await cp(join(core, 'dist'), join(modules, '@modelseal/core/dist'), { recursive: true })
  await cp(join(core, 'package.json'), join(modules, '@modelseal/core/package.json'))
  const { dependencies } = JSON.parse(await readFile(join(core, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies as object)) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(await realpath(join(core, 'node_modules', name)), join(modules, name))
  }
  await prepare(modules)
  const script = `
    import(process.argv[1]).then((core) => core.pkcs11KeySigner({ uri: process.argv[2] })).catch((error) => {
      console.log(JSON.stringify(error))
    })`
  const uri = 'pkcs11:object=k?module-path=/nowhere.so'
  // Package managers' scripts set NODE_PATH, by which CommonJS would find what lies elsewhere.
  const env = { ...process.env, NODE_PATH: '' }
  const args = ['-e', script, join(modules, '@modelseal/core/dist', entry), uri]
  const { stdout } = spawnSync(process.execPath, args, { env })
  return JSON.parse(stdout.toString()) as { code: string; message: string }
}
