export interface Subject {
  tarball: string
  sha256: string
  sha512: string
}
export function provenanceOf(root: string, subject: Subject, environment: Record<string, string>): string
