import { posix } from 'node:path'

/** A command of a page that installs a package of the project. */
const INSTALLS = /^npm install (?:.* )?@?modelseal(?:[\s/]|$)/m
/** What the commands print follows them. */
const OUTPUT = /^\n\n```text\b[^]*?\n```(?=\n)/
/** Where a reader learns how to make the tarballs. */
const PACKING = 'README.md#try-it'

/**
 * Says below the first commands that install packages of the project that no registry has them yet: a reader may come to any page first,
 * and somebody else could register their names. Pages that say so themselves stay as they are.
 *
 * @param path of the page in the repository
 */
export function withNotice(path: string, text: string): string {
  if (text.includes(PACKING)) return text
  const blocks = text.matchAll(/^```sh\b.*\n([^]*?)^```$/gm)
  const block = [...blocks].find(([, code = '']) => INSTALLS.test(code))
  if (!block) return text
  const [output = ''] = OUTPUT.exec(text.slice(block.index + block[0].length)) ?? []
  const end = block.index + block[0].length + output.length
  const link = posix.relative(posix.dirname(path), PACKING)
  const notice = `The packages are not on the npm registry yet. Until they are, [pack them in a clone](${link}), and install the tarballs instead.`
  return `${text.slice(0, end)}\n\n::: info\n${notice}\n:::\n${text.slice(end)}`
}
