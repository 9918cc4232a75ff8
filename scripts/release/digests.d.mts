export function digestsOf(bytes: Uint8Array): { sha1: string; sha256: string; sha512: string; integrity: string }
