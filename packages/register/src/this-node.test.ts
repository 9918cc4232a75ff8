import { chmodSync, linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { isThisNode, pathIn } from './this-node.ts'

const { execPath } = process
let directory: string
let executable: string

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-')))
  mkdirSync(join(directory, 'bin'))
  executable = join(directory, 'bin/node')
  writeFileSync(executable, '', { mode: 0o755 })
  process.execPath = executable
})
afterEach(() => {
  process.execPath = execPath
  rmSync(directory, { recursive: true })
})

const path = '/nowhere'

describe.skipIf(process.platform === 'win32')('finds this Node.js', () => {
  test('by a symbolic link and by a hard link', () => {
    symlinkSync(executable, join(directory, 'link'))
    linkSync(executable, join(directory, 'hard'))
    expect(isThisNode(join(directory, 'link'), { path })).toBe(true)
    expect(isThisNode(join(directory, 'hard'), { path })).toBe(true)
    writeFileSync(join(directory, 'copy'), '', { mode: 0o755 })
    expect(isThisNode(join(directory, 'copy'), { path })).toBe(false)
  })

  test('by a path relative to the working directory of the child', () => {
    expect(isThisNode('./node', { path, cwd: join(directory, 'bin') })).toBe(true)
    expect(isThisNode('bin/node', { path, cwd: pathToFileURL(directory) })).toBe(true)
    expect(isThisNode('./node', { path, cwd: directory })).toBe(false)
  })

  test('by a name in PATH, whose entries may be relative or empty', () => {
    const cwd = join(directory, 'bin')
    expect(isThisNode('node', { path: cwd })).toBe(true)
    expect(isThisNode('node', { path: 'bin', cwd: directory })).toBe(true)
    for (const empty of ['', ':/nowhere', '/nowhere:']) expect(isThisNode('node', { path: empty, cwd })).toBe(true)
    expect(isThisNode('node', { path, cwd })).toBe(false)
    expect(isThisNode('node', { path: undefined, cwd })).toBe(false)
  })

  test('after a directory and a non-executable file with its name, but not after an executable one', () => {
    mkdirSync(join(directory, 'first/node'), { recursive: true })
    mkdirSync(join(directory, 'second'))
    writeFileSync(join(directory, 'second/node'), '', { mode: 0o644 })
    const search = ['first', 'second', 'bin'].map((name) => join(directory, name)).join(':')
    expect(isThisNode('node', { path: search })).toBe(true)
    chmodSync(join(directory, 'second/node'), 0o755)
    expect(isThisNode('node', { path: search })).toBe(false)
  })
})

test('takes the first PATH among variables, as getenv(3) does', () => {
  expect(pathIn(['A=1', 'PATH=/a', 'PATH=/b'])).toBe('/a')
  expect(pathIn(['XPATH=/a'])).toBeUndefined()
})

describe('on Windows', () => {
  /** The module asks which system this is when it is loaded. */
  const onWindows = async () => {
    const real = process.platform
    Object.defineProperty(process, 'platform', { value: 'win32', configurable: true })
    onTestFinished(() => void Object.defineProperty(process, 'platform', { value: real, configurable: true }))
    vi.resetModules()
    return import('./this-node.ts')
  }

  test('a name means the program with the extension "exe" too', async () => {
    const windows = await onWindows()
    linkSync(executable, join(directory, 'bin/other.exe'))
    expect(windows.isThisNode('other', { path: join(directory, 'bin') })).toBe(true)
    expect(isThisNode('other', { path: join(directory, 'bin') })).toBe(false)
  })

  test('a name is looked for in the working directory first', async () => {
    const windows = await onWindows()
    expect(windows.isThisNode('node', { path: '/nowhere', cwd: join(directory, 'bin') })).toBe(true)
    expect(isThisNode('node', { path: '/nowhere', cwd: join(directory, 'bin') })).toBe(false)
  })

  test('the name of the variable PATH has any case', async () => {
    const windows = await onWindows()
    expect(windows.pathIn(['Path=C:\\bin'])).toBe('C:\\bin')
    expect(pathIn(['Path=C:\\bin'])).toBeUndefined()
  })
})
