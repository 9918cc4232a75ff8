/** @returns the digest of the manifest */
export function writeImage(layout: string, of: { version: string; revision: string }): Promise<string>
