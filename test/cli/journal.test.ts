import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { digestOf, loadRecord, TestJournal, type TestSegment } from '../../packages/core/src/testing/journals.ts'
import {
  attest,
  directory,
  failed,
  jsonOf,
  modelseal,
  PROGRAM,
  SIGN,
  textOf,
  useWorkingDirectory,
} from './modelseal.ts'

useWorkingDirectory()

let journal: TestJournal
let segment: TestSegment
let env: NodeJS.ProcessEnv

beforeEach(() => {
  env = { MODELSEAL_CACHE: join(directory, 'cache') }
  mkdirSync(join(directory, 'journal'))
  journal = new TestJournal(join(directory, 'journal'))
  segment = journal.segment()
  segment.add(loadRecord())
  segment.commit()
})

function removeLastRecord(): void {
  const lines = readFileSync(segment.path, 'utf8').split(/(?<=\n)/)
  writeFileSync(segment.path, lines.slice(0, -1).join(''))
}

describe('journal verify', () => {
  test('says what is covered, and what only a checkpoint that left the host shows', async () => {
    const { code, stdout, stderr } = await modelseal(['journal', 'verify', 'journal'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^Holds: ".*journal"\n {2}host {8}"host-a"\n {2}records {5}2 in 1 segment\n {2}uncovered {3}none\n/,
    )
    expect(stderr).toMatch(/^Note: Only a checkpoint that left the host shows/)
    writeFileSync(join(directory, 'checkpoint'), journal.notes[0]!)
    const compared = await modelseal([
      'journal',
      'verify',
      'journal',
      '--checkpoint',
      'checkpoint',
      '--key',
      journal.file.key,
    ])
    expect(compared).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('with a checkpoint over 1 commit'),
    })
  })

  test('ends with 1 if the journal does not hold', async () => {
    removeLastRecord()
    const { code, stdout } = await modelseal(['journal', 'verify', 'journal'])
    expect(code).toBe(1)
    expect(stdout).toContain(
      `"segments/${segment.id}.jsonl", record 1: the segment ends after 1 records, a commit says 2`,
    )
    expect(await jsonOf(['journal', 'verify', 'journal', '--json'], 1)).toMatchObject({
      ok: false,
      command: 'journal verify',
      result: { holds: false, problems: [{ kind: 'truncated' }] },
    })
  })

  test('verifies many journals, and those of a collector, with a line for each', async () => {
    mkdirSync(join(directory, 'stored/b'), { recursive: true })
    const other = new TestJournal(join(directory, 'stored/b'), 'host-b')
    other.segment().commit()
    mkdirSync(join(directory, 'stored/c'))
    writeFileSync(join(directory, 'stored/c/journal.json'), '{}')
    writeFileSync(join(directory, 'checkpoint'), other.notes[0]!)
    const args = ['journal', 'verify', 'journal', 'stored', '--checkpoint', 'checkpoint']
    const { code, stdout, stderr } = await modelseal(args)
    expect(code).toBe(1)
    expect(stdout.replaceAll(directory, '')).toMatch(
      /^2 of 3 journals hold\n {2}Journal +Host +Holds +Records +Uncovered +Commits +Compared\n {2}"\/journal" +"host-a" +yes +2 +0 +1 +0\n {2}"\/stored\/b" +"host-b" +yes +1 +0 +1 +1\n {2}"stored\/c" +unknown\nCannot be read: "stored\/c"\n {2}JOURNAL_INVALID: /,
    )
    expect(stderr).toContain('(--checkpoint; it is missing for 1 journal)')
    const lines = (await modelseal([...args, '--json'])).stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { ok: true, command: 'journal verify', result: { host: 'host-a', holds: true } },
      { ok: true, result: { host: 'host-b', compared: 1 } },
      { ok: false, result: { directory: 'stored/c', holds: false, error: { code: 'JOURNAL_INVALID' } } },
    ])
  })

  test('refuses a checkpoint whose journal is not given, and keys that fit no journal', async () => {
    mkdirSync(join(directory, 'stored/b'), { recursive: true })
    const other = new TestJournal(join(directory, 'stored/b'), 'host-b')
    other.segment().commit()
    writeFileSync(join(directory, 'checkpoint'), other.notes[0]!)
    const verify = ['journal', 'verify', 'journal']
    failed(await modelseal([...verify, '--checkpoint', 'checkpoint']), 'JOURNAL_INVALID')
    expect(await modelseal([...verify, 'stored', '--checkpoint', 'checkpoint'])).toMatchObject({ code: 0 })
    const { key } = journal.file
    expect(await modelseal([...verify, 'stored', '--key', key])).toMatchObject({ code: 2 })
    expect(await modelseal([...verify, 'stored', '--key', key, '--key', other.file.key])).toMatchObject({ code: 2 })
    failed(await modelseal(['journal', 'verify', 'stored/b', '--key', key]), 'KEY_MISMATCH')
  })

  test('refuses what is not a journal', async () => {
    failed(await modelseal(['journal', 'verify', 'vad']), 'FILE_NOT_FOUND')
    writeFileSync(join(directory, 'journal/journal.json'), '{}')
    failed(await modelseal(['journal', 'verify', 'journal']), 'JOURNAL_INVALID')
  })
})

