import { COMMITS, SEGMENTS } from '@modelseal/core/journal'

// How a host sends its journal to a collector. All requests can be repeated: what is stored already is compared, not stored again.
//
//   POST /v1/journals/ID                            {"journal":"<journal.json>","note":"<newest checkpoint>"}   →  {"size":…,"root":"…"}
//   PUT  /v1/journals/ID/segments/SEGMENT?offset=N  complete lines of the segment from this byte on             →  {"bytes":…}
//   POST /v1/journals/ID/commits?without=SEGMENT,…  commits, one a line, whose segments were sent before        →  {"size":…,"root":"…"}
//
// An answer says what is stored durably now, and the host goes on there. `without` names segments that the host does not have any more.

const ROOT_PATH = '/v1/journals'

/** Bytes of one request with lines or commits. A line has at most 64 KiB. */
export const MAX_CONTENT = 1024 * 1024
/** Bytes of the request that asks for the state: `journal.json` and a checkpoint. */
export const MAX_QUESTION = 64 * 1024
/** Bytes of an answer. */
export const MAX_ANSWER = 64 * 1024
/** Segments that one request with commits can name in `without`. */
export const MAX_WITHOUT = 256

/** How many commits are stored, and the root of the tree over them in hex; empty if there are none. */
export interface CollectedState {
  size: number
  root: string
}

export interface JournalQuestion {
  /** The text of `journal.json`. */
  journal: string
  /** The newest checkpoint of the host. */
  note: string
}

/** What a request is about. */
export interface Target {
  journal: string
  /** The segment whose lines are sent. */
  segment?: string
  /** True if commits are sent. */
  isCommits: boolean
}

const TARGET = new RegExp(`^${ROOT_PATH}/([0-9a-f]{32})(?:/(${COMMITS})|/${SEGMENTS}/(\\d{13}-[0-9a-f]{16}))?$`)

/** @returns undefined for any other path: names of files are never taken from a request as they are */
export function targetIn(path: string): Target | undefined {
  const [, journal, commits, segment] = TARGET.exec(path) ?? []
  if (journal === undefined) return undefined
  return { journal, isCommits: commits !== undefined, ...(segment !== undefined && { segment }) }
}

export function pathOf({ journal, segment, isCommits }: Target): string {
  const path = `${ROOT_PATH}/${journal}`
  if (segment !== undefined) return `${path}/${SEGMENTS}/${segment}`
  return isCommits ? `${path}/${COMMITS}` : path
}
