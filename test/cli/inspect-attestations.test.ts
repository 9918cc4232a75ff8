import { appendFile, mkdir, readdir, readFile, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { directory, failed, jsonOf, modelseal, rootDigestIn, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

const HOSTILE = `"><script>alert(1)</script>|\`[x](javascript:alert(1))\u202E`
const ATTEST = ['attest', 'key', 'vad', '--private-key']

beforeEach(async () => {
  await write('evaluation.json', evaluation(0.94))
  await write('policy.json', JSON.stringify(policy))
  await modelseal(SIGN)
  await modelseal([...ATTEST, 'release.key', '--type', 'evaluation', '--from', 'evaluation.json'])
})

function evaluation(value: number): string {
  const results = [{ metric: 'accuracy', value, slice: HOSTILE }]
  return JSON.stringify({ results, evaluatedOn: '2026-11-01T00:00:00Z', evaluator: HOSTILE })
}

const policy = {
  version: 1,
  trustRoots: { release: { publicKey: './release.pub' } },
  rules: [
    {
      name: 'ours',
      match: { path: '**' },
      signers: [{ key: 'release' }],
      require: {
        attestations: [{ type: 'evaluation', where: [{ metric: 'accuracy', slice: HOSTILE, atLeast: 0.9 }] }],
      },
    },
  ],
}

test('an attestation is merely claimed without a policy, and believed with one that it satisfies', async () => {
  const plain = await modelseal(['inspect', 'vad'])
  expect(plain).toMatchObject({ code: 0, stderr: '' })
  expect(plain.stdout).toMatch(/^Nothing was verified\./)
  expect(plain.stdout).toMatch(/^MERELY CLAIMED: Evaluation$/m)
  const judged = await modelseal(['inspect', 'vad', '--policy', 'policy.json'])
  expect(judged.code).toBe(0)
  expect(judged.stdout).toMatch(/^Accepted\./)
  expect(judged.stdout).toMatch(/^BELIEVED: Evaluation$/m)
  expect(judged.stdout).toMatch(/^ {2}signature +valid under the trust root "release" of the policy$/m)
  expect(plain.stdout).toContain('To trust this signer')
  expect(judged.stdout).not.toContain('To trust this signer')
  expect(judged.stdout).not.toMatch(/[^\n -~]/)
  const { result } = await jsonOf(['inspect', 'vad', '--policy', 'policy.json', '--json'], 0)
  expect(result).toMatchObject({
    verified: false,
    attestations: [{ kind: 'evaluation', belief: 'believed', verifiedSigner: { name: 'release' } }],
    contradictions: [],
    verdict: { decision: 'accepted' },
  })
})

test('contradictions are shown, and a model that the policy refuses has exit code 1', async () => {
  await write('evaluation.json', evaluation(0.5))
  await modelseal([...ATTEST, 'release.key', '--type', 'evaluation', '--from', 'evaluation.json'])
  const { code, stdout } = await modelseal(['inspect', 'vad', '--policy', 'policy.json'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^SIGNED, BUT NOT BELIEVED: Evaluation$/m)
  expect(stdout).toMatch(/^CONTRADICTIONS\n.*\n.*\n.*0\.94 \(believed, .*0\.5 \(signed, but not believed, /m)
  await write('vad/weights.bin', 'CHANGED')
  const { result } = await jsonOf(['inspect', 'vad', '--policy', 'policy.json', '--json'], 1)
  expect(result.verdict).toMatchObject({ decision: 'refused', error: { code: 'FILE_MISMATCH' } })
  expect(result.attestations.map(({ belief }: { belief: string }) => belief)).toEqual(['verified', 'verified'])
})

test('a page and Markdown show the same, and no hostile text gets into their structure', async () => {
  const { code, stdout } = await modelseal(['inspect', 'vad', '--policy', 'policy.json', '--html', 'vad.html'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: `Wrote ${join(directory, 'vad.html')}\n` })
  const page = await readFile(join(directory, 'vad.html'), 'utf8')
  expect(page).toMatch(/^<!doctype html>/)
  expect(page).toContain('</span> Believed</span>')
  expect(page).toContain('&#60;script&#62;alert(1)')
  expect(page).not.toMatch(/<script|\u202E/)
  const markdown = await modelseal(['inspect', 'vad', '--policy', 'policy.json', '--markdown'])
  const both = await modelseal(['inspect', 'vad', '--policy', 'policy.json', '--markdown', '--html', 'both.html'])
  expect(both).toEqual({ code: 0, stdout: markdown.stdout, stderr: `Note: Wrote ${join(directory, 'both.html')}\n` })
  expect(await readFile(join(directory, 'both.html'), 'utf8')).toMatch(/^<!doctype html>/)
  expect(markdown.stdout).toContain('**Believed.**')
  expect(markdown.stdout).not.toMatch(/<script|[^\n -~…]/)
})

test('a page replaces another page, and nothing else', async () => {
  const html = (file: string) => modelseal(['inspect', 'vad', '--html', file])
  await write('vad.html', 'old')
  expect((await html('vad.html')).code).toBe(0)
  await symlink('vad', join(directory, 'link'))
  for (const file of ['vad.claims.jsonl', 'vad/nested/page.html', 'link/page.html']) {
    const { code, stderr } = await html(file)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^Error INVALID_ARGUMENT: Cannot write the page to /)
  }
  failed(await html('missing/page.html'), 'FILE_WRITE_FAILED')
  await mkdir(join(directory, 'taken.html'))
  failed(await html('taken.html'), 'FILE_WRITE_FAILED')
  expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  expect(await readdir(join(directory, 'vad/nested'))).toEqual(['config.json'])
})

test('a policy that cannot be read is reported as by verify', async () => {
  await write('broken.json', '{"version":1')
  for (const [file, code] of [
    ['missing.json', 'POLICY_NOT_FOUND'],
    ['broken.json', 'POLICY_INVALID'],
  ] as const) {
    const verified = await modelseal(['verify', 'vad', '--policy', file])
    failed(verified, code)
    expect(await modelseal(['inspect', 'vad', '--policy', file])).toEqual(verified)
    expect(await modelseal(['inspect', 'vad', '--policy', file, '--html', 'vad.html'])).toEqual(verified)
    const { verdict } = await jsonOf(['inspect', 'vad', '--policy', file, '--json'], 1)
    expect(verdict).toMatchObject({ decision: 'refused', error: { code } })
  }
  expect(await readdir(directory)).not.toContain('vad.html')
})

test('Markdown and JSON contradict each other', async () => {
  const { code, stdout, stderr } = await modelseal(['inspect', 'vad', '--markdown', '--json'])
  expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    error: {
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining("'--markdown' cannot be used with option '--json'"),
    },
  })
})

test('a policy judges a model, not a bundle', async () => {
  const { code, stderr } = await modelseal(['inspect', 'vad/model.sig', '--policy', 'policy.json'])
  expect(code).toBe(2)
  expect(stderr).toContain('it is a bundle')
})

test('the provenance of a model leads to its datasets, and on to what these were made from', async () => {
  await mkdir(join(directory, 'speech'))
  await write('speech/train.bin', '')
  await truncate(join(directory, 'speech/train.bin'), 64 * 1024 * 1024 + 1)
  const key = ['--private-key', 'release.key']
  const sign = ['sign', 'key', 'speech', ...key, '--signature', 'speech/model.sig', '--format', 'dataset']
  const dataset = rootDigestIn((await modelseal(sign)).stdout) ?? ''
  const raw = `sha256:${'c'.repeat(64)}`
  const made = ['--type', 'provenance', '--builder', 'https://ci.example', '--build-type', 'https://ci.example/train']
  const attest = (model: string, name: string, digest: string) =>
    modelseal(['attest', 'key', model, ...key, ...made, '--dataset', `${name}=${digest}`])
  expect(await attest('speech', 'recordings', raw)).toMatchObject({ code: 0, stderr: '' })
  expect(await attest('vad', 'speech', dataset)).toMatchObject({ code: 0, stderr: '' })
  const lineageOf = async (model: string) => (await jsonOf(['inspect', model, '--json'], 0)).result.lineage
  const recordings = { role: 'dataset', name: 'recordings', sha256: 'c'.repeat(64), ancestors: [] }
  expect(await lineageOf('speech')).toMatchObject({ sha256: dataset.slice('sha256:'.length), ancestors: [recordings] })
  const speech = { role: 'dataset', name: 'speech', sha256: dataset.slice('sha256:'.length) }
  expect(await lineageOf('vad')).toMatchObject({ ancestors: [{ ...speech, ancestors: [] }] })
  // What is known about the dataset can be kept with the model.
  const claims = await readFile(join(directory, 'speech.claims.jsonl'), 'utf8')
  await appendFile(join(directory, 'vad.claims.jsonl'), claims)
  expect(await lineageOf('vad')).toMatchObject({ ancestors: [{ ...speech, ancestors: [recordings] }] })
  const { stdout } = await modelseal(['inspect', 'vad'])
  expect(stdout).toContain(
    [
      ' (this model)',
      `      "speech" ${dataset} (dataset, merely claimed)`,
      `          "recordings" ${raw} (dataset, merely claimed)\n`,
    ].join('\n'),
  )
})
