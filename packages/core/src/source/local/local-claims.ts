import { basename, dirname, join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import type { ClaimsCandidate, ModelFiles } from '../model-source.ts'
import { READ_CLAIMS, readSmallFile } from '../read-small-file.ts'
import { inTurns, type Steps } from '../turns.ts'
import { CLAIMS_NAME } from '../claims-name.ts'
import { entriesOf } from './entries.ts'
import { NAMES_PER_STEP } from './find-files.ts'

/** More are refused: which of them were read would depend on the order of the directory. */
const MAX_FILES = 100

/** The path of the file beside a model to which attestations are added. @param path of the model */
export function claimsBeside(path: string): string {
  return `${path}.claims.jsonl`
}

/** Attestations of a model on this machine: `claims.jsonl` in a directory, and beside the model `MODEL.claims.jsonl`, `MODEL.sigstore.json` and `MODEL.*.sigstore.json`. */
export async function localClaims({ local }: ModelFiles, signal: AbortSignal | undefined): Promise<ClaimsCandidate[]> {
  if (!local) return []
  const { path, givenPath, kind } = local
  const inside = { ...candidateAt(join(path, CLAIMS_NAME)), lines: true, name: CLAIMS_NAME }
  const found: ClaimsCandidate[] = kind === 'directory' ? [inside] : []
  // A model behind a link has neighbours at both ends.
  for (const place of new Set([givenPath, path])) {
    found.push({ ...candidateAt(claimsBeside(place)), lines: true })
    const names = await inTurns(bundlesBeside(place), signal)
    found.push(...names.map((name) => candidateAt(join(dirname(place), name))))
  }
  return found
}

function* bundlesBeside(path: string): Steps<string[]> {
  const base = `${basename(path)}.`
  const names: string[] = []
  let seen = 0
  try {
    for (const { name } of entriesOf(dirname(path))) {
      if (++seen % NAMES_PER_STEP === 0) yield
      if (!name.startsWith(base) || !name.endsWith('.sigstore.json')) continue
      if (names.push(name) > MAX_FILES) throw tooMany(path)
    }
  } catch (error) {
    // If the directory cannot be listed, the file of a known name can still be read.
    if (!(error instanceof ModelSealError) || error.code === 'ATTESTATIONS_TOO_MANY') throw error
  }
  return names.sort()
}

function tooMany(path: string): ModelSealError {
  return new ModelSealError(
    'ATTESTATIONS_TOO_MANY',
    'Cannot read the attestations of the model: there are too many files of attestations beside it.',
    {
      file: path,
      expected: `at most ${MAX_FILES} files named ${shown(`${basename(path)}.*.sigstore.json`)}`,
      hint: `Put their contents into one file, ${shown(claimsBeside(path))}, each on a line of its own.`,
    },
  )
}

function candidateAt(path: string): ClaimsCandidate {
  return {
    path,
    read: async ({ maxBytes = Infinity }, receive) => {
      const bytes = await readSmallFile(path, { ...READ_CLAIMS, maxBytes })
      return receive({ size: bytes.length, chunks: [bytes] })
    },
  }
}
