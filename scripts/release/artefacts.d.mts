export interface Files {
  tarball: string
  sbom: string
  provenance: string
  bundle: string
}
export function placesOf(release: string, name: string, version: string): { directory: string; files: Files }
