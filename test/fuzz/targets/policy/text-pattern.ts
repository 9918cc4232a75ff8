import { compileRegexp } from '../../../../packages/core/src/policy/matching/regexp.ts'
import { compileText } from '../../../../packages/core/src/policy/matching/text-pattern.ts'
import { compileLoose } from '../../../../packages/core/src/policy/revocations/loose-text.ts'
import { looseName } from '../../../../packages/core/src/policy/revocations/loose-name.ts'
import { textSchema, type TextPattern } from '../../../../packages/core/src/policy/schema/text.ts'
import { withLibraries } from '../../../../packages/core/src/policy/when-needed.ts'
import { mustEqual, texts, textOf, type Target } from '../../target.ts'

// A text of a policy and the name of a signer, on two lines: the name that a rule accepts must be one that the same
// text revokes.

/** What JavaScript and RE2 read in the same way. */
const COMMON = /^[a-z0-9@.*+?|()^$-]{0,16}$/

const target: Target = {
  longest: 96,
  dictionary: [
    'email:',
    'URI:',
    'https://',
    'CN=',
    ',O=',
    '%41',
    '.',
    '@',
    '{"pattern":"',
    '{"regexp":"',
    '\\\\',
    'xn--',
  ],
  seeds: () =>
    texts(
      '"email:a@b.org"\nemail:a@b.org',
      '{"pattern":"URI:https://github.com/acme/*@refs/tags/v*"}\nURI:https://github.com/acme/x@refs/tags/v1',
      '{"pattern":"*@b.org"}\na@b.org',
      '{"regexp":"(a|b)*c"}\nabc',
      '{"regexp":"a.*"}\nabc',
      '"CN=Signer,O=Acme"\nCN=Signer,O=Acme',
      '"DNS:xn--bcher-kva.example."\nDNS:bücher.example',
    ),
  async check(input) {
    const [written = '', name] = textOf(input)?.split('\n') ?? []
    const text = name === undefined ? undefined : await checkedText(written)
    if (name === undefined || text === undefined) return
    const [accepts, revokes] = await withLibraries(
      () => [compileText(text).matches, compileLoose(text).matches] as const,
    )
    if (accepts(name) && !revokes(looseName(name))) throw new Error('It accepts a name that it does not revoke.')
    if (typeof text === 'object' && 'regexp' in text && COMMON.test(text.regexp)) checkRegexp(text.regexp, name)
  },
}
export default target

async function checkedText(written: string): Promise<TextPattern | undefined> {
  let json: unknown
  try {
    json = JSON.parse(written)
  } catch {
    return undefined
  }
  const checked = await withLibraries(() => textSchema.check(json))
  return 'value' in checked ? checked.value : undefined
}

function checkRegexp(source: string, name: string): void {
  if (name.length > 12 || !/^[a-z0-9@.]*$/.test(name)) return
  mustEqual(compileRegexp(source)(name), new RegExp(`^(?:${source})$`).test(name), 'What RegExp matches')
}
