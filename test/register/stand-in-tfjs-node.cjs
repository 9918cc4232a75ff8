// Stands in for tfjs-node where that is not installed: as there, a module of its own holds the loader, which has a backend read the
// directory. The real one is tested by test/tfjs-node.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const backend = {
  loadSavedModelMetaGraph: (directory) => readFileSync(join(directory, 'variables/variables.data'), 'utf8'),
}

exports.loadSavedModel = async (directory) => backend.loadSavedModelMetaGraph(directory)
