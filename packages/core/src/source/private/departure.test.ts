import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { scratch } from '../../testing/scratch.ts'

const MODULE = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'private-directory.ts')).href)
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGALRM', 'SIGXCPU'] as const

/** A process with a private directory that contains a file. */
interface Holder {
  child: ChildProcess
  /** Its directory for temporary files. */
  temporary: string
  /** Its output, once it has ended. */
  output: Promise<string>
}

/**
 * @param before code that runs first
 * @param after code that runs once it has the directory
 */
async function holder(before = '', after = ''): Promise<Holder> {
  const temporary = scratch()
  const script = `
    import { writeFileSync } from 'node:fs'
    const { makePrivateDirectory } = await import(${MODULE})
    setInterval(() => {}, 1000)
    ${before}
    const directory = await makePrivateDirectory()
    writeFileSync(directory.files + '/weights.bin', 'copied')
    ${after}
    console.error('holds it')
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Some signals leave a core dump there.
    cwd: scratch(),
    env: { ...process.env, TMPDIR: temporary },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = text(child.stdout)
  await said(child, 'holds it')
  return { child, temporary, output }
}

/** Waits for a line on the standard error of a process, which may print warnings before it. It may also end. */
async function said({ stderr, exitCode, signalCode }: ChildProcess, line: string): Promise<void> {
  if (exitCode !== null || signalCode !== null) return
  let printed = ''
  await new Promise<void>((resolve) => {
    const read = (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.split('\n').includes(line)) done()
    }
    const done = () => {
      stderr!.off('data', read).off('end', done)
      resolve()
    }
    stderr!.on('data', read).on('end', done)
  })
}

async function ended({ child }: Holder): Promise<[code: number | null, signal: string | null]> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return [child.exitCode, child.signalCode]
}

describe.runIf(process.platform !== 'win32')('a process with a private directory', () => {
  test.each(SIGNALS)('leaves nothing behind when %s ends it, and dies of that signal', async (signal) => {
    const process = await holder()
    expect(readdirSync(process.temporary)).toHaveLength(1)
    process.child.kill(signal)
    expect(await ended(process)).toEqual([null, signal])
    expect(readdirSync(process.temporary)).toEqual([])
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'leaves nothing behind when %s ends it, even if names like that of its directory are taken',
    async (signal) => {
      const process = await holder()
      const [name = ''] = readdirSync(process.temporary)
      writeFileSync(join(process.temporary, `${name}-`), 'of another user')
      process.child.kill(signal)
      expect(await ended(process)).toEqual([null, signal])
      expect(readdirSync(process.temporary)).toEqual([`${name}-`])
    },
  )

  test.runIf(process.platform === 'linux')('keeps its directory if native code handles a signal', async () => {
    // Like a profiler, whose handler is not a listener.
    const native = `
      const { Signal } = process.binding('signal_wrap')
      const handler = new Signal()
      handler.onsignal = () => console.error('handled')
      handler.start(12)
    `
    const held = await holder(native)
    for (let i = 0; i < 2; i++) {
      const handled = said(held.child, 'handled')
      held.child.kill('SIGUSR2')
      await handled
    }
    expect(readdirSync(held.temporary)).toHaveLength(1)
    held.child.kill('SIGQUIT')
    expect(await ended(held)).toEqual([null, 'SIGQUIT'])
    expect(readdirSync(held.temporary)).toEqual([])
  })

  test.each([
    ['exits', 'process.exit(7)', 7],
    ['throws', "setImmediate(() => { throw new Error('on purpose') })", 1],
    ['leaves a rejection unhandled', "setImmediate(() => Promise.reject(new Error('on purpose')))", 1],
  ])('leaves nothing behind when it %s', async (_, after, code) => {
    const process = await holder('', after)
    expect(await ended(process)).toEqual([code, null])
    expect(readdirSync(process.temporary)).toEqual([])
  })

  test.each([
    ['on', 'before'],
    ['once', 'before'],
    ['prependListener', 'before'],
    ['on', 'after'],
    ['once', 'after'],
    ['prependOnceListener', 'after'],
  ])('decides itself with a listener added by %s %s it made the directory', async (add, when) => {
    // It keeps using its files until its work is done.
    const listener = `process.${add}('SIGTERM', () => {
      console.log('listeners', process.listenerCount('SIGTERM') - ${add.includes('nce') ? 0 : 1})
      setTimeout(async () => {
        const { readFileSync } = await import('node:fs')
        console.log(readFileSync(directory.files + '/weights.bin', 'utf8'))
        process.exit(5)
      }, 100)
    })`
    const process = await (when === 'before' ? holder(listener) : holder('', listener))
    process.child.kill('SIGTERM')
    expect(await ended(process)).toEqual([5, null])
    expect(await process.output).toBe('listeners 0\ncopied\n')
    expect(readdirSync(process.temporary)).toEqual([])
  })

  test('keeps running if its listener does, and leaves nothing behind when it ends later', async () => {
    const process = await holder("process.on('SIGTERM', () => console.error('still here'))")
    for (let i = 0; i < 2; i++) {
      process.child.kill('SIGTERM')
      await once(process.child.stderr!, 'data')
    }
    expect(readdirSync(process.temporary)).toHaveLength(1)
    process.child.kill('SIGINT')
    expect(await ended(process)).toEqual([null, 'SIGINT'])
    expect(readdirSync(process.temporary)).toEqual([])
  })

  test('leaves nothing behind if its listener cleans up first and then repeats the signal', async () => {
    const process = await holder(`
      const shutDown = () => setTimeout(() => {
        process.off('SIGTERM', shutDown)
        process.kill(process.pid, 'SIGTERM')
      }, 50)
      process.on('SIGTERM', shutDown)
    `)
    process.child.kill('SIGTERM')
    expect(await ended(process)).toEqual([null, 'SIGTERM'])
    expect(readdirSync(process.temporary)).toEqual([])
  })

  test.each([
    ['3', 'process.__signal_exit_emitter__ = { count: 1 }'],
    ['4', "globalThis[Symbol.for('signal-exit emitter')] = { count: 1 }"],
  ])('is ended by signal-exit %s, which counts listeners, and leaves nothing behind', async (_, emitter) => {
    const process = await holder(`
      ${emitter}
      const listener = () => {
        if (process.listeners('SIGTERM').length !== 1) return
        process.off('SIGTERM', listener)
        process.kill(process.pid, 'SIGTERM')
      }
      process.on('SIGTERM', listener)
    `)
    process.child.kill('SIGTERM')
    expect(await ended(process)).toEqual([null, 'SIGTERM'])
    expect(readdirSync(process.temporary)).toEqual([])
  })

  test('leaves nothing behind if two copies of this module have directories, and is ended once', async () => {
    const process = await holder(`
      const copy = await import(${MODULE} + '?copy')
      await copy.makePrivateDirectory()
    `)
    expect(readdirSync(process.temporary)).toHaveLength(2)
    process.child.kill('SIGTERM')
    expect(await ended(process)).toEqual([null, 'SIGTERM'])
    expect(readdirSync(process.temporary)).toHaveLength(0)
  })

  test('has no listeners left after it removed the directory', async () => {
    const count = `${JSON.stringify(['exit', 'newListener', ...SIGNALS])}.map((name) => process.listenerCount(name)).join()`
    const process = await holder(
      `const before = ${count}`,
      `const during = ${count}
       await directory.remove()
       console.log(before === during, before === ${count})
       process.exit()`,
    )
    await ended(process)
    expect(await process.output).toBe('false true\n')
  })
})
