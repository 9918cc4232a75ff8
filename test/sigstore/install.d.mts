export const BINARIES: string
export function install(): boolean
