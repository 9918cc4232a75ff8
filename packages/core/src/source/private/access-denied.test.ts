import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { denialHint } from './access-denied.ts'

/** The error that Node.js throws. */
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
  // Read access to the root is read access to everything.
  [denied('FileSystemRead', '/'), start('--allow-fs-read=*')],
  [denied('FileSystemWrite', '/models/model.sig'), start('--allow-fs-write="/models/model.sig"')],
  [denied('WorkerThreads', ''), start('--allow-worker')],
  [denied('ChildProcess', 'ls'), start('--allow-child-process')],
  [denied('Net', ''), start('--allow-net')],
  // symlink() names neither the permission nor the path.
  [Object.assign(new Error(), { code: 'ERR_ACCESS_DENIED' }), start('--allow-fs-read=* and --allow-fs-write=*')],
  [Object.assign(new Error(), { code: 'ERR_DLOPEN_DISABLED' }), 'Start Node.js without --no-addons.'],
  [
    new Error('no binding', { cause: Object.assign(new Error(), { code: 'ERR_DLOPEN_DISABLED' }) }),
    'Start Node.js without --no-addons.',
  ],
  [Object.assign(new Error(), { code: 'EACCES' }), undefined],
  [undefined, undefined],
])('names the option for %s', (cause, hint) => {
  expect(denialHint(cause)).toBe(hint)
})

test('names the directory if a file with a random name was denied', () => {
  expect(denialHint(denied('FileSystemWrite', '/tmp/modelseal-XXXXXX'), '/tmp')).toBe(start('--allow-fs-write="/tmp"'))
})
