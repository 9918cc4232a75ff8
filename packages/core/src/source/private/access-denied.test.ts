import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { denialHint } from './access-denied.ts'

/** As Node.js throws it. */
function denied(permission: string, resource: string): Error {
  return Object.assign(new Error('Access to this API has been restricted.'), {
    code: 'ERR_ACCESS_DENIED',
    permission,
    resource,
  })
}

const start = (option: string) => `Node.js runs with --permission: start it with ${option} as well.`

test.each([
  [denied('FileSystemRead', '/models/vad'), start('--allow-fs-read="/models/vad"')],
  [denied('FileSystemRead', 'a.pub'), start(`--allow-fs-read="${resolve('a.pub')}"`)],
  // Who may read the root may read everything.
  [denied('FileSystemRead', '/'), start('--allow-fs-read=*')],
  [denied('FileSystemWrite', '/models/model.sig'), start('--allow-fs-write="/models/model.sig"')],
  [denied('WorkerThreads', ''), start('--allow-worker')],
  [denied('ChildProcess', 'ls'), start('--allow-child-process')],
  [denied('Net', ''), start('--allow-net')],
  // symlink() says neither which permission nor which path.
  [Object.assign(new Error(), { code: 'ERR_ACCESS_DENIED' }), start('--allow-fs-read=* and --allow-fs-write=*')],
  [Object.assign(new Error(), { code: 'ERR_DLOPEN_DISABLED' }), 'Start Node.js without --no-addons.'],
  [
    new Error('no binding', { cause: Object.assign(new Error(), { code: 'ERR_DLOPEN_DISABLED' }) }),
    'Start Node.js without --no-addons.',
  ],
  [Object.assign(new Error(), { code: 'EACCES' }), undefined],
  [undefined, undefined],
])('what Node.js denies: %s', (cause, hint) => {
  expect(denialHint(cause)).toBe(hint)
})

test('where a file of a random name was denied, its directory is to be allowed', () => {
  expect(denialHint(denied('FileSystemWrite', '/tmp/modelseal-XXXXXX'), '/tmp')).toBe(start('--allow-fs-write="/tmp"'))
})
