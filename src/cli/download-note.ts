import { mebibytes } from '../data/catalogue.js'
import type { DownloadOptions } from '../data/download.js'
import type { Io } from './io.js'

/** Notes on stderr what is downloaded, on which terms it is published, and progress: a line a file and then one every few megabytes. */
export function downloadNotes(io: Io): Required<Pick<DownloadOptions, 'onDownload' | 'onMissing'>> {
  const step = 8 * 2 ** 20
  let file = ''
  let next = 0
  return {
    onMissing: ({ name, licence, bytes }) => {
      io.note(`${name} is not here yet: ${mebibytes(bytes)} to download; terms: ${licence}`)
    },
    onDownload: (progress) => {
      if (progress.file !== file) {
        file = progress.file
        next = 0
      }
      if (progress.received < next) return
      next = progress.received + step
      const of = progress.total ? ` of ${mebibytes(progress.total)}` : ''
      io.note(`downloading ${file}: ${mebibytes(progress.received)}${of}`)
    },
  }
}