describe('journal export', () => {
  test('prints records, and says what no checkpoint covers', async () => {
    segment.add(loadRecord({ decision: 'refused', code: 'KEY_REVOKED' }))
    segment.flush()
    const { code, stdout, stderr } = await modelseal(['journal', 'export', 'journal', '--type', 'load'])
    expect(code).toBe(0)
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id: string }).id),
    ).toEqual([`${segment.id}/1`, `${segment.id}/2`])
    expect(stderr).toBe(`Note: No checkpoint covers 1 record of "${join(directory, 'journal')}" yet.\n`)
  })

  test('writes a file completely or not at all', async () => {
    const args = ['journal', 'export', 'journal', '--format', 'csv', '--output', 'out.csv']
    expect(await jsonOf([...args, '--json'], 0)).toMatchObject({ result: { complete: true, records: 2 } })
    expect((await textOf('out.csv')).split('\r\n')).toHaveLength(4)
    failed(await modelseal([...args, 'nowhere']), 'FILE_NOT_FOUND')
    expect((await textOf('out.csv')).split('\r\n')).toHaveLength(4)
    failed(await modelseal(['journal', 'export', 'journal', '--output', 'no/out.json']), 'FILE_WRITE_FAILED')
  })

  test('ends with 1 if a journal does not hold', async () => {
    removeLastRecord()
    const { code, stdout, stderr } = await modelseal(['journal', 'export', 'journal', '--format', 'cloudevents'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ specversion: '1.0', type: 'modelseal.segment' })
    expect(stderr).toContain('does not hold: ')
  })

  test.each([
    ['a format that is none', ['--format', 'xml']],
    ['a type that is none', ['--type', 'load,laod']],
    ['a period without time', ['--since', '2026-11-02', '--until', '2026-11-02']],
    ['--json without a file', ['--json']],
  ])('refuses %s', async (_, args) => {
    const { code } = await modelseal(['journal', 'export', 'journal', ...args])
    expect(code).toBe(2)
  })
})

describe('journal follow', () => {
  test('prints what is appended, escaped, until it is interrupted', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'journal', 'follow', 'journal', '--since', '2026-11-02'], {
      cwd: directory,
    })
    const lines: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split(/(?<=\n)/)))
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(1)
    const load = segment.add(loadRecord({ model: { path: 'm', name: 'evil\n\u001b[31m' } }))
    segment.add({ type: 'end', time: '2026-11-02T11:00:00.000Z', load, why: 'closed' })
    segment.add(loadRecord({ decision: 'refused', code: 'FILE_MISMATCH', model: { path: 'models/copy', name: 'vad' } }))
    segment.flush()
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(4)
    child.kill('SIGINT')
    expect(await once(child, 'exit')).toEqual([130, null])
    expect(lines.slice(1)).toEqual([
      `2026-11-02T10:00:00.000Z "transcribe" on "host-a", 4711: accepted "evil\\u{a}\\u{1b}[31m", sha256:${digestOf('vad').slice(0, 16)}…, signed by "release"\n`,
      `2026-11-02T11:00:00.000Z "transcribe" on "host-a", 4711: no longer loaded (closed): "evil\\u{a}\\u{1b}[31m"\n`,
      `2026-11-02T10:00:00.000Z "transcribe" on "host-a", 4711: refused (FILE_MISMATCH) "vad", at "models/copy", sha256:${digestOf('vad').slice(0, 16)}…, signed by "release"\n`,
    ])
  }, 60_000)

  test('refuses what is not a journal', async () => {
    failed(await modelseal(['journal', 'follow', 'vad']), 'FILE_NOT_FOUND')
  })
})

