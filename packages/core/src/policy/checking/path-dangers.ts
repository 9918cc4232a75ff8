import { shown } from '../../errors.ts'
import type { MatchText } from '../schema/match.ts'
import type { Danger } from './finding.ts'

/** Warns of globs over paths in the words of a shell, of Windows, or of regular expressions. */
export function pathDangers(globs: MatchText['path']): Danger[] {
  return [globs ?? []].flat().flatMap((glob) => {
    const mend = MISTAKES.find(({ form }) => form.test(glob))?.mend
    if (mend === undefined) return []
    const message = `The path ${shown(glob)} probably matches nothing. ${mend}`
    return [{ severity: 'warning', code: 'PATH_MISSPELT', message } as const]
  })
}

const MISTAKES: readonly { form: RegExp; mend: string }[] = [
  { form: /^~[^/]*(?:\/|$)/, mend: 'Policies do not expand "~": write the absolute path of the directory.' },
  { form: /\$(?:\w|\\?\{\w)|^%\w+%/, mend: 'Policies do not expand variables: write the path itself.' },
  { form: /^[a-z]:\\/i, mend: 'A backslash takes the next character literally: write "/" between directories.' },
  {
    form: /^\^|\$$|\.\*|\\\./,
    mend: 'It is a glob and not a regular expression: "models/**" matches all in a directory.',
  },
]
