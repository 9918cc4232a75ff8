import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KEY_FILE } from '../../packages/core/src/journal/format/names.ts'
import type { RecordOf } from '../../packages/core/src/journal/format/record.ts'
import {
  digestOf,
  loadRecord,
  signerRecord,
  TestJournal,
  type TestSegment,
} from '../../packages/core/src/testing/journals.ts'

/** How large synthetic journals are. */
export interface Synthetic {
  /** Of all journals together. */
  records: number
  hosts: number
  days: number
}

const DAY = 86_400_000
const BEGIN = Date.UTC(2026, 7, 1)
const SERVICES = ['transcribe', 'search', 'rank', 'translate']
const MODELS = 200
const FILES = ['config.json', 'model.onnx', 'tokenizer.json']
/** Loads between two commits. */
const COMMIT_EVERY = 50

/**
 * Writes journals that services could have written: on each host, each service writes a segment a day, loads some of 200 models by ten
 * signers, of three files each, and ends most of its loads. Every hundredth load is refused.
 *
 * @returns their directories
 */
export function writeSyntheticJournals(root: string, { records, hosts, days }: Synthetic): string[] {
  const each = loadsIn(records / hosts / days / SERVICES.length)
  return Array.from({ length: hosts }, (_, host) => {
    const directory = join(root, `host-${host}`)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const journal = new TestJournal(directory, `host-${host}`)
    // So that a real writer can append.
    writeFileSync(join(directory, KEY_FILE), journal.key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    for (let day = 0; day < days; day++)
      for (const [index, service] of SERVICES.entries()) {
        const time = BEGIN + day * DAY + index
        writeDay(journal.segment({ service, time: timeText(time) }), { time, loads: each, seed: host * 1_000 + day })
      }
    return directory
  })
}

/** Loads of a segment with this many records: each has an end, and the first one of each model lists the files. */
function loadsIn(records: number): number {
  return Math.max(1, Math.floor(records > 3 * MODELS ? (records - MODELS) / 2 : records / 3))
}

function writeDay(segment: TestSegment, { time, loads, seed }: { time: number; loads: number; seed: number }): void {
  for (let index = 0; index < loads; index++) {
    const at = timeText(time + 1_000 + Math.floor((index * (DAY - 60_000)) / loads))
    const number = seed * 7 + index * 13
    // Each of the first loads is of another model.
    if (index < MODELS) segment.add(filesOf(at, number % MODELS))
    const load = segment.add(synthetic(at, number))
    if (index % 500 < 499) segment.add({ type: 'end', time: at, load, why: 'closed' })
    if (index % COMMIT_EVERY === COMMIT_EVERY - 1) segment.commit()
  }
  segment.close()
}

function filesOf(time: string, model: number): RecordOf<'model'> {
  const name = `model-${model}`
  const files = FILES.map((file) => [file, syntheticFile(model, file)])
  return { type: 'model', time, rootDigest: digestOf(`model ${model}`), part: 1, parts: 1, name, files }
}

/** The digest of a file of the synthetic model with this number. */
export function syntheticFile(model: number, file: string): string {
  return digestOf(`${file} of model ${model}`)
}

function synthetic(time: string, number: number) {
  const model = number % MODELS
  const decided = number % 100 === 99 ? ({ decision: 'refused', code: 'KEY_REVOKED' } as const) : {}
  return loadRecord({
    time,
    rootDigest: digestOf(`model ${model}`),
    model: { path: `/srv/models/model-${model}`, name: `model-${model}`, format: 'onnx' },
    signers: [signerRecord(`signer ${model % 10}`)],
    ...decided,
  })
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
