'use strict'
const fs = require('node:fs')
const { enableCompileCache } = require('node:module')
const path = require('node:path')

/**
 * Lets Node.js keep the compiled code of the program in ~/.cache/modelseal/compiled (XDG_CACHE_HOME).
 * What lies there runs as the program itself: Node.js checks it by CRC-32, not by owner. So it must
 * be a directory that only this user can write, all the way from the root; else nothing is kept. The
 * default of Node.js, in the directory for temporary files of all users, would let another user in.
 */
module.exports = function useCompileCache() {
  try {
    const directory = privateDirectory()
    if (directory !== undefined) enableCompileCache(directory)
  } catch {
    // The program works as well without, only later.
  }
}

function privateDirectory() {
  const { HOME = '', XDG_CACHE_HOME = '' } = process.env
  // Windows has neither, nor owners that can be compared.
  if (process.geteuid === undefined || isAnybody(process.geteuid())) return undefined
  const caches = path.isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : path.join(HOME, '.cache')
  if (!path.isAbsolute(caches)) return undefined
  const directory = path.join(caches, 'modelseal', 'compiled')
  if (!fs.existsSync(directory)) {
    // Under sudo, HOME may be that of another user, who would be left with directories of root.
    if (!isSafe(nearestExisting(directory))) return undefined
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  }
  const real = fs.realpathSync(directory)
  const { mode, uid } = fs.lstatSync(real)
  return uid === process.geteuid() && (mode & 0o077) === 0 && isSafe(real) ? real : undefined
}

/** True where nobody but this user and root can put another directory in the place of this one. */
function isSafe(directory) {
  for (let place = fs.realpathSync(directory); ; place = path.dirname(place)) {
    const { mode, uid } = fs.lstatSync(place)
    if (uid !== 0 && uid !== process.geteuid()) return false
    // In a sticky directory, such as /tmp, only its owner moves an entry away.
    if ((mode & 0o022) !== 0 && (mode & 0o1000) === 0) return false
    if (path.dirname(place) === place) return true
  }
}

/** True where the kernel shows the files of every user whom this user namespace does not map as this user's. */
function isAnybody(user) {
  try {
    if (user !== Number(fs.readFileSync('/proc/sys/kernel/overflowuid', 'latin1'))) return false
    const ranges = fs.readFileSync('/proc/self/uid_map', 'latin1').split('\n')
    const mapped = ranges.reduce((sum, range) => sum + Number(range.trim().split(/\s+/)[2] ?? 0), 0)
    return mapped < 4_294_967_295
  } catch {
    return process.platform === 'linux' && user === 65_534
  }
}

function nearestExisting(directory) {
  return fs.existsSync(directory) ? directory : nearestExisting(path.dirname(directory))
}
