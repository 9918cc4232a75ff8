import { modelUrl } from '../../../../packages/core/src/policy/matching/model-url.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const target: Target = {
  longest: 128,
  dictionary: [
    'https://',
    'http://',
    'file://',
    'hf://',
    'oci://',
    '%2e',
    '%2F',
    '%25',
    '%',
    '@',
    ':443',
    '..',
    '[::1]',
  ],
  seeds: () =>
    texts(
      'HTTPS://Hub.Example:443/org/m',
      'https://hub.example/a/../b/./m',
      'https://hub.example/%6Drg/%c3%a9',
      'https://hub.example/m?download=a%2Fb#part',
      'https://evil.example?.corp.example/m',
      'file:///srv/m',
      'hf://org/name@main',
      'https://user:secret@hub.example/m',
      'https://[::1]:8080/m',
      'https://1.2.3/m',
      'https://hub.example/%e4/100%/m',
    ),
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    const seen = readOrRefused(() => modelUrl(text))
    if (seen === REFUSED) return
    mustEqual(modelUrl(seen), seen, 'The URL of what is seen')
    const [found, given] = [new URL(seen), new URL(text)]
    mustEqual([found.href, found.search, found.hash], [seen, '', ''], 'What WHATWG URL makes of it')
    const authority = ({ protocol, host }: URL) => `${protocol}//${unescape(host)}`
    mustEqual(authority(found), authority(given), 'Scheme and host')
    const components = (url: URL) => url.pathname.split('/').map((part) => unescape(part))
    mustEqual(components(found), components(given), 'The path, unescaped')
    if (components(found).some((part) => /^\.\.?$|[/\\]/.test(part)))
      throw new Error('The path has a hidden separator.')
  },
}
export default target

/** Each escape once, as bytes, whatever they stand for. */
function unescape(part: string): string {
  return part.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
}
