import { readlinkSync, type BigIntStats } from 'node:fs'
import { relative, sep } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'
import { hubBlob } from './hub-link.ts'
import { errno, unreadable } from '../file-errors.ts'
import { realPlace } from './real-path.ts'
import { special, stateAt } from './source-file.ts'

/** Where a symbolic link of a model leads. */
interface LinkTarget {
  /** Absolute, without links. */
  path: string
  stat: BigIntStats
}

/** The model that a link is in, and whether it allows links. */
interface LinkContext {
  /** The model that the link is in: its absolute path, without links. */
  source: { path: string }
  /** True for a model whose links are followed (OMS 6.1.1). */
  followLinks: boolean
}

/**
 * The file or directory that a symbolic link of a model points to. Links in a Hugging Face cache are always followed.
 *
 * @param link its absolute path, without links, and its name
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_SPECIAL`, `FILE_UNREADABLE`
 */
export function targetOf(
  { path, name }: { path: string; name: string },
  { source, followLinks }: LinkContext,
): { path: string; isDirectory: boolean } {
  const blob = hubBlob(path)
  if (blob !== undefined) return { path: blob, isDirectory: false }
  if (!followLinks) throw linksNotAllowed(path, name, LINKS_HINT)
  // OMS 6.1.1: the resource has the link's own name.
  const target = followLink(path, name, source.path)
  if (!target.stat.isDirectory() && !target.stat.isFile()) throw special(target.path, name)
  return { path: target.path, isDirectory: target.stat.isDirectory() }
}

/**
 * Refuses a link to a directory that contains the link. (OMS 6.1.1 requires only a warning.)
 *
 * @param target path of the directory, without links
 * @param ancestors the directories above the link, without links
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`
 */
export function checkEnds(link: { path: string; name: string }, target: string, ancestors: readonly string[]): void {
  if (!ancestors.includes(target)) return
  const what = 'is a cycle: it points to a directory that contains it'
  throw linkRefused(link.path, link.name, what, 'Remove the link.')
}

/**
 * Follows a symbolic link of a model that allows links (OMS 6.1.1). Refuses a link out of the model, for which the
 * standard requires only a warning.
 *
 * @param root the model's directory, without links
 * @throws {@link ModelSealError} `SYMLINK_REFUSED`, `FILE_UNREADABLE`
 */
function followLink(path: string, name: string, root: string): LinkTarget {
  const target = placeBehind(path, name)
  const within = relative(root, target)
  if (within === '..' || within.startsWith(`..${sep}`)) {
    throw linkRefused(path, name, 'points out of the model', 'Put the file itself into the model.')
  }
  // Without links, so that none is followed when it is opened.
  return { path: target, stat: stateAt(target) }
}

/** Refuses a link in a model that allows none. */
export function linksNotAllowed(path: string, name: string, hint = LINK_HINT): ModelSealError {
  return linkRefused(path, name, 'is a symbolic link, which the model may not contain', hint)
}

const LINK_HINT = 'Replace the link with the file itself.'
/** The signature, and therefore the signer, decides whether links are followed. */
const LINKS_HINT = `${LINK_HINT} Or sign the model with its links allowed ("modelseal sign" with --allow-symlinks).`

function placeBehind(path: string, name: string): string {
  try {
    return realPlace(path).path
  } catch (error) {
    if (error instanceof ModelSealError)
      throw linkRefused(path, name, 'does not point to the path in its text', 'Put the file itself into the model.')
    if (errno(error) === 'ENOENT') throw linkRefused(path, name, 'points to nothing', 'Remove the link.')
    if (errno(error) === 'ELOOP') throw linkRefused(path, name, 'points back to itself', 'Remove the link.')
    throw unreadable(path, 'symbolic link', error)
  }
}

function linkRefused(path: string, name: string, what: string, hint: string): ModelSealError {
  return new ModelSealError('SYMLINK_REFUSED', `${shown(name)} ${what}.`, {
    file: name,
    found: `a symbolic link to ${shown(linkText(path))}`,
    hint,
  })
}

function linkText(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return 'an unknown target'
  }
}
