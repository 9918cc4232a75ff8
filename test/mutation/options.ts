import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

const USAGE = `Usage: npm run mutation -- [FOLDER|FILE …] [--minutes N] [--concurrency N] [--sample PERCENT:SEED] [--force]
       npm run mutation -- --changed [COMMIT] [--minutes N] [--concurrency N] [--sample PERCENT:SEED] [--force]
       npm run mutation -- --scores`

/** What `npm run mutation` is to do. */
export interface MutationOptions {
  changed: boolean
  scores: boolean
  force: boolean
  concurrency: number
  minutes: number | undefined
  sample: string | undefined
  /** Folders and files, or the commit for `changed`. */
  positionals: string[]
}

/** @throws {@link TypeError} with the usage. If a number were not checked, nothing might be tried, which would look like success. */
export function optionsOf(args: readonly string[]): MutationOptions {
  const { values, positionals } = parsed(args)
  const { changed, scores, force, sample } = values
  const concurrency = Number(values.concurrency)
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes)
  if (!Number.isInteger(concurrency) || concurrency < 1) throw wrong('--concurrency must be a whole number from 1.')
  if (minutes !== undefined && !(minutes > 0)) throw wrong('--minutes must be a number above 0.')
  if (sample !== undefined && !isSample(sample)) throw wrong('--sample must be a percentage above 0, and a seed: 6:1.')
  if (changed && positionals.length > 1) throw wrong('--changed takes one commit.')
  return { changed, scores, force, concurrency, minutes, sample, positionals }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        changed: { type: 'boolean', default: false },
        scores: { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
        concurrency: { type: 'string', default: String(availableParallelism()) },
        minutes: { type: 'string' },
        sample: { type: 'string' },
      },
    })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function isSample(text: string): boolean {
  const percent = Number(/^([\d.]+)(?::[^:]+)?$/.exec(text)?.[1])
  return percent > 0 && percent <= 100
}

function wrong(what: string): TypeError {
  return new TypeError(`${what}\n${USAGE}`)
}
