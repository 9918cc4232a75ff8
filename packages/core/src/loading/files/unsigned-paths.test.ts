import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { checkPolicy } from '../../policy/checking/check.ts'
import { GRANULARITY } from '../../receipts/receipt.ts'
import { digestModel } from '../../signing/digest-model.ts'
import { file, serve } from '../../testing/http-server.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import { judgeModel } from '../operations/judge-model.ts'
import { openJudged } from '../open-judged.ts'
import { openOptions } from '../open-options.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { TestSite } from '../../testing/site.ts'

const FILES = { 'config.json': '{}', 'cache/signed.bin': 'signed', 'sub/weights.bin': 'weights' }
const LIST = ['cache/**', 'lost+found', 'claims.jsonl', '**/*.tmp']

let site: TestSite
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
})
afterAll(() => site.remove())

/** A signed model with additional unsigned files. */
async function model(further: Record<string, string> = {}): Promise<string> {
  const name = `m${++count}`
  await site.model(name, FILES)
  await site.sign(name, 'a')
  await site.model(name, further)
  return name
}

function policy(require: object) {
  const rule = { name: 'all', match: { path: '**' }, signers: [{ key: 'a' }], require }
  return { version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules: [rule] }
}

const LISTED = { 'cache/junk': '', 'lost+found/deep/x': '', 'claims.jsonl': '', 'sub/a.tmp': '', 'b.tmp': '' }

/** Writes a file of a model by a name whose characters stand for bytes. */
function writeNamed(model: string, name: string): void {
  writeFileSync(Buffer.concat([Buffer.from(`${site.file(model)}/`), Buffer.from(name, 'latin1')]), '')
}

describe.each([undefined, 'all', 'loaded', 'ignore-unsigned'])(
  'a rule with a list of unsigned paths, and files: %s',
  (files) => {
    const require = { unsigned: LIST, ...(files === undefined ? {} : { files }) }

    test('accepts anything on the list, and hands none of it out', async () => {
      const name = await model(LISTED)
      symlinkSync('/etc/hostname', site.file(name, 'cache/link'))
      fifo(site.file(name, 'cache/fifo'))
      mkdirSync(site.file(name, 'cache', ...Array<string>(300).fill('d')), { recursive: true })
      const opened = await openVerifiedModel(site.file(name), { policy: await site.policy(policy(require)) })
      expect(opened.verdict.decision).toBe('accepted')
      expect([...opened.files].sort()).toEqual(Object.keys(FILES).sort())
      for (const unsigned of [...Object.keys(LISTED), 'cache/link', 'cache/fifo', 'cache']) {
        await expect(opened.read(unsigned)).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
        await expect(opened.place([unsigned])).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
        await expect(opened.stream(unsigned)).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
      }
      await opened.close()
    })

    test.runIf(process.platform === 'linux')('accepts a name on the list that is not UTF-8', async () => {
      const name = await model()
      for (const path of ['cache/\xff', 'sub/\xff.tmp', '\xc0\xaf.tmp']) writeNamed(name, path)
      expect(await site.judge(name, policy(require))).toBe('accepted')
    })

    test.runIf(process.platform === 'linux' && files !== 'ignore-unsigned')(
      'refuses a name that is not UTF-8 if the list does not cover it, or a signed name looks the same',
      async () => {
        const name = await model()
        writeNamed(name, 'sub/\xff')
        expect(await site.judge(name, policy(require))).toBe('refused FILE_NAME')
        expect(await site.judge(name, policy({ ...require, unsigned: ['sub/*'] }))).toBe('accepted')

        const alike = `alike-${name}`
        for (const signed of ['sub/\ufffd.tmp', 'sub/\ufffd/x']) {
          await site.model(alike, { [signed]: 'signed' })
          await site.sign(alike, 'a')
          expect(await site.judge(alike, policy({ ...require, unsigned: ['sub/*'] }))).toBe('accepted')
          writeNamed(alike, signed.endsWith('x') ? 'sub/\xff' : 'sub/\xff.tmp')
          expect(await site.judge(alike, policy({ ...require, unsigned: ['sub/*'] }))).toBe('refused FILE_NAME')
          rmSync(site.file(alike), { recursive: true })
        }
      },
    )

    test('compares signed files even if the list covers them', async () => {
      const changed = await model({ 'cache/signed.bin': 'change' })
      const opened = openVerifiedModel(site.file(changed), { policy: await site.policy(policy(require)) }, (reader) =>
        reader.read('cache/signed.bin'),
      )
      await expect(opened).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'cache/signed.bin' }))
    })

    test.runIf(files !== 'ignore-unsigned')('refuses any other unsigned file', async () => {
      for (const unsigned of ['claims.json', 'sub/claims.jsonl', 'Cache/junk', 'lost+found2', 'tmp/x'])
        expect(await site.judge(await model({ [unsigned]: '' }), policy(require))).toBe('refused FILE_UNSIGNED')
    })
  },
)

