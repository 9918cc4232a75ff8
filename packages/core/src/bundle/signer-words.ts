import { shown } from '../errors.ts'

/** Descriptions of signers for display. Each is one line, which no name can break or continue. */

/** @param fingerprint hex SHA-256 of the PEM of the public key */
export function keyWords(fingerprint: string): string {
  return `key sha256:${fingerprint}`
}

/** @param names alternative names, with their kinds */
export function certificateWords(subject: string, names: readonly string[]): string {
  const [first = '', ...more] = [subject, ...names].filter((name) => name !== '').map(readable)
  return more.length === 0 ? first : `${first} (${more.join(', ')})`
}

export function identityWords(identity: string, issuer: string): string {
  return `${readable(identity)} (issuer ${readable(issuer)})`
}

/** Longer names are cut, as in all messages. */
const LONGEST = 300

/** The name itself if it cannot be mistaken for anything else, otherwise quoted and escaped. */
function readable(name: string): string {
  return name.length <= LONGEST && /^[\p{L}\p{N} ._%+@:/=,~#*?&!'\\-]+$/u.test(name) ? name : shown(name)
}

/** What to do if a bundle was signed by another method than expected. */
export function methodHint(method: string): string {
  return `Verify it with "modelseal verify ${method}", or name a signer of this method in the program or policy.`
}
