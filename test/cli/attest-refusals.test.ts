import { symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  attest,
  ATTEST_EVALUATION,
  directory,
  EVALUATION,
  failed,
  modelseal,
  signed,
  textOf,
  useWorkingDirectory,
  write,
} from './modelseal.ts'

useWorkingDirectory()

beforeEach(async () => {
  await write('evaluation.json', JSON.stringify(EVALUATION))
})

describe('attest refuses', () => {
  test.each([
    ['an unknown type', attest('evaluations', '--from', 'evaluation.json'), 'Did you mean "evaluation"?'],
    ['no type', ['attest', 'key', 'vad', '--private-key', 'release.key'], '--type'],
    ['an evaluation without results', attest('evaluation'), 'needs --from FILE'],
    ['a URI without a file', attest('https://example.org/review/v1'), 'needs --from FILE'],
    [
      'options of another type',
      [...ATTEST_EVALUATION, '--builder', 'https://ci.example'],
      "'--builder' cannot be used with '--type evaluation'",
    ],
    [
      'options beside a file',
      attest('provenance', '--from', 'evaluation.json', '--param', 'a=b'),
      "'--param' cannot be used with '--from'",
    ],
    [
      'a builder without a build type',
      attest('provenance', '--builder', 'https://ci.example'),
      "'--builder' and '--build-type'",
    ],
    ['a builder that is no URI', attest('provenance', '--builder', 'foo'), "'--builder <uri>' argument 'foo'"],
    [
      'a build type that is no URI',
      attest('provenance', '--build-type', 'my type'),
      "'--build-type <uri>' argument 'my type'",
    ],
    ['a verifier that is no URI', attest('verification-summary', '--verifier-id', 'us'), "'--verifier-id <uri>'"],
    ['a bare date', attest('provenance', '--started-on', '2026-11-01'), "'--started-on <time>' argument '2026-11-01'"],
    [
      'a day that does not exist',
      attest('provenance', '--finished-on', '2026-02-30T00:00:00Z'),
      "'--finished-on <time>'",
    ],
    ['a time in the future', attest('provenance', '--finished-on', '2999-01-01T00:00:00Z'), 'in the future'],
    [
      'an end before the start',
      attest('provenance', '--started-on', '2026-11-01T09:00:00+01:00', '--finished-on', '2026-11-01T07:59:59Z'),
      "'--finished-on' is before that of '--started-on'",
    ],
    ['a base model without a digest', attest('provenance', '--base-model', 'base'), 'NAME=sha256:'],
    ['a verdict without a verifier', attest('verification-summary'), '--verifier-id'],
    [
      'a verdict without a check',
      attest('verification-summary', '--verifier-id', 'https://v.example', '--no-check'),
      "'--no-check' cannot be used",
    ],
    ['a misspelt method', ['attest', 'certificat', 'vad', '--type', 'evaluation'], "Did you mean 'certificate'?"],
  ])('%s, with exit code 2', async (_, args, words) => {
    const { code, stdout, stderr } = await modelseal(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(words)
    await expect(textOf('vad.claims.jsonl')).rejects.toThrow('ENOENT')
  })

  test.each([
    ['JSON that is cut short', 'JSON_INVALID', '{"results":'],
    ['duplicate keys', 'JSON_DUPLICATE_KEY', JSON.stringify(EVALUATION).replace('{', '{"results":[],')],
    ['results of another form', 'ATTESTATION_INPUT', JSON.stringify({ ...EVALUATION, results: {} })],
    ['a field that is misspelt', 'ATTESTATION_INPUT', JSON.stringify(EVALUATION).replace('"metric"', '"metrics"')],
    [
      'a number with too many digits',
      'ATTESTATION_INPUT',
      JSON.stringify(EVALUATION).replace('0.94', '0.9400000000000000000001'),
    ],
    ['a number as text', 'ATTESTATION_INPUT', JSON.stringify(EVALUATION).replace('0.94', '"0.94"')],
    ['a time in the future', 'ATTESTATION_INPUT', JSON.stringify(EVALUATION).replace('2026', '2999')],
  ])('%s', async (_, code, text) => {
    await write('evaluation.json', text)
    expect(failed(await modelseal(ATTEST_EVALUATION), code)).toContain('"evaluation.json"')
    await expect(textOf('vad.claims.jsonl')).rejects.toThrow('ENOENT')
  })

  test('a file that is missing, huge or no file', async () => {
    const missing = failed(await modelseal(attest('evaluation', '--from', 'missing.json')), 'FILE_NOT_FOUND')
    expect(missing).toContain('There is no input file at "missing.json". Give the path of')
    const noCard = failed(await modelseal(attest('model-card')), 'FILE_NOT_FOUND')
    expect(noCard).toContain('There is no model card at "vad/README.md". Write one and sign the model again, or')
    failed(await modelseal(attest('evaluation', '--from', 'vad')), 'FILE_SPECIAL')
    await truncate(join(directory, 'evaluation.json'), 300_000_000)
    expect(failed(await modelseal(ATTEST_EVALUATION), 'ATTESTATION_INPUT')).toContain('at most 4194304 bytes')
  })

  test('a model without a bundle', async () => {
    expect(failed(await modelseal(ATTEST_EVALUATION), 'BUNDLE_NOT_FOUND')).toContain('Cannot attest the model')
  })

  test('to write through a link, into a directory or where it may not', async () => {
    await signed()
    await write('elsewhere', 'precious')
    await symlink('elsewhere', join(directory, 'vad.claims.jsonl'))
    failed(await modelseal(ATTEST_EVALUATION), 'FILE_WRITE_FAILED')
    expect(await textOf('elsewhere')).toBe('precious')
    failed(await modelseal([...ATTEST_EVALUATION, '--output', 'vad']), 'FILE_WRITE_FAILED')
    failed(await modelseal([...ATTEST_EVALUATION, '--output', 'missing/claims.jsonl']), 'FILE_WRITE_FAILED')
  })
})
