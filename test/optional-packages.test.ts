import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ENTRIES = ['signing.js', 'signing.cjs']

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'optional-packages-'))
})
afterAll(() => rm(root, { recursive: true }))

const TOKEN = `await signing.pkcs11KeySigner({ uri: 'pkcs11:object=k?module-path=/nowhere.so' })`

// No token is provided, and the model has no files: both would be reported later.
const KEYLESS = `
  const signer = await signing.sigstoreSigner({ useAmbientCredentials: false })
  await signing.signModel(process.cwd(), { signer })`

test.each(ENTRIES)('without pkcs11js, %s says what to install', async (entry) => {
  expect(await errorOfCopy(entry, TOKEN, () => Promise.resolve())).toMatchObject({
    code: 'PKCS11_UNAVAILABLE',
    message: expect.stringContaining('npm install pkcs11js') as string,
  })
})

test.each(ENTRIES)(
  '%s distinguishes a pkcs11js whose addon was not built from one that is not installed',
  async (entry) => {
    const error = await errorOfCopy(entry, TOKEN, async (modules) => {
      const source = dirname(createRequire(import.meta.url).resolve('pkcs11js/package.json'))
      await mkdir(join(modules, 'pkcs11js'))
      for (const file of ['package.json', 'index.js']) await cp(join(source, file), join(modules, 'pkcs11js', file))
    })
    expect(error).toMatchObject({
      code: 'PKCS11_UNAVAILABLE',
      message: expect.stringContaining('npm rebuild pkcs11js') as string,
    })
  },
)

test.each(ENTRIES)('without @sigstore/sign, %s says what to install before it does anything else', async (entry) => {
  expect(await errorOfCopy(entry, KEYLESS, () => Promise.resolve())).toMatchObject({
    code: 'SIGSTORE_UNAVAILABLE',
    message: expect.stringMatching(/is not installed.*npm install @sigstore\/sign@5/) as string,
  })
})

test.each(ENTRIES)(
  '%s distinguishes a @sigstore/sign that lacks a package from one that is not installed',
  async (entry) => {
    const error = await errorOfCopy(entry, KEYLESS, async (modules) => {
      await mkdir(join(modules, '@sigstore/sign'), { recursive: true })
      await writeFile(join(modules, '@sigstore/sign/index.js'), `require('make-fetch-happen')`)
    })
    expect(error).toMatchObject({
      code: 'SIGSTORE_UNAVAILABLE',
      message: expect.stringMatching(/is installed, but .*make-fetch-happen/) as string,
    })
  },
)

test.each(['index.js', 'index.cjs'])('without @huggingface/hub, %s of the hubs says what to install', async (entry) => {
  const script = `
    const { checkPushTarget } = await import(require('node:path').resolve('../node_modules/@modelseal/hub/dist/${entry}'))
    await checkPushTarget('hf://org/vad', { huggingFace: { token: 'hf_x' } })`
  const error = await errorOfCopy('signing.js', script, async (modules) => {
    const hub = dirname(createRequire(import.meta.url).resolve('@modelseal/hub/package.json'))
    for (const part of ['dist', 'package.json'])
      await cp(join(hub, part), join(modules, '@modelseal/hub', part), { recursive: true })
  })
  expect(error).toMatchObject({
    code: 'PUSH_UNAVAILABLE',
    message: expect.stringMatching(/is not installed.*npm install @huggingface\/hub@2/) as string,
  })
})

/** Installs the built core in an empty directory, without other packages, and runs a script with it. */
async function errorOfCopy(entry: string, script: string, prepare: (modules: string) => Promise<void>) {
  const place = await mkdtemp(join(root, 'installed-'))
  const installed = join(place, 'node_modules/@modelseal/core')
  const core = dirname(createRequire(import.meta.url).resolve('@modelseal/core/package.json'))
  await cp(join(core, 'dist'), join(installed, 'dist'), { recursive: true })
  await cp(join(core, 'package.json'), join(installed, 'package.json'))
  await prepare(join(place, 'node_modules'))
  const program = `
    const main = async (signing) => { ${script} }
    import(process.argv[1]).then(main).catch((error) => console.log(JSON.stringify(error)))`
  const empty = join(place, 'model')
  await mkdir(empty)
  // Package managers set NODE_PATH for scripts, so CommonJS would find packages elsewhere.
  const env = { ...process.env, NODE_PATH: '' }
  const { stdout } = spawnSync(process.execPath, ['-e', program, join(installed, 'dist', entry)], { env, cwd: empty })
  return JSON.parse(stdout.toString()) as { code: string; message: string }
}
