import { messageOf } from '../../any-realm.ts'
import { ModelSealError, shown, type ErrorCode } from '../../errors.ts'

/** By what `tuf-js` and `@tufjs/models` say: some of their errors come wrapped, with nothing left but the text. */
const FAULTS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/is expired/, 'TUF_EXPIRED', 'expired'],
  [/was signed by|multiple signatures/, 'TUF_SIGNATURE', 'is not signed by enough of its keys'],
  [
    /version .*(less than|doesn't match|does not match)|Expected version|Missing file/i,
    'TUF_ROLLBACK',
    'is of another version than it should be',
  ],
]

const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  TUF_EXPIRED: 'Check the clock of this machine; whoever runs the repository has to renew its metadata.',
  TUF_ROLLBACK: 'Somebody may be replaying old metadata: ask whoever runs the repository.',
}

/**
 * The typed form of a refusal by the libraries of TUF; what they throw unforeseen refuses as well.
 *
 * @param file the record that was read from the cache, where it was not fetched just now
 */
export function tufFault(cause: unknown, url: string, file?: string): ModelSealError {
  const message = messageOf(cause)
  const [, code, what] = FAULTS.find(([pattern]) => pattern.test(message)) ?? [
    /./,
    'TUF_INVALID' as const,
    'is malformed, or was changed',
  ]
  const whose = file === undefined ? '' : ', as it was kept in the cache,'
  return new ModelSealError(code, `The metadata of the TUF repository ${shown(url)}${whose} ${what}.`, {
    file,
    found: shown(message),
    hint:
      file === undefined
        ? (HINTS[code] ?? 'The trusted root that was used before stays in use.')
        : `Run "modelseal trust-root update", or remove the file ${shown(file)}.`,
    cause,
  })
}
