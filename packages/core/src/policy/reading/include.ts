import { createHash } from 'node:crypto'
import { dirname, relative, resolve, isAbsolute, sep } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { realPathIfAny } from '../../source/local/real-path.ts'
import { MAX_POLICY_BYTES, parsePolicy } from './parse-policy.ts'
import type { PolicyFile } from '../schema/schema.ts'
import type { TrackedFiles, SourceText } from './reading.ts'

/** One file of a policy. */
export interface PolicySource extends SourceText {
  file: PolicyFile
  /** SHA-256 of the file, lowercase hex. */
  sha256: string
}

/** More levels than any organisation needs; bounds what is read. */
const MAX_DEPTH = 8
/** Likewise. */
const MAX_FILES = 64

/**
 * Reads a policy and the files that it includes, in the order in which their rules are tried:
 * included files come before the file that includes them, so that a baseline cannot be overridden.
 * A file that is included twice counts once, at its first place.
 *
 * @throws {@link ModelSealError} if the policy file itself cannot be read; everything else is added to the problems
 */
export async function readPolicySources(path: string, reading: TrackedFiles): Promise<PolicySource[]> {
  const sources: PolicySource[] = []
  const root = realPathIfAny(dirname(path))
  await readInto(sources, path, { root, reading, open: [], done: new Set() })
  return sources
}

interface Walk {
  /** Real path of the directory that all included files must be in. */
  root: string
  reading: TrackedFiles
  /** Real paths of the files being read, outermost first. */
  open: readonly string[]
  done: Set<string>
}

async function readInto(sources: PolicySource[], path: string, walk: Walk): Promise<void> {
  const { reading, open, done } = walk
  await reading.track(path)
  const bytes = await reading.file(path, {
    what: 'trust policy',
    maxBytes: MAX_POLICY_BYTES,
    notFound: 'POLICY_NOT_FOUND',
    hint: 'Check the path in the option "policy" (on the command line, --policy), in MODELSEAL_POLICY or under "include". To create a policy, run "modelseal policy init".',
  })
  const real = realPathIfAny(path)
  done.add(real)
  const parsed = await parsePolicy(bytes, path)
  if (!('file' in parsed)) {
    reading.problems.push(...parsed.problems)
    return
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const source = { text: parsed.text, file: parsed.file, directory: dirname(path), sha256 }
  for (const [index, name] of (parsed.file.include ?? []).entries()) {
    const fault = (sentence: string) => reading.problems.push(source.text.fault(['include', index], sentence))
    const target = resolve(source.directory, name)
    const realTarget = realPathIfAny(target)
    if (!isInside(walk.root, realTarget)) {
      fault(`${shown(name)} is outside ${shown(walk.root)}, the directory of the policy.`)
    } else if (realTarget === real || open.includes(realTarget)) {
      fault(`${shown(name)} includes this file again, directly or indirectly.`)
    } else if (open.length >= MAX_DEPTH || (!done.has(realTarget) && done.size >= MAX_FILES)) {
      fault(`Includes may be nested at most ${MAX_DEPTH} files deep, with at most ${MAX_FILES} files in total.`)
    } else if (!done.has(realTarget)) {
      try {
        await readInto(sources, target, { ...walk, open: [...open, real] })
      } catch (error) {
        if (!(error instanceof ModelSealError)) throw error
        reading.problems.push(source.text.faultFrom(['include', index], error))
      }
    }
  }
  sources.push(source)
}

function isInside(directory: string, path: string): boolean {
  const name = relative(directory, path)
  return name !== '' && name !== '..' && !name.startsWith(`..${sep}`) && !isAbsolute(name)
}
