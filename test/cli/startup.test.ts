import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { directory, modelseal, POLICY, SIGN, useWorkingDirectory, VERIFY } from './modelseal.ts'

useWorkingDirectory()

const REPORTER = new URL('../support/report-loaded-files.mjs', import.meta.url).href
const PACKAGES = fileURLToPath(new URL('../../packages/', import.meta.url))

/** The files that the reporter listed, except itself, relative to the packages folder. */
function loadedFiles(stderr: string): string[] {
  return [...stderr.matchAll(/^loaded (.*)$/gm)]
    .map(([, url = '']) => url)
    .filter((url) => url !== REPORTER)
    .map((url) => fileURLToPath(url).replace(PACKAGES, ''))
}

describe('a process loads only what it needs:', () => {
  test('verifying with a key loads the program file and no library', async () => {
    await modelseal(SIGN)
    const { code, stderr } = await modelseal(VERIFY, {}, ['--import', REPORTER])
    expect(code).toBe(0)
    expect(loadedFiles(stderr)).toEqual([
      'cli/bin/modelseal.cjs',
      'cli/package.json',
      'cli/bin/compile-cache.cjs',
      'cli/dist/main.cjs',
    ])
  })

  test('verifying by a policy with keys loads the program file and no library', async () => {
    await writeFile(join(directory, 'policy.yaml'), POLICY)
    await modelseal(SIGN)
    const { code, stderr } = await modelseal(['verify', 'vad', '--policy', 'policy.yaml'], {}, ['--import', REPORTER])
    expect(code).toBe(0)
    expect(loadedFiles(stderr).slice(3)).toEqual(['cli/dist/main.cjs'])
  })

  test('fleets, hubs, object stores, journals and the libraries for certificates and Sigstore are in six files beside the program, which need no package', async () => {
    const program = await readFile(join(PACKAGES, 'cli/dist/main.cjs'), 'utf8')
    const files = new Set(Array.from(program.matchAll(/require\("\.\/([^"]+)"\)/g), ([, file = '']) => file))
    expect([...files].sort()).toEqual([
      'certificate-libraries.cjs',
      'fleets.cjs',
      'hubs.cjs',
      'journals.cjs',
      'object-stores.cjs',
      'sigstore-libraries.cjs',
    ])
    for (const file of files) {
      const text = await readFile(join(PACKAGES, 'cli/dist', file), 'utf8')
      const loaded = Array.from(text.matchAll(/\b(?:require|import)\(["']([^"']+)["']\)/g), ([, name = '']) => name)
      expect(loaded.filter((name) => !isBuiltin(name))).toEqual([])
    }
  })

  test.each(['import("@modelseal/core")', 'require("@modelseal/core")'])('%s loads no library', async (script) => {
    const args = ['--import', REPORTER, '--eval', script]
    const { stderr } = await promisify(execFile)(process.execPath, args, {
      cwd: fileURLToPath(new URL('..', REPORTER)),
    })
    const loaded = loadedFiles(stderr)
    expect(loaded.length).toBeGreaterThan(0)
    // Each file takes a millisecond to find and read.
    expect(loaded.length).toBeLessThanOrEqual(4)
    expect(loaded.filter((file) => !file.startsWith('core/dist/'))).toEqual([])
    const texts = await Promise.all(loaded.map((file) => readFile(join(PACKAGES, file), 'utf8')))
    expect(texts.filter((text) => /^\/\/ .*node_modules\/(asn1js|pkijs)\//m.test(text))).toEqual([])
  })

  test('a policy loads few files, and the engine for regular expressions only if it contains one', async () => {
    const texts = async (policy: string) => {
      await writeFile(join(directory, 'policy.yaml'), policy)
      const core = JSON.stringify(new URL('core/dist/index.js', `file://${PACKAGES}`))
      const script = `const { loadPolicy } = await import(${core}); await loadPolicy('policy.yaml')`
      const args = ['--import', REPORTER, '--input-type=module', '--eval', script]
      const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: directory })
      return Promise.all(loadedFiles(stderr).map((file) => readFile(join(PACKAGES, file), 'utf8')))
    }
    const holdsEngine = (text: string) => /^\/\/ .*node_modules\/re2js\//m.test(text)
    const plain = await texts(POLICY)
    expect(plain.length).toBeLessThanOrEqual(7)
    expect(plain.filter(holdsEngine)).toEqual([])
    // A key with an escape, so that searching the text for the word would not find it.
    const revoked = 'revoked: { identities: [{ identity: { "r\\x65gexp": "mallory.*" } }] }\n'
    expect((await texts(POLICY + revoked)).filter(holdsEngine)).toHaveLength(1)
  })

  test.each(['onnxruntime', 'tfjs'])('importing @modelseal/%s loads no library', async (name) => {
    const script = `await import(${JSON.stringify(new URL(`${name}/dist/any-runtime.js`, `file://${PACKAGES}`))})`
    const args = ['--import', REPORTER, '--input-type=module', '--eval', script]
    const { stderr } = await promisify(execFile)(process.execPath, args)
    const loaded = loadedFiles(stderr)
    expect(loaded.length).toBeGreaterThan(0)
    expect(loaded.filter((file) => !/^(core|onnxruntime|tfjs)\/dist\//.test(file))).toEqual([])
    expect(loaded.length).toBeLessThanOrEqual(10)
  })

  test('importing the core loads no internal module of Node.js that it does not use', async () => {
    const core = JSON.stringify(new URL('core/dist/index.js', `file://${PACKAGES}`))
    const script = `await import(${core}); console.log(JSON.stringify(process.moduleLoadList))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
    const loaded = JSON.parse(stdout) as string[]
    expect(loaded).toContain('NativeModule crypto')
    expect(loaded).not.toContain('NativeModule internal/crypto/webcrypto')
    expect(loaded).not.toContain('NativeModule internal/fs/streams')
  })

  test('@modelseal/register adds a single file to the start of a program', async () => {
    const register = new URL('register/dist/index.js', `file://${PACKAGES}`).href
    const args = ['--import', REPORTER, '--import', register, '--eval', '0']
    const { stderr } = await promisify(execFile)(process.execPath, args)
    expect(loadedFiles(stderr)).toEqual(['register/dist/index.js'])
  })

  test('the program depends on the libraries that its core loads, in the versions that the core is built with', async () => {
    const [core, program, hub, objectStores, fleet] = await Promise.all(
      ['core', 'cli', 'hub', 's3', 'fleet'].map((name) => manifestOf(name)),
    )
    const text = await readFile(join(PACKAGES, 'cli/dist/main.cjs'), 'utf8')
    const loaded = [...text.matchAll(/\b(?:require|import|optionalPackage)\(["']([@a-z][^"']*)["']/g)]
      .map(([, name = '']) => name)
      .filter((name) => !isBuiltin(name))
    const packages = [...new Set(loaded.map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)![0]))]
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = program!
    expect(packages).toEqual(expect.arrayContaining(['@sigstore/sign', 're2js', 'tuf-js']))
    expect(packages).not.toEqual(expect.arrayContaining([expect.stringMatching(CARRIED)]))
    const bundled = Object.entries(program!.devDependencies!).filter(([name]) => CARRIED.test(name))
    expect(bundled).toHaveLength(6)
    expect(core?.devDependencies).toMatchObject(Object.fromEntries(bundled))
    const licenses = await readFile(join(PACKAGES, 'cli/dist/LICENSES.txt'), 'utf8')
    for (const [name, version] of bundled) expect(licenses).toContain(`${name} ${version}\n`)
    expect(packages.filter((name) => !{ ...dependencies, ...optionalDependencies, ...peerDependencies }[name])).toEqual(
      [],
    )
    const ofCore = Object.fromEntries(Object.entries(dependencies!).filter(([name]) => name !== 'cli-progress'))
    expect(core?.devDependencies).toMatchObject(ofCore)
    expect(Object.keys(ofCore).filter((name) => !packages.includes(name))).toEqual([])
    expect(optionalDependencies).toEqual(core?.optionalDependencies)
    // Hubs are uploaded to by a package that only publishers need.
    const ofHub = hub?.peerDependencies
    const optional = Object.entries(core!.peerDependencies!).filter(([name]) => INSTALLED_BY_USERS.test(name))
    expect(optional).toHaveLength(2)
    const others = { ...objectStores?.peerDependencies, ...fleet?.peerDependencies }
    expect(peerDependencies).toEqual({ ...ofHub, ...others, ...Object.fromEntries(optional) })
    const names = Object.keys(peerDependencies!)
    expect(peerDependenciesMeta).toEqual(Object.fromEntries(names.map((name) => [name, { optional: true }])))
  })

  test('the core has no required dependencies: libraries are bundled or optional', async () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = await manifestOf('core')
    expect(dependencies).toBeUndefined()
    expect(Object.keys(peerDependenciesMeta!)).toEqual(Object.keys(peerDependencies!))
  })

  test('LICENSES.txt of the core lists the bundled libraries with versions', async () => {
    const [core, program] = await Promise.all(['core', 'cli'].map((name) => manifestOf(name)))
    const licenses = await readFile(join(PACKAGES, 'core/dist/LICENSES.txt'), 'utf8')
    const all = { ...program?.dependencies, ...program?.devDependencies }
    const isPeer = (name: string) => name in (program?.peerDependencies ?? {})
    const carried = Object.keys(all).filter(
      (name) => core?.devDependencies?.[name] && !isPeer(name) && !INSTALLED_BY_USERS.test(name),
    )
    const named = (name: string) => licenses.includes(`${name} ${core?.devDependencies?.[name]}\n`)
    // Only the trusted root of @sigstore/tuf is bundled.
    expect(carried.filter((name) => !named(name))).toEqual(['@sigstore/sign'])
    expect(carried.length).toBeGreaterThan(10)
  })
})

/** The libraries that the program and the two files beside it contain. */
const CARRIED = /^(yaml|asn1js|pkijs|@sigstore\/(bundle|protobuf-specs|verify))$/

/** Optional packages: what reads tokens, and what validates CycloneDX documents. */
const INSTALLED_BY_USERS = /^(?:pkcs11js|@cyclonedx\/cyclonedx-library|ajv.*)$/

type Manifest = Partial<
  Record<
    'dependencies' | 'devDependencies' | 'optionalDependencies' | 'peerDependencies',
    Partial<Record<string, string>>
  > & { peerDependenciesMeta: object }
>

async function manifestOf(name: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(PACKAGES, name, 'package.json'), 'utf8')) as Manifest
}

