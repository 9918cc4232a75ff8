#!/usr/bin/env node
'use strict'
// Old JavaScript on purpose: a Node.js that is too old for the program must still be able to say so.
var fs = require('fs')
var path = require('path')
var manifest = require('../package.json')

start()

function start() {
  if (!accepts(manifest.engines.node, process.versions.node)) {
    refuse('needs Node.js ' + manifest.engines.node + '; this is ' + process.versions.node + '.')
    return
  }
  if (!fs.existsSync(path.join(__dirname, '..', 'dist', 'main.cjs'))) {
    refuse('is not built: run "npm run setup" at the root of its repository, or install the package again.')
    return
  }
  try {
    require('./compile-cache.cjs')()
    require('../dist/main.cjs').main(process.argv.slice(2), manifest.version).catch(cannotStart)
  } catch (error) {
    cannotStart(error)
  }
}

function cannotStart(error) {
  refuse('cannot start: ' + String(error && error.message).split('\n')[0])
}

function refuse(reason) {
  process.stderr.write('modelseal ' + reason + '\n')
  process.exitCode = 2
}

/** For ranges such as "^22.22.2 || >=26.0.0", the only form that this package's manifest uses. */
function accepts(range, version) {
  return range.split('||').some(function (part) {
    var wanted = numbers(part)
    var found = numbers(version)
    if (part.indexOf('^') >= 0 && found[0] !== wanted[0]) return false
    for (var i = 0; i < 3; i++) {
      if (found[i] !== wanted[i]) return found[i] > wanted[i]
    }
    return true
  })
}

function numbers(text) {
  return text.match(/\d+/g).slice(0, 3).map(Number)
}
