import { foreignReference, segmentPath, type JournalProblem } from '@modelseal/core/journal'
import type { Statements } from './statements.ts'

interface Begun {
  id: number
  name: string
  identity: string | null
  continues: string | null
}

/**
 * Finds out who writes a segment: whoever writes the one that it continues, or one that continues it, if they say that they are the same
 * thread. The end of a load counts only if the same writer says so.
 *
 * @returns number of the writer, which the segment has from now on
 */
export function writerOfSegment(statements: Statements, { id, name, identity, continues }: Begun): number {
  statements.run('update segment set identity = ?, continues = ? where id = ?', identity, continues, id)
  const others = statements.all<{ writer: number }>(
    'select distinct writer from segment where (name = ?1 or continues = ?2) and identity = ?3 and id <> ?4 and writer is not null',
    continues ?? '',
    name,
    identity,
    id,
  )
  const [writer = statements.run('insert into writer (closed, newest) values (0, 0)').id, ...same] = others.map(
    (one) => one.writer,
  )
  statements.run('update segment set writer = ? where id = ?', writer, id)
  for (const other of same) join(statements, writer, other)
  return writer
}

/** Two writers are one: the segment between those of one was not known before. */
function join(statements: Statements, writer: number, other: number): void {
  for (const table of ['segment', 'reference'])
    statements.run(`update or replace ${table} set writer = ? where writer = ?`, writer, other)
  const sql = `update writer set closed = max(writer.closed, o.closed), newest = max(writer.newest, o.newest)
    from (select closed, newest from writer where id = ?2) o where id = ?1`
  statements.run(sql, writer, other)
  statements.run('delete from writer where id = ?', other)
}

/** Ends the loads whose segment was read after the record of their end. */
export function endEarlyEnded(statements: Statements): void {
  statements.exec(`delete from live where (segment, record) in (
    select g.id, r.record from reference r join segment g on g.name = r.target where r.ends = 1 and g.writer = r.writer)`)
  statements.exec('delete from reference where writer = (select writer from segment where name = target)')
}

/** Segments that say that they continue one of another writer, and records that refer to one. They change nothing else. */
export function foreignReferences(statements: Statements): JournalProblem[] {
  const found = [CONTINUED, REFERRED].flatMap((sql) =>
    statements.all<{ name: string; target: string; number: number }>(`${sql} limit 100`),
  )
  return found.map(({ name, target, number: index }) => ({
    kind: 'reference',
    file: segmentPath(name),
    index,
    problem: foreignReference(target),
  }))
}

const CONTINUED = `select s.name, g.name target, 0 number from segment s join segment g on g.name = s.continues
  where s.identity <> g.identity or s.id = g.id`

/** Where a segment between the two was retired, nobody knows whether they are of one writer. */
const REFERRED = `select s.name, r.target, r.number from reference r join segment g on g.name = r.target join segment s on s.id = r.segment
  where g.writer <> r.writer and not (g.identity = s.identity and exists (
    select 1 from segment c where c.writer = r.writer and c.continues is not null and c.continues not in (select name from segment)))`
