import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
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
/** Loads between two commits. */
const COMMIT_EVERY = 50

/**
 * Writes journals that services could have written: on each host, each service writes a segment a day, loads some of 200 models by ten
 * signers, and ends most of its loads. Every hundredth load is refused.
 *
 * @returns their directories
 */
export function writeSyntheticJournals(root: string, { records, hosts, days }: Synthetic): string[] {
  const each = Math.max(1, Math.floor(records / hosts / days / SERVICES.length / 2))
  return Array.from({ length: hosts }, (_, host) => {
    const directory = join(root, `host-${host}`)
    mkdirSync(directory, { recursive: true })
    const journal = new TestJournal(directory, `host-${host}`)
    for (let day = 0; day < days; day++)
      for (const [index, service] of SERVICES.entries()) {
        const time = BEGIN + day * DAY + index
        writeDay(journal.segment({ service, time: timeText(time) }), { time, loads: each, seed: host * 1_000 + day })
      }
    return directory
  })
}

function writeDay(segment: TestSegment, { time, loads, seed }: { time: number; loads: number; seed: number }): void {
  for (let index = 0; index < loads; index++) {
    const at = timeText(time + 1_000 + Math.floor((index * (DAY - 60_000)) / loads))
    const load = segment.add(synthetic(at, seed * 7 + index * 13))
    if (index % 500 < 499) segment.add({ type: 'end', time: at, load, why: 'closed' })
    if (index % COMMIT_EVERY === COMMIT_EVERY - 1) segment.commit()
  }
  segment.close()
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
