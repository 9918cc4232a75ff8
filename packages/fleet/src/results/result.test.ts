import { expect, test } from 'vitest'
import { canonicalJson } from '@modelseal/core/distributed'
import { ModelSealError } from '@modelseal/core/errors'
import { writeJob, type Job } from '../jobs/job.ts'
import { workerKey } from '../testing/models.ts'
import { authenticResult, refusalOf, sealResult } from './result.ts'
import { WorkerSecrets } from './worker-secrets.ts'

const job: Job = {
  v: 1,
  files: [{ name: '/a', size: 4, version: 'v', parts: [{ hashType: 'sha256', start: 0, end: 4 }] }],
}
const { id } = writeJob(job)
const [one, two] = [workerKey('one'), workerKey('two')]
const secrets = new WorkerSecrets([one, two])
const digests = ['ab'.repeat(32)]
const sealed = (outcome: Parameters<typeof sealResult>[1] = { digests }, key = one, of = id) =>
  sealResult({ job: of, worker: key.name, secret: key.secret }, outcome)
const changed = (change: object) => canonicalJson({ ...(JSON.parse(sealed()) as object), ...change })

test('what a known worker found counts', () => {
  const now = Math.floor(Date.now() / 1_000)
  expect(authenticResult(sealed(), { id, job }, secrets)).toMatchObject({ worker: 'one', digests })
  expect(JSON.parse(sealed())).toMatchObject({
    time: expect.toSatisfy((time: number) => Math.abs(time - now) < 5) as number,
  })
})

test('a refusal says why', () => {
  const refused = refusalOf(new ModelSealError('FILE_CHANGED', 'The file /a changed.'))
  expect(authenticResult(sealed(refused), { id, job }, secrets)).toMatchObject({
    digests: [],
    refusal: { code: 'FILE_CHANGED', message: 'The file /a changed.' },
  })
  expect(refusalOf(new Error('x'))).toMatchObject({ refusal: { code: 'WORKER_FAILED' } })
})

test.each([
  ['no JSON', 'digests', 'it is not JSON'],
  ['null', 'null', 'malformed'],
  ['too much text', ' '.repeat(300_000), 'too large'],
  ['another digest', changed({ digests: ['cd'.repeat(32)] }), 'it was not made with the secret of one'],
  ['another time', changed({ time: 1 }), 'it was not made with the secret of one'],
  ['another worker', changed({ worker: 'two' }), 'it was not made with the secret of two'],
  ['an unknown worker', sealed({ digests }, workerKey('three')), 'no worker is known as three'],
  ['a worker by a name of JavaScript', changed({ worker: 'constructor' }), 'no worker is known as constructor'],
  ['another job', sealed({ digests }, one, '0'.repeat(64)), 'about another job'],
  ['an unknown field', changed({ more: 1 }), 'malformed'],
  ['no code', changed({ mac: '' }), 'malformed'],
  ['too few digests', sealed({ digests: [] }), 'other digests'],
  ['too many digests', sealed({ digests: [...digests, ...digests] }), 'other digests'],
  ['a digest of another length', sealed({ digests: ['ab'.repeat(64)] }), 'other digests'],
  ['digests and a refusal', sealed({ digests, refusal: { code: 'FILE_CHANGED', message: '' } }), 'a refusal'],
])('a result with %s does not count', (_, text, reason) => {
  expect(authenticResult(text, { id, job }, secrets)).toContain(reason)
})
