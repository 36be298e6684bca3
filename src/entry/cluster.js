// What `import … from 'noprop/cluster'` gives: the CommonJS build by its names.
import api from './cluster.cjs'

export const { attachRun, cancelRun, collectRuns, DETACH, listRuns, migrate, runWorker } = api
