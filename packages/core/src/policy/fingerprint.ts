/** Fingerprints and serial numbers as tools print them, and the one form in which they are compared. */

/** Alone, after `sha256:`, or as OpenSSL's `sha256 Fingerprint=`; the pairs apart by colons, by spaces, or by nothing. */
export const FINGERPRINT = /^(?:sha-?256(?: fingerprint)?[:=] ?)?[0-9a-f]{2}(?:[: ]?[0-9a-f]{2}){31}$/i

/** In hex, alone or after `0x`, as OpenSSL's `serial=`, or as its `4096 (0x1000)`. */
export const SERIAL = /^(?:(?:serial=|0x)?[0-9a-f]+(?:[: ][0-9a-f]+)*|[0-9]+ \(0x[0-9a-f]+\))$/i

/** A fingerprint or number as one run of lowercase hex digits. */
export function plainHex(text: string): string {
  return text
    .toLowerCase()
    .replace(/^(sha-?256(?: fingerprint)?[:=]|serial=|0x)/, '')
    .replace(/[: ]/g, '')
}

/** A serial number is a number: leading zeros are no part of it. */
export function plainSerial(text: string): string {
  const [, inParentheses] = /\(0x([0-9a-f]+)\)$/i.exec(text) ?? []
  return plainHex(inParentheses ?? text).replace(/^0+(?=.)/, '')
}

/** What a text that is no {@link FINGERPRINT} is instead, and what to do about it. */
export function fingerprintFault(text: string): string {
  const expected = 'expected a SHA-256 of 64 hex digits, in quotes'
  if (/^sha256:[a-z0-9+/]{43}=?$/i.test(text))
    return `${expected}; this is the base64 that ssh-keygen prints, so give the key itself as { file: a.pub } in PEM`
  if (/[/\\]|\.(pub|pem|crt|cer|der|key)$/i.test(text)) return `${expected}; to name a file, write { file: … }`
  const digits = plainHex(text.replace(/^sha-?1(?: fingerprint)?[:=]/i, ''))
  if (/^([0-9a-f]{40}|[0-9a-f]{32})$/.test(digits))
    return `${expected}; this is a ${digits.length === 40 ? 'SHA-1' : 'MD5'}, so print the other with "openssl x509 -noout -fingerprint -sha256"`
  return expected
}
