import { join } from 'node:path'
import { appendFileSync, readFileSync, rmSync } from 'node:fs'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { TestRegistry } from '../../packages/hub/src/testing/oci-registry.ts'
import { SmallHub } from '../../packages/hub/src/testing/small-hub.ts'
import { directory, modelseal, POLICY, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

/** What the program prints with `--json`. */
interface Printed {
  readonly ok: boolean
  readonly command: string
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: string; readonly file?: string }
}

interface Bundle {
  readonly dsseEnvelope: { readonly payload: string }
}

interface Statement {
  readonly predicate: { readonly serialization: { readonly ignore_paths: readonly string[] } }
}

describe('push to Hugging Face', () => {
  let hub: SmallHub
  let environment: Record<string, string>
  beforeEach(async () => {
    hub = await SmallHub.start()
    onTestFinished(() => hub.close())
    hub.commit('org/vad', new Map([['.gitattributes', Buffer.from('')]]))
    environment = { HF_ENDPOINT: hub.origin, HF_TOKEN: 'hf_secret', HF_HUB_DISABLE_XET: '1' }
  })
  const push = async (...args: string[]) => {
    const ended = await modelseal(['push', ...args], environment)
    return { ...ended, printed: args.includes('--json') ? (JSON.parse(ended.stdout) as Printed) : undefined }
  }
  const served = () => [...(hub.repositories.get('org/vad')?.commits.values() ?? [])].at(-1)

  test('signs with a method, as "sign" does, and publishes in one commit', async () => {
    const { code, stdout, stderr } = await push(
      ...['key', 'vad', 'hf://org/vad', '--private-key', 'release.key', '--message', 'Release 1'],
    )
    expect(stderr).toContain('Note: Files that were not read back')
    expect(stdout).toMatch(/^Pushed "vad" to "hf:\/\/org\/vad"\n {2}commit +[0-9a-f]{40}\n/)
    expect(stdout).toMatch(/signer +key sha256:[0-9a-f]{64}/)
    expect(stdout).toMatch(/content +2 files, 100\.0 kB/)
    expect(stdout).toMatch(/read back +the list of 2 files, and the content of 1 \(2 bytes\)/)
    expect(code).toBe(0)
    expect([...(served()?.keys() ?? [])].sort()).toEqual([
      '.gitattributes',
      'model.sig',
      'nested/config.json',
      'weights.bin',
    ])
    expect(served()?.get('model.sig')).toEqual(readFileSync(join(directory, 'vad/model.sig')))
  })

  test('says what "sign" says about shards and a Croissant document', async () => {
    const distribution = [{ '@type': 'cr:FileObject', contentUrl: 'weights.bin', sha256: 'f'.repeat(64) }]
    await write('vad/croissant.json', JSON.stringify({ '@type': 'sc:Dataset', distribution }))
    const sign = ['key', 'vad', 'hf://org/vad', '--private-key', 'release.key']
    const { code, stdout } = await push(...sign, '--format', 'dataset', '--shard-size', '30000')
    expect(code).toBe(0)
    expect(stdout).toMatch(/ hashed +in shards of 30000 bytes\n/)
    expect(stdout).toContain('Note: the command line of the reference tool cannot verify this signature')
    expect(stdout).toContain('Warning: "croissant.json" states another SHA-256')
    const { printed } = await push(...sign, '--json')
    expect(printed?.result).toMatchObject({ warnings: [{ code: 'CROISSANT_DIGEST' }] })
  })

  test('leaves room for attestations when it signs, and publishes those that are there', async () => {
    const signing = ['key', 'vad', 'hf://org/vad', '--private-key', 'release.key']
    await push(...signing)
    const bundle = JSON.parse(readFileSync(join(directory, 'vad/model.sig'), 'utf8')) as Bundle
    const statement = JSON.parse(String(Buffer.from(bundle.dsseEnvelope.payload, 'base64'))) as Statement
    expect(statement.predicate.serialization.ignore_paths).toContain('claims.jsonl')
    await write('review.json', '{"approved":true}')
    const type = 'https://example.org/review/v1'
    const made = await modelseal([
      'attest',
      'key',
      'vad',
      '--private-key',
      'release.key',
      '--type',
      type,
      '--from',
      'review.json',
    ])
    expect(made.code, made.stderr).toBe(0)
    appendFileSync(join(directory, 'vad.claims.jsonl'), 'junk\n')
    const { code, stdout, stderr } = await push('vad', 'hf://org/vad', '--public-key', 'release.pub')
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(`attestation  "${type}"`) as string })
    expect(stderr).toMatch(/Note: The attestation ".*vad\.claims\.jsonl:1" was not published\./)
    expect(served()?.has('claims.jsonl')).toBe(true)
    const again = await push('vad', 'hf://org/vad', '--public-key', 'release.pub', '--json')
    expect(again.printed?.result).toMatchObject({ attestations: [{ type }], leftOut: { length: 1 } })
    for (const name of ['vad.claims.jsonl', 'vad/claims.jsonl']) rmSync(join(directory, name))
  })

  test('verifies the bundle that is there, by a key or by the policy', async () => {
    await modelseal(SIGN)
    const byKey = await push('vad', 'hf://org/vad', '--public-key', 'release.pub', '--verify', 'full', '--json')
    expect(byKey.printed).toMatchObject({
      ok: true,
      command: 'push',
      result: { requested: 'main', checked: { full: true, files: 2, read: 2, bytes: 100_002 }, deleted: [] },
    })
    expect(byKey.printed?.result?.rootDigest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect((await push('vad', 'hf://org/vad', '--policy', 'policy.yaml')).code).toBe(0)
    const other = await push('vad', 'hf://org/vad', '--public-key', 'other.pub', '--json')
    expect(other).toMatchObject({ code: 1, printed: { ok: false, error: { code: 'KEY_MISMATCH' } } })
  })

  test('says under which name it published a bundle from elsewhere', async () => {
    await modelseal([...SIGN, '--signature', 'elsewhere.sig'])
    const { code, stdout } = await push(
      'vad',
      'hf://org/vad',
      '--public-key',
      'release.pub',
      '--signature',
      'elsewhere.sig',
    )
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /signature +"hf:\/\/org\/vad@[0-9a-f]{40}\/model\.sig", from ".*\/elsewhere\.sig"\n/,
      ) as string,
    })
    expect(served()?.has('model.sig')).toBe(true)
    await write('hub.yaml', POLICY.replace('path: vad', "source: 'hf://org/*'"))
    expect((await modelseal(['verify', 'hf://org/vad', '--policy', 'hub.yaml'], environment)).code).toBe(0)
  })

  test('fails, and names commit and file, if the hub drops a file', async () => {
    await modelseal(SIGN)
    hub.committing = (files) => new Map([...files].filter(([name]) => name !== 'nested/config.json'))
    const { code, printed } = await push('vad', 'hf://org/vad', '--public-key', 'release.pub', '--json')
    expect(code).toBe(1)
    expect(printed).toMatchObject({ ok: false, error: { code: 'PUSH_UNPROVEN', file: 'nested/config.json' } })
    expect(JSON.stringify(printed)).toMatch(/hf:\/\/org\/vad@[0-9a-f]{40}/)
  })

  test('signs nothing that it cannot push, and refuses options that contradict each other', async () => {
    const method = ['vad', 'hf://org/vad', '--private-key', 'release.key']
    delete environment.HF_TOKEN
    environment.HF_TOKEN_PATH = 'none'
    expect((await push('key', ...method, '--json')).printed).toMatchObject({ error: { code: 'PUSH_REFUSED' } })
    expect(() => readFileSync(join(directory, 'vad/model.sig'))).toThrow('ENOENT')
    const both = await push('vad', 'hf://org/vad', '--public-key', 'release.pub', '--policy', 'policy.yaml')
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('Give only one of') })
    const methodless = await push('vad', 'hf://org/vad', '--private-key', 'release.key')
    expect(methodless).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^Error INVALID_ARGUMENT: Unknown option '--private-key'\. It belongs to a method, which comes first, as in "modelseal push key … --private-key …"/,
      ),
    })
    const where = await push('vad', 'https://example.com/vad', '--public-key', 'release.pub')
    expect(where.stderr).toContain('hf://ORG/NAME or oci://HOST/REPOSITORY:TAG')
    expect(where.code).toBe(2)
  })
})

