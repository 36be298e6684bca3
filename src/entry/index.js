// What `import … from 'noprop'` gives: the CommonJS build by its names.
import api from './index.cjs'

export const {
  buildNet,
  Dataset,
  datasets,
  FitRun,
  NetValue,
  NoProp,
  NoPropError,
  ProgressDisplay,
  sweep,
  TensorBoardWriter,
  version,
} = api
