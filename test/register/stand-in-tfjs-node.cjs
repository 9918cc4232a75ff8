// Replaces tfjs-node, which is not installed: as there, a separate module contains the loader, and a backend reads the
// directory. test/tfjs-node tests the real package.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const backend = {
  loadSavedModelMetaGraph: (directory) => readFileSync(join(directory, 'variables/variables.data'), 'utf8'),
}

exports.loadSavedModel = async (directory) => backend.loadSavedModelMetaGraph(directory)
