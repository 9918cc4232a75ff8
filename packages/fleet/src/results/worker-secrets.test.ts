import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { refusal, scratch } from '../../../core/src/testing/scratch.ts'
import { newWorkerKey, OWN_NAME, ownKey, readWorkerKey, readWorkerKeys, WorkerSecrets } from './worker-secrets.ts'

function privateFile(text: string, mode = 0o600): string {
  const path = join(scratch({ secrets: text }), 'secrets')
  chmodSync(path, mode)
  return path
}

test('a new secret is read by the worker and by the coordinator', async () => {
  const lines = [newWorkerKey('one'), newWorkerKey('two')]
  const key = await readWorkerKey(privateFile(lines[0] ?? ''))
  const all = new WorkerSecrets(await readWorkerKeys(privateFile(`# Workers\n${lines.join('')}`)))
  expect(key.name).toBe('one')
  expect(key.secret).toHaveLength(32)
  expect(all.of('one')).toEqual(key.secret)
  expect(all.of('two')).not.toEqual(key.secret)
  expect(all.of('toString')).toBeUndefined()
})

const SECRET = 'A'.repeat(43)

test.each([
  ['a name twice', `one ${SECRET}\none ${'B'.repeat(43)}\n`],
  ['a secret twice', `one ${SECRET}\ntwo ${SECRET}\n`],
  ['the name of the coordinator', `${OWN_NAME} ${SECRET}\n`],
  ['nothing', '# none\n'],
  ['a short secret', 'one abc\n'],
  ['a third word', `one ${SECRET} more\n`],
  ['a name with a slash', `a/b ${SECRET}\n`],
])('a file with %s is refused', async (_, text) => {
  await expect(readWorkerKeys(privateFile(text))).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('the file of a worker has one secret', async () => {
  const two = privateFile(newWorkerKey('one') + newWorkerKey('two'))
  await expect(readWorkerKey(two)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('a file that others can read is refused', async () => {
  const file = privateFile(newWorkerKey('one'), 0o644)
  await expect(readWorkerKeys(file)).rejects.toEqual(refusal('INVALID_ARGUMENT', { file }))
  await expect(readWorkerKey(file)).rejects.toEqual(refusal('INVALID_ARGUMENT', { file }))
})

test.each(['', 'a b', '.hidden', 'x'.repeat(65), OWN_NAME])('no worker is called "%s"', (name) => {
  expect(() => newWorkerKey(name)).toThrow(refusal('INVALID_ARGUMENT'))
})

test('this process has one secret, which it keeps', async () => {
  vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache'))
  onTestFinished(() => void vi.unstubAllEnvs())
  const keys = await Promise.all([ownKey(), ownKey(), ownKey()])
  expect(new Set(keys.map(({ secret }) => secret.toString('hex'))).size).toBe(1)
  expect(await ownKey()).toEqual(keys[0])
  expect(keys[0].name).toBe(OWN_NAME)
})
