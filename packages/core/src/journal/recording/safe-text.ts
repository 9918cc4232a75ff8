import { createHash } from 'node:crypto'
import { basename, isAbsolute, relative, sep } from 'node:path'
import { withoutSecrets } from '../../secrets.ts'
import type { JournalSettings } from '../writing/settings/settings.ts'

/** A URL without what may be secret: user, password, query and fragment. */
export function safeUrl(url: string): string {
  return withoutSecrets(url.replace(/[?#][^]*$/, '').replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1'))
}

/** The path or URL of a model or a policy, in the form that the settings ask for. */
export function safePath(path: string, paths: JournalSettings['paths']): string {
  if (!isAbsolute(path)) return safeUrl(path)
  const full = withoutSecrets(path)
  return paths === 'full' ? full : shortPath(full)
}

/** Relative to the working directory, if it is below it. Otherwise the name, and a part of a digest, which tells two paths with one name apart. */
function shortPath(path: string): string {
  const below = relative(workingDirectory(), path)
  if (below !== '' && below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below)) return below
  return `${basename(path)} (${createHash('sha256').update(path).digest('hex').slice(0, 8)})`
}

function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}
