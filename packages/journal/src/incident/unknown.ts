import type { Statements } from '../index/statements.ts'
import type { AskedJournal, Incident } from './incident.ts'
import { JournalFacts } from './journal-facts.ts'

interface Asked {
  kind: Incident['query']['kind']
  asked: readonly AskedJournal[]
  all: readonly Statements[]
  /** True if a list ended at its limit. */
  isCut: boolean
}

/** What the journals cannot answer, as sentences. */
export function whatIsUnknown({ kind, asked, all, isCut }: Asked): string[] {
  const facts = all.map((statements) => new JournalFacts(statements))
  const sum = (count: (one: JournalFacts) => number) => facts.reduce((total, one) => total + count(one), 0)
  const of = (count: (one: AskedJournal) => number) => asked.reduce((total, one) => total + count(one), 0)
  const [uncovered, lost, retired] = [of((one) => one.uncovered), of((one) => one.lost), of((one) => one.retired)]
  const [cutModels, cutLists, unidentified] = [
    sum((one) => one.cutModels()),
    sum((one) => one.cutSituations()),
    sum((one) => one.unidentified()),
  ]
  const broken = asked.filter(({ holds }) => !holds).length
  const said: (string | false)[] = [
    broken > 0 && `${journals(broken)} not hold: records in ${broken === 1 ? 'it' : 'them'} may be missing or changed.`,
    asked.some(({ pinned }) => !pinned) &&
      'The checkpoints were verified with the keys in the journals: whoever could write there could have replaced both.',
    new Set(asked.map(({ id }) => id)).size < asked.length &&
      'Some of the journals are copies of one: the loads in each copy are counted.',
    uncovered > 0 &&
      `No checkpoint covers the last ${number(uncovered, 'record')}: those could be cut off or added without a trace.`,
    lost > 0 && `${number(lost, 'record')} could not be written by the hosts.`,
    retired > 0 &&
      `${number(retired, 'segment')} of the journals ${retired === 1 ? 'was' : 'were'} deleted after the time for which they are kept.`,
    kind === 'file' &&
      cutModels > 0 &&
      `${number(cutModels, 'model')} may contain the file: not all of their files were recorded.`,
    (kind === 'signer' || kind === 'policy') &&
      cutLists > 0 &&
      `In some loads, not all signers and included policies were recorded, because there were too many.`,
    (kind === 'model' || kind === 'file') &&
      unidentified > 0 &&
      'Loads that were refused before the root digest of the model was known are not counted.',
    isCut &&
      'Only the first thousand entries of each list are known, and the counts beside the total are those of these.',
    'Processes without a journal, and journals that were not given, are unknown.',
  ]
  return said.filter((one) => one !== false)
}

function number(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
}

function journals(count: number): string {
  return count === 1 ? 'One journal does' : `${count} journals do`
}
