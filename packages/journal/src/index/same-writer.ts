import { foreignReference, segmentPath, UNSIGNED_SEGMENT, type JournalProblem } from '@modelseal/core/journal'
import type { Statements } from './statements.ts'

interface Begun {
  id: number
  identity: string | null
  continues: string | null
}

/**
 * Finds out who writes a segment: whoever writes the others that the same key signed. The end of a load counts only if the same writer says
 * so. A segment that is not signed has a writer of its own.
 *
 * @returns number of the writer, which the segment has from now on
 */
export function writerOfSegment(statements: Statements, { id, identity, continues }: Begun): number {
  const known = statements.get<{ writer: number }>(
    'select writer from segment where identity = ? and id <> ? and writer is not null',
    identity,
    id,
  )
  const writer = known?.writer ?? statements.run('insert into writer (closed, newest) values (0, 0)').id
  statements.run(
    'update segment set identity = ?, continues = ?, writer = ? where id = ?',
    identity,
    continues,
    writer,
    id,
  )
  return writer
}

/** Ends the loads whose segment was read after the record of their end. */
export function endEarlyEnded(statements: Statements): void {
  statements.exec(`delete from live where (segment, record) in (
    select g.id, r.record from reference r join segment g on g.name = r.target where r.ends = 1 and g.writer = r.writer)`)
  statements.exec('delete from reference where writer = (select writer from segment where name = target)')
}

/** Segments that are not signed, or that continue one of another writer, and records that refer to one. They change nothing else. */
export function foreignReferences(statements: Statements): JournalProblem[] {
  const unsigned = statements.all<{ name: string }>(`${NOT_SIGNED} limit 100`)
  const foreign = [CONTINUED, REFERRED].flatMap((sql) =>
    statements.all<{ name: string; target: string; number: number }>(`${sql} limit 100`),
  )
  return [
    ...unsigned.map(({ name }) => ({ ...UNSIGNED_SEGMENT, file: segmentPath(name) })),
    ...foreign.map(({ name, target, number: index }) => ({
      kind: 'reference' as const,
      file: segmentPath(name),
      index,
      problem: foreignReference(target),
    })),
  ]
}

const NOT_SIGNED = 'select name from segment where identity is null and writer is not null'

const CONTINUED = `select s.name, g.name target, 0 number from segment s join segment g on g.name = s.continues
  where s.identity is not null and (s.identity is not g.identity or s.id = g.id)`

const REFERRED = `select s.name, r.target, r.number from reference r join segment g on g.name = r.target join segment s on s.id = r.segment
  where g.writer <> r.writer`
