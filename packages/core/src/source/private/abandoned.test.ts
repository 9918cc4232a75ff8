import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { scratch } from '../../testing/scratch.ts'
import { makePrivateDirectory } from './private-directory.ts'
import { isAbandoned, showLife } from './sign-of-life.ts'

const LINUX = process.platform === 'linux'
const MODULE = pathToFileURL(join(import.meta.dirname, 'private-directory.ts')).href
/** Makes a private directory with a file in it, prints its path, and keeps running. */
const HOLDING = `
  const { writeFileSync } = await import('node:fs')
  const { makePrivateDirectory } = await import(${JSON.stringify(MODULE)})
  const { files } = await makePrivateDirectory()
  writeFileSync(files + '/weights.bin', 'copied')
  console.log(files)
  setInterval(() => {}, 1000)
`
/** How a thread prints. */
const POST = ";(await import('node:worker_threads')).parentPort.postMessage"

afterEach(() => void vi.unstubAllEnvs())

/** A directory for temporary files that has not been searched for abandoned directories yet. */
function temporaryDirectory(name = ''): string {
  const directory = join(scratch(), name)
  mkdirSync(directory, { recursive: true })
  vi.stubEnv('TMPDIR', directory)
  return directory
}

/** @returns the root of the private directory that a killed process left behind */
async function killed(): Promise<string> {
  const { root, child } = await holding()
  child.kill('SIGKILL')
  await once(child, 'exit')
  return root
}

async function holding() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLDING], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [path] = (await once(child.stdout, 'data')) as [Buffer]
  return { root: dirname(path.toString().trim()), child }
}

/** Triggers the search, as a load does. */
async function makeAnother(): Promise<void> {
  const { remove } = await makePrivateDirectory()
  await remove()
}

describe.runIf(LINUX)('a directory that a killed process left', () => {
  test('is removed by the next process that makes a directory there', async () => {
    const temporary = temporaryDirectory()
    const root = await killed()
    expect(existsSync(join(root, 'files', 'weights.bin'))).toBe(true)
    await makeAnother()
    expect(readdirSync(temporary)).toEqual([])
  })

  test.runIf(process.geteuid?.() === 0)('is removed no matter how many directories others have there', async () => {
    const temporary = temporaryDirectory()
    const root = await killed()
    for (let index = 0; index < 300; index++) {
      const path = join(temporary, `modelseal-${String(index).padStart(6, '0')}`)
      mkdirSync(path, { mode: 0o700 })
      chownSync(path, 65_534, 65_534)
    }
    await makeAnother()
    expect(existsSync(root)).toBe(false)
    expect(readdirSync(temporary)).toHaveLength(300)
  })

  test('is removed even if paths are too long for a socket', async () => {
    const temporary = temporaryDirectory('a'.repeat(120))
    await killed()
    await makeAnother()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('is removed without following links in it', async () => {
    const outside = scratch({ 'kept.bin': 'kept' })
    const temporary = temporaryDirectory()
    const root = await killed()
    symlinkSync(outside, join(root, 'files', 'link'))
    await makeAnother()
    expect(readdirSync(temporary)).toEqual([])
    expect(readdirSync(outside)).toEqual(['kept.bin'])
  })

  test('stays if others may enter it, or could have replaced it', async () => {
    temporaryDirectory()
    const entered = await killed()
    chmodSync(entered, 0o711)
    await makeAnother()
    expect(existsSync(entered)).toBe(true)
    const temporary = temporaryDirectory()
    const exchanged = await killed()
    chmodSync(temporary, 0o777)
    await expect(makePrivateDirectory()).rejects.toThrow('could replace')
    expect(existsSync(exchanged)).toBe(true)
  })

  test('stays if it has another name', async () => {
    const temporary = temporaryDirectory()
    const root = await killed()
    renameSync(root, join(temporary, 'modelseal-of-mine'))
    symlinkSync('modelseal-of-mine', join(temporary, 'modelseal-abcdef'))
    await makeAnother()
    expect(readdirSync(temporary).sort()).toEqual(['modelseal-abcdef', 'modelseal-of-mine'])
    expect(existsSync(join(temporary, 'modelseal-of-mine', 'files', 'weights.bin'))).toBe(true)
  })
})

describe.runIf(LINUX)('a directory in use', () => {
  test('by another process stays', async () => {
    temporaryDirectory()
    const { root, child } = await holding()
    // A process that does not respond for long, for example because it is being debugged.
    child.kill('SIGSTOP')
    await makeAnother()
    expect(existsSync(join(root, 'files', 'weights.bin'))).toBe(true)
  })

  test('by this process stays, and so does one that never showed a sign of life', async () => {
    const temporary = temporaryDirectory()
    mkdirSync(join(temporary, 'modelseal-starts'), { mode: 0o700 })
    mkdirSync(join(temporary, 'modelseal-abcdef'), { mode: 0o700 })
    writeFileSync(join(temporary, 'modelseal-abcdef', 'alive'), '')
    const life = await showLife(join(temporary, 'modelseal-starts'))
    await makeAnother()
    expect(readdirSync(temporary).sort()).toEqual(['modelseal-abcdef', 'modelseal-starts'])
    life?.end()
  })

  test('by a thread is abandoned when the thread has been terminated', async () => {
    const script = scratch({ 'holding.mjs': HOLDING.replace('console.log', POST) })
    const temporary = temporaryDirectory()
    const worker = new Worker(join(script, 'holding.mjs'), { env: { ...process.env } })
    const [files] = (await once(worker, 'message')) as [string]
    expect(await isAbandoned(dirname(files))).toBe(false)
    await worker.terminate()
    expect(await isAbandoned(dirname(files))).toBe(true)
    await makeAnother()
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe.runIf(LINUX)('a sign of life', () => {
  test('is a socket that does not keep the process running', async () => {
    const directory = scratch()
    const life = await showLife(directory)
    expect(lstatSync(join(directory, 'alive')).isSocket()).toBe(true)
    expect(await isAbandoned(directory)).toBe(false)
    life?.end()
    expect(await isAbandoned(directory)).toBe(true)
    const script = `const { makePrivateDirectory } = await import(${JSON.stringify(MODULE)}); await makePrivateDirectory()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' })
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('is accepted no matter what listens there', async () => {
    const directory = scratch()
    const server = createServer().listen(join(directory, 'alive'))
    await once(server, 'listening')
    expect(await isAbandoned(directory)).toBe(false)
    server.close()
  })

  test('is a socket: neither a link to a dead one nor a file proves that a process has ended', async () => {
    const dead = scratch()
    ;(await showLife(dead))?.end()
    const directory = scratch()
    symlinkSync(join(dead, 'alive'), join(directory, 'alive'))
    expect(await isAbandoned(directory)).toBe(false)
    rmSync(join(directory, 'alive'))
    writeFileSync(join(directory, 'alive'), '')
    expect(await isAbandoned(directory)).toBe(false)
  })
})