test('a rule without such a list refuses every one of them but attestations', async () => {
  for (const [unsigned, content] of Object.entries(LISTED)) {
    const expected = unsigned === 'claims.jsonl' ? 'accepted' : 'refused FILE_UNSIGNED'
    expect(await site.judge(await model({ [unsigned]: content }), policy({}))).toBe(expected)
  }
})

test('a single glob is enough', async () => {
  expect(await site.judge(await model({ 'x/y': '' }), policy({ unsigned: 'x' }))).toBe('accepted')
})

test('a receipt does not cover files that were added later, except for those on the list', async () => {
  vi.stubEnv('MODELSEAL_CACHE', scratch())
  const name = await model(LISTED)
  await setTimeout(GRANULARITY + 100)
  const given = await site.policy(policy({ unsigned: LIST, receipts: 'allow' }))
  const load = async () => {
    const { decision, hashed, error } = await judgeModel(site.file(name), { policy: given })
    return [decision, hashed, error?.code]
  }
  expect(await load()).toEqual(['accepted', 'files', undefined])
  await setTimeout(GRANULARITY + 100)
  await site.model(name, { 'cache/later': '' })
  expect(await load()).toEqual(['accepted', 'receipt', undefined])
  await site.model(name, { 'sub/later': '' })
  expect(await load()).toEqual(['refused', undefined, 'FILE_UNSIGNED'])
  vi.unstubAllEnvs()
})

test.each(['/abs', '../up', 'a/../b', './a', 'a/', '', 'a//b', '[x]', [], '{../a,b}'])(
  'refuses the policy if the list is %j',
  async (unsigned) => {
    expect(await site.judge(await model(), policy({ unsigned }))).toBe('refused POLICY_INVALID')
  },
)

test.each([
  ['**', 1],
  ['*', 1],
  [['a', '**/*'], 1],
  [LIST, 0],
  ['*.tmp', 0],
])('policy check warns of a list that covers everything: %j', async (unsigned, warnings) => {
  const found = await checkPolicy(await site.policy(policy({ unsigned })))
  expect(found.filter(({ code }) => code === 'UNSIGNED_BROAD')).toHaveLength(warnings)
})

test('says in the verdict that there may be unsigned files', async () => {
  const reasons = async (require: object) => {
    const { checks } = await judgeModel(join(site.path, await model()), { policy: await site.policy(policy(require)) })
    return checks.find(({ check }) => check === 'files')?.reason
  }
  expect(await reasons({ unsigned: LIST })).toContain('unsigned')
  expect(await reasons({ files: 'ignore-unsigned' })).toContain('unsigned')
  expect(await reasons({})).not.toContain('unsigned')
})

test('two policies that judge one load allow only the unsigned files that both allow', async () => {
  const judged = async (name: string, ...requires: object[]) => {
    const judges = await Promise.all(requires.map(async (each) => ({ policy: await site.policy(policy(each)) })))
    const [first, ...others] = judges
    const load = { source: site.file(name), options: openOptions({}), gather: () => Promise.resolve() }
    const opened = openJudged(load, [first ?? {}, ...others])
    return opened.then(({ verdict }) => verdict.decision).catch((error: unknown) => (error as { code: string }).code)
  }
  const name = await model({ 'cache/a/x': '', 'cache/b/x': '' })
  expect(await judged(name, { unsigned: 'cache' }, { unsigned: ['cache/a', 'cache/b/*'] })).toBe('accepted')
  expect(await judged(name, { files: 'ignore-unsigned' }, { unsigned: 'cache/**' })).toBe('accepted')
  expect(await judged(name, { unsigned: 'cache' }, { unsigned: 'cache/a' })).toBe('FILE_UNSIGNED')
  expect(await judged(name, { unsigned: 'cache' }, {})).toBe('FILE_UNSIGNED')
  expect(await judged(name, { files: 'ignore-unsigned' }, { files: 'loaded' })).toBe('FILE_UNSIGNED')
})

