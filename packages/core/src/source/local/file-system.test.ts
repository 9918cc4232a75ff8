import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { scratch } from '../../testing/scratch.ts'
import { foreignFileSystem } from './file-system.ts'

describe.runIf(process.platform === 'linux')('a file system', () => {
  test('of this machine is local', () => {
    expect(foreignFileSystem(scratch())).toBeUndefined()
    if (existsSync('/dev/shm')) expect(foreignFileSystem('/dev/shm')).toBeUndefined()
  })

  test('that is not known to be local is named by its number', () => {
    expect(foreignFileSystem('/proc')).toBe('a file system (0x9fa0) that is not known to be local')
  })

  test('whose type is unknown is not local', () => {
    expect(foreignFileSystem('/nowhere/at/all')).toBe('a file system of unknown type')
  })
})
