export interface Packed {
  name: string
  /** Of the package, in `packages`. */
  directory: string
  version: string
  tarball: string
}
export function packAll(root: string, destination: string): Promise<Packed[]>
