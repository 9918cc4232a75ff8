/** The same for names that are one file on some disks: those that differ only in case, or in the form of their accents. */
export function foldedName(name: string): string {
  return name.normalize('NFC').toLowerCase()
}