describe('a rule in the mode audit, under a policy that revokes root digests', () => {
  /** A model that is refused, and so tolerated, unless its root digest is the revoked one. */
  const judged = async (name: string, revoked: string) => {
    const rules = [
      { name: 'all', match: { path: '**' }, mode: 'audit', signers: [{ key: 'a' }], require: { unsigned: LIST } },
    ]
    const file = await site.policy({ ...policy({}), rules, revoked: { rootDigests: [revoked] } })
    return openVerifiedModel(site.file(name), { policy: file })
      .then((opened) => opened.read('cache/junk').finally(() => opened.close()))

      .then(
        (bytes) => Buffer.from(bytes).toString(),
        (error: unknown) => (error as { code: string }).code,
      )
  }
  const unsigned = async (files: Record<string, string>) => site.model(`m${++count}`, files).then(() => `m${count}`)

  test('recognizes the model whatever its unsigned files are, even if they cannot be read', async () => {
    const name = await unsigned(FILES)
    const { rootDigest } = await digestModel(site.file(name))
    await site.model(name, { 'cache/junk': 'junk' })
    const other = 'f'.repeat(64)
    // "cache/signed.bin" is on the list as well: the publisher may or may not have signed it.
    expect(await judged(name, rootDigest)).toBe('junk')
    const { rootDigest: withoutCache } = await digestModel(site.file(name), { ignorePaths: [site.file(name, 'cache')] })
    expect(await judged(name, withoutCache)).toBe('MODEL_REVOKED')
    expect(await judged(name, (await digestModel(site.file(name))).rootDigest)).toBe('MODEL_REVOKED')
    fifo(site.file(name, 'cache/fifo'))
    expect(await judged(name, withoutCache)).toBe('MODEL_REVOKED')
    expect(await judged(name, other)).toBe('junk')
  })

  test('does not treat the list as ignored paths', async () => {
    const name = await unsigned({ 'config.json': '{}', 'other/fifo.txt': '' })
    fifo(site.file(name, 'other/fifo'))
    expect(await judged(name, 'f'.repeat(64))).toBe('FILE_SPECIAL')
  })
})

test('over HTTP, nothing on the list is fetched, and signed files are still checked', async () => {
  const name = await model({ 'cache/junk': 'junk' })
  const tree = (changes: Record<string, string>) =>
    Object.fromEntries(
      Object.entries({ ...FILES, 'cache/junk': 'junk', ...changes }).map(([path, text]) => [`/m/${path}`, file(text)]),
    )
  const bundle = { '/m/model.sig': file(readFileSync(site.file(`${name}.sig`))) }
  const rules = [{ name: 'all', match: { url: '**' }, signers: [{ key: 'a' }], require: { unsigned: LIST } }]
  const served = await site.policy({ ...policy({}), rules })
  const { origin, asked } = await serve({ ...tree({}), ...bundle })
  const opened = await openVerifiedModel(`${origin}/m/`, { policy: served })
  expect(opened.verdict.decision).toBe('accepted')
  await expect(opened.read('cache/junk')).rejects.toEqual(refusal('FILE_NOT_SIGNED'))
  expect(asked).not.toContain('/m/cache/junk')
  expect(asked).toContain('/m/cache/signed.bin')
  await opened.close()
  const changed = await serve({ ...tree({ 'cache/signed.bin': 'change' }), ...bundle })
  await expect(openVerifiedModel(`${changed.origin}/m/`, { policy: served })).rejects.toEqual(
    refusal('FILE_MISMATCH', { file: 'cache/signed.bin' }),
  )
})
