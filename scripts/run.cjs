// `node scripts/run.cjs NAME …` runs scripts/NAME.mjs, after a look at Node's version in syntax that every Node understands.
require('./check-node.cjs')
require('./support/load.cjs')
