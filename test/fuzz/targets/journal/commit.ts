import { generateKeyPairSync } from 'node:crypto'
import { readCollected, writeCollected } from '../../../../packages/core/src/journal/format/collected.ts'
import { readCommit, writeCommit } from '../../../../packages/core/src/journal/format/commit.ts'
import {
  describeJournal,
  readJournalFile,
  writeJournalFile,
} from '../../../../packages/core/src/journal/format/journal-file.ts'
import { digestOf } from '../../../../packages/core/src/testing/journals.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

const TIME = '2026-11-02T10:00:00.000Z'
const SEGMENT = '1793613600000-0123456789abcdef'

const target: Target = {
  dictionary: [digestOf('a'), SEGMENT, TIME, '"end":true', '"retired":true', '"__proto__":', '\\n'],
  seeds() {
    const leaf = { segment: SEGMENT, size: 3, root: digestOf('root'), bytes: 99, time: TIME, end: true as const }
    const nonce = '0'.repeat(32)
    return texts(
      writeCommit({ index: 0, leaf, frontier: [digestOf('a')], note: 'x' }),
      writeJournalFile(describeJournal({ nonce, host: 'h', created: TIME }, generateKeyPairSync('ed25519').publicKey)),
      writeCollected({ format: 1, url: 'https://c.example', size: 1, root: digestOf('r'), segments: { [SEGMENT]: 5 } }),
    )
  },
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const commit = readCommit(text)
    if ('commit' in commit) mustEqual(writeCommit(commit.commit), text, 'The commit, written again')
    const file = readJournalFile(text)
    if ('journal' in file) mustEqual(writeJournalFile(file.journal), text, 'The file of the journal, written again')
    const collected = readCollected(text)
    if ('collected' in collected)
      mustEqual(readCollected(writeCollected(collected.collected)), collected, 'What was collected, written again')
  },
}
export default target
