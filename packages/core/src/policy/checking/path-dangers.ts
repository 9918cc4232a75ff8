import { shown } from '../../errors.ts'
import type { MatchText } from '../schema/match.ts'
import type { Danger } from './finding.ts'

/** Warns about path globs in the syntax of a shell, of Windows or of regular expressions. */
export function pathDangers(globs: MatchText['path']): Danger[] {
  return [globs ?? []].flat().flatMap((glob) => {
    const fix = MISTAKES.find(({ form }) => form.test(glob))?.fix
    if (fix === undefined) return []
    const message = `The path ${shown(glob)} probably matches nothing. ${fix}`
    return [{ severity: 'warning', code: 'PATH_MISSPELT', message } as const]
  })
}

const MISTAKES: readonly { form: RegExp; fix: string }[] = [
  { form: /^~[^/]*(?:\/|$)/, fix: 'Policies do not expand "~": write the absolute path of the directory.' },
  { form: /\$(?:\w|\\?\{\w)|^%\w+%/, fix: 'Policies do not expand variables: write the path itself.' },
  { form: /^[a-z]:\\/i, fix: 'A backslash escapes the next character: write "/" between directories.' },
  {
    form: /^\^|\$$|\.\*|\\\./,
    fix: 'It is a glob, not a regular expression: "models/**" matches everything in a directory.',
  },
]
