// For `node --import`: names on standard error each file that is loaded as a module.
import { registerHooks } from 'node:module'
import { writeSync } from 'node:fs'

registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) writeSync(2, `loaded ${url}\n`)
    return next(url, context)
  },
})
