/**
 * Fingerprints and serial numbers as tools print them, and the one form in which they are compared. Their expressions name both cases of
 * each letter: JSON Schema has no flag to ignore it.
 */

/** Alone, after `sha256:`, or after OpenSSL's `sha256 Fingerprint=`; pairs of digits may be separated by colons or spaces. */
export const FINGERPRINT =
  /^(?:[sS][hH][aA]-?256(?: [fF][iI][nN][gG][eE][rR][pP][rR][iI][nN][tT])?[:=] ?)?[0-9a-fA-F]{2}(?:[: ]?[0-9a-fA-F]{2}){31}$/

/** In hex, alone, after `0x` or OpenSSL's `serial=`, or in OpenSSL's form `4096 (0x1000)`. */
export const SERIAL =
  /^(?:(?:[sS][eE][rR][iI][aA][lL]=|0[xX])?[0-9a-fA-F]+(?:[: ][0-9a-fA-F]+)*|[0-9]+ \(0[xX][0-9a-fA-F]+\))$/

/** A fingerprint or number as one run of lowercase hex digits. */
export function plainHex(text: string): string {
  return text
    .toLowerCase()
    .replace(/^(sha-?256(?: fingerprint)?[:=]|serial=|0x)/, '')
    .replace(/[: ]/g, '')
}

/** Without leading zeros: a serial number is a number. */
export function plainSerial(text: string): string {
  const [, inParentheses] = /\(0x([0-9a-f]+)\)$/i.exec(text) ?? []
  return plainHex(inParentheses ?? text).replace(/^0+(?=.)/, '')
}

/** Describes a text that is not a {@link FINGERPRINT}, and says what to write instead. */
export function fingerprintFault(text: string): string {
  const expected = 'expected a SHA-256 of 64 hex digits, in quotes'
  if (/^sha256:[a-z0-9+/]{43}=?$/i.test(text))
    return `${expected}; this is the base64 form that ssh-keygen prints, so name the key by its file instead: { file: a.pub } (PEM)`
  if (/[/\\]|\.(pub|pem|crt|cer|der|key)$/i.test(text)) return `${expected}; to name a file, write { file: … }`
  const digits = plainHex(text.replace(/^sha-?1(?: fingerprint)?[:=]/i, ''))
  if (/^([0-9a-f]{40}|[0-9a-f]{32})$/.test(digits))
    return `${expected}; this is ${digits.length === 40 ? 'a SHA-1' : 'an MD5'} fingerprint, so print the SHA-256 one with "openssl x509 -noout -fingerprint -sha256"`
  return expected
}
