import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directory, failed, modelseal, POLICY, SIGN, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

describe('policy init', () => {
  test('requires attestations, and names the kind that was probably meant', async () => {
    const init = (kind: string) => modelseal(['policy', 'init', '--public-key', 'release.pub', '--require', kind])
    const { code, stderr } = await init('evaluatoin')
    expect(code).toBe(2)
    expect(stderr).toContain('Did you mean "evaluation"?')
    expect(await init('evaluation')).toMatchObject({ code: 0, stderr: '' })
    await modelseal(SIGN)
    failed(await modelseal(['verify', 'vad', '--policy', 'modelseal.policy.yaml']), 'ATTESTATION_MISSING')
  })

  test('writes a policy that accepts a signed model and refuses a changed one', async () => {
    const init = await modelseal(['policy', 'init', '--public-key', 'release.pub', '--models', 'vad'])
    expect(init).toMatchObject({ code: 0, stderr: '' })
    expect(init.stdout).toContain('Wrote "modelseal.policy.yaml"')
    await modelseal(SIGN)
    expect(await modelseal(['verify', 'vad'])).toMatchObject({ code: 0 })
    await write('vad/weights.bin', 'other')
    failed(await modelseal(['verify', 'vad']), 'FILE_MISMATCH')
  })

  test.each([
    ['hf://org/*', 'source'],
    ['https://example.com/models/**', 'url'],
  ])('matches %s by its %s', async (models, field) => {
    await modelseal(['policy', 'init', '--public-key', 'release.pub', '--models', models])
    const text = await readFile(join(directory, 'modelseal.policy.yaml'), 'utf8')
    expect(text).toContain(`    match:\n      ${field}: "${models}"\n`)
    await write('modelseal.policy.yaml', text.replace(`${field}: "`, 'path: "'))
    const checked = await modelseal(['policy', 'check', 'modelseal.policy.yaml'])
    expect(checked).toMatchObject({ code: 1, stdout: expect.stringContaining(`write it under "${field}"`) })
  })

  test('tells editors where the JSON Schema is: in the nearest node_modules, or where it will be installed', async () => {
    const firstLine = async (policy: string) => {
      await modelseal(['policy', 'init', policy, '--public-key', '../release.pub'])
      return (await readFile(join(directory, policy), 'utf8')).split('\n')[0]
    }
    await mkdir(join(directory, 'deploy'))
    const schema = 'node_modules/@modelseal/core/policy.schema.json'
    expect(await firstLine('deploy/a.yaml')).toBe(`# yaml-language-server: $schema=${schema}`)
    await mkdir(join(directory, 'node_modules/@modelseal/core'), { recursive: true })
    await write(schema, '{}')
    expect(await firstLine('deploy/b.yaml')).toBe(`# yaml-language-server: $schema=../${schema}`)
  })

  test('reports a missing directory as a write error', async () => {
    const ended = await modelseal(['policy', 'init', 'nodir/x.yaml', '--public-key', 'release.pub'])
    failed(ended, 'FILE_WRITE_FAILED')
    expect(ended.stderr).toContain('Check that the directory exists')
  })

  test('never overwrites a file', async () => {
    const ended = await modelseal(['policy', 'init', 'policy.yaml', '--public-key', 'release.pub'])
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toContain('"policy.yaml" already exists. To replace it, remove it first.')
  })

  test.each([
    [['policy', 'init']],
    [['policy', 'init', '--public-key', 'a', '--github', 'a/b']],
    [['policy', 'init', '--certificate', 'root.pem']],
    [['policy', 'init', '--github', 'nonsense']],
    [['policy', 'init', '--public-key', 'release.pub', '--san', 'email:a@b.example']],
    [['policy', 'init', '--public-key', 'release.pub', '--workflow', 'w.yml']],
    [['policy', 'init', '--workflow', 'w.yml']],
    [['policy', 'init', '--public-key', '']],
  ])('requires exactly one signer: %j', async (args) => {
    expect(await modelseal(args)).toMatchObject({ code: 2, stdout: '' })
  })

  test.each([
    ['public key', ['--public-key', 'none.pub']],
    ['certificate', ['--certificate', 'none.pem', '--san', 'email:a@b.example']],
  ])('reports a missing %s', async (what, args) => {
    const stderr = failed(await modelseal(['policy', 'init', ...args]), 'FILE_NOT_FOUND')
    expect(stderr).toContain(`There is no ${what} at "${directory}/none.`)
    expect(existsSync(join(directory, 'modelseal.policy.yaml'))).toBe(false)
  })

  test.each([
    [1, ['--public-key', 'rsa.pub'], 'Error KEY_INVALID: Cannot use the file'],
    [1, ['--public-key', 'release.key'], 'This is a private key: keep it secret'],
    [2, ['--certificate', 'root.pem', '--san', 'a@b.example'], 'Did you mean email:a@b.example?'],
    [2, ['--github', 'acme/models', '--ref', 'main'], 'Did you mean refs/heads/main or refs/tags/main?'],
    [2, ['--github', 'acme/models', '--workflow', 'release'], 'such as release.yml'],
    [2, ['--public-key', 'release.pub', '--models', 'a//b'], 'the glob is not valid: it has an empty component'],
  ])('refuses with exit code %i what policy check would refuse, and writes nothing: %j', async (code, args, words) => {
    const ended = await modelseal(['policy', 'init', ...args])
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toContain(words)
    expect(existsSync(join(directory, 'modelseal.policy.yaml'))).toBe(false)
  })

  test('writes valid policies for a certificate and for GitHub Actions', async () => {
    await modelseal(['policy', 'init', 'g.yaml', '--github', 'acme/models'])
    expect(await modelseal(['policy', 'check', 'g.yaml'])).toMatchObject({ code: 0, stderr: '' })
    await write('root.pem', await readFile(new URL('../fixtures/reference/root.pem', import.meta.url)))
    const path = '.github/workflows/sign.yml'
    await modelseal(['policy', 'init', 'w.yaml', '--github', 'acme/models', '--workflow', path])
    expect(await readFile(join(directory, 'w.yaml'), 'utf8')).toContain(`acme/models/${path}@refs/heads/main`)
    await modelseal(['policy', 'init', 'c.yaml', '--certificate', 'root.pem', '--san', 'email:a@b.example'])
    expect((await modelseal(['policy', 'check', 'c.yaml'])).stdout).toContain('The policy is valid')
  })
})

