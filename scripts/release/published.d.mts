export function checkPublished(
  registry: string,
  signed: { name: string; version: string; tarball: Uint8Array },
): Promise<void>
