import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'

/** By message of `tuf-js` and `@tufjs/models`, because some of their errors are wrapped and only the text is left. */
const FAULTS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/is expired/, 'TUF_EXPIRED', 'expired'],
  [/was signed by|multiple signatures/, 'TUF_SIGNATURE', 'lacks required signatures'],
  [
    /version .{0,200}(less than|doesn't match|does not match)|Expected version|Missing file/i,
    'TUF_ROLLBACK',
    'has an unexpected version',
  ],
]

const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  TUF_EXPIRED:
    'Check the clock of this machine. If it is right, the operator of the repository must renew the metadata.',
  TUF_ROLLBACK: 'An attacker may be replaying old metadata. Ask the operator of the repository.',
}

/**
 * Converts an error of the TUF libraries. An unexpected one refuses the metadata, too.
 *
 * @param file the record in the cache, if the metadata was read from there
 */
export function tufFault(cause: unknown, url: string, file?: string): ModelSealError {
  const message = messageOf(cause)
  const [, code, what] = FAULTS.find(([pattern]) => pattern.test(message)) ?? [
    /./,
    'TUF_INVALID' as const,
    'is malformed or was modified',
  ]
  const place = file === undefined ? '' : ' in the cache'
  return new ModelSealError(code, `The metadata of the TUF repository ${shown(url)}${place} ${what}.`, {
    file,
    found: shown(message),
    hint:
      file === undefined
        ? (HINTS[code] ?? 'What was fetched before stays in use.')
        : `Run "modelseal trust-root update", or remove the file ${shown(file)}.`,
    cause,
  })
}
