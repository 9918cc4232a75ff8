import { LineCounter, parseDocument } from 'yaml'
import { readYaml } from '../../../../packages/core/src/yaml/read-yaml.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

const target: Target = {
  longest: 512,
  dictionary: [
    '---',
    '...',
    ': ',
    '- ',
    '? ',
    '| ',
    '>-',
    '"',
    "'",
    '&a ',
    '*a',
    '!!str ',
    '#',
    '\t',
    '\n',
    '\r',
    '<<: ',
  ],
  seeds: () =>
    texts(
      'a: 1\nb: [x, "y", \'z\']\nc: { d: null, e: ~ }\n',
      '{"a":[1,2.5,true,null],"b":{}}',
      'a: |\n  text\n  more\nb: >-\n  folded\n\n  text\n',
      '? key\n: value\n',
      'a: 1\na: 2\n',
      'a: 1\n"a": 2\n',
      '1: a\n"1": b\n',
      'a: &x 1\nb: *x\n',
      '- - a\n  - b\n-\n  - c\n',
      '%YAML 1.2\n---\na: b\n...\n',
      'a:\n\tb: 1\n',
    ),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const read = readYaml(text, new LineCounter())
    const whole = parseDocument(text, { prettyErrors: false })
    if ('faults' in read) {
      if (isPlainJson(text)) throw new Error(`It refuses JSON: ${read.faults[0].sentence}`)
      return
    }
    mustEqual(whole.errors.map(String), [], 'The list of faults that the library finds')
    if (/(?:^|[\s,:[{])[*&!]/.test(text)) return
    mustEqual(read.document.toJS(), whole.toJS(), 'What the library reads')
  },
}
export default target

/** JSON without a repeated key, a deep value, or a key of YAML. */
function isPlainJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return (
      JSON.stringify(value) === text && !/[^ -~]/.test(text) && !text.includes('[[[[[[[[[[[[[[[[') && text.length < 100
    )
  } catch {
    return false
  }
}