describe('policy check', () => {
  test('reports each place once, and ends with a summary', async () => {
    const linesOf = async (file: string) =>
      (await modelseal(['policy', 'check', file])).stdout.replaceAll(directory, '').trimEnd().split('\n')
    await write('wrong.yaml', POLICY.replace('signers', 'singers'))
    expect(await linesOf('wrong.yaml')).toEqual([
      '"/wrong.yaml":9:5 error POLICY_INVALID: "singers" is not a known field of "rules.0". Did you mean "signers"?',
      'The policy is not valid, so it accepts nothing: 1 error.',
    ])
    await write('missing.yaml', POLICY.replace('release.pub', 'none.pub'))
    expect((await linesOf('missing.yaml'))[0]).toContain(
      '"/missing.yaml":4:16 error FILE_NOT_FOUND: There is no public key at "/none.pub".',
    )
    await write('audit.yaml', POLICY.replace('    match', '    mode: audit\n    match'))
    expect((await linesOf('audit.yaml')).at(-1)).toBe('The policy is valid: 1 warning, 1 note.')
    expect((await linesOf('policy.yaml')).at(-1)).toBe('The policy is valid: 1 note.')
    await write('young.yaml', `issued: ${new Date().toISOString()}\nmaxAge: 30d\n${POLICY}`)
    expect(await linesOf('young.yaml')).toEqual(['The policy is valid.'])
  })

  test('sets the exit code by severity: 0 without warnings of danger, 3 with one, 1 with an error', async () => {
    expect(await modelseal(['policy', 'check', 'policy.yaml'])).toMatchObject({ code: 0, stderr: '' })
    await write('audit.yaml', POLICY.replace('    match', '    mode: audit\n    match'))
    const audit = await modelseal(['policy', 'check', 'audit.yaml', '--json'])
    expect(audit.code).toBe(3)
    const { ok, result } = JSON.parse(audit.stdout)
    expect([ok, result.findings.map(({ code }: { code: string }) => code)]).toEqual([
      false,
      ['POLICY_AGE_UNLIMITED', 'MODE_AUDIT'],
    ])
    await write('wrong.yaml', POLICY.replace('signers', 'singers'))
    const wrong = await modelseal(['policy', 'check', 'wrong.yaml'])
    expect(wrong.code).toBe(1)
    expect(wrong.stdout).toContain(`"${directory}/wrong.yaml":9:5 error POLICY_INVALID`)
    failed(await modelseal(['policy', 'check', 'none.yaml']), 'POLICY_NOT_FOUND')
  })
})

