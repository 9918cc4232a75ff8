import { describe, expect, test } from 'vitest'
import { tufFault } from './fault.ts'

const URL = 'https://tuf.test'
const FILE = '/cache/record.json'

const WORDS: Readonly<Record<string, string>> = {
  TUF_EXPIRED: 'expired',
  TUF_SIGNATURE: 'lacks required signatures',
  TUF_ROLLBACK: 'has an unexpected version',
  TUF_INVALID: 'is malformed or was modified',
}

describe('an error of the TUF libraries', () => {
  test.each([
    ['timestamp.json is expired', 'TUF_EXPIRED', 'Check the clock'],
    ['root was signed by 0/1 keys', 'TUF_SIGNATURE', 'What was fetched before'],
    ['multiple signatures by the same key', 'TUF_SIGNATURE', 'What was fetched before'],
    ['New snapshot version 1 is less than current version 2', 'TUF_ROLLBACK', 'replaying old metadata'],
    [`Version ${'x'.repeat(200)}doesn't match`, 'TUF_ROLLBACK', 'replaying old metadata'],
    ['version 3 does not match', 'TUF_ROLLBACK', 'replaying old metadata'],
    ['Expected version 2 of root.json, got 3', 'TUF_ROLLBACK', 'replaying old metadata'],
    ['Missing file targets.json', 'TUF_ROLLBACK', 'replaying old metadata'],
    [`version ${'x'.repeat(201)}less than`, 'TUF_INVALID', 'What was fetched before'],
    ['Expected length 7', 'TUF_INVALID', 'What was fetched before'],
    ['', 'TUF_INVALID', 'What was fetched before'],
  ])('that says "%s" becomes %s', (message, code, hint) => {
    const cause = new Error(message)
    const error = tufFault(cause, URL)
    expect(error).toMatchObject({ code, file: undefined, found: JSON.stringify(message), cause })
    expect(error.hint).toContain(hint)
    expect(error.message).toContain(`The metadata of the TUF repository "${URL}" ${WORDS[code]}. `)
    const cached = tufFault(cause, URL, FILE)
    expect(cached).toMatchObject({ code, file: FILE, found: JSON.stringify(message) })
    expect(cached.hint).toContain(`remove the file "${FILE}"`)
    expect(cached.message).toContain(`"${URL}" in the cache `)
  })
})
