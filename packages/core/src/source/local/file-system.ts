import { statfsSync } from 'node:fs'

/**
 * linux/magic.h: file systems of this machine alone. Nobody but root and the owner of a file changes
 * what they hold, no user sets their change times, and no other machine leaves those stale.
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
 * Why a file on Linux may have other bytes or times than this machine knows of: it lies on a
 * network, in user space, or on a file system that is not known.
 *
 * @returns what was found, as a phrase; undefined on a local file system
 */
export function foreignFileSystem(path: string): string | undefined {
  try {
    const { type } = statfsSync(path)
    return LOCAL.has(type) ? undefined : `a file system (0x${type.toString(16)}) that is not known as local`
  } catch {
    return 'a file system that cannot be asked what it is'
  }
}