describe('journal prune', () => {
  // The segment is of 1 November 2026.
  const prune = ['journal', 'prune', 'journal', '--older-than', '10d']

  test('deletes old segments, and the journal still holds', async () => {
    chmodSync(join(directory, 'journal'), 0o700)
    const key = journal.key.export({ type: 'pkcs8', format: 'pem' })
    writeFileSync(join(directory, 'journal/host.key'), key, { mode: 0o600 })
    expect((await modelseal(prune)).stdout).toBe('Deleted 0 segments of "journal"\n')
    utimesSync(segment.path, 0, 0)
    const { stdout } = await modelseal([...prune, '--dry-run'])
    expect(stdout).toMatch(/^Would delete 1 segment of "journal"\n {2}records {7}2\n/)
    expect(existsSync(segment.path)).toBe(true)
    expect(await jsonOf([...prune, '--json'], 0)).toMatchObject({ result: { segments: [{ segment: segment.id }] } })
    expect(existsSync(segment.path)).toBe(false)
    expect((await modelseal(['journal', 'verify', 'journal'])).stdout).toContain('retired     1 segment\n')
  })

  test('refuses a journal that does not hold, and segments that may be written', async () => {
    expect((await modelseal(['journal', 'prune', 'journal', '--older-than', '1d'])).code).toBe(2)
    removeLastRecord()
    failed(await modelseal(prune), 'JOURNAL_INVALID')
  })
})

describe('incident', () => {
  test('prints a table, and what is not known', async () => {
    const { code, stdout, stderr } = await modelseal(
      ['incident', '--model', `sha256:${digestOf('vad')}`, 'journal'],
      env,
    )
    expect(code).toBe(0)
    expect(stdout).toContain('"transcribe"  "host-a"  unknown     1      0         1')
    expect(stdout).toContain('loaded now  unknown: 1 load did not end')
    expect(stderr).toMatch(/^Note: The checkpoints were verified with the keys in the journals/)
    expect(stderr).not.toContain('ExperimentalWarning')
  })

  test('prints JSON', async () => {
    const { code, stdout } = await modelseal(
      ['incident', '--signer', 'release', 'journal', '--json', '--since', '2026-11-01'],
      env,
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      command: 'incident',
      result: {
        query: { kind: 'signer', value: 'release', since: '2026-11-01T00:00:00.000Z' },
        complete: true,
        total: { loads: 1 },
      },
    })
  })

  test('writes a page, without anything that a hostile name could start', async () => {
    const hostile = `"><script>alert(1)</script>'\u202e`
    segment.add(loadRecord({ model: { name: hostile, path: hostile }, rootDigest: digestOf('hostile') }))
    segment.commit()
    const { stdout } = await modelseal(['incident', '--signer', 'release', 'journal', '--html', 'incident.html'], env)
    expect(stdout).toBe(`Wrote ${join(directory, 'incident.html')}\n`)
    const page = await textOf('incident.html')
    expect(page).toContain('&#60;script&#62;alert(1)&#60;/script&#62;')
    expect(page).not.toMatch(/<script|\u202e|style=/)
    expect(page).toContain("default-src 'none'")
  })

  test('ends with 1 if a journal does not hold', async () => {
    removeLastRecord()
    const { code, stdout } = await modelseal(['incident', '--model', digestOf('vad'), 'journal'], env)
    expect(code).toBe(1)
    expect(stdout).toContain('does not hold:')
  })

  test.each([
    ['no question', []],
    ['two questions', ['--model', digestOf('vad'), '--file', digestOf('vad')]],
    ['a time that is none', ['--model', digestOf('vad'), '--since', 'yesterday']],
    ['too few keys', ['--model', digestOf('vad'), '--key', 'a', 'journal']],
    ['a digest that is none', ['--model', 'vad']],
  ])('refuses %s', async (_, args) => {
    const { code, stderr } = await modelseal(['incident', 'journal', ...args], env)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^Error INVALID_ARGUMENT: /)
  })
})

test('provenance in a file of attestations says what else was made from a model, and that nobody verified it', async () => {
  await modelseal(SIGN)
  const dependency = {
    name: 'base',
    digest: { sha256: digestOf('vad') },
    annotations: { 'urn:modelseal:role:0.1': 'base-model' },
  }
  const buildDefinition = {
    buildType: 'https://ci.example/build',
    externalParameters: {},
    resolvedDependencies: [dependency],
  }
  const provenance = { buildDefinition, runDetails: { builder: { id: 'https://ci.example' } } }
  writeFileSync(join(directory, 'provenance.json'), JSON.stringify(provenance))
  expect(await modelseal(attest('provenance', '--from', 'provenance.json'))).toMatchObject({ code: 0 })
  const args = ['incident', '--model', digestOf('vad'), 'journal', '--claims', 'vad.claims.jsonl', '--json']
  const { code, stdout, stderr } = await modelseal(args, env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(JSON.parse(stdout)).toMatchObject({
    result: { derived: { items: [{ proof: 'claimed', from: [digestOf('vad')], loads: 0 }] } },
  })
})
