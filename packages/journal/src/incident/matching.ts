import type { Statements } from '../index/statements.ts'
import type { Incident } from './incident.ts'

type Kind = Incident['query']['kind']

/** Which situations match, as a query with one parameter. */
const SITUATIONS: Record<Kind, string> = {
  model: 'select s.id from situation s join model m on m.id = s.model where m.root = ?1',
  file: 'select s.id from situation s where s.model in (select model from file where digest = ?1)',
  policy: 'select s.id from situation s where s.policy in (select policy from policy_digest where digest = ?1)',
  signer: `select situation from situation_signer where signer in (
    select id from signer where fingerprint = ?1 or root = ?1 union select signer from signer_name where name = ?1)`,
}

/** Puts the matching situations of a journal into the temporary table `hit`. */
export function matchSituations(statements: Statements, kind: Kind, values: Iterable<string>): void {
  statements.exec('create temp table if not exists hit(situation integer primary key)')
  statements.exec('delete from hit')
  for (const value of values) statements.run(`insert or ignore into hit ${SITUATIONS[kind]}`, value)
}

/** Root digests of the models in the matching situations. */
export function rootsOfHits(statements: Statements): string[] {
  const sql =
    "select distinct m.root from hit join situation s on s.id = hit.situation join model m on m.id = s.model where m.root <> ''"
  return statements.all<{ root: string }>(sql).map(({ root }) => root)
}

/** Root digests of all models that contain a file, loaded or not. */
export function rootsWithFile(statements: Statements, digest: string): string[] {
  const sql = "select m.root from file f join model m on m.id = f.model where f.digest = ? and m.root <> ''"
  return statements.all<{ root: string }>(sql, digest).map(({ root }) => root)
}

/** Models that signed provenance says were made from one of these. */
export function madeFrom(statements: Statements, root: string): string[] {
  const sql = "select distinct m.root from input i join model m on m.id = i.model where i.root = ? and m.root <> ''"
  return statements.all<{ root: string }>(sql, root).map(({ root: made }) => made)
}
