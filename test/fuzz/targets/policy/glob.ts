import { compileGlob, globFault } from '../../../../packages/core/src/policy/matching/glob.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

// A glob and a text, on two lines. The matcher below tries every way to divide the text, which takes exponential time.

const target: Target = {
  longest: 48,
  dictionary: ['**', '*', '?', '/', '.', '..', '{a,b}', '{', '}', ',', '\\', '/**/', '\n'],
  seeds: () =>
    texts(
      'models/**\nmodels/a/b',
      '**/*.onnx\na/b/c.onnx',
      'a/**/z\na/b/z',
      'v?/{x,y}*\nv1/yes',
      '{a,b/{c,d}}\nb/d',
      '\\*\\{\\(\n*{(',
      '*\n..',
      '**\n../a',
      '*a*b\naab',
      'é😀?\né😀😀',
      '/**\n/',
    ),
  check(input) {
    const [glob = '', text] = textOf(input)?.split('\n') ?? []
    if (text === undefined) return
    const fault = globFault(glob)
    const alternatives = expanded(glob)
    if (fault !== undefined) return
    const matches = alternatives.some((each) => covers(each.split('/'), text === '' ? [] : text.split('/')))
    const { matches: found, spelled, depths } = compileGlob(glob)
    mustEqual(found(text), matches, `Whether ${JSON.stringify(glob)} matches ${JSON.stringify(text)}`)
    mustEqual(spelled.length, depths.length, 'The number of alternatives')
    if (!matches) return
    if (Math.max(...depths) < text.split('/').length) throw new Error('It matches something that is deeper.')
  },
}
export default target

/** The alternatives, with characters that are escaped as private ones. */
function expanded(glob: string): string[] {
  const escaped = glob.replace(/\\(.)/gsu, (_, char: string) =>
    char === '/' ? '/' : `\u{f0000}${char.codePointAt(0)?.toString(36)}\u{f0001}`,
  )
  return braces(escaped)
}

/** Expands the innermost braces, unlike the code that is tested. */
function braces(glob: string): string[] {
  const inner = /\{([^{}]*)\}/.exec(glob)
  if (!inner) return [glob]
  const { index, 0: whole, 1: list = '' } = inner
  return list.split(',').flatMap((each) => braces(glob.slice(0, index) + each + glob.slice(index + whole.length)))
}

function covers([first, ...rest]: readonly string[], parts: readonly string[]): boolean {
  if (first === undefined) return parts.length === 0
  const [part, ...others] = parts
  if (first === '**')
    return covers(rest, parts) || (part !== undefined && isPlain(part) && covers([first, ...rest], others))
  return part !== undefined && coversPart(first, part) && covers(rest, others)
}

function coversPart(pattern: string, part: string): boolean {
  if (!/[*?]/.test(pattern)) return literal(pattern) === part
  return part !== '' && isPlain(part) && coversText(pattern, Array.from(part))
}

function coversText(pattern: string, [char, ...rest]: readonly string[]): boolean {
  const [, escape = '', tail = ''] = /^(\u{f0000}[^\u{f0001}]*\u{f0001}|.)(.*)$/su.exec(pattern) ?? []
  if (escape === '') return char === undefined
  if (escape === '*')
    return (
      coversText(tail, char === undefined ? [] : [char, ...rest]) || (char !== undefined && coversText(pattern, rest))
    )
  return char !== undefined && (escape === '?' || literal(escape) === char) && coversText(tail, rest)
}

function literal(text: string): string {
  return text.replace(/\u{f0000}([^\u{f0001}]*)\u{f0001}/gu, (_, code: string) =>
    String.fromCodePoint(parseInt(code, 36)),
  )
}

function isPlain(part: string): boolean {
  return part !== '.' && part !== '..'
}
