export const BINARIES: string
export const PUBLIC_GOOD_BUNDLE: string
export function install(): boolean
