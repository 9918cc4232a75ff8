import { statfsSync } from 'node:fs'

/**
 * linux/magic.h: file systems that belong to this machine alone. Only root and the owner can change a file, users
 * cannot set change times, and no other machine makes them stale.
 */
const LOCAL: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0xca451a4e, // bcachefs
  0x3153464a, // JFS
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x73717368, // squashfs
  0xe0f5e1e2, // EROFS
])

/**
 * Why this machine may not see every change to the bytes or times of a file on Linux: its file system is remote, in
 * user space, or unknown.
 *
 * @returns the file system, as a phrase; undefined if it is local
 */
export function foreignFileSystem(path: string): string | undefined {
  try {
    const { type } = statfsSync(path)
    return LOCAL.has(type) ? undefined : `a file system (0x${type.toString(16)}) that is not known to be local`
  } catch {
    return 'a file system of unknown type'
  }
}
