import { challengeIn } from '../../../../packages/hub/src/oci/login/challenge.ts'
import { mayReceiveCredentials } from '../../../../packages/hub/src/oci/login/token-service.ts'
import { mustEqual, texts, type Target } from '../../target.ts'

const REGISTRIES = [
  'https://registry.example',
  'https://registry-1.docker.io',
  'https://r.co.uk',
  'https://127.0.0.1:5000',
].map((url) => new URL(url))

// The header of a registry that asks for a login; its characters are bytes.
const target: Target = {
  longest: 600,
  dictionary: [
    'Bearer ',
    'Basic ',
    'Negotiate ',
    'realm="https://auth.example/token"',
    ',service="registry.example"',
    ',scope="repository:models/vad:pull"',
    'https://auth.docker.io/token',
    'https://evil.example',
    'https://evilregistry.example',
    'https://co.uk',
    '@registry.example',
    '\\"',
    ', ',
    '=',
  ],
  seeds: () =>
    texts(
      'Bearer realm="https://auth.registry.example/token",service="registry.example",scope="repository:a:pull"',
      'Basic realm="a \\"b\\" c", charset=UTF-8',
      'Negotiate abc==, Bearer realm=x , Basic realm="y"',
      'bearer realm="https://auth.docker.io/token", realm="https://evil.example"',
      'Digest nonce="a, Bearer realm=b", Basic realm=c',
      'Basic',
    ),
  check(input) {
    const header = Buffer.from(input).toString('latin1')
    const read = challengeIn(header)
    if (!read) return
    const { scheme, parameters } = read
    const again = [...parameters].map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
    const written = `${scheme} ${again.join(', ')}`
    mustEqual(challengeIn(written), read, 'The challenge, written again')
    for (const [name, value] of parameters) {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) throw new Error(`A parameter is named ${JSON.stringify(name)}.`)
      if (!unescaped(header).includes(unescaped(value))) throw new Error(`The header has no ${JSON.stringify(value)}.`)
    }
    const realm = URL.parse(parameters.get('realm') ?? '')
    if (realm) for (const registry of REGISTRIES) checkCredentials(realm, registry)
  },
}
export default target

function unescaped(text: string): string {
  return text.replaceAll('\\', '')
}

/** By the labels of both names: one is below the other, or both are below a name that is not shared by strangers. */
function checkCredentials(realm: URL, registry: URL): void {
  if (!mayReceiveCredentials(realm, registry) || realm.origin === registry.origin) return
  const [service, host] = [realm.hostname.split('.'), registry.hostname.split('.')]
  const isNumber = /^\d+$/.test(host.at(-1) ?? '')
  const common = service.reverse().findIndex((label, index) => label !== host.at(-1 - index))
  const shared = common < 0 ? service.length : common
  const isSame = realm.hostname === registry.hostname
  if (!isSame && (isNumber || shared < Math.max(2, host.length - 1)))
    throw new Error(`${realm.hostname} receives the credentials of ${registry.hostname}.`)
  if (!isSame && registry.hostname === 'r.co.uk' && shared < 3) throw new Error('All of co.uk receives them.')
}
