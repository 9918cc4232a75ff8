import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  checkpointAt,
  cosignaturesBy,
  cosignedAt,
  newestCheckpoint,
  openJournal,
  parseNote,
  proofOfGrowth,
  writeNote,
  type Cosigner,
  type GivenCheckpoint,
  type JournalCheckpoint,
  type OpenedJournal,
} from '@modelseal/core/journal'
import { WitnessedFile } from './witnessed-file.ts'
import type { WitnessClient } from './witness-client.ts'

/** The newest checkpoint of a journal, as a witness cosigned it. */
export interface WitnessedCheckpoint {
  /** Number of commits that it covers. */
  size: number
  /** Root of the tree over them, in hex. */
  root: string
  /** Name of the witness. */
  witness: string
  /** When the witness saw it as the newest checkpoint of the journal: ISO 8601, by its clock. */
  time: string
  /** Path of the file with the cosigned checkpoint. */
  file: string
}

/** A journal to be witnessed. */
interface Witnessing {
  directory: string
  /** Key of the host. Default: the one in the journal. */
  key: string | undefined
  witness: Cosigner
  client: WitnessClient
  output: string | undefined
}

/** Others may have the journal witnessed at the same time. */
const MAX_ATTEMPTS = 8

/** Has the newest checkpoint cosigned. Neither what the witness nor what the file says is believed without its signature. */
export async function submitNewest(witnessing: Witnessing): Promise<WitnessedCheckpoint> {
  const { directory, key, witness, output } = witnessing
  const journal = await openJournal(directory, key)
  const file = new WitnessedFile(journal.directory, witness, output)
  const before = await file.read(journal)
  let newest = await newestOf(journal, before)
  for (let [old, attempt] = [before?.size ?? 0, 0]; attempt < MAX_ATTEMPTS; attempt++) {
    const answer = await answerTo(witnessing, journal, { old, newest })
    if ('note' in answer) {
      await file.write(answer.note)
      const { size, root } = newest
      const time = answer.at.toISOString()
      return { size, root: root.toString('hex'), witness: witness.name, time, file: file.path }
    }
    const { known } = answer
    if (before && known < before.size) throw forgotten(witnessing, known, before.size)
    if (known > newest.size) newest = await newestOf(journal, before)
    if (known > newest.size) throw rolledBack(journal, known, newest.size)
    if (known === old) throw witnessing.client.misunderstood('a refusal of the size that it named')
    old = known
  }
  throw new ModelSealError('HTTP_RESPONSE', `The witness ${shown(witness.name)} always had another checkpoint.`, {
    hint: 'Let only one process have the journal witnessed.',
  })
}

/** The newest checkpoint, which must continue what the witness cosigned before. */
async function newestOf(journal: OpenedJournal, before: GivenCheckpoint | undefined): Promise<JournalCheckpoint> {
  const newest = await newestCheckpoint(journal)
  if (before && before.size > (newest?.size ?? 0)) throw rolledBack(journal, before.size, newest?.size ?? 0)
  if (!newest)
    throw new ModelSealError('FILE_NOT_FOUND', `The journal ${shown(journal.directory)} has no checkpoint yet.`, {
      file: journal.directory,
      hint: 'Services write one within a second of their first record.',
    })
  if (before && !(await checkpointAt(journal, before.size)).root.equals(before.root)) throw inconsistent(journal)
  return newest
}

async function answerTo(
  { witness, client }: Witnessing,
  journal: OpenedJournal,
  { old, newest }: { old: number; newest: JournalCheckpoint },
): Promise<{ note: string; at: Date } | { known: number }> {
  const proof = old === 0 ? [] : await proofOfGrowth(journal, old, newest)
  const answer = await client.submit({ old, proof, note: newest.note })
  if (answer.kind === 'size') return { known: answer.size }
  if (answer.kind === 'inconsistent') throw inconsistent(journal)
  if (answer.kind === 'unknown') throw unknownTo(witness, journal, answer.status)
  const note = parseNote(`${newest.note}${answer.lines}`)
  const own = parseNote(newest.note)
  if (answer.lines === '' || !note || !own || note.text !== own.text)
    throw client.misunderstood('no lines with signatures')
  const at = cosignedAt(note, witness)
  if (!at) throw notByWitness(witness)
  // C2SP tlog-witness: signatures by other keys are ignored.
  return { note: writeNote({ ...own, signatures: [...own.signatures, ...cosignaturesBy(note, witness)] }), at }
}

function rolledBack({ directory }: OpenedJournal, known: number, found: number): ModelSealError {
  return new ModelSealError(
    'JOURNAL_ROLLBACK',
    `The journal ${shown(directory)} is older than what the witness has seen of it.`,
    {
      file: directory,
      expected: `at least ${known} commits`,
      found: String(found),
      hint: 'An older copy lacks what the host wrote since. If this is the host, find out who put an older state back.',
    },
  )
}

function forgotten({ witness }: Witnessing, known: number, cosigned: number): ModelSealError {
  return new ModelSealError(
    'JOURNAL_ROLLBACK',
    `The witness ${shown(witness.name)} has an older state of the journal than it cosigned.`,
    {
      expected: `at least ${cosigned} commits`,
      found: String(known),
      hint: 'Ask its operator. A witness that forgets can be made to cosign another history.',
    },
  )
}

function inconsistent({ directory }: OpenedJournal): ModelSealError {
  return new ModelSealError(
    'JOURNAL_INCONSISTENT',
    `The journal ${shown(directory)} does not continue what the witness has seen of it.`,
    {
      file: directory,
      hint: 'Its key signed two histories. Keep the directory and the cosigned checkpoint as evidence.',
    },
  )
}

function unknownTo({ name }: Cosigner, { file }: OpenedJournal, status: number): ModelSealError {
  return new ModelSealError('JOURNAL_FOREIGN', `The witness ${shown(name)} does not know the journal or its key.`, {
    expected: `a witness that knows the log ${shown(file.key)}`,
    found: `status ${status}`,
    hint: 'Give its operator the verifier key of the journal, whose name is also the origin of the log.',
  })
}

function notByWitness({ name }: Cosigner): ModelSealError {
  return new ModelSealError('KEY_MISMATCH', 'The answer is not signed with the key of the witness that was given.', {
    expected: `a cosignature by ${shown(name)} with the given key`,
    hint: 'Check the URL, and ask the operator of the witness for its verifier key. The answer was not kept.',
  })
}
