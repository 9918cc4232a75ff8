export interface Subject {
  name: string
  version: string
  digests: { sha1: string; sha256: string; sha512: string; integrity: string }
}
export function checkSbom(bytes: Buffer, subject: Subject): void
export function checkProvenance(bytes: Buffer, subject: Subject): { commit: string; builder: string }
