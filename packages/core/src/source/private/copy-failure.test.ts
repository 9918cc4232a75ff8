import { constants } from 'node:os'
import { expect, test } from 'vitest'
import { copyHint, directoryHint, remedyAnywhere } from './copy-failure.ts'
import { systemError } from '../file-errors.ts'

test.each([
  ['ENOSPC', /^Free disk space on the file system of "\/place"/],
  ['EDQUOT', /quota on the file system of "\/place"/],
  // As Node.js reports it on Linux.
  [`Unknown system error -${constants.errno.EDQUOT}`, /quota on the file system of "\/place"/],
  ['EFBIG', /ulimit -f/],
  ['EROFS', /not read-only/],
  ['EACCES', /^Let this user write to "\/place"/],
  ['EPERM', /^Let this user write to "\/place"/],
  ['EIO', /^Set TMPDIR to another directory/],
])('%s: the hint names the place, or suggests another one', (code, hint) => {
  for (const hintOf of [copyHint, directoryHint]) expect(hintOf(systemError(code), '/place')).toMatch(hint)
  expect(directoryHint(systemError(code), '/place')).toContain('TMPDIR')
  expect(remedyAnywhere(systemError(code), '/place')).toBeUndefined()
})

test.each([
  ['EMFILE', /ulimit -n/],
  ['ENFILE', /^Close files/],
  ['ERR_ACCESS_DENIED', /--allow-fs-write/],
])('%s: the hint suggests no other directory', (code, hint) => {
  for (const hintOf of [copyHint, directoryHint]) {
    expect(hintOf(systemError(code), '/place')).toMatch(hint)
    expect(hintOf(systemError(code), '/place')).not.toContain('TMPDIR')
  }
  expect(remedyAnywhere(systemError(code), '/place')).toMatch(hint)
})

test('the hint says to create a missing directory, and that a private one was removed', () => {
  expect(directoryHint(systemError('ENOENT'), '/place')).toMatch(/^Create the directory "\/place"/)
  expect(copyHint(systemError('ENOENT'), '/place/modelseal-a/files')).toMatch(/^Another program removed/)
})