describe('compiled code', () => {
  const kept = (caches = 'caches') => join(directory, caches, 'modelseal/compiled')
  const digest = (caches = 'caches') =>
    modelseal(['digest', 'vad'], { NODE_DISABLE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: join(directory, caches) })

  test('is cached where only this user has access', async () => {
    const first = await digest()
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect((await stat(kept())).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'caches'))).mode & 0o777).toBe(0o700)
    expect(await readdir(kept())).toHaveLength(1)
    expect(await digest()).toEqual(first)
  })

  test('is cached in the home directory by default', async () => {
    const env = { NODE_DISABLE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: 'relative', HOME: directory }
    expect(await modelseal(['digest', 'vad'], env)).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(kept('.cache'))).toHaveLength(1)
  })

  test.each(['caches/modelseal/compiled', 'caches/modelseal', 'caches'])(
    'is neither read nor written if others can write to %s',
    async (shared) => {
      await mkdir(kept(), { recursive: true, mode: 0o700 })
      await chmod(join(directory, shared), 0o770)
      expect(await digest()).toMatchObject({ code: 0, stderr: '' })
      expect(await readdir(kept())).toEqual([])
    },
  )

  test('is not cached behind a link to a directory that others can write to', async () => {
    await mkdir(kept('shared'), { recursive: true })
    await chmod(join(directory, 'shared'), 0o777)
    await chmod(kept('shared'), 0o700)
    await symlink('shared', join(directory, 'caches'))
    expect(await digest()).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(kept('shared'))).toEqual([])
  })

  test('creates no directory in one that others can write to', async () => {
    await mkdir(join(directory, 'caches'))
    await chmod(join(directory, 'caches'), 0o777)
    expect(await digest()).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(join(directory, 'caches'))).toEqual([])
  })

  test.runIf(process.getuid?.() === 0)(
    'is not cached in the home directory of another user, which sudo can leave in HOME',
    async () => {
      await mkdir(join(directory, 'caches'), { mode: 0o700 })
      await chown(join(directory, 'caches'), 65534, 65534)
      expect(await digest()).toMatchObject({ code: 0, stderr: '' })
      expect(await readdir(join(directory, 'caches'))).toEqual([])
    },
  )

  test.runIf(process.getuid?.() === 0)('is not read from a directory of another user', async () => {
    await mkdir(kept(), { recursive: true, mode: 0o700 })
    await chown(kept(), 65534, 65534)
    expect(await digest()).toMatchObject({ code: 0, stderr: '' })
    expect(await readdir(kept())).toEqual([])
  })
})