describe('policy explain', () => {
  test('walks through each check, accepted or refused', async () => {
    await modelseal(SIGN)
    const accepted = await modelseal(['policy', 'explain', 'vad', '--policy', 'policy.yaml'])
    expect(accepted).toMatchObject({ code: 0, stderr: '' })
    expect(accepted.stdout).toContain('ok   rule: The rule "everything of ours"')
    await write('vad/added', 'x')
    const refused = await modelseal(['policy', 'explain', 'vad', '--policy', 'policy.yaml', '--json'])
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject({
      ok: false,
      verdict: { decision: 'refused', error: { code: 'FILE_UNSIGNED' } },
    })
  })
})

describe('policy test', () => {
  test('reports which expectations are met', async () => {
    await modelseal(SIGN)
    await write('policy.test.yaml', '- { model: vad, expect: accepted }\n')
    expect(await modelseal(['policy', 'test', 'policy.yaml'])).toMatchObject({ code: 0, stderr: '' })
    await write(
      'more.yaml',
      '- { model: vad, expect: accepted }\n- { model: vad, expect: refused, because: FILE_MISMATCH }\n',
    )
    const ended = await modelseal(['policy', 'test', 'policy.yaml', '--expectations', 'more.yaml'])
    expect(ended.code).toBe(1)
    expect(ended.stdout).toContain('FAIL  "vad" (line 2): expected refused FILE_MISMATCH, found accepted')
    expect(ended.stdout).toContain('1 of 2 expectations are met.')
  })

  test('refuses an error code for a model that is expected to be accepted', async () => {
    await write('policy.test.yaml', '- model: vad\n  expect: accepted\n  because: FILE_MISMATCH\n')
    const ended = await modelseal(['policy', 'test', 'policy.yaml'])
    failed(ended, 'POLICY_INVALID')
    expect(ended.stderr).toContain('line 3, column 12')
    expect(ended.stderr).toContain('an accepted model has none')
  })

  test('does not mistake a file of expectations for the policy', async () => {
    await write('policy.test.yaml', '- { model: vad, expect: ok }\n')
    const stderr = failed(await modelseal(['policy', 'test', 'policy.yaml']), 'POLICY_INVALID')
    expect(stderr).toContain(`The file of expectations "${directory}/policy.test.yaml" is not valid, line 1, column 25`)
    expect(stderr).not.toContain('accepts nothing')
  })
})

test('verify does not report a skipped or tolerated model as accepted', async () => {
  await write('audit.yaml', POLICY.replace('    match', '    mode: audit\n    match'))
  const ended = await modelseal(['verify', 'vad', '--policy', 'audit.yaml'])
  expect(ended.code).toBe(1)
  expect(ended.stdout).toMatch(/^Loads UNVERIFIED although the check refuses it/)
  expect(ended.stdout).toContain('Would be refused: BUNDLE_NOT_FOUND')
})