test('push to a registry attaches the bundle and a signature for cosign', async () => {
  const registry = await TestRegistry.start()
  const args = ['push', 'key', 'vad', registry.url(), '--private-key', 'release.key', '--cosign-key', 'release.key']
  const { code, stdout } = await modelseal([...args, '--json'], { DOCKER_CONFIG: directory })
  const { result, command } = JSON.parse(stdout) as Printed
  expect(code).toBe(0)
  expect(command).toBe('push key')
  expect(registry.tags.get('1.0')).toBe(result?.revision)
  expect([...registry.manifests.values()].filter(({ subject }) => subject === result?.revision)).toHaveLength(2)
  const inspected = await modelseal(['inspect', registry.url()])
  expect(inspected.code).toBe(0)
  expect(inspected.stdout).toMatch(/^ABOUT ANOTHER MODEL: .*"https:\/\/sigstore\.dev\/cosign\/sign\/v1"$/m)
  expect(inspected.stdout).not.toContain('problem')
  expect(inspected.stdout.match(/To trust this signer/g)).toHaveLength(1)
  rmSync(join(directory, 'vad/model.sig'))
  const again = await modelseal(['push', 'vad', registry.url(), '--public-key', 'release.pub', '--json'])
  expect(JSON.parse(again.stdout)).toMatchObject({ ok: false, error: { code: 'BUNDLE_NOT_FOUND' } })
})
