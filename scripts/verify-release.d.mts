export interface VerifiedPackage {
  commit: string
  builder: string
  signer: string | undefined
}
export function verifyPackage(request: {
  name: string
  version: string
  policy: string
  directory: string
  registry: string
}): Promise<VerifiedPackage>
