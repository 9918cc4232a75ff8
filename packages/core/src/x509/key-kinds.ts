import { shown } from '../errors.ts'

/** Recognizes what a file contains instead of the expected key or certificate, and says how to convert it. */

const PUBLIC_KINDS: readonly (readonly [RegExp, string])[] = [
  [
    /BEGIN OPENSSH PRIVATE KEY/,
    'This is an SSH private key: keep it secret. Print its public half with "ssh-keygen -e -m PKCS8 -f FILE".',
  ],
  [
    /BEGIN PGP/,
    'This is a PGP key, which model signatures do not use. Make a key with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".',
  ],
  [
    /PRIVATE KEY-----/,
    'This is a private key: keep it secret, and give its public half ("openssl pkey -in FILE -pubout").',
  ],
  [
    /BEGIN (TRUSTED |X509 )?CERTIFICATE-----/,
    'This is a certificate. Print its key with "openssl x509 -pubkey -noout -in FILE", or trust its authority under "certificates".',
  ],
  [
    /BEGIN (NEW )?CERTIFICATE REQUEST/,
    'This is a certificate request. Print its key with "openssl req -in FILE -pubkey -noout".',
  ],
  [
    /BEGIN RSA PUBLIC KEY/,
    'This is an RSA key, which model signatures do not use. Make a key on P-256 with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".',
  ],
  [
    /^(ecdsa-sha2-|sk-ecdsa-)\S+ |BEGIN SSH2 PUBLIC KEY/m,
    'This is an SSH public key. Convert it with "ssh-keygen -e -m PKCS8 -f FILE".',
  ],
  [
    /^(ssh-|sk-ssh-)\S+ /m,
    'This is an SSH public key of a kind that model signatures do not use. Make a key with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256".',
  ],
  [/^untrusted comment:/, 'This is a minisign or signify key, which model signatures do not use.'],
  [/^\s*\{[^]*"kty"/, 'This is a key in JSON (JWK). Write it as PEM (SPKI).'],
]

const ANY_PUBLIC_KEY =
  'Convert the key with "openssl pkey -pubin -pubout", or "openssl x509 -pubkey -noout" for a certificate.'

/** Says what to do with a text that is not a public key in PEM (SPKI). */
export function publicKeyHint(text: string): string {
  const known = PUBLIC_KINDS.find(([mark]) => mark.test(text))
  if (known) return known[1]
  if (isDer(text)) return 'This looks like DER. Convert it with "openssl pkey -pubin -inform DER -in FILE -pubout".'
  return ANY_PUBLIC_KEY
}

const PRIVATE_KINDS: readonly (readonly [RegExp, string])[] = [
  [
    /BEGIN OPENSSH PRIVATE KEY/,
    'This is an SSH private key. Convert a copy of it with "ssh-keygen -p -m PKCS8 -f COPY".',
  ],
  [/BEGIN PGP/, 'This is a PGP key, which model signatures do not use.'],
  [/PUBLIC KEY-----|^(ecdsa-sha2|ssh)-\S+ /m, 'This is a public key. Give the private key that belongs to it.'],
  [/BEGIN (TRUSTED |X509 )?CERTIFICATE-----/, 'This is a certificate. Give the private key that it was issued for.'],
]

const ANY_PRIVATE_KEY =
  'Make one with "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key".'

/** Says what to do with a text that is not a private key in PEM. */
export function privateKeyHint(text: string): string {
  const known = PRIVATE_KINDS.find(([mark]) => mark.test(text))
  if (known) return known[1]
  if (isDer(text)) return 'This looks like DER. Convert it with "openssl pkey -inform DER -in FILE -out release.key".'
  return ANY_PRIVATE_KEY
}

/** Says what to do with a text that contains no certificate; undefined if its kind is unknown. */
export function certificateHint(text: string): string | undefined {
  if (/PRIVATE KEY-----/.test(text)) return 'This is a private key: keep it secret, and give a certificate.'
  if (/PUBLIC KEY-----/.test(text))
    return 'This is a public key. Give a certificate; in a policy, trust a key under "publicKey".'
  if (/CERTIFICATE REQUEST-----/.test(text))
    return 'This is a certificate request. Give the certificate that the authority issued for it.'
  if (/BEGIN TRUSTED CERTIFICATE-----/.test(text)) return 'Convert it with "openssl x509 -in FILE -out root.pem".'
  if (/BEGIN PKCS7-----/.test(text)) return 'Convert it with "openssl pkcs7 -in FILE -print_certs -out root.pem".'
  return undefined
}

/** The labels of the PEM blocks, or a phrase if there are none or the file is empty. */
export function foundIn(text: string, labels: readonly (string | undefined)[]): string {
  if (text.trim() === '') return 'an empty file'
  return labels.length === 0 ? 'no PEM block' : labels.map((label) => shown(label ?? '')).join(', ')
}

/** Whether the text begins like an ASN.1 sequence with a length of one or two bytes. */
function isDer(text: string): boolean {
  return text.charCodeAt(0) === 0x30 && text.length > 32 && /[^\t\n\r -~]/.test(text.slice(0, 64))
}
