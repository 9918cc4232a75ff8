import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

export const ROOT = join(import.meta.dirname, '../..')

/**
 * The parsed source of the packages, without tests.
 *
 * @param about files without such text are left out, since parsing all of them takes long
 */
export function parsedSources(patterns: string[], about = /(?:)/): ts.SourceFile[] {
  return globSync(patterns, { cwd: ROOT })
    .filter((path) => !/\.test\.ts$|[\\/]testing[\\/]/.test(path))
    .filter((path) => about.test(readFileSync(join(ROOT, path), 'utf8')))
    .sort()
    .map((path) =>
      ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest, true, ts.ScriptKind.TS),
    )
}

export function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node)
  ts.forEachChild(node, (child) => visit(child, see))
}

/** The TSDoc of a declaration as Markdown, without its tags; empty if it has none. */
export function documentationOf(node: ts.Node): string {
  const [first] = ts.getJSDocCommentsAndTags(node)
  if (!first || !ts.isJSDoc(first)) return ''
  const text = ts.getTextOfJSDocComment(first.comment) ?? ''
  return text
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim()
}
